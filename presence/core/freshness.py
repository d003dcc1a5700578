"""May the list be believed right now? Silence is the answer to every doubt.

    BOOT ──list proven──► FRESH ──2 min──► AGING ──lease_s──► STALE ──2 windows──► DEAD
    silent                publishes        publishes, warns   silent               silent, keys wiped
                            ▲                 │                  │                    │
                            └──────────── a newer list is proven ┴────────────────────┘
    CLOCK_BAD from anywhere but DEAD: silent like STALE, until the clock is right again

1. Age is the larger of two: what the wall clock says since publication, and what CLOCK_BOOTTIME says since the proof,
   plus the age that the list had then. So a clock set forward makes the list stale, and one set back never makes it
   younger (R-43).
2. CLOCK_BAD: behind the list's last signing time (also that of the list before the restart), behind what has passed
   since the proof, or not synchronised where that is asked for.
3. Only a proven list begins a lease, and it counts from the publication. No error makes it longer.
4. DEAD counts by both clocks too: whatever the reason, keys that nobody could use any more are not kept.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from presence.core.consent import CLOCK_TOLERANCE_S, ListStanding
from presence.core.feed import ListHeader
from presence.core.identifiers import WINDOW_S
from presence.core.timestamps import Moment

FRESH_S: Final = 120
DEAD_S: Final = 2 * WINDOW_S
"""After two windows every key that the list brought is over (T-13)."""


class Freshness(StrEnum):
    BOOT = "boot"
    FRESH = "fresh"
    AGING = "aging"
    STALE = "stale"
    CLOCK_BAD = "clock_bad"
    DEAD = "dead"


PUBLISHING: Final = frozenset({Freshness.FRESH, Freshness.AGING})

NEXT_STEP: Final = {
    Freshness.BOOT: "no list proven since the start, nothing is published: see `presence check`",
    Freshness.FRESH: "",
    Freshness.AGING: "the list grows old: is the consent service still publishing, and does it reach us?",
    Freshness.STALE: "the list's lease is over, nothing is published: `presence check`, then bring a newer list",
    Freshness.CLOCK_BAD: "the clock is not synchronised, or behind the list: `timedatectl set-ntp true`, then wait",
    Freshness.DEAD: "no list for 36 hours, its keys are wiped: mend the way to the consent service (`presence check`)",
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

    def freshness(self, now: Moment, *, synchronised: bool = True) -> Freshness:
        age_s = self.age_s(now)
        if age_s > DEAD_S:
            return Freshness.DEAD
        earliest_s = max(self.header.published_at_s, self.proven_at.utc_s + self._passed_s(now))
        if not synchronised or now.utc_s < earliest_s - CLOCK_TOLERANCE_S:
            return Freshness.CLOCK_BAD
        if age_s <= min(FRESH_S, self.lease_s):
            return Freshness.FRESH
        return Freshness.AGING if age_s <= self.lease_s else Freshness.STALE

    def _passed_s(self, now: Moment) -> float:
        return now.monotonic_s - self.proven_at.monotonic_s


def freshness(lease: Lease | None, now: Moment, *, synchronised: bool = True, last_signed_s: float = 0.0) -> Freshness:
    """`last_signed_s`: when the newest list was signed that this gateway ever had, also before its start."""
    if lease is not None:
        return lease.freshness(now, synchronised=synchronised)
    behind = now.utc_s < last_signed_s - CLOCK_TOLERANCE_S
    return Freshness.BOOT if synchronised and not behind else Freshness.CLOCK_BAD


def standing(lease: Lease | None, now: Moment, *, synchronised: bool = True) -> ListStanding:
    """What the gate is told of the list."""
    if lease is None:
        return ListStanding(publishing=False)
    return ListStanding(
        publishing=lease.freshness(now, synchronised=synchronised) in PUBLISHING,
        seq=lease.header.seq,
        suppression_checked_at_s=lease.header.suppression_checked_at_s,
        parents=lease.header.parents,
    )
