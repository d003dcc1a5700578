"""Captures: recordings of what a radio heard, read back as advertisements.

btsnoop (Android, btmon), pcap and pcapng (tcpdump, Wireshark, sniffers), with HCI events or packets
from the air.

Imports: presence.core, presence.errors; no other edge.
"""

from presence.edges.capture.counts import CaptureCounts
from presence.edges.capture.reader import CaptureReader

__all__ = ["CaptureCounts", "CaptureReader"]
