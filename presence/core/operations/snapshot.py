"""The snapshot: all that an operator may know of a running gateway; nothing else is shown.

Counts that one customer can change are in `hourly` and `outbox`, which were rounded and held back
to the hour before they came here (R-23). A radio that just heard somebody and one in a quiet shop
are both `listening`: the difference would show that somebody is there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

from presence.core.consent.freshness import Freshness
from presence.core.operations.entry_report import EntryReport
from presence.core.operations.radio_health import Condition
from presence.core.operations.radio_steps import RecoveryStep
from presence.core.place import Place
from presence.core.recognition.challenge import RejectReason
from presence.core.recognition.doubt import Doubt
from presence.core.recognition.satellite_message import SatelliteRefusal
from presence.core.timestamps import Moment


class DoorStanding(NamedTuple):
    """Whether a walk with a test phone has shown that the entry settings fit this door."""

    doubt: str = ""
    """Why they are not known to; empty where they are."""
    reminder: str = ""
    """That they soon will not be any more."""
    valid_until: str = ""
    """The day, such as 2027-11-29; empty where nothing was recorded."""


HOURLY: Final = (
    "recognised",
    "held_back",
    "entered",
    "left",
    "withdrawn",
    "published",
    "refused",
    "unheard",
    "blocked",
    "expired",
    "dropped",
)
"""What is published by the hour, each as a number of people: a count of advertisements or events
would show how long one customer stayed. `refused` here: people whose events the broker refused;
`unheard`: people whose events nobody was subscribed to at first, published later or expired.
"""

ANSWERS: Final = ("accepted", *RejectReason)
"""What an answer at the doorbell was worth."""

RINGS: Final = ("links", "sent_away", *ANSWERS)
"""The counts of the doorbell that are published by the hour: connections, those ended by us, and
what was answered. Accepted answers are counted in people; nobody knows whose the rest are, so they
are published in hundreds only.
"""
RINGS_STEP: Final = 100
"""A phone that does as docs/app-integration.md says makes eight connections an hour, sixteen on a
bad day.
"""

BROKER_CODES: Final = (
    0x80,
    0x82,
    0x83,
    0x84,
    0x85,
    0x86,
    0x87,
    0x88,
    0x89,
    0x8A,
    0x8C,
    0x8D,
    0x8E,
    0x90,
    0x91,
    0x93,
    0x95,
    0x97,
    0x99,
    0x9B,
    0x9D,
)
"""Reason codes that have a series of their own (MQTT 5.0 §2.4); the rest are `other`."""


class RadioState(StrEnum):
    LISTENING = "listening"
    RESTING = "resting"
    """The shop is closed, or the gateway is disarmed."""
    AWAY = "away"
    """No scan runs: adapter, bluetoothd or bus is gone."""
    DEAF = "deaf"
    HIDING = "hiding"
    SPENT = "spent"


STATE_OF: Final = {
    Condition.AWAY: RadioState.AWAY,
    Condition.CLOSED: RadioState.RESTING,
    Condition.QUIET: RadioState.LISTENING,
    Condition.WELL: RadioState.LISTENING,
    Condition.DEAF: RadioState.DEAF,
    Condition.HIDING: RadioState.HIDING,
    Condition.SPENT: RadioState.SPENT,
}


class SatelliteState(StrEnum):
    AWAITED = "awaited"
    """The gateway or the shop has just opened, and nothing came yet."""
    HEARD = "heard"
    LOST = "lost"
    RESTING = "resting"
    """The shop is closed, or the gateway is disarmed: it is not asked to listen."""


class Alarm(StrEnum):
    """What a person must look into, whichever part noticed it."""

    FROZEN = "frozen"
    """The head of the list is newer than the list that we are given (T-08)."""
    ROLLBACK = "rollback"
    """Somebody brought back an older list."""
    GROWTH = "growth"
    """The list grew by more than a fifth within a day, and nobody approved it (T-19)."""
    MEMORY = "memory"
    """What remembers how new the list was is lost."""
    DUPLICATE = "duplicate"
    """Another gateway uses our name at the broker."""
    CLOCK = "clock"
    """The wall clock jumped."""
    AUDIT = "audit"
    """The audit log could not be written, or its chain is broken."""


@dataclass(frozen=True, slots=True)
class Radio:
    adapter: str
    """As the settings call it."""
    state: RadioState
    gap_s: float
    """How long it has not been able to hear; 0 while it listens or rests."""
    steps: Mapping[RecoveryStep, int] = field(
        default_factory=lambda: dict.fromkeys(RecoveryStep, 0)
    )
    place: Place = Place.INSIDE
    hci: str = ""
    """What the kernel calls the adapter today; empty where it is not there."""
    address: str = ""
    path: str = ""
    """How what it hears comes to us; empty where no scan has run."""
    path_trouble: str = ""
    """Why that is not as the settings want it."""
    trouble: str = ""
    """While no scan runs: which fault, in our words and never in those of an error (R-65)."""


@dataclass(frozen=True, slots=True)
class SatelliteStatus:
    """One satellite of this gateway."""

    name: str
    place: Place
    state: SatelliteState
    gap_s: float
    """How long nothing has come from it; 0 unless it is lost."""
    ignored: Mapping[SatelliteRefusal, int] = field(default_factory=dict)
    """Messages that were not taken."""


class BellState(NamedTuple):
    """One bell."""

    adapter: str
    trouble: str
    """Why it does not ring; empty while it does."""
    outages: int


@dataclass(frozen=True, slots=True)
class DoorbellState:
    """The doorbell, where it is on."""

    bells: tuple[BellState, ...]
    hourly: Mapping[str, int] = field(default_factory=dict)
    """By RINGS."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """At one moment; `None` is "not known (yet)"."""

    at: Moment
    version: str
    started_utc_s: float
    armed: bool
    open: bool
    freshness: Freshness
    next_step: str
    list_seq: int
    list_entries: int
    """Rounded to 100."""
    list_age_s: float | None
    list_proven_utc_s: float | None
    key_window_end_utc_s: float | None
    """When the last window of which we hold keys is over: blind from then on."""
    refreshes: Mapping[str, int]
    """Looks at the list that took in a new one (`applied`) or failed (`refused`)."""
    radios: tuple[Radio, ...]
    satellites: tuple[SatelliteStatus, ...] = ()
    doorbell: DoorbellState | None = None
    broker_connected: bool
    broker_trouble: str
    broker_codes: Mapping[int, int]
    unheard: Mapping[str, bool] = field(default_factory=dict)
    """By audience: nobody listens to its events, since five people and by the hour."""
    hourly: Mapping[str, int]
    held_back: Mapping[Doubt, int] = field(default_factory=dict)
    """People, by the hour, whose advertisements may have been a replay."""
    outbox: int
    overflowed: int
    """Advertisements that the intake had no room for."""
    clock_synchronised: bool
    clock_trouble: str = ""
    """Why nobody knows whether it is, with the next step."""
    disk_free_bytes: int | None
    entry: EntryReport = field(default_factory=EntryReport)
    calibration: DoorStanding = field(default_factory=DoorStanding)
    state_read_only: bool = False
    """The file system of storage.state_dir, as where the kernel no longer trusts a card."""
    storage_failing: bool
    alarms: Mapping[Alarm, int]
