"""The door that the technician walks in the virtual machine (tests/system/guest/door.py) is sharp:
the shipped settings do not fit it, and the walks find some that do, whatever the fading.
"""

import sys
from random import Random

import pytest

from presence.config.settings import EntrySettings
from presence.core.visit.calibration import entered_after_s
from presence.core.visit.walks import Trial, Walked, WalkReading
from presence.diagnosis.findings import Verdict
from presence.survey.guide import Recorded, Walks, broker_act, phone_act, walk_acts
from presence.survey.walking import Tuning, judge_walk, tune
from tests.system.guest.asking import answered
from tests.system.guest.door import (
    FADING_DB,
    INSIDE_DBM,
    OUTSIDE_DBM,
    WALKS,
    Strength,
    strength_asked,
)

SHIPPED = EntrySettings()
EVERY_S = 1 / 3.8
"""As the emulator comes to it."""
LATE_S = 1.0
"""At most, from the walk's first step to the tool's first reading of it."""
OUTSIDE_S, GREETED_S = 8.0, 15.0
"""As the day has it (tests/system/guest/as_shipped.py, tests/system/test_as_shipped.py)."""


def heard(strength: Strength, from_s: float, seconds: float, chance: Random) -> list[WalkReading]:
    return [
        WalkReading(from_s + at_s, round(chance.gauss(strength(from_s + at_s), FADING_DB)))
        for at_s in (n * EVERY_S for n in range(int(seconds / EVERY_S)))
    ]


def tuned(seed: int) -> Tuning:
    """Two rounds of walks; an act that nobody is asked for goes on with the one before."""
    chance, walks, strength, passed_s = Random(seed), Walks(), WALKS["told apart"], 0.0
    for act in walk_acts(2):
        if act.ask:
            strength, passed_s = strength_asked(act.ask), chance.uniform(0, LATE_S)
        readings = heard(strength, passed_s, act.seconds, chance)
        walks.recorded.append(Recorded(act, passed_s, {1: tuple(readings)}))
        passed_s += act.seconds
    found = tune(walks, SHIPPED)
    assert isinstance(found, Tuning)
    return found


def standing(rssi_dbm: int, seconds: float) -> Trial:
    """The day's customers do not vary."""
    readings = (WalkReading(n * EVERY_S, rssi_dbm) for n in range(int(seconds / EVERY_S)))
    return Trial(Walked.IN, 0.0, tuple(readings))


def test_the_technician_knows_each_part_by_one_of_its_words() -> None:
    asks = [act.ask for act in (phone_act(10), *walk_acts(2), broker_act(30, "soon")) if act.ask]
    assert len({id(strength_asked(ask)) for ask in asks}) == len(WALKS)


def test_a_visit_over_a_pipe_is_answered_to_its_end() -> None:
    walked: list[Strength] = []
    command = [sys.executable, "-m", "presence", "scan-test", "--simulated", "--speed", "300"]
    steps = ["--steps", "phone,walk,broker", "--rounds", "2", "--ready", "0"]
    told = answered([*command, *steps], lambda asked: walked.append(strength_asked(asked)))
    assert told["code"] in {0, 1, 2}, told["said"]
    assert "end to end" in told["said"]
    assert {id(walk) for walk in walked} == {id(walk) for walk in WALKS.values()}


@pytest.mark.parametrize("seed", range(4))
def test_the_walks_find_another_threshold_than_the_shipped_one_and_customers_are_told_apart_by_it(
    seed: int,
) -> None:
    found = tuned(seed)
    assert "enter_rssi_dbm" in found.changes()
    assert judge_walk(found).finding.verdict is not Verdict.FAIL
    assert entered_after_s(found.new, standing(OUTSIDE_DBM, 3 * OUTSIDE_S)) is None
    inside_s = entered_after_s(found.new, standing(INSIDE_DBM, GREETED_S))
    assert inside_s is not None
    assert inside_s < GREETED_S / 3


def test_with_the_shipped_threshold_the_customer_outside_would_be_greeted() -> None:
    assert entered_after_s(SHIPPED, standing(OUTSIDE_DBM, OUTSIDE_S)) is not None
