"""What a capture held, by kind: numbers only, so that nobody in the capture leaves a trace in the
account of it.
"""

from dataclasses import asdict, dataclass


@dataclass(slots=True)
class ReportCounts:
    """Counts of one reading of a capture.

    Each report ends in exactly one place: `reports` is the sum of the advertisements that were
    handed on, `malformed_payloads` and `fragments`.
    """

    legacy: int = 0
    """Reports of the legacy event 0x02; of a sniffer ADV_IND, ADV_NONCONN_IND, ADV_SCAN_IND and
    SCAN_RSP.
    """
    extended: int = 0
    """Reports of the extended event 0x0D; of a sniffer PDUs in the common extended advertising
    format.
    """
    directed: int = 0
    """Reports of the directed event 0x0B; of a sniffer ADV_DIRECT_IND: for one receiver, without a
    payload.
    """
    scan_responses: int = 0
    """How many of the reports above answered a scan request."""
    fragments: int = 0
    """How many of the reports above were only a part of an advertisement, handed on with a later
    part or given up.
    """
    malformed_payloads: int = 0
    """Reports whose AD structures do not add up; they are left out."""
    malformed_reports: int = 0
    """Events and packets that end before their own lengths say; what was whole before the break is
    used.
    """
    crc_failed: int = 0
    """Packets of a sniffer that were received with errors; they are left out."""
    rssi_unknown: int = 0
    """Advertisements that came without a signal strength (127, or a link type that has none)."""
    rssi_impossible: int = 0
    """Advertisements whose signal strength no phone can cause; they are handed on without one."""
    other_records: int = 0
    """Records that are not advertising: commands, data, other events, scan requests,
    connections.
    """

    @property
    def reports(self) -> int:
        """All advertising reports, of whichever kind."""
        return self.legacy + self.extended + self.directed

    def as_dict(self) -> dict[str, int]:
        """Ready for JSON, with the sum under `reports`."""
        return {"reports": self.reports, **asdict(self)}
