"""Our rule: the machine of `presence.core.visit`, fed as the gateway feeds it."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Final

import numpy as np

from presence.config.settings import EntrySettings
from presence.core.timestamps import Moment
from presence.core.visit.visits import Sighting, Visits
from scripts.entrybench.antennas import SetUp
from scripts.entrybench.crowd import Crowd, Score
from scripts.entrybench.earlier import ENTER_DBM, LATER_S, TUNED_PER_1000, best_of
from scripts.entrybench.radio import Floats
from scripts.entrybench.world import World

SOMEBODY: Final = b"somebody"
NEVER_DB_S: Final = 1e9


@dataclass(frozen=True, slots=True)
class OurRule:
    """The settings of section `entry`, of which the bench turns some."""

    enter_rssi_dbm: float
    evidence_db_s: float
    exit_rssi_dbm: float
    window_s: float
    min_sightings: int
    min_duration_s: float
    absence_s: float
    reentry_cooldown_s: float


def settings(**changed: float) -> OurRule:
    shipped = EntrySettings()
    return OurRule(**{f.name: getattr(shipped, f.name) for f in fields(OurRule)} | changed)


THRESHOLD: Final = settings().evidence_db_s


def ours(rule: OurRule, set_up: SetUp) -> Score:
    """The evidence after each packet; 0 as long as the rule asks for more readings or time."""
    antennas = [antenna.name for antenna in set_up.antennas]

    def score(crowd: Crowd) -> Floats:
        found = np.empty(len(crowd.at_s))
        for start, length in zip(crowd.start, crowd.length, strict=True):
            visits = Visits(rule, places=set_up.places)
            for row in range(start, start + length):
                now_s = float(crowd.at_s[row])
                for number, reading in enumerate(crowd.rssi_dbm[row].tolist()):
                    if reading == reading:  # noqa: PLR0124  # not NaN: this antenna heard it
                        at_s = now_s + number * LATER_S
                        at = Moment(at_s, at_s)
                        visits.observe(Sighting(at, SOMEBODY, int(reading), antennas[number]))
                found[row] = visits.evidence_db_s(SOMEBODY)
        return found

    return score


def as_shipped(world: World) -> Score:
    """With the settings of a shop that never ran `scan-test`; enters at THRESHOLD."""
    return ours(settings(evidence_db_s=NEVER_DB_S), world.set_up)


def calibrated(
    world: World,
    crowds: Sequence[Crowd],
    levels_dbm: Sequence[float] = ENTER_DBM,
    most_per_1000: float = TUNED_PER_1000,
) -> Score:
    """With the level that does best on these people."""
    choice = {
        level: ours(settings(enter_rssi_dbm=level, evidence_db_s=NEVER_DB_S), world.set_up)
        for level in levels_dbm
    }
    return choice[best_of(choice, crowds, most_per_1000)]
