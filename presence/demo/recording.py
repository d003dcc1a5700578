"""Records the picture as an asciicast, version 2 (docs.asciinema.org/manual/asciicast/v2).

A header, then one line for each write, `[seconds, "o", text]`. Always 80 × 24, whatever is shown.
"""

import json
import time
from pathlib import Path
from typing import Final, TextIO

from presence.demo.terminal import LiveView
from presence.demo.view import MIN_COLUMNS, MIN_ROWS
from presence.errors import StorageError

REPAINT_S: Final = 0.25


class Cast:
    """Takes what would go to a terminal. The clock starts with the first write."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._began_s: float | None = None

    def write(self, text: str) -> None:
        now_s = time.monotonic()
        if self._began_s is None:
            self._began_s = now_s
            header = {"version": 2, "width": MIN_COLUMNS, "height": MIN_ROWS}
            header |= {"timestamp": int(time.time())}
            self._line(header | {"title": "presence demo", "env": {"TERM": "xterm-256color"}})
        self._line([round(now_s - self._began_s, 3), "o", text])

    def flush(self) -> None:
        self._file.flush()

    def _line(self, value: object) -> None:
        self._file.write(json.dumps(value, ensure_ascii=False) + "\n")


def recorder(path: Path) -> tuple[TextIO, LiveView]:
    """The file, to be closed, and who writes it. Raises StorageError."""
    try:
        file = path.open("w", encoding="utf-8")
    except OSError as error:
        raise StorageError(f"--record {path}: {error.strerror}") from error
    view = LiveView(
        Cast(file),
        lambda: (MIN_COLUMNS, MIN_ROWS),
        colour=True,
        ascii_only=False,
        repaint_s=REPAINT_S,
    )
    return file, view
