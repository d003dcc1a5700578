"""Window keys between two starts of the daemon: in the runtime directory, which is memory, and on no disk.

A file holds one segment as it came; it is believed only after TUF's hash of it fits. What the signed list
names no more (windows that are over, shards without somebody who withdrew) is removed with every list that is proven,
and all of it when the list is dead (R-12, T-13).
"""

from collections.abc import Container
from contextlib import suppress
from pathlib import Path

from tuf.api.exceptions import LengthOrHashMismatchError
from tuf.api.metadata import TargetFile

from presence.errors import StorageError


class WindowKeyFiles:
    """`keys` in the runtime directory."""

    def __init__(self, runtime_dir: Path) -> None:
        self._folder = runtime_dir / "keys"

    def read(self, target: TargetFile) -> bytes | None:
        try:
            data = self._file(target).read_bytes()
            target.verify_length_and_hashes(data)
        except (OSError, LengthOrHashMismatchError):
            return None
        return data

    def write(self, target: TargetFile, data: bytes) -> None:
        """Raises StorageError."""
        file = self._file(target)
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            new = file.with_suffix(".new")
            new.touch(mode=0o600)
            new.write_bytes(data)
            new.replace(file)
        except OSError as error:
            raise StorageError(f"{self._folder}: {error.strerror}: storage.runtime_dir needs room in memory") from error

    def keep_only(self, targets: Container[str]) -> None:
        """Remove every file that is none of these (`name_of`)."""
        if self._folder.is_dir():
            for file in self._folder.iterdir():
                if file.name not in targets:
                    with suppress(OSError):
                        file.unlink()

    def _file(self, target: TargetFile) -> Path:
        return self._folder / name_of(target)


def name_of(target: TargetFile) -> str:
    return next(iter(target.hashes.values()))[:32]
