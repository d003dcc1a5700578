"""`presence consents export`, and what `apply` makes of it in another folder: the same register."""

import io
import json
import math
import os
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.cli import main
from presence.consent_service.kept_lines import KeptCustomer, kept_of, line_of
from presence.consent_service.registered import State
from presence.consent_service.rights import Taken
from presence.core.consent.model import Consent
from presence.edges.host.audit_files import lines_of
from presence.errors import ConsentServiceError
from tests.support.any_consents import CATEGORIES, TIMES, consents

KEY = "000102030405060708090a0b0c0d0e0f"


class Lists:
    """Folders of lists, and what is typed about them."""

    def __init__(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.folder, self._monkeypatch, self._capsys = folder, monkeypatch, capsys
        self.code, self.said = 0, ""

    def typed(self, action: str, name: str, *words: str) -> list[dict[str, Any]]:
        folder = str(self.folder / name)
        self.code = main(["consents", action, "--directory", folder, "--json", *words])
        out, self.said = self._capsys.readouterr()
        return [json.loads(line) for line in out.splitlines()]

    def apply(self, name: str, *lines: object) -> list[dict[str, Any]]:
        text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
        self._monkeypatch.setattr("sys.stdin", io.StringIO(text))
        return self.typed("apply", name, "-")

    def begin(self, name: str, *words: str, list_name: str = "acme/fi-0042") -> None:
        self.typed("init", name, "--list", list_name, *words)
        assert self.code == 0, self.said

    def beside(self, name: str, other: str = "old") -> None:
        """A new list that understands what the other one exports."""
        self.begin(name, "--service-key", str(self.folder / other / "keys" / "service.key"))

    def exported(self, name: str) -> list[dict[str, Any]]:
        file = self.folder / f"{name}.jsonl"
        self.typed("export", name, "--output", str(file))
        assert self.code == 0, self.said
        return [json.loads(line) for line in file.read_text().splitlines()]

    def rows(self, name: str) -> dict[str, object]:
        """All that the register has of customers and says of the list, but numbers of lists."""
        with closing(sqlite3.connect(self.folder / name / "register.sqlite")) as database:
            words = [word for (word,) in database.execute("SELECT word FROM word ORDER BY number")]
            assert words
            facts = ("list", "notice", "notices", "audiences", "audiences_since", "parents",
                     "places", "entries")  # fmt: skip
            return {
                "entry": database.execute(
                    "SELECT ref, version, state, id, identity_key, not_after, decided, notice "
                    "FROM entry ORDER BY ref"
                ).fetchall(),
                "taken": database.execute("SELECT * FROM taken ORDER BY ref, word").fetchall(),
                "fact": {
                    fact: database.execute(
                        "SELECT value FROM fact WHERE name = ?", (fact,)
                    ).fetchone()
                    for fact in facts
                },
            }


@pytest.fixture
def lists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Lists:
    made = Lists(tmp_path, monkeypatch, capsys)
    taxonomy = tmp_path / "taxonomy.json"
    taxonomy.write_text('{"acme:boots": "acme:shoes", "acme:hats": "acme:hats"}')
    first = ["--audience", "offers-main=offers", "--notice", "fi-2026-03"]
    made.begin("old", *first, "--taxonomy", str(taxonomy))
    anna = {"action": "add", "id": "anna", "purpose": ["presence", "offers"], "until": "+300d"}
    made.apply(
        "old",
        {**anna, "category": ["acme:boots=+90d", "ap2:1285"], "person": "A", "ticks": True},
        {"action": "add", "id": "-berit", "until": "+30d", "identity_key": KEY, "loudness_db": 8},
        {"action": "add", "id": "cilla", "until": "+30d"},
        {"action": "add", "id": "dora", "until": "+30d", "chain_wide": True, "from": "+1d"},
        {"action": "add", "id": "tester", "until": "+30d", "test": True},
        {"action": "settings", "taxonomy": {"acme:boots": "acme:shoes"}, "notice": "fi-2026-09"},
        {"action": "settings", "audience": ["news=offers"]},
        {"action": "narrow", "id": "anna", "category": "ap2:1285"},
        {"action": "pause", "id": "-berit"},
        {"action": "withdraw", "id": "cilla"},
        {"action": "object", "id": "evil"},
        {**anna, "id": "felix", "explicit_category": ["ap2:1002"], "no_profiling": True},
        {"action": "pause", "id": "felix", "until": "+3d"},
    )
    assert made.code == 0
    return made


@pytest.mark.requirement("R-10", "R-36")
def test_an_export_makes_another_register_equal_to_the_first(lists: Lists) -> None:
    lines = lists.exported("old")
    assert {line["action"] for line in lines} == {"settings", "restore"}
    lists.beside("new")
    answers = lists.apply("new", *lines)
    assert (lists.code, [one for one in answers if "error" in one]) == (0, [])
    assert lists.rows("new") == lists.rows("old")
    assert lists.exported("new") == lines
    for name in ("anna", "-berit", "dora", "felix", "tester"):
        assert lists.typed("show", "new", "--", name) == lists.typed("show", "old", "--", name)


@pytest.mark.requirement("R-10")
def test_who_objected_or_withdrew_before_the_move_is_not_brought_back_after_it(
    lists: Lists,
) -> None:
    lists.beside("new")
    lists.apply("new", *lists.exported("old"))
    (evil,) = lists.apply("new", {"action": "add", "id": "evil", "until": "+30d"})
    assert "an objection is for ever" in evil["error"]
    old = {"action": "add", "id": "cilla", "until": "+30d", "given": "2026-01-01"}
    (cilla,) = lists.apply("new", old)
    assert "older than what this customer decided last" in cilla["error"]


@pytest.mark.requirement("R-10")
def test_a_list_of_another_name_or_service_key_takes_nothing_and_says_why(lists: Lists) -> None:
    lines = [line for line in lists.exported("old") if line["action"] == "restore"]
    key = str(lists.folder / "old" / "keys" / "service.key")
    lists.begin("stranger")
    lists.begin("namesake", "--service-key", key, list_name="acme/fi-0043")
    for name in ("stranger", "namesake"):
        answers = lists.apply(name, *lines)
        assert lists.code == 1
        assert all("init --service-key FILE" in one["error"] for one in answers)
        assert lists.typed("status", name)[0]["objected"] == 0


@pytest.mark.requirement("R-10")
def test_an_objection_counts_where_the_customer_has_agreed_meanwhile_and_gateways_are_told(
    lists: Lists,
) -> None:
    lists.beside("new")
    lists.apply("new", {"action": "add", "id": "evil", "until": "+30d"})
    lists.apply("new", {"action": "add", "id": "cilla", "until": "+30d"})
    answers = lists.apply("new", *lists.exported("old"))
    assert [one["error"] for one in answers if "error" in one] == [
        "something is known of this customer here: that stands"
    ]
    status = lists.typed("status", "new")[0]
    assert (status["objected"], status["waiting_notices"]) == (1, 1)


def test_what_is_there_already_is_not_taken_twice(lists: Lists) -> None:
    lines = lists.exported("old")
    lists.beside("new")
    lists.apply("new", *lines)
    before = lists.rows("new")
    answers = lists.apply("new", *lines)
    assert lists.code == 0
    assert not any(one.get("restored") for one in answers)
    assert lists.rows("new") == before


def test_a_file_is_taken_in_batches_with_an_answer_to_each_line(lists: Lists) -> None:
    adds = [{"action": "add", "id": f"c-{number}", "until": "+30d"} for number in range(30)]
    lists.apply("old", *adds)
    lines = lists.exported("old")
    lists.beside("new")
    text = [*map(json.dumps, lines[:20]), "no JSON", *map(json.dumps, lines[20:])]
    file = lists.folder / "edited.jsonl"
    file.write_text("\n".join(text))
    answers = lists.typed("apply", "new", str(file))
    assert [one["line"] for one in answers] == list(range(1, len(lines) + 2))
    assert [one["line"] for one in answers if "error" in one] == [21]
    assert lists.rows("new") == lists.rows("old")


@pytest.mark.requirement("R-07", "R-15")
@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda line: line.update(version=0), "a version is a number above 0"),
        (lambda line: line.update(ref="AAAAAAAAAAA"), "init --service-key"),
        (lambda line: line.update(colour="red"), "unknown field"),
        (lambda line: line.update(state="objected"), "nothing else has"),
        (lambda line: line.update(identity_key="00"), "an identity key has 16 bytes"),
        (lambda line: line.update(notice="x" * 65), "the notice is a version"),
        (lambda line: line.update(taken={"Anna Svensson": [1, 0]}), "what nobody can take"),
        (lambda line: line["agreed"].update(end=9e9), "longer than 13 months"),
        (lambda line: line["agreed"].update(purposes=["offers"]), "without the purpose"),
        (lambda line: line["agreed"].update(pairwise_keys={"eve": "00" * 16}), "no audience of"),
        (lambda line: line["agreed"]["grants"].append(["ap2:1", 0, 9e9, False]), "not a line"),
    ],
)
def test_a_line_that_could_not_have_been_registered_is_refused(
    lists: Lists, spoil: Callable[[dict[str, Any]], None], why: str
) -> None:
    lines = lists.exported("old")
    lists.beside("new")
    lists.apply("new", *(line for line in lines if line["action"] == "settings"))
    (anna,) = [line for line in lines if line.get("id") == "anna"]
    spoil(anna)
    (answer,) = lists.apply("new", anna)
    assert why in answer["error"]
    assert lists.typed("status", "new")[0]["active"] == 0


def test_an_identity_key_is_never_of_two(lists: Lists) -> None:
    lines = lists.exported("old")
    lists.beside("new")
    lists.apply("new", {"action": "add", "id": "gun", "until": "+30d", "identity_key": KEY})
    answers = lists.apply("new", *lines)
    (error,) = [one["error"] for one in answers if "error" in one]
    assert "has this identity key" in error


def test_an_export_is_for_its_owner_alone_and_stands_in_the_audit_log(lists: Lists) -> None:
    before = os.umask(0)
    try:
        lists.exported("old")
    finally:
        os.umask(before)
    file = lists.folder / "old.jsonl"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    record = json.loads([line for _, line in lines_of(lists.folder / "old")][-1])
    assert {name: record[name] for name in ("what", "active", "gone", "objected")} == {
        "what": "register.exported",
        "active": 5,
        "gone": 1,
        "objected": 1,
    }
    assert "anna" not in (lists.folder / "old" / "audit.jsonl").read_text()
    left = {path.name for path in (lists.folder / "old").iterdir()}
    assert not [name for name in left if name.startswith(".")], "the copy has no name"


def test_an_export_is_not_for_a_terminal(lists: Lists, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    shown = Terminal()
    monkeypatch.setattr("sys.stdout", shown)
    assert main(["consents", "export", "--directory", str(lists.folder / "old")]) == 64
    assert shown.getvalue() == ""


def test_where_there_is_no_room_no_half_export_is_left(lists: Lists) -> None:
    there = lists.folder / "nowhere" / "old.jsonl"
    lists.typed("export", "old", "--output", str(there))
    assert lists.code == 69
    assert "nothing was exported" in lists.said


def test_an_agreement_that_is_over_is_exported_as_gone(lists: Lists) -> None:
    path = lists.folder / "old" / "register.sqlite"
    lines = [line for line in lists.exported("old") if line.get("id") == "-berit"]
    (berit,) = lines
    from presence.consent_service.exporting import customer_lines

    later = [json.loads(line) for line in customer_lines(path, "of", berit["agreed"]["end"])]
    (gone,) = [line for line in later if line["ref"] == berit["ref"]]
    assert (gone["state"], gone["version"], gone.get("agreed")) == (
        "gone",
        berit["version"] + 1,
        None,
    )


WORDS = CATEGORIES | st.sampled_from(["presence", "pause", "*"])
TAKEN = st.dictionaries(WORDS, st.builds(Taken, TIMES, TIMES | st.just(math.inf)), max_size=4)


@st.composite
def kept(draw: st.DrawFn) -> KeptCustomer:
    consent: Consent | None = draw(st.none() | consents())
    ref = draw(st.binary(min_size=8, max_size=8)) if consent is None else consent.ref
    version = draw(st.integers(1, 1 << 53)) if consent is None else consent.version
    active = consent is not None
    if consent is not None and consent.objected:
        consent = None
        active = False
    return KeptCustomer(
        ref,
        version,
        State.ACTIVE if active else draw(st.sampled_from([State.GONE, State.OBJECTED])),
        draw(TIMES),
        draw(st.text(min_size=1, max_size=9)) if active else "",
        draw(st.binary(min_size=16, max_size=16)) if active else b"",
        draw(st.text(max_size=9)) if active else "",
        consent,
        draw(TAKEN),
    )


@given(kept())
def test_a_line_says_all_that_is_kept(one: KeptCustomer) -> None:
    import msgspec

    line = json.loads(msgspec.json.encode(line_of(one, "of")))
    assert kept_of(line) == (one, "of")


@given(st.dictionaries(st.text(max_size=8), st.none() | st.integers() | st.text(), max_size=5))
def test_what_is_no_line_of_an_export_is_refused(said: dict[str, Any]) -> None:
    with pytest.raises(ConsentServiceError, match="not a line of `export`"):
        kept_of(said)
