"""The engine with its store, and the intake before it: every source and every way to publish uses
the same one.

One task owns it. A step is stored before anything of it is sent; where storing fails, the engine's
own state stays right, and the whole of it is stored at the next chance (a full disk loses the
protection against a crash, no event).
"""

import asyncio
from collections import deque
from collections.abc import Mapping

from presence.core.consent.gate import Denied, ListStanding, Reason
from presence.core.consent.list_json import ConsentList
from presence.core.consent.revocation import Revocation
from presence.core.consent.revocations import Applied, HeldRevocation, Revocations
from presence.core.counts import Persons
from presence.core.engine import NOTHING, Engine, IndexedList
from presence.core.event.cloudevent import Event, encode, topic
from presence.core.event.outgoing import Announcement, Outgoing, Step
from presence.core.recognition.advertisement import Advertisement
from presence.core.rules import Rules
from presence.core.timestamps import Moment
from presence.core.visit.visits import SHARES, Visit
from presence.errors import StorageError
from presence.ports import DoorbellResponse, OutgoingMessage, Stored, Tell, VisitStore

SAVE_HEARD_S = 10
"""How often each visit's time of last hearing is stored: after a crash it ends at most this much
too early.
"""


class Intake:
    """A bounded queue of what was heard, between the sources and the engine: the oldest go first,
    counted.
    """

    def __init__(self, length: int) -> None:
        self._waiting: deque[Advertisement | DoorbellResponse] = deque(maxlen=length)
        self._arrived = asyncio.Event()
        self.dropped = 0

    def hear(self, heard: Advertisement | DoorbellResponse) -> None:
        waiting = self._waiting
        if len(waiting) == waiting.maxlen:
            self.dropped += 1
        waiting.append(heard)
        if len(waiting) == 1:
            self._arrived.set()

    async def arrived(self, timeout_s: float) -> None:
        """Return when something waits, or after `timeout_s`."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._arrived.wait()
        except TimeoutError:
            pass

    def __len__(self) -> int:
        return len(self._waiting)

    def take(self, most: int) -> list[Advertisement | DoorbellResponse]:
        """Up to `most` of those that wait, oldest first."""
        waiting = self._waiting
        if len(waiting) > most:
            return [waiting.popleft() for _ in range(most)]
        taken = list(waiting)
        waiting.clear()
        self._arrived.clear()
        return taken


class Pipeline:
    """What the relay asks for pending events, and the sources and the consent list feed."""

    def __init__(
        self,
        rules: Rules,
        store: VisitStore,
        *,
        tell: Tell,
        revocations: Revocations | None = None,
    ) -> None:
        stored = store.load()
        self.engine = Engine(
            rules,
            visits=stored.visits,
            pending=stored.pending,
            announcements=stored.announcements,
            taken_back=stored.taken_back,
            revocations=revocations,
        )
        self._rules = rules
        self._store = store
        self._tell = tell
        self._unsaved = False
        self._turn = -SHARES
        self._queued = asyncio.Event()
        if stored.pending:
            self._queued.set()
        self.published = 0

    @property
    def counts(self) -> Mapping[str, object]:
        return {**self.engine.counts.as_dict(), "published": self.published}

    @property
    def persons(self) -> Persons:
        """Of this hour, for the operator."""
        return self.engine.counts.persons

    def receive(self, heard: Advertisement | DoorbellResponse) -> None:
        step = (
            self.engine.receive(heard)
            if isinstance(heard, Advertisement)
            else self.engine.answered(heard)
        )
        if step is not NOTHING:
            self._commit(step)

    def advance(self, now: Moment) -> None:
        step = self.engine.advance(now)
        if step:
            self._commit(step)
        turn = int(now.monotonic_s / SAVE_HEARD_S * SHARES)
        heard = self.engine.heard_anew(range(max(self._turn, turn - SHARES) + 1, turn + 1))
        self._turn = turn
        if heard:
            self._commit(heard)
        if self._unsaved:
            self._save_all()

    def apply(
        self, consents: ConsentList | IndexedList, standing: ListStanding, now: Moment
    ) -> None:
        self.engine.trust(standing)
        step = self.engine.apply(consents, now)
        if step:
            self._commit(step)

    @property
    def revocations(self) -> Revocations:
        return self.engine.revocations

    def revoke(self, revocation: Revocation, now: Moment) -> Applied:
        """A revocation; what is taken by it and was not before, to be stored."""
        applied, step = self.engine.revoke(revocation, now)
        if step:
            self._commit(step)
        return applied

    def settle(self) -> tuple[HeldRevocation, ...]:
        """Let go of what the list in force says by itself; what was let go, to be removed from the
        store.
        """
        return self.engine.settle()

    def pending(self) -> tuple[Outgoing, ...]:
        """The outbox, oldest first."""
        pending = self.engine.pending()
        if not pending:
            self._queued.clear()
        return pending

    async def queued(self) -> None:
        """Return when the outbox is not empty."""
        await self._queued.wait()

    def release(self, outgoing: Outgoing, now: Moment) -> OutgoingMessage | Denied | None:
        """The message as the gate allows it now, stored as announced; see
        `presence.core.event.dispatch`.
        """
        released = self.engine.release(outgoing, now)
        if released is None or (
            isinstance(released, Denied) and released.reason is not Reason.LIST_STALE
        ):
            self._remove(outgoing)
            return released
        if isinstance(released, Denied):
            return released
        event, step = released
        if step:
            self._commit(step)
        return self._message(
            event,
            expiry_s=int(min(self._rules.expiry_s, max(1, outgoing.expires_s - now.monotonic_s))),
        )

    def acknowledge(self, outgoing: Outgoing, *, published: bool) -> None:
        """The broker has the event, or will never take it."""
        self.published += published
        if published:
            self.persons.note("published", outgoing.ref)
        self.engine.acknowledge(outgoing)
        self._remove(outgoing)

    def refused(self, outgoing: Outgoing, code: int) -> None:
        """The broker refused the event with this reason code, for good or for now."""
        self.persons.note("refused", outgoing.ref)
        self.persons.note(f"refused.{code}", outgoing.ref)

    def adopt(self, outgoing: Outgoing, event_id: str, now: Moment) -> None:
        """Another gateway told it, under this id."""
        step = self.engine.adopt(outgoing, event_id, now)
        if step:
            self._commit(step)

    def held(self) -> list[tuple[Announcement, Visit]]:
        return self.engine.held()

    def _message(self, event: Event, *, expiry_s: int) -> OutgoingMessage:
        place = self._rules.place
        size = self._rules.pad_to_bytes
        payload = encode(event, place, pad_to_bytes=size)
        where = topic(place, event.audience)
        return OutgoingMessage(
            where, payload, expiry_s, event.type.value, event.id, copies=not size
        )

    def _remove(self, outgoing: Outgoing) -> None:
        try:
            self._store.remove(outgoing.id)
        except StorageError as error:
            self._could_not_save(error)

    def _commit(self, step: Step) -> None:
        try:
            self._store.commit(step)
        except StorageError as error:
            self._could_not_save(error)
        if step.queued:
            self._queued.set()

    def _save_all(self) -> None:
        engine = self.engine
        try:
            self._store.replace(
                Stored(
                    engine.visits(), engine.pending(), engine.announcements(), engine.taken_back()
                )
            )
        except StorageError as error:
            self._could_not_save(error)
            return
        if self._unsaved:
            self._unsaved = False
            self._tell("storage.recovered", {"what": "visits"})

    def _could_not_save(self, error: StorageError) -> None:
        if not self._unsaved:
            self._tell("storage.failed", {"what": "visits", "reason": str(error)})
        self._unsaved = True
