"""Our rule on the bench is the machine of the gateway, fed with what the antennas heard."""

from dataclasses import replace
from math import inf

import numpy as np

from presence.core.timestamps import Moment
from presence.core.visit.visits import Entered, Sighting, Visits
from scripts.entrybench import ours, phones, world
from scripts.entrybench.antennas import AS_SHIPPED, ONE, PAIR_10_GATEWAY
from scripts.entrybench.crowd import Crowd
from scripts.entrybench.world import World
from tests.entrybench.air import AIR

POINTS = 25.0
PAIR = World(AIR, PAIR_10_GATEWAY, watched_s=30)


def customers(place: World, count: int = 12) -> Crowd:
    return Crowd.of(list(world.people({"customer": 1.0}, count, place, 3)))


def entered_s(place: World, crowd: Crowd, who: int) -> float:
    """When the machine itself says `Entered`."""
    visits = Visits(ours.settings(score=POINTS), places=place.set_up.places)
    for row in range(crowd.start[who], crowd.start[who] + crowd.length[who]):
        for number, reading in enumerate(crowd.rssi_dbm[row]):
            if np.isnan(reading):
                continue
            at_s = float(crowd.at_s[row]) + number * ours.LATER_S
            name = place.set_up.antennas[number].name
            events = visits.observe(Sighting(Moment(at_s, at_s), ours.SOMEBODY, int(reading), name))
            if any(isinstance(event, Entered) for event in events):
                return float(crowd.at_s[row])
    return inf


def test_the_score_passes_a_threshold_when_the_machine_says_entered() -> None:
    for place in (PAIR, World(AIR, AS_SHIPPED)):
        crowd = customers(place)
        score = ours.as_shipped(place)(crowd)
        found = 0
        for who, (start, length) in enumerate(zip(crowd.start, crowd.length, strict=True)):
            passed = np.flatnonzero(score[start : start + length] >= POINTS)
            first_s = crowd.at_s[start + passed[0]] if len(passed) else inf
            if first_s < inf:
                found += 1
                assert first_s == entered_s(place, crowd, who)
        assert found > 3


def test_nobody_scores_on_the_first_packets() -> None:
    crowd = customers(PAIR)
    score = ours.as_shipped(PAIR)(crowd)

    for start in crowd.start:
        assert np.all(np.isinf(score[start : start + 3]))


def test_told_loudness_is_told_to_the_rule() -> None:
    loud = replace(PAIR, phones=phones.WIDER, loudness_told=True)
    crowd = customers(loud)
    told, untold = (
        ours.as_shipped(place)(crowd) for place in (loud, replace(loud, loudness_told=False))
    )

    assert (crowd.told_db > 0).any()
    for start, length, told_db in zip(crowd.start, crowd.length, crowd.told_db, strict=True):
        rows = slice(start, start + length)
        assert np.array_equal(told[rows], untold[rows]) or told_db > 0


def test_one_place_asks_for_evidence_and_sides_for_points() -> None:
    assert ours.shipped_threshold(ONE) == ours.settings().evidence_db_s
    assert ours.shipped_threshold(PAIR_10_GATEWAY) != ours.settings().evidence_db_s
