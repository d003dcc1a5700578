"""A consent goes into a few bytes and comes out as it was; a ref leads to its consent, and to no
other.
"""

import math
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.core.consent.index import ConsentIndex, DamagedIndex
from presence.core.consent.model import Consent, Flag, Grant, Purpose, Scope
from presence.core.consent.record import FLAGS, PURPOSES
from tests.support.builders import ANNA, BERIT, CARL, DAY_S, PLACE, START_S, consent, grant

TIMES = (
    st.floats(0, 1 << 32, allow_nan=False) | st.integers(0, 1 << 32).map(float) | st.just(math.inf)
)
NAMES = st.text("abcdefghij-0123456789", min_size=1, max_size=8)
CATEGORIES = st.integers(1, 2000).map("ap2:{}".format)
GRANTS = st.builds(Grant, CATEGORIES, TIMES | st.just(-math.inf), TIMES, st.booleans())
REFS = st.binary(min_size=8, max_size=8)
CONSENTS = st.builds(
    Consent,
    ref=REFS,
    version=st.integers(0, (1 << 53) - 1),
    purposes=st.frozensets(st.sampled_from(Purpose)),
    not_before_s=TIMES,
    not_after_s=TIMES,
    scope=st.builds(Scope, st.frozensets(NAMES, max_size=5), st.booleans()),
    grants=st.lists(GRANTS, max_size=5).map(tuple),
    refused_categories=st.frozensets(CATEGORIES, max_size=5),
    pairwise_keys=st.dictionaries(NAMES, st.binary(min_size=16, max_size=16), max_size=4),
    flags=st.frozensets(st.sampled_from(Flag)),
    paused_until_s=TIMES,
    objected=st.booleans(),
)


def dumped(index: ConsentIndex) -> bytes:
    return b"".join(index.dump())


@given(st.lists(CONSENTS, max_size=20, unique_by=lambda one: one.ref))
def test_every_field_of_every_consent_comes_back(consents: list[Consent]) -> None:
    index = ConsentIndex.from_consents(consents)
    loaded = ConsentIndex.load(dumped(index))

    assert dict(index) == dict(loaded) == {one.ref: one for one in consents}


@pytest.mark.requirement("R-11", "R-10")
@pytest.mark.parametrize(
    "changes",
    [
        {"paused_until_s": math.inf},
        {"paused_until_s": START_S + 0.5},
        {"objected": True},
        {"refused_categories": frozenset({"ap2:1552", "ap2:1"})},
        {
            "grants": (
                grant("ap2:1551", start_s=-math.inf),
                grant("ap2:1551", end_s=START_S, explicit=True),
            )
        },
        {"scope": Scope(frozenset(), chain_wide=True)},
        {"pairwise_keys": {}, "grants": ()},
        {"not_after_s": START_S + DAY_S / 3},
        {"version": (1 << 53) - 1},
    ],
)
def test_what_takes_rights_away_is_not_lost(changes: dict[str, object]) -> None:
    one = consent(**changes)

    assert ConsentIndex.from_consents([one])[ANNA] == one


def test_a_ref_that_is_not_on_the_list_leads_nowhere() -> None:
    index = ConsentIndex.from_consents([consent(ref=ANNA), consent(ref=BERIT)])

    assert index.get(CARL) is None
    assert index.get(b"short") is None
    assert CARL not in index
    assert ANNA in index
    with pytest.raises(KeyError, match="no consent") as raised:
        index[CARL]
    assert CARL.hex() not in str(raised.value)


def test_an_empty_index_is_an_index() -> None:
    index = ConsentIndex.from_consents([])

    assert len(index) == len(ConsentIndex.load(dumped(index))) == 0
    assert index.get(ANNA) is None


@pytest.mark.requirement("R-36")
@pytest.mark.parametrize(
    ("versions", "stands"),
    [
        ((1, 2), 2),
        ((2, 1), 2),
        ((2, 2), None),
        ((1, 1, 2), 2),
        ((2, 2, 1), None),
        ((3, 1, 3), None),
        ((1, 3, 2), 3),
    ],
)
def test_of_entries_for_one_ref_the_highest_version_stands_if_it_is_alone(
    versions: tuple[int, ...], stands: int | None
) -> None:
    index = ConsentIndex.from_consents(
        [*(consent(version=version) for version in versions), consent(ref=BERIT)]
    )

    found = index.get(ANNA)
    assert (found and found.version) == stands
    assert index[BERIT] == consent(ref=BERIT)
    assert len(index) == (1 if stands is None else 2)


@pytest.mark.requirement("R-12")
def test_nothing_of_an_entry_that_does_not_stand_stays_in_the_records() -> None:
    key = b"a key of version"

    index = ConsentIndex.from_consents(
        [consent(version=1, pairwise_keys={"offers-main": key}), consent(version=2)]
    )

    assert key not in dumped(index)


def test_a_look_up_answers_alike_when_it_is_asked_again_and_when_it_was_pushed_out() -> None:
    everybody = [consent(ref=n.to_bytes(8, "big"), version=n) for n in range(30)]
    index = ConsentIndex.from_consents(everybody, cached=10)

    for one in (*everybody, everybody[-1], everybody[-1], everybody[0], everybody[0]):
        assert index.get(one.ref) == one


@pytest.mark.requirement("R-18")
def test_only_so_many_consents_are_kept_decoded() -> None:
    everybody = [consent(ref=n.to_bytes(8, "big")) for n in range(30)]
    index = ConsentIndex.from_consents(everybody, cached=10)

    first = index[everybody[0].ref]
    for one in everybody:
        index.get(one.ref)

    assert index[everybody[-1].ref] is index[everybody[-1].ref]
    assert index[everybody[0].ref] is not first


@pytest.mark.requirement("R-45")
def test_an_entry_with_one_audience_and_two_grants_takes_at_most_64_bytes() -> None:
    everybody = [
        consent(
            ref=os.urandom(8),
            version=1000 + n,
            scope=Scope(frozenset({f"fi-{n % 300:04}"})),
            grants=tuple(
                grant(f"ap2:{n % k}", start_s=START_S - DAY_S, end_s=START_S + k)
                for k in (700, 701)
            ),
            pairwise_keys={"offers-main": os.urandom(16)},
        )
        for n in range(2000)
    ]

    assert ConsentIndex.from_consents(everybody).nbytes / 2000 <= 64


def test_a_pairwise_key_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        ConsentIndex.from_consents([consent(pairwise_keys={"offers-main": bytes(15)})])


def test_the_numbers_of_purposes_and_flags_are_those_that_dumps_are_written_with() -> None:
    """New words go to the end: a dump of yesterday must not grant something else today."""
    assert [str(p) for p in PURPOSES] == [
        "presence",
        "offers",
        "service",
        "visit_end",
        "profiling",
        "measurement",
    ]
    assert [str(f) for f in FLAGS] == ["explicit", "no_profiling", "test"]
    assert set(PURPOSES) == set(Purpose)
    assert set(FLAGS) == set(Flag)


@pytest.mark.requirement("R-39")
@given(st.data())
def test_a_dump_cut_short_or_lengthened_is_refused(data: st.DataObject) -> None:
    dump = dumped(ConsentIndex.from_consents([consent(ref=ANNA), consent(ref=BERIT)]))
    cut = data.draw(st.integers(0, len(dump) - 1))

    for damaged in (dump[:cut], dump + b"x"):
        with pytest.raises(DamagedIndex):
            ConsentIndex.load(damaged)


def test_a_dump_with_refs_out_of_order_is_refused() -> None:
    index = ConsentIndex.from_consents([consent(ref=ANNA), consent(ref=BERIT)])
    head, refs, *rest = map(bytes, index.dump())

    with pytest.raises(DamagedIndex, match="out of order"):
        ConsentIndex.load(b"".join((head, refs[8:] + refs[:8], *rest)))


@pytest.mark.requirement("R-03")
def test_an_index_prints_as_a_count() -> None:
    assert repr(ConsentIndex.from_consents([consent()])) == "ConsentIndex(1 entries)"
    assert PLACE.store not in repr(ConsentIndex.from_consents([consent()]))
