"""One reading of both clocks, carried with the data it belongs to.

Durations (dwell, absence, lease) are differences of `monotonic_s`; dates (validity, slots, events)
are `utc_s`. Mixing them is the classic mistake: a clock set back by an hour must not lengthen a
consent or a visit.
"""

from datetime import UTC, datetime
from typing import NamedTuple


class Moment(NamedTuple):
    """When something happened. A tuple, because one is made for every advertisement."""

    monotonic_s: float
    """Seconds of CLOCK_BOOTTIME: never goes back, runs on through suspend, starts anew at boot."""
    utc_s: float
    """Seconds since 1970-01-01T00:00:00Z, as the wall clock said."""

    def later(self, seconds: float) -> "Moment":
        """The moment `seconds` later on both clocks."""
        return Moment(self.monotonic_s + seconds, self.utc_s + seconds)


def rfc3339(utc_s: float) -> str:
    """`2026-11-23T14:05:07Z`, cut to the second."""
    # Not by strftime, which takes five times as long: an event has three.
    return datetime.fromtimestamp(int(utc_s), UTC).isoformat()[:-6] + "Z"


def rfc3339_minute(utc_s: float) -> str:
    """`2026-11-23T14:05:00Z`: cut to the minute, as all that leaves the shop is (R-21)."""
    return rfc3339(utc_s // 60 * 60)


def duration(seconds: float) -> str:
    """For a person, in the largest unit that fits: `15 minutes`, `1.5 hours`, `1 second`."""
    for unit, length_s in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= length_s:
            return _counted(seconds / length_s, unit)
    return _counted(seconds, "second")


def _counted(number: float, unit: str) -> str:
    shown = f"{number:.1f}".removesuffix(".0")
    return f"{shown} {unit}{'' if shown == '1' else 's'}"
