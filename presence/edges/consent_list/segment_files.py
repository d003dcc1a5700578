"""Files of the signed list that came and are not in use yet, each named after its hash.

    keys        window keys between two starts of the daemon: in the runtime directory, which is
                memory, and on no disk
    fetched     segments of a base on their way: in the state directory, until all of them are
                loaded or wanted no more

A file holds one segment as it came; it is believed only after TUF's hash of it fits. `NAME.part` is
one that has not come whole. So no byte that came over a slow or a broken line need come again,
whatever happened meanwhile. Keys that the signed
list names no more (windows that are over, shards without somebody who withdrew) are removed with
every list that is proven, and all of them when the list is dead (R-12, T-13).
"""

import os
from collections.abc import Container, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

from tuf.api.exceptions import LengthOrHashMismatchError
from tuf.api.metadata import TargetFile

from presence.errors import StorageError

PART: Final = ".part"


class ComingFile:
    """What there is of a file on its way. Raises OSError."""

    def __init__(self, file: BinaryIO, *, broke_off: bool) -> None:
        self._file = file
        self.broke_off = broke_off
        """An earlier look began it, whatever came of it."""
        self.size = file.seek(0, os.SEEK_END)
        self.came = 0
        """Bytes that this look brought."""

    def write(self, place: int, piece: bytes) -> None:
        """Nothing stands after this piece any more."""
        if place != self.size:
            self._file.truncate(place)
            self._file.seek(place)
        self._file.write(piece)
        self._file.flush()
        self.size = place + len(piece)
        self.came += len(piece)

    def read(self) -> bytes:
        self._file.seek(0)
        return self._file.read()

    def discard(self) -> None:
        self._file.seek(0)
        self._file.write(bytes(self.size))
        self._file.truncate(0)
        self.size = self.came = 0


class SegmentFiles:
    """Of one folder, which is made when the first file is written."""

    def __init__(self, folder: Path, *, room: str) -> None:
        """`room`: what must have room, in words."""
        self._folder = folder
        self._room = room

    def read(self, target: TargetFile) -> bytes | None:
        try:
            data = self._file(target).read_bytes()
            target.verify_length_and_hashes(data)
        except (OSError, LengthOrHashMismatchError):
            return None
        return data

    def has(self, target: TargetFile) -> bool:
        """Whether a file of this name and length is there; `read` proves it."""
        with suppress(OSError):
            return self._file(target).stat().st_size == target.length
        return False

    @contextmanager
    def coming(self, target: TargetFile) -> Iterator[ComingFile]:
        """What has come of it; at the end of the block it is whole. Raises StorageError."""
        whole = self._file(target)
        path = whole.with_name(f"{whole.name}{PART}")
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            broke_off = path.exists()
            with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b") as file:
                yield ComingFile(file, broke_off=broke_off)
            path.replace(whole)
        except OSError as error:
            raise StorageError(f"{self._folder}: {error.strerror}: {self._room}") from error

    def keep_only(self, targets: Container[str]) -> None:
        """Remove every file that is none of these (`name_of`); what it held is overwritten
        first.
        """
        if self._folder.is_dir():
            for file in self._folder.iterdir():
                if file.name.removesuffix(PART) not in targets:
                    with suppress(OSError):
                        with file.open("r+b") as old:
                            old.write(bytes(file.stat().st_size))
                        file.unlink()

    def _file(self, target: TargetFile) -> Path:
        return self._folder / name_of(target)


class WindowKeyFiles(SegmentFiles):
    """`keys` in the runtime directory."""

    def __init__(self, runtime_dir: Path) -> None:
        self.runtime_dir = runtime_dir
        super().__init__(runtime_dir / "keys", room="storage.runtime_dir needs room in memory")


class FetchedFiles(SegmentFiles):
    """`fetched` in the state directory."""

    def __init__(self, state_dir: Path) -> None:
        super().__init__(state_dir / "fetched", room="make room, or give the folder back to us")


def name_of(target: TargetFile) -> str:
    return next(iter(target.hashes.values()))[:32]
