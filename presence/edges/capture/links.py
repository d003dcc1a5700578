"""Data link types: what a record's bytes are, and how to get at the advertising in them.

btsnoop numbers its data links itself (1001, 1002; BlueZ added 2001), pcap and pcapng use tcpdump's
LINKTYPE numbers (tcpdump.org/linktypes). The two do not overlap.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from presence.core.hci.packets import EVENT_PACKET
from presence.core.hci.reports import AdvertisingReports
from presence.core.recognition.advertisement import RSSI_UNAVAILABLE_DBM
from presence.edges.capture.counts import CaptureCounts
from presence.edges.capture.link_layer import LinkLayerPackets
from presence.edges.capture.radio_headers import nordic, with_phdr
from presence.edges.capture.records import NO_REPORTS, Decode, Report

H4_DIRECTION_BYTES: Final = 4
"""LINKTYPE_BLUETOOTH_HCI_H4_WITH_PHDR: the direction, big-endian, comes first."""
H1_RECEIVED_EVENT: Final = 0b11
"""btsnoop record flags: bit 0 received by the host, bit 1 command or event; without an indicator
byte they tell.
"""
MONITOR_EVENT: Final = 3
"""BTSNOOP_OPCODE_EVENT_PKT of BlueZ (doc/btsnoop.txt)."""
MONITOR_HEADER_BYTES: Final = 4
"""LINKTYPE_BLUETOOTH_LINUX_MONITOR: adapter 2, opcode 2, big-endian."""

BTSNOOP_LINKS: Final[Mapping[int, str]] = {
    1001: "HCI, unencapsulated",
    1002: "HCI UART, H4",
    2001: "Linux monitor",
}
PCAP_LINKS: Final[Mapping[int, str]] = {
    187: "HCI UART, H4",
    201: "HCI UART, H4 with direction",
    251: "LE link layer",
    254: "Linux monitor",
    256: "LE link layer with radio header",
    272: "nRF Sniffer",
}


def describe_link(link_type: int) -> str:
    """E.g. `1002 (HCI UART, H4)`."""
    name = BTSNOOP_LINKS.get(link_type) or PCAP_LINKS.get(link_type) or "not Bluetooth LE"
    return f"{link_type} ({name})"


def unreadable(what: str, link_type: int, readable: Mapping[int, str]) -> str:
    """The finding for a link type that is not in `readable`.

    Both registries have 16 bits; a larger number comes from a broken file and may be a piece of an
    address.
    """
    found = f"{what} {link_type}" if link_type <= 0xFFFF else f"an impossible {what}"
    return f"{found}, expected one of {', '.join(map(describe_link, readable))}"


def decoder_for(link_type: int, counts: CaptureCounts) -> Decode:
    """A decoder for one interface; links that carry no advertising are counted as other records."""
    make = _DECODERS.get(link_type, _unread)
    return make(counts)


def _reports(
    controller: AdvertisingReports, data: bytes, start: int, stop: int, adapter: str = ""
) -> Sequence[Report]:
    return [
        (address.to_bytes(6, "big"), rssi_dbm, payload, adapter)
        for address, _, rssi_dbm, payload in controller.take(data, start, stop)
    ]


def _h4(counts: CaptureCounts, *, prefix_bytes: int = 0) -> Decode:
    controller = AdvertisingReports(counts)

    def decode(data: bytes, start: int, stop: int, _flags: int) -> Sequence[Report]:
        start += prefix_bytes
        if start < stop and data[start] == EVENT_PACKET:
            return _reports(controller, data, start + 1, stop)
        counts.other_records += 1
        return NO_REPORTS

    return decode


def _h1(counts: CaptureCounts) -> Decode:
    controller = AdvertisingReports(counts)

    def decode(data: bytes, start: int, stop: int, flags: int) -> Sequence[Report]:
        if flags & H1_RECEIVED_EVENT == H1_RECEIVED_EVENT:
            return _reports(controller, data, start, stop)
        counts.other_records += 1
        return NO_REPORTS

    return decode


def _monitor(counts: CaptureCounts) -> Decode:
    """btsnoop 2001: opcode in the low, adapter index in the high 16 bits of the flags."""
    controllers: dict[int, AdvertisingReports] = {}

    def decode(data: bytes, start: int, stop: int, flags: int) -> Sequence[Report]:
        if flags & 0xFFFF == MONITOR_EVENT:
            number = flags >> 16
            controller = controllers.get(number)
            if controller is None:
                controller = controllers[number] = AdvertisingReports(counts)
            return _reports(controller, data, start, stop, f"hci{number}")
        counts.other_records += 1
        return NO_REPORTS

    return decode


def _monitor_with_header(counts: CaptureCounts) -> Decode:
    """The same in pcap, where the record's first bytes say it."""
    monitor = _monitor(counts)

    def decode(data: bytes, start: int, stop: int, _flags: int) -> Sequence[Report]:
        if stop - start < MONITOR_HEADER_BYTES:
            counts.malformed_reports += 1
            return NO_REPORTS
        body = start + MONITOR_HEADER_BYTES
        return monitor(data, body, stop, int.from_bytes(data[start:body], "big"))

    return decode


def _link_layer(counts: CaptureCounts) -> Decode:
    packets = LinkLayerPackets(counts)

    def decode(data: bytes, start: int, stop: int, _flags: int) -> Sequence[Report]:
        return packets.reports(data, start, stop, RSSI_UNAVAILABLE_DBM, crc_valid=None)

    return decode


def _with_radio_header(
    take: Callable[[LinkLayerPackets, bytes, int, int], Sequence[Report]], counts: CaptureCounts
) -> Decode:
    packets = LinkLayerPackets(counts)

    def decode(data: bytes, start: int, stop: int, _flags: int) -> Sequence[Report]:
        return take(packets, data, start, stop)

    return decode


def _unread(counts: CaptureCounts) -> Decode:
    def decode(_data: bytes, _start: int, _stop: int, _flags: int) -> Sequence[Report]:
        counts.other_records += 1
        return NO_REPORTS

    return decode


_DECODERS: Final[Mapping[int, Callable[[CaptureCounts], Decode]]] = {
    1001: _h1,
    1002: _h4,
    2001: _monitor,
    187: _h4,
    201: partial(_h4, prefix_bytes=H4_DIRECTION_BYTES),
    251: _link_layer,
    254: _monitor_with_header,
    256: partial(_with_radio_header, with_phdr),
    272: partial(_with_radio_header, nordic),
}
