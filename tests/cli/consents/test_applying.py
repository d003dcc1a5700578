"""`presence consents apply, list, find`: many actions in one process, and who is in the list."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from presence.cli import main

KEY = "000102030405060708090a0b0c0d0e0f"
ANNA = {"action": "add", "id": "anna", "purpose": ["presence", "offers"], "until": "+300d"}
BERIT = {"action": "add", "id": "-berit", "until": "+30d", "identity_key": KEY}


@pytest.fixture
def folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    made = tmp_path / "acme"
    init = ["init", "--directory", str(made), "--list", "acme/fi-0042"]
    assert main(["consents", *init, "--audience", "offers-main=offers"]) == 0
    capsys.readouterr()
    return made


class Desk:
    """Types lines, and reads the answers."""

    def __init__(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self._folder, self._monkeypatch, self._capsys = folder, monkeypatch, capsys
        self.code = 0

    def apply(self, *lines: object) -> list[dict[str, Any]]:
        texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
        self._monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(texts)))
        return self.typed("apply", "-")

    def typed(self, action: str, *words: str) -> list[dict[str, Any]]:
        self.code = main(["consents", action, "--directory", str(self._folder), "--json", *words])
        return [json.loads(line) for line in self._capsys.readouterr().out.splitlines()]


@pytest.fixture
def desk(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(folder, monkeypatch, capsys)


def test_a_line_changes_settings_with_the_taxonomy_itself(desk: Desk) -> None:
    (changed,) = desk.apply(
        {
            "action": "settings",
            "notice": "fi-2026-09",
            "audience": ["news=offers"],
            "taxonomy": {"acme:boots": "acme:shoes"},
        }
    )
    assert (changed["line"], changed["notice"]) == (1, "fi-2026-09")
    assert changed["taxonomy"] == {"acme:boots": "acme:shoes"}
    (refused,) = desk.apply({"action": "settings", "taxonomy": {"boots": "shoes"}})
    assert "no gateway would take this list" in refused["error"]


def test_each_line_is_an_action_and_has_an_answer_under_its_number(desk: Desk) -> None:
    answers = desk.apply(
        {**ANNA, "category": ["ap2:1551=+90d", "ap2:1285"]},
        "",
        BERIT,
        {"action": "fulfil", "id": "anna", "category": "ap2:1551"},
        {"action": "pause", "id": "-berit", "until": "+14d"},
        {"action": "publish", "suppression_checked": "now", "new_base": True},
        {"action": "show", "id": "anna"},
    )
    assert desk.code == 0
    assert [answer["line"] for answer in answers] == [1, 3, 4, 5, 6, 7]
    anna, berit, fulfilled, _, published, shown = answers
    assert len(bytes.fromhex(anna["identity_key"])) == 16
    assert "identity_key" not in berit, "it was given, and is not said again"
    assert fulfilled["notice"] == 1
    assert published["entries"] == 2
    assert shown["categories"].keys() == {"ap2:1285"}


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("no JSON", "no JSON"),
        ("[]", "no JSON object such as"),
        ({"id": "anna"}, "action: None is none: use add, narrow"),
        ({"action": "puse", "id": "anna"}, "did you mean pause?"),
        ({"action": "rotate", "role": "root"}, "'rotate' is none"),
        ({"action": "pause", "id": "anna", "untl": "+1d"}, "did you mean until?"),
        ({"action": "pause", "id": "anna", "until": "soon"}, "+90d"),
        ({"action": "pause", "id": "anna", "until": "2001-01-01"}, "until lies in the past"),
        ({"action": "narrow"}, "missing: id"),
        ({"action": "withdraw", "id": "nobody"}, "no agreement in force"),
        ({"action": "withdraw", "id": "-"}, "the id itself"),
        ({**BERIT, "identity_key": "zz"}, "32 hex digits"),
        ({"action": "publish", "loop": True}, "loop: is no word of a line"),
        ({"action": "show", "id": "anna", "directory": "/"}, "directory: is no word of a line"),
        ({"action": "show", "id": "anna", "help": True}, "help: is no word of a line"),
    ],
)
def test_a_line_that_cannot_be_used_is_named_and_the_others_are_done(
    line: object, error: str, desk: Desk
) -> None:
    first, second, third = desk.apply(ANNA, line, {"action": "show", "id": "anna"})
    assert desk.code == 1
    assert "error" not in first
    assert second.keys() == {"line", "error"}
    assert error in second["error"]
    assert (third["state"], third["version"]) == ("active", 1), "nothing was changed"


def test_a_file_that_is_not_there_is_a_wrong_command_line(desk: Desk) -> None:
    assert desk.typed("apply", "/nowhere/changes.jsonl") == []
    assert desk.code == 64


def test_the_list_and_what_is_found_in_it_name_no_key(desk: Desk) -> None:
    added, _ = desk.apply(ANNA, BERIT)
    everybody = desk.typed("list")
    assert [each["id"] for each in everybody] == ["-berit", "anna"]
    assert not any(KEY in str(each) for each in everybody)
    assert [each["id"] for each in desk.typed("find", "AN")] == ["anna"]
    assert [each["id"] for each in desk.typed("find", "--", added["ref"])] == ["anna"]
    assert desk.code == 0
    assert desk.typed("find", "zz") == []
    assert desk.code == 1


def test_a_mistake_in_a_line_is_named_by_the_lines_own_keys(desk: Desk) -> None:
    answers = desk.apply(
        {"action": "add"},
        {"action": "add", "id": "anna", "until": "+3d", "chain_wide": "yes"},
        {"action": "add", "id": "anna", "until": "+3d", "categry": "ap2:1551=+3d"},
        {"action": "add", "id": "anna", "until": "+3d", "again": "ap2:1551"},
    )
    assert [answer["error"] for answer in answers] == [
        "missing: id, until",
        "chain_wide: true or false, and not 'yes'",
        "categry is no word of this action: did you mean category?",
        "again ap2:1551: name it as category or purpose, too",
    ]
    assert desk.code == 1
