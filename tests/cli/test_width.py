"""What commands say to a person fits the terminal, and no word is broken at its edge."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from presence.cli import main
from presence.cli.command import print_lines
from presence.core.operations.status import as_json
from tests.support.audit_logs import write_audit_log
from tests.support.builders import ANNA, base64url
from tests.support.paths import ROOT
from tests.support.shops import Shop, entry
from tests.support.status_answers import WELL
from tests.support.terminals import terminal

WIDTHS = (80, 60, 40)
Say = Callable[[], object]


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    now_s = time.time()
    return Shop(tmp_path / "shop", 1883).open(
        [entry(around_s=now_s, grants=[["ap2:1551", 0]])],
        published_at=int(now_s),
        suppression_checked_at=int(now_s),
    )


def on_a_terminal(say: Say, columns: int, monkeypatch: pytest.MonkeyPatch) -> str:
    with terminal(columns) as out, monkeypatch.context() as patch:
        patch.setattr("sys.stdout", out)
        patch.setattr("sys.stderr", out)
        say()
        return out.getvalue()


def too_wide(said: str, columns: int) -> list[str]:
    """Without what cannot be broken: one long word, and a command that is there to be copied."""
    return [
        line
        for line in said.splitlines()
        if len(line) > columns
        and len(line.split()) > 2
        and not line.startswith(("  presence", "  sudo"))
    ]


def test_whatever_is_said_is_wrapped_with_each_word_whole(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("presence.cli.status.asked", lambda _path: as_json(WELL))
    state = tmp_path / "audited"
    write_audit_log(state)
    acme = str(tmp_path / "acme")
    main(["consents", "init", "--directory", acme, "--list", "acme/fi-0042"])
    add = ["consents", "add", "--directory", acme, "anna", "--until", "+300d"]
    main([*add, "--category", "ap2:1551", "--category", "ap2:1285"])
    capsys.readouterr()
    commands = [
        ["subject-report", "-c", str(shop.config), "--ref", base64url(ANNA)],
        ["status", "-c", str(shop.config)],
        ["config", "show", "-c", str(ROOT / "config" / "presence.yaml")],
        ["audit", "show", "--state-dir", str(state)],
        ["audit", "verify", "--state-dir", str(tmp_path / "nothing")],
        *(["consents", action, "--directory", acme] for action in ("status", "settings", "list")),
        ["consents", "show", "--directory", acme, "anna"],
        add,
    ]
    for command in commands:
        main(command)
        whole = capsys.readouterr()
        for columns in WIDTHS:
            said = on_a_terminal(lambda: main(command), columns, monkeypatch)  # noqa: B023
            assert too_wide(said, columns) == [], command
            if command is not add:
                assert said.split() == (whole.out + whole.err).split()


@pytest.mark.parametrize("columns", WIDTHS)
def test_what_a_new_list_asks_for_fits_too(
    columns: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    init = ["consents", "init", "--directory", str(tmp_path / "a"), "--list", "acme/fi-0042"]
    said = on_a_terminal(lambda: main(init), columns, monkeypatch)
    assert too_wide(said, columns) == []
    assert "presence consents add" in said


def test_what_goes_on_stands_under_its_column_or_a_little_within(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = f"visits      {'none are stored ' * 3}\n  → {'look ' * 8}\n\n{'words ' * 8}"
    said = on_a_terminal(lambda: print_lines(text), 40, monkeypatch)
    assert [len(line) - len(line.lstrip()) for line in said.splitlines()] == [
        *(0, 12), *(2, 4), 0, *(0, 2),
    ]  # fmt: skip
    print_lines(text)
    assert capsys.readouterr().out == f"{text}\n"
