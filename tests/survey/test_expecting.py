"""How soon the event of the last step may be expected, and when its absence is a fault."""

import re
from dataclasses import replace
from io import StringIO

import pytest

from presence.config.settings import EntrySettings
from presence.core.place import Place
from presence.core.visit.side import Side
from presence.diagnosis.findings import Finding, Verdict
from presence.survey.ears import SimulatedEar
from presence.survey.expecting import (
    NINE_OF_TEN,
    NINE_OF_TEN_NO_PAIR,
    NINE_OF_TEN_THIN,
    AwaitedEntry,
    expected_entry,
)
from presence.survey.guide import SurveyStep
from presence.survey.hearing import TestPhones
from presence.survey.plans import ShopPlan
from presence.survey.practice import practice, with_broker
from presence.survey.screen import Screen
from presence.survey.session import Session
from presence.survey.visit_plan import Plan
from tests.support.brokers import needs_mosquitto
from tests.support.paths import ROOT
from tests.support.surveys import a_side

INSIDE, DOOR, OUTSIDE = Place


@pytest.mark.parametrize(
    ("setups", "longer"),
    [
        (("pair 10 dB", "pair 10 dB + gateway"), NINE_OF_TEN),
        (("pair 6 dB + gateway",), NINE_OF_TEN_THIN),
        (("gateway + door",), NINE_OF_TEN_NO_PAIR),
    ],
)
def test_nine_of_ten_take_so_much_longer_than_half_as_the_documents_have_it(
    setups: tuple[str, ...], longer: float
) -> None:
    page = (ROOT / "docs" / "entry.md").read_text(encoding="utf-8")
    ratios = []
    for setup in setups:
        columns = r"(?:[^|]*\|){3} ([0-9.]+) s [^|]*\| ([0-9.]+) s "
        found = re.search(rf"^\| {re.escape(setup)} \|{columns}", page, re.MULTILINE)
        assert found, setup
        half_s, nine_s = map(float, found.groups())
        ratios.append(nine_s / half_s)
    assert max(ratios) == pytest.approx(longer, abs=0.05)


def test_what_may_be_expected_follows_from_where_the_antennas_hang_and_from_the_side() -> None:
    pair = {INSIDE, DOOR, OUTSIDE}
    good, thin = a_side(11.1), a_side(8.6)
    assert "within 9 s, nine of ten within 26 s" in expected_entry(pair, good, fitted=True).words
    assert "within 15 s, nine of ten within 80 s" in expected_entry(pair, thin, fitted=True).words
    two = expected_entry({INSIDE, DOOR}, None, fitted=True).words
    assert "within 26 s, nine of ten within 192 s" in two
    one = expected_entry({INSIDE}, None, fitted=True).words
    assert one.endswith("within 83 s, and some never")
    assert "until this door is fitted" in expected_entry({INSIDE}, None, fitted=False).words


def test_silence_is_a_fault_only_when_nine_of_ten_would_have_been_found() -> None:
    def is_fault(places: set[Place], side: Side | None, waited_s: float) -> bool:
        return AwaitedEntry(expected_entry(places, side, fitted=True), waited_s, "").is_fault

    assert not is_fault({INSIDE, DOOR, OUTSIDE}, a_side(12), 5)
    assert is_fault({INSIDE, DOOR, OUTSIDE}, a_side(12), 37)
    assert not is_fault({INSIDE, DOOR}, None, 37)
    assert not is_fault({INSIDE}, None, 1000)


async def came_in(plan: ShopPlan, entry: EntrySettings) -> Finding:
    """The last step at this door, of somebody whom these settings do not find in time."""
    with practice(4, entry, plan) as shop:
        ear = SimulatedEar(
            shop.identity_keys, speed=30, seed=4, antennas=shop.antennas, air=shop.air
        )
        phones = TestPhones(shop.consents(ear.now().utc_s), shop.rules, ear.now())
        session = Session(
            Plan(steps=(SurveyStep.BROKER,), broker_s=30, broker=with_broker),
            shop.settings, shop.rules,
            ear=ear, phones=phones, screen=Screen(StringIO(), yes=True),
        )  # fmt: skip
        return (await session.run()).results[SurveyStep.BROKER].finding


@needs_mosquitto
async def test_two_antennas_that_have_not_found_somebody_yet_are_slow_and_not_broken() -> None:
    finding = await came_in(ShopPlan.TWO, replace(EntrySettings(), near_dbm=-30))
    assert finding.verdict is Verdict.WARN
    assert "half of who come in within 26 s" in finding.found
    assert "whether the event arrives is not shown" in finding.next_step
    assert "a second one outside" in finding.next_step


@needs_mosquitto
async def test_a_pair_that_has_not_found_somebody_by_then_is_a_fault() -> None:
    finding = await came_in(ShopPlan.PAIR, replace(EntrySettings(), near_dbm=-30))
    assert finding.verdict is Verdict.FAIL
    assert "nine of ten within 15 s" in finding.found
    assert "come further in" in finding.next_step


@needs_mosquitto
async def test_a_door_with_one_antenna_that_is_not_fitted_is_fitted_first() -> None:
    finding = await came_in(ShopPlan.ONE, EntrySettings())
    assert finding.verdict is Verdict.WARN
    assert "fit it first: step `walk`" in finding.next_step
