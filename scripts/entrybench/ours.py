"""Our rule: the machine of `presence.core.visit`, fed as the gateway feeds it.

Its score is what decides: points where antennas tell the sides of the door apart, evidence where
all hang in one place.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import product
from math import inf
from typing import Final

import numpy as np

from presence.config.settings import EntrySettings
from presence.core.timestamps import Moment
from presence.core.visit.antennas import hung, tables_of
from presence.core.visit.visits import Sighting, Visits
from scripts.entrybench.antennas import SetUp
from scripts.entrybench.crowd import Crowd, Score
from scripts.entrybench.earlier import ENTER_DBM, LATER_S, TUNED_PER_1000, best_of
from scripts.entrybench.radio import Floats
from scripts.entrybench.world import LOUDER_DB, World

SOMEBODY: Final = b"somebody"
NEVER: Final = 1e9
"""Evidence, or points, that nobody has."""
NEAR_DBM: Final = tuple(float(level) for level in range(-72, -39, 4))
SIDE_OFFSETS_DB: Final = (-16.0, -12.0, -8.0, -4.0, 0.0)
"""What a walk may find at a door of which nothing is known."""


@dataclass(frozen=True, slots=True)
class OurRule:
    """The settings of section `entry` that decide, of which the bench turns some."""

    enter_rssi_dbm: float
    evidence_db_s: float
    exit_rssi_dbm: float
    window_s: float
    min_sightings: int
    min_duration_s: float
    absence_s: float
    reentry_cooldown_s: float
    side_offset_db: float | None
    near_dbm: float
    score: float | None


def settings(**changed: float) -> OurRule:
    shipped = EntrySettings()
    return OurRule(**{f.name: getattr(shipped, f.name) for f in fields(OurRule)} | changed)


def shipped_threshold(set_up: SetUp) -> float:
    """What a shop that never ran `scan-test` asks for."""
    sided = hung(set_up.places, (), settings()).sided
    return settings().evidence_db_s if sided is None else sided.numbers.threshold


def calibrated_threshold(set_up: SetUp) -> float | None:
    """The least that `scan-test` may leave a door with; None where one place is tuned instead."""
    found = tables_of(set_up.places.values())
    return None if found is None else found[1].threshold


def ours(rule: OurRule, world: World) -> Score:
    """The score after each packet; −inf as long as the rule asks for more packets, or time."""

    def score(crowd: Crowd) -> Floats:
        found = np.full(len(crowd.at_s), -np.inf)
        for who, (start, length) in enumerate(zip(crowd.start, crowd.length, strict=True)):
            rows = slice(start, start + length)
            loudness_db = float(crowd.told_db[who]) if world.loudness_told else 0.0
            found[rows] = _of_one(
                rule, world.set_up, crowd.at_s[rows], crowd.rssi_dbm[rows], loudness_db
            )
        return found

    return score


def _of_one(
    rule: OurRule, set_up: SetUp, times_s: Floats, readings: Floats, loudness_db: float
) -> list[float]:
    visits = Visits(rule, places=set_up.places)
    one_place = hung(set_up.places, (), rule).sided is None
    score_of = visits.evidence_db_s if one_place else visits.points
    names = [antenna.name for antenna in set_up.antennas]
    began_s = heard_s = score = -inf
    packets, decided, found = 0, 0, []
    for packet_s, packet in zip(times_s.tolist(), readings.tolist(), strict=True):
        if packet_s - heard_s > rule.window_s:
            began_s, packets = packet_s, 0
        heard_s, packets = packet_s, packets + 1
        highest = -inf
        for number, reading in enumerate(packet):
            if reading != reading:  # noqa: PLR0124  # NaN: this antenna did not hear it
                continue
            now_s = packet_s + number * LATER_S
            visits.observe(
                Sighting(
                    Moment(now_s, now_s),
                    SOMEBODY,
                    int(reading),
                    names[number],
                    loudness_db=loudness_db,
                )
            )
            before, score = score, score_of(SOMEBODY)
            of_before, decided = decided, visits.packets(SOMEBODY)
            is_new = score != before if one_place else decided > of_before
            if is_new and score > highest:  # what stays as it was decides nothing
                highest = score
        enough = packets >= rule.min_sightings and packet_s - began_s >= rule.min_duration_s
        found.append(highest if enough else -inf)
    return found


def as_shipped(world: World) -> Score:
    """With the settings of a shop that never ran `scan-test`; enters at `shipped_threshold`."""
    return ours(settings(evidence_db_s=NEVER, score=NEVER), world)


def calibrated(world: World, crowds: Sequence[Crowd]) -> Score:
    """As a walk would fit it. Where antennas tell the sides apart, a test phone finds how loud
    phones are at the door, and the rest is as shipped; else the level that does best on these
    people.
    """
    never = {"evidence_db_s": NEVER, "score": NEVER}
    if hung(world.set_up.places, (), settings()).sided is not None:
        near_dbm = settings().near_dbm + world.louder_db - LOUDER_DB
        return ours(settings(near_dbm=near_dbm, **never), world)
    choice = {level: ours(settings(enter_rssi_dbm=level, **never), world) for level in ENTER_DBM}
    return choice[best_of(choice, crowds, TUNED_PER_1000)]


def walked(world: World, crowds: Sequence[Crowd], most_per_1000: float) -> Score:
    """With what does best on these people, at a door of which nothing is known."""
    choice = {
        (near_dbm, offset_db): ours(
            settings(near_dbm=near_dbm, side_offset_db=offset_db, evidence_db_s=NEVER, score=NEVER),
            world,
        )
        for near_dbm, offset_db in product(NEAR_DBM, SIDE_OFFSETS_DB)
    }
    return choice[best_of(choice, crowds, most_per_1000)]
