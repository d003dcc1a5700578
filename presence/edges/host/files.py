"""Files that are there as a whole or not at all."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from presence.errors import StorageError

Owner = tuple[int, int]
"""User and group, as numbers."""
SECRET_BYTES = 32


def replace_file(
    path: Path,
    content: bytes,
    *,
    mode: int = 0o600,
    owner: Owner | None = None,
    durable: bool = True,
) -> None:
    """A reader sees the old file or the new one, never half of one; raises OSError.

    `durable`: so it is where the power fails, too, and the new one once this returns. `owner`:
    None: whoever makes the file.
    """
    with _beside(path, mode=mode, owner=owner, durable=durable) as file:
        file.write(content)
    half_written(path).replace(path)
    if durable:
        _sync_folder(path)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """The same for what is too long to be had at once: what the block writes takes the place of the
    old file, durably, once the block has ended.
    """
    with _beside(path, mode=0o600, owner=None, durable=True) as file:
        yield file
    half_written(path).replace(path)
    _sync_folder(path)


def replace_page(path: Path, text: str, *, option: str = "") -> None:
    """A page for a person: only its owner may read it, until they decide otherwise. Raises
    StorageError; `option`: by which a better place is named, in brackets after a blank.
    """
    try:
        replace_file(path, text.encode(), durable=False)
    except OSError as error:
        raise StorageError(
            f"{path}: {error.strerror}: name a file in a folder where you may write{option}"
        ) from error


def new_file(path: Path, content: bytes, *, mode: int = 0o600, owner: Owner | None = None) -> None:
    """The same where no file may be replaced: raises FileExistsError, and leaves it alone."""
    with _beside(path, mode=mode, owner=owner, durable=True) as file:
        file.write(content)
    new = half_written(path)
    try:
        path.hardlink_to(new)
    finally:
        new.unlink()
    _sync_folder(path)


def new_key_file(path: Path, *, owner: Owner | None = None) -> None:
    """A secret of our own: 64 hex digits, for its owner alone. Raises OSError, and
    FileExistsError where there is one already.
    """
    new_file(path, secrets.token_hex(SECRET_BYTES).encode("ascii"), mode=0o400, owner=owner)


def half_written(path: Path) -> Path:
    """What a kill in the middle leaves; the next write takes it away."""
    return path.with_name(f".{path.name}.new")


def _sync_folder(path: Path) -> None:
    """Which file bears the name is on the disk."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def _beside(path: Path, *, mode: int, owner: Owner | None, durable: bool) -> Iterator[BinaryIO]:
    """What becomes `half_written`: made beside the old one and by nobody else, so that in a folder
    of another user no link leads our content elsewhere.
    """
    new = half_written(path)
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        if owner is not None:  # the daemon's sandbox forbids the call, whatever it asks for
            os.fchown(file.fileno(), *owner)
        os.fchmod(file.fileno(), mode)  # whatever the umask says
        yield file
        if durable:
            file.flush()
            os.fsync(file.fileno())
