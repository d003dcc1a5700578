"""How far long work is: a bar on a terminal; elsewhere a line now and then, as JSON where asked.

Both on stderr, so that the answer on stdout stays one object.
"""

import json
import time
from collections.abc import Callable
from typing import Final, TextIO

WIDTH: Final = 30
EVERY_S: Final = 0.2
LINES_S: Final = 10.0
"""Between lines; what takes less time says nothing."""


class Bar:
    """One line, written over and over, where `out` is a terminal."""

    def __init__(
        self, out: TextIO, *, as_json: bool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._out = out
        self._json = as_json
        self._on = out.isatty()
        self._clock = clock
        self._shown_s = 0.0 if self._on else clock()

    def show(self, part: float, words: str) -> None:
        """`part`: 0 to 1."""
        now_s, part = self._clock(), min(1.0, part)
        if now_s - self._shown_s < (EVERY_S if self._on else LINES_S):
            return
        self._shown_s = now_s
        if self._on:
            filled = "#" * round(part * WIDTH)
            self._out.write(f"\r\x1b[K[{filled:<{WIDTH}}] {part:4.0%}  {words}")
        elif self._json:
            self._out.write(json.dumps({"done": round(part, 3), "doing": words}) + "\n")
        else:
            self._out.write(f"presence consents: {part:.0%}: {words}\n")
        self._out.flush()

    def clear(self) -> None:
        if self._on:
            self._out.write("\r\x1b[K")
            self._out.flush()
