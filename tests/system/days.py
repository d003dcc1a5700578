"""A day in the machine, played once for all its tests; and what seems to fail, played once more on
a fresh machine.

An emulator on a shared host is late now and then. So a test that fails asks for its scenario again,
on a machine that was just started: only what fails twice in a row counts (`conftest.py`). Not more
than REPEATS times a day, though: where more than that fails, it is no noise.

The guest's clock may run faster or slower than the host's. Each scenario says when it began and
ended by the guest's clock, and the host's file system says when it said so: `seconds` gives host
seconds.
"""

import json
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.system.handed_over import GUEST, hand_over
from tests.system.machine import Result, run

REPEATS: Final = 3
PLAYED: Final[list[str]] = []
"""What each start of a machine took, for the end of the run (conftest.py)."""
FACTORS: Final = (0.5, 4.0)
"""Guest seconds per host second, as far as that is believed: beyond it a time says nothing at
all.
"""


@dataclass
class Day:
    """One script in /src/checkout/tests/system/guest; every scenario tells one line."""

    script: str
    folder: Callable[[str], Path]
    """Makes a new folder of that name."""
    limit_s: float
    first: tuple[str, ...] = ()
    """The scenarios that every other one needs."""
    only: Callable[[Iterable[str]], str] = " ".join
    """The script's arguments for these scenarios alone."""
    arguments: str = ""
    python: str = "PYTHONPATH={GUEST}:/src/checkout /opt/presence/bin/python"
    bring: Callable[[Path], None] = lambda _source: None
    """Puts more into /src."""
    lines: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)
    """Since the test began."""
    repeats: int = 0

    def play(self) -> "Day":
        self.lines = self._played(self.arguments)
        return self

    def facts(self, scenario: str) -> dict[str, Any]:
        """What it told; raises AssertionError where it failed in the guest."""
        self.asked.add(scenario)
        assert scenario in self.lines, f"{scenario} was not played: the day ended before"
        told = self.lines[scenario]
        assert "error" not in told, (
            f"{told['error']}\n{told.get('where')}\n{told.get('status')}\n{told.get('journal')}"
        )
        found: dict[str, Any] = told["facts"]
        return found

    def seconds(self, scenario: str, key: str) -> float:
        """A time that the guest measured, in seconds of the host where the guest's are shorter."""
        return float(self.facts(scenario)[key]) / max(
            1.0, float(self.lines[scenario].get("clock_factor", 1.0))
        )

    def again(self) -> bool:
        """Play what was asked for on a fresh machine; False where enough was repeated."""
        if not self.asked or self.repeats >= REPEATS:
            return False
        self.repeats += 1
        wanted = [
            *self.first,
            *(name for name in self.lines if name in self.asked and name not in self.first),
        ]
        wanted += [name for name in sorted(self.asked) if name not in self.lines]
        print(f"presence: once more on a fresh machine: {', '.join(sorted(self.asked))}")  # noqa: T201
        self.lines |= self._played(self.only(wanted))
        return True

    def _played(self, arguments: str) -> dict[str, dict[str, Any]]:
        source, out = self.folder("src"), self.folder("out")
        hand_over(source)
        self.bring(source)
        python = self.python.replace("{GUEST}", GUEST)
        command = f"{python} -B {GUEST}/{self.script} {arguments}"
        result: Result = run(
            Path(os.environ["PRESENCE_MACHINE"]), source, out, command, timeout_s=self.limit_s
        )
        told = told_lines(self.script, out, result.seconds)
        assert result.code == 0, result.text("stderr")[-3000:]
        return told


def told_lines(script: str, out: Path, seconds: float) -> dict[str, dict[str, Any]]:
    """What the machine told of each scenario, shown, and noted for the end of the run."""
    results = out / "results"
    told = [json.loads(line) for line in results.read_text().splitlines()]
    for line in told:
        line["clock_factor"] = clock_factor(out, line["scenario"])
        facts = json.dumps(line.get("facts", line.get("error")), ensure_ascii=False)
        print(line["scenario"], line["took_s"], "s, clock", line["clock_factor"], facts[:1500])  # noqa: T201
    took = ", ".join(
        f"{line['scenario']} {line['took_s']:.0f}{'!' if 'error' in line else ''}" for line in told
    )
    PLAYED.append(f"{script} {seconds:.0f} s: {took}")
    return {line["scenario"]: line for line in told}


def judge(test: Callable[[], object], days: list[Day]) -> None:
    """Only what fails twice in a row, on two machines, has failed."""
    for day in days:
        day.asked.clear()
    try:
        test()
    except (AssertionError, LookupError) as first:
        if not any(day.again() for day in days):
            raise
        try:
            test()
        except (AssertionError, LookupError) as second:
            raise second from first


def clock_factor(out: Path, scenario: str) -> float:
    """Guest seconds per host second while it was played: the guest wrote its clock, and the host
    when that was.
    """
    marks = [out / f"clock-{scenario}-{end}" for end in ("begin", "end")]
    if not all(mark.exists() for mark in marks):
        return 1.0
    (guest_from, guest_to), (host_from, host_to) = zip(
        *((float(mark.read_text()), mark.stat().st_mtime) for mark in marks), strict=True
    )
    if host_to - host_from < 1:
        return 1.0
    return round(
        min(max((guest_to - guest_from) / (host_to - host_from), FACTORS[0]), FACTORS[1]), 2
    )
