"""A consent goes into a few bytes and comes out as it was; a ref leads to its consent, and to no
other.
"""

import math
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.core.consent.index import ConsentIndex
from presence.core.consent.model import Consent, Scope
from tests.support.any_consents import consents
from tests.support.builders import ANNA, BERIT, CARL, DAY_S, SITE, START_S, consent, grant


@given(st.lists(consents(), max_size=20, unique_by=lambda one: one.ref))
def test_every_field_of_every_consent_comes_back(several: list[Consent]) -> None:
    assert dict(ConsentIndex.from_consents(several)) == {one.ref: one for one in several}


@pytest.mark.requirement("R-11", "R-10")
@pytest.mark.parametrize(
    "changes",
    [
        {"paused_until_s": math.inf},
        {"objected": True},
        {"refused_categories": frozenset({"ap2:1552", "ap2:1"})},
        {
            "grants": (
                grant("ap2:1551", start_s=START_S),
                grant("ap2:1551", end_s=START_S, explicit=True),
            )
        },
        {"scope": Scope(frozenset(), chain_wide=True)},
        {"pairwise_keys": {}, "grants": ()},
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

    assert len(index) == 0
    assert index.get(ANNA) is None


def test_an_index_takes_no_ref_twice() -> None:
    """Which of several entries stands was decided before (test_list_json)."""
    with pytest.raises(ValueError, match="comes twice"):
        ConsentIndex.from_consents([consent(version=1), consent(version=2)])


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
def test_an_entry_with_one_audience_and_two_grants_takes_at_most_80_bytes() -> None:
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

    assert ConsentIndex.from_consents(everybody).nbytes / 2000 <= 80


@pytest.mark.requirement("R-03")
def test_an_index_prints_as_a_count() -> None:
    assert repr(ConsentIndex.from_consents([consent()])) == "ConsentIndex(1 entries)"
    assert SITE.store not in repr(ConsentIndex.from_consents([consent()]))
