"""The files of a signed consent list: a manifest, and segments of rows (docs/consent-list.md, byte
by byte).

    segment = zstd( length of header 4, big-endian ‖ header, CBOR ‖ rows )
    header  = {"v": 1, "list": "acme/fi-0042", "kind": "base" | "delta" | "keys",
               "epoch": n, "number": n, "count": n}
              `number`: of the list for base and delta, of the window for keys
    base    ref 8 ‖ length v ‖ record           presence.core.consent.record
    delta   00 ‖ ref 8 ‖ length v ‖ record       put
            01 ‖ ref 8 ‖ version v               delete
    keys    ref 8 ‖ window key 16                sorted by ref

v is a number of 7 bits a byte, low bits first, as in a record. That the consent service made a
segment, TUF proves; what is checked here is that it fits: to its header, and to its end.
"""

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import cbor2
import numpy as np
import zstandard

from presence.core.consent.list_json import FORMAT_VERSION, KEY_BYTES, LATEST_S, REF_BYTES, Refused
from presence.core.consent.model import Consent
from presence.core.consent.record import Words, decode_whole_record

SHARDS_FROM: Final = 4096
"""Entries from which a list is cut into 256 shards by the first byte of the ref; a smaller one is
the shard `all`.
"""
MAX_SEGMENT_BYTES: Final = 1 << 28
"""Unpacked: 256 MiB, a shard of some 4 million entries. What claims to be larger is refused
(endless data).
"""
MAX_HEADER_BYTES: Final = 1024
COMPRESSION_LEVEL: Final = 3
WHOLE: Final = "all"


class Kind(StrEnum):
    BASE = "base"
    DELTA = "delta"
    KEYS = "keys"


class DamagedSegment(ValueError):
    """A segment that does not fit: the whole of it is refused, and the list stays as it was."""


@dataclass(frozen=True, slots=True)
class SegmentHeader:
    list: str
    kind: Kind
    epoch: int
    number: int
    """Of the list (`seq`) for base and delta, of the window for keys."""
    count: int
    """Rows."""


@dataclass(frozen=True, slots=True)
class Put:
    ref: bytes = field(repr=False)
    record: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Delete:
    ref: bytes = field(repr=False)
    version: int


Change = Put | Delete


def base_path(epoch: int, shard: str) -> str:
    return f"base/{epoch}/{shard}.seg"


def delta_path(seq: int) -> str:
    return f"delta/{seq}.seg"


def keys_path(window: int, shard: str) -> str:
    return f"keys/{window}/{shard}.seg"


def later_keys_path(window: int, seq: int) -> str:
    """The keys of those whom the delta of this number brought or changed; in the order of names it
    comes after all shards, and a later one after an earlier one: of two keys for one ref the last
    counts.
    """
    return f"keys/{window}/n{seq:016}.seg"


def shard_of(ref: bytes, *, sharded: bool) -> str:
    """`00` to `ff`, or `all` where the list is not sharded."""
    return f"{ref[0]:02x}" if sharded else WHOLE


def pack_base(header: SegmentHeader, rows: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Ref and record of every entry."""
    return _pack(header, (ref + _number(len(record)) + record for ref, record in rows))


def pack_delta(header: SegmentHeader, changes: Iterable[Change]) -> bytes:
    return _pack(header, map(_change_row, changes))


def pack_keys(header: SegmentHeader, rows: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Ref and window key of every entry, sorted by ref."""
    return _pack(header, (ref + key for ref, key in rows))


def unpack(data: bytes, *, most_bytes: int = MAX_SEGMENT_BYTES) -> tuple[SegmentHeader, memoryview]:
    """The header and the rows; raises DamagedSegment. Never takes more memory than `most_bytes`."""
    try:
        with zstandard.ZstdDecompressor().stream_reader(
            io.BytesIO(data), read_across_frames=False
        ) as reader:
            plain = reader.read(most_bytes + 1)
    except (zstandard.ZstdError, MemoryError):
        raise DamagedSegment("not zstd, or cut short") from None
    if len(plain) > most_bytes:
        raise DamagedSegment(f"more than {most_bytes} bytes unpacked")
    length = int.from_bytes(plain[:4], "big")
    if len(plain) < 4 + length or length > MAX_HEADER_BYTES:
        raise DamagedSegment("no header")
    return _header(plain[4 : 4 + length]), memoryview(plain)[4 + length :]


def base_rows(header: SegmentHeader, rows: memoryview) -> Iterator[tuple[bytes, bytes]]:
    """Ref and record, in the order they came; raises DamagedSegment where rows and header
    disagree.
    """
    reader = _Rows(header, rows, Kind.BASE)
    while reader.more():
        yield reader.take(REF_BYTES), reader.take(reader.number())


def delta_rows(header: SegmentHeader, rows: memoryview) -> Iterator[Change]:
    reader = _Rows(header, rows, Kind.DELTA)
    while reader.more():
        operation, ref = reader.take(1), reader.take(REF_BYTES)
        if operation == b"\x00":
            yield Put(ref, reader.take(reader.number()))
        elif operation == b"\x01":
            yield Delete(ref, reader.number())
        else:
            raise DamagedSegment("a row that is neither put nor delete")


def key_columns(header: SegmentHeader, rows: memoryview) -> tuple[bytes, bytearray]:
    """Refs and keys apart, as `KeyRing.from_bytes` takes them; raises DamagedSegment. The keys are
    secret.
    """
    width = REF_BYTES + KEY_BYTES
    if header.kind is not Kind.KEYS or len(rows) != width * header.count:
        raise DamagedSegment("keys that do not fit their header")
    table = np.frombuffer(rows, np.uint8).reshape(-1, width)
    return table[:, :REF_BYTES].tobytes(), bytearray(table[:, REF_BYTES:].tobytes())


def read_record(
    ref: bytes, record: bytes, words: Sequence[str] | Words, *, max_span_s: float
) -> Consent:
    """The consent, under the rules of presence.core.consent.list_json; raises Refused, whose words
    hold no value of it.
    """
    try:
        consent = decode_whole_record(ref, record, words)
    except (IndexError, ValueError, OverflowError):
        raise Refused("a record that version 1 does not know") from None
    start_s, end_s = consent.not_before_s, consent.not_after_s
    if not 0 <= start_s < end_s < LATEST_S:
        raise Refused("na does not lie after nb")
    if end_s - start_s > max_span_s:
        raise Refused("the span from nb to na is longer than consent.max_span_days allows")
    if not all(
        start_s <= grant.not_before_s and grant.not_after_s <= end_s for grant in consent.grants
    ):
        raise Refused("a grant reaches beyond its consent")
    if not consent.scope.chain_wide and not consent.scope.stores:
        raise Refused("scope is none of store, stores and chain")
    return consent


Held = tuple[int, bytes | None]
"""A version and the record of it, or None where that version took the entry away."""


def merged(held: Held | None, change: Change, version: int) -> Held:
    """What is held of a ref after a change of this version; the order in which changes come does
    not matter (R-36).

    The higher version wins. Of one version: a deletion wins, and two different records cancel each
    other out.
    """
    record = change.record if isinstance(change, Put) else None
    if held is None or version > held[0]:
        return version, record
    if version < held[0] or held[1] == record:
        return held
    return version, None


class _Rows:
    """A place among rows, counted."""

    def __init__(self, header: SegmentHeader, rows: memoryview, kind: Kind) -> None:
        if header.kind is not kind:
            raise DamagedSegment(f"a segment of kind {header.kind} in place of {kind}")
        self._rows = rows
        self._left = header.count
        self._at = 0

    def more(self) -> bool:
        """Another row? Raises DamagedSegment where the count of the header and the bytes
        disagree.
        """
        if (self._left == 0) != (self._at == len(self._rows)):
            raise DamagedSegment("more or fewer rows than the header says")
        self._left -= 1
        return self._left >= 0

    def take(self, length: int) -> bytes:
        self._at += length
        if self._at > len(self._rows):
            raise DamagedSegment("the last row is cut short")
        return bytes(self._rows[self._at - length : self._at])

    def number(self) -> int:
        number = shift = 0
        while True:
            byte = self.take(1)[0]
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                return number
            shift += 7
            if shift > 56:
                raise DamagedSegment("a number without an end")


def _header(data: bytes) -> SegmentHeader:
    try:
        value: Any = cbor2.loads(data)
    except (cbor2.CBORDecodeError, ValueError, RecursionError):
        raise DamagedSegment("the header is not CBOR") from None
    if not isinstance(value, dict) or value.get("v") != FORMAT_VERSION:
        raise DamagedSegment(f"not a segment of version {FORMAT_VERSION}")
    name, kind = value.get("list"), value.get("kind")
    numbers: list[Any] = [value.get(key) for key in ("epoch", "number", "count")]
    if not isinstance(name, str) or kind not in list(Kind):
        raise DamagedSegment("the header names no list or no kind")
    if not all(type(number) is int and 0 <= number < 1 << 53 for number in numbers):
        raise DamagedSegment("the header counts in something that is no number")
    return SegmentHeader(name, Kind(kind), *numbers)


def _pack(header: SegmentHeader, rows: Iterable[bytes]) -> bytes:
    fields = {
        "v": FORMAT_VERSION,
        "list": header.list,
        "kind": header.kind.value,
        "epoch": header.epoch,
    }
    head = cbor2.dumps({**fields, "number": header.number, "count": header.count})
    compressor = zstandard.ZstdCompressor(level=COMPRESSION_LEVEL).compressobj()
    packed = bytearray(compressor.compress(len(head).to_bytes(4, "big") + head))
    count = 0
    for row in rows:
        packed += compressor.compress(row)
        count += 1
    if count != header.count:
        raise ValueError(f"the header says {header.count} rows, {count} came")
    return bytes(packed + compressor.flush())


def _change_row(change: Change) -> bytes:
    if isinstance(change, Put):
        return b"\x00" + change.ref + _number(len(change.record)) + change.record
    return b"\x01" + change.ref + _number(change.version)


def _number(number: int) -> bytes:
    digits = bytearray()
    while number >= 0x80:
        digits.append(number & 0x7F | 0x80)
        number >>= 7
    digits.append(number)
    return bytes(digits)
