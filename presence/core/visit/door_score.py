"""The score of an entry where antennas tell the two sides of a door apart.

    packet ─► level of each side, ─┬► lead = inner − outer, now and summed  ┐
              silence as the floor ├► peaks at the door, and how long ago   ├► tables ─► points
                                   └► how much louder inside than a while ago┘

Two antennas at one door hear the same phone, pocket and body over the same distance. All of that
falls out of the *lead* of the inner one over the outer one, and what remains is on which side of
the front the phone is. The score adds up what small tables say (`presence.core.visit.door_tables`):
how far the inner antenna leads now, for how long it has led since the phone was near (Page's sums,
as in `presence.core.visit.evidence`), how near that was and how long ago, by how much the lead has
grown since then, and by how much the phone has become louder inside. Who passes is near and never
leads for long; who lives next door leads, and was neither near nor ever less loud.

Rules that are easy to get wrong:

1. *Silence is evidence.* Of a packet that one antenna heard, a side that did not hear it counts as
   at FLOOR_DBM. Not so of an answer at the bell, which tells of the bells that were measured; and
   an antenna that is lost is no ear at all (`SidedRule.ears`).
2. One packet reaches several antennas some milliseconds apart, and a satellite some hundred. Its
   readings are taken together, until an antenna hears once more or PACKET_S has passed.
3. A side that has never heard the subject gives no lead, however silent it is: it may be deaf.
4. What is taken off a reading for the phone's loudness is taken off the floor too, and all tables
   rise with what is heard: so it may only lower the score.
5. A reading that is late by more than LATE_S changes nothing.
"""

from dataclasses import dataclass
from enum import IntEnum
from math import inf
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
LONG_S: Final = 12.0
SLOW_S: Final = 30.0
"""Time constants: less than a step, a step or two, several stops, and longer than anybody takes to
come in. After
a pause of t a level has moved by t/(t + constant): as the exponential for short ones, and cheaper.
"""
MAX_LEAD_DB: Final = 8.0
MAX_LAG_DB: Final = 10.0
"""A sum grows and falls by no more than this for each second."""
MAX_SUM_DB_S: Final = 200.0
SIDE_DB: Final = 5.0
FAST_SIDE_DB: Final = 3.0
"""What leads by less is nearly as often outside: it empties the sum."""
FORGET_DB_PER_S: Final = 0.1
"""A peak at the door means less with each minute: 6 dB."""
NEAR_DB: Final = 18.0
"""A lead counts the more the nearer the phone was: whole at `near_dbm`, nothing so much below, for
a phone in the wrong pocket is not as near as it is.
"""
SAME_DB: Final = 0.01
"""Two moments so close are as loud: the first one is the peak, whatever a sum is rounded to."""
HERE_DB: Final = 8.0
"""Who comes in is weaker than at the door by so much within seconds, and still about here."""
ABOUT_DB: Final = 12.0
"""The level within by which a phone is about: so much below near."""


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
        "_close_s", "_complete", "_deep", "_deep_slow", "_ever", "_fast_sum", "_heard", "_inner",
        "_inner_fast", "_inner_peak", "_inner_slow", "_lead_sum", "_level_sum", "_long_lead",
        "_outer", "_outer_fast", "_outer_max", "_outer_peak", "_packet", "_packet_s", "_peak_lead",
        "_silence", "began_s", "packets", "peak_s", "points",
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
        self._inner = self._outer = self._deep = -inf
        """Levels over LEVEL_S; over FAST_S and SLOW_S:"""
        self._inner_fast = self._outer_fast = self._inner_slow = self._deep_slow = -inf
        self._inner_peak = self._outer_peak = -inf
        """Of the fast levels, forgotten slowly."""
        self._outer_max = -inf
        self._peak_lead = 0.0
        """The lead at the outer peak."""
        self._long_lead = 0.0
        """The lead over LONG_S."""
        self._lead_sum = self._fast_sum = self._level_sum = 0.0

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
        packet_s = self._packet_s
        if now_s < packet_s - LATE_S:  # rule 5
            return False
        side, bit = ear
        fresh = False
        if packet_s == -inf:
            self.began_s = now_s
        if self._heard & bit or now_s - packet_s > PACKET_S:  # rule 2
            if not self._complete:
                self._take_in(rule, FLOOR_DBM - loudness_db)
                fresh = True
            self._packet = [-inf, -inf, -inf]
            self._packet_s, self._heard = max(now_s, packet_s), 0
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
        self.packets += 1
        now_s, deep = self._packet_s, rule.tables.deep
        inner_dbm, outer_dbm, deep_dbm = self._packet
        if self.packets == 1:
            self._begin(*(max(each, floor_dbm) for each in self._packet))
            since_s = 0.0
        else:
            since_s = now_s - self._close_s
            if inner_dbm == -inf:
                inner_dbm = floor_dbm if self._silence else self._inner
            if outer_dbm == -inf:
                outer_dbm = floor_dbm if self._silence else self._outer
            fast_gain, gain = since_s / (since_s + FAST_S), since_s / (since_s + LEVEL_S)
            slow_gain = since_s / (since_s + SLOW_S)
            self._inner_fast += fast_gain * _step(inner_dbm - self._inner_fast)
            self._outer_fast += fast_gain * _step(outer_dbm - self._outer_fast)
            self._inner += gain * _step(inner_dbm - self._inner)
            self._outer += gain * _step(outer_dbm - self._outer)
            self._inner_slow += slow_gain * (inner_dbm - self._inner_slow)
            if deep is not None:
                if deep_dbm == -inf:
                    deep_dbm = floor_dbm if self._silence else self._deep
                self._deep += gain * _step(deep_dbm - self._deep)
                self._deep_slow += slow_gain * (deep_dbm - self._deep_slow)
        self._close_s = now_s
        self._add_up(rule, now_s, since_s)

    def _begin(self, inner_dbm: float, outer_dbm: float, deep_dbm: float) -> None:
        self._inner = self._inner_fast = self._inner_slow = inner_dbm
        self._outer = self._outer_fast = outer_dbm
        self._deep = self._deep_slow = deep_dbm

    def _add_up(self, rule: SidedRule, now_s: float, since_s: float) -> None:
        (offset_db, near_dbm, _), tables = rule.numbers, rule.tables
        inner, outer = self._inner - near_dbm, self._outer - near_dbm
        inner_fast, outer_fast = self._inner_fast - near_dbm, self._outer_fast - near_dbm
        lead, fast_lead = inner - outer - offset_db, inner_fast - outer_fast - offset_db
        forgotten_db = FORGET_DB_PER_S * since_s
        inner_peak, outer_peak = self._inner_peak - forgotten_db, self._outer_peak - forgotten_db
        self._inner_peak = inner_peak = inner_fast if inner_fast > inner_peak else inner_peak
        self._outer_peak = outer_peak = outer_fast if outer_fast > outer_peak else outer_peak
        if outer > self._outer_max + SAME_DB:
            self._outer_max, self.peak_s, self._peak_lead = outer, now_s, lead
        self._long_lead += (lead - self._long_lead) * since_s / (since_s + LONG_S)
        credit_s = since_s if since_s < MAX_CREDIT_S else MAX_CREDIT_S
        was_near = inner_peak if inner_peak > outer_peak else outer_peak
        is_here = inner if inner > outer else outer
        self._lead_sum = _page(self._lead_sum, lead - SIDE_DB, was_near, credit_s)
        self._fast_sum = _page(
            self._fast_sum, fast_lead - FAST_SIDE_DB, is_here + HERE_DB, credit_s
        )
        self._level_sum = _page(self._level_sum, inner + ABOUT_DB, 0.0, credit_s)
        if self._ever & HEARD_BY_BOTH == HEARD_BY_BOTH:  # rule 3
            self.points = self._points(tables, now_s, lead, fast_lead, near_dbm)

    def _points(
        self, tables: DoorTables, now_s: float, lead: float, fast_lead: float, near_dbm: float
    ) -> float:
        points = (
            tables.lead.at(fast_lead)
            + tables.lead_sum.at(self._lead_sum)
            + tables.fast_sum.at(self._fast_sum)
            + tables.long_lead.at(self._long_lead)
            + tables.inner_peak.at(self._inner_peak)
            + tables.outer_peak.at(self._outer_peak)
            + tables.since_peak.at(self.peak_s - now_s)
            + tables.turn.at(lead - self._peak_lead)
            + tables.outer_drop.at(self._outer_peak - self._outer + near_dbm)
            + tables.level_sum.at(self._level_sum)
            + tables.rise.at(self._inner - self._inner_slow)
        )
        if tables.deep is not None:
            deep, of_deep = self._deep, tables.deep
            points += (
                of_deep.level.at(deep - near_dbm)
                + of_deep.lead.at(deep - self._outer)
                + of_deep.rise.at(deep - self._deep_slow)
            )
        return points

    @property
    def inner_dbm(self) -> float:
        """The level on the inner side."""
        return max(self._inner, self._deep)


def _step(db: float) -> float:
    """What one packet may move a level by: fading throws single ones off."""
    if db > MAX_STEP_DB:
        return MAX_STEP_DB
    return db if db > -MAX_STEP_DB else -MAX_STEP_DB


def _page(total: float, lead_db: float, above_near_db: float, credit_s: float) -> float:
    """Page's sum: what lags counts whole; what leads whole at near, nothing NEAR_DB below, and in
    between as far.
    """
    if lead_db > 0:
        if lead_db > MAX_LEAD_DB:
            lead_db = MAX_LEAD_DB
        if above_near_db < 0:
            if above_near_db <= -NEAR_DB:
                return total
            lead_db *= 1 + above_near_db / NEAR_DB
        total += lead_db * credit_s
        return total if total < MAX_SUM_DB_S else MAX_SUM_DB_S
    total += (lead_db if lead_db > -MAX_LAG_DB else -MAX_LAG_DB) * credit_s
    return total if total > 0 else 0.0
