"""A terminal of a given width, for what a command says in this process."""

import io
import os
import pty
import termios
from collections.abc import Iterator
from contextlib import contextmanager


class Terminal(io.StringIO):
    """What is written stays here; its width is asked of a real terminal."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor


@contextmanager
def terminal(columns: int) -> Iterator[Terminal]:
    controller, ours = pty.openpty()
    try:
        termios.tcsetwinsize(ours, (24, columns))
        yield Terminal(ours)
    finally:
        os.close(ours)
        os.close(controller)
