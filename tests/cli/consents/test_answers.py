"""What each action of `presence consents` prints with `--json`: as docs/consents.schema.json says
it, and with the names of the golden answers.
"""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from presence.cli import main
from presence.cli.parsers import parser
from tests.support.json_answers import golden, judged, schema

KEY = "000102030405060708090a0b0c0d0e0f"
EXPORT = (
    "subject,purpose,value,timestamp,expiry,identity_key\nc-1,presence,given,{},{},{}\nc-2,x,,,,\n"
)


def shape(value: Any) -> Any:
    """Names and kinds, without what is another each time."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


@pytest.fixture
def answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> dict[str, Any]:
    """The last answer of each action, of one list from its beginning to its move."""
    found: dict[str, Any] = {}

    def typed(action: str, *words: str, folder: str = "acme") -> None:
        assert main(
            ["consents", action, "--directory", str(tmp_path / folder), "--json", *words]
        ) in (*(0, 1),), capsys.readouterr().err
        for line in capsys.readouterr().out.splitlines():
            found[action] = judged("consents", line, action)

    def applied(*lines: object, folder: str = "acme") -> list[Any]:
        monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(map(json.dumps, lines))))
        code = main(["consents", "apply", "--directory", str(tmp_path / folder), "--json", "-"])
        assert code in (0, 1)
        return [judged("consents", line, "apply") for line in capsys.readouterr().out.splitlines()]

    typed("init", "--list", "acme/fi-0042", "--audience", "offers-main=offers", "--notice", "n-1")
    both = ("--purpose", "presence", "--purpose", "offers")
    typed(
        "add", "anna", *both, "--category", "ap2:1551", "--category", "ap2:1285", "--until", "+90d"
    )
    typed("add", "berit", *both, "--until", "+90d", "--category", "acme:boots")
    for words in (("narrow", "anna", "--category", "ap2:1285"), ("fulfil", "anna", "ap2:1551")):
        typed(*words)
    (tmp_path / "export.csv").write_text(EXPORT.format("2026-11-01", "2027-06-01", KEY))
    typed("import", str(tmp_path / "export.csv"))
    typed("pause", "anna")
    typed("resume", "anna")
    typed("add", "anna", *both, "--category", "ap2:1551", "--until", "+90d", "--explicit")
    typed("settings", "--audience", "news=offers")
    typed("publish", "--suppression-checked", "now")
    for action in ("head", "list", "status"):
        typed(action)
    typed("find", "ann")
    typed("customers", "offers-main")
    typed("show", "anna")
    typed("rotate", "timestamp")
    typed("withdraw", "anna")
    typed("object", "berit")
    lines = [{"action": "show", "id": "c-1"}, {"action": "pause", "id": "nobody"}, {"action": "x"}]
    found["error"] = applied(*lines)[-1]
    typed("export", "--output", str(tmp_path / "acme.jsonl"))
    exported = [json.loads(line) for line in (tmp_path / "acme.jsonl").read_text().splitlines()]
    for one in exported:
        if one["action"] == "restore" and one["state"] == "active":
            found["restore"] = judged("consents", one, "restore")
        elif one["action"] == "restore":
            judged("consents", one, "restore")
    service_key = str(tmp_path / "acme" / "keys" / "service.key")
    typed("init", "--list", "acme/fi-0042", "--service-key", service_key, folder="moved")
    found["restored"] = applied(*exported, folder="moved")[-1]
    return found


def test_each_action_answers_by_its_schema_and_under_the_names_of_the_golden_answers(
    answers: dict[str, Any],
) -> None:
    told = golden("consents")
    assert {action: shape(answer) for action, answer in answers.items()} == {
        action: shape(answer) for action, answer in told.items()
    }
    for action, answer in told.items():
        judged("consents", answer, action)
    actions = parser().commands()["consents"].commands().keys()
    assert actions - {"apply"} == told.keys() - {"error", "restored", "restore"}
    assert schema("consents")["$defs"].keys() == actions | {"error", "restored", "restore"}
