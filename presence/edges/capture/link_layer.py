"""Advertising packets as a sniffer takes them from the air.

    access address 4 | PDU header 2 (type in the low 4 bits, length in the second byte)
    | payload | CRC 3

Core 5.4, Vol 6 Part B §2.1 (packet), §2.3 (advertising PDUs), §2.3.4 (common extended advertising
payload format). On the coded PHY a sniffer puts one byte, the coding indicator, behind the access
address (§2.2).

A PDU without an advertiser's address (anonymous, or the continuation of a chain) is left out:
continuations name their advertiser only by time and channel, and anonymous advertisements are
nobody's. An AUX_SCAN_RSP looks like an AUX_ADV_IND (only the time tells them apart) and is not
counted as a scan response.
"""

from collections.abc import Sequence
from typing import Final

from presence.core.hci.fragments import whole_structures
from presence.edges.capture.counts import CaptureCounts
from presence.edges.capture.crc24 import CRC_BYTES, advertising_crc
from presence.edges.capture.records import NO_REPORTS, Report

ADVERTISING_ACCESS_ADDRESS: Final = 0x8E89BED6.to_bytes(4, "little")
"""Vol 6 Part B §2.1.2: of all advertising but periodic."""

ADV_DIRECT_IND: Final = 0b0001
SCAN_RSP: Final = 0b0100
LEGACY_WITH_PAYLOAD: Final = frozenset({0b0000, 0b0010, SCAN_RSP, 0b0110})
"""ADV_IND, ADV_NONCONN_IND, SCAN_RSP, ADV_SCAN_IND: address 6, then AD structures (§2.3.1,
§2.3.2).
"""
EXTENDED: Final = 0b0111
"""ADV_EXT_IND, AUX_ADV_IND, AUX_SCAN_RSP, AUX_SYNC_IND and AUX_CHAIN_IND share one number (§2.3,
table 2.3).
"""

HAS_ADVERTISER, HAS_AUX_POINTER = 1 << 0, 1 << 4
"""Extended header flags (§2.3.4.1): what follows, in this order: AdvA 6, TargetA 6, CTEInfo 1, ADI
2, AuxPtr 3, …
"""


class LinkLayerPackets:
    """Takes the packets of one sniffer apart."""

    def __init__(self, counts: CaptureCounts) -> None:
        self.counts = counts

    def reports(
        self,
        data: bytes,
        start: int,
        stop: int,
        rssi_dbm: int,
        *,
        crc_valid: bool | None,
        coded: bool = False,
    ) -> Sequence[Report]:
        """The report in the packet at data[start:stop]; `crc_valid` is None where nobody has
        checked.
        """
        counts = self.counts
        if data[start : start + 4] != ADVERTISING_ACCESS_ADDRESS or stop - start < 4:
            counts.other_records += 1
            return NO_REPORTS
        header = start + 4 + coded
        end = header + 2 + data[header + 1] if stop - header >= 2 else stop
        if crc_valid is False:
            counts.crc_failed += 1
        elif end + CRC_BYTES > stop:
            counts.malformed_reports += 1
        elif crc_valid is None and advertising_crc(data[header:end]) != data[end : end + CRC_BYTES]:
            counts.crc_failed += 1
        else:
            return self._pdu(data[header] & 0x0F, data, header + 2, end, rssi_dbm)
        return NO_REPORTS

    def _pdu(self, kind: int, data: bytes, at: int, end: int, rssi_dbm: int) -> Sequence[Report]:
        counts = self.counts
        if kind == EXTENDED:
            return self._extended(data, at, end, rssi_dbm)
        if kind not in LEGACY_WITH_PAYLOAD and kind != ADV_DIRECT_IND:
            counts.other_records += 1
            return NO_REPORTS
        if end - at < 6:
            counts.malformed_reports += 1
            return NO_REPORTS
        address = data[at : at + 6][::-1]
        if kind == ADV_DIRECT_IND:  # the rest is the receiver's address (§2.3.1.2)
            counts.directed += 1
            return ((address, rssi_dbm, b"", ""),)
        counts.legacy += 1
        counts.scan_responses += kind == SCAN_RSP
        return ((address, rssi_dbm, data[at + 6 : end], ""),)

    def _extended(self, data: bytes, at: int, end: int, rssi_dbm: int) -> Sequence[Report]:
        """§2.3.4: header length 6 bits and AdvMode 2 bits | flags and fields | advertising data.

        An ADV_EXT_IND that only points to where the data will be sent is no report, as for a
        controller. Data that goes on in a chain (AuxPtr present) is used as far as it is.
        """
        counts = self.counts
        header_bytes = data[at] & 0x3F if at < end else end
        flags = data[at + 1] if header_bytes and end - at >= 2 else 0
        data_at = at + 1 + header_bytes
        if data_at > end or (flags & HAS_ADVERTISER and header_bytes < 7):
            counts.malformed_reports += 1
            return NO_REPORTS
        points_on = bool(flags & HAS_AUX_POINTER)
        if not flags & HAS_ADVERTISER or (points_on and data_at == end):
            counts.other_records += 1
            return NO_REPORTS
        counts.extended += 1
        payload = data[data_at:end]
        return (
            (
                data[at + 2 : at + 8][::-1],
                rssi_dbm,
                whole_structures(payload) if points_on else payload,
                "",
            ),
        )
