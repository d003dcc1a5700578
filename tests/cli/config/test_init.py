"""`presence config init`, asked on a terminal and by a script; `config show` at the command
line.
"""

import json
import os
import pty
import re
import select
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest

from presence.cli import engine_test, main, run
from presence.cli.config import init
from presence.cli.config.asking import ALWAYS, QUESTIONS, opening_hours
from presence.config import load_settings
from presence.config.rules import read_store_key
from presence.config.walk import Misfit
from presence.core.place import Place
from presence.core.visit.opening_hours import WEEKDAYS
from presence.edges.bluez.connection import Adapter
from presence.errors import RadioError, RadioFault
from tests.support.paths import ROOT

GIVEN = {
    "--list": "acme/fi-0042",
    "--controller": "Acme Oy",
    "--dpo-contact": "privacy@acme.example",
    "--campaigns": "ap2:1551, ap2:1285",
    "--hours": "mon-fri 09:00-21:00, sat 10:00-18:00",
}
ADAPTERS = [
    Adapter("hci0", ":1.2", powered=True, discovering=False, address="00:1A:7D:DA:71:13",
            usb_path="usb:1-1.2"),
    Adapter("hci1", ":1.2", powered=True, discovering=False, address="00:1A:7D:DA:71:14"),
]  # fmt: skip


def options(**changes: str) -> list[str]:
    given = GIVEN | {f"--{name}": value for name, value in changes.items()}
    return [word for pair in given.items() for word in pair]


@pytest.fixture
def no_radio(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing() -> list[Adapter]:
        raise RadioError(RadioFault.NO_BLUEZ, "no bus")

    monkeypatch.setattr(init, "look_for_adapters", nothing)


@pytest.fixture
def file(tmp_path: Path, no_radio: None) -> Path:
    return tmp_path / "presence.yaml"


def test_a_script_answers_by_options_and_the_file_is_the_gateways(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["config", "init", "--output", str(file), *options()]) == 0
    settings = load_settings(file)
    assert (settings.store.chain, settings.store.store) == ("acme", "fi-0042")
    assert settings.notice.controller == "Acme Oy"
    assert settings.audiences[0].campaigns == ["ap2:1551", "ap2:1285"]
    assert list(settings.store.opening_hours) == ["mon", "tue", "wed", "thu", "fri", "sat"]
    assert len(read_store_key(settings.store.key_file)) == 32
    assert settings.store.key_file == file.parent / "store.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert stat.S_IMODE(settings.store.key_file.stat().st_mode) == 0o400
    assert sorted(path.name for path in file.parent.iterdir()) == ["presence.yaml", "store.key"]
    said = capsys.readouterr().out
    assert f"presence check --config {file}" in said
    assert settings.notice.id in said
    assert "bluetoothd does not answer" in said


def test_what_check_asks_of_the_file_and_the_key_passes(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["config", "init", "-o", str(file), *options()]) == 0
    capsys.readouterr()
    main(["check", "--config", str(file), "--json"])
    told = {each["name"]: each for each in json.loads(capsys.readouterr().out)["findings"]}
    verdicts = {told[name]["verdict"] for name in ("configuration", "store key", "notice")}
    assert verdicts == {"PASS"}


def test_a_missing_answer_is_named_by_its_option_where_nobody_can_be_asked(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", StringIO())
    assert main(["config", "init", "-o", str(file), "--list", "acme/fi-0042"]) == 64
    said = capsys.readouterr().err
    assert [option for option in GIVEN if option in said] == list(GIVEN)[1:]
    assert list(file.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("option", "text", "words"),
    [
        ("list", "acme", "--list: text 'acme' does not fit"),
        ("campaigns", "shoes", "--campaigns: "),
        ("hours", "9-21", "--hours: "),
        ("hours", "nop 09:00-21:00", "is no day"),
        ("hours", "fri-mon 09:00-21:00", "say two spans"),
        ("antenna", "kitchen", "--antenna: "),
        ("antenna", "usb:1-1.4=kitchen", "one of inside, door, outside"),
    ],
)
def test_an_answer_that_does_not_fit_is_a_wrong_command_line(
    option: str, text: str, words: str, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["config", "init", "-o", str(file), *options(**{option: text})]) == 64
    assert words in capsys.readouterr().err
    assert list(file.parent.iterdir()) == []


def test_a_file_that_is_there_is_replaced_by_force_alone_and_the_key_never(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["config", "init", "-o", str(file), *options()]
    assert main(command) == 0
    key = (file.parent / "store.key").read_bytes()
    file.write_text("ours: now\n")
    assert main(command) not in (0, 64)
    assert "--force replaces it" in capsys.readouterr().err
    assert file.read_text() == "ours: now\n"
    assert main([*command, "--force"]) == 0
    assert load_settings(file).store.chain == "acme"
    assert (file.parent / "store.key").read_bytes() == key
    assert "kept" in capsys.readouterr().out


def test_printed_it_makes_nothing_and_talks_beside(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(file.parent)
    assert main(["config", "init", "--output", "-", *options()]) == 0
    told = capsys.readouterr()
    assert list(file.parent.iterdir()) == []
    file.write_text(told.out)
    assert load_settings(file).store.chain == "acme"
    assert "no Bluetooth adapter" in told.err


def test_where_nobody_may_write_nobody_is_asked(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["config", "init", "--output", str(file.parent / "none" / "a.yaml")]) != 64
    assert "there is no such folder" in capsys.readouterr().err


@pytest.fixture
def forbidden(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of root's, as /etc/presence is to somebody who is neither root nor a technician."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o700)
        monkeypatch.setattr("presence.location.SETTINGS", folder / "presence.yaml")
        for module in (init, engine_test, run):  # imported before the user is another
            assert module
        os.seteuid(65534)
        try:
            yield folder
        finally:
            os.seteuid(0)


@pytest.mark.skipif(os.geteuid() != 0, reason="root only: nobody else can be somebody else")
@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["config", "init"], "this user may not write there: use sudo"),
        (["engine-test", "--customers", "c.jsonl"], "--chain and --store: are missing"),
        (["run"], "cannot be read (Permission denied)"),
    ],
)
def test_a_folder_that_is_not_this_users_is_told_in_words(
    command: list[str], words: str, forbidden: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command) != 0
    assert words in capsys.readouterr().err
    assert "Traceback" not in capsys.readouterr().err


async def test_antennas_are_named_by_what_lasts_and_asked_for_only_where_there_are_several(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def two() -> list[Adapter]:
        return ADAPTERS

    typed = iter(["1=kitchen", "2=outside, 1"])
    monkeypatch.setattr(init, "look_for_adapters", two)
    monkeypatch.setattr(init, "line_of", lambda _prompt, _out: next(typed))
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    found = await init._antennas([], sys.stderr)
    assert found == [
        {"adapter": "00:1A:7D:DA:71:14", "place": "outside"},
        {"adapter": "00:1A:7D:DA:71:13", "place": "inside"},
    ]
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    assert await init._antennas([], sys.stderr) == []


def test_antennas_may_be_given(file: Path) -> None:
    antennas = ["--antenna", "usb:1-1.4=door", "--antenna", "00:11:22:33:44:55"]
    assert main(["config", "init", "-o", str(file), *options(), *antennas]) == 0
    told = [(each.adapter, each.place) for each in load_settings(file).radio.antennas]
    assert told == [("usb:1-1.4", Place.DOOR), ("00:11:22:33:44:55", Place.INSIDE)]


def test_hours_are_said_as_people_say_them() -> None:
    assert opening_hours("09:00-21:00") == dict.fromkeys(WEEKDAYS, "09:00-21:00")
    assert opening_hours(ALWAYS) == {}
    late = opening_hours("sun 12:00-18:00, Mon - Tue 09:00-02:00")
    assert list(late.items()) == [
        ("mon", "09:00-02:00"), ("tue", "09:00-02:00"), ("sun", "12:00-18:00"),
    ]  # fmt: skip
    for wrong in ("", "mon", "09:00-21:00, mon 10:00-12:00", "mon 25:00-26:00"):
        with pytest.raises(Misfit):
            opening_hours(wrong)


class Terminal:
    """80 × 24, with somebody who types."""

    def __init__(self, *words: str | Path) -> None:
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            os.environ |= {"COLUMNS": "80", "LINES": "24", "PYTHONPATH": str(ROOT)}
            os.execv(sys.executable, [sys.executable, "-m", "presence", *map(str, words)])  # noqa: S606
        self.said = ""

    def wait_for(self, words: str, times: int = 1) -> None:
        while self.said.count(words) < times:
            readable, _, _ = select.select([self._fd], [], [], 60)
            assert readable, self.said
            self.said += os.read(self._fd, 4096).decode()

    def type(self, text: str) -> None:
        os.write(self._fd, text.encode())

    def end(self) -> int:
        try:
            while chunk := os.read(self._fd, 4096):
                self.said += chunk.decode()
        except OSError:  # the other side is gone
            pass
        os.close(self._fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def test_on_a_terminal_five_questions_are_asked_and_one_that_does_not_fit_again(
    tmp_path: Path,
) -> None:
    file = tmp_path / "presence.yaml"
    terminal = Terminal("config", "init", "--output", file)
    answers = ["Acme!", *GIVEN.values()]
    for number, answer in enumerate(answers, start=1):
        terminal.wait_for("> ", times=number)
        terminal.type(f"{answer}\n")
    assert terminal.end() == 0, terminal.said
    assert load_settings(file).store.chain == "acme"
    assert [question for question in QUESTIONS if question.ask not in terminal.said] == []
    assert "does not fit" in terminal.said
    wide = [line for line in terminal.said.splitlines() if len(line) > 80]
    assert [line for line in wide if str(tmp_path) not in line and "bluetooth" not in line] == []


@pytest.mark.parametrize("way", ["\x03", "\x04"])
def test_who_leaves_leaves_nothing_behind(way: str, tmp_path: Path) -> None:
    terminal = Terminal("config", "init", "--output", tmp_path / "presence.yaml")
    terminal.wait_for("> ")
    terminal.type(way)
    assert terminal.end() in (64, 130, -signal.SIGINT)
    assert "Traceback" not in terminal.said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="root only: nobody else gives files away")
def test_as_root_file_and_key_are_given_to_whom_they_are_for(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Known:
        pw_uid, gr_gid = 4711, 4712

    def user(name: str) -> type[Known]:
        return Known if name == "presence" else type("Root", (), {"pw_uid": 0})

    monkeypatch.setattr(init.pwd, "getpwnam", user)
    monkeypatch.setattr(init.grp, "getgrnam", lambda _name: Known)
    assert main(["config", "init", "-o", str(file), *options()]) == 0
    key = file.parent / "store.key"
    assert [(each.stat().st_uid, each.stat().st_gid) for each in (file, key)] == [
        (0, 4712), (4711, 4712),
    ]  # fmt: skip


def test_show_tells_the_difference_and_a_faulty_file_is_78(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["config", "init", "-o", str(file), *options()]) == 0
    capsys.readouterr()
    assert main(["config", "show", "--config", str(file), "--diff"]) == 0
    told = capsys.readouterr().out
    assert re.search(r"^  controller +Acme Oy +line \d+$", told, re.MULTILINE)
    assert "given, not shown" in told
    assert "min_sightings" not in told
    assert main(["config", "show", "--config", str(file), "--effective", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["settings"]) > 80
    file.write_text("store:\n")
    assert main(["config", "show", "--config", str(file)]) == 78


def test_the_questions_are_six_at_most_and_each_option_is_in_the_help() -> None:
    asked = [question.option for question in QUESTIONS] + ["--antenna"]
    assert len(asked) <= 6
    command = [sys.executable, "-m", "presence", "config", "init", "--help"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert [option for option in asked if option not in told] == []
