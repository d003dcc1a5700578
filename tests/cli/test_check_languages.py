"""`presence check` in the technician's language; what programs read stays English."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from presence.cli import check, main
from presence.cli.check import findings_of
from presence.cli.findings import finding_lines
from presence.diagnosis.findings import Finding
from presence.language import LANGUAGES, TRANSLATED, Joined, Sentence, language_named
from presence.simulation.local_broker import free_port
from tests.support.paths import ROOT
from tests.support.shops import Shop, entry

ROOMS: Final = (
    *(ROOT / "presence" / "diagnosis").glob("*.py"),
    ROOT / "presence" / "cli" / "check.py",
    ROOT / "presence" / "edges" / "bluez" / "diagnosis.py",
)
ANSWERS: Final = ("Finding", "RadioAnswer")


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/no-bus")
    return Shop(tmp_path / "shop", free_port()).open([entry()])


def words_of(literal: str) -> set[str]:
    """Without what is typed, and what a topic, a path or a command is made of."""
    text = re.sub(r"`[^`]*`|\S*/\S*|chmod o=", "", literal)
    return set(re.findall(r"[A-Za-z]{3,}", text))


def unsaid(path: Path) -> Iterator[str]:
    """Words that a finding is given, or a text put together of, past every sentence."""
    tree = ast.parse(path.read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ANSWERS:
            for given in node.args[2:]:
                if isinstance(given, ast.Constant) and words_of(given.value):
                    yield f"{path}:{node.lineno} {given.value!r}"
                if isinstance(given, ast.JoinedStr):
                    yield from (
                        f"{path}:{node.lineno} {part.value!r}"
                        for part in given.values
                        if isinstance(part, ast.Constant) and words_of(str(part.value))
                    )
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.JoinedStr):
            named = {target.id for target in node.targets if isinstance(target, ast.Name)}
            if named & {"found", "step", "next_step", "what"}:
                yield from (
                    f"{path}:{node.lineno} {part.value!r}"
                    for part in node.value.values
                    if isinstance(part, ast.Constant) and words_of(str(part.value))
                )


def test_every_word_of_a_finding_stands_in_a_sentence() -> None:
    assert len(ROOMS) > 10
    assert [place for path in ROOMS for place in unsaid(path)] == []


def is_said(text: str) -> bool:
    """A sentence, or what no language changes: a path, a command, what the system said."""
    if isinstance(text, Joined):
        quoted = text.message == ": "  # why the broker was not reached, in the system's words
        return all(map(is_said, text.values["parts"][quoted:]))
    return isinstance(text, Sentence) or not words_of(text)


async def test_what_is_found_of_a_shop_can_be_said_in_every_language(shop: Shop) -> None:
    findings = await findings_of(shop.config)
    assert {"configuration", "hours", "memory", "clock", "consent list", "broker"} <= {
        each.name for each in findings
    }
    assert [each for each in findings if not is_said(each.found)] == []
    assert [each for each in findings if not is_said(each.next_step)] == []
    for code in TRANSLATED:
        said = [language_named(code).say(each.found) for each in findings]
        assert all(said)
        assert len({*said} - {str(each.found) for each in findings}) > 7


@pytest.mark.parametrize("columns", [60, 80])
@pytest.mark.parametrize("code", LANGUAGES)
async def test_nothing_is_cut_off(shop: Shop, code: str, columns: int) -> None:
    """But a command, a path or a topic that is longer than the line."""
    for finding in await findings_of(shop.config):
        for line in finding_lines(finding, columns, language_named(code)):
            assert len(line) <= columns or len(line.split()[-1]) > columns - 30, line


def test_a_check_is_said_in_the_language_and_its_json_is_english(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def one(path: Path, *, told: object) -> list[Finding]:
        found = [Finding("clock", check.Verdict.PASS, Sentence("synchronised"))]
        for each in found:
            told(each)  # type: ignore[operator]
        return found

    monkeypatch.setattr(check, "findings_of", one)

    def said(*words: str) -> str:
        assert main(["check", "--config", str(shop.config), *words]) == 0
        return capsys.readouterr().out

    assert said() == "PASS  clock          synchronised\n\n1 check, worst: PASS\n"
    monkeypatch.setenv("LC_ALL", "fi_FI.UTF-8")
    assert said() == "PASS  clock          synkronoitu\n\n1 tarkistus, huonoin: PASS\n"
    assert "synkroniserad" in said("--language", "sv")
    assert json.loads(said("--json"))["findings"][0]["found"] == "synchronised"
    assert said("--quiet") == ""
