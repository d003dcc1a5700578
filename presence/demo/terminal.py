"""Shows the picture on a terminal.

On its other screen, so that the shell's own lines come back; only rows that changed are written, so
that nothing flickers.
"""

import time
from collections.abc import Callable, Iterable
from typing import Final, Protocol

from presence.demo.canvas import ASCII
from presence.demo.lines import PlainLines
from presence.demo.scene import Happening
from presence.demo.stage import Play, Spectator
from presence.demo.view import MIN_COLUMNS, MIN_ROWS, draw, frame_of

OPEN: Final = "\x1b[?1049h\x1b[?25l"
CLEAR: Final = "\x1b[2J"
CLOSE: Final = "\x1b[?25h\x1b[?1049l"
REPAINT_S: Final = 0.1


class Out(Protocol):
    def write(self, text: str, /) -> object: ...
    def flush(self) -> None: ...


class LiveView(Spectator):
    """The picture, as large as the terminal is now."""

    def __init__(
        self,
        out: Out,
        size: Callable[[], tuple[int, int]],
        *,
        colour: bool,
        ascii_only: bool,
        repaint_s: float = REPAINT_S,
    ) -> None:
        self._out = out
        self._size = size
        self._colour = colour
        self._ascii = ascii_only
        self._repaint_s = repaint_s
        self._painted_s = 0.0
        self._shown: list[str] = []
        self._shown_size = (0, 0)
        self.is_open = False

    def begin(self, play: Play) -> None:
        self.is_open = True
        self._shown_size, self._painted_s = (0, 0), 0.0
        self._write(OPEN)
        self.frame(play)

    def frame(self, play: Play) -> None:
        now_s = time.monotonic()
        if now_s - self._painted_s < self._repaint_s:
            return
        self._painted_s = now_s
        width, height = size = self._size()
        rows = draw(frame_of(play), width=width, height=height).terminal_rows(colour=self._colour)
        whole = size != self._shown_size
        changed = (
            f"\x1b[{number};1H\x1b[2K{row}"
            for number, row in enumerate(rows, 1)
            if whole or row != self._shown[number - 1]
        )
        self._write((CLEAR if whole else "") + "".join(changed))
        self._shown, self._shown_size = rows, size

    def end(self, play: Play) -> None:  # noqa: ARG002 - the picture vanishes with the screen
        self.close()

    def close(self) -> None:
        if self.is_open:
            self.is_open = False
            self._write(CLOSE)

    def account(self, lines: Iterable[str]) -> None:
        self._write("".join(f"{line}\r\n" for line in ("", *lines)))

    def _write(self, text: str) -> None:
        if text:
            self._out.write(text.translate(ASCII) if self._ascii else text)
            self._out.flush()


class OnTerminal(Spectator):
    """The picture while the terminal is large enough for it, and plain lines while it is not."""

    def __init__(
        self, view: LiveView, plain: PlainLines, size: Callable[[], tuple[int, int]]
    ) -> None:
        self._view = view
        self._plain = plain
        self._size = size

    def begin(self, play: Play) -> None:
        if self._is_large_enough():
            self._view.begin(play)
        else:
            self._say_why()
            self._plain.begin(play)

    def show(self, happening: Happening) -> None:
        if not self._view.is_open:
            self._plain.show(happening)

    def frame(self, play: Play) -> None:
        if self._is_large_enough():
            if not self._view.is_open:
                self._view.begin(play)
            self._view.frame(play)
        elif self._view.is_open:
            self._view.close()
            self._say_why()

    def end(self, play: Play) -> None:
        self._view.end(play)

    def account(self, lines: Iterable[str]) -> None:
        self._plain.account(lines)

    def _is_large_enough(self) -> bool:
        columns, rows = self._size()
        return columns >= MIN_COLUMNS and rows >= MIN_ROWS

    def _say_why(self) -> None:
        columns, rows = self._size()
        self._plain.say(
            f"plain lines: the picture needs {MIN_COLUMNS} × {MIN_ROWS} characters, this terminal "
            f"has {columns} × {rows}"
        )
