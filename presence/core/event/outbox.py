"""The outbox: events that wait to be sent, what was announced, and what was taken back; and the
changes of it, as they are stored.

    queue ──► pending ──acknowledge──► gone
                 └─announced.put──► announced ──take_back──► taken back ──let_go──► forgotten
                                        └──forget: over

1. What waits is bounded, and full it lets go of the oldest. A `withdrawn` is never let go of for
   another event (R-09), and always has room: never more of them wait than there were
   announcements.
2. An announcement is remembered until nobody may act on it any more and its visit is over.
3. What was taken back stays so: no entry is announced under its id again.

It has no rules of its own: `presence.core.event.dispatch` decides who may hear what.
"""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

from presence.core.agenda import Agenda
from presence.core.event.cloudevent import EventType
from presence.core.timestamps import Moment
from presence.core.visit.visits import Visit

WITHDRAWN: Final = EventType.WITHDRAWN
LOOK_AGAIN_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An event in the outbox. What it may say is decided when it is sent, by the gate (see
    `Dispatcher.release`).
    """

    id: str
    type: EventType
    audience: str
    ref: bytes = field(repr=False)
    subject: str = field(repr=False)
    """For `left` and `withdrawn` that of their `entered`; `entered` has none until it is sent."""
    occurred_at: Moment
    expires_s: float
    """Monotonic seconds: not sent from then on."""
    entered_id: str = ""
    """For `left` and `withdrawn`: the id of the `entered` that they speak of."""
    reason: str = ""
    """For `withdrawn`: a WithdrawnReason."""
    by_answer: bool = False
    """For `entered`: what its `assurance` says, decided with the entry (see `Entered`)."""
    strength_dbm: float | None = field(default=None, repr=False, compare=False)
    """Smoothed, at the entry: the nearest gateway sends it (see `Election`). Never stored or sent
    (R-03).
    """


@dataclass(frozen=True, slots=True)
class Announcement:
    """An `entered` that was handed to the broker: from then on a withdrawal has to be sent."""

    event_id: str
    audience: str
    ref: bytes = field(repr=False)
    subject: str = field(repr=False)
    categories: tuple[str, ...]
    valid_until_s: float
    """UTC: the audience may act until then."""
    day: str
    """UTC day of the entry, `YYYY-MM-DD`: it tells a subject of the day from a stable one."""
    over_s: float
    """`valid_until_s` in monotonic seconds, by both clocks as they were at the entry."""

    def is_over(self, now: Moment) -> bool:
        """Whether nobody may act on it any more, whichever way the wall clock was set since."""
        return now.utc_s >= self.valid_until_s and now.monotonic_s >= self.over_s


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


class AboutSomebody(Protocol):
    @property
    def ref(self) -> bytes: ...


Held = TypeVar("Held", bound=AboutSomebody)


class ByRef(Generic[Held]):
    """Whatever asks for one person's records must not walk through those of everybody present."""

    def __init__(self) -> None:
        self._by_key: dict[str, Held] = {}
        self._keys_of: dict[bytes, dict[str, None]] = {}
        self.records: Mapping[str, Held] = self._by_key
        """For reading: all of them by key, in the order in which they came."""

    def __iter__(self) -> Iterator[Held]:
        """In the order in which they came."""
        return iter(self._by_key.values())

    def put(self, key: str, held: Held) -> None:
        """Under a key that is held already it takes the older record's place, and its turn."""
        self._by_key[key] = held
        self._keys_of.setdefault(held.ref, {})[key] = None

    def pop(self, key: str) -> Held | None:
        held = self._by_key.pop(key, None)
        if held is not None:
            keys = self._keys_of[held.ref]
            del keys[key]
            if not keys:
                del self._keys_of[held.ref]
        return held

    def of(self, ref: bytes) -> list[Held]:
        """All records of one person, oldest first."""
        return [self._by_key[key] for key in self._keys_of.get(ref, ())]

    def knows(self, ref: bytes) -> bool:
        return ref in self._keys_of

    def refs(self) -> set[bytes]:
        return set(self._keys_of)


class Pending(ByRef[Outgoing]):
    """Events that wait to be sent, by their id, oldest first. Those that cannot go before a certain
    time rest, so that nobody who looks for what may go walks through them.
    """

    def __init__(self, pending: Iterable[Outgoing] = ()) -> None:
        self._droppable: dict[str, Outgoing] = {}
        self._resting: dict[str, Outgoing] = {}
        self._until_s = math.inf
        self._awake: dict[str, Outgoing] = {}
        self.awake: Collection[Outgoing] = self._awake.values()
        """For reading: those that do not rest."""
        super().__init__()
        for outgoing in pending:
            self.put(outgoing.id, outgoing)

    def put(self, key: str, held: Outgoing) -> None:
        super().put(key, held)
        self._awake[key] = held
        if held.type is not WITHDRAWN:
            self._droppable[key] = held

    def pop(self, key: str) -> Outgoing | None:
        self._droppable.pop(key, None)
        self._awake.pop(key, None)
        gone = super().pop(key)
        if self._resting.pop(key, None) is not None and gone is not None:
            for behind in self.of(gone.ref):  # they may have rested because of this one
                self._resting.pop(behind.id, None)
                self._awake[behind.id] = behind
        return gone

    def rest(self, outgoing: Outgoing, until_s: float) -> None:
        """Until `wake` at this monotonic time or before, or until one before it is gone."""
        if self._awake.pop(outgoing.id, None) is not None:
            self._resting[outgoing.id] = outgoing
        self._until_s = min(self._until_s, until_s)

    def rests_behind(self, outgoing: Outgoing) -> bool:
        """Whether an event of its subject rests that it must not overtake."""
        return bool(self._resting) and any(
            each.id in self._resting and each.audience == outgoing.audience
            for each in self.of(outgoing.ref)
        )

    def wake(self, now_s: float) -> float:
        """All of them, in their order, once the time of the first has come: seldom, beside how
        often is looked for what may go. Seconds until then; infinite where none rests.
        """
        if self._resting and now_s >= self._until_s:
            self._resting.clear()
            self._awake.clear()
            self._awake.update(self._by_key)
        if not self._resting:
            self._until_s = math.inf
        return self._until_s - now_s

    def queue(self, outgoing: Outgoing, most: int, draft: Draft) -> list[Outgoing]:
        """Take it in; answers with what was dropped for it, or with itself if there is no room."""
        dropped: list[Outgoing] = []
        if outgoing.id in self.records:
            return dropped
        while len(self.records) >= most and self._droppable:
            dropped.append(next(iter(self._droppable.values())))
            self.cancel(dropped[-1], draft)
        if len(self.records) >= most and outgoing.type is not WITHDRAWN:
            return [*dropped, outgoing]
        self.put(outgoing.id, outgoing)
        draft.queued.append(outgoing)
        return dropped

    def cancel(self, outgoing: Outgoing, draft: Draft) -> None:
        """It must not go out any more."""
        self.pop(outgoing.id)
        draft.cancelled.append(outgoing.id)

    def left_of(self, announcement: Announcement) -> list[Outgoing]:
        """A `left` that waits, of what was announced."""
        return [
            each
            for each in self.of(announcement.ref)
            if each.type is EventType.LEFT and each.entered_id == announcement.event_id
        ]


class Announced(ByRef[Announcement]):
    """What was announced and stands, by the id of its `entered`; and what was taken back."""

    def __init__(
        self, announcements: Iterable[Announcement] = (), taken_back: Iterable[TakenBack] = ()
    ) -> None:
        self._over = Agenda[str]()
        self._taken_back = dict(taken_back)
        """Ids → monotonic time, oldest first."""
        self._in_vain: dict[str, bool] = {}
        """Of which the broker said each time that nobody was there → whether of the last time, too.
        Not stored: after a restart whatever was handed over counts as told.
        """
        super().__init__()
        for announcement in announcements:
            self.put(announcement.event_id, announcement)

    def put(self, key: str, held: Announcement) -> None:
        super().put(key, held)
        self._over.put(key, held.over_s)

    def pop(self, key: str) -> Announcement | None:
        self._over.drop(key)
        self._in_vain.pop(key, None)
        return super().pop(key)

    def hand_over(self, announcement: Announcement) -> None:
        """It is about to be given to the broker, for the first time or again."""
        event_id = announcement.event_id
        if event_id not in self.records or self._in_vain.get(event_id):
            self._in_vain[event_id] = False
        else:  # an earlier time was left without an answer: somebody may have it
            self._in_vain.pop(event_id, None)
        self.put(event_id, announcement)

    def unheard(self, event_id: str) -> None:
        """The broker had nobody to give it to."""
        if event_id in self._in_vain:
            self._in_vain[event_id] = True

    def told_of(self, ref: bytes) -> bool:
        """Whether somebody may have been told of them."""
        return any(not self._in_vain.get(each.event_id) for each in self.of(ref))

    def look_at(self, event_id: str, monotonic_s: float) -> None:
        """It may be over then, but not before its `valid_until`."""
        announcement = self.records.get(event_id)
        if announcement is not None:
            self._over.put(event_id, max(announcement.over_s, monotonic_s))

    def to_look_at(self, now: Moment) -> list[Announcement]:
        """Those on which nobody may act any more, each once."""
        over: list[Announcement] = []
        for event_id in self._over.take(now.monotonic_s):
            announcement = self.records[event_id]
            if announcement.is_over(now):
                over.append(announcement)
            else:  # the wall clock was set back, or had been ahead at the entry
                self.look_at(event_id, now.monotonic_s + LOOK_AGAIN_S)
        return over

    @property
    def taken_back(self) -> tuple[TakenBack, ...]:
        return tuple(map(TakenBack._make, self._taken_back.items()))

    def is_taken_back(self, event_id: str) -> bool:
        return event_id in self._taken_back

    def take_back(self, announcement: Announcement, until_s: float, draft: Draft) -> None:
        """It stands no more, and no entry is announced under its id until this monotonic time."""
        event_id = announcement.event_id
        self.forget(announcement, draft)
        self._taken_back.pop(event_id, None)
        self._taken_back[event_id] = until_s
        draft.taken_back.append(TakenBack(event_id, until_s))

    def forget(self, announcement: Announcement, draft: Draft) -> None:
        self.pop(announcement.event_id)
        draft.retracted.append(announcement.event_id)

    def let_go(self, now: Moment, draft: Draft) -> None:
        """Of what was taken back so long ago that no new entry can have its id."""
        for event_id in tuple(
            takewhile(lambda key: now.monotonic_s >= self._taken_back[key], self._taken_back)
        ):
            del self._taken_back[event_id]
            draft.let_go.append(event_id)


class Outbox:
    """All of it: relay and pipeline hold it as it is."""

    def __init__(
        self,
        pending: Iterable[Outgoing] = (),
        announcements: Iterable[Announcement] = (),
        taken_back: Iterable[TakenBack] = (),
    ) -> None:
        self.pending = Pending(pending)
        self.announced = Announced(announcements, taken_back)

    def knows(self, ref: bytes) -> bool:
        """Whether somebody was told of them, or is about to be."""
        return self.announced.knows(ref) or self.pending.knows(ref)

    def refs(self) -> set[bytes]:
        """Everyone whom it knows."""
        return self.announced.refs() | self.pending.refs()
