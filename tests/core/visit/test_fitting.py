"""The few numbers that a door sets, and how sure they are of phones that were not carried."""

from dataclasses import replace
from random import Random

import pytest

from presence.config.settings import EntrySettings
from presence.core.place import Place
from presence.core.visit.fitting import (
    LEADS_SPREAD_DB,
    DoorNumbers,
    finds_with,
    fit_door,
    leads_spread_db,
)
from presence.core.visit.side import measure_side
from presence.core.visit.walks import Trial, Walked, WalkReading
from tests.support.gate_rule import PAIR, gate

THRESHOLDS = (5.0, 15.0)
LEVELS = {Walked.PAST: (-86, -6), Walked.WINDOW: (-84, -3), Walked.LOOKIN: (-72, -5)}
"""Of the outer antenna, and the lead."""


def trial(
    kind: Walked, phone: int, chance: Random, *, in_db: float, louder_db: float = 0.0
) -> Trial:
    """Four packets a second, heard by both antennas; who comes in passes the door after 2 s."""
    walk_db, readings = chance.gauss(0, 1), []
    for n in range(60):
        outer, lead = LEVELS.get(kind, (-72.0, -5.0 if n < 8 else in_db))
        if kind is Walked.IN and n >= 16:
            outer -= 6
        for dbm, place in ((outer + lead, Place.DOOR), (outer, Place.OUTSIDE)):
            level = round(dbm + louder_db + walk_db + chance.gauss(0, 2))
            readings.append(WalkReading(n / 4, level, place, place.value))
    return Trial(kind, 0.0, tuple(readings), phone)


def walks(*, in_db: float = 8.0, louder_db: float = 0.0, seed: int = 1) -> list[Trial]:
    chance = Random(seed)
    return [
        trial(kind, phone, chance, in_db=in_db, louder_db=louder_db)
        for _ in range(3)
        for phone in (1, 2)
        for kind in Walked
    ]


def test_a_good_door_is_fitted_between_looking_in_and_being_in() -> None:
    fitted = fit_door(walks(), PAIR, gate, THRESHOLDS)
    assert fitted is not None
    assert -5 < fitted.numbers.side_offset_db < 8
    assert fitted.numbers.threshold in THRESHOLDS
    rates = fitted.assessment.rates
    assert all(rate.wrong == 0 for rate in rates.values())
    assert all(rates[kind].any_phone < 0.05 for kind in (Walked.PAST, Walked.LOOKIN))
    assert 2 < fitted.assessment.median_s < 8


def test_louder_phones_are_fitted_the_same_lead_and_a_higher_near() -> None:
    here, there = (fit_door(walks(louder_db=db), PAIR, gate, THRESHOLDS) for db in (0, 10))
    assert here is not None
    assert there is not None
    assert there.numbers.side_offset_db == here.numbers.side_offset_db
    assert there.numbers.near_dbm == pytest.approx(here.numbers.near_dbm + 10, abs=0.1)


def test_a_thin_side_is_fitted_too_and_its_margins_tell() -> None:
    good, thin = (fit_door(walks(in_db=db), PAIR, gate, THRESHOLDS) for db in (8, -2))
    assert good is not None
    assert thin is not None
    worst = [max(rate.expected for rate in each.assessment.rates.values()) for each in (good, thin)]
    assert worst[1] > 10 * worst[0]


def test_near_leaves_room_for_phones_that_were_not_carried_where_that_costs_nothing() -> None:
    fitted = fit_door(walks(), PAIR, gate, (5.0,))
    assert fitted is not None
    assert fitted.numbers.near_dbm <= fitted.side.near_dbm
    missed = fitted.assessment.rates[Walked.IN]
    assert missed.any_phone >= min(0.05, fitted.side.any_phone_below_near)
    assert missed.any_phone > missed.expected


def test_what_is_fitted_is_what_the_rule_was_tried_with() -> None:
    fitted = fit_door(walks(), PAIR, gate, THRESHOLDS)
    assert fitted is not None
    found = [gate(fitted.numbers, each) for each in walks() if each.kind is Walked.IN]
    assert sorted(seconds for seconds in found if seconds is not None) == list(
        fitted.assessment.found_after_s
    )
    deaf = DoorNumbers(fitted.numbers.side_offset_db, 0.0, fitted.numbers.threshold)
    assert all(gate(deaf, each) is None for each in walks()), "nobody is ever that near"


def test_two_phones_that_differ_more_than_was_assumed_are_believed() -> None:
    side = measure_side(walks(), PAIR)
    assert side is not None
    assert leads_spread_db(replace(side, by_phone_db={1: 10.0})) == LEADS_SPREAD_DB
    assert leads_spread_db(replace(side, by_phone_db={1: 10.0, 2: 10.5})) == LEADS_SPREAD_DB
    assert leads_spread_db(replace(side, by_phone_db={1: 14.0, 2: 8.0})) == pytest.approx(
        4.24, abs=0.01
    )


def test_a_rule_of_the_gateway_is_fitted_by_its_own_visits() -> None:
    def rule_of(numbers: DoorNumbers) -> EntrySettings:
        return EntrySettings(
            enter_rssi_dbm=numbers.side_offset_db - 60, evidence_db_s=numbers.threshold
        )

    within = [
        replace(each, readings=tuple(r._replace(place=Place.INSIDE) for r in each.readings[::2]))
        for each in walks(in_db=14)
    ]
    finds = finds_with(rule_of)
    low, high = (DoorNumbers(offset_db, 0.0, 15.0) for offset_db in (-40.0, 40.0))
    assert all(finds(low, each) is not None for each in within)
    assert all(finds(high, each) is None for each in within)


def test_without_a_look_in_nothing_is_fitted() -> None:
    rest = [each for each in walks() if each.kind is not Walked.LOOKIN]
    assert fit_door(rest, PAIR, gate, THRESHOLDS) is None
