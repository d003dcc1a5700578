"""Freshness: may the list be believed right now? It fails closed: in doubt nothing is published.

    BOOT ──list proven──► FRESH ──2 min──► AGING ──lease_s──► STALE ──2 windows──► DEAD
    silent                publishes        publishes, warns   silent               silent, keys
                            ▲                 │                  │                 │ wiped
                            └─────────────────┴ a newer list is proven ────────────┘
    CLOCK_BAD from anywhere but DEAD: silent like STALE, until the clock is right again

1. Age is the larger of two: what the wall clock says since publication, and what CLOCK_BOOTTIME
   says since the proof, plus the age that the list had then. So a clock set forward makes the list
   stale, and one set back never makes it younger (R-43).
2. CLOCK_BAD: behind the list's last signing time (also that of the list before the restart), behind
   what has passed since a proof, behind the list's server by more than a minute, or not
   synchronised where that is asked for. Another proof under a clock that went back does not make it
   right (`least`): only the server's clock confirms it, or a start anew.
3. Only a proven list begins a lease, and it counts from the publication. No error makes it longer.
4. DEAD counts by both clocks too: whatever the reason, keys that nobody could use any more are not
   kept.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final, NamedTuple

from presence.core.consent.gate import CLOCK_TOLERANCE_S, ListStanding
from presence.core.consent.list_json import ListHeader
from presence.core.recognition.identifiers import WINDOW_S
from presence.core.timestamps import Moment
from presence.language import Sentence

FRESH_S: Final = 120
DEAD_S: Final = 2 * WINDOW_S
"""After two windows every key that the list brought is over (T-13)."""


SERVER_TOLERANCE_S: Final = 60
"""HTTP's Date is in whole seconds, and the answer takes its time to come."""


class Freshness(StrEnum):
    BOOT = "boot"
    FRESH = "fresh"
    AGING = "aging"
    STALE = "stale"
    CLOCK_BAD = "clock_bad"
    DEAD = "dead"


PUBLISHING: Final = frozenset({Freshness.FRESH, Freshness.AGING})

NEXT_STEP: Final[Mapping[Freshness, str]] = {
    Freshness.BOOT: Sentence(
        "no list proven since the start, nothing is published: see `presence check`"
    ),
    Freshness.FRESH: "",
    Freshness.AGING: Sentence(
        "the list grows old: is the consent service still publishing, and does it reach us?"
    ),
    Freshness.STALE: Sentence("the list's lease is over, nothing is published: bring a newer list"),
    Freshness.CLOCK_BAD: Sentence(
        "the clock is not to be believed: `timedatectl set-ntp true`, then wait"
    ),
    Freshness.DEAD: Sentence(
        "no list for 36 hours, its keys are wiped: mend the way to the consent service"
    ),
}


class ClockDoubt(Enum):
    """Why the clock is not believed; the value is the next step."""

    UNSYNCHRONISED = Sentence(
        "nothing disciplines the clock: `timedatectl set-ntp true`, then wait"
    )
    BEHIND_LIST = Sentence(
        "the clock is behind the moment at which a list was signed: `timedatectl "
        "set-ntp true`, then wait"
    )
    BEHIND_SERVER = Sentence(
        "the clock is more than a minute behind that of the list's server: `timedatectl set-ntp "
        "true`, then wait; "
        "where the gateway's clock is right, the server's is wrong: tell the consent service"
    )
    WENT_BACK = Sentence(
        "the clock went back since a list was proven: `timedatectl`; if it was ahead then and is "
        "right now, "
        "`systemctl restart presence`"
    )


class Least(NamedTuple):
    """What the wall clock must show at least."""

    at: Moment
    """So much at that boot time, and as much more as has passed since."""
    otherwise: ClockDoubt

    def utc_s(self, now: Moment) -> float:
        return self.at.utc_s + now.monotonic_s - self.at.monotonic_s


@dataclass(frozen=True, slots=True)
class Lease:
    """When the list was proven, and how old it was then."""

    header: ListHeader
    proven_at: Moment
    lease_s: float
    least: Least | None = None
    """Beside the proof itself."""

    def age_s(self, now: Moment) -> float:
        """By the clock that makes it oldest; one that goes back makes it no younger."""
        published_s, proven_at = self.header.published_at_s, self.proven_at
        age_then_s = max(0.0, self.latest(proven_at).utc_s(proven_at) - published_s)
        return max(age_then_s + now.monotonic_s - proven_at.monotonic_s, now.utc_s - published_s)

    def clock_doubt(self, now: Moment, *, synchronised: bool = True) -> ClockDoubt | None:
        if not synchronised:
            return ClockDoubt.UNSYNCHRONISED
        if now.utc_s < self.header.published_at_s - CLOCK_TOLERANCE_S:
            return ClockDoubt.BEHIND_LIST
        behind = (
            least for least in self._bounds() if now.utc_s < least.utc_s(now) - CLOCK_TOLERANCE_S
        )
        return next((least.otherwise for least in behind), None)

    def latest(self, now: Moment) -> Least:
        """The most that the wall clock must show by all that is known."""
        return max(self._bounds(), key=lambda least: least.utc_s(now))

    def freshness(self, now: Moment, *, synchronised: bool = True) -> Freshness:
        age_s = self.age_s(now)
        # Before the clock is doubted: keys go by either clock, for whatever reason (rule 4).
        if age_s > DEAD_S:
            return Freshness.DEAD
        if self.clock_doubt(now, synchronised=synchronised):
            return Freshness.CLOCK_BAD
        if age_s <= min(FRESH_S, self.lease_s):
            return Freshness.FRESH
        return Freshness.AGING if age_s <= self.lease_s else Freshness.STALE

    def _bounds(self) -> tuple[Least, ...]:
        proof = Least(self.proven_at, ClockDoubt.WENT_BACK)
        return (proof,) if self.least is None else (self.least, proof)


def least(
    now: Moment, *, before: Lease | None = None, server: Moment | None = None
) -> Least | None:
    """For the lease that begins now, in place of `before`; `server`: what the list's server said
    that the time is.

    A clock that agrees with the server is right, whatever it showed before. A server whose answers
    come late out of a cache never agrees, and says nothing against a clock that is ahead of them.
    """
    bounds = [] if before is None else [before.latest(now)]
    if server is not None:
        told = Least(server, ClockDoubt.BEHIND_SERVER)
        if abs(now.utc_s - told.utc_s(now)) <= SERVER_TOLERANCE_S:
            return None
        slack_s = SERVER_TOLERANCE_S - CLOCK_TOLERANCE_S
        bounds.append(told._replace(at=server._replace(utc_s=server.utc_s - slack_s)))
    return max(bounds, key=lambda bound: bound.utc_s(now), default=None)


def freshness(
    lease: Lease | None, now: Moment, *, synchronised: bool = True, last_signed_s: float = 0.0
) -> Freshness:
    """`last_signed_s`: when the newest list ever here was signed, also before this start."""
    if lease is not None:
        return lease.freshness(now, synchronised=synchronised)
    doubt = clock_doubt(None, now, synchronised=synchronised, last_signed_s=last_signed_s)
    return Freshness.BOOT if doubt is None else Freshness.CLOCK_BAD


def clock_doubt(
    lease: Lease | None, now: Moment, *, synchronised: bool = True, last_signed_s: float = 0.0
) -> ClockDoubt | None:
    """Why the clock is not believed; None where nothing speaks against it."""
    if lease is not None:
        return lease.clock_doubt(now, synchronised=synchronised)
    if not synchronised:
        return ClockDoubt.UNSYNCHRONISED
    return ClockDoubt.BEHIND_LIST if now.utc_s < last_signed_s - CLOCK_TOLERANCE_S else None


def next_step(state: Freshness, doubt: ClockDoubt | None) -> str:
    """What the operator does in this state; empty where all is well."""
    return doubt.value if state is Freshness.CLOCK_BAD and doubt is not None else NEXT_STEP[state]


def standing(lease: Lease | None, now: Moment, *, synchronised: bool = True) -> ListStanding:
    """What the gate must know of the list."""
    if lease is None:
        return ListStanding(publishing=False)
    return ListStanding(
        publishing=lease.freshness(now, synchronised=synchronised) in PUBLISHING,
        seq=lease.header.seq,
        suppression_checked_at_s=lease.header.suppression_checked_at_s,
        parents=lease.header.parents,
    )
