"""The entries of a base on the disk: written once, looked up without being read, and overwritten
row by row as people leave.

    header   where the columns are, and their digest           4096 bytes
    blocks   32 rows each: check | lengths | records            ~65 bytes an entry
    offsets  where each block begins, and the last one ends      0.25
    refs     sorted numbers of 8 bytes                           8

Nothing is changed in it but by `wipe`: a row that is over becomes zeros, and its ref one more than
that of the row before it. So the order stands, the ref is nobody's, and nothing says whose it was.
A block is believed only where its check fits (its refs are in it), so that damage is a refusal and
never somebody else's consent. The check is for disks, not against whoever may write here: they
could as well change us.

Read with `pread` and not through a mapping: a mapped page that a dying disk cannot give ends the
process (SIGBUS), a read that fails is an error like others.
"""

import hashlib
import os
import struct
import weakref
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from presence.core.consent.record import Buffer
from presence.core.consent.record_scan import BEYOND, versions_at
from presence.edges.sqlite.spoilt import Spoilt

ROWS: Final = 32
"""In a block: what is read and checked to see one entry, some 2 kB and 4 µs."""
HEADER_BYTES: Final = 4096
CHECK_BYTES: Final = 8
MAGIC: Final = b"presence base 1\n"
_HEADER: Final = struct.Struct("<16sQQQQ16s")
_PERSON: Final = b"presence base"
_AT_ONCE: Final = 1 << 20
SUFFIX: Final = ".base"

Refs = NDArray[np.uint64]


class DamagedBase(Spoilt):
    """A base that cannot be believed: it is fetched again."""


class _Header(NamedTuple):
    rows: int
    offsets_at: int
    refs_at: int
    size: int
    offsets_digest: bytes

    def pack(self) -> bytes:
        plain = _HEADER.pack(MAGIC, *self)
        return plain + hashlib.blake2b(plain, digest_size=16, person=_PERSON).digest()


def write_all(handle: int, data: Buffer, at: int) -> None:
    """`pwrite` until all of it is written."""
    rest = memoryview(data)
    while rest:
        written = os.pwrite(handle, rest, at)
        rest, at = rest[written:], at + written


class BaseWriter:
    """Makes a new file; nobody knows of it before `finish`."""

    def __init__(self, path: Path) -> None:
        """Raises OSError."""
        self.path = path
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._at = HEADER_BYTES
        self._offsets: list[int] = []
        self._refs: list[Refs] = []
        self._rest = np.empty(0, np.uint64), np.empty(0, np.uint32), b""
        """Rows that fill no block yet."""

    def add(self, refs: Refs, lengths: NDArray[np.uint32], records: Buffer) -> None:
        """Some thousand rows, above all rows before. Raises OSError."""
        self._refs.append(refs)
        refs = np.concatenate((self._rest[0], refs))
        lengths = np.concatenate((self._rest[1], lengths))
        records = memoryview(b"".join((self._rest[2], records)))
        whole = len(refs) - len(refs) % ROWS
        ended = self._write(refs[:whole], lengths[:whole], records)
        self._rest = refs[whole:], lengths[whole:], bytes(records[ended:])

    def _write(self, refs: Refs, lengths: NDArray[np.uint32], records: memoryview) -> int:
        """Blocks of whole rows; returns how many bytes of the records that were."""
        ends = np.cumsum(lengths, dtype=np.int64)[ROWS - 1 :: ROWS].tolist()
        if len(refs) % ROWS:
            ends.append(int(lengths.sum()))
        all_refs, all_lengths = refs.astype("<u8").tobytes(), lengths.astype("<u4").tobytes()
        blocks: list[Buffer] = []
        begin = at = 0
        for n, end in enumerate(ends):
            some = all_lengths[4 * ROWS * n : 4 * ROWS * (n + 1)]
            block = some + records[begin:end]
            blocks += (_check(all_refs[8 * ROWS * n : 8 * ROWS * (n + 1)], block), block)
            self._offsets.append(self._at + at)
            at += CHECK_BYTES + len(block)
            begin = end
        write_all(self._handle, b"".join(blocks), self._at)
        self._at += at
        return begin

    def finish(self) -> Refs:
        """All of it is on the disk, and is whole; the refs of all rows. Raises OSError."""
        refs, lengths, records = self._rest
        if len(refs):
            self._write(refs, lengths, memoryview(records))
        self._offsets.append(self._at)
        offsets = np.array(self._offsets, "<u8").tobytes()
        all_refs = np.concatenate([np.empty(0, np.uint64), *self._refs])
        refs_at = self._at + len(offsets)
        write_all(self._handle, offsets, self._at)
        write_all(self._handle, all_refs.astype("<u8", copy=False).data.cast("B"), refs_at)
        digest = hashlib.blake2b(offsets, digest_size=16, person=_PERSON).digest()
        size = refs_at + 8 * len(all_refs)
        header = _Header(len(all_refs), self._at, refs_at, size, digest)
        write_all(self._handle, header.pack(), 0)
        os.fsync(self._handle)
        os.close(self._handle)
        self._handle = -1
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return all_refs

    def abandon(self) -> None:
        """What was written so far is gone."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1
        erase(self.path)


class BaseFile:
    """One base, opened for reading; `refs` are sorted and different, and nobody's where a row is
    over.
    """

    def __init__(self, path: Path, refs: Refs | None = None) -> None:
        """`refs`: where they are in memory already; read when they are wanted otherwise. Raises
        DamagedBase where it is no whole file of ours, OSError.
        """
        self.path = path
        self.damaged = ""
        """What was found while it was read; such rows count as none."""
        self._handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        weakref.finalize(self, os.close, self._handle)
        self._header = self._read_header()
        count, at = -(-self._header.rows // ROWS) + 1, self._header.offsets_at
        offsets = os.pread(self._handle, 8 * count, at)
        if hashlib.blake2b(offsets, digest_size=16, person=_PERSON).digest() != (
            self._header.offsets_digest
        ):
            raise DamagedBase(f"{path}: damaged: its blocks are not where it says")
        self._offsets = np.frombuffer(offsets, "<u8").astype(np.uint64).data
        self._refs = refs

    def __len__(self) -> int:
        """How many rows, those that are over included."""
        return self._header.rows

    def _read_header(self) -> _Header:
        data = os.pread(self._handle, _HEADER.size + 16, 0)
        if len(data) == _HEADER.size + 16:
            magic, *fields = _HEADER.unpack_from(data)
            header = _Header(*fields)
            size = os.fstat(self._handle).st_size
            if magic == MAGIC and header.pack() == data and header.size == size:
                return header
        raise DamagedBase(f"{self.path}: damaged: not a whole file of ours")

    @property
    def refs(self) -> Refs:
        """Raises OSError, DamagedBase."""
        if self._refs is None:
            refs = np.empty(len(self), "<u8")
            if len(self) and not _read_into(
                self._handle, refs.data.cast("B"), self._header.refs_at
            ):
                raise DamagedBase(f"{self.path}: damaged: cut short")
            self._refs = refs.astype(np.uint64, copy=False)
        return self._refs

    def share(self, refs: Refs) -> None:
        """The same refs, where they are kept in memory for others as well."""
        self._refs = refs

    def find(self, ref: bytes) -> int:
        """The row with this ref; −1 where there is none."""
        number, refs = int.from_bytes(ref, "big"), self.refs.data
        row = bisect_left(refs, number)
        return row if row < len(self) and refs[row] == number else -1

    def record(self, row: int) -> bytes | None:
        """None where the row is over, or cannot be believed."""
        block, within = divmod(row, ROWS)
        found = self._block(block)
        if found is None:
            return None
        lengths, records = found
        begin = int(lengths[:within].sum())
        record = bytes(records[begin : begin + int(lengths[within])])
        return record if record[:1] != b"\0" else None

    def versions(self, first: int, end: int) -> Refs:
        """Of the rows from `first` on, to `end` at most; 0 of those that are over, or cannot be
        believed.
        """
        end = min(end, len(self))
        blocks = range(first // ROWS, -(-end // ROWS)) if first < end else range(0)
        versions = [np.empty(0, np.uint64)]
        for block in blocks:
            found = self._block(block)
            count = min(ROWS, len(self) - block * ROWS)
            versions.append(np.zeros(count, np.uint64) if found is None else _versions(*found))
        skipped = first - blocks.start * ROWS
        return np.concatenate(versions)[skipped : skipped + max(end - first, 0)]

    def blocks(self) -> Iterator[tuple[int, NDArray[np.uint32], memoryview]]:
        """The first row of each, lengths and records, zeros where a row is over; without what
        cannot be believed.
        """
        for block in range(len(self._offsets) - 1):
            found = self._block(block)
            if found is not None:
                yield block * ROWS, *found

    def verify(self) -> str:
        """Reads all of it; what is damaged, empty where nothing is."""
        for block in range(len(self._offsets) - 1):
            self._block(block)
        return self.damaged

    def _block(self, block: int) -> tuple[NDArray[np.uint32], memoryview] | None:
        """Lengths and records; None, and `damaged` says why, where it cannot be believed."""
        begin, end = self._offsets[block], self._offsets[block + 1]
        try:
            data = os.pread(self._handle, end - begin, begin)
        except OSError as error:
            self.damaged = f"{self.path}: {error.strerror}"
            return None
        refs = self.refs[block * ROWS : (block + 1) * ROWS]
        plain = memoryview(data)[CHECK_BYTES:]
        if len(data) != end - begin or _check(refs.astype("<u8").tobytes(), plain) != data[:8]:
            self.damaged = f"{self.path}: damaged: block {block} is not as it was written"
            return None
        return np.frombuffer(plain, "<u4", len(refs)), plain[4 * len(refs) :]

    def wipe(self, rows: Iterable[int]) -> None:
        """Overwrite these rows, on the disk and in `refs`; to do so again changes nothing. Raises
        OSError.

        Also for a file in which an earlier `wipe` was cut short anywhere.
        """
        wanted = sorted(rows)
        if not wanted:
            return
        handle = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        try:
            for row in wanted:
                self._clear_record(handle, row)
            touched = {row // ROWS for row in self._clear_refs(handle, wanted)}
            for block in sorted(touched):
                self._seal(handle, block)
            os.fdatasync(handle)
        finally:
            os.close(handle)

    def _clear_record(self, handle: int, row: int) -> None:
        block, within = divmod(row, ROWS)
        lengths, at = self._plain(handle, block)
        begin, length = at + int(lengths[:within].sum()), int(lengths[within])
        if begin + length > self._offsets[block + 1]:
            self.damaged = f"{self.path}: damaged: block {block} is not as it was written"
            return
        write_all(handle, bytes(length), begin)

    def _plain(self, handle: int, block: int) -> tuple[NDArray[np.uint32], int]:
        """Lengths of a block, and where its records begin."""
        count = min(ROWS, len(self) - block * ROWS)
        at = self._offsets[block] + CHECK_BYTES
        return np.frombuffer(os.pread(handle, 4 * count, at), "<u4"), at + 4 * count

    def _clear_refs(self, handle: int, wanted: list[int]) -> set[int]:
        """Each row that is over has the ref before it and one, 0 where there is none; which rows
        were looked at.

        Never the ref before it itself: a table of identifiers that was made earlier leads to this
        row, and would name a neighbour.
        """
        touched: set[int] = set()
        for first in wanted:
            row = first
            # A row after it that went earlier counts from this one's ref, and must not go on to.
            while row < len(self) and row not in touched and self._is_over(handle, row):
                number = int(self.refs[row - 1]) + 1 if row else 0
                self.refs[row] = number
                write_all(handle, struct.pack("<Q", number), self._header.refs_at + 8 * row)
                touched.add(row)
                row += 1
        return touched

    def _is_over(self, handle: int, row: int) -> bool:
        block, within = divmod(row, ROWS)
        lengths, at = self._plain(handle, block)
        return os.pread(handle, 1, at + int(lengths[:within].sum())) == b"\0"

    def _seal(self, handle: int, block: int) -> None:
        begin, end = self._offsets[block], self._offsets[block + 1]
        plain = os.pread(handle, end - begin - CHECK_BYTES, begin + CHECK_BYTES)
        refs = self.refs[block * ROWS : (block + 1) * ROWS]
        write_all(handle, _check(refs.astype("<u8").tobytes(), plain), begin)


def standing(
    stand: NDArray[np.bool_], refs: Refs, lengths: NDArray[np.uint32], records: Buffer
) -> tuple[Refs, NDArray[np.uint32], Buffer]:
    """These rows alone."""
    if stand.all():
        return refs, lengths, records
    ends = np.cumsum(lengths, dtype=np.int64)
    begins = ends - lengths
    whole = memoryview(records)
    parts = [whole[begins[row] : ends[row]] for row in np.flatnonzero(stand).tolist()]
    return refs[stand], lengths[stand], b"".join(parts)


def _check(refs: Buffer, plain: Buffer) -> bytes:
    check = hashlib.blake2b(refs, digest_size=CHECK_BYTES, person=_PERSON)
    check.update(plain)
    return check.digest()


def _versions(lengths: NDArray[np.uint32], records: memoryview) -> Refs:
    begins = np.cumsum(lengths, dtype=np.intp) - lengths
    data = np.frombuffer(bytes(records) + bytes(BEYOND), np.uint8)
    return versions_at(data, begins)


def _read_into(handle: int, buffer: memoryview, at: int) -> bool:
    """Whether there was as much."""
    while buffer:
        read = os.preadv(handle, [buffer[: 64 * _AT_ONCE]], at)
        if not read:
            return False
        buffer, at = buffer[read:], at + read
    return True


def erase(path: Path) -> None:
    """Overwritten, then removed. Raises OSError; none where there is nothing."""
    with suppress(FileNotFoundError):
        handle = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            size = os.fstat(handle).st_size
            for at in range(0, size, _AT_ONCE):
                write_all(handle, bytes(min(_AT_ONCE, size - at)), at)
            os.fdatasync(handle)
        finally:
            os.close(handle)
        path.unlink()
