"""From walks to a threshold, and how sure that is."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.config.settings import EntrySettings
from presence.core.place import Place
from presence.core.visit.calibration import (
    LOWEST_DBM,
    STEP_DB,
    Candidate,
    assess,
    candidate_of,
    counted_at_most,
    critical_db,
    entered_after_s,
    smoothed_over,
    suggest,
    suggest_exit,
)
from presence.core.visit.walks import Trial, Walked, WalkReading
from tests.support.examples import examples


def rule_at(dbm: float, **changes: float) -> EntrySettings:
    return replace(EntrySettings(), enter_rssi_dbm=dbm, exit_rssi_dbm=dbm - 8, **changes)


def candidate(**changes: float) -> Candidate:
    return candidate_of(lambda dbm: rule_at(dbm, **changes))


def walk(kind: Walked, rssi_dbm: int, *, seconds: float = 20, wobble: int = 2) -> Trial:
    """Four readings a second around a strength."""
    readings = tuple(
        WalkReading(100 + n / 4, rssi_dbm + (n * 7 % (2 * wobble + 1)) - wobble)
        for n in range(int(seconds * 4))
    )
    return Trial(kind, 100.0, readings)


def walks(outside_dbm: int, inside_dbm: int, *, rounds: int = 3) -> list[Trial]:
    return [
        trial
        for n in range(rounds)
        for trial in (
            walk(Walked.WINDOW, outside_dbm + n % 2),
            walk(Walked.PAST, outside_dbm - n % 3, seconds=12),
            walk(Walked.LOOKIN, outside_dbm - n % 2, seconds=12),
            walk(Walked.IN, inside_dbm - n % 2),
        )
    ]


def test_a_walk_that_nobody_heard_is_found_at_no_threshold() -> None:
    silent = Trial(Walked.PAST, 100.0, ())
    assert critical_db(candidate(), silent) == LOWEST_DBM
    assert entered_after_s(rule_at(LOWEST_DBM), silent) is None


@given(st.lists(st.integers(-95, -50), min_size=20, max_size=60))
@examples(30)
def test_the_critical_threshold_is_the_highest_that_still_finds_the_walk(levels: list[int]) -> None:
    trial = Trial(
        Walked.IN, 0.0, tuple(WalkReading(n / 3, level) for n, level in enumerate(levels))
    )
    critical = critical_db(candidate(), trial)
    assert entered_after_s(rule_at(critical), trial) is not None
    assert entered_after_s(rule_at(critical + STEP_DB), trial) is None


@given(st.integers(-15, 15))
@examples(15)
def test_a_stronger_phone_moves_the_critical_threshold_by_as_much(by_db: int) -> None:
    here, there = walk(Walked.IN, -70), walk(Walked.IN, -70 + by_db)
    assert critical_db(candidate(), there) == critical_db(candidate(), here) + by_db


@pytest.mark.parametrize(
    ("wrong", "of", "limit"),
    [(0, 3, 0.6316), (0, 6, 0.3930), (0, 59, 0.0495), (1, 10, 0.3942), (3, 3, 1.0)],
)
def test_the_counted_limit_is_that_of_clopper_and_pearson(
    wrong: int, of: int, limit: float
) -> None:
    assert counted_at_most(wrong, of) == pytest.approx(limit, abs=5e-4)


@pytest.mark.requirement("R-19", "T-25")
def test_the_threshold_lies_between_what_was_heard_outside_and_inside() -> None:
    _, found = suggest([candidate()], walks(-90, -68))
    assert -88 < found.dial_db < -70
    assert all(rate.wrong == 0 and rate.expected < 0.02 for rate in found.rates.values())
    assert len(found.found_after_s) == 3
    assert 3 <= found.median_s <= 8


def test_a_door_where_outside_and_inside_are_alike_is_called_so() -> None:
    _, found = suggest([candidate()], walks(-76, -76))
    assert max(rate.expected for rate in found.rates.values()) > 0.2


@pytest.mark.requirement("R-20")
def test_more_walks_bring_the_limits_down_and_never_below_the_estimate() -> None:
    few = assess(candidate(), -79, walks(-88, -70, rounds=2)).rates
    many = assess(candidate(), -79, walks(-88, -70, rounds=8)).rates
    for kind in Walked:
        assert many[kind].at_most < few[kind].at_most
        assert many[kind].counted_at_most < few[kind].counted_at_most
        for rates in (few, many):
            assert rates[kind].expected < rates[kind].at_most
            assert rates[kind].expected < rates[kind].any_phone < rates[kind].counted_at_most


def test_no_walk_of_a_handful_is_reason_for_certainty() -> None:
    for rate in assess(candidate(), -79, walks(-100, -50, rounds=1)).rates.values():
        assert rate.counted_at_most == pytest.approx(0.95)
        assert rate.any_phone > 0.0005


def test_a_threshold_on_the_wrong_side_counts_its_mistakes() -> None:
    rates = assess(candidate(), -60, walks(-90, -70)).rates
    assert (rates[Walked.IN].wrong, rates[Walked.PAST].wrong, rates[Walked.WINDOW].wrong) == (
        3,
        0,
        0,
    )
    rates = assess(candidate(), -100, walks(-90, -70)).rates
    assert (rates[Walked.IN].wrong, rates[Walked.PAST].wrong, rates[Walked.WINDOW].wrong) == (
        0,
        3,
        3,
    )


def test_of_two_rules_that_err_alike_the_quicker_is_taken() -> None:
    slow, quick = candidate(evidence_db_s=80), candidate(evidence_db_s=20)
    chosen, found = suggest([slow, quick], walks(-95, -60))
    assert chosen is quick
    assert found.median_s < 4


def test_no_dial_below_the_least_is_taken_however_well_the_walks_went() -> None:
    _, free = suggest([candidate()], walks(-90, -68))
    _, bound = suggest([candidate()], walks(-90, -68), least_db=free.dial_db + 4)
    assert bound.dial_db == free.dial_db + 4
    _, alike = suggest([candidate()], walks(-90, -68), least_db=free.dial_db - 4)
    assert alike == free


def test_phones_that_differ_less_on_a_dial_make_a_rule_surer_of_those_it_has_not_seen() -> None:
    loud, sided = (
        assess(replace(candidate(), phones_spread_db=spread), -79, walks(-88, -70)).rates
        for spread in (4.5, 1.0)
    )
    for kind in Walked:
        assert sided[kind].any_phone < loud[kind].any_phone
        assert sided[kind].expected == loud[kind].expected


@given(st.lists(st.integers(-100, -40), max_size=80), st.integers(-95, -50))
def test_the_exit_lies_five_to_fifteen_decibels_below_the_entry(
    levels: list[int], enter_dbm: int
) -> None:
    inside = [WalkReading(n / 4, level) for n, level in enumerate(levels)]
    assert enter_dbm - 15 <= suggest_exit(enter_dbm, [inside], 8.0) <= enter_dbm - 5


def test_smoothing_sees_the_last_seconds_only() -> None:
    readings = [WalkReading(float(n), -90 if n < 20 else -60) for n in range(40)]
    strengths = smoothed_over(readings, 5.0)
    assert strengths[0] == -90
    assert strengths[-1] == pytest.approx(-60, abs=0.1)
    assert len(strengths) == len(readings) - 2


def test_smoothing_begins_anew_after_a_silence_and_leaves_the_door_out() -> None:
    readings = [WalkReading(float(n), -90) for n in range(3)] + [
        WalkReading(3.0, -40, Place.DOOR),
        WalkReading(20.0, -60),
    ]
    assert smoothed_over(readings, 15.0) == [-90, -60]


def test_without_a_candidate_there_is_nothing_to_suggest() -> None:
    with pytest.raises(ValueError, match="no candidate"):
        suggest([], walks(-90, -70))
