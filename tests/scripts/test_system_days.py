"""How the system tests judge (tests/system/days.py): what fails is played once more, and times are
the host's.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.support.paths import ROOT
from tests.system import days
from tests.system.days import REPEATS, Day, clock_factor, judge
from tests.system.machine import MachineFailed, Result, run


class Machines:
    """Stand for the emulator: each start tells the next of the days it was given."""

    def __init__(self, *told: dict[str, dict[str, Any]]) -> None:
        self.commands: list[str] = []
        self._told = iter(told)

    def run(
        self, _image: Path, _source: Path, out: Path, command: str, *, timeout_s: float
    ) -> Result:
        self.commands.append(command)
        lines = [
            {"scenario": name, "took_s": 1.0, "facts": facts}
            for name, facts in next(self._told).items()
        ]
        (out / "results").write_text("".join(json.dumps(line) + "\n" for line in lines))
        return Result(0, timeout_s, out)


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Machines], Day]:
    numbers = count()

    def folder(name: str) -> Path:
        path = tmp_path / f"{name}{next(numbers)}"
        path.mkdir()
        return path

    def play(machines: Machines) -> Day:
        monkeypatch.setattr(days, "run", machines.run)
        return Day("day.py", folder, 10, first=("install",)).play()

    monkeypatch.setattr(days, "hand_over", lambda _source: None)
    monkeypatch.setenv("PRESENCE_MACHINE", "/nowhere")
    return play


def at_most(day: Day, limit_s: float) -> Callable[[], None]:
    def test() -> None:
        assert day.facts("killed")["back_s"] <= limit_s

    return test


def test_what_fails_once_is_played_again_alone_on_a_fresh_machine(
    play: Callable[[Machines], Day],
) -> None:
    machines = Machines(
        {"install": {}, "killed": {"back_s": 50}, "other": {}},
        {"install": {}, "killed": {"back_s": 5}},
    )
    day = play(machines)
    judge(at_most(day, 30), [day])
    assert machines.commands[1].endswith("day.py install killed")
    assert day.facts("other") == {}


def test_what_fails_twice_has_failed(play: Callable[[Machines], Day]) -> None:
    slow = {"install": {}, "killed": {"back_s": 50}}
    day = play(Machines(slow, slow, slow))
    with pytest.raises(AssertionError):
        judge(at_most(day, 30), [day])
    assert day.repeats == 1


def test_where_much_fails_it_is_no_noise_and_nothing_more_is_repeated(
    play: Callable[[Machines], Day],
) -> None:
    slow = {"install": {}, "killed": {"back_s": 50}}
    day = play(Machines(*[slow] * (REPEATS + 1)))
    for _ in range(REPEATS + 2):
        with pytest.raises(AssertionError):
            judge(at_most(day, 30), [day])
    assert day.repeats == REPEATS


def test_a_clock_that_runs_fast_is_measured_by_the_hosts(
    tmp_path: Path, play: Callable[[Machines], Day]
) -> None:
    for end, guest_s, host_s in (("begin", 100, 1000), ("end", 160, 1030)):
        mark = tmp_path / f"clock-killed-{end}"
        mark.write_text(str(guest_s))
        os.utime(mark, (host_s, host_s))
    assert clock_factor(tmp_path, "killed") == 2.0
    day = play(Machines({"install": {}, "killed": {"back_s": 50}}))
    day.lines["killed"]["clock_factor"] = 2.0
    assert day.seconds("killed", "back_s") == 25.0


def test_a_machine_that_tells_nothing_more_is_ended_before_its_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    emulator = tmp_path / "qemu-system-x86_64"
    emulator.write_text("#!/bin/sh\nexec sleep 600\n")
    emulator.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(MachineFailed, match="no result after"):
        run(tmp_path, tmp_path, tmp_path / "out", "true", timeout_s=600, silent_s=0.1)


@pytest.mark.parametrize("options", [[], ["--build"]])
@pytest.mark.parametrize(
    ("ci", "user", "code"), [("true", "0", 1), ("true", "1000", 0), ("false", "0", 0)]
)
def test_a_machine_that_cannot_be_had_is_a_failure_for_root_in_ci_alone(
    tmp_path: Path, ci: str, user: str, code: int, options: list[str]
) -> None:
    for name in ("bash", "dirname", "readlink", "tail", "mktemp", "rm", "sed"):
        (tmp_path / name).symlink_to(shutil.which(name) or name)
    for name, does in (("id", f"echo {user}"), ("apt-get", "echo no network; exit 100")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / name).chmod(0o755)
    command = [ROOT / "scripts" / "test-system", *options]
    environment = {"PATH": str(tmp_path), "CI": ci, "HOME": str(tmp_path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    assert "system tests SKIPPED: " in done.stderr


def test_days_that_are_played_side_by_side_are_told_of_as_those_one_after_the_other(
    tmp_path: Path,
) -> None:
    (tmp_path / "conftest.py").write_text(
        "from tests.system.conftest import pytest_sessionfinish, pytest_terminal_summary\n"
        "from tests.system.conftest import pytest_testnodedown\n"
    )
    for day in ("shop", "faults"):
        (tmp_path / f"test_{day}.py").write_text(
            "from tests.system.days import PLAYED\n\n\n"
            f"def test_{day}():\n    PLAYED.append('{day}.py 774 s: install 65')\n"
        )
    options = ["-q", "-n", "2", "--dist", "loadfile", "-p", "no:cacheprovider", "-c", os.devnull]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "--rootdir", tmp_path, tmp_path],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for day in ("shop", "faults"):
        assert done.stdout.count(f"presence: {day}.py 774 s: install 65") == 1
