"""Which part of the walk is next when the technician repeats one, goes back or leaves one out."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.survey.course import Course, WalkKey, parts_of
from presence.survey.guide import READS_S, Act, Doing, SurveyStep, planned_s, walk_acts
from presence.survey.hearing import Heard, TestPhones
from presence.survey.outcome import SurveyOutcome
from presence.survey.plans import ShopPlan
from presence.survey.practice import practice
from presence.survey.screen import LeftEarly
from presence.survey.session import Session
from presence.survey.visit_plan import Plan
from tests.support.surveys import EmptyShop, Technician

WAY_S = 8.0


def a_course(rounds: int = 2) -> Course:
    return Course(tuple(parts_of(walk_acts(rounds))))


def heard_of(course: Course, began_s: float) -> list[Heard]:
    return [Heard(began_s) for _ in course.part]


def test_a_part_is_what_one_enter_starts() -> None:
    course = a_course(1)
    assert [act.doing for part in course.parts for act in part] == [
        act.doing for act in walk_acts(1)
    ]
    assert all(part[0].ask and not any(act.ask for act in part[1:]) for part in course.parts)
    assert [[act.doing for act in part] for part in course.parts] == [
        [Doing.WINDOW],
        [Doing.PAST, Doing.PAST],
        [Doing.LOOKIN],
        [Doing.IN, Doing.INSIDE, Doing.LEAVE],
    ]


def test_only_what_is_walked_no_more_is_told_and_only_once() -> None:
    """Who is sure of leaving still leaves, at the end of coming in."""
    course = a_course()
    sure = {Doing.WINDOW, Doing.PAST, Doing.LEAVE}
    for _ in range(4):
        course.keep(heard_of(course, 1.0))
    assert course.spare(sure) == ["at the window", "walking past"]
    assert course.spare(sure) == []
    assert course.spare({*Doing}) == ["looking in", "coming in", "inside", "leaving"]


def test_a_part_that_is_walked_again_replaces_the_old_one_and_the_next_open_one_follows() -> None:
    course = a_course()
    for began_s in (1.0, 2.0, 3.0):
        course.keep(heard_of(course, began_s))
    assert course.again()
    assert course.at == 2
    assert len(course.walked) == 3, "the old one stays until the new one is over"
    course.keep(heard_of(course, 9.0))
    assert [heard[0].began_s for heard in course.walked.values()] == [1.0, 2.0, 9.0]
    assert course.at == 3


def test_back_leads_to_the_part_before_and_after_it_is_walked_on_to_the_first_open_one() -> None:
    course = a_course()
    for began_s in (1.0, 2.0, 3.0):
        course.keep(heard_of(course, began_s))
    course.back()
    course.back()
    assert course.at == 1
    course.keep(heard_of(course, 9.0))
    assert (course.walked[1][0].began_s, course.at) == (9.0, 3)


def test_a_part_that_was_left_out_can_be_walked_after_all() -> None:
    course = a_course()
    course.skip()
    assert (course.at, course.left_out) == (1, {0})
    course.back()
    course.keep(heard_of(course, 1.0))
    assert (course.left_out, course.walked.keys()) == (set(), {0})


def test_before_the_first_walk_there_is_nothing_to_repeat() -> None:
    course = a_course()
    assert not course.again()
    course.back()
    assert course.at == 0


@given(st.lists(st.sampled_from(["walk", "again", "back", "skip"]), max_size=60))
def test_whatever_is_typed_the_course_ends_when_each_part_was_walked_or_left_out(
    typed: Sequence[str],
) -> None:
    course, number = a_course(), 0.0
    for word in typed:
        if course.is_over:
            break
        number += 1
        left_s = course.left_s(WAY_S)
        if word == "skip":
            course.skip()
        elif word == "back":
            course.back()
        elif word == "walk" or course.again():
            course.keep(heard_of(course, number))
            assert course.left_s(WAY_S) <= left_s + planned_s(course.parts[course.last or 0], WAY_S)
        assert not course.walked.keys() & course.left_out
        assert 0 <= course.at <= len(course.parts)
    while not course.is_over:
        course.keep(heard_of(course, number))
    assert course.walked.keys() | course.left_out == set(range(len(course.parts)))
    assert course.left_s(WAY_S) == 0
    acts = [act.number for act, _ in course.recorded()]
    assert acts == sorted(acts)


async def visited(
    answers: Sequence[str],
    *,
    steps: Sequence[SurveyStep] = (SurveyStep.WALK,),
    rounds: int = 1,
) -> tuple[SurveyOutcome, str]:
    technician = Technician(answers)
    with practice(4, None, ShopPlan.ONE) as shop:
        ear = EmptyShop(
            shop.identity_keys, speed=5000, seed=4, antennas=shop.antennas, air=shop.air
        )
        phones = TestPhones(shop.consents(ear.now().utc_s), shop.rules, ear.now())
        plan = Plan(steps=steps, walk=tuple(walk_acts(rounds)), way_s=WAY_S)
        session = Session(
            plan, shop.settings, shop.rules, ear=ear, phones=phones, screen=technician
        )
        return await session.run(), technician.out.getvalue()


async def test_this_walk_is_repeated_on_a_key_and_counts_once() -> None:
    plain, _ = await visited([])
    again, screen = await visited(["", WalkKey.AGAIN, "", WalkKey.BACK])
    assert "Once more: Stand outside at the window" in screen
    assert [one.act for one in again.walks.recorded] == [one.act for one in plain.walks.recorded]
    assert again.walks.recorded[0].began_s > plain.walks.recorded[0].began_s


async def test_a_walk_that_is_left_out_is_in_no_result() -> None:
    outcome, _ = await visited(["", WalkKey.SKIP])
    assert outcome.walks.recorded[0].act.doing is Doing.WINDOW
    assert outcome.walks.recorded[1].act.doing is Doing.LOOKIN


async def test_the_last_walk_can_be_repeated_before_the_result_is_told() -> None:
    parts = len(a_course(1).parts)
    _, screen = await visited([*[""] * parts, "x", WalkKey.AGAIN])
    assert screen.count("Enter for the result") == 3
    assert "'x' is none of these" in screen


async def test_q_leaves() -> None:
    with pytest.raises(LeftEarly):
        await visited(["", WalkKey.QUIT])


async def test_each_question_says_how_long_the_whole_visit_may_still_take() -> None:
    _, screen = await visited([], steps=(SurveyStep.PHONE, SurveyStep.WALK))
    shown = [line.split(" left. ")[0].strip() for line in screen.splitlines() if " left. " in line]
    left_s = [60 * int(text.split(":")[0]) + int(text.split(":")[1]) for text in shown]
    walk_s = planned_s(tuple(walk_acts(1)), WAY_S)
    assert left_s[0] == walk_s + 10 + READS_S + WAY_S
    assert left_s[1] == walk_s
    assert left_s == sorted(left_s, reverse=True)
    last = a_course(1).parts[-1]
    assert left_s[-1] == planned_s(last, WAY_S)


def test_an_act_that_nobody_is_asked_for_needs_no_way() -> None:
    assert planned_s([Act(Doing.INSIDE, 15, "inside")], WAY_S) == 15
