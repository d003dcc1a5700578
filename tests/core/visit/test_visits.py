"""The visit machine: what must hold for every string of sightings, and the cases that are easy to
get wrong.
"""

from bisect import insort
from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise
from math import exp, inf

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from presence.core.place import Place
from presence.core.timestamps import Moment
from presence.core.visit.evidence import (
    DOOR_FRESH_S,
    MAX_ABOVE_DB,
    MAX_CREDIT_S,
    SMOOTHING_S,
    Approach,
    SmoothedStrength,
)
from presence.core.visit.visits import (
    SHARES,
    Entered,
    Left,
    Over,
    Sighting,
    VisitEvent,
    Visits,
)
from tests.support.builders import ANNA, BERIT, CARL, DoorRule, moment, sighting, visit
from tests.support.examples import examples

RULE = DoorRule()
STRONG, BETWEEN, WEAK = -60, -80, -100


def hear(
    visits: Visits,
    *seconds: float,
    rssi_dbm: int | None = STRONG,
    ref: bytes = ANNA,
    antenna: str = "hci0",
) -> list[VisitEvent]:
    return [
        event
        for second in seconds
        for event in visits.observe(Sighting(moment(second), ref, rssi_dbm, antenna))
    ]


def inside(heard_s: float = 60, **rule_changes: float) -> Visits:
    """Anna entered at 7 s and was last heard then."""
    return Visits(DoorRule(**rule_changes), [visit(heard_at=moment(heard_s))])  # type: ignore[arg-type]


# ---------------------------------------------------------------- silences that nobody was told of


def test_a_sighting_after_an_absence_finds_the_visit_ended_though_no_time_was_told() -> None:
    visits = inside(heard_s=60)

    assert hear(visits, 60 + 299.9) == []
    assert hear(visits, 700) == [Left(ANNA, moment(7), moment(60 + 299.9))]


def test_a_sighting_after_a_cooldown_shorter_than_an_absence_begins_a_visit() -> None:
    """The settings changed, or the gateway was started anew with others, while somebody had
    left.
    """
    rule = DoorRule(absence_s=300, reentry_cooldown_s=100)
    visits = Visits(rule, [visit(heard_at=moment(60), left_at=moment(60))])

    assert hear(visits, *range(200, 208)) == [Over(ANNA), Entered(ANNA, moment(207))]


# ---------------------------------------------------------------- coming in


@pytest.mark.requirement("R-19", "T-25")
def test_an_entry_takes_enough_sightings_over_enough_time() -> None:
    assert hear(Visits(RULE), *range(8)) == [Entered(ANNA, moment(7))]


@pytest.mark.requirement("R-19", "T-25")
@pytest.mark.parametrize("rssi_dbm", [STRONG, 0, None])
def test_a_single_sighting_never_enters(rssi_dbm: int | None) -> None:
    visits = Visits(RULE)

    assert hear(visits, 0, rssi_dbm=rssi_dbm) == []
    assert visits.advance(moment(10_000)) == []


@pytest.mark.requirement("R-19")
def test_a_burst_within_the_shortest_time_is_no_entry() -> None:
    assert hear(Visits(RULE), *(n / 100 for n in range(300))) == []


@pytest.mark.requirement("R-19")
def test_sightings_a_silent_window_apart_are_no_entry() -> None:
    assert hear(Visits(RULE), *range(0, 1000, 16)) == []


@pytest.mark.requirement("R-19")
@pytest.mark.parametrize("pause_s", [1.0, 3.0, RULE.window_s])
def test_a_reading_speaks_for_a_second_at_most_however_long_the_silence_before_it(
    pause_s: float,
) -> None:
    visits = Visits(RULE)
    hear(visits, 0, pause_s, 2 * pause_s)

    assert visits.evidence_db_s(ANNA) == 2 * MAX_ABOVE_DB * MAX_CREDIT_S
    assert visits.evidence_db_s(BERIT) == 0


def test_a_little_strength_adds_up_however_little_each_reading_says() -> None:
    visits = Visits(RULE)
    hear(visits, *(n / 2 for n in range(21)), rssi_dbm=int(RULE.enter_rssi_dbm) + 1)

    assert visits.evidence_db_s(ANNA) == pytest.approx(10)


def test_two_readings_of_one_moment_are_two_sightings() -> None:
    visits = Visits(DoorRule(min_sightings=12))

    assert hear(visits, *(n // 2 for n in range(20))) == [Entered(ANNA, moment(7))]


def test_a_phone_that_sends_ten_times_as_often_gains_nothing_by_it() -> None:
    seldom, often = Visits(RULE), Visits(RULE)
    hear(seldom, *range(6))
    hear(often, *(n / 8 for n in range(41)))

    assert often.evidence_db_s(ANNA) == pytest.approx(seldom.evidence_db_s(ANNA))


@pytest.mark.requirement("R-19")
def test_a_passer_by_is_no_visitor_however_long_they_wait_outside() -> None:
    assert hear(Visits(RULE), *range(1000), rssi_dbm=BETWEEN) == []


@pytest.mark.requirement("R-19")
def test_a_walk_past_the_door_is_no_entry() -> None:
    visits, events = Visits(RULE), []
    for second in range(-30, 31):
        events += hear(visits, second, rssi_dbm=-66 - 3 * abs(second))

    assert events == []


@pytest.mark.requirement("R-20")
def test_one_reading_through_a_gap_in_the_crowd_does_not_make_a_visitor() -> None:
    visits, events = Visits(RULE), []
    for second in range(200):
        events += hear(visits, second, rssi_dbm=-30 if second % 10 == 0 else WEAK)

    assert events == []


@pytest.mark.requirement("R-20")
def test_one_reading_lost_in_fading_does_not_keep_a_visitor_out() -> None:
    visits, events = Visits(RULE), []
    for second in range(12):
        events += hear(visits, second, rssi_dbm=-95 if second == 5 else STRONG)

    assert [type(event) for event in events] == [Entered]


@pytest.mark.requirement("R-20")
def test_weak_readings_take_away_until_the_approach_starts_anew() -> None:
    visits = Visits(RULE)
    hear(visits, *range(4))
    assert visits.evidence_db_s(ANNA) == 30
    hear(visits, 4, 5, 6, 7, rssi_dbm=WEAK)
    assert visits.evidence_db_s(ANNA) == 0

    assert hear(visits, *range(8, 14)) == []
    assert hear(visits, 14) == [Entered(ANNA, moment(14))]


def test_an_hour_on_the_pavement_does_not_count_against_somebody_who_then_comes_in() -> None:
    visits = Visits(RULE)
    assert hear(visits, *range(3600), rssi_dbm=WEAK) == []

    assert hear(visits, *range(3600, 3607)) == [Entered(ANNA, moment(3606))]


def test_less_strength_takes_longer() -> None:
    visits = Visits(RULE)

    assert hear(visits, *range(60), rssi_dbm=-72)[0] == Entered(
        ANNA, moment(24)
    )  # 70 dB·s at 3 a second


@pytest.mark.parametrize(
    ("changes", "entered_s"), [({"min_sightings": 10}, 10), ({"min_duration_s": 12}, 12)]
)
def test_evidence_alone_is_not_enough(changes: dict[str, float], entered_s: int) -> None:
    visits = Visits(DoorRule(**changes))  # type: ignore[arg-type]

    assert hear(visits, *range(entered_s)) == []
    assert hear(visits, entered_s) == [Entered(ANNA, moment(entered_s))]


def test_sightings_without_a_strength_never_enter() -> None:
    assert hear(Visits(RULE), *range(1000), rssi_dbm=None) == []


def test_an_entry_is_dated_from_the_sighting_that_decided() -> None:
    [entered] = hear(Visits(RULE), *(n * 1.5 for n in range(10)))

    assert isinstance(entered, Entered)
    assert entered.at == moment(10.5)


def test_subjects_enter_each_on_their_own_sightings() -> None:
    visits, events = Visits(RULE), []
    for second in range(14):
        events += hear(visits, second, ref=ANNA if second % 2 else BERIT)

    assert events == []


# ---------------------------------------------------------------- going out


def test_departure_is_dated_from_the_last_sighting_not_from_the_timeout() -> None:
    assert inside(60).advance(moment(5000))[0] == Left(ANNA, moment(7), moment(60))


def test_a_visit_ends_at_the_very_second_of_absence() -> None:
    visits = inside(60)

    assert visits.advance(moment(60 + 299.9)) == []
    assert [type(event) for event in visits.advance(moment(60 + 300))] == [Left]


def test_time_alone_ends_a_visit_and_later_forgets_it() -> None:
    visits = inside(60)

    assert [type(event) for event in visits.advance(moment(60 + 300))] == [Left]
    assert ANNA in visits
    assert visits.advance(moment(60 + 899)) == []
    assert visits.advance(moment(60 + 900)) == [Over(ANNA)]
    assert ANNA not in visits


def test_a_long_silence_ends_and_forgets_at_once() -> None:
    assert inside(60).advance(moment(60 + 900)) == [Left(ANNA, moment(7), moment(60)), Over(ANNA)]


def test_a_sighting_after_the_absence_finds_the_visit_ended_though_time_was_never_told() -> None:
    assert hear(inside(60), 60 + 300) == [Left(ANNA, moment(7), moment(60))]


def test_a_phone_that_pauses_for_minutes_stays_inside() -> None:
    visits = inside(60)

    assert hear(visits, 350, 640, 930) == []
    assert visits.get(ANNA) == visit(heard_at=moment(930))


def test_a_sighting_without_a_strength_keeps_a_visitor_inside() -> None:
    visits = inside(60)

    assert hear(visits, 350, rssi_dbm=None) == []
    assert visits.advance(moment(500)) == []


@pytest.mark.requirement("R-20")
def test_a_phone_heard_weakly_from_outside_has_left() -> None:
    visits = inside(60)
    events = [
        event for second in range(61, 400, 20) for event in hear(visits, second, rssi_dbm=WEAK)
    ]

    assert events == [Left(ANNA, moment(7), moment(60))]


@pytest.mark.requirement("R-20")
def test_a_phone_between_the_thresholds_stays_inside() -> None:
    visits = inside(60)

    assert [
        event for second in range(61, 2000, 20) for event in hear(visits, second, rssi_dbm=BETWEEN)
    ] == []


@pytest.mark.requirement("R-20")
def test_a_phone_heard_at_the_very_level_of_the_exit_stays_inside() -> None:
    visits = inside(60)

    assert hear(visits, 350, 640, rssi_dbm=int(RULE.exit_rssi_dbm)) == []
    assert visits.get(ANNA) == visit(heard_at=moment(640))


def test_a_smoker_who_comes_back_within_the_cooldown_is_no_new_visitor() -> None:
    visits = inside(60)
    assert [type(event) for event in visits.advance(moment(400))] == [Left]

    assert hear(visits, *range(500, 530)) == []


def test_being_heard_puts_the_next_entry_off() -> None:
    """Somebody whose phone slept for 10 minutes inside does not enter twice."""
    visits = inside(60)
    visits.advance(moment(400))
    events = [event for second in range(500, 3000, 10) for event in hear(visits, second)]

    assert events == []


def test_after_the_cooldown_the_same_subject_enters_anew() -> None:
    visits = inside(60)
    visits.advance(moment(960))

    assert hear(visits, *range(960, 968)) == [Entered(ANNA, moment(967))]


@pytest.mark.requirement("R-19")
def test_who_comes_back_as_the_cooldown_ends_is_listened_to_as_long_as_anybody() -> None:
    """Heard from outside until then: that is no evidence, and no time of it counts."""
    visits = Visits(DoorRule(min_duration_s=12), [visit(heard_at=moment(60), left_at=moment(60))])
    hear(visits, *range(900, 960), rssi_dbm=WEAK)

    assert hear(visits, *range(960, 980)) == [Over(ANNA), Entered(ANNA, moment(972))]


def test_a_cooldown_shorter_than_the_absence_ends_with_it() -> None:
    visits = inside(60, absence_s=300, reentry_cooldown_s=60)

    assert visits.advance(moment(60 + 299)) == []
    assert [type(event) for event in visits.advance(moment(60 + 300))] == [Left, Over]


def test_an_absence_shorter_than_a_window_ends_a_visit_by_time_alone() -> None:
    visits = Visits(DoorRule(absence_s=5))
    assert [type(event) for event in hear(visits, *range(8))] == [Entered]

    assert visits.advance(moment(11)) == []
    assert [type(event) for event in visits.advance(moment(12))] == [Left]


# ---------------------------------------------------------------- order, memory, restart


@pytest.mark.requirement("R-24")
def test_who_is_forgotten_has_no_turn_of_storing_any_more() -> None:
    visits = inside()
    visits.forget(ANNA)
    assert not any(ANNA in share for share in visits._shares)


def test_readings_in_the_wrong_order_invent_no_duration() -> None:
    assert hear(Visits(RULE), 7, 0, 1, 2, 3, 4, 5, 6) == []


def test_a_late_reading_never_makes_a_visit_older() -> None:
    visits = inside(60)
    hear(visits, 100)
    visits.advance(moment(116))  # a silent window: the readings are forgotten, the visit is not

    hear(visits, 90)

    assert visits.get(ANNA) == visit(heard_at=moment(100))


def test_a_late_reading_after_one_without_a_strength_never_makes_a_visit_older() -> None:
    visits = inside(60)
    hear(visits, 70)
    hear(visits, 80, rssi_dbm=None)

    hear(visits, 75)

    assert visits.get(ANNA) == visit(heard_at=moment(80))


@pytest.mark.requirement("R-12")
def test_forgetting_leaves_nothing() -> None:
    visits = inside(60)
    hear(visits, 61, 62, 63)
    hear(visits, 61, 62, 63, ref=BERIT)

    visits.forget(ANNA)
    visits.forget(BERIT)

    assert not visits.refs()
    assert list(visits) == []
    assert visits.advance(moment(5000)) == []
    assert ANNA not in visits


def test_forgetting_somebody_unknown_is_nothing() -> None:
    Visits(RULE).forget(CARL)


def test_an_approach_without_an_entry_is_forgotten_after_a_silent_window() -> None:
    visits = Visits(RULE)
    hear(visits, 0, 1)
    assert visits.refs() == {ANNA}

    assert visits.advance(moment(1 + RULE.window_s)) == []
    assert visits.refs() == {ANNA}
    assert visits.advance(moment(1.1 + RULE.window_s)) == []

    assert not visits.refs()


@pytest.mark.requirement("T-04", "R-18")
def test_a_flood_from_one_phone_leaves_numbers_and_no_readings() -> None:
    visits = Visits(RULE)
    hear(visits, *(n / 1000 for n in range(5000)), rssi_dbm=BETWEEN)

    track = visits._tracks[ANNA]
    assert all(
        isinstance(getattr(track, name), float | int | None)
        for name in (*SmoothedStrength.__slots__, *Approach.__slots__)
    )


def test_a_long_approach_is_not_forgotten_while_it_is_heard() -> None:
    visits, entered = Visits(RULE), []
    for second in range(40):
        entered += hear(visits, second, rssi_dbm=-72)
        assert visits.advance(moment(second + 0.5)) == []

    assert entered == [Entered(ANNA, moment(24))]


def test_visits_go_on_after_a_restart() -> None:
    before = Visits(RULE)
    hear(before, *range(8))

    after = Visits(RULE, before)

    assert after.advance(moment(10_000)) == [Left(ANNA, moment(7), moment(7)), Over(ANNA)]


def test_the_last_hearing_of_a_visit_from_before_the_restart_is_stored_in_its_turn() -> None:
    visits = inside(60)
    hear(visits, 80)

    assert visits.heard_anew(range(SHARES)) == [(ANNA, moment(80))]


def test_the_wall_clock_plays_no_part_in_durations() -> None:
    visits, events = Visits(RULE), []
    for second in range(8):
        at = Moment(moment(second).monotonic_s, moment(-3600 * second).utc_s)
        events += visits.observe(Sighting(at, ANNA, STRONG))

    assert [type(event) for event in events] == [Entered]


@pytest.mark.requirement("R-03")
def test_visits_print_without_their_ref() -> None:
    for value in (visit(), Entered(ANNA, moment()), Left(ANNA, moment(), moment()), Over(ANNA)):
        assert repr(ANNA)[2:-1] not in repr(value)


# ---------------------------------------------------------------- smoothing


def smoothed_dbm(level_dbm: float, rssi_dbm: float, since_s: float) -> float:
    """The level after one more reading, so long after the one before."""
    level = SmoothedStrength()
    if since_s < inf:
        level.at_s, level.level_dbm = 0.0, level_dbm
    level.hear(rssi_dbm, 0.0 if since_s == inf else since_s)
    return level.level_dbm


def test_the_first_reading_stands_as_it_is() -> None:
    assert smoothed_dbm(0.0, -70, inf) == -70


def test_a_step_is_followed_within_seconds() -> None:
    level_dbm = -90.0
    for _ in range(8):
        level_dbm = smoothed_dbm(level_dbm, -70, 1.0)

    assert level_dbm == pytest.approx(-70, abs=1)


def test_after_the_time_constant_two_thirds_of_a_step_are_followed() -> None:
    assert smoothed_dbm(-80, -70, SMOOTHING_S) == pytest.approx(-80 + 10 * (1 - exp(-1)))
    assert smoothed_dbm(-80, -70, 2 * SMOOTHING_S) == pytest.approx(-80 + 10 * (1 - exp(-2)))


@given(st.integers(-126, 0), st.integers(-126, 0), st.floats(0, 60))
def test_smoothing_stays_between_the_level_and_the_reading(
    level_dbm: int, rssi_dbm: int, since_s: float
) -> None:
    smoothed = smoothed_dbm(level_dbm, rssi_dbm, since_s)

    assert min(level_dbm, rssi_dbm) <= smoothed <= max(level_dbm, rssi_dbm)


@given(st.integers(-126, 0), st.integers(-126, 0), st.floats(0, 60))
def test_no_reading_moves_the_level_by_more_than_a_fade(
    level_dbm: int, rssi_dbm: int, since_s: float
) -> None:
    assert abs(smoothed_dbm(level_dbm, rssi_dbm, since_s) - level_dbm) <= 12


# ---------------------------------------------------------------- a second antenna, at the door


def two_antennas() -> Visits:
    return Visits(RULE, places={"hci1": Place.DOOR})


@pytest.mark.requirement("R-19", "T-25")
def test_the_door_alone_hears_nobody_in() -> None:
    assert hear(two_antennas(), *range(1000), rssi_dbm=0, antenna="hci1") == []


def peak_of(visits: Visits, *heard: tuple[float, int, str]) -> float | None:
    """Of the entry that these readings (second, dBm, antenna) and then a stay inside make."""
    events = [
        event
        for second, rssi_dbm, antenna in heard
        for event in hear(visits, second, rssi_dbm=rssi_dbm, antenna=antenna)
    ]
    events += hear(visits, *range(10, 30))
    (entered,) = (event for event in events if isinstance(event, Entered))
    since_s = entered.since_peak_s
    return None if since_s is None else moment().monotonic_s + since_s - entered.at.monotonic_s


def test_the_doors_peak_is_the_strongest_smoothed_moment_there() -> None:
    visits = Visits(RULE, places={"hci1": Place.DOOR})

    peak_s = peak_of(visits, (0, -90, "hci1"), (3, -70, "hci1"), (6, -90, "hci1"))

    assert peak_s == pytest.approx(-3)


def test_an_antenna_outside_knows_the_crossing_better_than_one_on_the_inner_side() -> None:
    visits = Visits(RULE, places={"hci1": Place.DOOR, "hci2": Place.OUTSIDE})

    peak_s = peak_of(visits, (2, -75, "hci2"), (5, -85, "hci2"), (9, -50, "hci1"))

    assert peak_s == pytest.approx(-2)


def test_where_the_one_outside_did_not_hear_the_other_one_says() -> None:
    visits = Visits(RULE, places={"hci1": Place.DOOR, "hci2": Place.OUTSIDE})

    assert peak_of(visits, (9, -70, "hci1")) == pytest.approx(-9)


def test_who_was_silent_at_the_door_has_no_peak() -> None:
    assert peak_of(Visits(RULE, places={"hci1": Place.DOOR})) is None
    assert peak_of(Visits(RULE), (9, -70, "hci0")) is None


@pytest.mark.requirement("R-19", "T-25")
def test_neither_does_the_street() -> None:
    visits = Visits(RULE, places={"hci1": Place.OUTSIDE})

    assert hear(visits, *range(1000), rssi_dbm=0, antenna="hci1") == []


@pytest.mark.requirement("R-19", "T-25")
def test_an_antenna_of_which_nothing_is_said_is_inside() -> None:
    visits = Visits(RULE, places={"hci1": Place.INSIDE})

    for antenna, customer in (("hci1", ANNA), ("hci2", BERIT)):
        assert hear(visits, *range(8), antenna=antenna, ref=customer) != []


@pytest.mark.requirement("R-19", "T-25")
def test_a_loud_phone_at_the_door_is_not_inside() -> None:
    visits, events = two_antennas(), []
    for second in range(300):
        hear(visits, second, rssi_dbm=-50, antenna="hci1")
        events += hear(visits, second, rssi_dbm=-68)

    assert events == []
    assert hear(Visits(RULE), *range(300), rssi_dbm=-68) != []


def test_a_phone_in_a_pocket_inside_is_found_though_it_is_weak() -> None:
    visits, events = two_antennas(), []
    for second in range(60):
        hear(visits, second, rssi_dbm=-90, antenna="hci1")
        events += hear(visits, second, rssi_dbm=-77)

    assert [type(event) for event in events] == [Entered]
    assert hear(Visits(RULE), *range(60), rssi_dbm=-77) == []


def test_an_approach_begins_anew_when_an_antenna_is_lost_and_when_it_is_back() -> None:
    visits = Visits(RULE, places={"hci0": Place.INSIDE, "hci2": Place.INSIDE})
    for change in (visits.antenna_lost, visits.antenna_back):
        hear(visits, *range(7))
        assert visits.evidence_db_s(ANNA) > 0
        change("hci2")
        assert visits.evidence_db_s(ANNA) == 0
        assert hear(visits, 7) == []
        visits.forget(ANNA)


def test_who_is_inside_stays_inside_when_an_antenna_is_lost() -> None:
    visits = two_antennas()
    hear(visits, *range(8))
    visits.antenna_lost("hci1")
    assert visits.is_inside(ANNA)
    assert hear(visits, 20) == []
    assert visits.advance(moment(RULE.absence_s + 19)) == []


@pytest.mark.requirement("T-25")
def test_who_stands_before_the_door_does_not_come_in_because_its_antenna_is_lost() -> None:
    visits = two_antennas()
    for second in range(60):
        hear(visits, second, rssi_dbm=-50, antenna="hci1")
        assert hear(visits, second, rssi_dbm=-65) == []
    visits.antenna_lost("hci1")
    assert hear(visits, *range(60, 300), rssi_dbm=-65) == []
    visits.antenna_back("hci1")
    assert hear(visits, *range(300, 310), rssi_dbm=-65) != []


def test_who_is_close_to_an_antenna_inside_comes_in_without_the_one_at_the_door() -> None:
    visits = two_antennas()
    visits.antenna_lost("hci1")
    assert [type(event) for event in hear(visits, *range(30), rssi_dbm=-45)] == [Entered]


@pytest.mark.requirement("T-25", "T-27")
@given(
    st.lists(
        st.tuples(st.integers(-100, -30), st.integers(-100, -30), st.booleans()),
        min_size=4,
        max_size=40,
    )
)
def test_nobody_comes_in_without_the_antenna_at_the_door_who_would_not_with_it(
    heard: list[tuple[int, int, bool]],
) -> None:
    """Whatever it would have heard."""
    alive, lost = two_antennas(), two_antennas()
    lost.antenna_lost("hci1")
    entered_alive = False
    for second, (inside_dbm, door_dbm, heard_at_door) in enumerate(heard):
        if heard_at_door:
            hear(alive, second, rssi_dbm=door_dbm, antenna="hci1")
        entered_alive = entered_alive or hear(alive, second, rssi_dbm=inside_dbm) != []
        if hear(lost, second, rssi_dbm=inside_dbm):
            assert entered_alive


def test_who_is_heard_at_the_door_only_is_forgotten_after_a_silent_window() -> None:
    visits = two_antennas()
    hear(visits, 0, 1, antenna="hci1")

    visits.advance(moment(1 + RULE.window_s))
    assert visits.refs() == {ANNA}
    visits.advance(moment(1.1 + RULE.window_s))

    assert not visits.refs()


@pytest.mark.parametrize("doors", [("hci1", "hci2"), ("hci2", "hci1")])
def test_of_two_doors_the_nearer_one_counts(doors: tuple[str, str]) -> None:
    visits, events = Visits(RULE, places=dict.fromkeys(doors, Place.DOOR)), []
    for second in range(60):
        for door in doors:
            hear(visits, second, rssi_dbm=-50 if door == "hci1" else -95, antenna=door)
        events += hear(visits, second, rssi_dbm=-68)

    assert events == []


def test_a_door_that_heard_nothing_lately_says_nothing() -> None:
    visits = two_antennas()
    hear(visits, 0, rssi_dbm=-30, antenna="hci1")
    start_s = DOOR_FRESH_S + 1
    hear(visits, 1, rssi_dbm=WEAK)

    assert hear(visits, *(start_s + n for n in range(8))) != []


@pytest.mark.parametrize(
    ("late_s", "evidence_db_s"), [(0, 0), (1, 5)], ids=["just lately", "no more"]
)
def test_what_the_door_heard_counts_for_ten_seconds_and_then_not_at_all(
    late_s: int, evidence_db_s: float
) -> None:
    visits = two_antennas()
    hear(visits, 0, rssi_dbm=-60, antenna="hci1")
    hear(visits, DOOR_FRESH_S - 1 + late_s, DOOR_FRESH_S + late_s, rssi_dbm=-70)

    assert visits.evidence_db_s(ANNA) == evidence_db_s


def test_who_left_begins_to_approach_anew() -> None:
    visits = Visits(RULE)
    hear(visits, *range(20), rssi_dbm=STRONG)
    visits.advance(moment(19 + RULE.absence_s))

    assert visits.evidence_db_s(ANNA) == 0


def test_the_door_keeps_no_visit_alive() -> None:
    visits = Visits(RULE, [visit(heard_at=moment(60))], places={"hci1": Place.DOOR})

    assert hear(visits, *range(61, 400, 20), rssi_dbm=STRONG, antenna="hci1") == [
        Left(ANNA, moment(7), moment(60))
    ]


LEVELS = st.lists(
    st.tuples(st.sampled_from([0.25, 0.5, 1.0, 3.0]), st.integers(-95, -55)), max_size=60
)


@given(LEVELS)
def test_a_door_that_hears_nobody_changes_nothing(story: list[tuple[float, int]]) -> None:
    one, two, now_s = Visits(RULE), two_antennas(), 0.0
    for pause_s, rssi_dbm in story:
        now_s += pause_s
        assert hear(one, now_s, rssi_dbm=rssi_dbm) == hear(two, now_s, rssi_dbm=rssi_dbm)


@given(LEVELS)
def test_whoever_is_no_stronger_at_the_door_is_found_no_later_with_an_antenna_there(
    story: list[tuple[float, int]],
) -> None:
    """Both are smoothed alike, so that 3 dB less in each reading are 3 dB less in what is
    compared.
    """
    one, two, now_s = Visits(RULE), two_antennas(), 0.0
    for pause_s, rssi_dbm in story:
        now_s += pause_s
        hear(two, now_s, rssi_dbm=rssi_dbm - 3, antenna="hci1")
        alone, together = hear(one, now_s, rssi_dbm=rssi_dbm), hear(two, now_s, rssi_dbm=rssi_dbm)
        assert two.evidence_db_s(ANNA) >= one.evidence_db_s(ANNA) or ANNA in [
            each.ref for each in two
        ]
        assert not alone or together or two.get(ANNA)


@given(LEVELS)
def test_whoever_is_stronger_at_the_door_is_found_no_sooner_with_an_antenna_there(
    story: list[tuple[float, int]],
) -> None:
    one, two, now_s = Visits(RULE), two_antennas(), 0.0
    for pause_s, rssi_dbm in story:
        now_s += pause_s
        hear(two, now_s, rssi_dbm=rssi_dbm + 6, antenna="hci1")
        hear(one, now_s, rssi_dbm=rssi_dbm)
        hear(two, now_s, rssi_dbm=rssi_dbm)
        assert one.get(ANNA) or not two.get(ANNA)


# ---------------------------------------------------------------- whatever is heard

REFS = st.sampled_from([ANNA, BERIT, CARL])
READINGS = st.sampled_from([STRONG, STRONG, STRONG, BETWEEN, WEAK, None])
PAUSES = st.sampled_from(
    [
        0.0,
        0.125,
        0.5,
        1.0,
        1.0,
        2.0,
        5.0,
        14.75,
        15.0,
        16.0,
        100.0,
        299.75,
        300.0,
        301.0,
        900.0,
        1e4,
    ]
)
"""Eighths of seconds, so that sums are exact."""

Story = list[tuple[float, bytes, int | None, bool]]


def play(story: Story) -> list[tuple[float, VisitEvent]]:
    """Each line: a pause, then somebody is heard, then perhaps time is told."""
    visits, now_s, events = Visits(RULE), 0.0, []
    for pause_s, ref, rssi_dbm, told in story:
        now_s += pause_s
        events += [
            (now_s, event)
            for event in visits.observe(sighting(ref=ref, at=moment(now_s), rssi_dbm=rssi_dbm))
        ]
        if told:
            events += [(now_s, event) for event in visits.advance(moment(now_s))]
    return events


@examples(60)
@given(st.lists(st.tuples(PAUSES, REFS, READINGS, st.booleans()), max_size=60))
def test_the_same_day_gives_the_same_events(story: Story) -> None:
    assert play(story) == play(story)


@given(
    st.lists(
        st.tuples(PAUSES, st.just(ANNA), st.sampled_from([STRONG, None]), st.booleans()),
        max_size=60,
    )
)
def test_whoever_is_heard_well_leaves_when_they_were_heard_last(story: Story) -> None:
    heard_s, now_s = [], 0.0
    for pause_s, *_ in story:
        now_s += pause_s
        heard_s.append(now_s)

    for left_s, event in play(story):
        if isinstance(event, Left):
            before = [
                moment(second)
                for second in heard_s
                if moment(second).monotonic_s <= event.at.monotonic_s
            ]
            after = [
                second for second in heard_s if moment(second).monotonic_s > event.at.monotonic_s
            ]
            assert event.at == before[-1]
            assert all(
                second - (event.at.monotonic_s - moment().monotonic_s) >= RULE.absence_s
                for second in after[:1]
            )
            assert left_s >= event.at.monotonic_s - moment().monotonic_s


class AnyDay(RuleBasedStateMachine):
    """A shop with three customers, sightings early, late, weak or without a strength, silences, and
    withdrawals.
    """

    def __init__(self) -> None:
        super().__init__()
        self.visits = Visits(RULE, places={"hci1": Place.DOOR})
        self.now_s = 0.0
        self.heard_s: dict[bytes, list[float]] = {}
        self.door_s: dict[bytes, list[float]] = {}
        self.entered_s: dict[bytes, float] = {}
        self.gone_s: dict[bytes, float] = {}
        self.last_heard_at: dict[bytes, Moment] = {}

    @rule(ref=REFS, rssi_dbm=READINGS, pause_s=PAUSES)
    def somebody_is_heard(self, ref: bytes, rssi_dbm: int | None, pause_s: float) -> None:
        self.now_s += pause_s
        self.heard_s.setdefault(ref, []).append(self.now_s)
        self.check(self.visits.observe(sighting(ref=ref, at=moment(self.now_s), rssi_dbm=rssi_dbm)))

    @rule(ref=REFS, rssi_dbm=st.sampled_from([STRONG, WEAK]), pause_s=PAUSES)
    def somebody_is_heard_at_the_door(self, ref: bytes, rssi_dbm: int, pause_s: float) -> None:
        self.now_s += pause_s
        self.door_s.setdefault(ref, []).append(self.now_s)
        events = self.visits.observe(Sighting(moment(self.now_s), ref, rssi_dbm, "hci1"))
        assert not any(isinstance(event, Entered) for event in events)
        self.check(events)

    @rule(ref=REFS, start_s=PAUSES)
    def somebody_stands_inside(self, ref: bytes, start_s: float) -> None:
        self.now_s += start_s
        for _ in range(8):
            self.somebody_is_heard(ref, STRONG, 1.0)

    @rule(ref=REFS, rssi_dbm=READINGS, late_s=st.sampled_from([0.125, 1.0, 20.0, 400.0]))
    def a_late_sighting_makes_no_visit_older(
        self, ref: bytes, rssi_dbm: int | None, late_s: float
    ) -> None:
        if not self.heard_s.get(ref):
            return
        before = self.visits.get(ref)
        at = moment(self.heard_s[ref][-1] - late_s)
        assert self.visits.observe(sighting(ref=ref, at=at, rssi_dbm=rssi_dbm)) == []
        after = self.visits.get(ref)
        if (
            after != before
        ):  # between two hearings after all, and heard inside: the visit is that much younger
            assert before is not None
            assert after == replace(before, heard_at=at)
            assert at.monotonic_s > before.heard_at.monotonic_s
            insort(self.heard_s[ref], at.monotonic_s - moment().monotonic_s)

    @rule(pause_s=PAUSES)
    def time_passes(self, pause_s: float) -> None:
        self.now_s += pause_s
        self.check(self.visits.advance(moment(self.now_s)))

    @rule(ref=REFS)
    def a_consent_is_withdrawn(self, ref: bytes) -> None:
        self.visits.forget(ref)
        assert ref not in self.visits.refs()
        for memory in (self.heard_s, self.door_s, self.entered_s, self.gone_s, self.last_heard_at):
            memory.pop(ref, None)  # type: ignore[attr-defined]

    @invariant()
    def the_last_hearing_never_goes_back(self) -> None:
        for found in self.visits:
            last = self.last_heard_at.get(found.ref)
            assert (
                last is None
                or found.heard_at.monotonic_s >= last.monotonic_s
                or found.ref not in self.entered_s
            )
            self.last_heard_at[found.ref] = found.heard_at
            assert (
                found.entered_at.monotonic_s
                <= found.heard_at.monotonic_s
                <= moment(self.now_s).monotonic_s
            )

    def check(self, events: Iterable[VisitEvent]) -> None:
        for event in events:
            if isinstance(event, Entered):
                self.check_entered(event)
            elif isinstance(event, Left):
                self.check_left(event)
            else:
                assert event.ref in self.gone_s, "over without having left"
                self.last_heard_at.pop(event.ref, None)

    def check_entered(self, event: Entered) -> None:
        assert event.ref not in self.entered_s, "entered twice"
        assert event.at == moment(self.now_s)
        heard = self.heard_s[event.ref]
        unbroken = [self.now_s]
        for second in sorted(heard + self.door_s.get(event.ref, []), reverse=True):
            if unbroken[-1] - second > RULE.window_s:
                break
            unbroken.append(second)
        assert sum(second >= unbroken[-1] for second in heard) >= RULE.min_sightings
        assert unbroken[0] - unbroken[-1] >= max(
            RULE.min_duration_s, RULE.evidence_db_s / MAX_ABOVE_DB
        )
        if event.ref in self.gone_s:
            assert self.now_s - self.gone_s.pop(event.ref) >= RULE.reentry_cooldown_s
        self.entered_s[event.ref] = self.now_s

    def check_left(self, event: Left) -> None:
        entered_s = self.entered_s.pop(event.ref)
        left_s = event.at.monotonic_s - moment().monotonic_s
        heard = [second for second in self.heard_s[event.ref] if entered_s <= second <= left_s]
        assert event.entered_at == moment(entered_s)
        assert event.at in [moment(second) for second in heard], "dated from no sighting"
        assert event.at.monotonic_s <= moment(self.now_s).monotonic_s - RULE.absence_s
        gaps = [later - earlier for earlier, later in pairwise(heard)]
        assert all(gap < RULE.absence_s for gap in gaps), "the visit spans a silence"
        self.gone_s[event.ref] = left_s


TestAnyDay = AnyDay.TestCase
TestAnyDay.settings = examples(60, stateful_step_count=40)
TestAnyDay.pytestmark = [pytest.mark.requirement("R-19", "R-20")]
