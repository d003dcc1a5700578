"""What a command's exit code says to whoever started it."""

import argparse
import os
import pty
import re
import signal
import subprocess
import sys
import termios
from io import StringIO
from pathlib import Path

import pytest

from presence import cli
from presence.cli import main, run
from presence.cli.command import columns_of
from presence.cli.exit_codes import MEANINGS, ExitCode
from presence.cli.parsers import parser
from presence.diagnosis.findings import Verdict
from presence.diagnosis.sandbox import _ONCE
from presence.errors import (
    ConfigurationError,
    PresenceError,
    RadioError,
    RadioFault,
    StorageError,
    UsageError,
)
from tests.support.command_line import commands_of
from tests.support.paths import ROOT

RUN = ["run", "--config", str(Path("presence.yaml"))]


def fails_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def fail(_options: argparse.Namespace) -> int:
        raise error

    monkeypatch.setattr(run, "start", fail)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RadioError(RadioFault.DEAF, "hci0"), 75),  # nothing is wrong with the settings
        (ConfigurationError(["store.key_file: is missing"]), 78),
        (UsageError("--apply: there is nothing to write to"), 64),
        (StorageError("the disk is full"), 69),
    ],
)
def test_each_kind_of_failure_has_its_own(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: PresenceError,
    code: int,
) -> None:
    fails_with(monkeypatch, error)
    assert main(RUN) == code
    said = capsys.readouterr().err
    assert said.startswith("presence run: ")
    assert str(error) in said


@pytest.mark.parametrize("columns", [None, 40, 60, 80, 200])
def test_what_went_wrong_fits_the_terminal_and_elsewhere_each_line_is_whole(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], columns: int | None
) -> None:
    problems = [
        "store.key_file: /etc/presence/store.key is missing: take it from the consent service",
        "notice.review_by is no day: give the day by which the notice is reviewed, year-month-day",
    ]
    fails_with(monkeypatch, ConfigurationError(problems))
    monkeypatch.setattr(cli, "columns_of", lambda _stream: columns)
    assert main(RUN) == ExitCode.CONFIG
    said = capsys.readouterr().err
    lines = said.splitlines()
    whole = ["presence run: the configuration cannot be used:", *problems]
    assert (lines == whole) == (columns in (None, 200))
    assert max(map(len, lines)) <= (columns or 200)
    assert " ".join(said.split()) == " ".join(whole)
    begins = [line.split()[0] for line in lines if not line.startswith("  ")]
    assert begins == [line.split()[0] for line in whole]


def test_the_width_is_that_of_the_terminal_on_which_it_is_told() -> None:
    controller, terminal = pty.openpty()
    with os.fdopen(terminal, "w") as stream:
        for there, used in ((60, 60), (20, 40), (200, 80), (0, 80)):
            termios.tcsetwinsize(terminal, (24, there))
            assert columns_of(stream) == used
    os.close(controller)
    assert columns_of(StringIO()) is None


def test_a_fault_of_the_program_is_no_verdict(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Python's own code for it, 1, is a WARN."""
    fails_with(monkeypatch, LookupError("x"))
    assert main(RUN) == ExitCode.SOFTWARE
    assert "LookupError" in capsys.readouterr().err


def test_ctrl_c_is_130(monkeypatch: pytest.MonkeyPatch) -> None:
    fails_with(monkeypatch, KeyboardInterrupt())
    assert main(RUN) == ExitCode.INTERRUPTED


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["consents"],
        ["audit"],
        ["chek"],
        ["check", "--inside", "--confg", "x"],
        ["demo", "--speed", "abc"],
        ["help", "chek"],
        ["subject-report", "--config", "x", "--ref", "x"],
    ],
)
def test_a_wrong_command_line_is_64_and_nothing_is_on_stdout(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = main(words)
    except SystemExit as end:
        code = int(end.code or 0)
    said = capsys.readouterr()
    assert (code, said.out) == (ExitCode.USAGE, "")
    assert said.err


def test_no_two_codes_say_the_same_and_each_is_told() -> None:
    assert set(MEANINGS) == set(ExitCode)
    assert len(set(MEANINGS.values())) == len(ExitCode)
    assert tuple(Verdict) == (ExitCode.OK, ExitCode.WARN, ExitCode.FAIL)
    assert ExitCode.INTERRUPTED == 128 + signal.SIGINT
    assert ExitCode.BROKEN_PIPE == 128 + signal.SIGPIPE
    assert ExitCode.TERMINATED == 128 + signal.SIGTERM
    assert (ExitCode.USAGE, ExitCode.UNAVAILABLE) == (os.EX_USAGE, os.EX_UNAVAILABLE)
    assert (ExitCode.SOFTWARE, ExitCode.TEMPFAIL) == (os.EX_SOFTWARE, os.EX_TEMPFAIL)
    assert ExitCode.CONFIG == os.EX_CONFIG


def test_the_page_for_operators_has_the_table_word_for_word() -> None:
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    section = page.partition("## Exit codes\n")[2].partition("\n## ")[0]
    rows = dict(re.findall(r"^\| (\d+) \| (.+) \|$", section, re.MULTILINE))
    assert rows == {str(int(c)): words.replace("|", r"\|") for c, words in MEANINGS.items()}


def test_every_command_that_works_says_what_its_codes_mean() -> None:
    silent = [words for words, command in commands_of(parser()) if not command.exits]
    assert silent == [("config",), ("consents",)]  # their actions say it


def test_systemd_tries_again_but_where_the_command_line_is_wrong() -> None:
    for name in ("presence.service", "presence-satellite.service"):
        lines = (ROOT / "systemd" / name).read_text().splitlines()
        assert "Restart=always" in lines
        assert f"RestartPreventExitStatus={ExitCode.USAGE}" in lines


def test_the_check_inside_the_sandbox_may_end_with_any_code_of_its_own() -> None:
    (allowed,) = re.findall(r"^SuccessExitStatus=(.*)$", _ONCE, re.MULTILINE)
    codes = {int(code) for code in allowed.split()}
    assert codes == {int(code) for code in ExitCode if 0 < code < 128} - {3, 4}


def test_who_stops_reading_hears_no_complaint() -> None:
    """`presence help | head -1`, also where all of it waits in the buffer until the end."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "presence", "help"],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        cwd=ROOT,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (ExitCode.BROKEN_PIPE, "")
