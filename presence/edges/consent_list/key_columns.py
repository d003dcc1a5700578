"""Window keys as the engine uses them, in files of the runtime directory (memory) that are mapped:
held once, there for the next start without being read, and erased in memory and in the file at once
(R-12, T-13).

    {base}.refs                   the refs of the base's rows: 8 bytes each
    {base}.{window}.{made}.keys   one key of 16 bytes a row of the base, zeros where there is none
    {base}.{window}.{made}.more   refs and keys of those who came or changed since the base, as far
                                  as the list's whole key files have them

`made` stands for the key files of the list that it was made from. A file is there as a whole or not
at all. What the list or the base needs no more is overwritten and removed (`keep_only`).
"""

import hashlib
import mmap
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from presence.core.consent.record import Buffer
from presence.core.encoding import KEY_BYTES, REF_BYTES
from presence.core.recognition.key_ring import Keys, Refs
from presence.edges.consent_list.blocks import BaseFile, erase, write_all
from presence.errors import StorageError

COLUMNS: Final = "window-keys"
"""Their folder in the runtime directory."""
REFS: Final = ".refs"
SUFFIXES: Final = frozenset({REFS, ".keys", ".more", ".new"})
SMALL_BYTES: Final = 1024
SMALL_BLOCKS: Final = 8
"""numpy/_core/src/multiarray/alloc.c: NBUCKETS, and one more than NCACHE."""
SAMPLE: Final = 256
"""Rows that are looked at to see whether a file of keys was erased as a whole."""


class KeyPlace(NamedTuple):
    """Whose keys: of the rows of a base, in a window, as these key files of the list have them."""

    base: BaseFile
    window: int
    made: str


class Columns(NamedTuple):
    """Of one window. Secret."""

    keys: Keys
    """Of the base's rows."""
    more: tuple[Refs, Keys]


class KeyColumns:
    """Of one folder, which is made when the first file is written. Used by one thread at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._mapped: dict[Path, NDArray[np.uint8]] = {}
        self._rows: dict[Path, Keys] = {}
        """Of files of keys: always the same object, by which a ring knows its columns again."""
        self._in_use: set[Path] = set()
        self._asked: set[Path] = set()

    def begin(self) -> None:
        """A ring is made: what is asked for from here on is what it needs."""
        self._asked = set()

    def made(self) -> None:
        """It is in the place of the one before."""
        self._in_use = self._asked

    def share_refs(self, base: BaseFile) -> None:
        """Let the refs of this base be read from memory. Raises StorageError."""
        path = self._folder / f"{base.path.stem}{REFS}"
        self._asked.add(path)
        if path in self._mapped:
            return
        if not self._is_whole(path, REF_BYTES * len(base)):
            self._write(path, base.refs.data.cast("B") if len(base) else b"")
        base.share(self._map(path).view(np.uint64))

    def find(self, place: KeyPlace) -> Columns | None:
        """As they were made before; None where they were not, or are erased. Raises
        StorageError.
        """
        keys, more = self._paths(place)
        if not self._is_whole(keys, KEY_BYTES * len(place.base)) or not more.exists():
            return None
        rows = self._rows_of(keys)
        if len(rows) and not rows[:: max(1, len(rows) // SAMPLE)].any():
            return None
        self.need(place)
        with self._told():
            return Columns(rows, _pairs(more.read_bytes()))

    def need(self, place: KeyPlace) -> None:
        """The ring that is made has them still."""
        self._asked |= set(self._paths(place))

    def make(
        self,
        place: KeyPlace,
        segments: Iterable[tuple[Buffer, Buffer]],
        *,
        came: Refs,
        dead: NDArray[np.int64],
    ) -> Columns:
        """From the whole key files of a window: refs and keys, as they are in them.

        `came`: who came or changed since the base, sorted; `dead`: the rows of it that are over.
        Keys of anybody else are not held. Raises StorageError.
        """
        base = place.base
        keys, more = self._paths(place)
        rest = bytearray()
        with self._told():  # without it the other counts for nothing, whatever stops us
            more.unlink(missing_ok=True)
        self._write(keys, bytes(0), size=KEY_BYTES * len(base))
        rows = self._rows_of(keys)
        for some_refs, some_keys in segments:
            refs = np.frombuffer(some_refs, ">u8").astype(np.uint64)
            theirs = np.frombuffer(some_keys, np.uint8).reshape(-1, KEY_BYTES)
            there, found = places(base.refs, refs)
            rows[there[found]] = theirs[found]
            _, new = places(came, refs)
            for n in np.flatnonzero(new).tolist():
                rest += refs[n].tobytes() + theirs[n].tobytes()
        rows[dead] = 0
        self._write(more, rest)
        self.need(place)
        return Columns(rows, _pairs(rest))

    def wipe(self, rows: Iterable[int], base: BaseFile) -> None:
        """These rows of the base are over."""
        over = np.fromiter(rows, np.intp)
        for path, keys in self._rows.items():
            if path.name.startswith(f"{base.path.stem}."):
                keys[over] = 0

    def keep_only(self) -> None:
        """Overwrite and remove what no ring needs. Raises StorageError."""
        needed = self._in_use | self._asked
        with self._told():
            for path in self._folder.glob("*"):
                if path.suffix in SUFFIXES and path not in needed:
                    erase(path)
        self._mapped = {path: some for path, some in self._mapped.items() if path in needed}
        self._rows = {path: keys for path, keys in self._rows.items() if path in needed}

    def forget(self) -> None:
        """Every key goes (DEAD); refs say nothing without. Called from any thread."""
        for keys in list(self._rows.values()):
            keys.fill(0)
        with suppress(OSError):  # erased in place is what counts
            for path in self._folder.glob("*"):
                if path.suffix in SUFFIXES - {REFS}:
                    erase(path)

    def _paths(self, place: KeyPlace) -> tuple[Path, Path]:
        name = f"{place.base.path.stem}.{place.window}.{place.made}"
        return self._folder / f"{name}.keys", self._folder / f"{name}.more"

    def _is_whole(self, path: Path, size: int) -> bool:
        try:
            return path.stat().st_size == size
        except OSError:
            return False

    def _write(self, path: Path, data: Buffer, *, size: int = 0) -> None:
        """`size`: with zeros up to it. All of it has its place in memory then: writing to the
        mapping cannot fail any more.
        """
        new = path.with_suffix(".new")
        with self._told():
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            new.unlink(missing_ok=True)
            handle = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                write_all(handle, data, 0)
                for at in range(len(data), size, 1 << 20):
                    write_all(handle, bytes(min(1 << 20, size - at)), at)
            finally:
                os.close(handle)
            new.replace(path)
            self._mapped.pop(path, None)
            self._rows.pop(path, None)

    def _rows_of(self, path: Path) -> Keys:
        if path not in self._rows:
            self._rows[path] = self._map(path).reshape(-1, KEY_BYTES)
        return self._rows[path]

    def _map(self, path: Path) -> NDArray[np.uint8]:
        mapped = self._mapped.get(path)
        if mapped is None:
            with self._told(), path.open("r+b") as file:
                size = os.fstat(file.fileno()).st_size
                memory: Any = mmap.mmap(file.fileno(), size) if size else bytearray()
            mapped = self._mapped[path] = np.frombuffer(memory, np.uint8)
        return mapped

    @contextmanager
    def _told(self) -> Iterator[None]:
        """A disk that gives or takes nothing as a StorageError."""
        try:
            yield
        except OSError as error:
            room = "storage.runtime_dir needs room in memory"
            raise StorageError(f"{self._folder}: {error.strerror}: {room}") from error


def overwrite_small_arrays() -> None:
    """numpy keeps small blocks that were freed, up to seven of each size below 1 kB, and gives them
    to nobody who would overwrite them: a few refs or keys of those who went may stand there (R-12).
    """
    for size in range(1, SMALL_BYTES):
        held = [np.empty(size, np.uint8) for _ in range(SMALL_BLOCKS)]
        for block in held:
            block.fill(0)


def windows_held(folder: Path) -> set[int]:
    """Of which windows there are keys, by the names of the files."""
    return {int(path.name.split(".")[1]) for path in folder.glob("*.keys")}


def made_of(names: Iterable[str]) -> str:
    """Stands for key files, by their hashes."""
    return hashlib.sha256(" ".join(sorted(names)).encode()).hexdigest()[:16]


def places(wanted: Refs, refs: Refs) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Where each of `refs` stands in `wanted` (sorted), and whether it does."""
    there = np.searchsorted(wanted, refs)
    there[there == len(wanted)] = 0
    found = wanted[there] == refs if len(wanted) else np.zeros(len(refs), np.bool_)
    return there, found


def _pairs(data: Buffer) -> tuple[Refs, Keys]:
    """Copies, so that they can be erased."""
    rows = np.frombuffer(data, np.uint8).reshape(-1, REF_BYTES + KEY_BYTES)
    refs = np.ascontiguousarray(rows[:, :REF_BYTES]).view(np.uint64).reshape(-1)
    return refs, rows[:, REF_BYTES:].copy()
