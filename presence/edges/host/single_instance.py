"""One of us in a directory: a lock on the one that is ours."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from presence.errors import StorageError


@contextmanager
def alone(directory: Path, *, key: str = "storage.runtime_dir") -> Iterator[TextIO]:
    """Hold the directory against a second one of us; raises StorageError, which names the key."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StorageError(
            f"{key} {directory}: {error.strerror}: give the folder to this user, or name another"
        ) from error
    with os.fdopen(handle, "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StorageError(
                f"{key} {directory}: another presence works there; stop it first"
            ) from error
        yield lock
