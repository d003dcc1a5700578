"""Figures by day: what counts, when a day is over, and that they survive a restart."""

import json
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.core.place import Place
from presence.core.timestamps import Moment
from presence.core.visit.crossings import CounterRefusal
from presence.core.visit.entry_figures import (
    BOUNDS_S,
    HOUR_S,
    UNKNOWN_BELOW,
    EntryFigures,
    FiguresRule,
)
from presence.core.visit.staff_walks import WalkAnswers
from presence.core.visit.visits import Entered, Left
from presence.core.visit.walks import Walked
from tests.support.builders import ANNA, BERIT, moment

HELSINKI = ZoneInfo("Europe/Helsinki")
TODAY = date(2026, 11, 23)


def figures(
    rule: FiguresRule = FiguresRule(),  # noqa: B008 - frozen
    *,
    zone: ZoneInfo = HELSINKI,
    places: frozenset[Place] = frozenset(Place),
    kept: str = "",
) -> EntryFigures:
    return EntryFigures(rule, zone, places=places, kept=kept)


def somebody(number: int) -> bytes:
    return number.to_bytes(8, "big")


def enter(
    one: EntryFigures,
    ref: bytes = ANNA,
    at: Moment | None = None,
    *,
    since_peak_s: float | None = 4.0,
    by_answer: bool = False,
    is_test: bool = False,
) -> None:
    at = moment() if at is None else at
    one.advance(at)
    one.enter(Entered(ref, at, since_peak_s=since_peak_s, by_answer=by_answer), is_test=is_test)


def local(text: str, zone: ZoneInfo = HELSINKI) -> Moment:
    utc_s = datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()
    return Moment(utc_s - 1.79e9, utc_s)


# ---------------------------------------------------------------- what counts


@pytest.mark.parametrize(
    ("since_peak_s", "bucket"),
    [(0.0, 0), (1.0, 0), (1.01, 1), (10.0, 7), (300.0, 15), (301.0, 16)],
)
def test_a_delay_falls_under_its_bound(since_peak_s: float, bucket: int) -> None:
    one = figures()
    enter(one, since_peak_s=since_peak_s)

    assert one.today is not None
    assert [n for n, count in enumerate(one.today.delays) if count] == [bucket]
    assert len(one.today.delays) == len(BOUNDS_S) + 1


@pytest.mark.parametrize(
    ("since_peak_s", "late", "delays"), [(None, 1, 0), (59.9, 0, 1), (60.0, 1, 1), (500.0, 1, 1)]
)
def test_who_showed_a_minute_after_the_door_or_never_there_is_late(
    since_peak_s: float | None, late: int, delays: int
) -> None:
    one = figures()
    enter(one, since_peak_s=since_peak_s)

    assert one.today is not None
    assert (one.today.entered, one.today.late, sum(one.today.delays)) == (1, late, delays)


def test_without_an_antenna_at_the_door_nobody_is_late() -> None:
    one = figures(places=frozenset({Place.INSIDE}))
    enter(one, since_peak_s=None)

    assert one.today is not None
    assert (one.today.entered, one.today.late, sum(one.today.delays)) == (1, 0, 0)


def test_who_answered_the_doorbell_has_no_peak_to_be_late_after() -> None:
    one = figures()
    enter(one, since_peak_s=None, by_answer=True)

    assert one.today is not None
    assert (one.today.entered, one.today.late, sum(one.today.delays)) == (1, 0, 0)


@pytest.mark.parametrize(("stay_s", "suspect"), [(0, 1), (20, 1), (20.1, 0), (600, 0)])
def test_who_was_last_heard_inside_at_once_is_suspect(stay_s: float, suspect: int) -> None:
    one = figures()
    one.advance(moment(400))
    one.leave(Left(ANNA, moment(0), moment(stay_s)), is_test=False)

    assert one.today is not None
    assert one.today.suspect == suspect


def test_the_test_phone_is_no_customer() -> None:
    one = figures()
    enter(one, is_test=True)
    one.leave(Left(ANNA, moment(0), moment(0)), is_test=True)

    assert one.today is not None
    assert (one.today.entered, one.today.suspect) == (0, 0)


@pytest.mark.requirement("R-23")
def test_a_customer_counts_once_an_hour() -> None:
    one = figures()
    border = moment()._replace(monotonic_s=2 * HOUR_S)
    for seconds in (0, 1000, 3599):
        enter(one, at=border.later(seconds))
        one.leave(Left(ANNA, border, border), is_test=False)
    enter(one, BERIT, border.later(3599.5))
    assert one.today is not None
    assert (one.today.entered, one.today.suspect) == (2, 1)

    enter(one, at=border.later(3600))
    assert one.today.entered == 3


@pytest.mark.requirement("R-23")
@given(st.lists(st.floats(0, 1500), max_size=200), st.floats(0, 3600))
def test_one_customer_alone_never_makes_a_day_that_is_told(
    pauses: list[float], offset_s: float
) -> None:
    """Whatever they do: goes in and out all day, also on the day that has 25 hours."""
    one = figures()
    now = local("2026-10-25 00:00").later(offset_s)
    now = now._replace(monotonic_s=offset_s)
    for pause_s in pauses:
        enter(one, at=now)
        one.leave(Left(ANNA, now, now), is_test=False)
        now = now.later(pause_s)
    one.advance(now.later(2 * 86400))

    assert all(day.entered < UNKNOWN_BELOW for day in one.take_closed())


@pytest.mark.requirement("R-23")
def test_a_customer_who_comes_each_hour_of_the_longest_day_is_still_too_few() -> None:
    one = figures()
    start = local("2026-10-25 00:00")
    for minute in range(25 * 60):
        enter(one, at=start.later(60 * minute))
    one.advance(start.later(25 * HOUR_S))

    (day,) = one.take_closed()
    assert 25 <= day.entered <= 26 < UNKNOWN_BELOW


# ---------------------------------------------------------------- the day's end


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-11-23", 24)]
)
def test_a_day_is_as_long_as_the_stores_calendar_has_it(day: str, hours: int) -> None:
    one = figures()
    start = local(f"{day} 00:00")
    enter(one, at=start)
    enter(one, BERIT, start.later(hours * HOUR_S - 1))
    assert one.take_closed() == []

    one.advance(start.later(hours * HOUR_S))

    (closed,) = one.take_closed()
    assert (closed.day.isoformat(), closed.entered) == (day, 2)
    assert one.last == closed
    assert one.take_closed() == []


def test_the_hour_that_comes_twice_belongs_to_one_day() -> None:
    one = figures()
    utc_s = datetime(2026, 10, 24, 23, 30, tzinfo=UTC).timestamp()  # 02:30 in Helsinki, summer
    for hour in range(4):
        enter(one, somebody(hour), Moment(utc_s - 1.79e9 + hour * HOUR_S, utc_s + hour * HOUR_S))

    assert one.take_closed() == []
    assert one.today is not None
    assert one.today.entered == 4


def test_a_clock_set_back_before_today_drops_today_and_tells_yesterday_only_once() -> None:
    one = figures()
    enter(one, at=local("2026-11-22 12:00"))
    enter(one, at=local("2026-11-23 12:00"))
    assert [day.day.day for day in one.take_closed()] == [22]

    back = local("2026-11-22 13:00")._replace(monotonic_s=local("2026-11-23 12:01").monotonic_s)
    enter(one, BERIT, back)

    assert one.take_closed() == []
    assert one.today is not None
    assert (one.today.day.day, one.today.entered) == (22, 1)


def test_a_clock_set_back_within_the_day_changes_nothing_of_it() -> None:
    one = figures()
    noon = local("2026-11-23 12:00")
    enter(one, at=noon)
    enter(one, BERIT, Moment(noon.monotonic_s + 60, noon.utc_s - 7200))

    assert one.today is not None
    assert one.today.entered == 2


@pytest.mark.requirement("R-23")
def test_a_day_that_a_clock_set_back_made_too_long_is_dropped() -> None:
    one = figures()
    noon = local("2026-11-23 12:00")
    for hour in range(40):  # the wall clock is set back each hour
        enter(one, at=Moment(noon.monotonic_s + hour * HOUR_S, noon.utc_s))
    one.advance(Moment(noon.monotonic_s + 40 * HOUR_S, noon.utc_s + 86400))

    assert one.take_closed() == []
    assert one.last is None


def test_a_start_without_a_clock_is_a_day_of_its_own() -> None:
    one = figures()
    one.advance(Moment(5.0, 0.0))
    enter(one, at=local("2026-11-23 09:00")._replace(monotonic_s=20.0))

    assert [day.entered for day in one.take_closed()] == [0]
    assert one.today is not None
    assert (one.today.day, one.today.entered) == (TODAY, 1)


@given(
    st.lists(
        st.tuples(st.floats(0, 50_000), st.floats(-100_000, 100_000), st.booleans()), max_size=60
    )
)
def test_whatever_the_clock_does_each_day_is_closed_after_it_and_nothing_counts_twice(
    steps: list[tuple[float, float, bool]],
) -> None:
    one = figures()
    entries = 0
    now = local("2026-11-23 12:00")
    closed = []
    for n, (pass_s, set_s, enters) in enumerate(steps):
        now = Moment(now.monotonic_s + pass_s, now.utc_s + pass_s + (set_s if n % 5 == 0 else 0))
        if enters:
            enter(one, somebody(n), now)
            entries += 1
        else:
            one.advance(now)
        assert one.today is not None
        assert one.today.day == datetime.fromtimestamp(now.utc_s, HELSINKI).date()
        closed += one.take_closed()

    last = one.today.entered if one.today else 0
    assert sum(day.entered for day in closed) + last <= entries


# ---------------------------------------------------------------- a counter


COUNTED = FiguresRule(counter_window_s=5)


def cross(one: EntryFigures, at: Moment, inward: int = 0, outward: int = 0) -> object:
    message = json.dumps({"t": int(at.utc_s), "in": inward, "out": outward}).encode()
    one.advance(at)
    return one.cross(message, at)


def test_entries_are_held_against_the_counter_by_the_second_of_the_doors_peak() -> None:
    one = figures(COUNTED)
    for second in range(0, 240, 30):
        cross(one, moment(second), inward=int(second == 120))
        if second == 120:
            enter(one, ANNA, moment(127), since_peak_s=7)
            enter(one, BERIT, moment(127), since_peak_s=30)
            enter(one, somebody(1), moment(128), since_peak_s=None)
    one.advance(moment(241))

    assert one.today is not None
    assert (one.today.judged, one.today.contradicted) == (2, 1)
    assert (one.today.inward, one.today.outward) == (1, 0)


def test_without_an_antenna_outside_the_counter_is_not_asked() -> None:
    """From the inner side the door's peak may be half a minute off."""
    one = figures(COUNTED, places=frozenset({Place.INSIDE, Place.DOOR}))
    for second in range(0, 240, 30):
        cross(one, moment(second))
    enter(one, ANNA, moment(211), since_peak_s=91)
    cross(one, moment(220))
    one.advance(moment(241))

    assert one.today is not None
    assert (one.today.judged, one.today.contradicted) == (0, 0)
    assert sum(one.today.delays) == 1


def test_without_a_counter_its_messages_are_nothing() -> None:
    one = figures()
    one.advance(moment())

    assert cross(one, moment(), inward=1) is None
    assert one.today is not None
    assert one.today.inward == 0


def test_a_refused_message_counts_nobody() -> None:
    one = figures(COUNTED)
    one.advance(moment())

    assert one.cross(b"{}", moment()) is CounterRefusal.MALFORMED
    assert one.today is not None
    assert (one.today.inward, one.today.outward) == (0, 0)


# ---------------------------------------------------------------- a restart


def test_a_restart_in_mid_day_goes_on_with_the_day() -> None:
    one = figures()
    for n in range(3):
        enter(one, somebody(n), since_peak_s=float(n))
    one.walks.days[TODAY] = {Walked.PAST: WalkAnswers(1, 2)}
    kept = one.to_keep()
    assert kept is not None

    again = figures(kept=kept)

    assert (again.today, again.walks.days) == (one.today, one.walks.days)
    assert again.kept() == kept


def test_the_last_day_survives_a_restart_and_is_not_closed_a_second_time() -> None:
    one = figures()
    enter(one)
    one.advance(moment(86_400))
    assert len(one.take_closed()) == 1

    again = figures(kept=one.kept())
    again.advance(moment(86_401))

    assert again.last == one.last
    assert again.take_closed() == []


def test_a_day_that_ended_while_nobody_ran_is_closed_at_the_start() -> None:
    one = figures()
    enter(one)

    again = figures(kept=one.kept())
    again.advance(moment(86_400))

    assert [day.entered for day in again.take_closed()] == [1]


@pytest.mark.requirement("R-23")
def test_restarts_do_not_make_a_crowd_of_one_customer() -> None:
    """Who was counted in this hour is forgotten; so nothing is counted until the next."""
    one = figures()
    enter(one)
    for n in range(1, 40):
        one = figures(kept=one.kept())
        enter(one, at=moment(n * 60))
    assert one.today is not None
    assert one.today.entered == 1

    enter(one, at=moment(6000))
    assert one.today.entered == 2


def test_where_nothing_happened_nothing_is_kept() -> None:
    one = figures(COUNTED)
    for second in range(100):
        one.advance(moment(second))

    assert one.to_keep() is None


def test_a_walk_that_was_judged_is_kept_though_nobody_entered() -> None:
    one = figures(FiguresRule(walks={Walked.PAST: "16:00-16:10"}))
    one.advance(moment())
    for _ in range(10):
        one.walks.hear(ANNA, visiting=False)
    one.advance(moment(600))

    kept = one.to_keep()
    assert kept is not None
    assert json.loads(kept)["walks"] == {"2026-11-23": {"past": [1, 0]}}


def test_what_the_counter_told_and_what_it_judged_is_kept() -> None:
    one = figures(COUNTED)
    for second in (0, 30, 60):
        cross(one, moment(second), inward=2, outward=1)
    kept = json.loads(one.to_keep() or "{}")
    assert (kept["today"]["inward"], kept["today"]["outward"]) == (6, 3)

    enter(one, at=moment(61), since_peak_s=31)
    assert json.loads(one.to_keep() or "{}")["today"]["judged"] == 0
    one.advance(moment(62))

    kept = json.loads(one.to_keep() or "{}")
    assert (kept["today"]["judged"], kept["today"]["contradicted"]) == (1, 0)


def test_the_end_of_a_day_is_kept_at_once() -> None:
    one = figures()
    enter(one)
    one.to_keep()
    one.advance(moment(86_400))

    kept = json.loads(one.to_keep() or "{}")
    assert kept["last"]["entered"] == 1
    assert kept["today"]["entered"] == 0


def test_what_is_kept_is_kept_once() -> None:
    one = figures()
    enter(one)

    assert one.to_keep() is not None
    assert one.to_keep() is None


@pytest.mark.requirement("R-18", "R-24")
def test_what_is_kept_names_nobody_and_no_time_of_a_visit() -> None:
    one = figures()
    enter(one, ANNA, moment(1234.5), since_peak_s=3.25)
    kept = json.loads(one.kept())

    today = kept["today"]
    assert kept.keys() == {"v", "today", "last", "walks"}
    assert today.pop("day") == "2026-11-23"
    assert today.pop("began_s") == moment(1234.5).monotonic_s, "of the first look at the day"
    assert all(isinstance(n, int) for n in (*today.pop("delays"), *today.values()))
    assert str(hash(ANNA)) not in one.kept()


@pytest.mark.parametrize(
    "kept",
    [
        "{",
        "[]",
        '{"v":2}',
        '{"v":1}',
        '{"v":1,"today":[],"last":null,"walks":{}}',
        '{"v":1,"today":null,"last":null,"walks":{"2026-11-23":{"past":[1]}}}'.replace(
            "[1]", "[-1,0]"
        ),
        '{"v":1,"today":null,"last":null,"walks":{"yesterday":{}}}',
        '{"v":1,"today":null,"last":null,"walks":{"2026-11-23":{"flies":[1,0]}}}',
        '{"v":1,"today":{"day":"2026-11-23","began_s":1,"delays":[0]},"last":null,"walks":{}}',
    ],
)
def test_what_is_nothing_of_ours_is_refused(kept: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        figures(kept=kept)


def test_old_walks_go_when_the_day_turns() -> None:
    one = figures()
    one.walks.days[TODAY - timedelta(days=40)] = {Walked.IN: WalkAnswers(1, 0)}
    one.advance(moment())

    assert one.walks.days == {}
