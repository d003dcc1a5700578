"""When a string of sightings becomes a visit, and when the visit is over.

                     evidence ≥ evidence_db_s
    (nobody) ──────► approaching ─────────────► entered ───────► left ──────► (nobody)
             sighting    │  ▲                       │  absence_s   │  reentry_cooldown_s
                         └──┘ evidence 0:           └─ withdrawn ──┴────► (nobody)
                              starts anew

Evidence is strength above `enter_rssi_dbm`, summed over time: 10 dB above it for 3 s speak as loud as 3 dB for 10 s,
and what is below takes away. It never falls under 0, so that an hour on the pavement does not count against
somebody who then comes in. That is Page's test for a change (Biometrika 41 (1954) 100), which finds a change soonest
for a given rate of false alarms; walking past gives strength without time, living next door time without strength.

Rules that are easy to get wrong:

1. Never on the first advertisement: evidence needs time between readings, `min_sightings` of them since it began
   to grow, and `min_duration_s` (R-19).
2. A reading speaks for the time since the one before, at most MOST_CREDIT_S: neither a phone that advertises ten
   times a second nor one that was silent for a while gains by it.
3. No reading speaks louder than MOST_ABOVE_DB or MOST_BELOW_DB: fading throws single readings 10–20 dB off both ways.
4. A visit ends when the subject was last *heard inside*, not when we gave up waiting: `Left.at` is that moment.
5. Time passes in `advance`, not with the next advertisement: a phone that is gone sends none.
6. Readings that are late (older than the last one of their adapter) change nothing, so no order of arrival invents
   a duration.
7. No visit spans a silence: a sighting after `absence_s` finds the visit ended, whether `advance` was called or not.
8. An approach that never became an entry leaves no event at all, and is forgotten after one silent window.

A second adapter at the door (`door_adapter`) tells what one alone cannot: a phone with a loud radio outside from
one in a pocket inside. Whatever body and pocket take, they take from both, so the *lead* of the adapter inside
over the one at the door is where somebody is. Readings at the door are no evidence by themselves.

No reading is kept: a subject is two smoothed strengths, a sum and a few numbers (R-18).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from math import exp, inf
from typing import Final, NamedTuple, Protocol

from presence.core.timestamps import Moment

MOST_ABOVE_DB: Final = 10.0
MOST_BELOW_DB: Final = 8.0
MOST_CREDIT_S: Final = 1.0
"""The slowest advertising in use: Android's low power is one packet a second."""
SMOOTHING_S: Final = 2.0
"""Time constant of the smoothed strengths: a step or two, about as long as somebody stands between."""
DOOR_FRESH_S: Final = 10.0
"""A lead over what was heard at the door longer ago says nothing."""
MOST_LEAD_DB: Final = 5.0
"""Being nearer to the adapter inside is no proof: so is the flat behind the shop."""
MOST_LAG_DB: Final = 20.0
"""Being nearer to the door is: nobody who is inside lags by more, but for a moment."""


class EntryRule(Protocol):
    """The settings of the entry decision (config section `entry`)."""

    @property
    def enter_rssi_dbm(self) -> float: ...
    @property
    def exit_rssi_dbm(self) -> float: ...
    @property
    def evidence_db_s(self) -> float: ...
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
    def door_adapter(self) -> str | None: ...


class Sighting(NamedTuple):
    """An advertisement that belongs to a subject with a consent in force."""

    at: Moment
    ref: bytes
    rssi_dbm: int | None
    adapter: str = ""


@dataclass(frozen=True, slots=True)
class Visit:
    """A subject who has entered. Once `left_at` is set they count as gone, and a new visit needs a silence of
    `reentry_cooldown_s`: being heard again puts it off (`heard_at`), so that a phone that paused too long inside
    does not make its owner enter twice."""

    ref: bytes = field(repr=False)
    entered_at: Moment
    heard_at: Moment
    left_at: Moment | None = None


@dataclass(frozen=True, slots=True)
class Entered:
    ref: bytes = field(repr=False)
    at: Moment
    strength_dbm: float | None = field(default=None, repr=False, compare=False)
    """Smoothed, inside; decides which of several gateways tells it."""


@dataclass(frozen=True, slots=True)
class Left:
    ref: bytes = field(repr=False)
    entered_at: Moment
    at: Moment
    """When the subject was last heard inside."""


@dataclass(frozen=True, slots=True)
class Over:
    """The cooldown is over: nothing is known of the subject any more."""

    ref: bytes = field(repr=False)


VisitEvent = Entered | Left | Over


class _Approach:
    """What is known of one subject since the last silent window. Times are monotonic; `at_s` is the last reading
    inside, `began_s` and `sightings` are of the evidence that stands now."""

    __slots__ = ("at_s", "began_s", "door_at_s", "door_dbm", "evidence_db_s", "level_dbm", "sightings")

    def __init__(self, at_s: float) -> None:
        self.at_s = self.door_at_s = -inf
        self.level_dbm = self.door_dbm = 0.0
        self.evidence_db_s = 0.0
        self.began_s = at_s
        self.sightings = 0

    @property
    def heard_s(self) -> float:
        return max(self.at_s, self.door_at_s)


class Visits:
    """All approaches and visits of one store door. Memory is bounded by the number of subjects in the list."""

    def __init__(self, rule: EntryRule, visits: Iterable[Visit] = ()) -> None:
        self._approaches: dict[bytes, _Approach] = {}
        self._visits: dict[bytes, Visit] = {visit.ref: visit for visit in visits}
        self.change_rule(rule)

    def __iter__(self) -> Iterator[Visit]:
        return iter(tuple(self._visits.values()))

    def get(self, ref: bytes) -> Visit | None:
        return self._visits.get(ref)

    def evidence_db_s(self, ref: bytes) -> float:
        """What speaks for an entry now; 0 where nothing does. An entry needs the rule's `evidence_db_s`."""
        approach = self._approaches.get(ref)
        return approach.evidence_db_s if approach else 0.0

    def change_rule(self, rule: EntryRule) -> None:
        """New settings; visits go on, approaches are judged by the new rule from the next reading on."""
        self._rule = rule

    def observe(self, sighting: Sighting) -> list[VisitEvent]:
        """Take in one sighting; answers with what it changed, oldest first."""
        at, ref, rssi_dbm, adapter = sighting
        rule, now_s = self._rule, at.monotonic_s
        visit = self._visits.get(ref)
        events: list[VisitEvent] = []
        if visit is not None:
            events = self._advance_one(ref, at)
            visit = self._visits.get(ref)
        if rssi_dbm is None:
            if visit is not None and now_s > visit.heard_at.monotonic_s:
                self._visits[ref] = replace(visit, heard_at=at)
            return events
        approach = self._approaches.get(ref)
        if approach is None or now_s - approach.heard_s > rule.window_s:
            approach = self._approaches[ref] = _Approach(now_s)
        if adapter and adapter == rule.door_adapter:
            if (since_s := now_s - approach.door_at_s) >= 0:
                approach.door_dbm = _smoothed(approach.door_dbm, rssi_dbm, since_s)
                approach.door_at_s = now_s
            return events
        since_s = now_s - approach.at_s
        if since_s < 0:
            return events
        approach.at_s = now_s
        level_dbm = approach.level_dbm = _smoothed(approach.level_dbm, rssi_dbm, since_s)
        if visit is not None:
            if level_dbm >= rule.exit_rssi_dbm and now_s > visit.heard_at.monotonic_s:
                self._visits[ref] = replace(visit, heard_at=at)
            return events
        strength_db: float = rssi_dbm
        if now_s - approach.door_at_s <= DOOR_FRESH_S:
            lead_db = level_dbm - approach.door_dbm
            strength_db += min(max(lead_db, -MOST_LAG_DB), MOST_LEAD_DB)
        if self._decides_entry(approach, strength_db, since_s, now_s):
            self._visits[ref] = Visit(ref, at, at)
            events.append(Entered(ref, at, level_dbm))
        return events

    def advance(self, now: Moment) -> list[VisitEvent]:
        """Let time pass; answers with the visits that ended by it."""
        events: list[VisitEvent] = []
        for ref in tuple(self._visits):
            events += self._advance_one(ref, now)
        silent_s = now.monotonic_s - self._rule.window_s
        for ref in [ref for ref, a in self._approaches.items() if a.heard_s < silent_s]:
            del self._approaches[ref]
        return events

    def forget(self, ref: bytes) -> None:
        """A consent is no longer in force: nothing of this subject remains."""
        self._approaches.pop(ref, None)
        self._visits.pop(ref, None)

    def __contains__(self, ref: bytes) -> bool:
        return ref in self._visits or ref in self._approaches

    def refs(self) -> set[bytes]:
        """Everyone of whom anything is known now."""
        return self._approaches.keys() | self._visits.keys()

    def _advance_one(self, ref: bytes, now: Moment) -> list[VisitEvent]:
        visit = self._visits.get(ref)
        if visit is None:
            return []
        silence_s = now.monotonic_s - visit.heard_at.monotonic_s
        events: list[VisitEvent] = []
        if visit.left_at is None and silence_s >= self._rule.absence_s:
            visit = self._visits[ref] = replace(visit, left_at=visit.heard_at)
            self._approaches.pop(ref, None)
            events.append(Left(ref, visit.entered_at, visit.heard_at))
        if visit.left_at is not None and silence_s >= self._rule.reentry_cooldown_s:
            del self._visits[ref]
            events.append(Over(ref))
        return events

    def _decides_entry(self, approach: _Approach, strength_db: float, since_s: float, now_s: float) -> bool:
        """Add a reading to the evidence; whether that makes an entry."""
        rule = self._rule
        above_db = min(max(strength_db - rule.enter_rssi_dbm, -MOST_BELOW_DB), MOST_ABOVE_DB)
        credit_s = 0.0 if since_s == inf else min(since_s, MOST_CREDIT_S)
        evidence = approach.evidence_db_s + above_db * credit_s
        if evidence <= 0:
            approach.evidence_db_s, approach.began_s, approach.sightings = 0.0, now_s, 0
            return False
        approach.evidence_db_s = evidence
        approach.sightings += 1
        return (
            evidence >= rule.evidence_db_s
            and approach.sightings >= rule.min_sightings
            and now_s - approach.began_s >= rule.min_duration_s
        )


def _smoothed(level_dbm: float, rssi_dbm: float, since_s: float) -> float:
    return rssi_dbm + (level_dbm - rssi_dbm) * exp(-since_s / SMOOTHING_S)
