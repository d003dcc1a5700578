"""When a string of sightings becomes a visit, and when the visit is over.

                     smoothed ≥ enter for min_duration_s
    (nobody) ──────► approaching ─────────────────────► entered ───────► left ──────► (nobody)
             sighting    │  ▲                               │  absence_s   │  reentry_cooldown_s
                         └──┘ smoothed < exit:              └─ withdrawn ──┴────► (nobody)
                              the duration starts anew

Rules that are easy to get wrong:

1. Never on the first advertisement: a visit needs `min_sightings` readings in the window, whose smoothed strength
   stays above the threshold for `min_duration_s` (R-19).
2. A visit ends when the subject was last *heard inside*, not when we gave up waiting: `Left.at` is that moment.
3. Time passes in `advance`, not with the next advertisement: a phone that is gone sends none.
4. Readings that are late (older than the last one) change nothing, so no order of arrival invents a duration.
5. No visit spans a silence: a sighting after `absence_s` finds the visit ended, whether `advance` was called or not.
6. An approach that never became an entry leaves no event at all, and is forgotten after one silent window.

Smoothing: mean of the readings inside the Tukey fences (quartiles ∓ 1.5 × their distance; Tukey, Exploratory Data
Analysis, 1977), over a short window, as ESPresense does: fading throws single readings 10–20 dB off both ways.
"""

import math
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple, Protocol

from presence.core.timestamps import Moment

MOST_READINGS: Final = 64
"""Readings kept of one subject: 15 s at more than four a second, which is all that the smoothing can use."""

JUDGE_EVERY_S: Final = 0.5
"""A phone that advertises ten times a second is judged twice a second: each judgement sorts the readings."""


class EntryRule(Protocol):
    """The settings of the entry decision (config section `entry`)."""

    @property
    def enter_rssi_dbm(self) -> float: ...
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


class Sighting(NamedTuple):
    """An advertisement that belongs to a subject with a consent in force."""

    at: Moment
    ref: bytes
    rssi_dbm: int | None


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
    """Smoothed; decides which of several gateways tells it."""


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
    """The readings of one subject in the window; two queues in step, because sorting plain numbers is fast."""

    __slots__ = ("judged_s", "near_since_s", "readings_dbm", "times_s")

    def __init__(self) -> None:
        self.times_s: deque[float] = deque(maxlen=MOST_READINGS)
        self.readings_dbm: deque[int] = deque(maxlen=MOST_READINGS)
        self.near_since_s: float | None = None
        self.judged_s = -math.inf


def smoothed_dbm(readings_dbm: Iterable[int]) -> float:
    """Mean of the readings inside the Tukey fences; needs at least one."""
    ordered = sorted(readings_dbm)
    n = len(ordered)
    low, high = ordered[n // 4], ordered[3 * n // 4]
    reach = 1.5 * (high - low)
    first, end = bisect_left(ordered, low - reach), bisect_right(ordered, high + reach)
    return sum(ordered[first:end]) / (end - first)


class Visits:
    """All approaches and visits of one store door. Memory is bounded by the number of subjects in the list."""

    def __init__(self, rule: EntryRule, visits: Iterable[Visit] = ()) -> None:
        self._rule = rule
        self._approaches: dict[bytes, _Approach] = {}
        self._visits: dict[bytes, Visit] = {visit.ref: visit for visit in visits}

    def __iter__(self) -> Iterator[Visit]:
        return iter(tuple(self._visits.values()))

    def get(self, ref: bytes) -> Visit | None:
        return self._visits.get(ref)

    def change_rule(self, rule: EntryRule) -> None:
        """New settings; visits go on, approaches are judged by the new rule from the next reading on."""
        self._rule = rule

    def observe(self, sighting: Sighting) -> list[VisitEvent]:
        """Take in one sighting; answers with what it changed, oldest first."""
        at, ref, rssi_dbm = sighting
        events = self._advance_one(ref, at)
        visit = self._visits.get(ref)
        if rssi_dbm is None:
            if visit is not None and at.monotonic_s > visit.heard_at.monotonic_s:
                self._visits[ref] = replace(visit, heard_at=at)
            return events
        approach = self._read(ref, at, rssi_dbm)
        if approach is None or at.monotonic_s - approach.judged_s < JUDGE_EVERY_S:
            return events
        approach.judged_s = at.monotonic_s
        strength_dbm = smoothed_dbm(approach.readings_dbm)
        if visit is not None:
            if strength_dbm >= self._rule.exit_rssi_dbm and at.monotonic_s > visit.heard_at.monotonic_s:  # rule 4
                self._visits[ref] = replace(visit, heard_at=at)
        elif self._decides_entry(approach, strength_dbm):
            self._visits[ref] = Visit(ref, at, at)
            events.append(Entered(ref, at, strength_dbm))
        return events

    def advance(self, now: Moment) -> list[VisitEvent]:
        """Let time pass; answers with the visits that ended by it."""
        events: list[VisitEvent] = []
        for ref in tuple(self._visits):
            events += self._advance_one(ref, now)
        silent_s = now.monotonic_s - self._rule.window_s
        for ref in [ref for ref, a in self._approaches.items() if a.times_s[-1] < silent_s]:
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

    def _read(self, ref: bytes, at: Moment, rssi_dbm: int) -> _Approach | None:
        """Add a reading; the readings of the window, or None where this one is late (rule 4)."""
        now_s = at.monotonic_s
        approach = self._approaches.get(ref)
        if approach is None or now_s - approach.times_s[-1] > self._rule.window_s:
            approach = self._approaches[ref] = _Approach()
        elif now_s < approach.times_s[-1]:
            return None
        times_s = approach.times_s
        times_s.append(now_s)
        approach.readings_dbm.append(rssi_dbm)
        while now_s - times_s[0] > self._rule.window_s:
            times_s.popleft()
            approach.readings_dbm.popleft()
        return approach

    def _decides_entry(self, approach: _Approach, strength_dbm: float) -> bool:
        now_s = approach.times_s[-1]
        near = strength_dbm >= self._rule.enter_rssi_dbm and len(approach.readings_dbm) >= self._rule.min_sightings
        if strength_dbm < self._rule.exit_rssi_dbm:
            approach.near_since_s = None
        elif near and approach.near_since_s is None:
            approach.near_since_s = now_s
        since_s = approach.near_since_s
        return near and since_s is not None and now_s - since_s >= self._rule.min_duration_s
