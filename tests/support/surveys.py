"""`presence scan-test` as a process of its own, and what its walks measure."""

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from functools import cache
from io import StringIO
from pathlib import Path

from presence.config.settings import EntrySettings
from presence.core.place import Place
from presence.core.visit.side import Pairing, Side
from presence.core.visit.walks import Walked, WalkReading
from presence.language import ENGLISH, Language
from presence.simulation import Phone
from presence.survey.ears import SimulatedEar
from presence.survey.guide import Act, Doing, Recorded, Walks, walk_acts
from presence.survey.screen import Screen
from presence.survey.walking import Tuning, tune

LIMIT_S = 180
PAIR = Pairing(Place.DOOR, Place.OUTSIDE)
PLACES = {"inner": Place.DOOR, "outer": Place.OUTSIDE, "gateway": Place.INSIDE}
LEVELS = {
    Doing.WINDOW: (-90, -84, -80),
    Doing.PAST: (-92, -86, -80),
    Doing.LOOKIN: (-88, -70, -66),
    Doing.IN: (-75, -66, -74),
    Doing.INSIDE: (-70, -68, -78),
    Doing.LEAVE: (-80, -74, -70),
}
"""At the gateway, the inner and the outer antenna."""


def scan_test(*arguments: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "presence", "scan-test", *map(str, arguments)]
    return subprocess.run(
        command, input=stdin, capture_output=True, text=True, check=False, timeout=LIMIT_S
    )


def simulated(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return scan_test("--simulated", "--yes", "--speed", "300", *arguments)


def a_side(side_db: float, uncertain_db: float = 2.0, pair: Pairing = PAIR) -> Side:
    return Side(
        pairing=pair,
        side_db=side_db,
        uncertain_db=uncertain_db,
        lead_db={Walked.LOOKIN: 0.0, Walked.IN: side_db},
        by_phone_db={1: side_db},
        offset_db=side_db / 2,
        near_dbm=-80.0,
    )


def walked(*, side_db: int = 12, rounds: int = 3, phones: int = 2) -> Walks:
    """Walks at which looking in and being in differ by so much at the door."""

    def recorded(doing: Doing, began_s: float, seconds: float) -> tuple[WalkReading, ...]:
        gateway, inner, outer = LEVELS[doing]
        if doing in (Doing.IN, Doing.INSIDE):
            inner = outer + side_db - 4
        levels = {"gateway": gateway, "inner": inner, "outer": outer}
        return tuple(
            WalkReading(began_s + n / 4, dbm + (n * 7 % 5) - 2, PLACES[name], name)
            for n in range(int(seconds * 4))
            for name, dbm in levels.items()
        )

    return Walks(
        [
            Recorded(
                act,
                100.0 * n,
                {
                    phone: recorded(act.doing, 100.0 * n, act.seconds)
                    for phone in range(1, phones + 1)
                },
            )
            for n, act in enumerate(walk_acts(rounds))
        ],
        PLACES,
        ("Pixel 7", "iPhone 13"),
    )


@cache
def a_tuning(*, side_db: int = 12, rounds: int = 3, phones: int = 2) -> Tuning:
    """By such walks, once: it takes seconds. Nobody changes it."""
    return tuned_by(walked(side_db=side_db, rounds=rounds, phones=phones))


def tuned_by(walks: Walks) -> Tuning:
    tuned = tune(walks, EntrySettings())
    assert isinstance(tuned, Tuning)
    return tuned


class Terminal:
    """80 × 24, and somebody who types."""

    def __init__(self, *arguments: str | Path) -> None:
        self._controller, terminal = pty.openpty()
        command = [sys.executable, "-m", "presence", "scan-test", *map(str, arguments)]
        environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"}
        self.process = subprocess.Popen(
            command,
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            env=environment,
            start_new_session=True,
        )
        os.close(terminal)
        self.screen = ""

    def read(self, wanted: str) -> None:
        """Until the words stand on the screen after what was read before."""
        start, until_s = len(self.screen), time.monotonic() + LIMIT_S
        while wanted not in self.screen[start:]:
            assert time.monotonic() < until_s, self.screen
            if select.select([self._controller], [], [], 0.2)[0]:
                try:
                    self.screen += os.read(self._controller, 65536).decode(errors="replace")
                except OSError:  # the other end is closed
                    return

    def type(self, text: str) -> None:
        os.write(self._controller, text.encode())

    def hang_up(self) -> int:
        """The line is lost; the exit code."""
        os.close(self._controller)
        return self.process.wait(LIMIT_S)

    def end(self) -> int:
        self.read("nothing will ever say this")
        os.close(self._controller)
        return self.process.wait(LIMIT_S)


class Technician(Screen):
    """Types these answers, one after another, and Enter from then on."""

    def __init__(self, answers: Sequence[str], language: Language = ENGLISH) -> None:
        self.out = StringIO()
        super().__init__(self.out, yes=False, language=language)
        self.answers = list(answers)

    async def _read(self, prompt: str) -> str:
        self.say(prompt)
        return f"{self.answers.pop(0)}\n" if self.answers else "\n"


class EmptyShop(SimulatedEar):
    """Without strangers, of which no figure of a walk depends."""

    def strangers(self, act: Act) -> Iterable[Phone]:
        return ()
