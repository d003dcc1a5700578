"""What sniffers write before a packet from the air: how strong it was, and whether its checksum
held.

Link type 256, LINKTYPE_BLUETOOTH_LE_LL_WITH_PHDR (tcpdump.org/linktypes), little-endian:

    RF channel 1 | signal power dBm 1 | noise power 1 | access address offenses 1
    | reference access address 4 | flags 2

Link type 272, LINKTYPE_NORDIC_BLE: the nRF Sniffer's serial format, little-endian, by protocol
version:

    0   0xBE 0xEF | packet id 1 | counter 2 | unused 2 | payload length 1 | (no length byte) …
    1   board 1 | header length 1 | payload length 1 | version 1 | counter 2 | packet id 1
        | length 1 …
    2,3 board 1 | payload length 2 | version 1 | counter 2 | packet id 1 | length 1 …
    …   flags 1 | channel 1 | RSSI 1 (positive: −RSSI dBm) | event counter 2 | time 4
        | packet from the air
"""

import struct
from collections.abc import Sequence
from typing import Final

from presence.core.recognition.advertisement import RSSI_UNAVAILABLE_DBM
from presence.edges.capture.link_layer import LinkLayerPackets
from presence.edges.capture.records import NO_REPORTS, Report

PHDR: Final = struct.Struct("<BbbBIH")
PHDR_DEWHITENED: Final = 0x0001
PHDR_SIGNAL_POWER_VALID: Final = 0x0002
PHDR_CRC_CHECKED: Final = 0x0400
PHDR_CRC_VALID: Final = 0x0800
PHDR_PHY_SHIFT: Final = 14
PHY_CODED: Final = 2

NORDIC_LEGACY_MARKER: Final = b"\xbe\xef"
NORDIC_PACKET: Final = 0x06
"""Any packet up to version 2, a packet of a connection from version 3 on."""
NORDIC_ADVERTISING_PACKET: Final = 0x02
"""From version 3 on."""
NORDIC_CRC_OK: Final = 0x01
NORDIC_FIELDS_BYTES: Final = 9
"""Flags to time."""


def with_phdr(packets: LinkLayerPackets, data: bytes, start: int, stop: int) -> Sequence[Report]:
    """The report of a packet of link type 256."""
    counts = packets.counts
    if stop - start < PHDR.size:
        counts.malformed_reports += 1
        return NO_REPORTS
    _, power_dbm, _, _, _, flags = PHDR.unpack_from(data, start)
    if not flags & PHDR_DEWHITENED:  # still scrambled for the air: nothing in it can be read
        counts.other_records += 1
        return NO_REPORTS
    return packets.reports(
        data,
        start + PHDR.size,
        stop,
        power_dbm if flags & PHDR_SIGNAL_POWER_VALID else RSSI_UNAVAILABLE_DBM,
        crc_valid=bool(flags & PHDR_CRC_VALID) if flags & PHDR_CRC_CHECKED else None,
        coded=flags >> PHDR_PHY_SHIFT == PHY_CODED,
    )


def nordic(packets: LinkLayerPackets, data: bytes, start: int, stop: int) -> Sequence[Report]:
    """The report of a packet of link type 272."""
    counts = packets.counts
    if stop - start < 8:
        counts.malformed_reports += 1
        return NO_REPORTS
    if data[start : start + 2] == NORDIC_LEGACY_MARKER:
        packet_id, fields, packet = data[start + 2], start + 8, start + 8 + NORDIC_FIELDS_BYTES
        carries_advertising = packet_id == NORDIC_PACKET
    else:
        version, packet_id = data[start + 3], data[start + 6]
        payload = start + 1 + data[start + 1] if version == 1 else start + 7
        fields, packet = payload + 1, payload + (data[payload] if payload < stop else 0)
        carries_advertising = packet_id == (
            NORDIC_PACKET if version < 3 else NORDIC_ADVERTISING_PACKET
        )
    if not carries_advertising:
        counts.other_records += 1
        return NO_REPORTS
    if packet < fields + NORDIC_FIELDS_BYTES or packet > stop:
        counts.malformed_reports += 1
        return NO_REPORTS
    flags = data[fields]
    return packets.reports(
        data,
        packet,
        stop,
        -data[fields + 2],
        crc_valid=bool(flags & NORDIC_CRC_OK),
        coded=flags >> 4 & 0b111 == PHY_CODED,
    )
