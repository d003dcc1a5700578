"""A rule that tells sides, in plain words: near the door, and since then louder inside than outside
(docs/entry.md). It stands in for the gateway's own where a door is fitted.
"""

from functools import cache
from math import inf

from presence.core.place import Place
from presence.core.visit.evidence import (
    MAX_ABOVE_DB,
    MAX_BELOW_DB,
    MAX_CREDIT_S,
    SmoothedStrength,
)
from presence.core.visit.fitting import DoorNumbers
from presence.core.visit.side import Pairing, leads
from presence.core.visit.walks import Trial, WalkReading

PAIR = Pairing(Place.DOOR, Place.OUTSIDE)


def gate(numbers: DoorNumbers, trial: Trial) -> float | None:
    """Seconds from the beginning of the walk to the entry; the threshold is in dB·s."""
    evidence, last_s = 0.0, inf
    for at_s, lead_db, peak_dbm in _steps(trial.readings):
        above_db = max(-MAX_BELOW_DB, min(MAX_ABOVE_DB, lead_db - numbers.side_offset_db))
        if peak_dbm < numbers.near_dbm:
            above_db = min(0.0, above_db)
        evidence = max(0.0, evidence + above_db * min(MAX_CREDIT_S, max(0.0, at_s - last_s)))
        last_s = at_s
        if evidence >= numbers.threshold:
            return at_s - trial.began_s
    return None


@cache
def _steps(readings: tuple[WalkReading, ...]) -> tuple[tuple[float, float, float], ...]:
    """At each reading: when, the lead, and the door's peak so far. A door is fitted by trying the
    same walks hundreds of times.
    """
    levels: dict[str, SmoothedStrength] = {}
    peak_dbm, peaks = -inf, {}
    for said in readings:
        level = levels.setdefault(said.antenna, SmoothedStrength())
        level.hear(said.rssi_dbm, said.at_s)
        peak_dbm = peaks[said.at_s] = max(peak_dbm, level.level_dbm)
    return tuple((at_s, lead_db, peaks[at_s]) for at_s, lead_db in leads(readings, PAIR))
