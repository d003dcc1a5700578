"""btsnoop: what Android's HCI snoop log and `btmon -w` write.

    header   "btsnoop" 0 | version 4 | data link 4
    record   original length 4 | included length 4 | flags 4 | cumulative drops 4 | time 8 | data

All big-endian, after RFC 1761 (snoop) with Bluetooth's own flags and clock: microseconds since the
year 0 AD, of which 0x00DCDDB30F2F8000 had passed at 1970-01-01 (BlueZ, src/shared/btsnoop.c).
"""

import struct
from collections.abc import Iterator
from typing import Final

from presence.edges.capture.counts import CaptureCounts
from presence.edges.capture.links import BTSNOOP_LINKS, decoder_for, describe_link, unreadable
from presence.edges.capture.records import CUT_SHORT, DAMAGED, MAX_RECORD_BYTES, CaptureFile, Record

MAGIC: Final = b"btsnoop\0"
VERSION: Final = 1
HEADER: Final = struct.Struct(">8sII")
RECORD: Final = struct.Struct(">IIIIq")
UNIX_EPOCH_US: Final = 0x00DCDDB30F2F8000


class BtsnoopCapture:
    """One btsnoop file; raises CaptureError where its header is not one that we read."""

    def __init__(self, file: CaptureFile) -> None:
        if len(file.data) < HEADER.size:
            raise file.fault(
                len(file.data), "the btsnoop header of 16 bytes is cut short", CUT_SHORT
            )
        _, version, self._link_type = HEADER.unpack_from(file.data)
        if version != VERSION:
            raise file.fault(8, f"expected btsnoop version {VERSION}", "convert it with Wireshark")
        if self._link_type not in BTSNOOP_LINKS:
            finding = unreadable("data link", self._link_type, BTSNOOP_LINKS)
            raise file.fault(12, finding, "record as H4, or with `btmon -w`")
        self._file = file

    @property
    def format(self) -> str:
        return f"btsnoop, data link {describe_link(self._link_type)}"

    def records(self, counts: CaptureCounts) -> Iterator[Record]:
        file, data = self._file, self._file.data
        decode = decoder_for(self._link_type, counts)
        header_of, header_bytes = RECORD.unpack_from, RECORD.size
        at, size = HEADER.size, len(data)
        while at < size:
            start = at + header_bytes
            if start > size:
                raise file.fault(
                    at, f"a record header of {header_bytes} bytes is cut short", CUT_SHORT
                )
            original, included, flags, _, time_us = header_of(data, at)
            if included > original or included > MAX_RECORD_BYTES:
                raise file.fault(at, "a record's length is impossible", DAMAGED)
            stop = start + included
            if stop > size:
                raise file.fault(at, "a record is longer than the rest of the file", CUT_SHORT)
            yield (time_us - UNIX_EPOCH_US) / 1e6, decode, start, stop, flags
            at = stop
