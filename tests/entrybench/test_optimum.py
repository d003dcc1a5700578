"""The near-optimal reference: it knows the past only, and what it learns it can tell."""

from itertools import chain

import numpy as np
import pytest

from scripts.entrybench import optimum, world
from scripts.entrybench.antennas import SET_UPS
from scripts.entrybench.crowd import FLOOR_DBM, Crowd, crowds
from scripts.entrybench.features import features
from scripts.entrybench.world import Episode, World
from tests.entrybench.air import AIR

PLACE = World(AIR, SET_UPS["pair 10 dB + gateway"], watched_s=20)


def people(seed: int, outside: int = 12, entries: int = 12) -> list[Episode]:
    return [
        *world.people({"passer": 1.0}, outside, PLACE, seed),
        *world.people({"customer": 1.0}, entries, PLACE, seed + 1),
    ]


def test_a_crowd_keeps_every_packet_of_everybody() -> None:
    everybody = people(1)
    crowd = Crowd.of(everybody)

    assert len(crowd.at_s) == sum(len(e.at_s) for e in everybody)
    longest = max(everybody, key=lambda e: len(e.at_s))
    rows = slice(crowd.start[0], crowd.start[0] + crowd.length[0])
    assert np.array_equal(crowd.rssi_dbm[rows], longest.rssi_dbm, equal_nan=True)


def test_the_steps_of_a_crowd_are_all_its_packets_once() -> None:
    crowd = Crowd.of(people(2))

    assert sorted(chain.from_iterable(crowd.steps())) == list(range(len(crowd.at_s)))
    assert np.isinf(crowd.gaps_s()).sum() == len(crowd.length)


def test_somebody_whom_nobody_heard_takes_part() -> None:
    silent = people(3, 1, 0)[0]
    mute = Episode("passer", np.zeros(0), np.zeros((0, 3)), None, None, silent.phone)
    crowd = Crowd.of([silent, mute])

    assert len(features(crowd)) == len(silent.at_s)
    assert np.isinf(crowd.gaps_s()).sum() == 1


def test_features_know_nothing_of_what_comes_later() -> None:
    whole = Crowd.of(people(4))
    [*cut] = (
        Episode(e.kind, e.at_s[:10], e.rssi_dbm[:10], e.entered_at_s, e.left_at_s, e.phone)
        for e in people(4)
    )
    early = Crowd.of(cut)
    found, sooner = features(whole), features(early)
    by_first_packet = {float(whole.at_s[s]): s for s in whole.start}

    for start, length in zip(early.start, early.length, strict=True):
        at = by_first_packet[float(early.at_s[start])]
        assert np.array_equal(found[at : at + length], sooner[start : start + length])


def test_silence_is_a_reading_at_the_floor() -> None:
    crowd = Crowd.of(people(5))

    silent = np.isnan(crowd.rssi_dbm)
    assert silent.any()
    assert np.all(crowd.filled_dbm()[silent] == FLOOR_DBM)


def test_groups_of_a_crowd_are_everybody() -> None:
    assert sum(len(c.length) for c in crowds(iter(people(6)), 5)) == 24


def test_what_is_learned_tells_who_came_in() -> None:
    pytest.importorskip("lightgbm", reason="of the group `bench`")
    detector = optimum.train([Crowd.of(people(7, 150, 150))], 1, rounds=20)
    crowd = Crowd.of(people(9, 40, 40))
    score = detector.score(crowd)

    highest = np.array(
        [
            score[s : s + n].max(initial=-np.inf)
            for s, n in zip(crowd.start, crowd.length, strict=True)
        ]
    )
    outside = np.sort(highest[~crowd.is_entry])[-2]
    assert np.mean(highest[crowd.is_entry] > outside) > 0.8
