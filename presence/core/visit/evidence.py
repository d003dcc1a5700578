"""Evidence for an entry: strength above `enter_rssi_dbm`, summed over time (a CUSUM).

    reading ─► above or below enter_rssi_dbm ─► clipped ─► × seconds ─► sum

10 dB above it for 3 s speak as loud as 3 dB for 10 s, and what is below takes away. The sum never
falls under 0, so that an hour on the pavement does not count against somebody who then comes in.
That is Page's test for a change (Biometrika 41 (1954) 100), which finds a change soonest for a
given rate of false alarms; walking past gives strength without time, living next door time without
strength.

Rules that are easy to get wrong:

1. Never on the first advertisement: evidence needs time between readings, `min_sightings` of them
   since it began to grow, and `min_duration_s` (R-19).
2. A reading speaks for the time since the one before, at most MAX_CREDIT_S: neither a phone that
   advertises ten times a second nor one that was silent for a while gains by it.
3. No reading speaks louder than MAX_ABOVE_DB or MAX_BELOW_DB, nor moves a smoothed strength as if
   it were further off than MAX_STEP_DB: fading throws single readings 10–20 dB off both ways.
4. Readings that are late (older than the last one of their place) change nothing, so no order of
   arrival invents a duration.

This is the rule of one place. Where antennas hang in several, they tell the sides of the door
apart, and `presence.core.visit.door_score` decides.

No reading is kept: a subject is a few numbers (R-18), and no advertisement costs more than the one
before. Comparisons stand where min() and max() would: they cost a third, eight thousand times a
second.
"""

from math import exp, inf
from typing import Final, Protocol

MAX_ABOVE_DB: Final = 10.0
MAX_BELOW_DB: Final = 8.0
MAX_STEP_DB: Final = 12.0
"""Three standard deviations of the fading that was fitted to phones on bodies (3.9 dB,
scripts/entrybench).
"""
MAX_CREDIT_S: Final = 1.0
"""The slowest advertising in use: Android's low power is one packet a second."""
SMOOTHING_S: Final = 2.0
"""Time constant of the smoothed strengths: a step or two, the time that somebody stands between."""


class EntryRule(Protocol):
    """The settings of the entry decision (config section `entry`)."""

    @property
    def enter_rssi_dbm(self) -> float: ...
    @property
    def evidence_db_s(self) -> float: ...
    @property
    def exit_rssi_dbm(self) -> float: ...
    @property
    def window_s(self) -> float: ...
    @property
    def min_sightings(self) -> int: ...
    @property
    def min_duration_s(self) -> float: ...
    @property
    def absence_s(self) -> float: ...
    @property
    def reentry_cooldown_s(self) -> float: ...
    @property
    def side_offset_db(self) -> float | None: ...
    @property
    def near_dbm(self) -> float: ...
    @property
    def score(self) -> float | None: ...


class SmoothedStrength:
    """The smoothed strength of one subject at one place."""

    __slots__ = ("at_s", "level_dbm")

    def __init__(self) -> None:
        self.at_s = -inf
        """Of the last reading."""
        self.level_dbm = 0.0

    def hear(self, rssi_dbm: float, now_s: float, over_s: float = SMOOTHING_S) -> float | None:
        """Take in a reading; seconds since the one before (inf: the first, which stands as it is),
        or None where it is late.
        """
        since_s = now_s - self.at_s
        if since_s < 0:  # rule 4
            return None
        self.at_s = now_s
        if since_s == inf:
            self.level_dbm = rssi_dbm
            return since_s
        step_db = rssi_dbm - self.level_dbm
        if step_db > MAX_STEP_DB:  # rule 3
            step_db = MAX_STEP_DB
        elif step_db < -MAX_STEP_DB:
            step_db = -MAX_STEP_DB
        self.level_dbm += step_db * (1 - exp(-since_s / over_s))
        return since_s


class Approach(SmoothedStrength):
    """What is known of one subject since the last silence of `window_s`: the level inside, and the
    evidence of one place. All times are monotonic.
    """

    __slots__ = ("began_s", "by_answer", "evidence_db_s", "heard_s", "sightings")

    def __init__(self, now_s: float) -> None:
        self.begin(now_s)

    def begin(self, now_s: float) -> None:
        """Nothing before counts."""
        super().__init__()
        self.heard_s = -inf
        """Of the last reading anywhere."""
        self.evidence_db_s = 0.0
        self.began_s = now_s
        """Since when there is evidence; `sightings` counts from there."""
        self.sightings = 0
        self.by_answer = True
        """Whether every sighting of this approach, at whichever place, was an answer at the bell:
        the answers alone would have made the same entry.
        """

    def decides(self, rule: EntryRule, rssi_dbm: float, since_s: float) -> bool:
        """Add the reading just taken in to the evidence; whether that makes an entry."""
        above_db = rssi_dbm - rule.enter_rssi_dbm
        if above_db > MAX_ABOVE_DB:  # rule 3
            above_db = MAX_ABOVE_DB
        elif above_db < -MAX_BELOW_DB:
            above_db = -MAX_BELOW_DB
        if since_s > MAX_CREDIT_S:  # rule 2
            since_s = 0.0 if since_s == inf else MAX_CREDIT_S
        evidence = self.evidence_db_s + above_db * since_s
        if evidence <= 0:
            self.evidence_db_s, self.began_s, self.sightings = 0.0, self.at_s, 0
            return False
        self.evidence_db_s = evidence
        self.sightings += 1
        return (  # rule 1
            evidence >= rule.evidence_db_s
            and self.sightings >= rule.min_sightings
            and self.at_s - self.began_s >= rule.min_duration_s
        )
