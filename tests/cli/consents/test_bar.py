"""Long work says how far it is, each to its reader: a person, a log, a program."""

import json
from io import StringIO

import pytest

from presence.cli.consents.bar import Bar


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_on_a_terminal_it_is_one_line_that_goes_at_the_end(clock: Clock) -> None:
    out = Terminal()
    bar = Bar(out, as_json=False, clock=clock)
    bar.show(0.5, "reading")
    clock.now_s += 0.1
    bar.show(0.6, "reading")
    bar.clear()
    assert out.getvalue() == f"\r\x1b[K[{'#' * 15:<30}]  50%  reading\r\x1b[K"


@pytest.mark.parametrize("as_json", [False, True])
def test_elsewhere_a_line_is_said_every_ten_seconds_and_none_of_short_work(
    clock: Clock, *, as_json: bool
) -> None:
    out = StringIO()
    bar = Bar(out, as_json=as_json, clock=clock)
    for second in range(25):
        clock.now_s = 100.0 + second
        bar.show(second / 20, "reading")
    bar.clear()
    lines = out.getvalue().splitlines()
    if as_json:
        assert [json.loads(line) for line in lines] == [
            {"done": 0.5, "doing": "reading"},
            {"done": 1.0, "doing": "reading"},
        ]
    else:
        assert lines == ["presence consents: 50%: reading", "presence consents: 100%: reading"]
