"""pcap: what tcpdump and most sniffers write.

    header   magic 4 | version 2+2 | reserved 4+4 | snapshot length 4 | link type 4
    record   seconds 4 | fraction 4 | captured length 4 | original length 4 | data

In the byte order of the machine that wrote it, which the magic tells, as it tells whether fractions
are micro- or nanoseconds (draft-ietf-opsawg-pcap §4, §5).
"""

import struct
from collections.abc import Iterator
from typing import Final

from presence.edges.capture.counts import CaptureCounts
from presence.edges.capture.links import PCAP_LINKS, decoder_for, describe_link, unreadable
from presence.edges.capture.records import CUT_SHORT, DAMAGED, MAX_RECORD_BYTES, CaptureFile, Record

MAGIC_MICROSECONDS: Final = 0xA1B2C3D4
MAGIC_NANOSECONDS: Final = 0xA1B23C4D
VARIANTS: Final[dict[bytes, tuple[str, int]]] = {
    struct.pack(byte_order + "I", magic): (byte_order, ticks_per_s)
    for magic, ticks_per_s in ((MAGIC_MICROSECONDS, 10**6), (MAGIC_NANOSECONDS, 10**9))
    for byte_order in "<>"
}
"""By the first four bytes: byte order for `struct`, and fractions to the second."""
HEADER_BYTES: Final = 24
LINK_TYPE_OFFSET: Final = 20
LINK_TYPE_MASK: Final = 0x03FFFFFF
"""The upper bits tell the length of a frame check sequence, not the link type (libpcap,
LT_LINKTYPE).
"""


class PcapCapture:
    """One pcap file; raises CaptureError where its header is not one that we read."""

    def __init__(self, file: CaptureFile) -> None:
        if len(file.data) < HEADER_BYTES:
            raise file.fault(
                len(file.data), f"the pcap header of {HEADER_BYTES} bytes is cut short", CUT_SHORT
            )
        self._byte_order, self._ticks_per_s = VARIANTS[file.data[:4]]
        (link_field,) = struct.unpack_from(self._byte_order + "I", file.data, LINK_TYPE_OFFSET)
        self._link_type = link_field & LINK_TYPE_MASK
        if self._link_type not in PCAP_LINKS:
            finding = unreadable("link type", self._link_type, PCAP_LINKS)
            remedy = "capture on a Bluetooth interface, e.g. bluetooth-monitor"
            raise file.fault(LINK_TYPE_OFFSET, finding, remedy)
        self._file = file

    @property
    def format(self) -> str:
        return f"pcap, link type {describe_link(self._link_type)}"

    def records(self, counts: CaptureCounts) -> Iterator[Record]:
        file, data = self._file, self._file.data
        decode = decoder_for(self._link_type, counts)
        header = struct.Struct(self._byte_order + "IIII")
        header_of, header_bytes, ticks_per_s = header.unpack_from, header.size, self._ticks_per_s
        at, size = HEADER_BYTES, len(data)
        while at < size:
            start = at + header_bytes
            if start > size:
                raise file.fault(
                    at, f"a record header of {header_bytes} bytes is cut short", CUT_SHORT
                )
            seconds, fraction, included, original = header_of(data, at)
            if included > original or included > MAX_RECORD_BYTES:
                raise file.fault(at, "a record's length is impossible", DAMAGED)
            stop = start + included
            if stop > size:
                raise file.fault(at, "a record is longer than the rest of the file", CUT_SHORT)
            yield seconds + fraction / ticks_per_s, decode, start, stop, 0
            at = stop
