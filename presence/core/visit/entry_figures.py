"""Entry figures: how late, how doubtful and how many entries were, by the day; never who.

    Entered ─► seconds since the door's peak, or late ──┐
    Left ────► suspect, where it came at once ──────────┼──► today ──midnight──► closed days
    crossings (a counter at the door), if there is one ─┘
    the test phone ────────────────────────────────────────► walks of the last 30 days

The numbers here are exact, and stay in this process and its runtime store. What may leave, and
rounded how, is in `presence.core.operations.entry_report`; it asks for days that are over, with
UNKNOWN_BELOW entries or more (R-23).

1. A customer counts once an hour at most, by the clock that never goes back, so that a day with
   UNKNOWN_BELOW entries is never the day of one customer: it is dropped where it lasted longer than
   LONGEST_DAY_S, which touches 27 hours. Of a ref its hash is kept for that hour, which Python
   salts anew in each process.
2. A restart forgets those hashes: until the next full hour nothing is counted.
3. Days are those of the store's calendar. A clock that goes back before today drops what there was
   of it.
4. The test phone is no customer, and an entry by answers at the doorbell has no peak at the door.
   Without an antenna there nobody has a delay or is late.
5. The counter is asked only where an antenna hangs outside. One on the inner side may hear somebody
   loudest long after the line, and a fifth of true entries that were found late would have nobody
   crossing at their second (`scripts.entrybench.peaks`).
"""

import json
import math
from bisect import bisect_left
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, tzinfo
from typing import Any, Final

from presence.core.encoding import strict_json
from presence.core.place import Place
from presence.core.timestamps import Moment
from presence.core.visit.crossings import CounterRefusal, Crossing, Crossings
from presence.core.visit.staff_walks import StaffWalks, WalkAnswers
from presence.core.visit.visits import Entered, Left
from presence.core.visit.walks import Walked

BOUNDS_S: Final = (1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 25, 30, 45, 60, 120, 300)
"""Upper bounds of the delays that are told apart; above the last it is "later"."""
UNKNOWN_BELOW: Final = 30
"""Fewer say too little of a rate, and too much of somebody."""
LATE_S: Final = 60.0
"""Inside for a minute before it showed: the door has missed this one."""
SUSPECT_S: Final = 20.0
"""Gone so soon after the entry: perhaps never inside (docs/entry.md counts nobody as inside under
20 s).
"""
HOUR_S: Final = 3600.0
LONGEST_DAY_S: Final = 26 * HOUR_S
"""A day has 25 hours at most, when summer time ends; the rest is for a clock that is slewed."""


@dataclass(slots=True)
class DayCounts:
    """One day of the store's calendar."""

    day: date
    began_s: float
    """Monotonic."""
    entered: int = 0
    delays: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_S) + 1))
    """Entries by seconds since the door's peak: how many up to each of BOUNDS_S, and above."""
    late: int = 0
    suspect: int = 0
    judged: int = 0
    contradicted: int = 0
    inward: int = 0
    outward: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FiguresRule:
    """What the settings say of the figures."""

    walks: Mapping[Walked, str] = field(default_factory=dict)
    """See `presence.core.visit.staff_walks.StaffWalks.times`."""
    counter_window_s: float | None = None
    """None: no counter hangs at the door."""
    counter_faces_out: bool = False


class EntryFigures:
    """Today's counts, the last day that is over, and the walks of 30 days."""

    def __init__(
        self, rule: FiguresRule, zone: tzinfo, *, places: Collection[Place], kept: str = ""
    ) -> None:
        """`zone`: of the store's calendar. `places`: where antennas hang. `kept`: what `to_keep`
        gave. Raises ValueError where it is nothing of ours.
        """
        self.walks = StaffWalks(rule.walks, zone)
        self.crossings = (
            None
            if rule.counter_window_s is None
            else Crossings(window_s=rule.counter_window_s, faces_out=rule.counter_faces_out)
        )
        self.today: DayCounts | None = None
        self.last: DayCounts | None = None
        """The last day that is over; it may be too small to be told."""
        self._zone = zone
        self._has_door = not {Place.DOOR, Place.OUTSIDE}.isdisjoint(places)
        self._is_judged = Place.OUTSIDE in places
        self._closed: list[DayCounts] = []
        self._hour: int | None = None
        self._counted: set[tuple[str, int]] = set()
        self._waits_for_hour = False
        self._changed = False
        if kept:
            self._take_up(kept)

    def enter(self, entry: Entered, *, is_test: bool) -> None:
        """Somebody has entered."""
        if is_test:
            self.walks.enter(entry.ref)
            return
        today = self._today_of("entered", entry.ref)
        if today is None:
            return
        today.entered += 1
        delay_s = entry.since_peak_s
        if self._has_door and not entry.by_answer:
            if delay_s is not None:
                today.delays[bisect_left(BOUNDS_S, delay_s)] += 1
            today.late += delay_s is None or delay_s >= LATE_S
        if self.crossings is not None and delay_s is not None and self._is_judged:  # rule 5
            self.crossings.ask(entry.at.utc_s - delay_s, entry.at.utc_s)

    def leave(self, left: Left, *, is_test: bool) -> None:
        """Somebody has left: was it an entry at all?"""
        if is_test or left.at.monotonic_s - left.entered_at.monotonic_s > SUSPECT_S:
            return
        today = self._today_of("suspect", left.ref)
        if today is not None:
            today.suspect += 1

    def cross(
        self, payload: bytes, now: Moment, *, retained: bool = False
    ) -> Crossing | CounterRefusal | None:
        """A message of the counter; None where there is none in the settings."""
        if self.crossings is None:
            return None
        crossing = self.crossings.receive(payload, now.utc_s, retained=retained)
        if isinstance(crossing, Crossing) and self.today is not None:
            self.today.inward += crossing.inward
            self.today.outward += crossing.outward
            self._changed = True
        return crossing

    def advance(self, now: Moment) -> None:
        """Let time pass: a walk, an hour or a day is over, the counter has spoken of an entry."""
        hour = int(now.monotonic_s // HOUR_S)
        if hour != self._hour:
            self._counted.clear()
            self._waits_for_hour = self._waits_for_hour and self._hour is None
            self._hour = hour
        if self.walks.advance(now):
            self._changed = True
        self._turn_day(now)
        if self.crossings is not None and self.today is not None:
            verdicts = self.crossings.judge(now.utc_s)
            self.today.judged += verdicts.judged
            self.today.contradicted += verdicts.contradicted
            self._changed = self._changed or verdicts.judged > 0

    def take_closed(self) -> list[DayCounts]:
        """The days that are over and were not taken before, oldest first."""
        closed, self._closed = self._closed, []
        return closed

    def forget(self, ref: bytes) -> None:
        """A consent is not in force any more. What was counted names nobody, and stays."""
        self.walks.forget(ref)

    def to_keep(self) -> str | None:
        """All that survives a restart of the daemon; None where nothing is new."""
        if not self._changed:
            return None
        self._changed = False
        return self.kept()

    def kept(self) -> str:
        """The same, whether new or not."""
        walks = {
            day.isoformat(): {kind.value: [each.right, each.wrong] for kind, each in kinds.items()}
            for day, kinds in self.walks.days.items()
        }
        days = {"today": _as_json(self.today), "last": _as_json(self.last)}
        return json.dumps({"v": 1, **days, "walks": walks}, separators=(",", ":"))

    def _today_of(self, count: str, ref: bytes) -> DayCounts | None:
        """Where it counts; None where this customer was counted in this hour (rules 1 and 2)."""
        mark = (count, hash(ref))
        if self._waits_for_hour or mark in self._counted:
            return None
        self._counted.add(mark)
        self._changed = True
        return self.today

    def _turn_day(self, now: Moment) -> None:
        day, today = datetime.fromtimestamp(now.utc_s, self._zone).date(), self.today
        if today is not None and today.day == day:
            return
        if today is not None:
            in_time = 0 <= now.monotonic_s - today.began_s <= LONGEST_DAY_S  # rule 1
            if today.day < day and in_time:  # rule 3
                self.last = today
                self._closed.append(today)
            self._changed = True
        self.walks.keep_only(day)
        self.today = DayCounts(day, now.monotonic_s)

    def _take_up(self, kept: str) -> None:
        value = strict_json(kept)
        if not isinstance(value, dict) or value.get("v") != 1:
            raise ValueError("not of this version")
        try:
            self.today, self.last = _from_json(value["today"]), _from_json(value["last"])
            self.walks.days = {
                date.fromisoformat(day): {
                    Walked(kind): WalkAnswers(*map(_whole, answers))
                    for kind, answers in kinds.items()
                }
                for day, kinds in value["walks"].items()
            }
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not as it was written: {error!r}") from None
        self._waits_for_hour = self.today is not None  # rule 2


def _as_json(counts: DayCounts | None) -> dict[str, Any] | None:
    return None if counts is None else asdict(counts) | {"day": counts.day.isoformat()}


def _from_json(value: dict[str, Any] | None) -> DayCounts | None:
    if value is None:
        return None
    day, began_s = date.fromisoformat(value.pop("day")), float(value.pop("began_s"))
    delays = [_whole(count) for count in value.pop("delays")]
    if len(delays) != len(BOUNDS_S) + 1 or not math.isfinite(began_s):
        raise ValueError("not the bounds of this version")
    return DayCounts(day, began_s, delays=delays, **{k: _whole(n) for k, n in value.items()})


def _whole(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError("a count is not a whole number")
    return value
