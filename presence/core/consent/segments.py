"""The files of a signed consent list: a manifest, and segments of rows (docs/consent-list.md, byte
by byte).

    segment = zstd( one MessagePack array )
    base    ["base",  1, list, epoch, seq of the base, [[ref, record] …]]
    delta   ["delta", 1, list, epoch, seq, [[ref, record] …] put, [[ref, version] …] deleted]
    keys    ["keys",  1, list, epoch, window, refs, keys]     8 and 16 bytes each, sorted by ref

A record is presence.core.consent.record's. That the consent service made a segment, TUF proves;
what is checked here is that it is one: by its types, and to its end.
"""

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Annotated, Final

import msgspec
import zstandard
from msgspec import Meta

from presence.core.consent.entry_rules import FORMAT_VERSION
from presence.core.consent.record import UNREADABLE, Count
from presence.core.encoding import KEY_BYTES, REF_BYTES

SHARDS_FROM: Final = 4096
"""Entries from which a list is cut into 256 shards by the first byte of the ref; a smaller one is
the shard `all`.
"""
MAX_SEGMENT_BYTES: Final = 1 << 28
"""Unpacked: 256 MiB, a shard of some 4 million entries. What claims to be larger is refused
(endless data).
"""
COMPRESSION_LEVEL: Final = 3
WHOLE: Final = "all"


class DamagedSegment(ValueError):
    """A segment that does not fit: the whole of it is refused, and the list stays as it was."""


@dataclass(frozen=True, slots=True)
class Put:
    ref: bytes = field(repr=False)
    record: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Delete:
    ref: bytes = field(repr=False)
    version: int


Change = Put | Delete

Ref = Annotated[bytes, Meta(min_length=REF_BYTES, max_length=REF_BYTES)]


class PutRow(msgspec.Struct, array_like=True, forbid_unknown_fields=True, gc=False):
    ref: Ref
    record: msgspec.Raw


class DeleteRow(msgspec.Struct, array_like=True, forbid_unknown_fields=True, gc=False):
    ref: Ref
    version: Count


class Segment(
    msgspec.Struct, array_like=True, forbid_unknown_fields=True, tag=str.lower, kw_only=True
):
    """What all kinds begin with, after their name."""

    v: int = FORMAT_VERSION
    list_name: str
    epoch: Count
    number: Count
    """Of the list (`seq`) for base and delta, of the window for keys."""


class Base(Segment, kw_only=True):
    puts: list[PutRow]

    def rows(self) -> Iterator[tuple[bytes, bytes]]:
        """Ref and record, in the order they came."""
        return ((row.ref, bytes(row.record)) for row in self.puts)


class Delta(Segment, kw_only=True):
    puts: list[PutRow]
    deletes: list[DeleteRow]

    def changes(self) -> Iterator[Change]:
        """In which order they are applied does not matter (`merged`)."""
        yield from (Put(row.ref, bytes(row.record)) for row in self.puts)
        yield from (Delete(row.ref, row.version) for row in self.deletes)


class Keys(Segment, kw_only=True):
    """Secret. As `KeyRing.from_bytes` takes them."""

    refs: bytes
    keys: bytes


_decode = msgspec.msgpack.Decoder(Base | Delta | Keys).decode
_encode = msgspec.msgpack.Encoder().encode


def base_rows(rows: Iterable[tuple[bytes, bytes]]) -> list[PutRow]:
    """Of refs and records."""
    return [PutRow(ref, msgspec.Raw(record)) for ref, record in rows]


def delta_rows(changes: Iterable[Change]) -> tuple[list[PutRow], list[DeleteRow]]:
    several = list(changes)
    puts = base_rows((each.ref, each.record) for each in several if isinstance(each, Put))
    return puts, [DeleteRow(each.ref, each.version) for each in several if isinstance(each, Delete)]


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


def pack(segment: Base | Delta | Keys) -> bytes:
    return zstandard.ZstdCompressor(level=COMPRESSION_LEVEL).compress(_encode(segment))


def unpack(data: bytes, *, most_bytes: int = MAX_SEGMENT_BYTES) -> Base | Delta | Keys:
    """Raises DamagedSegment. Never unpacks more than `most_bytes`."""
    try:
        with zstandard.ZstdDecompressor().stream_reader(
            io.BytesIO(data), read_across_frames=False
        ) as reader:
            # One more than may be, so that what is too long is found without unpacking all of it.
            plain = reader.read(most_bytes + 1)
    except (zstandard.ZstdError, MemoryError):
        raise DamagedSegment("not zstd, or cut short") from None
    if len(plain) > most_bytes:
        raise DamagedSegment(f"more than {most_bytes} bytes unpacked")
    try:
        segment: Base | Delta | Keys = _decode(plain)
    except UNREADABLE:
        raise DamagedSegment(f"not a segment of version {FORMAT_VERSION}") from None
    if segment.v != FORMAT_VERSION:
        raise DamagedSegment(f"not a segment of version {FORMAT_VERSION}")
    if isinstance(segment, Keys) and len(segment.keys) * REF_BYTES != len(segment.refs) * KEY_BYTES:
        raise DamagedSegment("not as many keys as refs")
    return segment


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
