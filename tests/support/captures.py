"""Captures made by hand: writers for every format that the capture edge reads.

Written from the specifications, not from the reader: the checksum below works bit by bit where the
reader uses a table, and the layouts are spelt out field by field. Addresses are given as printed,
most significant byte first.
"""

import heapq
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

BTSNOOP_EPOCH_US: Final = 0x00DCDDB30F2F8000
H1_RECEIVED_EVENT: Final = 3
MONITOR_EVENT: Final = 3
H4_EVENT: Final = b"\x04"

ADV_IND, ADV_DIRECT_IND, ADV_NONCONN_IND, SCAN_REQ, SCAN_RSP = 0, 1, 2, 3, 4
ADV_SCAN_IND, EXTENDED_PDU = 6, 7

NOON_S: Final = 1_790_000_000.25
"""A moment of 2026, exact as a float and in microseconds."""
CUSTOMER: Final = bytes.fromhex("c0ffee123456")
STRANGER: Final = bytes.fromhex("5eedfacade11")
EDDYSTONE: Final = bytes.fromhex("0201060303aafe0d16aafe30ee0123456789abcdef")
EDDYSTONE_UUID: Final = "0000feaa-0000-1000-8000-00805f9b34fb"
EDDYSTONE_DATA: Final = bytes.fromhex("30ee0123456789abcdef")
NAME: Final = b"\x05\x09Ware"
"""An AD structure that carries neither service nor manufacturer data."""


class Heard(NamedTuple):
    """One advertising report."""

    address: bytes = CUSTOMER
    rssi_dbm: int = -60
    payload: bytes = EDDYSTONE
    event_type: int | None = None
    """As the event at hand numbers them; None for an ordinary one."""
    sid: int = 0xFF
    announced_payload_bytes: int | None = None
    """A lie about the length of the payload."""


# --- HCI events, beginning with the event code (Core Vol 4 Part E §5.4.4, §7.7.65) ---


def meta_event(subevent: int, count: int, reports: bytes) -> bytes:
    parameters = bytes([subevent, count]) + reports
    return bytes([0x3E, len(parameters)]) + parameters


def legacy_event(*heard: Heard, count: int | None = None) -> bytes:
    reports = b""
    for report in heard:
        length = report.announced_payload_bytes
        reports += bytes([report.event_type or 0, 0x01]) + report.address[::-1]
        reports += bytes([len(report.payload) if length is None else length])
        reports += report.payload + struct.pack("b", report.rssi_dbm)
    return meta_event(0x02, len(heard) if count is None else count, reports)


def directed_event(*heard: Heard, count: int | None = None) -> bytes:
    reports = b""
    for report in heard:
        reports += (
            bytes([0x01, 0x01])
            + report.address[::-1]
            + b"\xfe"
            + bytes(6)
            + struct.pack("b", report.rssi_dbm)
        )
    return meta_event(0x0B, len(heard) if count is None else count, reports)


MORE_TO_COME, TRUNCATED = 0x20, 0x40
EXTENDED_SCAN_RESPONSE: Final = 0x0008


def extended_event(*heard: Heard, count: int | None = None) -> bytes:
    reports = b""
    for report in heard:
        length = report.announced_payload_bytes
        reports += struct.pack("<HB", report.event_type or 0, 0x01) + report.address[::-1]
        reports += bytes([0x01, 0x00, report.sid, 0x7F]) + struct.pack("b", report.rssi_dbm)
        reports += bytes(2) + bytes(7)  # periodic interval, direct address type, direct address
        reports += bytes([len(report.payload) if length is None else length]) + report.payload
    return meta_event(0x0D, len(heard) if count is None else count, reports)


# --- packets from the air (Core Vol 6 Part B §2.1, §2.3, §3.1.1) ---


def crc24(pdu: bytes) -> bytes:
    """The checksum, bit by bit as drawn in the specification; on the air its most significant bit
    goes first.
    """
    register = 0x555555
    for byte in pdu:
        for position in range(8):
            feedback = (register >> 23 & 1) ^ (byte >> position & 1)
            register = (register << 1 & 0xFFFFFF) ^ (0x00065B if feedback else 0)
    on_air = [register >> 23 - position & 1 for position in range(24)]
    return bytes(sum(on_air[8 * byte + bit] << bit for bit in range(8)) for byte in range(3))


def pdu(kind: int, body: bytes) -> bytes:
    return bytes([kind | 0x40, len(body)]) + body


def legacy_pdu(kind: int, address: bytes = CUSTOMER, payload: bytes = EDDYSTONE) -> bytes:
    return pdu(kind, address[::-1] + payload)


def extended_pdu(
    *,
    address: bytes | None = CUSTOMER,
    payload: bytes = EDDYSTONE,
    points_on: bool = False,
    acad: bytes = b"",
) -> bytes:
    """The common extended advertising payload format, with ADI and, where it points on, AuxPtr
    (§2.3.4).
    """
    flags = (address is not None) | 1 << 3 | points_on << 4
    fields = (
        bytes([flags])
        + (address[::-1] if address else b"")
        + b"\x34\x12"
        + b"\x25\x10\x00" * points_on
        + acad
    )
    return pdu(EXTENDED_PDU, bytes([len(fields)]) + fields + payload)


def air_packet(
    content: bytes, *, damaged: bool = False, access_address: int = 0x8E89BED6, coded: bool = False
) -> bytes:
    crc = crc24(content)
    if damaged:
        crc = bytes([crc[0] ^ 0x01]) + crc[1:]
    return struct.pack("<I", access_address) + b"\x01" * coded + content + crc


def with_phdr(packet: bytes, *, power_dbm: int = -60, flags: int = 0x0C03) -> bytes:
    """Link type 256; the flags say: de-whitened, signal power valid, checksum checked and valid."""
    return struct.pack("<BbbBIH", 39, power_dbm, 0, 0, 0x8E89BED6, flags) + packet


def nordic(
    packet: bytes,
    version: int,
    *,
    rssi_dbm: int = -60,
    flags: int = 0x01,
    packet_id: int | None = None,
) -> bytes:
    """Link type 272, as protocol version 0 to 3 wrote it."""
    fields = struct.pack("<BBBHI", flags, 37, -rssi_dbm, 0, 150)
    number = (0x02 if version == 3 else 0x06) if packet_id is None else packet_id
    if version == 0:
        return (
            b"\xbe\xef" + struct.pack("<BHHB", number, 1, 0, len(fields + packet)) + fields + packet
        )
    body = bytes([1 + len(fields)]) + fields + packet
    if version == 1:
        return struct.pack("<BBBBHB", 5, 6, len(body), version, 1, number) + body
    return struct.pack("<BHBHB", 5, len(body), version, 1, number) + body


# --- containers ---


class Entry(NamedTuple):
    """One record of a btsnoop or pcap file."""

    data: bytes
    utc_s: float = NOON_S
    flags: int = H1_RECEIVED_EVENT


def btsnoop_record(entry: Entry) -> bytes:
    time_us = round(entry.utc_s * 1e6) + BTSNOOP_EPOCH_US
    return (
        struct.pack(">IIIIq", len(entry.data), len(entry.data), entry.flags, 0, time_us)
        + entry.data
    )


def btsnoop(entries: Iterable[Entry], *, data_link: int = 1002, version: int = 1) -> bytes:
    return (
        b"btsnoop\0"
        + struct.pack(">II", version, data_link)
        + b"".join(map(btsnoop_record, entries))
    )


def pcap(
    entries: Iterable[Entry], *, link_type: int, byte_order: str = "<", ticks_per_s: int = 10**6
) -> bytes:
    magic = {10**6: 0xA1B2C3D4, 10**9: 0xA1B23C4D}[ticks_per_s]
    file = struct.pack(byte_order + "IHHIIII", magic, 2, 4, 0, 0, 65535, link_type)
    for entry in entries:
        seconds, fraction = divmod(round(entry.utc_s * ticks_per_s), ticks_per_s)
        file += (
            struct.pack(byte_order + "IIII", seconds, fraction, len(entry.data), len(entry.data))
            + entry.data
        )
    return file


class PcapngWriter:
    """Blocks in one byte order; `file` grows."""

    def __init__(self, byte_order: str = "<") -> None:
        self._order = byte_order
        self.file = b""
        self.section()

    def block(self, kind: int, body: bytes) -> None:
        body += bytes(-len(body) % 4)
        length = struct.pack(self._order + "I", len(body) + 12)
        self.file += struct.pack(self._order + "I", kind) + length + body + length

    def section(self) -> None:
        self.block(0x0A0D0D0A, struct.pack(self._order + "IHHq", 0x1A2B3C4D, 1, 0, -1))

    def interface(self, link_type: int, options: bytes = b"", *, snapshot_bytes: int = 0) -> None:
        self.block(1, struct.pack(self._order + "HHI", link_type, 0, snapshot_bytes) + options)

    def option(self, code: int, value: bytes) -> bytes:
        return struct.pack(self._order + "HH", code, len(value)) + value + bytes(-len(value) % 4)

    def enhanced(
        self, data: bytes, ticks: int = round(NOON_S * 1e6), *, interface: int = 0
    ) -> None:
        size = len(data)
        fields = struct.pack(
            self._order + "IIIII", interface, ticks >> 32, ticks & 0xFFFFFFFF, size, size
        )
        self.block(6, fields + data)

    def simple(self, data: bytes, *, original_bytes: int | None = None) -> None:
        self.block(3, struct.pack(self._order + "I", original_bytes or len(data)) + data)

    def obsolete(
        self, data: bytes, ticks: int = round(NOON_S * 1e6), *, interface: int = 0
    ) -> None:
        size = len(data)
        fields = struct.pack(
            self._order + "HHIIII", interface, 7, ticks >> 32, ticks & 0xFFFFFFFF, size, size
        )
        self.block(2, fields + data)


# --- a customer in a real recording ---


def splice_btsnoop(
    source: Path,
    target: Path,
    reports: Iterable[tuple[float, bytes, int, bytes]],
    *,
    extended: bool = False,
) -> None:
    """Write `source` to `target` with more advertising reports in it, merged by time.

    Each report is (utc_s, address as printed, rssi_dbm, payload) and becomes one event of its own,
    in the shape of the source's data link (1001, 1002 or 2001); legacy, or `extended` where the
    recording phone used those.
    """
    file = source.read_bytes()
    (data_link,) = struct.unpack_from(">I", file, 12)
    as_event = extended_event if extended else legacy_event
    indicator = H4_EVENT if data_link == 1002 else b""
    added = (
        (
            round(utc_s * 1e6),
            btsnoop_record(Entry(indicator + as_event(Heard(address, rssi_dbm, payload)), utc_s)),
        )
        for utc_s, address, rssi_dbm, payload in sorted(reports)
    )
    merged = heapq.merge(_timed_records(file), added, key=lambda timed: timed[0])
    target.write_bytes(file[:16] + b"".join(record for _, record in merged))


def _timed_records(file: bytes) -> Iterator[tuple[int, bytes]]:
    at = 16
    while at < len(file):
        _, included, _, _, time_us = struct.unpack_from(">IIIIq", file, at)
        yield time_us - BTSNOOP_EPOCH_US, file[at : at + 24 + included]
        at += 24 + included


def capture(path: Path, heard: list[tuple[float, bytes, int, bytes]]) -> Path:
    """A btsnoop file of what was heard: when, from whom, how strongly, and what."""
    path.write_bytes(
        btsnoop(Entry(H4_EVENT + legacy_event(Heard(a, r, p)), t) for t, a, r, p in sorted(heard))
    )
    return path
