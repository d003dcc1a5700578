"""From an advertisement to a subject: only in its slot, and only where one subject claims it."""

import numpy as np
import pytest

from presence.core.recognition.advertisement import Advertisement
from presence.core.recognition.identifiers import (
    SLOT_S,
    WINDOW_S,
    WindowKey,
    slot_at,
    slots_to_accept,
    window_at,
)
from presence.core.recognition.key_ring import KeyRing, WindowKeys
from presence.core.recognition.matcher import Matcher, Nobody
from presence.core.recognition.prefix_search import PrefixSearch
from presence.core.recognition.slot_table import SlotTable, build_table
from presence.core.timestamps import Moment
from presence.simulation.identity_keys import window_key
from scripts.stores.customers import identity_key
from tests.support.builders import (
    ANNA,
    BERIT,
    START_S,
    advertisement,
    identifier_of,
    stranger,
    window_keys,
)

SLOT_START_S = float(START_S // SLOT_S * SLOT_S) + SLOT_S
"""A boundary inside the window."""
WINDOW_START_S = float((window_at(START_S) + 1) * WINDOW_S)


def at(utc_s: float) -> Moment:
    return Moment(utc_s - START_S + 5000, utc_s)


def a_matcher(*keys: WindowKey, utc_s: float = START_S) -> Matcher:
    matcher = Matcher()
    matcher.change_keys(KeyRing.from_keys(keys or window_keys(ANNA)))
    matcher.complete(utc_s)
    return matcher


def whose(matcher: Matcher, advertisement: Advertisement) -> bytes | Nobody:
    match = matcher.match(advertisement)
    return match if isinstance(match, Nobody) else match.ref


def heard(at_s: float, *, sent_s: float, ref: bytes = ANNA) -> Advertisement:
    """The identifier of one time, heard at another."""
    return advertisement(at=at(at_s), identifier=identifier_of(ref, sent_s))


def table_of(slot: int, identifier: bytes, ref: bytes) -> SlotTable:
    """A table with one identifier in it."""
    eids = np.array([int.from_bytes(identifier, "big")], np.uint64)
    refs = np.array([int.from_bytes(ref, "big")], np.uint64)
    window = WindowKeys(refs, np.ones((1, 16), np.uint8))
    return SlotTable(slot, PrefixSearch(eids), np.zeros(1, np.uint32), window)


def test_an_identifier_in_its_slot_belongs_to_its_subject() -> None:
    middle = SLOT_START_S + 500

    assert (
        whose(
            a_matcher(*window_keys(ANNA), *window_keys(BERIT), utc_s=middle),
            heard(middle, sent_s=middle, ref=BERIT),
        )
        == BERIT
    )


@pytest.mark.requirement("T-01")
@pytest.mark.parametrize(
    ("heard_s", "sent_slot", "known"),
    [
        (0.0, -1, True),
        (119.999, -1, True),
        (120.0, -1, False),
        (500.0, -1, False),
        (903.999, -1, False),
        (903.999, 1, False),
        (904.0, 1, True),
        (1023.999, 1, True),
        (500.0, 1, False),
        (10.0, 1, False),
        (1020.0, -1, False),
        (10.0, -2, False),
        (1020.0, 2, False),
    ],
)
def test_a_neighbouring_slot_counts_within_120_s_of_the_boundary_and_no_longer(
    heard_s: float, sent_slot: int, known: bool
) -> None:
    sent_s = SLOT_START_S + sent_slot * SLOT_S + 500

    found = whose(
        a_matcher(utc_s=SLOT_START_S + heard_s), heard(SLOT_START_S + heard_s, sent_s=sent_s)
    )

    assert found == (ANNA if known else Nobody.UNKNOWN)


@pytest.mark.requirement("T-01")
def test_a_recording_of_yesterday_belongs_to_nobody() -> None:
    assert whose(a_matcher(), heard(START_S, sent_s=START_S - 86_400)) is Nobody.UNKNOWN


def test_a_window_rolls_over_without_a_gap() -> None:
    matcher = a_matcher(utc_s=WINDOW_START_S - 300)
    for second in range(-300, 301, 10):
        now_s = WINDOW_START_S + second
        if second % 30 == 0:
            matcher.complete(now_s)
        assert whose(matcher, heard(now_s, sent_s=now_s)) == ANNA, second


def test_time_that_nobody_announced_makes_no_gap_either() -> None:
    """A laptop that slept: time is told, and the tables of the present are there."""
    matcher = a_matcher()
    later = START_S + 5 * SLOT_S
    matcher.complete(later)

    assert whose(matcher, heard(later, sent_s=later)) == ANNA


@pytest.mark.requirement("T-13")
def test_without_a_key_for_the_window_the_gateway_is_blind() -> None:
    key, _ = window_keys(ANNA)
    matcher = a_matcher(key)

    assert (
        whose(matcher, heard(WINDOW_START_S + 200, sent_s=WINDOW_START_S + 200)) is Nobody.UNKNOWN
    )


@pytest.mark.requirement("T-19")
def test_an_identifier_that_two_subjects_claim_is_ambiguous() -> None:
    key, _ = window_keys(ANNA)
    matcher = a_matcher(key, key._replace(ref=BERIT))

    assert whose(matcher, heard(START_S, sent_s=START_S)) is Nobody.AMBIGUOUS


def test_the_same_identifier_in_neighbouring_slots_for_two_subjects_is_ambiguous() -> None:
    """Near a boundary two slots count: an identifier of one subject's old slot and another's new
    one is nobody's.
    """
    slot, claimed = slot_at(SLOT_START_S), b"8 bytes!"
    matcher = a_matcher(utc_s=SLOT_START_S)
    _, ring = matcher.wanted(SLOT_START_S)
    for number, ref in (
        (slot - 1, ANNA),
        (slot, BERIT),
    ):  # no such pair of keys is found in a lifetime: laid by hand
        matcher.install(table_of(number, claimed, ref), ring)

    assert (
        whose(matcher, advertisement(at=at(SLOT_START_S + 10), identifier=claimed))
        is Nobody.AMBIGUOUS
    )
    assert whose(matcher, advertisement(at=at(SLOT_START_S + 500), identifier=claimed)) == BERIT


def test_a_subject_taken_off_the_list_is_unknown_at_once() -> None:
    matcher = a_matcher()
    assert whose(matcher, heard(START_S, sent_s=START_S)) == ANNA

    matcher.change_keys(KeyRing.from_keys(window_keys(BERIT)))
    matcher.complete(START_S)

    assert whose(matcher, heard(START_S, sent_s=START_S)) is Nobody.UNKNOWN


@pytest.mark.requirement("R-01")
def test_what_is_not_of_our_format_belongs_to_nobody() -> None:
    matcher = a_matcher()

    assert {whose(matcher, stranger(number)) for number in range(50)} == {Nobody.OTHER_FORMAT}


def test_an_identifier_of_no_one_on_the_list_is_unknown() -> None:
    assert whose(a_matcher(), heard(START_S, sent_s=START_S, ref=BERIT)) is Nobody.UNKNOWN


def test_a_clock_set_back_by_days_is_followed() -> None:
    matcher = a_matcher()
    earlier = START_S - 3 * 86_400
    key = WindowKey(ANNA, window_at(earlier), window_key(identity_key(ANNA), earlier))
    matcher.change_keys(KeyRing.from_keys([key]))

    matcher.complete(earlier)

    assert whose(matcher, heard(earlier, sent_s=earlier)) == ANNA


# ---------------------------------------------------------------- tables built beside the event
# loop


@pytest.mark.requirement("R-45")
@pytest.mark.parametrize(
    ("into_slot_s", "offsets"),
    [(0, [0, -1]), (119, [0, -1]), (120, [0]), (511, [0]), (512, [0, 1]), (1023, [0, 1])],
)
def test_of_this_slot_and_the_last_or_next_tables_are_wanted_in_time_and_never_of_three(
    into_slot_s: int, offsets: list[int]
) -> None:
    slot, now_s = slot_at(SLOT_START_S), SLOT_START_S + into_slot_s
    assert Matcher().wanted(now_s)[0] == [slot + offset for offset in offsets]
    matcher = a_matcher(utc_s=now_s)
    assert matcher.wanted(now_s)[0] == []
    assert set(slots_to_accept(now_s)) <= {slot + offset for offset in offsets}


def test_a_table_that_was_built_ahead_serves_when_its_slot_begins() -> None:
    matcher = a_matcher(utc_s=SLOT_START_S - 500)
    matcher.advance(SLOT_START_S + 1)
    assert matcher.wanted(SLOT_START_S + 1)[0] == []
    matcher.advance(SLOT_START_S + 200)
    assert matcher.wanted(SLOT_START_S + 200)[0] == []
    assert whose(matcher, heard(SLOT_START_S + 1, sent_s=SLOT_START_S + 1)) == ANNA


def test_until_the_tables_of_a_new_list_are_there_the_old_ones_serve() -> None:
    matcher = a_matcher(*window_keys(ANNA))
    matcher.change_keys(KeyRing.from_keys((*window_keys(ANNA), *window_keys(BERIT))))
    matcher.advance(START_S)

    assert whose(matcher, heard(START_S, sent_s=START_S)) == ANNA
    assert whose(matcher, heard(START_S, sent_s=START_S, ref=BERIT)) is Nobody.UNKNOWN

    matcher.complete(START_S)

    assert whose(matcher, heard(START_S, sent_s=START_S, ref=BERIT)) == BERIT


def test_the_key_of_an_identifier_is_found_whether_or_not_its_table_is_of_the_present_keys() -> (
    None
):
    matcher = a_matcher(*window_keys(BERIT), *window_keys(ANNA))
    slot, eid = slot_at(START_S), identifier_of(ANNA, START_S)
    key = window_key(identity_key(ANNA), START_S)
    assert matcher.window_key(ANNA, slot, eid) == key

    matcher.change_keys(KeyRing.from_keys((*window_keys(ANNA), *window_keys(BERIT))))
    assert matcher.window_key(ANNA, slot, eid) == key

    matcher.change_keys(KeyRing.from_keys(window_keys(BERIT)))
    assert matcher.window_key(ANNA, slot, eid) is None


def test_a_table_built_from_keys_that_were_replaced_meanwhile_is_dropped() -> None:
    matcher = a_matcher()
    _, old = matcher.wanted(START_S)
    table = build_table(slot_at(START_S), old)
    matcher.change_keys(KeyRing())
    matcher.install(table, old)

    assert slot_at(START_S) in matcher.wanted(START_S)[0]


@pytest.mark.requirement("T-13", "R-12")
def test_keys_of_a_window_that_is_over_are_overwritten() -> None:
    matcher = a_matcher()
    _, ring = matcher.wanted(START_S)
    keys = ring.window(window_at(START_S)).keys
    assert keys.any()

    matcher.advance(WINDOW_START_S + 2 * SLOT_S)

    assert not keys.any()


def test_a_clock_that_jumps_ahead_for_a_moment_erases_no_key() -> None:
    matcher = a_matcher()
    matcher.complete(START_S + 3 * 86_400)
    matcher.complete(START_S)

    assert whose(matcher, heard(START_S, sent_s=START_S)) == ANNA
