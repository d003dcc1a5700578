"""An export of a consent platform becomes agreements, and nothing that it did not say."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.consent_service.alike import Alikes
from presence.consent_service.import_lines import (
    BadLine,
    Line,
    parse_line,
    rows_of_csv,
    rows_of_json_lines,
)
from presence.consent_service.imported_lines import StagedLine
from presence.consent_service.importing import Imported, import_rows, newest
from presence.consent_service.service import ConsentService
from presence.consent_service.wishes import Wish
from presence.core.consent.model import Flag, Purpose
from presence.core.consent.revocation import Revocation
from presence.core.timestamps import rfc3339
from tests.support.builders import START_S
from tests.support.consent_services import DAY_S, Clock, a_service

AUDIENCES = {"offers-main": Purpose.OFFERS, "collect": Purpose.SERVICE}
HEADER = "subject,purpose,value,timestamp,notice,expiry,identity_key,stores,explicit,flags"
KEY = "000102030405060708090a0b0c0d0e0f"
BEFORE, BEGUN = rfc3339(START_S - 9 * DAY_S), rfc3339(START_S - DAY_S)
SOON, LATE = rfc3339(START_S + 30 * DAY_S), rfc3339(START_S + 100 * DAY_S)
Import = Callable[..., Imported]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[ConsentService]:
    made = a_service(tmp_path, Clock())
    yield made
    made.close()


@pytest.fixture
def revocations() -> list[Revocation]:
    return []


@pytest.fixture
def take(service: ConsentService, revocations: list[Revocation]) -> Import:
    def take(*lines: str, header: str = HEADER) -> Imported:
        return import_rows(
            service, rows_of_csv([header, *lines]), audiences=AUDIENCES, told=revocations.append
        )

    return take


def presence(subject: str = "anna", *, value: str = "given", when: str = BEGUN) -> str:
    key = KEY if subject == "anna" else sha256(subject.encode()).hexdigest()[:32]
    return f"{subject},presence,{value},{when},fi-2026-03,{LATE},{key}"


def test_lines_of_one_customer_become_one_agreement(service: ConsentService, take: Import) -> None:
    done = take(
        f"anna,ap2:1551,given,{BEGUN},fi-2026-03,{SOON}",
        presence(),
        f"anna,offers,given,{BEGUN},fi-2026-03,{LATE}",
        f"anna,ap2:1285,refused,{BEGUN}",
    )
    consent = service.register.get(service.ref_of("anna"))
    assert (done.lines, done.added, done.bad) == (4, 1, [])
    assert consent is not None
    assert consent.identity_key == bytes(range(16))
    assert consent.consent is not None
    assert consent.consent.purposes == {Purpose.PRESENCE, Purpose.OFFERS}
    assert [(grant.category, grant.not_after_s) for grant in consent.consent.grants] == [
        ("ap2:1551", START_S + 30 * DAY_S)
    ]
    assert consent.consent.refused_categories == {"ap2:1285"}
    assert consent.consent.not_after_s == START_S + 100 * DAY_S
    assert set(consent.consent.pairwise_keys) == {"offers-main"}


@pytest.mark.requirement("R-33")
def test_extra_data_of_persons_is_dropped_and_reaches_no_file(
    service: ConsentService, take: Import, tmp_path: Path
) -> None:
    header = "subject,email,purpose,value,timestamp,notice,expiry,identity_key,phone"
    done = take(
        f"anna,anna@example.org,presence,given,{BEGUN},n,{LATE},{KEY},+358401234567", header=header
    )
    service.publish()
    assert (done.added, done.dropped) == (1, {"email", "phone"})
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"anna@example.org" not in written
    assert b"+358401234567" not in written


@pytest.mark.requirement("R-28", "T-13")
def test_neither_customer_number_nor_identity_key_is_in_what_gateways_fetch(
    service: ConsentService, take: Import, tmp_path: Path
) -> None:
    take(presence("customer-4711"))
    service.publish()
    fetched = b"".join(
        path.read_bytes() for path in (tmp_path / "repository").rglob("*") if path.is_file()
    )
    assert b"customer-4711" not in fetched
    assert bytes(range(16)) not in fetched


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (f"anna,presence,given,yesterday,n,{LATE},{KEY}", "timestamp is not a time"),
        (f"anna,presence,given,{BEGUN},n,,{KEY}", "expiry missing"),
        (f"anna,presence,perhaps,{BEGUN},n,{LATE},{KEY}", "value is none of"),
        (f"anna,shopping,given,{BEGUN},n,{LATE},{KEY}", "purpose is neither"),
        (f"anna,presence,given,{BEGUN},n,{LATE},0badkey", "identity_key is not 32 hex digits"),
        (f"anna,presence,given,{BEGUN},n,{LATE},{KEY},Shop!", "stores is neither"),
        (f"anna,presence,given,{BEGUN},n,{LATE},{KEY},,maybe", "explicit is neither"),
        (f"anna,presence,given,{BEGUN},n,{LATE},{KEY},,,vip", "flags holds a word"),
        (f",presence,given,{BEGUN},n,{LATE},{KEY}", "subject missing"),
        (f"anna,presence,given,{BEGUN},n,{LATE}", "identity_key missing"),
        (f"anna,presence,given,{BEGUN},n,2029-01-01,{KEY}", "longer than 13 months"),
    ],
)
@pytest.mark.requirement("R-07")
def test_a_bad_line_is_named_by_number_and_reason_and_the_others_stand(
    service: ConsentService, take: Import, line: str, reason: str
) -> None:
    done = take(presence("bob"), line, presence("carl"))
    assert done.added == 2
    assert [number for number, _ in done.bad] == [3]
    assert reason in done.bad[0][1]
    assert not service.knows("anna")


def test_a_reason_never_repeats_what_stood_in_the_line(take: Import) -> None:
    done = take("anna@example.org,presence,secret-word,2026-99-99,n,x,abcdef,S!,q,w")
    assert not any(
        word in done.bad[0][1] for word in ("anna", "secret-word", "2026-99", "abcdef", "S!")
    )


def test_an_unreadable_line_of_a_customer_lets_nothing_be_given_to_them(
    service: ConsentService, take: Import
) -> None:
    take(presence(), f"anna,ap2:1551,perhaps,{BEGUN},n,{LATE}")
    assert not service.knows("anna")


@pytest.mark.requirement("R-15")
def test_a_sensitive_category_needs_its_own_explicit_mark(
    service: ConsentService, take: Import
) -> None:
    plain = take(presence(), f"anna,ap2:1001,given,{BEGUN},n,{LATE}")
    assert "explicitly" in plain.bad[0][1]
    assert not service.knows("anna")
    take(presence(), f"anna,ap2:1001,given,{BEGUN},n,{LATE},,,yes")
    assert service.knows("anna")


@pytest.mark.requirement("R-10")
def test_an_objection_in_a_file_is_for_ever(
    service: ConsentService, take: Import, revocations: list[Revocation]
) -> None:
    take(presence())
    assert take(presence(), f"anna,offers,objected,{BEGUN}").objected == 1
    assert [row.objected for revocation in revocations for row in revocation.rows] == [True]
    assert "for ever" in take(presence(when=rfc3339(START_S + 60))).bad[0][1]
    assert not service.knows("anna")


@pytest.mark.requirement("R-36")
def test_an_older_export_brings_nothing_back(service: ConsentService, take: Import) -> None:
    take(presence())
    service.withdraw("anna")
    assert "older" in take(presence()).bad[0][1]
    assert not service.knows("anna")
    take(presence(when=rfc3339(START_S + 60)))
    assert service.knows("anna")


def test_who_gave_no_presence_is_withdrawn_by_a_newer_export_only(
    service: ConsentService, take: Import, revocations: list[Revocation]
) -> None:
    take(presence(), presence("bob"))
    old, new = (
        presence(value="withdrawn", when=BEFORE),
        presence("bob", value="withdrawn", when=BEGUN),
    )
    done = take(old, new, presence("carl", value="no"))
    assert (done.withdrawn, done.passed_over) == (1, 2)
    assert (service.knows("anna"), service.knows("bob")) == (True, False)
    assert [row.removed for revocation in revocations for row in revocation.rows] == [True]


def test_json_lines_say_the_same_as_csv() -> None:
    text = (
        f'{{"subject":"anna","purpose":"presence","value":true,"timestamp":{int(START_S)},'
        f'"expiry":"{LATE}",'
    )
    rows = rows_of_json_lines(
        [f'{text}"identity_key":"{KEY}","stores":["fi-0042","fi-0043"],"flags":["test"]}}', "{oops"]
    )
    (first, row), (second, damaged) = rows
    line = parse_line(row)
    assert (first, second) == (1, 2)
    assert (line.said.stores, line.said.flags, line.decided_s) == (
        ("fi-0042", "fi-0043"),
        {Flag.TEST},
        START_S,
    )
    with pytest.raises(BadLine, match="damaged"):
        parse_line(damaged)


LOUD = f"{HEADER},loudness_db"


def loudness_of(service: ConsentService, name: str = "anna") -> int:
    known = service.register.get(service.ref_of(name))
    assert known is not None
    assert known.consent is not None
    return known.consent.loudness_db


def test_how_loud_a_phone_is_stands_on_one_of_its_lines_and_stays_until_another_says_more(
    service: ConsentService, take: Import
) -> None:
    take(f"{presence()},,,,8", f"anna,offers,given,{BEGUN},n,{LATE}", header=LOUD)
    assert loudness_of(service) == 8
    take(presence(when=rfc3339(START_S - 60)))
    assert loudness_of(service) == 8
    take(f"{presence(when=rfc3339(START_S))},,,,0", header=LOUD)
    assert loudness_of(service) == 0


def test_of_two_loudnesses_of_one_phone_the_larger_counts(
    service: ConsentService, take: Import
) -> None:
    take(f"{presence()},,,,4", f"anna,offers,given,{BEGUN},n,{LATE},,,,,12", header=LOUD)
    assert loudness_of(service) == 12


@pytest.mark.parametrize("said", ["3", "4.5", "-4", "32", "loud"])
def test_a_loudness_that_is_no_step_is_named_and_never_repeated(
    service: ConsentService, take: Import, said: str
) -> None:
    done = take(f"{presence()},,,,{said}", header=LOUD)
    assert done.bad == [(2, "loudness_db is not a multiple of 4 from 0 to 28, in whole dB")]
    assert not service.knows("anna")


def test_json_lines_say_a_loudness_as_a_number() -> None:
    row = {"subject": "a", "purpose": "ap2:1551", "value": "given", "timestamp": BEGUN}
    assert parse_line({**row, "loudness_db": 28}).said.loudness_db == 28
    assert parse_line(row).said.loudness_db is None


def test_a_csv_without_names_of_columns_is_refused_as_a_whole() -> None:
    with pytest.raises(BadLine, match="first line"):
        list(rows_of_csv([presence()]))


def test_nothing_of_the_file_is_left_behind(service: ConsentService, take: Import) -> None:
    take(presence())
    assert not (service.directory / "import.sqlite").exists()


def staged(line: Line) -> StagedLine:
    return StagedLine(1, line.said.text, line.decided_s, line.until_s, line.identity_key)


def wish_of(lines: Iterable[StagedLine]) -> Wish | None:
    one = Alikes("fi-0042", AUDIENCES).one_of(b"anna", "anna", newest(lines))
    return None if one is None else one.wish()


LINES = st.builds(
    lambda purpose, value, day: staged(
        parse_line(
            {
                "subject": "anna",
                "purpose": purpose,
                "value": value,
                "timestamp": START_S + day,
                "expiry": LATE,
            }
        )
    ),
    st.sampled_from(["presence", "offers", "ap2:1551", "ap2:1285"]),
    st.sampled_from(["given", "refused"]),
    st.integers(0, 3),
)


@given(st.lists(LINES, max_size=6))
def test_the_order_of_lines_changes_nothing(lines: list[StagedLine]) -> None:
    wishes = [wish_of(order) for order in itertools.islice(itertools.permutations(lines), 24)]
    assert all(wish == wishes[0] for wish in wishes)


@given(st.lists(LINES, max_size=6), LINES)
def test_one_more_refusal_never_gives_more(lines: list[StagedLine], another: StagedLine) -> None:
    if another.said.value != "not_given":
        return
    before, after = (wish_of(each) for each in (lines, [*lines, another]))
    if after is not None:
        assert before is not None
        assert after.purposes <= before.purposes
        assert after.categories.keys() <= before.categories.keys()
