"""The test phone's two known answers a day, and what is no answer."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from presence.core.timestamps import Moment
from presence.core.visit.staff_walks import DAYS, HEARD_PAST, StaffWalks, WalkAnswers
from presence.core.visit.walks import Walked
from tests.support.builders import ANNA, BERIT

HELSINKI = ZoneInfo("Europe/Helsinki")
TIMES = {Walked.PAST: "08:30-08:40", Walked.IN: "08:40-08:50"}
TODAY = date(2026, 11, 23)


def at(clock: str, day: date = TODAY) -> Moment:
    local = datetime.fromisoformat(f"{day} {clock}").replace(tzinfo=HELSINKI)
    return Moment(local.timestamp() - 1.79e9, local.timestamp())


def walks() -> StaffWalks:
    return StaffWalks(TIMES, HELSINKI)


def walk(
    one: StaffWalks,
    clock: str,
    *,
    ref: bytes = ANNA,
    heard: int = HEARD_PAST,
    enters: bool = False,
    visiting: bool = False,
    day: date = TODAY,
) -> None:
    one.advance(at(clock, day))
    for _ in range(heard):
        one.hear(ref, visiting=visiting)
    if enters:
        one.enter(ref)


def test_a_phone_that_walked_past_and_then_in_gives_two_right_answers() -> None:
    one = walks()
    walk(one, "08:32")
    walk(one, "08:44", enters=True)
    one.advance(at("08:50"))

    assert one.days == {TODAY: {Walked.PAST: WalkAnswers(1, 0), Walked.IN: WalkAnswers(1, 0)}}


def test_an_entry_on_the_way_past_and_none_on_the_way_in_are_wrong() -> None:
    one = walks()
    walk(one, "08:32", enters=True)
    walk(one, "08:44")
    one.advance(at("08:50"))

    assert one.days == {TODAY: {Walked.PAST: WalkAnswers(0, 1), Walked.IN: WalkAnswers(0, 1)}}


def test_a_phone_with_a_visit_is_asked_nothing() -> None:
    """It came in at its walk past, or lies in the shop."""
    one = walks()
    walk(one, "08:32", visiting=True)
    walk(one, "08:44", visiting=True)
    one.advance(at("08:50"))

    assert one.days == {}


def test_a_phone_that_is_not_heard_gives_no_answer() -> None:
    one = walks()
    walk(one, "08:32", heard=0)
    walk(one, "08:44", heard=0)
    one.advance(at("08:50"))

    assert one.days == {}


def test_hardly_heard_on_the_way_past_is_no_answer_and_on_the_way_in_a_wrong_one() -> None:
    one = walks()
    walk(one, "08:32", heard=HEARD_PAST - 1)
    walk(one, "08:44", heard=1)
    one.advance(at("08:50"))

    assert one.days == {TODAY: {Walked.IN: WalkAnswers(0, 1)}}


def test_outside_of_the_agreed_times_the_phone_is_as_any_other() -> None:
    one = walks()
    for clock in ("08:29", "08:50", "12:00", "23:59"):
        walk(one, clock, enters=True)
        assert one.walking is None
    one.advance(at("23:59"))

    assert one.days == {}


def test_each_phone_gives_its_own_answer() -> None:
    one = walks()
    walk(one, "08:32")
    walk(one, "08:33", ref=BERIT, enters=True)
    one.advance(at("08:41"))

    assert one.days == {TODAY: {Walked.PAST: WalkAnswers(1, 1)}}


@pytest.mark.requirement("R-12")
def test_a_phone_whose_consent_is_gone_gives_no_answer() -> None:
    one = walks()
    walk(one, "08:32")
    one.forget(ANNA)
    one.advance(at("08:41"))

    assert one.days == {}


def test_a_phone_that_hangs_between_the_two_is_judged_for_each() -> None:
    one = walks()
    walk(one, "08:39")
    walk(one, "08:40", enters=True)
    one.advance(at("09:00"))

    assert one.days[TODAY] == {Walked.PAST: WalkAnswers(1, 0), Walked.IN: WalkAnswers(1, 0)}


def test_the_answers_are_those_of_thirty_days_that_are_over() -> None:
    one = walks()
    for back in range(40):
        one.days[TODAY - timedelta(days=back)] = {Walked.PAST: WalkAnswers(1, 2)}

    answers = one.answers_before(TODAY)

    assert (answers[Walked.PAST], answers[Walked.IN]) == (
        WalkAnswers(DAYS, 2 * DAYS),
        WalkAnswers(),
    )


def test_what_is_older_goes_and_so_does_what_a_wrong_clock_wrote() -> None:
    one = walks()
    for offset in (-31, -30, -1, 0, 1, 400):
        one.days[TODAY + timedelta(days=offset)] = {}

    one.keep_only(TODAY)

    assert sorted((day - TODAY).days for day in one.days) == [-30, -1, 0]


@pytest.mark.requirement("R-18", "R-24")
def test_after_a_walk_nothing_is_kept_of_the_phone() -> None:
    one = walks()
    walk(one, "08:32", ref=ANNA)
    assert not any(key == ANNA for key in one._walks), "not even meanwhile"
    one.advance(at("08:50"))

    assert one._walks == {}
