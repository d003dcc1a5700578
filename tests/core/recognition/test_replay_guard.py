"""Phones change their address one after another; to and fro is a replay, and counts for nobody."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.core.recognition.replay_guard import MAX_ADDRESSES, OVERLAP_S, ReplayGuard
from tests.support.builders import ANNA, BERIT

SLOT = 1_753_362
LETTERS = {letter: letter.encode() * 6 for letter in "ABCDEFGHXYZ"}


def held_back(
    sightings: str, *, every_s: float = 1.0, ref: bytes = ANNA, into: ReplayGuard | None = None
) -> str:
    """One letter a sighting, its address; `|` begins the next slot, `<` goes back one. `!` where
    held back.
    """
    guard = ReplayGuard() if into is None else into
    slot, now_s, answers = SLOT, 0.0, ""
    for letter in sightings:
        if letter in "|<":
            slot += 1 if letter == "|" else -1
            answers += letter
            continue
        now_s += every_s
        answers += "!" if guard.is_replayed(ref, slot, LETTERS[letter], now_s) else "."
    return answers


@pytest.mark.parametrize(
    "sightings", ["AAAA", "AAABBB", "ABCD", "AAAA|BBBB|CCCC", "AAA|AAA", "ABCD|EFGH"]
)
def test_addresses_one_after_another_are_a_phone(sightings: str) -> None:
    assert "!" not in held_back(sightings, every_s=60)


@pytest.mark.requirement("T-01")
@pytest.mark.parametrize(
    ("sightings", "answers"),
    [
        ("AAXAXA", "...!!!"),
        ("AXA", "..!"),
        ("AXAYAZ", "..!!!!"),
        ("AAABBBA", "......!"),
        ("XXXAXX", "....!!"),
        ("ABCDE", "....!"),
        ("AXA|BBB", "..!|..."),
        ("AXA|BXB", "..!|..!"),
    ],
)
def test_to_and_fro_is_held_back_until_the_slot_is_over(sightings: str, answers: str) -> None:
    assert held_back(sightings, every_s=60) == answers


@pytest.mark.requirement("T-01")
def test_the_identifier_of_a_slot_that_was_left_is_held_back_with_its_successor() -> None:
    """A recording of the old slot, played within the 120 s in which it still counts."""
    assert held_back("AA|BB<X|BB", every_s=20) == "..|..<!|!!"


def test_a_change_that_two_radios_report_out_of_order_is_no_replay() -> None:
    assert held_back("AABABAB", every_s=0.3) == "......."
    assert held_back("AA|B<A|B<A|B", every_s=0.3) == "..|.<.|.<.|."


def test_out_of_order_lasts_for_seconds_not_longer() -> None:
    guard = ReplayGuard()
    assert held_back("AB", into=guard) == ".."

    assert not guard.is_replayed(ANNA, SLOT, LETTERS["A"], 2 + OVERLAP_S)
    assert guard.is_replayed(ANNA, SLOT, LETTERS["A"], 2.1 + OVERLAP_S)


def test_an_identifier_of_the_slot_before_may_come_as_late_as_an_address_and_no_later() -> None:
    guard = ReplayGuard()
    assert not guard.is_replayed(ANNA, SLOT + 1, LETTERS["B"], 5000)

    assert not guard.is_replayed(ANNA, SLOT, LETTERS["A"], 5000 + OVERLAP_S)
    assert guard.is_replayed(ANNA, SLOT, LETTERS["A"], 5000.1 + OVERLAP_S)


def test_one_subject_s_replay_is_not_another_s() -> None:
    guard = ReplayGuard()
    assert held_back("AXA", every_s=10, into=guard) == "..!"

    assert held_back("BBB", every_s=10, ref=BERIT, into=guard) == "..."


@pytest.mark.requirement("T-04")
def test_a_flood_under_new_addresses_holds_no_more_than_the_first_few() -> None:
    guard = ReplayGuard()
    tracemalloc.start()
    answers = [
        guard.is_replayed(ANNA, SLOT, n.to_bytes(6, "big"), n * 0.001) for n in range(50_000)
    ]
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert answers.count(False) == MAX_ADDRESSES
    assert len(guard) == 1
    del answers
    assert held < 1_000_000  # the list of answers is most of it


@pytest.mark.requirement("T-04")
def test_recorded_identifiers_by_the_thousand_push_nobody_out() -> None:
    guard = ReplayGuard(max_subjects=100)
    assert not guard.is_replayed(ANNA, SLOT, LETTERS["A"], 0)

    answers = [guard.is_replayed(n.to_bytes(8, "big"), SLOT, LETTERS["X"], 1) for n in range(500)]

    assert answers.count(False) == 99
    assert len(guard) == 100
    assert not guard.is_replayed(ANNA, SLOT, LETTERS["A"], 2)


def test_what_was_heard_two_slots_ago_is_forgotten() -> None:
    guard = ReplayGuard()
    held_back("AXA", every_s=10, into=guard)

    guard.advance(SLOT + 1)
    assert len(guard) == 1
    guard.advance(SLOT + 2)
    assert len(guard) == 0


@pytest.mark.requirement("T-12")
def test_a_clock_set_back_leaves_nobody_suspect_for_days() -> None:
    guard = ReplayGuard()
    held_back("AAA", into=guard)

    guard.advance(SLOT - 100)

    assert not guard.is_replayed(ANNA, SLOT - 100, LETTERS["B"], 10)


@pytest.mark.requirement("T-12")
def test_what_was_heard_in_the_next_slot_counts_where_a_clock_was_set_back_and_no_later_one() -> (
    None
):
    guard = ReplayGuard()
    held_back("AAA", into=guard)

    guard.advance(SLOT - 1)
    assert len(guard) == 1
    guard.advance(SLOT - 2)
    assert len(guard) == 0


@pytest.mark.requirement("R-12")
def test_nothing_is_held_of_a_subject_whose_consent_ended() -> None:
    guard = ReplayGuard()
    held_back("AAA", into=guard)
    held_back("AAA", ref=BERIT, into=guard)

    guard.forget(ANNA)

    assert guard.refs() == {BERIT}


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.sampled_from("ABCDEFGHX"), st.floats(0, 100)), max_size=60
    )
)
def test_once_held_back_a_slot_stays_held_back(heard: list[tuple[int, str, float]]) -> None:
    """And no slot lets more addresses through than a phone uses."""
    guard = ReplayGuard()
    now_s, newest, suspect = 0.0, 0, False
    passed: dict[int, set[str]] = {}
    for slot, letter, pause_s in heard:
        now_s += pause_s
        if slot > newest:
            newest, suspect = slot, False
        held = guard.is_replayed(ANNA, SLOT + slot, LETTERS[letter], now_s)
        assert held or not suspect
        suspect = suspect or held
        if not held and slot == newest:
            passed.setdefault(slot, set()).add(letter)
    assert all(len(letters) <= MAX_ADDRESSES for letters in passed.values())
