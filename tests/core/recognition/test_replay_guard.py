"""Phones change their address one after another, and fade as radio does; to and fro, jumping or
with an old tick it is a replay, and counts for nobody.
"""

import tracemalloc
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.core.recognition import ticks
from presence.core.recognition.advertisement import Advertisement
from presence.core.recognition.doubt import Doubt
from presence.core.recognition.identifiers import SLOT_S, ephemeral_identifier, slot_at
from presence.core.recognition.replay_guard import (
    APART_S,
    MAX_ADDRESSES,
    OVERLAP_S,
    SUSPECT_S,
    ReplayGuard,
)
from presence.core.timestamps import Moment
from tests.support.builders import ANNA, BERIT

SLOT = 1_753_362
SLOT_START_S = float(SLOT * SLOT_S)
LETTERS = {letter: letter.encode() * 6 for letter in "ABCDEFGHXYZ"}
KEY = bytes(range(16))


def heard(
    now_s: float, letter: str = "A", *, rssi_dbm: int | None = -60, antenna: str = ""
) -> Advertisement:
    """Seconds into SLOT, on both clocks."""
    return Advertisement(
        Moment(now_s, SLOT_START_S + now_s),
        LETTERS.get(letter, b""),
        rssi_dbm,
        antenna=antenna,
    )


def is_held_back(guard: ReplayGuard, now_s: float, letter: str = "A", slot: int = SLOT) -> bool:
    return guard.doubt(ANNA, slot, None, heard(now_s, letter)) is not None


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
        doubt = guard.doubt(ref, slot, None, heard(now_s, letter))
        answers += "." if doubt is None else "!"
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
def test_to_and_fro_is_held_back(sightings: str, answers: str) -> None:
    assert held_back(sightings, every_s=40) == answers


@pytest.mark.requirement("T-01")
def test_what_is_suspect_counts_again_after_a_minute_without_a_sign() -> None:
    guard = ReplayGuard()
    assert held_back("AXA", every_s=10, into=guard) == "..!"

    assert is_held_back(guard, 29.9 + SUSPECT_S)
    assert not is_held_back(guard, 30 + SUSPECT_S)


@pytest.mark.requirement("T-01")
def test_who_wants_to_keep_somebody_suspect_must_go_on_sending() -> None:
    guard = ReplayGuard()
    held_back("AXA", every_s=10, into=guard)

    assert is_held_back(guard, 80, "X")
    assert is_held_back(guard, 84)
    assert is_held_back(guard, 83.9 + SUSPECT_S)
    assert not is_held_back(guard, 84 + SUSPECT_S)


@pytest.mark.requirement("T-01")
def test_the_identifier_of_a_slot_that_was_left_is_held_back_with_its_successor() -> None:
    """A recording of the old slot, played within the 120 s in which it still counts."""
    assert held_back("AA|BB<X|BB", every_s=20) == "..|..<!|!!"


@pytest.mark.requirement("T-01")
def test_within_the_overlap_of_a_change_that_is_disputed_neither_address_counts() -> None:
    """Two antennas may report it out of order; after it the newer one counts."""
    guard = ReplayGuard()
    assert held_back("AABABAB", every_s=0.3, into=guard) == "...!!!!"

    assert is_held_back(guard, 0.9 + OVERLAP_S - 0.1, "B")
    assert not is_held_back(guard, 1 + OVERLAP_S, "B")


@pytest.mark.requirement("T-01")
def test_the_old_address_after_the_overlap_is_to_and_fro() -> None:
    guard = ReplayGuard()
    assert held_back("AB", into=guard) == ".."

    assert is_held_back(guard, 2.1 + OVERLAP_S)
    assert is_held_back(guard, 2 + OVERLAP_S + SUSPECT_S)


@pytest.mark.requirement("T-01")
def test_a_new_address_every_few_seconds_is_no_phone() -> None:
    """Else a recording would stay inside the overlap for ever."""
    guard = ReplayGuard()
    held_back("AAX", into=guard)

    assert not is_held_back(guard, 2.9 + APART_S, "X")
    assert not is_held_back(guard, 3 + APART_S, "Y")
    assert is_held_back(guard, 2.9 + 2 * APART_S, "Z")


def test_an_identifier_of_the_slot_before_may_come_as_late_as_an_address_and_no_later() -> None:
    guard = ReplayGuard()
    assert not is_held_back(guard, 5000, "B", SLOT + 1)

    assert not is_held_back(guard, 5000 + OVERLAP_S, "A")
    assert is_held_back(guard, 5000.1 + OVERLAP_S, "A")


def test_one_subject_s_replay_is_not_another_s() -> None:
    guard = ReplayGuard()
    assert held_back("AXA", every_s=10, into=guard) == "..!"

    assert held_back("BBB", every_s=10, ref=BERIT, into=guard) == "..."


@pytest.mark.requirement("T-04")
def test_a_flood_under_new_addresses_holds_no_more_than_the_first_few() -> None:
    guard = ReplayGuard()
    tracemalloc.start()
    answers = [
        guard.doubt(ANNA, SLOT, None, heard(n * 0.001)._replace(address=n.to_bytes(6, "big")))
        for n in range(50_000)
    ]
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert answers.count(None) == 2
    assert len(guard) == 1
    del answers
    assert held < 1_000_000  # the list of answers is most of it


@pytest.mark.requirement("T-04")
def test_recorded_identifiers_by_the_thousand_push_nobody_out() -> None:
    guard = ReplayGuard(max_subjects=100)
    assert not is_held_back(guard, 0)

    answers = [guard.doubt(n.to_bytes(8, "big"), SLOT, None, heard(1, "X")) for n in range(500)]

    assert answers.count(None) == 99
    assert answers.count(Doubt.CROWDED) == 401
    assert len(guard) == 100
    assert not is_held_back(guard, 2)


def test_what_was_heard_two_slots_ago_is_forgotten() -> None:
    guard = ReplayGuard()
    held_back("AXA", every_s=10, into=guard)

    guard.advance(SLOT + 1)
    assert len(guard) == 1
    guard.advance(SLOT + 2)
    assert len(guard) == 0
    assert guard.take_suspects() == {}


@pytest.mark.requirement("T-12")
def test_a_clock_set_back_leaves_nobody_suspect_for_days() -> None:
    guard = ReplayGuard()
    held_back("AAA", into=guard)

    guard.advance(SLOT - 100)

    assert not is_held_back(guard, 10, "B", SLOT - 100)


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
def test_no_slot_lets_more_addresses_through_than_a_phone_uses_between_two_signs(
    sightings: list[tuple[int, str, float]],
) -> None:
    guard = ReplayGuard()
    now_s, newest = 0.0, 0
    passed: set[str] = set()
    for slot, letter, pause_s in sightings:
        now_s += pause_s
        if slot > newest:
            newest, passed = slot, set()
        if guard.doubt(ANNA, SLOT + slot, None, heard(now_s, letter)) is not None:
            passed = set()
        elif slot == newest:
            passed.add(letter)
        assert len(passed) <= MAX_ADDRESSES


# ---------------------------------------------------------------- strengths


def doubts_of(
    packets: list[tuple[float, int]], guard: ReplayGuard | None = None
) -> list[Doubt | None]:
    """Times and strengths of what is heard under one address at one antenna."""
    guard = ReplayGuard() if guard is None else guard
    return [
        guard.doubt(ANNA, SLOT, None, heard(at_s, rssi_dbm=rssi_dbm))
        for at_s, rssi_dbm in sorted(packets)
    ]


def a_phone(
    rssi_dbm: float, *, per_s: float = 4, seconds: float = 60, seed: int = 1
) -> list[tuple[float, int]]:
    chance = Random(seed)
    return [
        (n / per_s + chance.uniform(0, 0.01), round(chance.gauss(rssi_dbm, 3.9)))
        for n in range(int(seconds * per_s))
    ]


@pytest.mark.requirement("T-01")
@pytest.mark.parametrize("per_s", [1, 4, 10])
def test_a_phone_that_fades_is_not_suspect(per_s: float) -> None:
    for seed in range(20):
        assert set(doubts_of(a_phone(-80, per_s=per_s, seed=seed, seconds=120))) == {None}


@pytest.mark.requirement("T-01")
def test_one_phone_outside_and_a_recording_inside_under_its_address_jump() -> None:
    doubts = doubts_of([*a_phone(-90), *a_phone(-65, per_s=10, seed=2)])

    assert doubts.index(Doubt.STRENGTHS) < 30
    assert None not in doubts[doubts.index(Doubt.STRENGTHS) :]


@pytest.mark.requirement("T-01")
def test_a_slow_phone_beside_a_fast_recording_swings_too() -> None:
    """Each of its packets is a hole between ten of the recording."""
    doubts = doubts_of([*a_phone(-85, per_s=1), *a_phone(-60, per_s=10, seed=2)])

    assert doubts.index(Doubt.STRENGTHS) < 80
    assert None not in doubts[doubts.index(Doubt.STRENGTHS) :]


@pytest.mark.requirement("T-01")
def test_a_swing_is_two_wide_steps_one_after_the_other() -> None:
    hole, slow = (-60, -76), (-60, -76, -76, -60)
    for strengths, swings in ((hole, True), (slow, False)):
        packets = [(n * 0.2, strengths[n % len(strengths)]) for n in range(16)]
        assert (Doubt.STRENGTHS in doubts_of(packets)) == swings


def test_a_deep_fade_every_few_seconds_is_no_sign() -> None:
    assert set(doubts_of([(n * 0.25, -60 if n % 16 else -78) for n in range(400)])) == {None}


@pytest.mark.requirement("T-01")
def test_a_swing_over_the_end_of_a_burst_is_one() -> None:
    guard = ReplayGuard()
    doubts_of([(n * 0.2, -60) for n in range(61)], guard)
    swinging = [(12.2 + n * 0.2, -60 - 20 * (n % 2)) for n in range(9)]

    assert Doubt.STRENGTHS in doubts_of(swinging, guard)


def test_strengths_at_two_antennas_are_not_compared() -> None:
    guard = ReplayGuard()
    for n in range(60):
        inside = heard(n * 0.1, rssi_dbm=-50, antenna="inside")
        outside = heard(n * 0.1, rssi_dbm=-90, antenna="outside")
        assert guard.doubt(ANNA, SLOT, None, inside) is None
        assert guard.doubt(ANNA, SLOT, None, outside) is None


def test_somebody_who_walks_up_to_the_antenna_is_not_suspect() -> None:
    assert set(doubts_of([(n * 0.25, -95 + n) for n in range(45)])) == {None}


def test_an_advertisement_without_a_strength_says_nothing_of_strengths() -> None:
    guard = ReplayGuard()
    for n in range(60):
        assert guard.doubt(ANNA, SLOT, None, heard(n * 0.1, rssi_dbm=None)) is None


def test_what_is_heard_seconds_apart_may_differ() -> None:
    assert set(doubts_of([(n * 1.3, -50 - 40 * (n % 2)) for n in range(60)])) == {None}


@pytest.mark.requirement("T-01")
def test_more_packets_than_a_phone_sends_are_suspect() -> None:
    doubts = doubts_of([*a_phone(-70, per_s=10), *a_phone(-70, per_s=14, seed=2)])

    assert Doubt.RATE in doubts[:130]
    assert None not in doubts[doubts.index(Doubt.RATE) :]


def test_a_stall_of_a_second_makes_no_fast_phone_suspect() -> None:
    """What waited is stamped when it is taken."""
    stalled = [(10.0 if 9.0 <= n / 10 < 10.0 else n / 10, -70) for n in range(300)]

    assert set(doubts_of(stalled)) == {None}


# ---------------------------------------------------------------- ticks


def sealed_at(at_s: float) -> bytes:
    """EID and seal as Anna's phone sends them."""
    utc_s = SLOT_START_S + at_s
    return ephemeral_identifier(KEY, slot_at(utc_s)) + ticks.seal_at(KEY, utc_s)


def guard_of_ticks() -> ReplayGuard:
    return ReplayGuard(lambda ref, _slot, _eid: KEY if ref == ANNA else None)


def ticked(
    guard: ReplayGuard, now_s: float, letter: str = "A", *, recorded_s: float | None = None
) -> Doubt | None:
    """A frame of this moment, or one that was recorded earlier."""
    sealed = sealed_at(now_s if recorded_s is None else recorded_s)
    slot = slot_at(SLOT_START_S + (now_s if recorded_s is None else recorded_s))
    return guard.doubt(ANNA, slot, sealed, heard(now_s, letter))


@pytest.mark.requirement("T-01")
def test_a_phone_that_sends_ticks_is_heard_through_a_whole_day_of_slots() -> None:
    guard = guard_of_ticks()
    for n in range(3 * SLOT_S // 4):
        guard.advance(slot_at(SLOT_START_S + 4 * n))
        assert ticked(guard, 4 * n, "ABC"[4 * n // SLOT_S]) is None


@pytest.mark.requirement("T-01")
@pytest.mark.parametrize("letter", ["A", "X"])
def test_a_recording_with_a_tick_is_worth_nothing_and_disturbs_nobody(letter: str) -> None:
    guard = guard_of_ticks()
    for now_s in range(100, 400):
        assert ticked(guard, now_s) is None
        assert ticked(guard, now_s + 0.5, letter, recorded_s=now_s - 33) is Doubt.OLD_TICK


@pytest.mark.requirement("T-01")
def test_a_recording_ends_with_the_first_frame_of_a_later_tick() -> None:
    guard = guard_of_ticks()
    assert ticked(guard, 15) is None
    assert ticked(guard, 15.5, recorded_s=10) is None

    assert ticked(guard, 16) is None
    assert ticked(guard, 16.5, recorded_s=10) is Doubt.OLD_TICK


@pytest.mark.requirement("T-01")
def test_a_tick_of_the_slot_before_is_old_once_the_new_slot_was_heard_and_disturbs_nobody() -> None:
    guard = guard_of_ticks()
    assert ticked(guard, 1023) is None
    assert ticked(guard, 1024, "B") is None

    assert ticked(guard, 1030, "X", recorded_s=1023) is Doubt.OLD_TICK
    assert ticked(guard, 1031, "B") is None


@pytest.mark.requirement("T-01")
def test_a_forged_seal_counts_for_nothing_and_disturbs_nobody() -> None:
    guard = guard_of_ticks()
    assert ticked(guard, 100) is None
    forged = sealed_at(100)[:-1] + b"\0"

    assert guard.doubt(ANNA, SLOT, forged, heard(101, "X")) is Doubt.FORGED_TICK
    assert guard.doubt(BERIT, SLOT, sealed_at(100), heard(101)) is Doubt.FORGED_TICK
    assert ticked(guard, 102) is None


@pytest.mark.requirement("T-01")
def test_a_frame_that_was_stripped_of_its_tick_counts_for_nothing_and_disturbs_nobody() -> None:
    guard = guard_of_ticks()
    assert ticked(guard, 100) is None

    assert guard.doubt(ANNA, SLOT, None, heard(101, "X")) is Doubt.NO_TICK
    assert guard.doubt(ANNA, SLOT + 1, None, heard(1030, "X")) is Doubt.NO_TICK
    assert ticked(guard, 1031) is None


@pytest.mark.requirement("T-01")
def test_the_first_good_seal_ends_what_frames_without_one_made_suspect() -> None:
    guard = guard_of_ticks()
    held_back("AXAXAX", every_s=10, into=guard)

    assert ticked(guard, 61) is None


@pytest.mark.requirement("T-02")
def test_a_relay_within_the_tick_is_to_and_fro_like_any_other() -> None:
    guard = guard_of_ticks()
    assert [ticked(guard, 100 + 4 * n, "AX"[n % 2]) for n in range(4)] == [
        None,
        None,
        Doubt.ADDRESSES,
        Doubt.ADDRESSES,
    ]


@pytest.mark.requirement("R-12")
def test_nothing_is_held_of_a_subject_whose_seal_was_looked_at() -> None:
    guard = guard_of_ticks()
    forged = sealed_at(100)[:-1] + b"\0"
    guard.doubt(ANNA, SLOT, forged, heard(100))
    assert ANNA in guard

    guard.forget(ANNA)

    assert (ANNA in guard, len(guard)) == (False, 0)


def test_a_satellite_says_no_address_and_its_readings_are_no_to_and_fro() -> None:
    assert held_back("A-A-A-A-", every_s=5) == "........"
    assert held_back("--A-B--B", every_s=20) == "........"
