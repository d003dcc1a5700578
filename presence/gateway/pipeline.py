"""The engine with its store, and the intake before it: one for all sources and all ways to publish.

One task owns it. A step is stored before anything of it is sent; where storing fails, the engine's
own state stays right, and the whole of it is stored at the next chance (a full disk loses the
protection against a crash, no event).
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping, Sequence

from presence.core.consent.gate import Denied, ListStanding
from presence.core.consent.list_json import ConsentList
from presence.core.consent.revocation import Revocation
from presence.core.consent.revocations import Applied, Revocations
from presence.core.engine import NOTHING, Engine, IndexedList, figures_of
from presence.core.event.cloudevent import Event, EventType, encode, topic
from presence.core.event.outbox import Outgoing, Step
from presence.core.recognition.advertisement import Advertisement
from presence.core.rules import Rules
from presence.core.timestamps import Moment
from presence.core.visit.entry_figures import EntryFigures
from presence.core.visit.visits import SHARES
from presence.errors import StorageError
from presence.ports import DoorbellResponse, OutgoingMessage, Stored, VisitStore
from presence.telemetry import Emit, StorageBegunAnew, StorageFailed, StorageRecovered

SAVE_HEARD_S = 10
"""How often each visit's time of last hearing is stored: after a crash it ends at most this much
too early.
"""


class Intake:
    """A bounded queue between the sources and the engine: the oldest go first, counted.

    An advertisement that comes alone costs a turn of the engine's task, many times what the engine
    makes of it. So there is one future a turn, and one timer for all turns within its time.
    """

    def __init__(self, length: int = 4096) -> None:
        self._waiting: deque[Advertisement | DoorbellResponse] = deque(maxlen=length)
        self._length = length
        self._turn: asyncio.Future[None] | None = None
        """While somebody waits for the next arrival."""
        self._timer: asyncio.TimerHandle | None = None
        self.dropped = 0

    def hear(self, heard: Advertisement | DoorbellResponse) -> None:
        waiting = self._waiting
        if not waiting:
            self._wake()
        elif len(waiting) == self._length:
            self.dropped += 1
        waiting.append(heard)

    def hear_all(self, heard: Sequence[Advertisement]) -> None:
        """A batch, as a source has read it at once."""
        if not heard:
            return
        if not self._waiting:
            self._wake()
        self.dropped += max(0, len(self._waiting) + len(heard) - self._length)
        self._waiting.extend(heard)

    async def arrived(self, timeout_s: float) -> None:
        """Return when something waits, but after other tasks had their turn; or after `timeout_s`
        at the latest, counted from the last time that this time was over.
        """
        if self._waiting:
            await asyncio.sleep(0)
            return
        loop = asyncio.get_running_loop()
        if self._timer is None:
            self._timer = loop.call_later(timeout_s, self._time_is_over)
        self._turn = loop.create_future()
        await self._turn

    def _time_is_over(self) -> None:
        self._timer = None
        self._wake()

    def _wake(self) -> None:
        turn, self._turn = self._turn, None
        if turn is not None and not turn.done():
            turn.set_result(None)

    def __len__(self) -> int:
        return len(self._waiting)

    def take(self, most: int) -> list[Advertisement | DoorbellResponse]:
        """Up to `most` of those that wait, oldest first."""
        waiting = self._waiting
        if len(waiting) > most:
            return [waiting.popleft() for _ in range(most)]
        taken = list(waiting)
        waiting.clear()
        return taken


class Pipeline:
    """The engine with its store: every change of the one is stored in the other."""

    def __init__(
        self,
        rules: Rules,
        store: VisitStore,
        *,
        emit: Emit,
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
            figures=_figures_of(rules, stored.figures, emit),
        )
        self.outbox = self.engine.outbox
        self.rules = rules
        self._store = store
        self._emit = emit
        self._unsaved = False
        self._turn = -SHARES
        self.queued = asyncio.Event()
        """Set when an event is put into the outbox, or was in it; the relay clears it."""
        if stored.pending:
            self.queued.set()
        self.published = 0

    @property
    def counts(self) -> Mapping[str, object]:
        return {**self.engine.counts.as_dict(), "published": self.published}

    def receive(self, heard: Advertisement | DoorbellResponse) -> None:
        self.receive_all((heard,))

    def receive_all(self, batch: Iterable[Advertisement | DoorbellResponse]) -> None:
        """In the order in which it was heard."""
        receive = self.engine.receive
        steps: list[Step] = []
        try:
            for heard in batch:
                step = (
                    receive(heard)
                    if isinstance(heard, Advertisement)
                    else self.engine.answered(heard)
                )
                if step is not NOTHING:
                    steps.append(step)
        finally:  # a fault takes nothing from those before it
            if steps:
                self._commit(*steps)

    def advance(self, now: Moment) -> None:
        step = self.engine.advance(now)
        if step:
            self._commit(step)
        turn = int(now.monotonic_s / SAVE_HEARD_S * SHARES)
        # After a stall not every turn that was missed: SHARES of them are everybody.
        turns = range(max(self._turn, turn - SHARES) + 1, turn + 1)
        self._turn = turn
        heard = self.engine.visits.heard_anew(turns)
        if heard:
            self._commit(Step(heard=tuple(heard)))
        figures = self.engine.figures.to_keep()
        if figures is not None:
            self._keep_figures(figures)
        if self._unsaved:
            self._save_all()

    def apply(
        self, consents: ConsentList | IndexedList, standing: ListStanding, now: Moment
    ) -> None:
        self.engine.admissions.trust(standing)
        step = self.engine.apply(consents, now)
        if step:
            self._commit(step)

    def revoke(self, revocation: Revocation, now: Moment) -> Applied:
        """Apply a revocation; returns what it takes that was not taken before, to be stored."""
        applied, step = self.engine.revoke(revocation, now)
        if step:
            self._commit(step)
        return applied

    def doubt(self, ref: bytes, now: Moment) -> None:
        """Another gateway of the store heard signs of a replay."""
        step = self.engine.doubt(ref, now)
        if step:
            self._commit(step)

    def release(
        self, outgoings: Sequence[Outgoing], now: Moment
    ) -> list[OutgoingMessage | Denied | None]:
        """Each message as the gate allows it now, stored as announced; see
        `presence.core.event.dispatch`.
        """
        answers: list[OutgoingMessage | Denied | None] = []
        steps: list[Step] = []
        gone: list[str] = []
        for outgoing in outgoings:
            released = self.engine.dispatcher.release(outgoing, now)
            if released is None or isinstance(released, Denied):
                # Still pending where the list is stale: then it waits, in the store as well.
                if outgoing.id not in self.outbox.pending.records:
                    gone.append(outgoing.id)
                answers.append(released)
                continue
            event, step = released
            if step:
                steps.append(step)
            answers.append(self._message(event, outgoing, now))
        if gone:
            steps.append(Step(cancelled=tuple(gone)))
        if steps:
            self._commit(*steps)
        return answers

    def _message(self, event: Event, outgoing: Outgoing, now: Moment) -> OutgoingMessage:
        site, size = self.rules.site, self.rules.pad_to_bytes
        return OutgoingMessage(
            topic(site, event.audience),
            encode(event, site, pad_to_bytes=size),
            int(min(self.rules.expiry_s, max(1, outgoing.expires_s - now.monotonic_s))),
            event.type.value,
            event.id,
            copies=not size,
        )

    def acknowledge(self, *outgoings: Outgoing, published: bool) -> None:
        """The broker has these events, or will never take them."""
        for outgoing in outgoings:
            if published:
                self.published += 1
                # Entries alone: one visit over the border of an hour would be two people.
                entered = outgoing.type is EventType.ENTERED
                heard = [f"heard.{outgoing.audience}"] if entered else []
                self.engine.counts.persons.note("published", outgoing.ref, *heard)
            self.outbox.pending.pop(outgoing.id)
        try:
            self._store.remove(*[outgoing.id for outgoing in outgoings])
        except StorageError as error:
            self._could_not_save(error)

    def refused(self, outgoing: Outgoing, code: int) -> None:
        """The broker refused the event with this reason code, for good or for now."""
        self.engine.counts.persons.note("refused", outgoing.ref, f"refused.{code}")

    def unheard(self, outgoing: Outgoing, *, again: bool) -> None:
        """Nobody was subscribed to it as it was sent: for the first time, or again."""
        if not again:
            entered = outgoing.type is EventType.ENTERED
            unheard = [f"unheard.{outgoing.audience}"] if entered else []
            self.engine.counts.persons.note("unheard", outgoing.ref, *unheard)
        self.engine.dispatcher.unheard(outgoing)

    def adopt(self, outgoing: Outgoing, event_id: str, now: Moment) -> None:
        """Another gateway sent it, under this id."""
        step = self.engine.dispatcher.adopt(outgoing, event_id, now)
        if step:
            self._commit(step)

    def _commit(self, *steps: Step) -> None:
        try:
            self._store.commit(*steps)
        except StorageError as error:
            self._could_not_save(error)
        # Stored or not: a full disk loses the protection against a crash, no event.
        for step in steps:
            if step.queued:
                self.queued.set()

    def _keep_figures(self, figures: str) -> None:
        try:
            self._store.keep_figures(figures)
        except StorageError as error:
            self._could_not_save(error)

    def _save_all(self) -> None:
        pending, announced = self.outbox.pending, self.outbox.announced
        visits = tuple(self.engine.visits)
        try:
            self._store.replace(
                Stored(
                    visits,
                    tuple(pending),
                    tuple(announced),
                    announced.taken_back,
                    self.engine.figures.kept(),
                )
            )
        except StorageError as error:
            self._could_not_save(error)
            return
        if self._unsaved:
            self._unsaved = False
            self._emit(StorageRecovered(what="visits"))

    def _could_not_save(self, error: StorageError) -> None:
        if not self._unsaved:
            self._emit(StorageFailed(what="visits", reason=str(error)))
        self._unsaved = True


def _figures_of(rules: Rules, kept: str, emit: Emit) -> EntryFigures:
    """Damaged ones are begun anew: a day is unknown then."""
    try:
        return figures_of(rules, kept)
    except ValueError as error:
        emit(StorageBegunAnew(reason=f"the day's figures could not be read ({error})"))
        return figures_of(rules)
