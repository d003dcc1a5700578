"""One at a time: locks on files in the service's folder, which a process that dies lets go of by
itself.

    publish.lock    one publication: two would give one number to two contents
    import.lock     one import: two of one export would each read before the other writes
    turn.lock       held while waiting for the register, so that nobody overtakes: an import that
                    takes one batch after the other would else keep a withdrawal waiting
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from presence.errors import ConsentServiceError

WAIT_S: Final = 30.0
POLL_S: Final = 0.02


@contextmanager
def alone(path: Path, what: str, *, wait_s: float = WAIT_S) -> Iterator[None]:
    """Nobody else who asks for this file is in here. Raises ConsentServiceError where that does not
    come about in time.

    `what`: what the other one is doing, for the message.
    """
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise ConsentServiceError(
            f"{path}: {error.strerror}: the list's folder must be writable"
        ) from error
    try:
        _wait(file, path, what, time.monotonic() + wait_s)
        os.truncate(file, 0)
        os.pwrite(file, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(file)


def _wait(file: int, path: Path, what: str, until_s: float) -> None:
    while not _is_taken(file):
        if time.monotonic() >= until_s:
            other = os.pread(file, 16, 0).decode("ascii", "replace") or "unknown"
            raise ConsentServiceError(
                f"{path}: another command (process {other}) {what}: nothing was done; wait for "
                "it, then try again"
            )
        time.sleep(POLL_S)


def _is_taken(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
