"""The files of a signed consent list: a manifest, and segments of rows (docs/consent-list.md, byte
by byte).

    segment = zstd( one MessagePack array )
    base    ["base",  1, list, epoch, seq of the base, refs, lengths, records]
    delta   ["delta", 1, list, epoch, seq, since,
             [[ref, record] …] put, [[ref, version] …] deleted]
    keys    ["keys",  1, list, epoch, window, refs, keys]

Base and keys are columns: refs of 8 bytes in ascending order, lengths of 4, keys of 16, records one
after the other. So they are read without an object a row, and without a copy.

A record is presence.core.consent.record's. That the consent service made a segment, TUF proves;
what is checked here is that it is one: by its types, and to its end.
"""

import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Annotated, Final, NamedTuple

import msgspec
import numpy as np
import zstandard
from msgspec import Meta
from numpy.typing import NDArray

from presence.core.consent.entry_rules import FORMAT_VERSION
from presence.core.consent.list_changes import WHOLE, Change, Delete, Put
from presence.core.consent.record import UNREADABLE, Count
from presence.core.encoding import KEY_BYTES, REF_BYTES

SHARDS: Final = ("00", "40", "80", "c0")
"""A shard holds the refs from its name on, up to the next one."""
SHARDS_FROM: Final = 65_536
"""Entries from which a list is cut into shards: a file then has some megabytes at least, so that a
distant gateway waits for bytes and not for answers. A smaller list is the shard `all`.
"""
MAX_SEGMENT_BYTES: Final = 1 << 28
"""Unpacked: 256 MiB, a shard of some 4 million entries. What claims to be larger is refused
(endless data).
"""
LENGTH_BYTES: Final = 4
COMPRESSION_LEVEL: Final = 3


class DamagedSegment(ValueError):
    """A segment that does not fit: the whole of it is refused, and the list stays as it was."""


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
    refs: memoryview
    lengths: memoryview
    """Of the records, as big-endian numbers of 4 bytes."""
    records: memoryview

    def rows(self) -> Iterator[tuple[bytes, bytes]]:
        """Ref and record, in the order of refs."""
        ends = accumulate(np.frombuffer(self.lengths, LENGTHS).tolist(), initial=0)
        for number, (start, end) in enumerate(pairwise(ends)):
            yield (
                bytes(self.refs[number * REF_BYTES : (number + 1) * REF_BYTES]),
                bytes(self.records[start:end]),
            )


class Delta(Segment, kw_only=True):
    since: Count
    """The list that it starts from: the one before, or the base."""
    puts: list[PutRow]
    deletes: list[DeleteRow]

    def changes(self) -> Iterator[Change]:
        """In which order they are applied does not matter (`merged`)."""
        yield from (Put(row.ref, bytes(row.record)) for row in self.puts)
        yield from (Delete(row.ref, row.version) for row in self.deletes)


class Keys(Segment, kw_only=True):
    """Secret. As `KeyRing.from_bytes` takes them."""

    refs: memoryview
    keys: memoryview


class DeltaStep(NamedTuple):
    """A delta by its two ends: the lists that it leads from and to."""

    since: int
    seq: int

    @property
    def is_single(self) -> bool:
        return self.since == self.seq - 1


_decode = msgspec.msgpack.Decoder(Base | Delta | Keys).decode
_encode = msgspec.msgpack.Encoder().encode


REFS: Final = np.dtype(">u8")
LENGTHS: Final = np.dtype(">u4")


def lengths_of(records: Sequence[bytes]) -> bytes:
    """The column beside these records."""
    return np.fromiter(map(len, records), LENGTHS, len(records)).tobytes()


def delta_rows(changes: Iterable[Change]) -> tuple[list[PutRow], list[DeleteRow]]:
    several = list(changes)
    return (
        [PutRow(each.ref, msgspec.Raw(each.record)) for each in several if isinstance(each, Put)],
        [DeleteRow(each.ref, each.version) for each in several if isinstance(each, Delete)],
    )


def base_path(epoch: int, shard: str) -> str:
    return f"base/{epoch}/{shard}.seg"


def delta_path(step: DeltaStep) -> str:
    return f"delta/{step.seq}.seg" if step.is_single else f"changes/{step.seq}.seg"


def keys_path(window: int, shard: str) -> str:
    return f"keys/{window}/{shard}.seg"


def later_keys_path(window: int, step: DeltaStep) -> str:
    """The keys of those whom this delta brought or changed. In the order of names it comes after
    all shards, and a later one after an earlier one: of two keys for one ref the last counts.
    """
    kind = "n" if step.is_single else "changes-"
    return f"keys/{window}/{kind}{step.seq:016}.seg"


def shard_of(ref: bytes, shards: Sequence[str]) -> str:
    """Of these, in ascending order, the one that holds this ref."""
    if shards == (WHOLE,):
        return WHOLE
    return max(shard for shard in shards if bytes.fromhex(shard) <= ref)


def check_shard(refs: memoryview, shard: str, shards: Sequence[str]) -> None:
    """Raises DamagedSegment where a ref of this shard belongs into another one."""
    if shard != WHOLE and refs:
        ends = bytes(refs[:REF_BYTES]), bytes(refs[-REF_BYTES:])
        if any(ref < bytes.fromhex(shards[0]) or shard_of(ref, shards) != shard for ref in ends):
            raise DamagedSegment("a ref that belongs into another shard")


def pack(segment: Base | Delta | Keys) -> bytes:
    return compressed(plain(segment))


def plain(segment: Base | Delta | Keys) -> bytes:
    """For `compressed`: of a long one, what it was made of may go before."""
    return _encode(segment)


def compressed(encoded: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=COMPRESSION_LEVEL).compress(encoded)


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
    if not isinstance(segment, Delta):
        refs = _ascending(segment.refs)
        if isinstance(segment, Base):
            _check_lengths(segment, len(refs))
        elif len(segment.keys) != len(refs) * KEY_BYTES:
            raise DamagedSegment("not as many keys as refs")
    return segment


def _ascending(column: memoryview) -> NDArray[np.uint64]:
    if len(column) % REF_BYTES:
        raise DamagedSegment(f"refs that have not {REF_BYTES} bytes each")
    refs = np.frombuffer(column, REFS)
    if not np.all(refs[:-1] < refs[1:]):
        raise DamagedSegment("refs that do not ascend, or one that comes twice")
    return refs


def _check_lengths(base: Base, count: int) -> None:
    if len(base.lengths) != count * LENGTH_BYTES:
        raise DamagedSegment("not as many records as refs")
    if np.frombuffer(base.lengths, LENGTHS).sum(dtype=np.uint64) != len(base.records):
        raise DamagedSegment("records that are not as long as they say")


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
