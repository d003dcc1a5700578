"""What a capture held, by kind: numbers only, so that nobody in the capture leaves a trace in the
account of it.
"""

from dataclasses import asdict, dataclass

from presence.core.hci.reports import ReportCounts


@dataclass(slots=True)
class CaptureCounts(ReportCounts):
    """Counts of one reading of a capture.

    Each report ends in exactly one place: `reports` is the sum of the advertisements that were
    handed on, `malformed_payloads` and `fragments`.
    """

    crc_failed: int = 0
    """Packets of a sniffer that were received with errors; they are left out."""
    rssi_unknown: int = 0
    """Advertisements that came without a signal strength (127, or a link type that has none)."""
    rssi_impossible: int = 0
    """Advertisements whose signal strength no phone can cause; they are handed on without one."""

    def as_dict(self) -> dict[str, int]:
        """Ready for JSON, with the sum under `reports`."""
        return {"reports": self.reports, **asdict(self)}
