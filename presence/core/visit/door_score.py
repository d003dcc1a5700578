"""The score of an entry where antennas tell the two sides of a door apart.

    packet ─► level of each side, ─┬► lead = inner − outer       ┐
              silence as the floor ├► peaks at the door          ├► tables ─► points
                                   └► how long it led, once near ┘

Two antennas at one door hear the same phone, pocket and body over the same distance. All of that
falls out of the *lead* of the inner one over the outer one, and what remains is on which side of
the front the phone is. The score adds up what small tables say (`presence.core.visit.door_tables`):
how far the inner antenna leads now, for how long it has led since the phone was near (Page's sums,
as in `presence.core.visit.evidence`), and how near that was. Who passes is near and never leads for
long; who lives next door may lead, and was never near.

Rules that are easy to get wrong:

1. *Silence is evidence.* Of a packet that one antenna heard, a side that did not hear it counts as
   at FLOOR_DBM. Not so of an answer at the bell, which tells of the bells that were measured; and
   an antenna that is lost is no ear at all (`SidedRule.ears`).
2. One packet reaches several antennas some milliseconds apart, and a satellite some hundred. Its
   readings are taken together, until an antenna hears once more or PACKET_S has passed.
3. A side that has never heard the subject gives no lead, however silent it is: it may be deaf.
4. What is taken off a reading for the phone's loudness is taken off the floor too, and all tables
   rise: so it may only lower the score.
5. A reading that is late by more than LATE_S changes nothing.
"""

from dataclasses import dataclass
from enum import IntEnum
from math import exp, inf
from typing import Final, NamedTuple

from presence.core.visit.door_tables import DoorTables
from presence.core.visit.evidence import MAX_CREDIT_S, MAX_STEP_DB

FLOOR_DBM: Final = -100.0
"""Where next to no packet is heard: half are at −97.1 dBm, fitted to phones on bodies
(scripts/entrybench/bodies.py).
"""
PACKET_S: Final = 0.08
"""Shorter than the shortest advertising interval in use, Android's 100 ms."""
LATE_S: Final = 1.0
"""More than a satellite takes: 0.2 to 0.4 s (docs/satellites.md)."""
FAST_S: Final = 0.4
LEVEL_S: Final = 1.0
SLOW_S: Final = 4.0
LONG_S: Final = 12.0
"""Time constants: less than a step, a step or two, as long as somebody stands between, and several
such stops.
"""
MAX_LEAD_DB: Final = 8.0
MAX_LAG_DB: Final = 10.0
"""A sum grows and falls by no more than this for each second."""
MAX_SUM_DB_S: Final = 200.0
SIDE_DB: Final = 5.0
"""What leads by less is nearly as often outside: it empties the sum."""
DEEP_SIDE_DB: Final = -5.0
"""The same for the antenna deep inside, over the outer one."""
FORGET_DB_PER_S: Final = 0.1
"""A peak at the door means less with each minute: 6 dB."""
NEAR_DB: Final = 4.5
"""A peak counts the more the higher it is above `near_dbm`: half there, nearly nothing 20 dB below,
for a phone in the wrong pocket is not as near as it is (logistic, with this scale).
"""
HERE_DB: Final = 8.0
"""Who comes in is weaker than at the door by so much within seconds, and still about here."""


class DoorSide(IntEnum):
    """Of the door, as its antennas hear it."""

    INNER = 0
    OUTER = 1
    DEEP = 2


class DoorEar(NamedTuple):
    """An antenna of the rule."""

    side: DoorSide
    bit: int


INNER, OUTER, DEEP = DoorSide
BOTH: Final = (INNER, OUTER)
SIDES: Final = (INNER, OUTER, DEEP)
HEARD_BY_BOTH: Final = 1 << INNER | 1 << OUTER


class DoorNumbers(NamedTuple):
    """What a door sets of the rule; the tables hold for all doors."""

    side_offset_db: float
    """The lead that is neither in nor out."""
    near_dbm: float
    """Who never was about this loud at the door has not come through it."""
    threshold: float
    """Of the score, in points."""


@dataclass(frozen=True, slots=True)
class SidedRule:
    """The score at one door: its numbers, the tables of its set-up, and who hears."""

    numbers: DoorNumbers
    tables: DoorTables
    ears: int
    """The bits of all antennas that live."""


class DoorScore:
    """What is known of one subject at one door since the approach began: a few numbers a side."""

    __slots__ = (
        "_close_s", "_complete", "_ever", "_fast", "_heard", "_level", "_long_db", "_long_dbm",
        "_loud_peak", "_outer_max", "_packet", "_packet_s", "_peak", "_silence", "_slow_db",
        "_sums", "began_s", "packets", "peak_s", "points",
    )  # fmt: skip

    def __init__(self) -> None:
        self.points = -inf
        self.packets = 0
        """Taken in so far."""
        self.began_s = inf
        """When the first one came."""
        self.peak_s = -inf
        """When the outer antenna heard the subject loudest: the door was crossed about then."""
        self._packet = [-inf, -inf, -inf]
        """The strongest reading on each side of the packet that is coming in."""
        self._packet_s = -inf
        self._heard = self._ever = 0
        """Antennas that heard this packet, bit by bit; sides that ever heard one."""
        self._complete = True
        self._silence = True
        """Whether it speaks in this packet (rule 1)."""
        self._close_s = -inf
        """When the packet before was complete."""
        self._fast = [-inf, -inf, -inf]
        self._level = [-inf, -inf, -inf]
        self._peak = [-inf, -inf, -inf]
        self._loud_peak = -inf
        """At the door, whichever side of it."""
        self._outer_max = -inf
        self._slow_db = self._long_db = self._long_dbm = 0.0
        """The lead over SLOW_S and LONG_S, and the level within over LONG_S."""
        self._sums = [0.0, 0.0, 0.0]
        """Of the lead, the fast lead, and the lead of the antenna deep inside."""

    def hear(
        self,
        rule: SidedRule,
        ear: DoorEar,
        rssi_dbm: float,
        now_s: float,
        *,
        loudness_db: float = 0.0,
        answered: bool = False,
    ) -> bool:
        """Take in a reading, less the phone's loudness; whether it made a packet complete, so that
        `points` are new.
        """
        if now_s < self._packet_s - LATE_S:  # rule 5
            return False
        side, bit = ear
        fresh = False
        if self._packet_s == -inf:
            self.began_s = now_s
        if self._heard & bit or now_s - self._packet_s > PACKET_S:  # rule 2
            if not self._complete:
                self._take_in(rule, FLOOR_DBM - loudness_db)
                fresh = True
            self._packet = [-inf, -inf, -inf]
            self._packet_s, self._heard = max(now_s, self._packet_s), 0
            self._complete, self._silence = False, not answered
        self._heard |= bit
        self._ever |= 1 << side
        self._packet[side] = max(self._packet[side], rssi_dbm)
        if self._heard == rule.ears:
            self._take_in(rule, FLOOR_DBM - loudness_db)
            fresh = True
        return fresh

    def _take_in(self, rule: SidedRule, floor_dbm: float) -> None:
        """The packet has come as far as it will."""
        self._complete = True
        first = self.packets == 0
        since_s = 0.0 if first else self._packet_s - self._close_s
        self._close_s = self._packet_s
        self.packets += 1
        fast_gain, gain = 1 - exp(-since_s / FAST_S), 1 - exp(-since_s / LEVEL_S)
        forget_db = FORGET_DB_PER_S * since_s
        fast, level, peak = self._fast, self._level, self._peak
        for side in SIDES if rule.tables.deep_sum is not None else BOTH:
            reading = self._packet[side]
            if reading == -inf:
                reading = floor_dbm if self._silence or first else level[side]
            if first:
                fast[side] = level[side] = reading
            else:
                fast[side] += fast_gain * _step(reading - fast[side])
                level[side] += gain * _step(reading - level[side])
            peak[side] = max(peak[side] - forget_db, fast[side])
        if level[OUTER] > self._outer_max:
            self._outer_max, self.peak_s = level[OUTER], self._packet_s
        loud = max(fast[OUTER], fast[INNER])
        self._loud_peak = max(self._loud_peak - forget_db, loud)
        self._add_up(rule, since_s, first=first)

    def _add_up(self, rule: SidedRule, since_s: float, *, first: bool) -> None:
        offset_db, near_dbm, _ = rule.numbers
        tables, level, peak = rule.tables, self._level, self._peak
        lead = level[INNER] - level[OUTER] - offset_db
        fast_lead = self._fast[INNER] - self._fast[OUTER] - offset_db
        here, within = max(level[OUTER], level[INNER]), max(level[INNER], level[DEEP])
        slow = 1.0 if first else 1 - exp(-since_s / SLOW_S)
        long = 1.0 if first else 1 - exp(-since_s / LONG_S)
        self._slow_db += (lead - self._slow_db) * slow
        self._long_db += (lead - self._long_db) * long
        self._long_dbm += (within - self._long_dbm) * long
        sums = self._sums
        self._fill_sums(lead, fast_lead, here - near_dbm, min(MAX_CREDIT_S, since_s), near_dbm)
        weaker = min(peak[OUTER], peak[INNER])
        points = (
            tables.close_lead.at(lead + (weaker - near_dbm) / 2)
            + tables.fast_lead.at(fast_lead)
            + tables.slow_lead.at(self._slow_db)
            + tables.long_lead.at(self._long_db)
            + tables.long_level.at(self._long_dbm - near_dbm)
            + tables.lead_sum.at(sums[INNER])
            + tables.here_sum.at(sums[OUTER])
            + tables.outer_peak.at(peak[OUTER] - near_dbm)
            + tables.inner_peak.at(peak[INNER] - near_dbm)
            + tables.outer_drop.at(peak[OUTER] - level[OUTER])
        )
        if tables.deep_sum is not None and tables.deep_lead is not None:
            points += tables.deep_sum.at(sums[DEEP]) + tables.deep_lead.at(level[DEEP] - here)
        self.points = points if self._ever & HEARD_BY_BOTH == HEARD_BY_BOTH else -inf  # rule 3

    def _fill_sums(
        self, lead: float, fast_lead: float, here_db: float, credit_s: float, near_dbm: float
    ) -> None:
        """`here_db`: how loud the phone is at the door now, above `near_dbm`."""
        sums, level = self._sums, self._level
        was_near = _share(self._loud_peak - near_dbm)
        sums[INNER] = _page(sums[INNER], lead - SIDE_DB, was_near, credit_s)
        sums[OUTER] = _page(sums[OUTER], fast_lead, _share(here_db + HERE_DB), credit_s)
        if level[DEEP] > -inf:
            deep_lead = level[DEEP] - level[OUTER] - DEEP_SIDE_DB
            sums[DEEP] = _page(sums[DEEP], deep_lead, was_near, credit_s)

    @property
    def inner_dbm(self) -> float:
        """The level on the inner side."""
        return max(self._level[INNER], self._level[DEEP])


def _step(db: float) -> float:
    """What one packet may move a level by: fading throws single ones off."""
    if db > MAX_STEP_DB:
        return MAX_STEP_DB
    return max(-MAX_STEP_DB, db)


def _share(above_db: float) -> float:
    """From 0 far below near to 1 far above."""
    return 1 / (1 + exp(-above_db / NEAR_DB))


def _page(total: float, lead_db: float, near: float, credit_s: float) -> float:
    """Page's sum: what leads counts as far as it is near, what lags counts whole."""
    if lead_db > 0:
        total += near * (min(MAX_LEAD_DB, lead_db)) * credit_s
        return min(MAX_SUM_DB_S, total)
    total += (max(-MAX_LAG_DB, lead_db)) * credit_s
    return total if total > 0 else 0.0
