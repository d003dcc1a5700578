"""Figures of the entry decision as they may leave the shop: of days that are over, and never of one
customer (docs/entry-figures.md).

    EntryFigures ──a day is over──► 30 entries or more? ──no──► unknown
                                          │ yes
                                          └──► counts rounded to 5, under 5 is 0; delays by bounds

1. A number changes at midnight only, whenever somebody came (R-23). Today is never told.
2. What is under UNKNOWN_BELOW is unknown, and adds nothing to a total.
3. The counter's people are people: rounded, and by the day, though nobody knows them.
4. Walks with the shop's own phone are told exactly, with the interval of what they allow to say.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import accumulate
from typing import Final, NamedTuple

from presence.core.operations.hourly import rounded
from presence.core.visit.calibration import counted_between
from presence.core.visit.crossings import CounterRefusal
from presence.core.visit.entry_figures import BOUNDS_S, UNKNOWN_BELOW, DayCounts, EntryFigures
from presence.core.visit.staff_walks import WALKS, DayAnswers, WalkAnswers
from presence.core.visit.walks import Walked

QUANTILES: Final = (0.5, 0.9)
ENTRIES: Final = ("entered", "late", "suspect")
JUDGED: Final = ("judged", "contradicted")
DIRECTIONS: Final = ("in", "out")
TOTALS: Final = (*ENTRIES, *JUDGED, *DIRECTIONS)


class DelayBounds(NamedTuple):
    """Between which of BOUNDS_S a quantile lies, in seconds; above the last: infinity."""

    above_s: float
    at_most_s: float


@dataclass(frozen=True, slots=True)
class WalkShare:
    """What the walks of one kind with the test phone say, of 30 days."""

    walks: int
    wrong: int
    low: float | None = None
    """The exact limits of the true share of wrong ones, 95 % (Clopper and Pearson, 1934); None:
    unknown.
    """
    high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterReport:
    """The people counter at the door."""

    alive: bool
    refused: Mapping[CounterRefusal, int]
    """Messages without effect, by the hour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryReport:
    """What may be told now. None is "unknown"."""

    day: date | None = None
    """The last day that is over."""
    counts: Mapping[str, int | None] = field(default_factory=lambda: dict.fromkeys(TOTALS))
    """Of that day, by TOTALS."""
    delays: Mapping[float, DelayBounds | None] = field(
        default_factory=lambda: dict.fromkeys(QUANTILES)
    )
    """Of that day: QUANTILES of the seconds since the door's peak."""
    totals: Mapping[str, int] = field(default_factory=lambda: dict.fromkeys(TOTALS, 0))
    """Of all days that were over since the start."""
    delay_totals: tuple[int, ...] = (0,) * (len(BOUNDS_S) + 1)
    """Of the same: entries up to each of BOUNDS_S, and all."""
    walks: Mapping[Walked, WalkShare] = field(
        default_factory=lambda: {kind: WalkShare(0, 0) for kind in WALKS}
    )
    counter: CounterReport | None = None


class EntryReporter:
    """Adds up the days as they close; one for each gateway."""

    def __init__(self) -> None:
        self._totals: Counter[str] = Counter()
        self._delays = [0] * (len(BOUNDS_S) + 1)

    def report(self, figures: EntryFigures, counter: CounterReport | None) -> EntryReport:
        for day in figures.take_closed():
            self._totals.update({name: n for name, n in told(day).items() if n is not None})
            self._delays = [a + b for a, b in zip(self._delays, told_delays(day), strict=True)]
        last, today = figures.last, figures.today
        return EntryReport(
            day=None if last is None else last.day,
            counts=dict.fromkeys(TOTALS) if last is None else told(last),
            delays={q: None if last is None else quantile(last.delays, q) for q in QUANTILES},
            totals={name: self._totals[name] for name in TOTALS},
            delay_totals=tuple(self._delays),
            walks=shares({} if today is None else figures.walks.answers_before(today.day)),
            counter=counter,
        )


def told(day: DayCounts) -> dict[str, int | None]:
    """What may be told of a day that is over, by TOTALS."""
    entries = {"entered": day.entered, "late": day.late, "suspect": day.suspect}
    judged = {"judged": day.judged, "contradicted": day.contradicted}
    people = {"in": day.inward, "out": day.outward}
    return {
        **_rounded(entries, among=day.entered),
        **_rounded(judged, among=day.judged),
        **_rounded(people, among=day.inward + day.outward),
    }


def _rounded(counts: Mapping[str, int], *, among: int) -> dict[str, int | None]:
    known = among >= UNKNOWN_BELOW
    return {name: rounded(count) if known else None for name, count in counts.items()}


def told_delays(day: DayCounts) -> Iterable[int]:
    """Entries up to each of BOUNDS_S and all, each rounded: the sum of what lies below a bound
    never shows one of them.
    """
    known = sum(day.delays) >= UNKNOWN_BELOW
    return [rounded(up_to) if known else 0 for up_to in accumulate(day.delays)]


def quantile(delays: Sequence[int], share: float) -> DelayBounds | None:
    """Between which bounds the smallest delay lies that `share` of all do not exceed; None where
    there are too few.
    """
    total = sum(delays)
    if total < UNKNOWN_BELOW:
        return None
    rank = math.ceil(share * total)
    at = next(n for n, up_to in enumerate(accumulate(delays)) if up_to >= rank)
    bounds = (0.0, *BOUNDS_S, math.inf)
    return DelayBounds(bounds[at], bounds[at + 1])


def shares(answers: DayAnswers) -> dict[Walked, WalkShare]:
    """Unknown under UNKNOWN_BELOW walks of both kinds together: two a day reach it in 15 days."""
    each = {kind: answers.get(kind, WalkAnswers()) for kind in WALKS}
    known = sum(one.walks for one in each.values()) >= UNKNOWN_BELOW
    return {
        kind: WalkShare(one.walks, one.wrong, *counted_between(one.wrong, one.walks))
        if known and one.walks
        else WalkShare(one.walks, one.wrong)
        for kind, one in each.items()
    }
