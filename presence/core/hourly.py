"""Counts of customers as they may leave the shop: rounded to 5, nothing under 5, and only when an hour is over (R-23).

Each hour is rounded by itself and added up, so that one customer in an hour changes nothing, whatever came before.
"""

from collections.abc import Mapping
from typing import Final

from presence.core.timestamps import Moment

HOUR_S: Final = 3600
STEP: Final = 5


def rounded(count: int, step: int = STEP) -> int:
    """To the nearest `step`; below one step it is 0."""
    return 0 if count < step else (count + step // 2) // step * step


class HourlyCounts:
    """Takes running totals at any time; gives those of the hours that are over."""

    def __init__(self) -> None:
        self._hour: int | None = None
        self._at_border: dict[str, int] = {}
        self._released: dict[str, int] = {}

    def release(self, totals: Mapping[str, int], now: Moment) -> dict[str, int]:
        """What may be told now. Call it more often than once an hour.

        A clock that goes back releases nothing: the hour begins anew.
        """
        hour = int(now.utc_s // HOUR_S)
        if self._hour is None or hour < self._hour:
            self._hour = hour
        if hour > self._hour:
            self._hour = hour
            for name, total in totals.items():
                self._released[name] = self._released.get(name, 0) + rounded(total - self._at_border.get(name, 0))
            self._at_border = dict(totals)
        return {name: self._released.get(name, 0) for name in totals}


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
