"""Advertising reports in HCI events.

    event code 0x3E (LE Meta) | parameter length | subevent | number of reports | reports …

The specification lists the parameters as arrays (`Address[i]`), but every controller sends report
after report, and so do Linux, btmon and Wireshark read them: the layouts below are of one report.
Core 5.4, Vol 4 Part E §5.4.4 (event packet), §7.7.65.2, §7.7.65.11, §7.7.65.13.
"""

from collections.abc import Callable, Sequence
from typing import Final

from presence.edges.capture.counts import ReportCounts
from presence.edges.capture.fragments import FragmentChains, whole_structures
from presence.edges.capture.records import NO_REPORTS, Report

LE_META_EVENT: Final = 0x3E
ADVERTISING_REPORT: Final = 0x02
DIRECTED_ADVERTISING_REPORT: Final = 0x0B
EXTENDED_ADVERTISING_REPORT: Final = 0x0D

LEGACY_SCAN_RESPONSE: Final = 0x04
EXTENDED_SCAN_RESPONSE: Final = 1 << 3

LEGACY_FIXED_BYTES: Final = 10
DIRECTED_BYTES: Final = 16
EXTENDED_FIXED_BYTES: Final = 24

DATA_COMPLETE: Final = 0b00
DATA_MORE_TO_COME: Final = 0b01

TakeReports = Callable[[bytes, int, int, str], Sequence[Report]]


class HciEvents:
    """Takes the events of one data link apart; remembers nothing but unfinished extended
    advertisements.
    """

    def __init__(self, counts: ReportCounts) -> None:
        self._counts = counts
        self._chains = FragmentChains()
        self._subevents: dict[int, TakeReports] = {
            ADVERTISING_REPORT: self._legacy,
            DIRECTED_ADVERTISING_REPORT: self._directed,
            EXTENDED_ADVERTISING_REPORT: self._extended,
        }

    def reports(self, data: bytes, start: int, stop: int, adapter: str) -> Sequence[Report]:
        """The reports of the event at data[start:stop], which begins with its event code."""
        if stop - start > 2 and data[start] == LE_META_EVENT:
            take = self._subevents.get(data[start + 2])
            if take is not None:
                end = start + 2 + data[start + 1]
                return take(data, start + 3, min(end, stop), adapter)
        self._counts.other_records += 1
        return NO_REPORTS

    def _legacy(self, data: bytes, at: int, end: int, adapter: str) -> list[Report]:
        """§7.7.65.2: event type 1, address type 1, address 6, data length 1, data, RSSI 1."""
        reports: list[Report] = []
        counts = self._counts
        left = data[at] if at < end else 0
        at += 1
        counts.malformed_reports += not left
        while left:
            rssi_at = at + 9 + data[at + 8] if end - at >= LEGACY_FIXED_BYTES else end
            if rssi_at >= end:
                counts.malformed_reports += 1
                break
            rssi = data[rssi_at]
            address, payload = data[at + 7 : at + 1 : -1], data[at + 9 : rssi_at]
            reports.append((address, rssi if rssi < 128 else rssi - 256, payload, adapter))
            counts.legacy += 1
            if data[at] == LEGACY_SCAN_RESPONSE:
                counts.scan_responses += 1
            at = rssi_at + 1
            left -= 1
        return reports

    def _directed(self, data: bytes, at: int, end: int, adapter: str) -> list[Report]:
        """§7.7.65.11: event type 1, address type 1, address 6, direct address type 1, direct
        address 6, RSSI 1.
        """
        reports: list[Report] = []
        counts = self._counts
        left = data[at] if at < end else 0
        at += 1
        counts.malformed_reports += not left
        while left:
            if end - at < DIRECTED_BYTES:
                counts.malformed_reports += 1
                break
            rssi = data[at + 15]
            reports.append(
                (data[at + 7 : at + 1 : -1], rssi if rssi < 128 else rssi - 256, b"", adapter)
            )
            counts.directed += 1
            at += DIRECTED_BYTES
            left -= 1
        return reports

    def _extended(self, data: bytes, at: int, end: int, adapter: str) -> list[Report]:
        """§7.7.65.13, one report after another; see `_extended_payload` for the layout."""
        reports: list[Report] = []
        counts = self._counts
        left = data[at] if at < end else 0
        at += 1
        counts.malformed_reports += not left
        while left:
            stop = (
                at + EXTENDED_FIXED_BYTES + data[at + 23]
                if end - at >= EXTENDED_FIXED_BYTES
                else end + 1
            )
            if stop > end:
                counts.malformed_reports += 1
                break
            counts.extended += 1
            if data[at] & EXTENDED_SCAN_RESPONSE:
                counts.scan_responses += 1
            payload = self._extended_payload(data, at, stop, adapter)
            if payload is not None:
                rssi = data[at + 13]
                address = data[at + 8 : at + 2 : -1]
                reports.append((address, rssi if rssi < 128 else rssi - 256, payload, adapter))
            at = stop
            left -= 1
        return reports

    def _extended_payload(self, data: bytes, at: int, stop: int, adapter: str) -> bytes | None:
        """The advertising data that this report completes, or None.

        event type 2 | address type 1 | address 6 | primary PHY 1 | secondary PHY 1 | SID 1 | TX
        power 1 | RSSI 1 | periodic interval 2 | direct address type 1 | direct address 6 | data
        length 1 | data Event type: bit 3 scan response, bits 5 and 6 data status.
        """
        status = data[at] >> 5 & 0b11
        part = data[at + EXTENDED_FIXED_BYTES : stop]
        if status == DATA_COMPLETE and not self._chains:
            return part
        key = (
            data[at + 2 : at + 9],
            data[at + 11],
            bool(data[at] & EXTENDED_SCAN_RESPONSE),
            adapter,
        )
        if status == DATA_MORE_TO_COME:
            self._chains.extend(key, part)
            self._counts.fragments += 1
            return None
        whole = self._chains.finish(key, part)
        if whole is None:
            self._counts.malformed_payloads += 1
            return None
        return whole if status == DATA_COMPLETE else whole_structures(whole)
