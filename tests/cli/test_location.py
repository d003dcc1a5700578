"""Where commands look for the settings: --config, else PRESENCE_CONFIG, else the usual place."""

import json
from pathlib import Path

import pytest

from presence.cli import main, parser
from presence.location import SATELLITE, SETTINGS, VARIABLE, as_option
from presence.simulation.local_broker import free_port
from tests.support.command_line import commands_of
from tests.support.shops import Shop

COMMANDS = dict(commands_of(parser()))
ARGUMENTS = {
    "run": (), "check": (), "config show": (), "replay": ("walk.btsnoop",), "support-bundle": (),
    "subject-report": ("--ref", "mZ3kQ0a1Bc8"), "evidence": ("--no-strangers",),
}  # fmt: skip
"""Commands that cannot do without settings."""
WITHOUT = {"status", "audit", "engine-test", "scan-test", "satellite"}
"""Those that may, or have other ones."""


@pytest.fixture(autouse=True)
def nothing_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path / "shop", free_port()).open([])


def test_no_command_that_takes_a_file_of_settings_is_left_out_here() -> None:
    takes = {
        " ".join(words)
        for words, each in COMMANDS.items()
        if "--config" in each._option_string_actions
    }
    assert takes == {*ARGUMENTS, *WITHOUT}


def test_each_takes_the_short_option_too() -> None:
    short = {
        " ".join(words) for words, each in COMMANDS.items() if "-c" in each._option_string_actions
    }
    assert short == {*ARGUMENTS, *WITHOUT}


@pytest.mark.parametrize("command", ARGUMENTS)
def test_the_option_comes_before_the_variable_and_that_before_the_usual_place(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [*command.split(), *ARGUMENTS[command]]
    assert parser().parse_args(words).config == SETTINGS
    monkeypatch.setenv(VARIABLE, "/srv/ours.yaml")
    assert parser().parse_args(words).config == Path("/srv/ours.yaml")
    assert parser().parse_args([*words, "-c", "a.yaml"]).config == Path("a.yaml")
    monkeypatch.setenv(VARIABLE, "")
    assert parser().parse_args(words).config == SETTINGS


def test_a_satellite_has_a_usual_place_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "/srv/ours.yaml")
    assert parser().parse_args(["satellite"]).config == SATELLITE


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ("usual", "neither --config nor PRESENCE_CONFIG names another"),
        ("variable", "(PRESENCE_CONFIG names it)"),
        ("option", ".yaml: there is no such file: "),
    ],
)
def test_a_missing_file_is_told_with_where_it_was_looked_for(
    named: str,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("presence.location.SETTINGS", tmp_path / "usual.yaml")
    if named != "usual":
        monkeypatch.setenv(VARIABLE, str(tmp_path / "variable.yaml"))
    more = ["--config", str(tmp_path / "option.yaml")] if named == "option" else []
    assert main(["run", *more]) == 78
    said = capsys.readouterr().err
    assert str(tmp_path / f"{named}.yaml") in said
    assert words in said
    assert "[Errno" not in said


def test_status_asks_the_gateway_whose_settings_are_named(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(VARIABLE, str(shop.config))
    assert main(["status"]) == 3
    assert f"no gateway answers at {shop.folder}/run/status.sock" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "code"), [(["status", "--json"], 3), (["audit", "verify", "--json"], 1)]
)
def test_a_spoilt_file_does_not_hide_the_gateway_that_runs_on_without_it(
    command: list[str],
    code: int,
    shop: Shop,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The old settings stay in force then, and their folders are mostly the usual ones."""
    shop.config.write_text("store:\n")
    monkeypatch.setenv(VARIABLE, str(shop.config))
    assert main(command) == code
    told = capsys.readouterr()
    assert "store.chain: is missing" in told.err
    assert "it is looked for in /var/lib/presence and /run/presence" in told.err
    assert json.loads(told.out)
    assert main([*command, "--config", str(shop.config)]) == 78


def test_advice_names_the_file_where_sudo_would_not_find_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert as_option(SETTINGS) == ""
    monkeypatch.setenv(VARIABLE, "/srv/ours.yaml")
    assert as_option(Path("/srv/ours.yaml")) == " --config /srv/ours.yaml"


def test_the_engine_kit_takes_the_broker_of_the_settings_where_no_option_names_one(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    customers = str(tmp_path / "customers.jsonl")
    assert main(["engine-test", "--make-customers", customers]) == 0
    words = ["engine-test", "--customers", customers]
    monkeypatch.setattr("presence.location.SETTINGS", tmp_path / "usual.yaml")
    assert main(words) == 64
    assert "--chain and --store: are missing" in capsys.readouterr().err
    monkeypatch.setenv(VARIABLE, str(shop.config))
    assert main(words) == 64
    assert "--audience: is missing" in capsys.readouterr().err
    assert main([*words, "--chain", "acme"]) == 64
    assert "--chain and --store: are missing" in capsys.readouterr().err
