"""What is drawn: golden screens, and the five questions of docs/demo.md with the lines that answer
them.
"""

import re
from dataclasses import replace

import pytest

from presence.demo.canvas import ASCII, Canvas
from presence.demo.scene import Happening
from presence.demo.view import draw
from tests.demo.frames import BUSY, EMPTY
from tests.support.paths import ROOT

SCREENS = ROOT / "tests" / "demo" / "screens"


@pytest.mark.parametrize(("name", "frame"), [("busy", BUSY), ("empty", EMPTY)])
def test_the_picture_is_the_one_that_was_looked_at(name, frame):
    drawn = "\n".join(draw(frame, width=80, height=24).rows()) + "\n"
    assert drawn == (SCREENS / f"{name}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize(("width", "height"), [(80, 24), (81, 25), (100, 30), (200, 60)])
def test_nothing_is_cut_off_from_80_by_24_on(width, height):
    canvas = draw(BUSY, width=width, height=height)
    assert canvas.cut == []
    assert len(canvas.rows()) == height


def test_a_long_happening_goes_on_in_the_next_line_and_the_newest_is_whole():
    long = Happening(52.0, "silent", "Greta: " + "agreed to shoes " * 8 + "→ nothing said")
    canvas = draw(replace(BUSY, feed=(*BUSY.feed, long)), width=80, height=24)
    assert canvas.cut == []
    assert canvas.rows()[22].endswith("nothing said")


def test_everything_has_a_stand_in_of_one_column_in_ascii():
    drawn = "\n".join(draw(BUSY, width=80, height=24).rows())
    plain = drawn.translate(ASCII)
    assert plain.isascii()
    assert [len(row) for row in plain.splitlines()] == [len(row) for row in drawn.splitlines()]


def test_without_colours_no_escape_is_in_a_row():
    canvas = draw(BUSY, width=80, height=24)
    assert "\x1b" not in "".join(canvas.terminal_rows(colour=False))
    assert "\x1b[1;32mElsa" in "".join(canvas.terminal_rows(colour=True))


def test_a_text_that_does_not_fit_is_told_of():
    canvas = Canvas(4, 1)
    canvas.put(0, 2, "door")
    assert canvas.rows() == ["  do"]
    assert canvas.cut == ["door"]


def test_each_line_that_docs_demo_quotes_is_one_that_the_screen_or_the_account_says():
    """Together with the plays of test_demo and test_terminal, which look for these lines."""
    page = (ROOT / "docs" / "demo.md").read_text(encoding="utf-8")
    table = page.partition("## Five questions")[2].partition("## What is real")[0]
    assert len([row for row in table.splitlines() if row.startswith("| ")]) == 1 + 5
    screen = "\n".join(draw(BUSY, width=80, height=24).rows())
    plays = "".join(
        (ROOT / "tests" / "demo" / name).read_text(encoding="utf-8")
        for name in ("test_demo.py", "test_terminal.py")
    )
    for line in re.findall(r"`([^`]+)`", table):
        parts = [part.strip() for part in line.split("…")]
        assert all(part in screen or part in plays for part in parts), line
