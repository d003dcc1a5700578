"""When the shop is open: outside of it nobody is recognised, and nothing is scanned (R-19)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Final

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True)
class OpeningHours:
    """Local hours of the week. No hours at all means always open; a weekday left out is a closed
    day.
    """

    hours: Mapping[str, str] = field(default_factory=dict)
    """`mon` … `sun` → `HH:MM-HH:MM`; an end before the start runs past midnight."""
    zone: tzinfo = UTC
    margin_min: float = 0

    def open_at(self, utc_s: float) -> bool:
        """Whether the shop is open, or will be or was within the margin."""
        if not self.hours:
            return True
        local = datetime.fromtimestamp(utc_s, self.zone)
        minute = local.hour * 60 + local.minute + local.second / 60
        # Yesterday's and tomorrow's hours count too: they may run past midnight, or begin within
        # the margin.
        return any(self._covers(local.weekday() + day, minute - day * 1440) for day in (-1, 0, 1))

    def _covers(self, weekday: int, minute: float) -> bool:
        spell = self.hours.get(WEEKDAYS[weekday % 7])
        if spell is None:
            return False
        start, end = (int(text[:2]) * 60 + int(text[3:5]) for text in spell.split("-"))
        if end <= start:
            end += 1440
        return start - self.margin_min <= minute < end + self.margin_min
