"""The good, the middling and the bad door to practise at."""

from io import StringIO

import pytest

from presence.diagnosis.findings import Verdict
from presence.survey.guide import SurveyStep, broker_act, planned_s, radio_act, walk_acts
from presence.survey.hearing import TestPhones
from presence.survey.outcome import SurveyOutcome
from presence.survey.plans import ShopPlan
from presence.survey.practice import LESSONS, PracticeDoor, practice
from presence.survey.screen import Screen
from presence.survey.session import Session
from presence.survey.visit_plan import Plan
from tests.support.surveys import EmptyShop, scan_test, simulated

READY_S = 8.0
"""As --ready has it."""
OTHER_DAYS = range(2, 5)
"""The first day is played among the quick tests."""


async def practised(door: PracticeDoor, seed: int) -> SurveyOutcome:
    """Steps phone and walk, as fast as they can be played."""
    with practice(seed, None, ShopPlan.PAIR, door) as shop:
        ear = EmptyShop(
            shop.identity_keys, speed=300, seed=seed, antennas=shop.antennas, air=shop.air
        )
        phones = TestPhones(shop.consents(ear.now().utc_s), shop.rules, ear.now())
        plan = Plan(
            steps=(SurveyStep.PHONE, SurveyStep.WALK), walk=tuple(walk_acts(3)), way_s=READY_S
        )
        screen = Screen(StringIO(), yes=True)
        session = Session(plan, shop.settings, shop.rules, ear=ear, phones=phones, screen=screen)
        return await session.run()


def whole_s(outcome: SurveyOutcome) -> float:
    """With the other two steps, as they are planned: the last one at its longest."""
    plan = Plan(steps=())
    others = [radio_act(plan.radio_s), broker_act(plan.broker_s)]
    return outcome.took_s + planned_s(others, READY_S)


async def shows_its_lesson(door: PracticeDoor, seed: int) -> None:
    outcome = await practised(door, seed)
    finding = outcome.results[SurveyStep.WALK].finding
    assert finding.verdict is LESSONS[door].verdict, (door, seed, finding)
    if door is PracticeDoor.GOOD:
        assert whole_s(outcome) <= 300, "a clear door takes five minutes at most"


@pytest.mark.parametrize("door", PracticeDoor)
async def test_each_door_shows_its_verdict_and_the_clear_one_within_five_minutes(
    door: PracticeDoor,
) -> None:
    await shows_its_lesson(door, 1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", OTHER_DAYS)
@pytest.mark.parametrize("door", PracticeDoor)
async def test_each_door_shows_its_verdict_on_whatever_day(door: PracticeDoor, seed: int) -> None:
    await shows_its_lesson(door, seed)


def test_the_lesson_is_told_at_the_end_with_the_time_that_it_took() -> None:
    done = simulated("--door", "bad", "--steps", "phone,walk")
    assert done.returncode == Verdict.FAIL
    said = " ".join(done.stdout.split())
    assert "The bad door: no plate" in said
    assert "Its walk gets FAIL, as here." in said
    assert "with 5 s to read each question and 8 s to get to the door" in said


@pytest.mark.parametrize("with_door", [("--simulated", "--plan", "two"), ()])
def test_a_practice_door_is_one_of_the_pair_to_practise_at(with_door: tuple[str, ...]) -> None:
    done = scan_test("--door", "good", *with_door)
    assert done.returncode == 64
    assert "--door" in done.stderr


def test_another_word_is_no_door() -> None:
    done = scan_test("--simulated", "--door", "perfect")
    assert done.returncode == 64
    assert "good, middling, bad" in done.stderr
