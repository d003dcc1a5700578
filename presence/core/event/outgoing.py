"""What the engine answers with: the changes to be stored in one transaction, and the events on
their way out.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from presence.core.event.cloudevent import EventType
from presence.core.timestamps import Moment
from presence.core.visit.visits import Visit


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An event in the outbox. What it may say is decided when it is sent, by the gate (see
    `Teller.release`).
    """

    id: str
    type: EventType
    audience: str
    ref: bytes = field(repr=False)
    subject: str = field(repr=False)
    """For `left` and `withdrawn` that of their `entered`; an `entered` has none before it is
    sent.
    """
    occurred_at: Moment
    expires_s: float
    """Monotonic seconds: not sent from then on."""
    entered_id: str = ""
    """For `left` and `withdrawn`: the id of the `entered` that they speak of."""
    reason: str = ""
    """For `withdrawn`: a WithdrawnReason."""
    strength_dbm: float | None = field(default=None, repr=False, compare=False)
    """Smoothed, at the entry: the nearest gateway tells it (see `Peers`). Never stored, never sent
    (R-03).
    """


@dataclass(frozen=True, slots=True)
class Announcement:
    """An `entered` that was handed to the broker: from then on a withdrawal has to be told."""

    event_id: str
    audience: str
    ref: bytes = field(repr=False)
    subject: str = field(repr=False)
    categories: tuple[str, ...]
    valid_until_s: float
    """UTC: the audience may act until then."""
    day: str
    """UTC day of the entry, `YYYY-MM-DD`: with it a subject of the day is known from a stable
    one.
    """


class TakenBack(NamedTuple):
    """An `entered` that was withdrawn: no entry is announced under its id any more."""

    event_id: str
    until_s: float
    """Monotonic seconds: from then on no new entry can have that id."""


@dataclass(frozen=True, slots=True)
class Step:
    """Changes that belong together. Stored whole or not at all: never an event without its state,
    nor the reverse.
    """

    saved: tuple[Visit, ...] = ()
    heard: tuple[tuple[bytes, Moment], ...] = field(default=(), repr=False)
    """Of visits that are stored already: ref, and when they were last heard."""
    forgotten: tuple[bytes, ...] = field(default=(), repr=False)
    """Refs of which no visit remains."""
    queued: tuple[Outgoing, ...] = ()
    cancelled: tuple[str, ...] = ()
    """Ids of events in the outbox that must not go out any more."""
    announced: tuple[Announcement, ...] = ()
    retracted: tuple[str, ...] = ()
    """Ids of announcements that are over."""
    taken_back: tuple[TakenBack, ...] = ()
    let_go: tuple[str, ...] = ()
    """Ids of what was taken back so long ago that no new entry can have them."""

    def __bool__(self) -> bool:
        changes = (
            self.saved
            or self.heard
            or self.forgotten
            or self.queued
            or self.cancelled
            or self.announced
        )
        return bool(changes or self.retracted or self.taken_back or self.let_go)


@dataclass(slots=True)
class Draft:
    """A Step in the making."""

    saved: dict[bytes, Visit] = field(default_factory=dict)
    forgotten: list[bytes] = field(default_factory=list)
    queued: list[Outgoing] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    retracted: list[str] = field(default_factory=list)
    taken_back: list[TakenBack] = field(default_factory=list)
    let_go: list[str] = field(default_factory=list)

    def step(self) -> Step:
        return Step(
            saved=tuple(self.saved.values()),
            forgotten=tuple(self.forgotten),
            queued=tuple(self.queued),
            cancelled=tuple(self.cancelled),
            retracted=tuple(self.retracted),
            taken_back=tuple(self.taken_back),
            let_go=tuple(self.let_go),
        )
