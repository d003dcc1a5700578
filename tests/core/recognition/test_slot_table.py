"""Whose identifier it is, among none and among hundreds of thousands; and that two owners are
none.
"""

import hashlib
import os
from bisect import bisect_left
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from presence.core.recognition.identifiers import (
    WindowKey,
    ephemeral_identifier,
    slot_at,
    window_at,
)
from presence.core.recognition.key_ring import KeyRing, WindowKeys
from presence.core.recognition.prefix_search import PrefixSearch
from presence.core.recognition.slot_table import Claim, SlotTable, build_table
from tests.support.builders import ANNA, BERIT, CARL, START_S, window_keys

SLOT = slot_at(START_S)
WINDOW = window_at(START_S)


def a_table(*keys: WindowKey, slot: int = SLOT) -> SlotTable:
    return build_table(slot, KeyRing.from_keys(keys))


def key_of(ref: bytes) -> WindowKey:
    return window_keys(ref)[0]


def eid_of(key: WindowKey, slot: int = SLOT) -> bytes:
    return ephemeral_identifier(key.key, slot)


def random_keys(count: int) -> list[WindowKey]:
    return [WindowKey(os.urandom(8), WINDOW, os.urandom(16)) for _ in range(count)]


@pytest.mark.parametrize("count", [1, 2, 3, 100, 5000])
def test_every_subject_is_found_by_its_identifier_and_by_no_other(count: int) -> None:
    keys = random_keys(count)

    table = a_table(*keys)

    assert len(table) == count
    assert [table.find(eid_of(key)) for key in keys] == [key.ref for key in keys]
    assert all(table.find(os.urandom(8)) is None for _ in range(1000))
    assert table.find(eid_of(keys[0], SLOT + 1)) is None


def test_an_empty_table_knows_nobody() -> None:
    table = a_table()

    assert [table.find(eid) for eid in (bytes(8), b"\xff" * 8, b"8 bytes!")] == [None] * 3


@pytest.mark.requirement("T-13")
def test_a_table_takes_the_keys_of_its_own_window_only() -> None:
    this, following = window_keys(ANNA)

    assert a_table(this, following).find(eid_of(this)) == ANNA
    assert a_table(following).find(eid_of(this)) is None


@pytest.mark.requirement("T-19")
@pytest.mark.parametrize(
    "claimants", [(ANNA, BERIT), (ANNA, BERIT, CARL), (ANNA, ANNA, BERIT), (BERIT, ANNA, ANNA)]
)
def test_an_identifier_that_several_subjects_claim_belongs_to_none(
    claimants: tuple[bytes, ...],
) -> None:
    claimed, other = key_of(ANNA), key_of(b"someone!")

    table = a_table(*(claimed._replace(ref=ref) for ref in claimants), other)

    assert table.find(eid_of(claimed)) is Claim.AMBIGUOUS
    assert table.find(eid_of(other)) == b"someone!"


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=30))
def test_an_identifier_has_an_owner_only_if_all_who_list_its_key_are_one(
    listed: list[tuple[int, int]],
) -> None:
    """Few refs and few keys, so that they meet in every way."""
    keys = [WindowKey(bytes((ref,)) * 8, WINDOW, bytes((key + 1,)) * 16) for ref, key in listed]

    table = a_table(*keys)

    for key in {entry.key for entry in keys}:
        owners = {entry.ref for entry in keys if entry.key == key}
        expected = owners.pop() if len(owners) == 1 else Claim.AMBIGUOUS
        assert table.find(ephemeral_identifier(key, SLOT)) == expected


def test_a_key_listed_twice_for_one_subject_is_no_conflict() -> None:
    key = key_of(ANNA)

    assert a_table(key, key, key).find(eid_of(key)) == ANNA


def test_two_keys_of_one_subject_both_lead_to_it() -> None:
    first, second = key_of(ANNA), key_of(BERIT)._replace(ref=ANNA)

    table = a_table(first, second)

    assert table.find(eid_of(first)) == table.find(eid_of(second)) == ANNA


def test_the_size_of_the_chunks_changes_nothing() -> None:
    keys = random_keys(1000)
    ring = KeyRing.from_keys(keys)
    small, large = build_table(SLOT, ring, chunk=7), build_table(SLOT, ring)

    assert all(small.find(eid_of(key)) == large.find(eid_of(key)) == key.ref for key in keys)


@pytest.mark.requirement("R-45")
@pytest.mark.parametrize("count", [10_000, 300_000])
def test_an_entry_of_a_slot_takes_no_more_than_16_bytes(count: int) -> None:
    ring = KeyRing.from_bytes({WINDOW: (os.urandom(8 * count), bytearray(os.urandom(16 * count)))})

    assert 12 < build_table(SLOT, ring).nbytes / count <= 16


@pytest.mark.requirement("R-03")
def test_a_table_prints_without_its_subjects() -> None:
    assert ANNA.hex() not in repr(a_table(key_of(ANNA)))


def search_in(numbers: Iterable[int]) -> PrefixSearch:
    return PrefixSearch(np.array(sorted(numbers), np.uint64))


NUMBERS = st.integers(0, (1 << 64) - 1)


@given(st.lists(NUMBERS | st.integers(0, 40), max_size=200), st.lists(NUMBERS, max_size=20))
def test_a_prefix_search_finds_the_first_of_equals_or_nothing(
    numbers: list[int], others: list[int]
) -> None:
    """Also where all numbers crowd under one prefix."""
    search, ordered = search_in(numbers), sorted(numbers)

    for number in (*numbers, *others, 0, (1 << 64) - 1):
        position = bisect_left(ordered, number)
        held = position < len(ordered) and ordered[position] == number
        assert search.find(number) == (position if held else -1)


def test_a_prefix_search_reads_like_a_list() -> None:
    search = search_in(range(10, 100))

    assert len(search) == 90
    assert [search[n] for n in range(90)] == list(range(10, 100))


# ---------------------------------------------------------------- columns that stay, and who came
# later


def columns_of(numbers: list[int]) -> tuple[NDArray[np.uint64], NDArray[np.uint8]]:
    """Refs and keys of these customers; every number has a key of its own."""
    refs = np.array(numbers, np.uint64)
    keys = [hashlib.blake2b(bytes([n]), digest_size=16).digest() for n in numbers]
    return refs, np.frombuffer(b"".join(keys), np.uint8).reshape(-1, 16).copy()


BASE = columns_of(list(range(0, 40, 2)))
CUSTOMERS = st.integers(0, 60)


@st.composite
def changed(draw: st.DrawFn) -> WindowKeys:
    """The same columns after some went, and others came or have another key."""
    dead = sorted(draw(st.sets(st.integers(0, len(BASE[0]) - 1))))
    refs, _ = later = columns_of(sorted(draw(st.sets(CUSTOMERS))))
    rows = np.flatnonzero(np.isin(BASE[0], refs)).tolist()
    if draw(st.booleans()):  # they have another key now
        later = refs, columns_of([int(ref) + 100 for ref in refs])[1]
    return WindowKeys(*BASE, later=later, dead=np.array(sorted({*dead, *rows}), np.int64))


@pytest.mark.requirement("R-45")
@given(st.lists(changed(), min_size=1, max_size=4))
def test_a_table_that_is_made_from_the_one_before_is_the_table_that_is_made_anew(
    several: list[WindowKeys],
) -> None:
    table: SlotTable | None = None
    dead = np.empty(0, np.int64)
    for each in (WindowKeys(*BASE), *several):
        dead = np.union1d(dead, each.dead)  # nobody comes back to their old row
        window = WindowKeys(*BASE, later=(each.later_refs, each.later_keys), dead=dead)
        ring = KeyRing({WINDOW: window})
        table = build_table(SLOT, ring, table)
        anew = build_table(SLOT, ring)
        assert list(table.eids) == list(anew.eids)
        assert [table.find(eid.to_bytes(8, "big")) for eid in anew.eids] == [
            anew.find(eid.to_bytes(8, "big")) for eid in anew.eids
        ]
        assert len(table) == len(window)


def test_a_table_of_other_columns_or_another_slot_is_of_no_use_for_a_new_one() -> None:
    former = build_table(SLOT, KeyRing({WINDOW: WindowKeys(*BASE)}))
    other = KeyRing({WINDOW: WindowKeys(*columns_of([1, 3]))})
    assert len(build_table(SLOT, other, former)) == 2
    assert len(build_table(SLOT, KeyRing({WINDOW: WindowKeys(*BASE)}), former)) == len(BASE[0])


def test_a_row_without_a_key_is_nobody() -> None:
    refs, keys = columns_of([1, 2, 3])
    keys[1] = 0
    table = build_table(SLOT, KeyRing({WINDOW: WindowKeys(refs, keys)}))
    assert len(table) == 2
    assert table.find(ephemeral_identifier(bytes(16), SLOT)) is None
