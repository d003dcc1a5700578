"""What cannot be an agreement is refused by every way in, and what will have no effect is told."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from presence.consent_service.agreeing import ref_text
from presence.consent_service.import_lines import BadLine, parse_line, rows_of_csv
from presence.consent_service.importing import Imported, import_rows
from presence.consent_service.registered import State
from presence.consent_service.rights import Taken
from presence.consent_service.service import ConsentService
from presence.core.consent.model import Purpose, Scope
from presence.core.consent.taxonomy import SENSITIVE_CATEGORIES, lineage
from presence.core.timestamps import rfc3339
from presence.errors import ConsentServiceError
from tests.support.builders import START_S
from tests.support.consent_services import (
    CARS,
    DAY_S,
    GARDEN,
    Clock,
    Reader,
    a_service,
    a_wish,
    untold,
)

KEY, OTHER_KEY = "000102030405060708090a0b0c0d0e0f", "0f" * 16
HEADER = "subject,purpose,value,timestamp,expiry,identity_key,stores"
BEGUN, LATE = rfc3339(START_S - DAY_S), rfc3339(START_S + 100 * DAY_S)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def service(tmp_path: Path, clock: Clock) -> Iterator[ConsentService]:
    service = a_service(tmp_path, clock)
    yield service
    service.close()


def take(service: ConsentService, *lines: str, header: str = HEADER) -> Imported:
    audiences = {"offers-main": Purpose.OFFERS}
    return import_rows(
        service, rows_of_csv([header, *lines]), audiences=audiences, told=lambda _notice: None
    )


def presence(
    subject: str = "anna", *, when: str = BEGUN, until: str = LATE, key: str = KEY, stores: str = ""
) -> str:
    return f"{subject},presence,given,{when},{until},{key},{stores}"


# ---------------------------------------------------------------- one key for two customers


def test_one_identity_key_for_two_customers_is_refused_and_the_other_agreement_named(
    service: ConsentService,
) -> None:
    first = service.add(a_wish("anna", identity_key=bytes(16)))
    with pytest.raises(
        ConsentServiceError, match=f"agreement {ref_text(first.ref)} has this identity key"
    ) as refused:
        service.add(a_wish("ben", identity_key=bytes(16)))
    assert "anna" not in str(refused.value)
    assert service.add(a_wish("anna", identity_key=bytes(16))).version == 2
    with pytest.raises(ConsentServiceError, match="identity key"):
        service.add_all(
            [a_wish("c", identity_key=b"c" * 16), a_wish("d", identity_key=b"c" * 16)], told=untold
        )
    one, two = service.add_each(
        [a_wish("e", identity_key=b"e" * 16), a_wish("f", identity_key=b"e" * 16)], told=untold
    )
    assert not isinstance(one, ConsentServiceError)
    assert isinstance(two, ConsentServiceError)
    assert not service.knows("c")
    service.withdraw("anna")
    assert service.add(a_wish("ben", identity_key=bytes(16))).version == 1


def test_an_import_is_refused_a_key_that_the_register_holds_for_another(
    service: ConsentService,
) -> None:
    first = service.add(a_wish("anna", identity_key=bytes.fromhex(KEY)))
    done = take(service, presence("ben"), presence("carl", key=OTHER_KEY))
    assert (done.added, [number for number, _ in done.bad]) == (1, [2])
    assert ref_text(first.ref) in done.bad[0][1]


def test_of_two_customers_with_one_key_in_a_file_neither_is_taken_up(
    service: ConsentService,
) -> None:
    done = take(
        service,
        presence("anna"),
        presence("ben"),
        f"ben,{CARS},given,{BEGUN},,,",
        presence("carl", key=OTHER_KEY),
    )
    assert (done.added, [number for number, _ in done.bad]) == (1, [2, 3])
    for (_, reason), other in zip(done.bad, ("ben", "anna"), strict=True):
        assert f"agreement {ref_text(service.ref_of(other))} in this file" in reason
        assert other not in reason
    assert [service.knows(name) for name in ("anna", "ben", "carl")] == [False, False, True]


def test_lines_of_one_customer_may_repeat_their_key(service: ConsentService) -> None:
    assert take(service, presence(), f"anna,{CARS},given,{BEGUN},,{KEY},").added == 1


def test_the_register_itself_holds_no_key_twice(service: ConsentService) -> None:
    service.add(a_wish("anna"))
    service.add(a_wish("ben"))
    with pytest.raises(ConsentServiceError, match="UNIQUE"), service.register.transaction():
        service.register._database.execute("UPDATE entry SET identity_key = ?", (bytes(16),))


# ---------------------------------------------------------------- nonsense


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"categories": {"gardening": None}}, "'gardening' is no category"),
        ({"refused": frozenset({"nonsense"})}, "'nonsense' is no category"),
        ({"scope": Scope(frozenset({"Shop!"}))}, "'Shop!' is no store"),
        ({"not_after_s": START_S - 60}, "over already"),
        ({"decided_s": START_S + DAY_S}, "decided in the future"),
        ({"refused": frozenset({CARS})}, "given and refused at once"),
        ({"categories": {"ap2:1004": None}}, "ap2:1004: sensitive"),
    ],
)
def test_nonsense_is_not_taken_up(
    service: ConsentService, changes: dict[str, Any], why: str
) -> None:
    with pytest.raises(ConsentServiceError, match=why):
        service.add(a_wish(**changes))
    assert service.register.count() == 0


def test_all_that_is_wrong_with_an_agreement_is_named_at_once(service: ConsentService) -> None:
    with pytest.raises(ConsentServiceError) as refused:
        service.add(
            a_wish(
                categories={"gardening": None, "ap2:1001": None},
                purposes=frozenset(),
                decided_s=START_S + DAY_S,
                not_after_s=START_S - 2 * DAY_S,
                scope=Scope(frozenset()),
                identity_key=b"short",
            )
        )
    for word in (
        "gardening",
        "ap2:1001",
        "presence",
        "future",
        "end does not lie",
        "no store",
        "16 bytes",
    ):
        assert word in str(refused.value)


def test_nothing_is_narrowed_by_nonsense(service: ConsentService) -> None:
    service.add(a_wish())
    with pytest.raises(ConsentServiceError, match="'nonsense' is no category"):
        service.narrow("anna", categories=["nonsense", CARS])
    assert service.register.number("notice_seq") == 0


def test_all_mistakes_of_a_line_are_named_at_once(service: ConsentService) -> None:
    done = take(service, "anna,shopping,perhaps,yesterday,tomorrow,0badkey,Shop!", ",,,,,,")
    for column in ("purpose", "value", "timestamp", "expiry", "identity_key", "stores"):
        assert column in done.bad[0][1]
    assert done.bad[1][1].startswith("subject, purpose, value, timestamp missing")


def test_a_file_with_semicolons_between_its_columns_is_named(service: ConsentService) -> None:
    with pytest.raises(BadLine, match=r"separated by ';'\? use commas, or --delimiter ';'"):
        take(service, "anna;presence", header=HEADER.replace(",", ";"))
    (row,) = rows_of_csv([HEADER.replace(",", ";"), presence().replace(",", ";")], delimiter=";")
    assert parse_line(row[1]).subject == "anna"


def test_a_column_that_is_named_twice_leaves_the_file_alone(service: ConsentService) -> None:
    with pytest.raises(BadLine, match="names value twice"):
        take(service, presence(), header=f"{HEADER},value")


def test_what_a_line_has_beyond_its_columns_is_not_passed_over(service: ConsentService) -> None:
    done = take(service, f"{presence()},and more", f"{presence('ben', key=OTHER_KEY)},,,")
    assert (done.added, done.bad) == (1, [(2, "more columns than the first line names")])


@pytest.mark.requirement("R-07")
def test_a_decision_that_is_dated_in_the_future_gives_nothing(service: ConsentService) -> None:
    done = take(
        service,
        presence(when=rfc3339(START_S + 3600)),
        presence("ben", when=rfc3339(START_S + 60), key=OTHER_KEY),
    )
    assert (done.added, [number for number, _ in done.bad]) == (1, [2])
    assert "timestamp lies in the future" in done.bad[0][1]


@pytest.mark.requirement("R-08", "R-34")
def test_what_is_taken_away_in_the_future_is_taken_away_now(service: ConsentService) -> None:
    later = rfc3339(START_S + 7200)
    take(service, presence(), f"anna,{CARS},given,{BEGUN},,,", presence("ben", key=OTHER_KEY))
    done = take(
        service, presence(), f"anna,{CARS},refused,{later},,,", f"ben,presence,refused,{later},,,"
    )
    assert (done.bad, done.withdrawn) == ([], 1)
    assert service.register.taken(service.ref_of("anna")) == {CARS: Taken(START_S)}


@pytest.mark.requirement("R-10")
@pytest.mark.parametrize("wrong", ["yesterday", "2027-11-01"])
def test_an_objection_counts_whatever_else_is_wrong_with_its_line(
    service: ConsentService, wrong: str
) -> None:
    take(service, presence())
    done = take(service, presence(), f"anna,offers,objected,{wrong},,,")
    known = service.register.get(service.ref_of("anna"))
    assert known is not None
    assert (known.state, done.objected) == (State.OBJECTED, 1)


@pytest.mark.requirement("R-06")
def test_an_agreement_that_is_over_is_told_and_ends_the_one_that_was(
    service: ConsentService, clock: Clock
) -> None:
    take(service, presence())
    clock.now_s += 7200
    now = rfc3339(clock.now_s - 3600)
    done = take(
        service,
        presence(when=now, until=rfc3339(clock.now_s - 60)),
        presence("ben", until=BEGUN, key=OTHER_KEY),
    )
    assert (done.added, done.over, [number for number, _ in done.bad]) == (0, 1, [3])
    assert not service.knows("anna")
    assert service.register.number("notice_seq") == 1


def test_interests_that_are_over_are_counted(service: ConsentService) -> None:
    done = take(
        service,
        presence(),
        f"anna,{CARS},given,{BEGUN},{rfc3339(START_S - 60)},,",
        f"anna,{GARDEN},given,{BEGUN},,,",
    )
    assert (done.added, done.over_categories) == (1, 1)


# ---------------------------------------------------------------- what will have no effect


def test_what_will_have_no_effect_is_told(service: ConsentService) -> None:
    added = service.add(
        a_wish(
            categories={"ap2:15511": None},
            purposes=frozenset({Purpose.PRESENCE}),
            scope=Scope(frozenset({"fi-9999"})),
        )
    )
    unknown, untold_, elsewhere = added.doubts
    assert unknown == "ap2:15511: in no taxonomy that this list knows, did you mean ap2:1551?"
    assert "without the purpose `offers`" in untold_
    assert elsewhere.startswith("store fi-9999: this list is that of fi-0042")
    assert service.add(a_wish("ben")).doubts == ()
    assert service.doubtful_categories([CARS]) == []
    assert service.doubtful_categories(["ap2:nonsense"]) == [
        "ap2:nonsense: in no taxonomy that this list knows"
    ]


def test_an_import_tells_what_will_have_no_effect_once_for_all(service: ConsentService) -> None:
    done = take(
        service,
        presence(),
        f"anna,{CARS},given,{BEGUN},,,",
        presence("ben", key=OTHER_KEY),
        f"ben,{CARS},given,{BEGUN},,,",
        presence("carl", key="0c" * 16, stores="fi-0042;fi-0043"),
    )
    assert sorted(done.doubts.values()) == [1, 2]


@pytest.mark.requirement("R-15")
def test_a_list_without_a_taxonomy_publishes_what_lies_below_the_deny_list(
    service: ConsentService, tmp_path: Path, clock: Clock
) -> None:
    service.publish()
    parents = Reader(tmp_path / "repository", tmp_path / "gateway", clock).manifest().header.parents
    assert parents["ap2:1004"] == "ap2:1002"
    assert all(not SENSITIVE_CATEGORIES.isdisjoint(lineage(child, {})) for child in parents)


# ---------------------------------------------------------------- as it is typed


def test_warnings_are_typed_to_stderr_beside_the_answer(tmp_path: Path) -> None:
    def typed(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [
            sys.executable,
            "-m",
            "presence",
            "consents",
            arguments[0],
            "--directory",
            str(tmp_path / "acme"),
        ]
        return subprocess.run(
            [*command, *arguments[1:]], capture_output=True, text=True, check=False
        )

    typed("init", "--list", "acme/fi-0042")
    added = typed("add", "anna", "--category", "ap2:99999", "--until", "+30d")
    assert (added.returncode, added.stderr.count("WARN")) == (0, 2)
    narrowed = typed("narrow", "anna", "--category", "ap2:nonsense")
    assert (narrowed.returncode, narrowed.stderr.count("WARN")) == (0, 1)
    shown = typed("show", "anna")
    assert "over" not in shown.stdout
