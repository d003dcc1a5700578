"""Working stand-ins for the ports: they keep the promises of `presence.ports`, and fail on request.

The contract tests in tests/edges run the same cases against a stand-in and the real edge.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from presence.core.consent.list_json import ConsentList
from presence.core.engine import index_list
from presence.core.event.outbox import Announcement, Outgoing, Step, TakenBack
from presence.core.recognition.advertisement import Advertisement
from presence.core.timestamps import Moment
from presence.core.visit.visits import Visit
from presence.edges.mqtt.reasons import PERMANENT
from presence.edges.mqtt.slots import UNACKNOWLEDGED_MAX
from presence.errors import (
    BrokerError,
    ConsentListError,
    MessageNotTaken,
    MessageRefused,
    MessageUnheard,
    StorageError,
)
from presence.ports import OnAdvertisement, OutgoingMessage, Progress, Stored, VerifiedList
from presence.telemetry import OperationalEvent, Telemetry
from tests.support.builders import moment
from tests.support.contract import check

E = TypeVar("E", bound=OperationalEvent)


class FakeClock:
    """Stands still until it is told to go on."""

    def __init__(self, at: Moment | None = None) -> None:
        self._now = at or moment()

    def now(self) -> Moment:
        return self._now

    def pass_s(self, seconds: float) -> Moment:
        """Let time pass on both clocks."""
        self._now = self._now.later(seconds)
        return self._now

    def set_wall_clock(self, utc_s: float) -> Moment:
        """Somebody sets the wall clock; no time passes."""
        self._now = self._now._replace(utc_s=utc_s)
        return self._now


class RecordingTelemetry(Telemetry):
    """Keeps what was emitted."""

    def __init__(self) -> None:
        super().__init__(self._keep)
        self.events: list[OperationalEvent] = []
        self._changed = asyncio.Event()

    def of(self, *kinds: type[E]) -> list[E]:
        """Those of these classes, the oldest first."""
        return [event for event in self.events if isinstance(event, kinds)]

    async def wait(self, kind: type[E], count: int = 1) -> E:
        """That of a class that comes as the `count`th."""
        async with asyncio.timeout(10):
            while len(self.of(kind)) < count:
                self._changed.clear()
                await self._changed.wait()
        return self.of(kind)[count - 1]

    def _keep(self, event: OperationalEvent) -> None:
        self.events.append(event)
        self._changed.set()

    def names(self) -> list[str]:
        return [event.name for event in self.events]


Handler = Callable[[str, bytes, bool], None]
"""Takes topic and payload of a message, and whether it was retained."""


class FakePublisher:
    """A broker that takes every message, unless it is told to fail.

    `published` holds what the broker has, copies included; `acknowledged` what the caller knows it
    has.
    """

    def __init__(self) -> None:
        self.published: list[OutgoingMessage] = []
        self.acknowledged: list[OutgoingMessage] = []
        self.attempts = 0
        self.unacknowledged = 0
        self.states_told = 0
        self.subscribed: dict[str, tuple[Handler, bool]] = {}
        """Topic → what takes its messages, and whether without our own."""
        self.sent: list[tuple[str, bytes]] = []
        """Topic and payload of what nobody acknowledges (QoS 0)."""
        self._failures: deque[tuple[BrokerError, bool]] = deque()
        self._connections = 0
        """Those that were lost."""
        self._unheard: set[str] = set()
        self._connected = asyncio.Event()
        self._connected.set()
        self._taken = asyncio.Event()

    async def subscribe(self, topic: str, handler: Handler, *, no_local: bool = False) -> None:
        self.subscribed[topic] = (handler, no_local)

    def lose_connection_once(self, *, delivered: bool = False) -> None:
        """The next message fails; `delivered`: it arrived, and only its acknowledgement was
        lost.
        """
        self._failures.append(
            (BrokerError("the connection was lost before the acknowledgement"), delivered)
        )

    def refuse(self, reason_code: int = 0x87, *, times: int = 1) -> None:
        """The broker does not take the next messages: never, or not now."""
        kind = MessageRefused if reason_code in PERMANENT else MessageNotTaken
        failure = kind("the broker refused a message", reason_code=reason_code)
        self._failures.extend([(failure, False)] * times)

    def nobody_listens(self, audience: str = "offers-main") -> None:
        """To events for this audience, from now on."""
        self._unheard.add(audience)

    def somebody_listens(self) -> None:
        self._unheard.clear()

    def go_away(self) -> None:
        self._connected.clear()

    def come_back(self) -> None:
        self._connected.set()

    async def run(self) -> None:
        """Keep up the connection, until cancelled."""
        await asyncio.Event().wait()

    @property
    def room(self) -> int:
        """As many as a connection allows (presence.edges.mqtt.connection)."""
        return UNACKNOWLEDGED_MAX - self.unacknowledged if self._connected.is_set() else 0

    async def connected(self) -> None:
        await self._connected.wait()

    async def publish_state(self) -> None:
        self.states_told += 1

    def advance(self, now: Moment) -> None:
        """Nothing is told by the hour."""

    async def publish(self, message: OutgoingMessage) -> None:
        self.attempts += 1
        connection = self._connections
        self.unacknowledged += 1
        await asyncio.sleep(0)
        self.unacknowledged -= 1
        # All that is under way is lost with the connection.
        if not self._connected.is_set() or connection < self._connections:
            raise BrokerError("not connected")
        if self._failures:
            failure, delivered = self._failures.popleft()
            if delivered:
                self._take(message)
            self._connections += not isinstance(failure, MessageNotTaken)
            raise failure
        if message.event_type and message.topic.rpartition("/")[2] in self._unheard:
            raise MessageUnheard
        self._take(message)
        self.acknowledged.append(message)

    async def send(self, topic: str, payload: bytes) -> None:
        if not self._connected.is_set():
            raise BrokerError("not connected")
        self.sent.append((topic, payload))

    def _take(self, message: OutgoingMessage) -> None:
        check(message.topic, message.payload)
        self.published.append(message)
        self._taken.set()

    async def has(self, count: int) -> None:
        """Return when the broker has so many messages."""
        while len(self.published) < count:
            self._taken.clear()
            await self._taken.wait()

    def ids(self) -> list[str]:
        return [message.event_id for message in self.published]


class MemoryStore:
    """Implements ports.VisitStore; survives a restart of the engine as long as the test holds
    it.
    """

    def __init__(self, stored: Stored | None = None) -> None:
        self._visits: dict[bytes, Visit] = {}
        self._outbox: dict[str, Outgoing] = {}
        self._announcements: dict[str, Announcement] = {}
        self._taken_back: dict[str, TakenBack] = {}
        self._figures = ""
        self._full = False
        self.writes = 0
        if stored is not None:
            self.replace(stored)

    def fill_up(self) -> None:
        """From now on the disk is full."""
        self._full = True

    def make_room(self) -> None:
        self._full = False

    def load(self) -> Stored:
        return Stored(
            tuple(self._visits.values()),
            tuple(self._outbox.values()),
            tuple(self._announcements.values()),
            tuple(self._taken_back.values()),
            self._figures,
        )

    def commit(self, *steps: Step) -> None:
        self._write()
        for step in steps:
            self._take(step)

    def _take(self, step: Step) -> None:
        self._visits.update({visit.ref: visit for visit in step.saved})
        for ref, at in step.heard:
            if ref in self._visits:
                self._visits[ref] = replace(self._visits[ref], heard_at=at)
        for outgoing in step.queued:
            self._outbox.setdefault(outgoing.id, outgoing)
        self._announcements.update(
            {announcement.event_id: announcement for announcement in step.announced}
        )
        self._taken_back.update({each.event_id: each for each in step.taken_back})
        for ref in step.forgotten:
            self._visits.pop(ref, None)
        for event_id in step.cancelled:
            self._outbox.pop(event_id, None)
        for event_id in step.retracted:
            self._announcements.pop(event_id, None)
        for event_id in step.let_go:
            self._taken_back.pop(event_id, None)

    def remove(self, *event_ids: str) -> None:
        self._write()
        for event_id in event_ids:
            self._outbox.pop(event_id, None)

    def replace(self, stored: Stored) -> None:
        self._write()
        self._visits = {visit.ref: visit for visit in stored.visits}
        self._outbox = {outgoing.id: outgoing for outgoing in stored.pending}
        self._announcements = {
            announcement.event_id: announcement for announcement in stored.announcements
        }
        self._taken_back = {each.event_id: each for each in stored.taken_back}
        self._figures = stored.figures

    def keep_figures(self, figures: str) -> None:
        self._write()
        self._figures = figures

    def close(self) -> None:
        """Nothing to close."""

    def _write(self) -> None:
        if self._full:
            raise StorageError("memory: no space left: make room")
        self.writes += 1


class ScriptedSource:
    """A radio that hears these advertisements, and is then at its end."""

    def __init__(self, advertisements: Iterable[Advertisement]) -> None:
        self._advertisements = tuple(advertisements)

    async def run(self, on_advertisement: OnAdvertisement) -> None:
        for advertisement in self._advertisements:
            on_advertisement(advertisement)
            await asyncio.sleep(0)


class FakeConsentSource:
    """Lists as they are put, accepted as the plain list's are; None while there is no new one."""

    last_signed_s = 0.0
    progress: Progress | None = None

    def __init__(self, *lists: ConsentList) -> None:
        self._waiting: deque[ConsentList | VerifiedList | ConsentListError] = deque(lists)
        self._accepted = MemoryAcceptedLists()

    def put(self, consents: ConsentList | VerifiedList) -> None:
        self._waiting.append(consents)

    def break_once(self, message: str = "the list cannot be proven") -> None:
        self._waiting.append(ConsentListError(message))

    def settle(self) -> None:
        """Nothing is kept."""

    def give_up(self) -> None:
        """It never hangs."""

    def forget_keys(self) -> None:
        """Nothing is kept."""

    def read(self) -> VerifiedList | None:
        if not self._waiting:
            return None
        answer = self._waiting.popleft()
        if isinstance(answer, ConsentListError):
            raise answer
        if isinstance(answer, VerifiedList):  # as the signed list gives it
            return answer
        accepted = self._accepted.accept(answer)
        return VerifiedList(
            accepted.header, index_list(accepted), len(accepted.entries), accepted.refused
        )


class MemoryAcceptedLists:
    """Remembers how new the list was, as edges.store.ConsentStore does."""

    def __init__(self) -> None:
        self._seq: dict[str, int] = {}
        self._versions: dict[bytes, int] = {}

    def accept(self, consents: ConsentList) -> ConsentList:
        name, seq = consents.header.name, consents.header.seq
        if seq < self._seq.get(name, 0):
            raise ConsentListError(f"list {name}: number {seq} is older than {self._seq[name]}")
        entries = {
            ref: entry
            for ref, entry in consents.entries.items()
            if entry.consent.version >= self._versions.get(ref, 0)
        }
        versions = {ref: entry.consent.version for ref, entry in entries.items()}
        self._versions = {
            ref: versions.get(ref, self._versions.get(ref, 0)) for ref in consents.entries
        }
        self._seq[name] = seq
        older = len(consents.entries) - len(entries)
        refused = {**consents.refused, "older version": older} if older else consents.refused
        return replace(consents, entries=entries, refused=refused)


@dataclass
class FakeNotifier:
    """systemd, as far as the daemon speaks to it."""

    watchdog_s: float = 0.0
    said: list[str] = field(default_factory=list)
    fed: int = 0

    def ready(self, status: str) -> None:
        self.said.append(f"READY {status}")

    def status(self, status: str) -> None:
        self.said.append(status)

    def alive(self) -> None:
        self.fed += 1
