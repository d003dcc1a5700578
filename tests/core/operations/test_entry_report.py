"""What may be told of the entry decision: of whole days, of thirty and more, and of nobody."""

import math
from datetime import UTC, date
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.core.operations.entry_report import (
    DIRECTIONS,
    TOTALS,
    CounterReport,
    DelayBounds,
    EntryReport,
    EntryReporter,
    WalkShare,
    quantile,
    shares,
    told,
    told_delays,
)
from presence.core.place import Place
from presence.core.visit.calibration import counted_between
from presence.core.visit.entry_figures import (
    BOUNDS_S,
    UNKNOWN_BELOW,
    DayCounts,
    EntryFigures,
    FiguresRule,
)
from presence.core.visit.staff_walks import WalkAnswers
from presence.core.visit.visits import Entered, Left
from presence.core.visit.walks import Walked
from tests.support.builders import moment

TODAY = date(2026, 11, 23)


def a_day(**counts: int) -> DayCounts:
    day = DayCounts(TODAY, 0.0)
    for name, count in counts.items():
        setattr(day, name, count)
    return day


def delays_of(seconds: list[float]) -> list[int]:
    """Counted one by one, by another way than the code's."""
    bounds = [0, *BOUNDS_S, math.inf]
    return [
        sum(low < second <= high or (second == low == 0) for second in seconds)
        for low, high in pairwise(bounds)
    ]


def figures(*, counter: bool = False) -> EntryFigures:
    rule = FiguresRule(counter_window_s=5 if counter else None)
    return EntryFigures(rule, UTC, places=frozenset(Place))


def a_crowd(one: EntryFigures, people: int, *, since_peak_s: float = 4.0) -> None:
    one.advance(moment())
    for n in range(people):
        ref = n.to_bytes(8, "big")
        one.enter(Entered(ref, moment(), since_peak_s=since_peak_s), is_test=False)
        one.leave(Left(ref, moment(), moment()), is_test=False)


# ---------------------------------------------------------------- a day


@pytest.mark.requirement("R-23")
def test_of_a_day_with_fewer_than_thirty_entries_nothing_is_told() -> None:
    day = a_day(entered=29, late=29, suspect=29, judged=29, contradicted=29, inward=15, outward=14)
    day.delays[3] = 29

    assert told(day) == dict.fromkeys(TOTALS)
    assert set(told_delays(day)) == {0}
    assert quantile(day.delays, 0.5) is None


@pytest.mark.requirement("R-23")
def test_of_thirty_the_counts_are_told_rounded_and_none_under_five() -> None:
    day = a_day(entered=32, late=4, suspect=7, judged=30, contradicted=3, inward=28, outward=33)

    assert told(day) == {
        "entered": 30,
        "late": 0,
        "suspect": 5,
        "judged": 30,
        "contradicted": 0,
        "in": 30,
        "out": 35,
    }


def test_thirty_delays_are_enough_and_one_less_is_not() -> None:
    day = a_day(entered=60)
    day.delays[3] = UNKNOWN_BELOW
    assert list(told_delays(day)) == [0, 0, 0, *[30] * 14]
    assert quantile(day.delays, 0.5) == DelayBounds(3, 4)

    day.delays[3] -= 1
    assert set(told_delays(day)) == {0}
    assert quantile(day.delays, 0.5) is None


def test_what_has_no_thirty_of_its_own_is_unknown_beside_what_has() -> None:
    day = a_day(entered=40, judged=12, inward=500, outward=480)

    assert told(day)["entered"] == 40
    assert told(day)["judged"] is None
    assert told(day)["contradicted"] is None
    assert told(day)["in"] == 500


@given(
    st.lists(st.floats(0, 1000), min_size=UNKNOWN_BELOW, max_size=200), st.sampled_from([0.5, 0.9])
)
def test_a_quantile_lies_between_its_bounds(seconds: list[float], share: float) -> None:
    """The reference is the definition: the smallest delay that so many do not exceed."""
    reference = sorted(seconds)[math.ceil(share * len(seconds)) - 1]
    bounds = quantile(delays_of(seconds), share)

    assert bounds is not None
    assert bounds.above_s < reference <= bounds.at_most_s or reference == bounds.above_s == 0


def test_half_of_them_up_to_a_bound_is_a_median_up_to_it() -> None:
    assert quantile(delays_of([3.5] * 15 + [9.0] * 15), 0.5) == DelayBounds(3, 4)
    assert quantile(delays_of([3.5] * 14 + [9.0] * 16), 0.5) == DelayBounds(8, 10)


def test_a_quantile_beyond_the_last_bound_has_no_upper_end() -> None:
    assert quantile(delays_of([400.0] * 30), 0.5) == DelayBounds(300, math.inf)


@given(st.lists(st.integers(0, 60), min_size=17, max_size=17))
def test_buckets_never_fall_and_differ_by_whole_fives(counts: list[int]) -> None:
    day = a_day(entered=sum(counts))
    day.delays = counts
    shown = list(told_delays(day))

    assert shown == sorted(shown)
    assert all(n % 5 == 0 for n in shown)


# ---------------------------------------------------------------- totals


def test_days_add_up_when_they_are_over() -> None:
    one, reporter = figures(), EntryReporter()
    a_crowd(one, 40)
    assert reporter.report(one, None).totals["entered"] == 0
    one.advance(moment(86_400))

    report = reporter.report(one, None)

    assert (report.totals["entered"], report.totals["suspect"]) == (40, 40)
    assert report.day == TODAY
    assert report.counts["entered"] == 40
    assert report.delays == {0.5: DelayBounds(3, 4), 0.9: DelayBounds(3, 4)}
    assert report.delay_totals == (0, 0, 0, *[40] * 14)
    assert reporter.report(one, None) == report, "once"

    one.advance(moment(2 * 86_400))
    empty = reporter.report(one, None)
    assert (empty.totals, empty.counts) == (report.totals, dict.fromkeys(TOTALS))


def test_before_a_day_is_over_all_is_unknown() -> None:
    report = EntryReporter().report(figures(), None)

    assert report == EntryReport()
    assert set(report.totals.values()) == {0}


def test_the_counter_is_told_of_as_it_is() -> None:
    counter = CounterReport(alive=True, refused={})

    assert EntryReporter().report(figures(), counter).counter == counter


# ---------------------------------------------------------------- the test phone


@pytest.mark.parametrize(
    ("wrong", "walks", "low", "high"),
    [
        # R 4.3: binom.test(wrong, walks)$conf.int
        (0, 30, 0.0, 0.1157033),
        (3, 30, 0.0211171, 0.2652885),
        (15, 30, 0.3129703, 0.6870297),
        (30, 30, 0.8842967, 1.0),
        (0, 0, 0.0, 1.0),
    ],
)
def test_the_limits_are_those_of_clopper_and_pearson(
    wrong: int, walks: int, low: float, high: float
) -> None:
    assert counted_between(wrong, walks) == pytest.approx((low, high), abs=1e-6)


@given(st.integers(0, 60), st.integers(0, 60))
def test_the_limits_lie_about_what_was_counted(wrong: int, right: int) -> None:
    walks = wrong + right
    low, high = counted_between(wrong, walks)

    assert 0 <= low <= (wrong / walks if walks else 0.5) <= high <= 1


def test_under_thirty_walks_of_both_kinds_the_share_is_unknown() -> None:
    few = shares({Walked.PAST: WalkAnswers(14, 1), Walked.IN: WalkAnswers(14, 0)})
    enough = shares({Walked.PAST: WalkAnswers(14, 1), Walked.IN: WalkAnswers(15, 0)})

    assert few[Walked.PAST] == WalkShare(15, 1)
    assert enough[Walked.PAST] == WalkShare(15, 1, *counted_between(1, 15))
    assert enough[Walked.IN] == WalkShare(15, 0, *counted_between(0, 15))


def test_a_kind_that_nobody_walks_stays_unknown() -> None:
    assert shares({Walked.PAST: WalkAnswers(40, 0)})[Walked.IN] == WalkShare(0, 0)


# ---------------------------------------------------------------- can a customer be read out of it?

DAY_S = 86_400
VISITS = st.lists(
    st.tuples(st.integers(0, DAY_S), st.floats(0, 3600), st.floats(0, 400)), max_size=60
)


Shown = list[EntryReport]
"""What a report was one after the other, each once."""


def shown(visits: list[tuple[int, float, float]], *, crowd: int = 0) -> tuple[Shown, Shown]:
    """What a gateway tells on a day and on the next, for the visits of one customer (second,
    length, delay) among a crowd: it is asked every ten minutes, and after each visit at once.
    """
    midnight = 86_400 - (moment().utc_s % 86_400)
    one, reporter = figures(), EntryReporter()
    one.advance(moment(midnight))
    noon, next_midnight = midnight + DAY_S / 2, midnight + DAY_S
    due = sorted((midnight + at_s, stay_s, delay_s) for at_s, stay_s, delay_s in visits)
    days: tuple[Shown, Shown] = ([], [])
    looks = {*(midnight + 600 * n for n in range(2 * 24 * 6)), *(at_s for at_s, _, _ in due)}
    for look_s in sorted(looks):
        one.advance(moment(look_s))
        while due and due[0][0] <= look_s:
            at_s, stay_s, delay_s = due.pop(0)
            came, went = moment(at_s), moment(at_s + stay_s)
            one.enter(Entered(b"customer", came, since_peak_s=delay_s), is_test=False)
            one.leave(Left(b"customer", came, went), is_test=False)
        if look_s == noon:
            for n in range(crowd):
                entry = Entered(n.to_bytes(8, "big"), moment(noon), since_peak_s=4.0)
                one.enter(entry, is_test=False)
        report, told_that_day = reporter.report(one, None), days[look_s >= next_midnight]
        if told_that_day[-1:] != [report]:
            told_that_day.append(report)
    return days


NOBODY = shown([])
A_CROWD = shown([], crowd=40)


@pytest.mark.requirement("R-23", "R-24")
@given(VISITS)
def test_one_customer_of_a_day_changes_nothing_that_is_told(
    visits: list[tuple[int, float, float]],
) -> None:
    assert shown(visits) == NOBODY


@pytest.mark.requirement("R-23", "R-24")
@given(VISITS)
def test_among_a_crowd_a_visit_may_move_a_number_and_never_at_its_own_time(
    visits: list[tuple[int, float, float]],
) -> None:
    """Not before the day is over; then by at most what rounding and a bucket make of it."""
    day, day_after = shown(visits, crowd=40)

    assert day == A_CROWD[0] == NOBODY[0]
    assert len(day_after) == 1, "and nothing moves on the day after"


def test_the_names_of_the_totals_are_those_of_the_day() -> None:
    assert set(DIRECTIONS) < set(TOTALS)
    assert told(a_day()).keys() == set(TOTALS)
