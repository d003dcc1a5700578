"""pcapng: what Wireshark, dumpcap and their extcap sniffers write.

    block    type 4 | total length 4 | body, padded to 4 | total length 4

draft-ietf-opsawg-pcapng: §3.1 blocks, §3.5 options, §4.1 section header, §4.2 interface
description, §4.3 enhanced packet, §4.4 simple packet, appendix A obsolete packet. Each section has
its own byte order and its own interfaces; each interface has its own link type and its own clock
resolution. Blocks of other types are skipped.
"""

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from presence.edges.capture.counts import CaptureCounts
from presence.edges.capture.links import PCAP_LINKS, decoder_for, describe_link
from presence.edges.capture.pcapng_options import clock_of
from presence.edges.capture.records import CUT_SHORT, DAMAGED, CaptureFile, Decode, Record

SECTION_HEADER: Final = 0x0A0D0D0A
INTERFACE_DESCRIPTION: Final = 1
OBSOLETE_PACKET: Final = 2
SIMPLE_PACKET: Final = 3
ENHANCED_PACKET: Final = 6

MAGIC: Final = SECTION_HEADER.to_bytes(4, "big")
"""A palindrome: the same in both byte orders."""
BYTE_ORDERS: Final = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}
"""The byte-order magic 0x1A2B3C4D behind the length of a section header."""
BLOCK_BYTES: Final = 12
"""A block without a body."""

PACKET_FIELDS: Final = {ENHANCED_PACKET: "IIIII", SIMPLE_PACKET: "I", OBSOLETE_PACKET: "H2xIIII"}
"""Before the data: interface (the obsolete one: 2 bytes, and 2 of drops), time high, time low,
captured length, original length; the simple packet has the original length only (§4.3, §4.4,
appendix A).
"""


class Interface(NamedTuple):
    decode: Decode
    snapshot_bytes: int
    ticks_per_s: int
    offset_s: int


class PcapngCapture:
    """One pcapng file; the sections' interfaces become known as it is read."""

    def __init__(self, file: CaptureFile) -> None:
        self._file = file
        self._link_types: set[int] = set()
        self._interfaces: list[Interface] = []
        self._latest_utc_s = 0.0
        self._section(0)

    @property
    def format(self) -> str:
        """Names the link types of the interfaces met so far."""
        links = ", ".join(describe_link(link_type) for link_type in sorted(self._link_types))
        return f"pcapng, link type {links}" if links else "pcapng"

    def records(self, counts: CaptureCounts) -> Iterator[Record]:
        file, data = self._file, self._file.data
        self._latest_utc_s = 0.0
        byte_order = ""
        at, size = 0, len(data)
        while at < size:
            if data[at : at + 4] == MAGIC:
                byte_order = self._section(at)
                self._interfaces = []
                lengths = struct.Struct(byte_order + "II")
                packets = {
                    kind: struct.Struct(byte_order + fields)
                    for kind, fields in PACKET_FIELDS.items()
                }
            end = self._block_end(at, lengths)
            kind = lengths.unpack_from(data, at)[0]
            if kind == INTERFACE_DESCRIPTION:
                self._interfaces.append(self._interface(at, end, byte_order, counts))
            elif kind in packets:
                yield self._packet(kind, at, end, packets[kind])
            at = end
        if self._link_types and self._link_types.isdisjoint(PCAP_LINKS):
            readable = ", ".join(map(describe_link, PCAP_LINKS))
            raise file.fault(
                0, f"no interface with one of the link types {readable}", "capture Bluetooth"
            )

    def _section(self, at: int) -> str:
        """The byte order of the section that begins at `at`."""
        byte_order = BYTE_ORDERS.get(self._file.data[at + 8 : at + 12])
        if byte_order is None:
            whole = len(self._file.data) >= at + 12
            finding = (
                "a section header without its byte-order mark"
                if whole
                else "a section header is cut short"
            )
            raise self._file.fault(at, finding, DAMAGED if whole else CUT_SHORT)
        return byte_order

    def _block_end(self, at: int, lengths: struct.Struct) -> int:
        """Where the block at `at` ends; its length stands at both ends and must agree."""
        file, size = self._file, len(self._file.data)
        if size - at < BLOCK_BYTES:
            raise file.fault(at, f"a block of at least {BLOCK_BYTES} bytes is cut short", CUT_SHORT)
        _, length = lengths.unpack_from(file.data, at)
        if length < BLOCK_BYTES or length % 4:
            raise file.fault(at, "a block's length is impossible", DAMAGED)
        end = at + int(length)
        if end > size:
            raise file.fault(at, "a block is longer than the rest of the file", CUT_SHORT)
        if file.data[end - 4 : end] != file.data[at + 4 : at + 8]:
            raise file.fault(at, "a block's two lengths differ", DAMAGED)
        return end

    def _interface(self, at: int, end: int, byte_order: str, counts: CaptureCounts) -> Interface:
        """§4.2: link type 2, reserved 2, snapshot length 4, options."""
        data = self._file.data
        if end - at < BLOCK_BYTES + 8:
            raise self._file.fault(at, "an interface description is too short", DAMAGED)
        link_type, _, snapshot_bytes = struct.unpack_from(byte_order + "HHI", data, at + 8)
        clock = clock_of(data, at + 16, end - 4, byte_order)
        if clock is None:
            raise self._file.fault(at, "an interface's options do not add up", DAMAGED)
        self._link_types.add(link_type)
        return Interface(decoder_for(link_type, counts), snapshot_bytes, *clock)

    def _packet(self, kind: int, at: int, end: int, fixed: struct.Struct) -> Record:
        """The record in a packet block; a simple packet has no time and is dated like the one
        before it.
        """
        file = self._file
        start = at + 8 + fixed.size
        if start > end - 4:
            raise file.fault(at, "a packet block is too short", DAMAGED)
        fields = fixed.unpack_from(file.data, at + 8)
        index = 0 if kind == SIMPLE_PACKET else fields[0]
        if index >= len(self._interfaces):
            raise file.fault(at, "a packet of an interface that was never described", DAMAGED)
        interface = self._interfaces[index]
        if kind == SIMPLE_PACKET:
            included = min(fields[0], interface.snapshot_bytes or fields[0])
        else:
            ticks_high, ticks_low, included = fields[1:4]
            ticks = ticks_high << 32 | ticks_low
            self._latest_utc_s = ticks / interface.ticks_per_s + interface.offset_s
        if start + included > end - 4:
            raise file.fault(at, "a packet is longer than its block", DAMAGED)
        return self._latest_utc_s, interface.decode, start, start + included, 0
