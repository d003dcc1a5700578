"""The few numbers that a door sets of the gateway's own rule, and how sure they are of phones that
were not carried.
"""

from dataclasses import replace
from random import Random

import pytest

from presence.config.settings import EntrySettings
from presence.core.place import Place
from presence.core.visit.door_score import DoorNumbers
from presence.core.visit.door_tables import PAIR as TABLES
from presence.core.visit.fitting import (
    LEADS_SPREAD_DB,
    OFFSET_ROOM_DB,
    assess_door,
    finds_with,
    fit_door,
    leads_spread_db,
    of_walks,
)
from presence.core.visit.side import Pairing, measure_side
from presence.core.visit.walks import Trial, Walked, WalkReading

PAIR = Pairing(Place.DOOR, Place.OUTSIDE)
THRESHOLDS = (TABLES.threshold, TABLES.threshold * 1.2)
LEVELS = {Walked.PAST: (-76, -6), Walked.WINDOW: (-74, -3), Walked.LOOKIN: (-62, -5)}
"""Of the outer antenna, and the lead."""


def trial(
    kind: Walked, phone: int, chance: Random, *, in_db: float, louder_db: float = 0.0
) -> Trial:
    """Four packets a second, heard by both antennas. Everybody comes up to the front in 4 s, from
    some 20 dB further away. Who comes in passes the door then, and is weaker at the outer antenna
    from then on.
    """
    walk_db, readings = chance.gauss(0, 1), []
    for n in range(76):
        outer, lead = LEVELS.get(kind, (-62.0, -5.0 if n < UP_TO_THE_FRONT else in_db))
        if kind is Walked.IN and n >= UP_TO_THE_FRONT:
            outer -= max(in_db, 0)
        outer -= 20 * max(0.0, 1 - n / UP_TO_THE_FRONT)
        for dbm, place in ((outer + lead, Place.DOOR), (outer, Place.OUTSIDE)):
            level = round(dbm + louder_db + walk_db + chance.gauss(0, 2))
            readings.append(WalkReading(n / 4, level, place, place.value))
    return Trial(kind, 0.0, tuple(readings), phone)


UP_TO_THE_FRONT = 16
"""Packets."""


def walks(*, in_db: float = 13.0, louder_db: float = 0.0, seed: int = 1) -> list[Trial]:
    chance = Random(seed)
    return [
        trial(kind, phone, chance, in_db=in_db, louder_db=louder_db)
        for _ in range(3)
        for phone in (1, 2)
        for kind in Walked
    ]


def rule_of(numbers: DoorNumbers) -> EntrySettings:
    return EntrySettings(
        side_offset_db=numbers.side_offset_db, near_dbm=numbers.near_dbm, score=numbers.threshold
    )


finds = finds_with(rule_of)


def test_a_good_door_is_fitted_between_looking_in_and_being_in() -> None:
    fitted = fit_door(walks(), PAIR, finds, TABLES, THRESHOLDS)
    assert fitted is not None
    assert -5 < fitted.numbers.side_offset_db < 10
    assert fitted.numbers.threshold in THRESHOLDS
    rates = fitted.assessment.rates
    assert all(rates[kind].wrong == 0 for kind in rates if kind is not Walked.IN)
    assert rates[Walked.IN].wrong <= 1, "a walk ends 15 s after the line"
    assert all(rates[kind].any_phone < 0.05 for kind in (Walked.PAST, Walked.LOOKIN))
    assert 2 < fitted.assessment.median_s - UP_TO_THE_FRONT / 4 < 8


def test_louder_phones_are_fitted_the_same_lead_and_a_higher_near() -> None:
    here, there = (fit_door(walks(louder_db=db), PAIR, finds, TABLES, THRESHOLDS) for db in (0, 8))
    assert here is not None
    assert there is not None
    assert there.numbers.side_offset_db == here.numbers.side_offset_db
    assert there.numbers.near_dbm == pytest.approx(here.numbers.near_dbm + 8, abs=0.1)


def test_a_thin_side_is_fitted_too_and_its_margins_tell() -> None:
    good, thin = (fit_door(walks(in_db=db), PAIR, finds, TABLES, THRESHOLDS) for db in (13, -2))
    assert good is not None
    assert thin is not None
    worst = [max(rate.expected for rate in each.assessment.rates.values()) for each in (good, thin)]
    assert worst[1] > 5 * worst[0]


@pytest.mark.parametrize("in_db", [-4, -2, 0, 4, 10])
def test_no_walk_buys_speed_with_a_lead_that_is_nearer_to_looking_in(in_db: float) -> None:
    fitted = fit_door(walks(in_db=in_db), PAIR, finds, TABLES, THRESHOLDS)
    assert fitted is not None
    least_db = of_walks(fitted.side, TABLES, 0).side_offset_db - OFFSET_ROOM_DB
    assert fitted.numbers.side_offset_db >= least_db >= fitted.side.offset_db - 3.8


def test_near_is_the_typical_peak_of_the_walks_in_whatever_it_costs() -> None:
    fitted = fit_door(walks(), PAIR, finds, TABLES, THRESHOLDS)
    assert fitted is not None
    assert fitted.numbers.near_dbm == round(fitted.side.near_dbm - TABLES.peak_db, 1)
    assert -65 < fitted.numbers.near_dbm < -57


def test_weaker_phones_are_missed_and_louder_ones_let_in_more_often_than_those_carried() -> None:
    found = assess_door(walks(), None, finds, DoorNumbers(0.0, -60.0, TABLES.threshold))
    far = assess_door(walks(), None, finds, DoorNumbers(0.0, -56.0, TABLES.threshold))
    assert far.rates[Walked.IN].any_phone > found.rates[Walked.IN].any_phone
    assert found.rates[Walked.IN].any_phone > 10 * found.rates[Walked.IN].expected
    near = assess_door(walks(), None, finds, DoorNumbers(-9.0, -68.0, TABLES.threshold))
    closer = near.rates[Walked.LOOKIN]
    assert closer.any_phone > found.rates[Walked.LOOKIN].any_phone


def test_what_is_fitted_is_what_the_rule_was_tried_with() -> None:
    fitted = fit_door(walks(), PAIR, finds, TABLES, THRESHOLDS)
    assert fitted is not None
    found = [finds(fitted.numbers, each) for each in walks() if each.kind is Walked.IN]
    assert sorted(seconds for seconds in found if seconds is not None) == list(
        fitted.assessment.found_after_s
    )
    deaf = fitted.numbers._replace(near_dbm=-20.0)
    assert all(finds(deaf, each) is None for each in walks()), "nobody is ever that near"


def test_two_phones_that_differ_more_than_was_assumed_are_believed() -> None:
    side = measure_side(walks(), PAIR)
    assert side is not None
    assert leads_spread_db(replace(side, by_phone_db={1: 10.0})) == LEADS_SPREAD_DB
    assert leads_spread_db(replace(side, by_phone_db={1: 10.0, 2: 10.5})) == LEADS_SPREAD_DB
    assert leads_spread_db(replace(side, by_phone_db={1: 14.0, 2: 8.0})) == pytest.approx(
        4.24, abs=0.01
    )


def test_without_a_look_in_nothing_is_fitted() -> None:
    rest = [each for each in walks() if each.kind is not Walked.LOOKIN]
    assert fit_door(rest, PAIR, finds, TABLES, THRESHOLDS) is None
