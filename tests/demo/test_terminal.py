"""The picture on a real terminal (a pty, read by pyte), and which spectator a terminal gets."""

import argparse
import fcntl
import io
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyte
import pytest

from presence.cli.demo import audience_for
from presence.demo.recording import Cast, recorder
from presence.demo.view import MIN_COLUMNS, MIN_ROWS
from presence.errors import StorageError
from tests.support.paths import ROOT

LIMIT_S = 240
FAST = ("--speed", "5")
CURSOR_SHOWN, MAIN_SCREEN = b"\x1b[?25h", b"\x1b[?1049l"


class Terminal:
    """A pty with a demo on it."""

    def __init__(self, columns: int, rows: int, *options: str, **environment: str) -> None:
        self._controller, terminal = pty.openpty()
        self._resize(columns, rows)
        inherited = {k: v for k, v in os.environ.items() if k not in {"COLUMNS", "LINES"}}
        self.running = subprocess.Popen(
            [sys.executable, "-m", "presence", "demo", *FAST, *options],
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            env={**inherited, "TERM": "xterm-256color", **environment},
            start_new_session=True,
        )
        os.close(terminal)
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self.written = b""
        self._resized_at = 0

    def _resize(self, columns: int, rows: int) -> None:
        size = struct.pack("HHHH", rows, columns, 0, 0)
        fcntl.ioctl(self._controller, termios.TIOCSWINSZ, size)

    def resize(self, columns: int, rows: int) -> None:
        self._resize(columns, rows)
        self.screen.resize(rows, columns)
        self._resized_at = len(self.written)
        self.screen.reset()  # pyte knows one screen only: what stood on the other is no answer

    def until(self, words: str) -> str:
        """Read on until these words stand on the screen; answers with the screen."""
        self._read_until(lambda: words in self._shown())
        return self._shown()

    def until_written(self, words: str) -> None:
        """Read on until these words were written since the last resize, wherever they stand."""
        self._read_until(lambda: words.encode() in self.written[self._resized_at :])

    def _read_until(self, found: Callable[[], bool]) -> None:
        ends_s = time.monotonic() + LIMIT_S
        while not found():
            assert time.monotonic() < ends_s, self._shown()
            assert self._read(), self._shown()

    def _shown(self) -> str:
        return "\n".join(self.screen.display)

    def rest(self) -> int:
        """Read to the end; the exit code."""
        while self._read():
            pass
        return self.running.wait(LIMIT_S)

    def _read(self) -> bool:
        try:
            got = os.read(self._controller, 256)  # so that nothing scrolls by unseen
        except OSError:  # the other end is closed
            return False
        self.written += got
        self._stream.feed(got)
        return bool(got)

    def close(self) -> None:
        if self.running.poll() is None:
            self.running.kill()
            self.running.wait()
        os.close(self._controller)


@contextmanager
def terminal(columns: int, rows: int, *options: str, **environment: str) -> Iterator[Terminal]:
    opened = Terminal(columns, rows, *options, **environment)
    try:
        yield opened
    finally:
        opened.close()


@pytest.mark.slow
def test_on_a_terminal_both_panes_are_drawn_and_the_account_stays_on_the_shells_screen(tmp_path):
    recording = tmp_path / "demo.cast"
    with terminal(80, 24, "--record", str(recording)) as demo:
        demo.until("opening a shop")
        shown = demo.until("Aino gets an offer")
        assert "the street, as you see it" in shown
        assert "all that the gateway knows" in shown
        assert re.search(r"signed list \d: 8 people, fresh", shown)
        demo.until("David's offer is cancelled")
        assert demo.rest() == 0
    after = demo.written.rpartition(MAIN_SCREEN)[2].decode()
    assert "stored about strangers: nothing" in after
    assert max(map(len, after.splitlines())) <= 80
    last = "".join(screens(recording)[-1])
    assert "stored about strangers: nothing" in last


@pytest.mark.slow
def test_a_terminal_that_becomes_too_small_gets_lines_and_the_picture_when_it_grows_again():
    with terminal(80, 24) as demo:
        demo.until("all that the gateway knows")
        demo.resize(60, 20)
        demo.until_written("plain lines: the picture needs")
        demo.until_written("comes in")
        demo.resize(100, 30)
        shown = demo.until("A-J customers")
        assert "all that the gateway knows" in shown
        assert shown.splitlines()[29].startswith(" A-J customers")


@pytest.mark.slow
def test_ctrl_c_gives_the_shell_its_screen_and_cursor_back(tmp_path):
    with terminal(80, 24, TMPDIR=str(tmp_path)) as demo:
        demo.until("all that the gateway knows")
        os.killpg(demo.running.pid, signal.SIGINT)
        assert demo.rest() == 130
    last = demo.written[demo.written.rindex(MAIN_SCREEN) + len(MAIN_SCREEN) :]
    assert last.strip() == b"stopped: keys, list and broker of the play are gone"
    assert CURSOR_SHOWN in demo.written
    assert b"Traceback" not in demo.written
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_an_ascii_terminal_without_colours_gets_neither(tmp_path):
    with terminal(80, 24, NO_COLOR="1", PYTHONIOENCODING="ascii") as demo:
        shown = demo.until("Aino gets an offer")
    assert demo.written.isascii()
    assert b"\x1b[1;3" not in demo.written
    assert "> the engine may offer: cars" in shown


class FakeTerminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("term", "no_tui", "spectator"),
    [("xterm", False, "OnTerminal"), ("dumb", False, "PlainLines"), ("xterm", True, "PlainLines")],
)
def test_a_terminal_without_a_cursor_gets_plain_lines(monkeypatch, term, no_tui, spectator):
    monkeypatch.setenv("TERM", term)
    monkeypatch.setattr("sys.stdout", FakeTerminal())
    options = argparse.Namespace(json=False, no_tui=no_tui)
    assert type(audience_for(options)).__name__ == spectator


def screens(recording: Path) -> list[list[str]]:
    """What a terminal shows after each write."""
    header, *writes = map(json.loads, recording.read_text(encoding="utf-8").splitlines())
    assert (header["version"], header["width"], header["height"]) == (2, MIN_COLUMNS, MIN_ROWS)
    screen = pyte.Screen(header["width"], header["height"])
    stream, shown, before_s = pyte.Stream(screen), [], 0.0
    for seconds, kind, text in writes:
        assert kind == "o"
        assert seconds >= before_s
        before_s = seconds
        stream.feed(text)
        shown.append(list(screen.display))
    return shown


def test_a_recording_is_a_header_and_then_a_line_for_each_write():
    file = io.StringIO()
    cast = Cast(file)
    cast.write("the street · ")
    cast.write("\x1b[1;1H")
    header, *writes = map(json.loads, file.getvalue().splitlines())
    assert header.keys() >= {"version", "width", "height", "timestamp"}
    assert [write[1:] for write in writes] == [["o", "the street · "], ["o", "\x1b[1;1H"]]
    assert writes[0][0] == 0


def test_a_recording_that_cannot_be_written_is_refused_before_the_play(tmp_path):
    with pytest.raises(StorageError, match="--record"):
        recorder(tmp_path / "nowhere" / "demo.cast")


def test_the_picture_in_the_documents_answers_the_questions_that_it_can():
    picture = (ROOT / "docs" / "pictures" / "demo.svg").read_text(encoding="utf-8")
    for words in ("the street, as you see it", "all that the gateway knows", "nothing said"):
        assert words in picture
