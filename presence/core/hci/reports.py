"""Advertising reports in HCI events.

    event code 0x3E (LE Meta) | parameter length | subevent | number of reports | reports …

The specification lists the parameters as arrays (`Address[i]`), but every controller sends report
after report, and so do Linux, btmon and Wireshark read them: the layouts below are of one report.
Core 5.4, Vol 4 Part E §5.4.4 (event packet), §7.7.65.2, §7.7.65.11, §7.7.65.13.
"""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from presence.core.hci.fragments import ChainKey, FragmentChains, whole_structures
from presence.core.hci.packets import (
    ADVERTISING_REPORT,
    DIRECTED_ADVERTISING_REPORT,
    EXTENDED_ADVERTISING_REPORT,
    LE_META,
)

Report = tuple[int, int, int, bytes]
"""Address, its type (0 public, 1 random, …: §7.7.65.2), RSSI in dBm as read (127: unknown), data. A
plain tuple, and the address a plain number: strangers are made and dropped by the thousand.
"""

NO_REPORTS: Final[Sequence[Report]] = ()

LEGACY_SCAN_RESPONSE: Final = 0x04
EXTENDED_SCAN_RESPONSE: Final = 1 << 3

DATA_COMPLETE: Final = 0b00
DATA_MORE_TO_COME: Final = 0b01

_LEGACY: Final = struct.Struct("<BBIHB")
"""Event type, address type, address (4 and 2 bytes), data length; then data and RSSI."""
_DIRECTED: Final = struct.Struct("<xBIH7xb")
"""Event type, address type, address, direct address and its type, RSSI."""
_EXTENDED: Final = struct.Struct("<HBIHxxBxb9xB")
"""Event type, address type, address, primary and secondary PHY, SID, TX power, RSSI, periodic
interval, direct address and its type, data length; then data.
"""


@dataclass(slots=True)
class ReportCounts:
    """Of reports, by kind; never whose."""

    legacy: int = 0
    """Of event 0x02, or of a legacy PDU on air."""
    extended: int = 0
    """Of event 0x0D, or of a PDU in the common extended advertising format."""
    directed: int = 0
    """Of event 0x0B, or ADV_DIRECT_IND: for one receiver, without a payload."""
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
    other_records: int = 0
    """What is not advertising: commands, data, other events, scan requests, connections."""

    @property
    def reports(self) -> int:
        """All advertising reports, of whichever kind."""
        return self.legacy + self.extended + self.directed


class AdvertisingReports:
    """Takes the events of one controller apart; remembers nothing but unfinished extended
    advertisements.
    """

    def __init__(self, counts: ReportCounts) -> None:
        self._counts = counts
        self._chains = FragmentChains()
        self._subevents: dict[int, Callable[[bytes, int, int], Sequence[Report]]] = {
            ADVERTISING_REPORT: self._legacy,
            DIRECTED_ADVERTISING_REPORT: self._directed,
            EXTENDED_ADVERTISING_REPORT: self._extended,
        }

    def take(self, data: bytes, at: int, end: int) -> Sequence[Report]:
        """The reports of the event in data[at:end], which begins with its event code. Raises
        nothing.
        """
        if end - at > 2 and data[at] == LE_META:
            take = self._subevents.get(data[at + 2])
            if take is not None:
                return take(data, at + 3, min(at + 2 + data[at + 1], end))
        self._counts.other_records += 1
        return NO_REPORTS

    def _legacy(self, data: bytes, at: int, end: int) -> list[Report]:
        """§7.7.65.2."""
        reports: list[Report] = []
        counts = self._counts
        left = data[at] if at < end else 0
        at += 1
        counts.malformed_reports += not left
        while left:
            # Data and RSSI are to come, so that a report without a payload takes one byte more.
            if end - at <= _LEGACY.size:
                counts.malformed_reports += 1
                break
            event_type, address_type, low, high, size = _LEGACY.unpack_from(data, at)
            at += _LEGACY.size
            rssi_at = at + size
            if rssi_at >= end:
                counts.malformed_reports += 1
                break
            rssi = data[rssi_at]
            reports.append(
                (
                    high << 32 | low,
                    address_type,
                    rssi if rssi < 128 else rssi - 256,
                    data[at:rssi_at],
                )
            )
            counts.legacy += 1
            if event_type == LEGACY_SCAN_RESPONSE:
                counts.scan_responses += 1
            at = rssi_at + 1
            left -= 1
        return reports

    def _directed(self, data: bytes, at: int, end: int) -> list[Report]:
        """§7.7.65.11."""
        reports: list[Report] = []
        counts = self._counts
        left = data[at] if at < end else 0
        at += 1
        counts.malformed_reports += not left
        while left:
            if end - at < _DIRECTED.size:
                counts.malformed_reports += 1
                break
            address_type, low, high, rssi_dbm = _DIRECTED.unpack_from(data, at)
            reports.append((high << 32 | low, address_type, rssi_dbm, b""))
            counts.directed += 1
            at += _DIRECTED.size
            left -= 1
        return reports

    def _extended(self, data: bytes, at: int, end: int) -> list[Report]:
        """§7.7.65.13. Event type: bit 3 scan response, bits 5 and 6 data status."""
        reports: list[Report] = []
        counts = self._counts
        left = data[at] if at < end else 0
        at += 1
        counts.malformed_reports += not left
        while left:
            if end - at < _EXTENDED.size:
                counts.malformed_reports += 1
                break
            event_type, address_type, low, high, sid, rssi_dbm, size = _EXTENDED.unpack_from(
                data, at
            )
            at += _EXTENDED.size
            if at + size > end:
                counts.malformed_reports += 1
                break
            counts.extended += 1
            answer = bool(event_type & EXTENDED_SCAN_RESPONSE)
            counts.scan_responses += answer
            address = high << 32 | low
            status = event_type >> 5 & 0b11
            whole: bytes | None = data[at : at + size]
            if status != DATA_COMPLETE or self._chains:
                key = (address_type, address, sid, answer)
                whole = self._whole(key, status, data[at : at + size])
            if whole is not None:
                reports.append((address, address_type, rssi_dbm, whole))
            at += size
            left -= 1
        return reports

    def _whole(self, key: ChainKey, status: int, part: bytes) -> bytes | None:
        """The advertising data that this part completes, or None."""
        if status == DATA_MORE_TO_COME:
            self._chains.extend(key, part)
            self._counts.fragments += 1
            return None
        whole = self._chains.finish(key, part)
        if whole is None:
            self._counts.malformed_payloads += 1
            return None
        return whole if status == DATA_COMPLETE else whole_structures(whole)
