"""Counts of customers as they may leave the shop: rounded to 5, nothing under 5, and only when an
hour is over (R-23).

Each hour is rounded by itself and added up, so that one customer in an hour changes nothing,
whatever came before.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Mapping
from typing import Final, Generic, TypeVar

from presence.core.timestamps import Moment

Kind = TypeVar("Kind", bound=Hashable)

HOUR_S: Final = 3600
STEP: Final = 5
ENTRIES_STEP: Final = 100
"""Of the list: of fewer nobody outside the gateway is told how many."""


def rounded(count: int, step: int = STEP) -> int:
    """To the nearest `step`; below one step it is 0."""
    return 0 if count < step else (count + step // 2) // step * step


class HourlyCounts:
    """Takes running totals at any time; gives those of the hours that are over.

    `step`: what one person can add in an hour must be well below it.
    """

    def __init__(self, step: int = STEP) -> None:
        self._step = step
        self._hour: int | None = None
        self._at_border: dict[str, int] = {}
        self._released: dict[str, int] = {}

    def release(self, totals: Mapping[str, int], now: Moment) -> dict[str, int]:
        """What may be published now. Call it more often than once an hour.

        A clock that goes back releases nothing: the hour begins anew.
        """
        hour = int(now.utc_s // HOUR_S)
        if self._hour is None or hour < self._hour:
            self._hour = hour
        if hour > self._hour:
            self._hour = hour
            for name, total in totals.items():
                self._released[name] = self._released.get(name, 0) + rounded(
                    total - self._at_border.get(name, 0), self._step
                )
            self._at_border = dict(totals)
        return {name: self._released.get(name, 0) for name in totals}


class HourlyPersons:
    """The same for counts of people: each hour's are asked for when it is over, and begin anew.

    `unheard` adds up over hours what it needs of them.
    """

    def __init__(self) -> None:
        self.unheard = UnheardAudiences()
        self._hour: int | None = None
        self._released: Counter[str] = Counter()

    def release(self, take: Callable[[], Mapping[str, int]], now: Moment) -> Mapping[str, int]:
        """What may be published now, by count; call it more often than once an hour."""
        hour = int(now.utc_s // HOUR_S)
        if self._hour is None or hour < self._hour:
            self._hour = hour
        if hour > self._hour:
            self._hour = hour
            people = take()
            self.unheard.note(people)
            self._released.update({count: rounded(number) for count, number in people.items()})
        return self._released


class UnheardAudiences:
    """To which audiences nobody listens, where fewer than five people come in an hour, too.

    A yes or no that changes on an hour's border, each way for five people: to yes with five who
    entered and were not heard, and nobody heard in those hours; back with five who were heard. One
    customer counts once an hour; who came is not known, so a regular alone can be the five
    (docs/adr/0013-figures-by-day.md).
    """

    def __init__(self) -> None:
        self._audiences: set[str] = set()
        self._people: Counter[str] = Counter()
        """By audience, for a change of its answer."""

    def __contains__(self, audience: str) -> bool:
        return audience in self._audiences

    def note(self, people: Mapping[str, int]) -> None:
        """An hour is over: its people by count, of which `heard.…` and `unheard.…` are ours."""
        ours = [count for count in people if count.startswith(("heard.", "unheard."))]
        for audience in {count.partition(".")[2] for count in ours}:
            heard = people.get(f"heard.{audience}", 0)
            if audience in self._audiences:
                self._people[audience] += heard
            elif heard:
                self._people[audience] = 0
            else:
                self._people[audience] += people.get(f"unheard.{audience}", 0)
            if self._people[audience] >= STEP:
                self._audiences ^= {audience}
                self._people[audience] = 0


class HourlyNews(Generic[Kind]):
    """Counts for the journal: logged on an hour's border only, and only from five of a kind on."""

    def __init__(self) -> None:
        self._hour: int | None = None
        self._untold: Counter[Kind] = Counter()

    def note(self, kind: Kind) -> None:
        self._untold[kind] += 1

    def due(self, now: Moment) -> dict[Kind, int]:
        """What may be logged now, rounded, and once. Call it more often than once an hour."""
        hour = int(now.utc_s // HOUR_S)
        if self._hour is None or hour < self._hour:
            self._hour = hour
        if hour == self._hour:
            return {}
        self._hour = hour
        ready = {kind: rounded(count) for kind, count in self._untold.items() if count >= STEP}
        for kind in ready:
            del self._untold[kind]
        return ready


class HourlyLevels:
    """The same for a number that goes up and down: as it was at the last full hour, rounded."""

    def __init__(self) -> None:
        self._hour: int | None = None
        self._released = 0

    def release(self, level: int, now: Moment) -> int:
        hour = int(now.utc_s // HOUR_S)
        if self._hour is None or hour < self._hour:
            self._hour = hour
        if hour > self._hour:
            self._hour = hour
            self._released = rounded(level)
        return self._released
