"""Evidence for an entry: strength above `enter_rssi_dbm`, summed over time (a CUSUM).

    reading ─► above or below enter_rssi_dbm, + lead over the door ─► clipped ─► × seconds ─► sum

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

A second adapter at the door tells what one alone cannot: a phone with a loud radio outside from one
in a pocket inside. Whatever body and pocket take, they take from both, so the *lead* of the adapter
inside over the one at the door is where somebody is. Readings at the door are no evidence by
themselves.

No reading is kept: a subject is a few numbers (R-18), and no advertisement costs more than the one
before. Comparisons stand where min() and max() would: they cost a third, eight thousand times a
second.
"""

from collections.abc import Collection
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
DOOR_FRESH_S: Final = 10.0
"""A lead over what was heard at the door longer ago says nothing."""
MAX_LEAD_DB: Final = 5.0
"""Being nearer to the adapter inside is no proof: so is the flat behind the shop."""
MAX_LAG_DB: Final = 20.0
"""Being nearer to the door is: nobody who is inside lags by more, but for a moment."""


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


class SmoothedStrength:
    """The smoothed strength of one subject at one place."""

    __slots__ = ("at_s", "level_dbm")

    def __init__(self) -> None:
        self.at_s = -inf
        """Of the last reading."""
        self.level_dbm = 0.0

    def hear(self, rssi_dbm: float, now_s: float) -> float | None:
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
        self.level_dbm += step_db * (1 - exp(-since_s / SMOOTHING_S))
        return since_s


class DoorStrength(SmoothedStrength):
    """The same at the door, with its strongest moment: when the door was crossed, as near as an
    antenna can tell (`scripts.entrybench.peaks`).
    """

    __slots__ = ("peak_dbm", "peak_s")

    def __init__(self) -> None:
        super().__init__()
        self.peak_dbm = -inf
        self.peak_s = -inf

    def hear(self, rssi_dbm: float, now_s: float) -> float | None:
        since_s = super().hear(rssi_dbm, now_s)
        if since_s is not None and self.level_dbm > self.peak_dbm:
            self.peak_dbm, self.peak_s = self.level_dbm, now_s
        return since_s


class Approach(SmoothedStrength):
    """What is known of one subject's strength since the last silence of `window_s`: the level
    inside, those at the doors, and the evidence. All times are monotonic.
    """

    __slots__ = ("began_s", "by_answer", "doors", "evidence_db_s", "heard_s", "sightings")

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
        self.doors: dict[str, DoorStrength] | None = None
        """By antenna."""

    def hear_at_door(self, antenna: str, rssi_dbm: int, now_s: float) -> None:
        if self.doors is None:
            self.doors = {}
        self.doors.setdefault(antenna, DoorStrength()).hear(rssi_dbm, now_s)

    def since_peak_s(self, now_s: float, outside: Collection[str]) -> float | None:
        """Seconds since the strongest moment at the door; None where it was not heard there.

        Antennas `outside` know it best: they hear less of who has come in, while one on the inner
        side may hear somebody loudest who stands behind it, long after.
        """
        doors = self.doors or {}
        heard = [door for antenna, door in doors.items() if antenna in outside] or doors.values()
        peak = max(((door.peak_dbm, door.peak_s) for door in heard), default=None)
        return None if peak is None else now_s - peak[1]

    def decides(self, rule: EntryRule, rssi_dbm: int, since_s: float) -> bool:
        """Add the reading just taken in to the evidence; whether that makes an entry."""
        above_db = rssi_dbm - rule.enter_rssi_dbm
        if self.doors is not None:
            above_db += self._lead_db()
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

    def _lead_db(self) -> float:
        """What the place adds to a reading inside; 0 where no door heard the subject lately."""
        doors = (self.doors or {}).values()
        door_dbm = max(
            (door.level_dbm for door in doors if self.at_s - door.at_s <= DOOR_FRESH_S),
            default=None,
        )
        if door_dbm is None:
            return 0.0
        return min(max(self.level_dbm - door_dbm, -MAX_LAG_DB), MAX_LEAD_DB)
