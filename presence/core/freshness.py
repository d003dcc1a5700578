"""May the list be believed right now? Silence is the answer to every doubt.

    BOOT ──list proven──► FRESH ──2 min──► AGING ──lease_s──► STALE     CLOCK_BAD from anywhere
    silent                publishes        publishes, warns   silent    silent

Age is the larger of two: what the wall clock says since publication, and what the monotonic clock says since the
proof, plus the age that the list had then. So a clock set forward makes the list stale, a clock set back never makes
it younger, and one set back while the list holds is noticed (R-43). No error makes the lease longer.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from presence.core.consent import CLOCK_TOLERANCE_S, ListStanding
from presence.core.feed import ListHeader
from presence.core.timestamps import Moment

FRESH_S: Final = 120


class Freshness(StrEnum):
    BOOT = "boot"
    FRESH = "fresh"
    AGING = "aging"
    STALE = "stale"
    CLOCK_BAD = "clock_bad"


NEXT_STEP: Final = {
    Freshness.BOOT: "no list proven since the start: see `presence check`",
    Freshness.FRESH: "",
    Freshness.AGING: "the list grows old: is the consent service still publishing?",
    Freshness.STALE: "the list's lease is over, nothing is published: bring a newer list",
    Freshness.CLOCK_BAD: "the clock is behind the list: `timedatectl`, then set the clock or its server right",
}


@dataclass(frozen=True, slots=True)
class Lease:
    """When the list was proven, and how old it was then."""

    header: ListHeader
    proven_at: Moment
    lease_s: float

    def age_s(self, now: Moment) -> float:
        age_then_s = max(0.0, self.proven_at.utc_s - self.header.published_at_s)
        return max(age_then_s + self._passed_s(now), now.utc_s - self.header.published_at_s)

    def freshness(self, now: Moment) -> Freshness:
        earliest_s = max(self.header.published_at_s, self.proven_at.utc_s + self._passed_s(now))
        if now.utc_s < earliest_s - CLOCK_TOLERANCE_S:
            return Freshness.CLOCK_BAD
        age_s = self.age_s(now)
        if age_s <= min(FRESH_S, self.lease_s):
            return Freshness.FRESH
        return Freshness.AGING if age_s <= self.lease_s else Freshness.STALE

    def _passed_s(self, now: Moment) -> float:
        return now.monotonic_s - self.proven_at.monotonic_s


def freshness(lease: Lease | None, now: Moment) -> Freshness:
    return Freshness.BOOT if lease is None else lease.freshness(now)


def standing(lease: Lease | None, now: Moment) -> ListStanding:
    """What the gate is told of the list."""
    if lease is None:
        return ListStanding(publishing=False)
    return ListStanding(
        publishing=lease.freshness(now) in (Freshness.FRESH, Freshness.AGING),
        seq=lease.header.seq,
        suppression_checked_at_s=lease.header.suppression_checked_at_s,
        parents=lease.header.parents,
    )
