"""How far long work is, on a terminal only."""

import time
from typing import Final, TextIO

WIDTH: Final = 30
EVERY_S: Final = 0.2


class Bar:
    """One line, written over and over; nothing where `out` is no terminal."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._on = out.isatty()
        self._shown_s = 0.0

    def show(self, part: float, words: str) -> None:
        """`part`: 0 to 1."""
        now_s = time.monotonic()
        if self._on and now_s - self._shown_s >= EVERY_S:
            self._shown_s = now_s
            filled = "#" * round(min(1.0, part) * WIDTH)
            self._out.write(f"\r\x1b[K[{filled:<{WIDTH}}] {min(1.0, part):4.0%}  {words}")
            self._out.flush()

    def clear(self) -> None:
        if self._on:
            self._out.write("\r\x1b[K")
            self._out.flush()
