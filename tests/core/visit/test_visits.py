"""The visit machine: what must hold for every string of sightings, and the cases that are easy to
get wrong.
"""

from bisect import insort
from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise
from math import exp, inf
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from presence.core.place import Place
from presence.core.timestamps import Moment
from presence.core.visit.antennas import outer_place
from presence.core.visit.door_score import LATE_S
from presence.core.visit.evidence import (
    MAX_ABOVE_DB,
    MAX_CREDIT_S,
    SMOOTHING_S,
    Approach,
    SmoothedStrength,
)
from presence.core.visit.visits import (
    LATELY_S,
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
def left_at_s(*, looks_at_all: bool, every_s: float, until_s: float, rssi_dbm: int) -> float:
    """When the visit counts as over, of somebody who is heard so often inside."""
    visits = inside(heard_s=60)
    for n in range(1, int((until_s - 60) / every_s) + 1):
        now = moment(60 + n * every_s)
        if looks_at_all or not visits.goes_on(ANNA, now.monotonic_s):
            visits.observe(Sighting(now, ANNA, rssi_dbm, "hci0"))
    [left] = visits.advance(moment(until_s + RULE.absence_s))
    assert isinstance(left, Left)
    return left.at.monotonic_s - moment().monotonic_s


@given(every_s=st.floats(0.05, 3), until_s=st.floats(64, 90), rssi_dbm=st.integers(-85, -40))
def test_a_visit_that_goes_on_is_looked_at_once_a_second_and_ends_a_second_early_at_most(
    every_s: float, until_s: float, rssi_dbm: int
) -> None:
    all_s = left_at_s(looks_at_all=True, every_s=every_s, until_s=until_s, rssi_dbm=rssi_dbm)
    some_s = left_at_s(looks_at_all=False, every_s=every_s, until_s=until_s, rssi_dbm=rssi_dbm)

    assert all_s - LATELY_S <= some_s <= all_s


def test_a_visit_goes_on_while_it_was_kept_lately_and_for_nobody_else() -> None:
    visits, kept_s = inside(heard_s=60), moment(61).monotonic_s
    hear(visits, 61)

    assert visits.goes_on(ANNA, kept_s + 0.9)
    assert not visits.goes_on(ANNA, kept_s + LATELY_S)
    assert not visits.goes_on(BERIT, kept_s)
    hear(visits, 61.5, ref=BERIT)
    assert not visits.goes_on(BERIT, kept_s + 0.6)
    visits.advance(moment(61 + RULE.absence_s))
    assert not visits.goes_on(ANNA, kept_s)
    hear(visits, 62 + RULE.absence_s)  # within the cooldown: gone all the same
    assert not visits.goes_on(ANNA, moment(62.1 + RULE.absence_s).monotonic_s)


@pytest.mark.parametrize("changes", [{"absence_s": 0.5}, {"reentry_cooldown_s": 0.5}])
def test_a_visit_goes_on_no_longer_than_the_shortest_silence_that_ends_it(
    changes: dict[str, float],
) -> None:
    visits, kept_s = inside(heard_s=60, **changes), moment(60.3).monotonic_s
    hear(visits, 60.3)

    assert visits.goes_on(ANNA, kept_s + 0.4)
    assert not visits.goes_on(ANNA, kept_s + 0.5)


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


# ---------------------------------------------------------------- antennas in several places

INSIDE_DOOR = {"back": Place.INSIDE, "inner": Place.DOOR}
PAIR = {"inner": Place.DOOR, "outer": Place.OUTSIDE}
THREE = {"back": Place.INSIDE, **PAIR}
SEVERAL = {
    "inside and door": INSIDE_DOOR,
    "pair": PAIR,
    "outside and inside": {"back": Place.INSIDE, "outer": Place.OUTSIDE},
    "three": THREE,
}
in_each = pytest.mark.parametrize("places", SEVERAL.values(), ids=SEVERAL)
EASY = DoorRule(score=8, min_sightings=3, min_duration_s=1)
"""So few points that a short story makes an entry."""
WALK_IN = {"back": (-92, -78, -48), "inner": (-85, -56, -70), "outer": (-75, -52, -88)}
"""dBm: coming up the street, in the doorway, and some steps inside."""
LOOK_IN = {"back": (-92, -78, -80), "inner": (-85, -62, -62), "outer": (-75, -50, -50)}
"""The same of who stops before the door."""
DOORWAY_S, SETTLED_S, END_S = 4, 8, 20
Packet = tuple[float, dict[str, int]]
"""The second, and how strongly the antennas that heard it did."""


def walk(levels: dict[str, tuple[int, int, int]], start_s: int = 0) -> list[Packet]:
    """Two packets a second, of somebody who is in the doorway after DOORWAY_S."""
    times = [n / 2 for n in range(2 * END_S)]
    return [
        (start_s + at_s, {name: _between(at_s, *levels[name]) for name in levels}) for at_s in times
    ]


def _between(at_s: float, street: int, doorway: int, settled: int) -> int:
    if at_s < DOORWAY_S:
        return round(street + (doorway - street) * at_s / DOORWAY_S)
    inside = min(1.0, (at_s - DOORWAY_S) / (SETTLED_S - DOORWAY_S))
    return round(doorway + (settled - doorway) * inside)


def follow(visits: Visits, packets: Iterable[Packet], antennas: Iterable[str]) -> list[VisitEvent]:
    """What these antennas hear of them."""
    return [
        event
        for second, levels in packets
        for antenna in antennas
        if antenna in levels
        for event in hear(visits, second, rssi_dbm=levels[antenna], antenna=antenna)
    ]


@in_each
def test_who_comes_in_through_the_door_has_entered(places: dict[str, Place]) -> None:
    (entered,) = follow(Visits(RULE, places=places), walk(WALK_IN), places)

    assert isinstance(entered, Entered)
    assert moment(DOORWAY_S).monotonic_s < entered.at.monotonic_s < moment(END_S).monotonic_s


@pytest.mark.requirement("R-19", "T-25")
@in_each
def test_who_looks_in_at_the_door_has_not_entered_however_long_they_stand_there(
    places: dict[str, Place],
) -> None:
    visits = Visits(RULE, places=places)
    assert follow(visits, walk(LOOK_IN), places) == []
    stays = {antenna: levels[-1] for antenna, levels in LOOK_IN.items()}

    assert follow(visits, [(END_S + n, stays) for n in range(300)], places) == []


@pytest.mark.requirement("R-19", "T-25")
@pytest.mark.parametrize("places", [{"inner": Place.DOOR}, *SEVERAL.values()])
def test_the_door_alone_hears_nobody_in(places: dict[str, Place]) -> None:
    visits = Visits(DoorRule(score=0), places=places)
    for antenna in {"inner", "outer"} & places.keys():
        assert hear(visits, *range(1000), rssi_dbm=0, antenna=antenna) == []
        visits.forget(ANNA)


@pytest.mark.requirement("R-19", "T-25")
def test_neither_does_the_street() -> None:
    visits = Visits(RULE, places={"hci1": Place.OUTSIDE})

    assert hear(visits, *range(1000), rssi_dbm=0, antenna="hci1") == []


@pytest.mark.requirement("R-19", "T-25")
def test_an_antenna_of_which_nothing_is_said_is_inside() -> None:
    visits = Visits(RULE, places={"hci1": Place.INSIDE})

    for antenna, customer in (("hci1", ANNA), ("hci2", BERIT)):
        assert hear(visits, *range(8), antenna=antenna, ref=customer) != []


def test_among_several_places_an_antenna_of_which_nothing_is_said_decides_nothing() -> None:
    visits = Visits(RULE, places=PAIR)

    assert hear(visits, *range(100), rssi_dbm=0, antenna="hci9") == []
    assert visits.evidence_db_s(ANNA) == 0


@pytest.mark.requirement("R-19", "T-25")
def test_a_loud_phone_at_the_door_is_not_inside() -> None:
    levels = {"back": -68, "inner": -50}
    heard = [(n, levels) for n in range(300)]

    assert follow(Visits(RULE, places=INSIDE_DOOR), heard, INSIDE_DOOR) == []
    assert follow(Visits(RULE), heard, ["back"]) != [], "by its strength inside alone it would be"


def test_a_phone_in_a_pocket_inside_is_found_though_it_is_weak() -> None:
    heard = walk({"back": (-98, -92, -77), "inner": (-92, -64, -62), "outer": (-83, -60, -90)})

    events = follow(Visits(RULE, places=THREE), heard, THREE)
    assert [type(event) for event in events] == [Entered]
    assert follow(Visits(RULE), heard, ["back"]) == [], "by its strength inside alone it is not"


@in_each
@pytest.mark.parametrize("changes", [{"min_sightings": 25}, {"min_duration_s": 12}])
def test_points_alone_are_not_enough(changes: dict[str, float], places: dict[str, Place]) -> None:
    soon = follow(Visits(DoorRule(score=5), places=places), walk(WALK_IN), places)
    late = follow(Visits(DoorRule(score=5, **changes), places=places), walk(WALK_IN), places)  # type: ignore[arg-type]

    assert isinstance(soon[0], Entered)
    assert soon[0].at.monotonic_s < moment(12).monotonic_s
    assert [event.at for event in late if isinstance(event, Entered)] == [moment(12)]


@in_each
def test_points_are_told_and_none_where_there_are_none(places: dict[str, Place]) -> None:
    visits = Visits(RULE, places=places)
    assert visits.points(ANNA) == -inf
    follow(visits, walk(LOOK_IN), places)

    assert 0 < visits.points(ANNA) < inf
    assert visits.points(BERIT) == -inf
    one = Visits(RULE)
    hear(one, 0, 1)
    assert one.points(ANNA) == -inf


def test_a_phone_that_is_loud_has_as_much_more_to_show() -> None:
    """What was taken off a reading is taken off silence."""
    heard = [(n / 2, -55, "inner") for n in range(20)]
    plain, loud = Visits(RULE, places=PAIR), Visits(RULE, places=PAIR)
    for visits, loudness_db in ((plain, 0), (loud, 12)):
        visits.observe(Sighting(moment(0), ANNA, -60 - loudness_db, "outer"))
        for second, rssi_dbm, antenna in heard:
            visits.observe(
                Sighting(
                    moment(second), ANNA, rssi_dbm - loudness_db, antenna, loudness_db=loudness_db
                )
            )

    assert -inf < loud.points(ANNA) < plain.points(ANNA)


# ---------------------------------------------------------------- the peak at the door


def test_the_peak_is_the_loudest_moment_of_the_antenna_that_faces_the_street() -> None:
    for places in (PAIR, THREE):
        (entered,) = follow(Visits(RULE, places=places), walk(WALK_IN), places)
        assert isinstance(entered, Entered)
        assert entered.since_peak_s is not None
        peak_s = entered.at.monotonic_s - entered.since_peak_s - moment().monotonic_s
        assert peak_s == pytest.approx(DOORWAY_S, abs=1)


def test_without_one_outside_the_peak_is_that_of_the_door() -> None:
    (entered,) = follow(Visits(RULE, places=INSIDE_DOOR), walk(WALK_IN), INSIDE_DOOR)

    assert isinstance(entered, Entered)
    assert entered.since_peak_s is not None
    assert entered.since_peak_s > 0


def test_one_place_knows_no_peak() -> None:
    (entered,) = hear(Visits(RULE), *range(8))

    assert isinstance(entered, Entered)
    assert entered.since_peak_s is None


def test_an_entry_says_how_strong_it_is_within() -> None:
    (entered,) = follow(Visits(RULE, places=THREE), walk(WALK_IN), THREE)

    assert isinstance(entered, Entered)
    assert entered.strength_dbm == pytest.approx(-60, abs=5)


# ---------------------------------------------------------------- answers, at bells that only ring


def answer(visits: Visits, packets: Iterable[Packet], bells: Iterable[str]) -> list[VisitEvent]:
    return [
        event
        for second, levels in packets
        for bell in bells
        for event in visits.observe(Sighting(moment(second), ANNA, levels[bell], bell, True))
    ]


@in_each
def test_answers_are_judged_by_where_the_bells_hang(places: dict[str, Place]) -> None:
    for antennas in ({}, {"listens": Place.INSIDE}, {"in": Place.DOOR, "out": Place.OUTSIDE}):
        visits = Visits(RULE, places=antennas, bells=places)
        assert answer(visits, walk(LOOK_IN), places) == []
        visits.forget(ANNA)
        (entered,) = answer(visits, walk(WALK_IN), places)
        assert isinstance(entered, Entered)
        assert entered.by_answer
        assert entered.since_peak_s is not None


@pytest.mark.requirement("T-01")
@in_each
def test_no_bell_is_an_ear_for_broadcasts(places: dict[str, Place]) -> None:
    """It hears none: that is no silence, and no side that never heard the subject."""
    bells = {f"{name} bell": place for name, place in THREE.items()}
    heard = walk(WALK_IN)

    without = follow(Visits(RULE, places=places), heard, places)
    assert follow(Visits(RULE, places=places, bells=bells), heard, places) == without != []


def test_an_answer_that_is_late_enters_by_its_own_time_and_not_by_that_of_broadcasts() -> None:
    """An old series, played once more in one moment, has no duration."""
    visits = Visits(DoorRule(score=70), places=PAIR, bells=PAIR)
    assert follow(visits, walk(LOOK_IN)[:20], PAIR) == []
    levels = {"inner": -50, "outer": -65}

    assert answer(visits, [(5, levels)] * 50, PAIR) == []
    assert answer(visits, [(5 + n, levels) for n in range(1, 8)], PAIR) != []


# ---------------------------------------------------------------- antennas that are lost


def test_an_approach_begins_anew_when_an_antenna_is_lost_and_when_it_is_back() -> None:
    visits = Visits(RULE, places={"hci0": Place.INSIDE, "hci2": Place.INSIDE})
    for change in (visits.antenna_lost, visits.antenna_back):
        hear(visits, *range(7))
        assert visits.evidence_db_s(ANNA) > 0
        change("hci2")
        assert visits.evidence_db_s(ANNA) == 0
        assert hear(visits, 7) == []
        visits.forget(ANNA)


@in_each
def test_so_does_the_score_at_the_door(places: dict[str, Place]) -> None:
    visits = Visits(RULE, places=places)
    for change in (visits.antenna_lost, visits.antenna_back):
        follow(visits, walk(LOOK_IN), places)
        change("outer" if "outer" in places else "inner")
        assert visits.points(ANNA) == -inf


def test_one_of_two_antennas_inside_that_is_lost_makes_the_other_one_no_worse() -> None:
    visits = Visits(RULE, places={"hci0": Place.INSIDE, "hci2": Place.INSIDE})
    visits.antenna_lost("hci2")

    assert hear(visits, *range(8)) == [Entered(ANNA, moment(7))]


@in_each
def test_who_is_inside_stays_inside_when_an_antenna_is_lost(places: dict[str, Place]) -> None:
    within = "back" if "back" in places else "inner"
    visits = Visits(RULE, [visit(heard_at=moment(19))], places=places)
    visits.antenna_lost("outer" if "outer" in places else "inner")

    assert visits.is_inside(ANNA)
    assert hear(visits, 20, antenna=within) == []
    assert visits.advance(moment(RULE.absence_s + 19)) == []


@pytest.mark.requirement("T-25")
@in_each
def test_who_stands_before_the_door_does_not_come_in_because_its_antenna_is_lost(
    places: dict[str, Place],
) -> None:
    for lost in {"inner", "outer"} & places.keys():
        visits = Visits(RULE, places=places)
        assert follow(visits, walk(LOOK_IN), places) == []
        visits.antenna_lost(lost)
        left = places.keys() - {lost}
        stays = {antenna: levels[-1] for antenna, levels in LOOK_IN.items()}
        assert follow(visits, [(END_S + n, stays) for n in range(240)], left) == []
        visits.antenna_back(lost)
        assert follow(visits, walk(WALK_IN, 300), places) != []


def test_a_pair_finds_who_comes_in_without_the_antenna_deep_inside() -> None:
    visits = Visits(RULE, places=THREE)
    visits.antenna_lost("back")

    assert [type(event) for event in follow(visits, walk(WALK_IN), PAIR)] == [Entered]


@pytest.mark.requirement("T-25", "T-27")
@in_each
@given(
    packets=st.lists(
        st.tuples(
            st.sampled_from([0.1, 0.5, 1.0, 4.0]),
            st.lists(st.none() | st.integers(-100, -20), min_size=3, max_size=3),
        ),
        min_size=4,
        max_size=40,
    )
)
def test_nobody_comes_in_without_an_antenna_on_the_outer_side_who_would_not_with_it(
    places: dict[str, Place], packets: list[tuple[float, list[int | None]]]
) -> None:
    """Whatever it would have heard: while one on the outer side is lost, nobody comes in at all."""
    for lost in {name for name, place in places.items() if place is outer_place(places.values())}:
        visits, now_s = Visits(EASY, places=places), 0.0
        visits.antenna_lost(lost)
        for pause_s, levels in packets:
            now_s += pause_s
            for antenna, rssi_dbm in zip(places, levels, strict=False):
                if antenna != lost and rssi_dbm is not None:
                    assert hear(visits, now_s, rssi_dbm=rssi_dbm, antenna=antenna) == []


def test_who_is_heard_at_the_door_only_is_forgotten_after_a_silent_window() -> None:
    visits = Visits(RULE, places=INSIDE_DOOR)
    hear(visits, 0, 1, antenna="inner")

    visits.advance(moment(1 + RULE.window_s))
    assert visits.refs() == {ANNA}
    visits.advance(moment(1.1 + RULE.window_s))

    assert not visits.refs()


# ---------------------------------------------------------------- who is within


def test_who_left_begins_to_approach_anew() -> None:
    visits = Visits(RULE)
    hear(visits, *range(20), rssi_dbm=STRONG)
    visits.advance(moment(19 + RULE.absence_s))

    assert visits.evidence_db_s(ANNA) == 0


@pytest.mark.parametrize(
    ("places", "beside"),
    [
        (INSIDE_DOOR, ["inner"]),
        (PAIR, ["outer"]),
        (THREE, ["inner", "outer"]),
        ({"inner": Place.DOOR}, ["inner"]),
    ],
)
def test_only_what_is_heard_within_keeps_a_visit_alive(
    places: dict[str, Place], beside: list[str]
) -> None:
    for antenna in beside:
        visits = Visits(RULE, [visit(heard_at=moment(60))], places=places)
        heard = hear(visits, *range(61, 400, 20), rssi_dbm=STRONG, antenna=antenna)
        assert heard == [Left(ANNA, moment(7), moment(60))]
    for antenna in places.keys() - {*beside}:
        visits = Visits(RULE, [visit(heard_at=moment(60))], places=places)
        assert hear(visits, *range(61, 400, 20), rssi_dbm=STRONG, antenna=antenna) == []


@in_each
def test_after_the_cooldown_who_comes_in_again_has_entered_again(places: dict[str, Place]) -> None:
    visits = Visits(RULE, places=places)
    assert [type(e) for e in follow(visits, walk(WALK_IN), places)] == [Entered]
    again = follow(visits, walk(WALK_IN, 2000), places)

    assert [type(event) for event in again] == [Left, Over, Entered]


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
    withdrawals; heard inside, and at a door that decides nothing alone.
    """

    settings = RULE
    within, beside = "", "hci1"
    places: ClassVar[dict[str, Place]] = {beside: Place.DOOR}
    by_points = False

    def __init__(self) -> None:
        super().__init__()
        self.visits = Visits(self.settings, places=self.places)
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
        heard = Sighting(moment(self.now_s), ref, rssi_dbm, self.within)
        self.check(self.visits.observe(heard))

    @rule(ref=REFS, rssi_dbm=st.sampled_from([STRONG, WEAK]), pause_s=PAUSES)
    def somebody_is_heard_at_the_door(self, ref: bytes, rssi_dbm: int, pause_s: float) -> None:
        self.now_s += pause_s
        self.door_s.setdefault(ref, []).append(self.now_s)
        events = self.visits.observe(Sighting(moment(self.now_s), ref, rssi_dbm, self.beside))
        assert self.by_points or not any(isinstance(event, Entered) for event in events)
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
        if not self.heard_s.get(ref) or (self.by_points and late_s <= LATE_S):
            return
        before = self.visits.get(ref)
        at = moment(self.heard_s[ref][-1] - late_s)
        assert self.visits.observe(Sighting(at, ref, rssi_dbm, self.within)) == []
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
        heard, beside = self.heard_s[event.ref], self.door_s.get(event.ref, [])
        unbroken = [self.now_s]
        for second in sorted(heard + beside, reverse=True):
            if unbroken[-1] - second > RULE.window_s:
                break
            unbroken.append(second)
        speak = heard + beside if self.by_points else heard
        assert sum(second >= unbroken[-1] for second in speak) >= self.settings.min_sightings
        least_s = 0 if self.by_points else self.settings.evidence_db_s / MAX_ABOVE_DB
        assert unbroken[0] - unbroken[-1] >= max(self.settings.min_duration_s, least_s)
        if self.by_points:
            assert beside, "the outer antenna never heard it"
        if event.ref in self.gone_s:
            assert self.now_s - self.gone_s.pop(event.ref) >= RULE.reentry_cooldown_s
        self.entered_s[event.ref] = self.now_s

    def check_left(self, event: Left) -> None:
        entered_s = self.entered_s.pop(event.ref)
        left_s = event.at.monotonic_s - moment().monotonic_s
        heard = [second for second in self.heard_s[event.ref] if entered_s <= second <= left_s]
        if self.by_points:  # the last reading of the packet that decided may be the outer one's
            heard.insert(0, entered_s)
        assert event.entered_at == moment(entered_s)
        assert event.at in [moment(second) for second in heard], "dated from no sighting"
        assert event.at.monotonic_s <= moment(self.now_s).monotonic_s - RULE.absence_s
        gaps = [later - earlier for earlier, later in pairwise(heard)]
        assert all(gap < RULE.absence_s for gap in gaps), "the visit spans a silence"
        self.gone_s[event.ref] = left_s


class AnyDayAtAPair(AnyDay):
    """The same at a pair back to back, whose points are quickly enough."""

    settings = EASY
    within, beside = "inner", "outer"
    places = PAIR
    by_points = True


TestAnyDay, TestAnyDayAtAPair = AnyDay.TestCase, AnyDayAtAPair.TestCase
for each in (TestAnyDay, TestAnyDayAtAPair):
    each.settings = examples(60, stateful_step_count=40)
    each.pytestmark = [pytest.mark.requirement("R-19", "R-20")]
