"""What the consent service sends: understood to the last field, or refused with a reason that names
no value.
"""

import contextlib
import itertools
import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.core.consent.entry_rules import LATEST_S, Refused
from presence.core.consent.list_json import (
    ConsentList,
    Entry,
    assemble,
    parse_entry,
    parse_header,
    ref_of_refused,
)
from presence.core.consent.model import Flag, Grant, Purpose, Scope
from presence.core.recognition.identifiers import WINDOW_S
from scripts.stores.customers import pairwise_key
from tests.support.builders import (
    ANNA,
    BERIT,
    CARL,
    CARS,
    DAY_S,
    GARDEN,
    OFFERS,
    START_S,
    VANS,
    base64url,
    consent,
    entry_json,
    header,
    header_json,
    window_keys,
)
from tests.support.examples import examples

MAX_SPAN_S = 396 * DAY_S
NB, NA = int(START_S - DAY_S), int(START_S + 100 * DAY_S)

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**400), 10**400)
    | st.floats()
    | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


def parsed(**changes: Any) -> Entry:
    return parse_entry(entry_json(**changes), max_span_s=MAX_SPAN_S)


def refusal(**changes: Any) -> str:
    with pytest.raises(Refused) as refused:
        parsed(**changes)
    return str(refused.value)


def test_an_entry_becomes_a_consent_with_its_window_keys() -> None:
    entry = parsed(grants=[[CARS, NA - 9], [GARDEN, 0], [f"-{VANS}", 0]])

    assert entry.consent == consent(
        version=12,
        not_before_s=NB,
        not_after_s=NA,
        grants=(Grant(CARS, NB, NA - 9), Grant(GARDEN, NB, NA)),
        refused_categories=frozenset({VANS}),
        pairwise_keys={OFFERS.name: pairwise_key(ANNA, OFFERS.name)},
    )
    assert entry.keys == window_keys(ANNA)
    assert repr(entry.keys) == repr(window_keys(ANNA)), "windows are whole numbers"


def test_flags_and_grants_may_be_left_out() -> None:
    entry = parsed(flags=..., grants=..., paused_until=...)

    assert (entry.consent.flags, entry.consent.grants, entry.consent.paused_until_s) == (
        frozenset(),
        (),
        0,
    )
    assert not entry.consent.objected


REFUSALS = [
    pytest.param({"na": ...}, "na missing", id="no end (R-07)"),
    pytest.param({"nb": ...}, "nb missing", id="no start"),
    pytest.param({"na": None}, "na is not a time", id="an end that is null"),
    pytest.param({"na": "2027-01-01"}, "na is not a time", id="an end in words"),
    pytest.param({"na": NA * 1000}, "na is not a time", id="milliseconds"),
    pytest.param(
        {"na": LATEST_S, "nb": LATEST_S - 1},
        "na is not a time",
        id="the first second beyond all lists",
    ),
    pytest.param({"na": -1}, "na is not a time", id="before 1970"),
    pytest.param({"na": math.nan}, "na is not a time", id="NaN"),
    pytest.param({"na": math.inf}, "na is not a time", id="infinity"),
    pytest.param({"na": 10**400}, "na is not a time", id="a number beyond floating point"),
    pytest.param({"na": True}, "na is not a time", id="true"),
    pytest.param({"na": NB}, "na does not lie after nb", id="an end at the start"),
    pytest.param(
        {"na": NB + int(MAX_SPAN_S) + 1},
        "the span from nb to na is longer",
        id="more than 13 months (R-07)",
    ),
    pytest.param({"restricted": True}, "unknown field", id="restricted (R-13)"),
    pytest.param({"restricted": False}, "unknown field", id="not restricted, but said so (R-13)"),
    pytest.param({"age": 41}, "unknown field", id="age (R-14)"),
    pytest.param({"birth_date": "1985-01-01"}, "unknown field", id="birth date (R-14)"),
    pytest.param({"birthyear": 1985}, "unknown field", id="birth year (R-14)"),
    pytest.param({"email": "a@b.example"}, "unknown field", id="e-mail"),
    pytest.param(
        {"purposes": ["presence", "resale"]}, "purposes holds a word", id="unknown purpose"
    ),
    pytest.param({"purposes": "presence"}, "purposes is not a list", id="purposes as a text"),
    pytest.param({"purposes": [["presence"]]}, "purposes holds a word", id="purposes too deep"),
    pytest.param(
        {"purposes": [{"presence": True}]}, "purposes holds a word", id="purposes as objects"
    ),
    pytest.param({"flags": ["vip"]}, "flags holds a word", id="unknown flag"),
    pytest.param({"flags": {}}, "flags is not a list", id="flags as an object"),
    pytest.param({"ref": "short"}, "ref is not 8 bytes", id="short ref"),
    pytest.param({"ref": "mZ3kQ0a1Bc8="}, "ref is not 8 bytes", id="padded ref"),
    pytest.param({"ref": "mZ3kQ0a1Bc+"}, "ref is not 8 bytes", id="ref in the other alphabet"),
    pytest.param({"ref": "mZ3kQ0a1Bc9"}, "ref is not 8 bytes", id="ref in a second spelling"),
    pytest.param({"ref": "mZ3kQ0a1Bcé"}, "ref is not 8 bytes", id="ref not in ASCII"),
    pytest.param({"ref": 7}, "ref is not 8 bytes", id="ref as a number"),
    pytest.param({"ver": -1}, "ver is not a whole number", id="version below zero"),
    pytest.param({"ver": 1.5}, "ver is not a whole number", id="version with a fraction"),
    pytest.param({"ver": True}, "ver is not a whole number", id="version true"),
    pytest.param({"ver": 1 << 53}, "ver is not a whole number", id="version too large for JSON"),
    pytest.param({"pk": {OFFERS.name: "AAAA"}}, "pk is not 16 bytes", id="short pairwise key"),
    pytest.param(
        {"pk": {"Anna Virtanen": base64url(bytes(16))}}, "pk holds", id="audience that is no name"
    ),
    pytest.param({"pk": []}, "pk is not an object", id="pairwise keys as a list"),
    pytest.param({"scope": {"type": "world"}}, "scope is none of", id="unknown scope"),
    pytest.param({"scope": {"type": "stores", "ids": []}}, "scope is none of", id="no store"),
    pytest.param({"scope": {"type": "store"}}, "scope is none of", id="store without its id"),
    pytest.param(
        {"scope": {"type": "store", "id": "a", "x": 1}},
        "scope is none of",
        id="scope and something else",
    ),
    pytest.param(
        {"scope": {"type": "chain", "id": "fi-0042"}}, "scope is none of", id="chain with an id"
    ),
    pytest.param(
        {"scope": {"type": "stores", "ids": "fi-0042"}}, "scope is none of", id="stores as a text"
    ),
    pytest.param(
        {"scope": {"type": "store", "id": "FI"}}, "scope holds", id="a store named in capitals"
    ),
    pytest.param(
        {"scope": {"type": "stores", "ids": [7]}}, "scope holds", id="a store that is no name"
    ),
    pytest.param({"scope": "chain"}, "scope is not an object", id="scope as a text"),
    pytest.param({"grants": {}}, "grants is not a list", id="grants as an object"),
    pytest.param({"grants": [[CARS]]}, "grants holds", id="a grant without its end"),
    pytest.param({"grants": [[CARS, 0, 0]]}, "grants holds", id="a grant with three parts"),
    pytest.param({"grants": [["cars", 0]]}, "grants holds", id="a category without its taxonomy"),
    pytest.param({"grants": [[f"--{CARS}", 0]]}, "grants holds", id="refused twice over"),
    pytest.param({"grants": [[CARS, None]]}, "grants: na", id="a grant that ends at null"),
    pytest.param(
        {"grants": [{"category": CARS, "nb": "now"}]},
        "grants: nb",
        id="a grant that starts in words",
    ),
    pytest.param(
        {"grants": [{"category": CARS, "weight": 3}]},
        "grants holds",
        id="a grant with an unknown field",
    ),
    pytest.param({"win": []}, "win is not an object", id="a window as a list"),
    pytest.param({"win": {}}, "win is not {", id="an empty window"),
    pytest.param(
        {"win": {"start": 0, "len": WINDOW_S, "keys": [], "ik": "x"}},
        "win is not",
        id="window and more",
    ),
    pytest.param(
        {"win": {"start": 5, "len": WINDOW_S, "keys": []}},
        "win: windows",
        id="a window from nowhere",
    ),
    pytest.param(
        {"win": {"start": 0, "len": 1024, "keys": []}},
        "win: windows",
        id="a window of another length",
    ),
    pytest.param(
        {"win": {"start": 0, "len": WINDOW_S, "keys": [base64url(bytes(16))] * 3}},
        "win: more",
        id="three windows",
    ),
    pytest.param(
        {"win": {"start": 0, "len": WINDOW_S, "keys": ["AAAA"]}},
        "win.keys is not 16",
        id="a short key",
    ),
]


@pytest.mark.requirement("R-07", "R-13", "R-14", "T-13", "T-19")
@pytest.mark.parametrize(
    ("said", "loudness_db"),
    [(..., 0), (0, 0), (4, 4), (28, 28)],
    ids=["no word", "none", "4", "28"],
)
def test_an_entry_says_in_steps_how_loud_its_phone_is(said: object, loudness_db: int) -> None:
    assert parsed(loudness_db=said).consent.loudness_db == loudness_db


@pytest.mark.parametrize("said", [-4, 2, 32, 4.0, "4", True, False, None])
def test_an_entry_with_another_loudness_is_refused(said: object) -> None:
    assert (
        refusal(loudness_db=said) == "loudness_db is not a multiple of 4 from 0 to 28, in whole dB"
    )


@pytest.mark.parametrize(("changes", "reason"), REFUSALS)
def test_an_entry_that_is_not_understood_is_refused_with_the_reason(
    changes: dict[str, Any], reason: str
) -> None:
    assert refusal(**changes).startswith(reason)


@pytest.mark.requirement("R-07")
def test_an_entry_of_exactly_the_longest_span_is_taken() -> None:
    assert parsed(na=NB + int(MAX_SPAN_S)).consent.not_after_s == NB + MAX_SPAN_S


@pytest.mark.requirement("R-11")
@pytest.mark.parametrize(
    "pause", ["soon", None, [], -1, NA * 1000, True, math.nan, math.inf, 10**400]
)
def test_a_pause_that_cannot_be_read_is_a_pause(pause: object) -> None:
    assert parsed(paused_until=pause).consent.paused_until_s == math.inf


@pytest.mark.requirement("R-11")
def test_a_pause_that_can_be_read_ends() -> None:
    assert parsed(paused_until=NB + 5).consent.paused_until_s == NB + 5


@pytest.mark.requirement("R-10")
@pytest.mark.parametrize(
    ("objected", "counts"),
    [(True, True), (False, False), (..., False), (None, True), (0, True), ("no", True)],
)
def test_anything_but_a_plain_no_is_an_objection(objected: object, counts: bool) -> None:
    assert parsed(objected=objected).consent.objected is counts


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ({"type": "chain"}, Scope(frozenset(), chain_wide=True)),
        ({"type": "store", "id": "fi-0042"}, Scope(frozenset({"fi-0042"}))),
        (
            {"type": "stores", "ids": ["fi-0042", "fi-0043"]},
            Scope(frozenset({"fi-0042", "fi-0043"})),
        ),
    ],
)
def test_a_scope_is_a_store_some_stores_or_the_chain(scope: object, expected: Scope) -> None:
    assert parsed(scope=scope).consent.scope == expected


def test_purposes_and_flags_are_the_closed_lists_of_version_1() -> None:
    entry = parsed(
        purposes=[p.value for p in Purpose], flags=["explicit", "no_profiling", "test", "ticks"]
    )

    assert entry.consent.purposes == frozenset(Purpose)
    assert entry.consent.flags == frozenset(Flag)


@pytest.mark.requirement("R-15")
@pytest.mark.parametrize(
    ("explicit", "counts"),
    [(True, True), (False, False), ("yes", False), (1, False), (None, False)],
)
def test_only_a_plain_yes_is_explicit(explicit: object, counts: bool) -> None:
    entry = parsed(grants=[{"category": "ap2:1473", "na": 0, "explicit": explicit}])

    assert entry.consent.grants[0].explicit is counts


@pytest.mark.requirement("R-06")
@given(st.integers(0, (1 << 32) - 1), st.integers(0, (1 << 32) - 1))
def test_a_grant_never_holds_outside_its_consent(grant_nb: int, grant_na: int) -> None:
    entry = parsed(grants=[{"category": CARS, "nb": grant_nb, "na": grant_na}])

    grant = entry.consent.grants[0]
    for now_s in (0, NB - 1, NA, NA + 1, 1 << 32):
        assert not grant.in_force(now_s)


@pytest.mark.requirement("R-06")
def test_a_grant_that_names_no_end_ends_with_its_consent() -> None:
    assert parsed(grants=[{"category": CARS}]).consent.grants == (Grant(CARS, NB, NA),)


def test_a_refusal_has_no_end() -> None:
    entry = parsed(grants=[[f"-{CARS}", NB + 1], {"category": f"-{VANS}", "na": NB + 1}])

    assert entry.consent.refused_categories == {CARS, VANS}


def test_of_a_refused_entry_the_ref_is_read_where_that_much_can_be_read() -> None:
    assert ref_of_refused(entry_json(purposes=7)) == ANNA
    for unreadable in (
        entry_json(ref="short"),
        entry_json(ref=...),
        entry_json(ref=None),
        [],
        None,
        "entry",
    ):
        assert ref_of_refused(unreadable) is None


@pytest.mark.parametrize("value", [None, [], "entry", 7])
def test_what_is_no_object_is_refused_as_such(value: object) -> None:
    with pytest.raises(Refused, match=r"^entry is not an object"):
        parse_entry(value, max_span_s=MAX_SPAN_S)
    with pytest.raises(Refused, match=r"^header is not an object"):
        parse_header(value)


@pytest.mark.requirement("T-19")
@examples(50)
@given(JSON)
def test_any_value_is_an_entry_or_refused(value: object) -> None:
    with pytest.raises(Refused):
        parse_entry(value, max_span_s=MAX_SPAN_S)


FIELDS = [*entry_json(), "objected", "loudness_db", "restricted", "age"]


@pytest.mark.requirement("T-19")
@examples(50)
@given(st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=3))
def test_an_entry_with_any_field_gone_wrong_is_an_entry_or_refused(changes: dict[str, Any]) -> None:
    try:
        entry = parse_entry({**entry_json(), **changes}, max_span_s=MAX_SPAN_S)
    except Refused:
        return
    assert entry.consent.not_before_s < entry.consent.not_after_s
    assert all(key.ref == entry.consent.ref for key in entry.keys)


@pytest.mark.requirement("R-03")
@given(
    st.sampled_from(FIELDS),
    st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=14, max_size=20),
)
def test_a_refusal_never_repeats_a_value(field: str, value: str) -> None:
    for wrong in (value, [value], {value: value}, [[value, 0]], [{"category": value}]):
        with pytest.raises(Refused) as entry_refused:
            parse_entry(
                {**entry_json(), "ref": 7, field: wrong, f"x{value}": 1}, max_span_s=MAX_SPAN_S
            )
        with pytest.raises(Refused) as header_refused:
            parse_header(
                {
                    **header_json(),
                    "seq": value,
                    field: wrong,
                    "taxonomy": {"parents": {value: value}},
                }
            )
        for refused in (entry_refused.value, header_refused.value):
            assert value not in str(refused)
            assert refused.__suppress_context__ or refused.__context__ is None


@pytest.mark.requirement("R-03")
@given(
    st.sampled_from(FIELDS),
    st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=14, max_size=20),
)
def test_a_refusal_of_any_one_field_never_repeats_its_value(field: str, value: str) -> None:
    for wrong in (value, [value], {value: value}, [[value, 0]], [{"category": value}]):
        with contextlib.suppress(Refused):  # a pause or an objection may be anything
            parse_entry({**entry_json(), field: wrong}, max_span_s=MAX_SPAN_S)
            continue
        with pytest.raises(Refused) as refused:
            parse_entry({**entry_json(), field: wrong}, max_span_s=MAX_SPAN_S)
        assert value not in str(refused.value)


# ---------------------------------------------------------------- the header


def header_refusal(**changes: Any) -> str:
    with pytest.raises(Refused) as refused:
        parse_header(header_json(**changes))
    return str(refused.value)


def test_a_header_is_read() -> None:
    assert parse_header(header_json(taxonomy={"parents": {VANS: CARS}})) == header(
        count=1, parents={VANS: CARS}
    )


@pytest.mark.requirement("R-38")
def test_a_header_may_hold_fields_of_a_later_minor_version() -> None:
    assert (
        parse_header(header_json(colour="blue", taxonomy={"name": "ap2", "parents": {}})).seq == 7
    )


@pytest.mark.requirement("R-38", "T-19")
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"v": 2}, "v is not 1", id="the next major version"),
        pytest.param({"v": ...}, "v is not 1", id="no version"),
        pytest.param({"v": "1"}, "v is not 1", id="version as a text"),
        pytest.param({"v": True}, "v is not 1", id="version true"),
        pytest.param({"seq": ...}, "seq missing", id="no number"),
        pytest.param({"seq": "7"}, "seq is not", id="number as a text"),
        pytest.param({"seq": -7}, "seq is not", id="number below zero"),
        pytest.param({"count": ...}, "count missing", id="no count"),
        pytest.param({"count": 1.0}, "count is not", id="count with a fraction"),
        pytest.param({"published_at": ...}, "published_at missing", id="undated"),
        pytest.param({"published_at": "today"}, "published_at is not a time", id="dated in words"),
        pytest.param(
            {"published_at": 10**400},
            "published_at is not a time",
            id="dated beyond floating point",
        ),
        pytest.param(
            {"suppression_checked_at": ...},
            "suppression_checked_at missing",
            id="opt-outs unchecked",
        ),
        pytest.param({"list": ...}, "list missing", id="nameless"),
        pytest.param({"list": 7}, "list is not a name", id="named by number"),
        pytest.param({"list": "Acme"}, "list is not a name", id="named in capitals"),
        pytest.param({"list": "a/b/c"}, "list is not a name", id="named too deep"),
        pytest.param({"list": "../etc"}, "list is not a name", id="named as a path"),
        pytest.param({"taxonomy": []}, "taxonomy is not an object", id="taxonomy as a list"),
        pytest.param(
            {"taxonomy": {"parents": []}},
            "taxonomy.parents is not an object",
            id="parents as a list",
        ),
        pytest.param(
            {"taxonomy": {"parents": {"cars": CARS}}},
            "taxonomy.parents maps",
            id="a parent of nothing",
        ),
        pytest.param(
            {"taxonomy": {"parents": {CARS: None}}}, "taxonomy.parents maps", id="no parent"
        ),
    ],
)
def test_a_header_that_is_not_understood_is_refused(changes: dict[str, Any], reason: str) -> None:
    assert header_refusal(**changes).startswith(("header: " + reason, reason))


@pytest.mark.requirement("T-19")
@examples(50)
@given(JSON)
def test_any_value_is_a_header_or_refused(value: object) -> None:
    with pytest.raises(Refused):
        parse_header(value)


@pytest.mark.requirement("T-19")
@examples(50)
@given(st.dictionaries(st.sampled_from([*header_json(), "taxonomy"]), JSON, max_size=3))
def test_a_header_with_any_field_gone_wrong_is_a_header_or_refused(changes: dict[str, Any]) -> None:
    try:
        parse_header({**header_json(), **changes})
    except Refused:
        return


# ---------------------------------------------------------------- the whole list


def an_entry(ref: bytes = ANNA, version: int = 1, **changes: Any) -> Entry:
    return Entry(consent(ref=ref, version=version, **changes), window_keys(ref))


def assembled(
    entries: Iterable[Entry],
    *,
    refused: int = 0,
    count: int | None = None,
    ambiguous: Iterable[bytes] = (),
) -> ConsentList:
    entries = tuple(entries)
    announced = replace(header(), count=len(entries) + refused if count is None else count)
    found = assemble(announced, entries, {"why": refused} if refused else {}, ambiguous=ambiguous)
    assert found.header == announced
    return found


@pytest.mark.requirement("R-07")
def test_a_refused_entry_leaves_the_others_and_is_counted() -> None:
    found = assembled([an_entry(ANNA), an_entry(BERIT)], refused=1)

    assert found.entries.keys() == {ANNA, BERIT}
    assert found.refused == {"why": 1}


@pytest.mark.requirement("R-39")
@pytest.mark.parametrize("count", [0, 1, 3, 1000])
def test_a_list_cut_short_or_grown_is_refused_as_a_whole(count: int) -> None:
    with pytest.raises(Refused, match="cut short"):
        assembled([an_entry(ANNA), an_entry(BERIT)], count=count)


def test_an_empty_list_is_a_list() -> None:
    assert assembled([]).entries == {}


@pytest.mark.requirement("R-36")
@given(st.permutations([1, 2, 3]))
def test_of_several_versions_the_highest_counts_in_any_order(versions: list[int]) -> None:
    found = assembled(an_entry(version=version) for version in versions)

    assert found.entries[ANNA].consent.version == 3
    assert found.refused == {"superseded": 2}


def test_two_entries_of_one_version_cancel_each_other_out_in_any_order() -> None:
    for versions in itertools.permutations([2, 2, 1]):
        found = assembled([an_entry(version=version) for version in versions] + [an_entry(BERIT)])

        assert found.entries.keys() == {BERIT}, versions
        assert sum(found.refused.values()) == 3


def test_a_third_entry_of_a_version_that_cancelled_itself_out_does_not_stand() -> None:
    found = assembled(an_entry(version=2) for _ in range(3))

    assert found.entries == {}
    assert found.refused == {"ambiguous": 2, "superseded": 1}


@pytest.mark.requirement("R-07")
def test_a_refused_entry_takes_every_other_one_of_its_ref_with_it_and_nobody_elses() -> None:
    found = assembled(
        [an_entry(ANNA), an_entry(BERIT), an_entry(CARL)],
        refused=3,
        ambiguous=(ANNA, BERIT, bytes(8)),
    )

    assert found.entries.keys() == {CARL}
    assert found.refused == {"why": 3, "doubted": 2}


def test_a_higher_version_stands_above_two_that_cancel_each_other_out() -> None:
    for versions in itertools.permutations([1, 1, 2]):
        assert (
            assembled(an_entry(version=version) for version in versions)
            .entries[ANNA]
            .consent.version
            == 2
        )


@given(
    st.lists(st.tuples(st.sampled_from([ANNA, BERIT, CARL]), st.integers(1, 3)), max_size=8),
    st.randoms(),
)
def test_the_order_of_lines_never_matters(lines: list[tuple[bytes, int]], chance: Any) -> None:
    shuffled = lines.copy()
    chance.shuffle(shuffled)

    one, other = (
        assembled(an_entry(ref, version) for ref, version in order) for order in (lines, shuffled)
    )

    assert one.entries == other.entries
    assert len(one.entries) + sum(one.refused.values()) == len(lines)


@pytest.mark.requirement("R-03")
def test_a_list_prints_without_its_entries() -> None:
    shown = repr(assembled([an_entry()]))

    assert "entries" not in shown
    assert repr(ANNA)[2:-1] not in shown
