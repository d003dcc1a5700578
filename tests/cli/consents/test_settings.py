"""`presence consents settings`: typed, published, and taken by a gateway of before and after."""

import json
from pathlib import Path
from typing import Any

import pytest

from presence.cli import main
from presence.core.consent.gate import Allowed, Denied, ListStanding, allowed_to
from presence.core.consent.model import Audience, Purpose
from presence.ports import VerifiedList
from tests.support.signed_gateway import a_reader, read

BOOTS, SHOES = "acme:boots", "acme:shoes"


class Chain:
    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self._capsys = folder, capsys
        self.code = 0

    def typed(self, action: str, *words: str) -> dict[str, Any]:
        self.code = main(["consents", action, "--directory", str(self.folder), "--json", *words])
        out = self._capsys.readouterr().out
        return dict(json.loads(out)) if out else {}

    def told(self, action: str, *words: str) -> str:
        self.code = main(["consents", action, "--directory", str(self.folder), *words])
        said = self._capsys.readouterr()
        return said.out + said.err


@pytest.fixture
def chain(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Chain:
    made = Chain(tmp_path / "acme", capsys)
    (tmp_path / "shoes.json").write_text(json.dumps({BOOTS: SHOES}))
    (tmp_path / "none.json").write_text("{}")
    (tmp_path / "moved.json").write_text(json.dumps({BOOTS: "acme:tools"}))
    init = ["--list", "acme/fi-0042", "--audience", "offers-main=offers", "--notice", "fi-2026-03"]
    made.typed("init", *init, "--taxonomy", str(tmp_path / "shoes.json"))
    assert made.code == 0
    anna = ["anna", "--purpose", "presence", "--purpose", "offers", "--category", BOOTS]
    made.typed("add", *anna, "--until", "+90d")
    return made


def asked(given: VerifiedList, before: VerifiedList | None = None) -> Allowed | Denied:
    """Whether the gateway would name boots to the audience."""
    indexed = given.indexed or (before and before.indexed)
    assert indexed
    (consent,) = indexed.consents.values()
    header = given.header
    standing = ListStanding(
        publishing=True,
        suppression_checked_at_s=header.suppression_checked_at_s,
        parents=header.parents,
    )
    audience = Audience("offers-main", Purpose.OFFERS, frozenset({BOOTS}))
    return allowed_to(consent, audience, standing, header.published_at_s)


@pytest.mark.requirement("R-37", "R-39")
def test_a_gateway_takes_the_list_of_before_and_of_after_and_names_what_the_taxonomy_has(
    chain: Chain, tmp_path: Path
) -> None:
    publish = ("publish", "--suppression-checked", "now")
    assert chain.typed(*publish)["seq"] == 1
    root_file = tmp_path / "root.json"
    root_file.write_bytes((chain.folder / "repository/metadata/1.root.json").read_bytes())
    repository = str(chain.folder / "repository")
    gateway = a_reader(tmp_path / "gateway", repository, root_file)
    first = read(gateway)
    assert asked(first) == Allowed((BOOTS,), asked(first).until_s)  # type: ignore[union-attr]

    taxonomy = str(tmp_path / "none.json")
    changed = chain.typed("settings", "--notice", "fi-2026-09", "--taxonomy", taxonomy)
    assert changed["matches_nothing"] == {BOOTS: 1}
    assert changed["unpublished_changes"]
    assert chain.typed(*publish)["seq"] == 2
    second = read(gateway)
    assert isinstance(asked(second, first), Denied)
    assert second.header.seq == 2

    chain.typed("settings", "--taxonomy", str(tmp_path / "shoes.json"))
    assert chain.typed(*publish)["seq"] == 3
    third = read(gateway)
    assert isinstance(asked(third, first), Allowed)

    chain.typed("settings", "--remove-audience", "offers-main", "--from-agreements")
    assert chain.typed(*publish)["seq"] == 4
    assert isinstance(asked(read(gateway)), Denied)
    gateway.close()


def test_settings_are_shown_with_whom_they_reach(chain: Chain) -> None:
    chain.typed("settings", "--notice", "fi-2026-09", "--audience", "news=offers")
    shown = chain.typed("settings")
    assert shown["changes"] == []
    assert shown["notice"] == "fi-2026-09"
    assert [(one["notice"], one["agreements"]) for one in shown["notices"]] == [
        ("fi-2026-03", 1),
        ("fi-2026-09", 0),
    ]
    assert shown["notices"][0]["since"] is None
    assert {name: one["agreements"] for name, one in shown["audiences"].items()} == {
        "offers-main": 1,
        "news": 0,
    }
    words = chain.told("settings")
    assert "notice fi-2026-03, from the beginning: 1 agreement\n" in words
    assert "audience news, for offers: 0 agreements\n" in words
    assert "gateways learn it with the next `presence consents publish`" in words
    assert chain.typed("show", "anna")["notice"] == "fi-2026-03"


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (("--remove-audience", "offers-main"), 69, "then repeat this with --from-agreements"),
        (("--taxonomy", "moved.json"), 69, "give what is new a name of its own"),
        (("--taxonomy", "missing.json"), 64, "a JSON object is wanted"),
        (("--since", "now"), 64, "--since goes with"),
        (("--remove-audience", "offers-main", "--since", "now"), 64, "--since goes with"),
        (("--notice", "fi-2026-09", "--from-agreements"), 64, "goes with --remove-audience"),
        (("--notice", "fi 2026"), 69, "a version such as fi-2026-09"),
    ],
)
def test_what_cannot_be_changed_is_refused_with_what_to_do(
    chain: Chain, tmp_path: Path, words: tuple[str, ...], code: int, why: str
) -> None:
    before = chain.typed("settings")
    typed = [str(tmp_path / word) if word.endswith(".json") else word for word in words]
    assert why in chain.told("settings", *typed)
    assert chain.code == code
    assert chain.typed("settings") == before


def test_the_audit_command_tells_and_verifies_the_lists_own_log(
    chain: Chain, capsys: pytest.CaptureFixture[str]
) -> None:
    chain.typed("settings", "--notice", "fi-2026-09")
    assert main(["audit", "verify", "--state-dir", str(chain.folder)]) == 0
    assert main(["audit", "show", "--state-dir", str(chain.folder)]) == 0
    assert "The notice of list acme/fi-0042 is fi-2026-09" in capsys.readouterr().out
