"""Empties the outbox to the broker: at least once, the gate asked again before each send, and for
each subject in order.

    pending ──release──► message ──publish──► acknowledged: out of the outbox
                │                     ├─────► refused for good: out of the outbox, counted
                │                     ├─────► not taken now: stays, sent again after its back-off
                │                     ├─────► heard by nobody: stays, sent again with its audience
                │                     └─────► connection lost: stays, sent again once connected
                ├──► expired or denied: out of the outbox, counted
                ├──► a peer's turn (`Turns`): stays, and is left to it or asked for again
                └──► list stale: stays until it expires

1. As many messages are under way as the broker has room for (`Publisher.room`), of each subject
   one: its next event, a withdrawal too, goes when that one is answered. An event that waits (for
   its turn, the list or the broker) lets those of others pass.
2. What was under way when the connection was lost goes first, in order, and each alone: where the
   broker hangs up because of one message, it is known which. Lost twice, it waits as in rule 3 and
   lets others pass.
3. An event that is not taken is sent again with full jitter and until it expires: at a code like
   0x83 one engine of several may have had it, and each attempt is a copy for that one.
4. Nobody is subscribed to an audience's events (0x10): those that were sent wait for one back-off,
   which is the audience's, and the oldest asks for all. A new event asks at once. The first that is
   heard brings the others with it. Those that wait rest meanwhile: who looks for what may go does
   not walk through them.
5. Single events are not logged, nor are single refusals or silences: a journal with a line for each
   visit would be a record of visits. They are logged on the border of an hour, rounded, without
   the audience (R-23).
"""

import asyncio
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from presence.core.consent.gate import Denied, Reason
from presence.core.event.cloudevent import EventType
from presence.core.event.outbox import Outbox, Outgoing
from presence.core.operations.hourly import HourlyNews
from presence.core.timestamps import Moment
from presence.errors import BrokerError, MessageNotTaken, MessageRefused, MessageUnheard
from presence.ports import Clock, OutgoingMessage, Publisher
from presence.pulse import beat, resting
from presence.telemetry import Emit, EventRefused, EventsUnheard

RETRY_S = 1.0
"""After a lost connection or while the list is stale; events that arrive meanwhile wait no longer
than this.
"""
HELD_S = 0.05
"""While an event waits for its turn or its next attempt, others wait no longer than this."""
AGAIN_FIRST_S: Final = 2.0
AGAIN_MAX_S: Final = 32.0
"""Ceilings of the back-off of one event; events live for two minutes."""
UNHEARD_FIRST_S: Final = 1.0
UNHEARD_MAX_S: Final = 8.0
"""Ceilings of the back-off of an audience to which nobody listens. An attempt is a copy for nobody,
and somebody who comes in waits for the next one; of 10,000 gateways on one broker, with an event
waiting on two thirds of them, 1,700 ask in a second.
"""
UNHEARD_STEP: Final = (
    "start the offer engine; it must be subscribed, and have a session (docs/offer-engine.md)"
)
REFUSED_STEP: Final = "ask `presence check`, question `access`, and read the broker's log"


class Source(Protocol):
    """Where events come from (presence.gateway.pipeline): what it answers is stored before."""

    @property
    def outbox(self) -> Outbox: ...
    @property
    def queued(self) -> asyncio.Event:
        """Set when an event is put into the outbox; the relay clears it."""

    def release(
        self, outgoings: Sequence[Outgoing], now: Moment
    ) -> list[OutgoingMessage | Denied | None]: ...
    def acknowledge(self, *outgoings: Outgoing, published: bool) -> None: ...
    def refused(self, outgoing: Outgoing, code: int) -> None: ...
    def unheard(self, outgoing: Outgoing, *, again: bool) -> None: ...


class Turns(Protocol):
    """Which of several gateways sends an event (presence.gateway.peer_link)."""

    async def wait_s(self, outgoing: Outgoing) -> float:
        """0 where it is ours to send now, otherwise when to ask again."""

    def sent(self, outgoing: Outgoing) -> None:
        """The broker has it."""

    def failed(self, outgoing: Outgoing) -> None:
        """The broker did not take it, or had nobody to give it to: it begins anew."""


Subject = tuple[str, bytes]
"""Audience and ref: to each audience a person is another."""


@dataclass(slots=True)
class _Again:
    """An event that was handed over in vain, or an audience that nobody listens to."""

    attempts: int = 0
    due_s: float = 0.0
    """Monotonic seconds."""
    was_lost: bool = False
    """The connection was lost with it under way."""
    asker: str = ""
    """Of an audience: the id of the event under way that asks for all."""


class Relay:
    """Carries events from an outbox to a publisher."""

    def __init__(
        self,
        source: Source,
        publisher: Publisher,
        clock: Clock,
        *,
        emit: Emit,
        turns: Turns | None = None,
        chance: Callable[[], float] = random.random,
        retry_s: float = RETRY_S,
    ) -> None:
        self._source = source
        self._pending = source.outbox.pending
        self._news = source.queued
        """Also set at an answer of the broker."""
        self._publisher = publisher
        self._clock = clock
        self._emit = emit
        self._turns = turns
        self._chance = chance
        self._retry_s = self._wait_s = retry_s
        self._under_way: dict[Subject, Outgoing] = {}
        self._answers: dict[asyncio.Future[None], Outgoing] = {}
        """Those that are not here yet, and those that nobody has looked at."""
        self._lost = False
        self._again: dict[str, _Again] = {}
        """By event id; of what nobody heard it is its audience's."""
        self._deaf: dict[str, _Again] = {}
        """By audience that nobody listens to."""
        self._refused: HourlyNews[tuple[int, str, EventType]] = HourlyNews()
        self._unheard: HourlyNews[tuple[str, EventType]] = HourlyNews()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            nothing_left = await self.empty()
            with resting():
                if nothing_left:
                    await self._news.wait()
                else:
                    await asyncio.sleep(self._wait_s)

    async def empty(self) -> bool:
        """Send what can be sent now, to its last answer; whether nothing is left to be sent."""
        self._lost = False
        try:
            while True:
                self._news.clear()
                self._take_answers()
                if not self._again.keys() <= self._pending.records.keys():
                    self._again = {
                        key: again
                        for key, again in self._again.items()
                        if key in self._pending.records
                    }
                self._wait_s = min(self._retry_s, self._rested_s())
                if not self._lost:
                    await self._send_what_may_go()
                if self._answers:
                    await self._something_new()
                elif self._lost or not self._news.is_set():
                    break
        finally:
            for answer in self._answers:
                answer.cancel()
            self._answers.clear()
            self._under_way.clear()
        if self._lost or self._pending.records:
            return False
        self._again.clear()
        self._deaf.clear()
        return True

    def advance(self, now: Moment) -> None:
        """Report refusals and silences when their hour is over (rule 5)."""
        counts: dict[int, int] = {}
        for (code, _audience, _type), count in self._refused.due(now).items():
            # Not their sum: one visit is an event for each audience, and one person.
            counts[code] = max(count, counts.get(code, 0))
        for code, count in counts.items():
            self._emit(EventRefused(code=code, count=count, next_step=REFUSED_STEP))
        unheard = max(self._unheard.due(now).values(), default=0)
        if unheard:
            self._emit(EventsUnheard(count=unheard, next_step=UNHEARD_STEP))

    async def _something_new(self) -> None:
        """An answer, an event, or the time of one that waits."""
        timer = asyncio.get_running_loop().call_later(self._wait_s, self._news.set)
        try:
            await self._news.wait()
        finally:
            timer.cancel()

    async def _send_what_may_go(self) -> None:
        waiting: set[Subject] = set()
        while self._pending.records:
            if not self._answers:
                with resting():
                    await self._publisher.connected()
            going = await self._next(waiting)
            if not going:
                return
            # Words to other gateways may have taken some of the room meanwhile.
            del going[self._publisher.room :]
            if not going and self._answers:
                return
            # From here to the hand-over nothing else has its turn: what the gate says is so.
            for outgoing, released in zip(
                going, self._source.release(going, self._clock.now()), strict=True
            ):
                if isinstance(released, OutgoingMessage):
                    self._hand_over(outgoing, released)
                # Every other refusal of the gate has taken the event out already.
                elif isinstance(released, Denied) and released.reason is Reason.LIST_STALE:
                    waiting.add(_subject_of(outgoing))

    async def _next(self, waiting: set[Subject]) -> list[Outgoing]:
        """The oldest that may go now, of each subject one, and as many as there is room for."""
        going: dict[Subject, Outgoing] = {}
        if self._again and any(map(self._goes_alone, self._under_way.values())):
            return []
        asking: set[str] = set()
        now_s = self._clock.now().monotonic_s
        for outgoing in tuple(self._pending.awake):
            if len(going) >= self._publisher.room:
                break
            subject = _subject_of(outgoing)
            if (
                subject in self._under_way
                or subject in going
                or self._waits_behind(outgoing, subject, waiting)
            ):
                continue
            again, pause_s, turn_s = self._again.get(outgoing.id), 0.0, 0.0
            if again is not None:
                pause_s = self._pause_left_s(outgoing, again, asked=outgoing.audience in asking)
            alone = again is not None and self._goes_alone(outgoing)
            if pause_s:
                self._pending.rest(outgoing, now_s + pause_s)
            elif alone and (self._answers or going):
                break  # nothing overtakes it
            elif self._turns is not None:
                turn_s = await self._turns.wait_s(outgoing)
            if pause_s or turn_s:
                self._wait_s = min(self._wait_s, pause_s or turn_s, HELD_S)
                waiting.add(subject)
                continue
            going[subject] = outgoing
            if again is not None and self._asks_for_all(outgoing):
                asking.add(outgoing.audience)
            if alone:
                break
        return list(going.values())

    def _rested_s(self) -> float:
        """Wake those whose time has come; how long to wait for the next."""
        left_s = self._pending.wake(self._clock.now().monotonic_s)
        return left_s if left_s == math.inf else min(left_s, HELD_S)

    def _waits_behind(self, outgoing: Outgoing, subject: Subject, waiting: set[Subject]) -> bool:
        """For another event of its subject. A withdrawal waits for none: what it takes back has
        gone out, or never will.
        """
        if outgoing.type is EventType.WITHDRAWN:
            return False
        if self._pending.rests_behind(outgoing):
            self._pending.rest(outgoing, math.inf)
            return True
        return subject in waiting

    def _goes_alone(self, outgoing: Outgoing) -> bool:
        again = self._again.get(outgoing.id)
        return again is not None and again.was_lost

    def _asks_for_all(self, outgoing: Outgoing) -> bool:
        """It was sent, and nobody listens to its audience."""
        again = self._again.get(outgoing.id)
        return again is not None and again is self._deaf.get(outgoing.audience)

    def _pause_left_s(self, outgoing: Outgoing, again: _Again, *, asked: bool) -> float:
        """Of its back-off, or of that of its audience; `asked`: another one is about to ask."""
        now_s = self._clock.now().monotonic_s
        # Not beyond its expiry: from then on it is none of ours to keep.
        if now_s >= outgoing.expires_s:
            return 0.0
        if (again.asker or asked) and self._asks_for_all(outgoing):
            return HELD_S
        return max(0.0, min(again.due_s, outgoing.expires_s) - now_s)

    def _hand_over(self, outgoing: Outgoing, message: OutgoingMessage) -> None:
        # In no task group: `_take_answers` looks at its end, and `empty` leaves none behind.
        answer = asyncio.ensure_future(self._publisher.publish(message))  # noqa: TID251
        self._under_way[_subject_of(outgoing)] = outgoing
        self._answers[answer] = outgoing
        if self._again and self._asks_for_all(outgoing):
            self._deaf[outgoing.audience].asker = outgoing.id
        answer.add_done_callback(lambda _answer: self._news.set())

    def _take_answers(self) -> None:
        taken: list[Outgoing] = []
        for answer in [each for each in self._answers if each.done()]:
            beat()
            outgoing = self._answers.pop(answer)
            del self._under_way[_subject_of(outgoing)]
            deaf = self._deaf.get(outgoing.audience)
            if deaf is not None and deaf.asker == outgoing.id:
                deaf.asker = ""
                self._pending.wake(math.inf)  # another one may ask
            fault = answer.exception()
            if fault is None:
                taken.append(outgoing)
            else:
                self._failed(outgoing, fault)
        if taken:
            self._source.acknowledge(*taken, published=True)
        for outgoing in taken:
            deaf = self._deaf.pop(outgoing.audience, None)
            if deaf is not None:
                deaf.due_s = 0.0
                self._pending.wake(math.inf)
            if self._turns is not None:
                self._turns.sent(outgoing)

    def _failed(self, outgoing: Outgoing, fault: BaseException) -> None:
        match fault:
            case MessageRefused():
                self._note_refused(outgoing, fault)
                self._source.acknowledge(outgoing, published=False)
            case MessageNotTaken():
                # Once for each event, not for each attempt: people are counted.
                if outgoing.id not in self._again:
                    self._note_refused(outgoing, fault)
                self._begin_anew(outgoing)
            case MessageUnheard():
                again = outgoing.id in self._again
                if not again:  # likewise
                    self._unheard.note((outgoing.audience, outgoing.type))
                self._source.unheard(outgoing, again=again)
                self._wait_for_listener(outgoing)
            case BrokerError():
                self._lost = True
                self._begin_anew(outgoing, lost=True)
            case _:
                raise fault

    def _begin_anew(self, outgoing: Outgoing, *, lost: bool = False) -> None:
        """A first loss of the connection has the back-off of the connection only."""
        if self._turns is not None:
            self._turns.failed(outgoing)
        again = self._again.get(outgoing.id)
        if again is None or again is self._deaf.get(outgoing.audience):
            again = self._again[outgoing.id] = _Again()
        pause_s = self._pause_s(again, AGAIN_FIRST_S, AGAIN_MAX_S)
        # Lost twice with this message under way: the broker may hang up because of it (rule 2).
        if not lost or again.attempts > 1:
            again.due_s = self._clock.now().monotonic_s + pause_s
        again.was_lost |= lost

    def _wait_for_listener(self, outgoing: Outgoing) -> None:
        """Until the next attempt for this audience (rule 4)."""
        if self._turns is not None:
            self._turns.failed(outgoing)
        now_s = self._clock.now().monotonic_s
        again = self._again[outgoing.id] = self._deaf.setdefault(outgoing.audience, _Again())
        if now_s >= again.due_s:  # a new event that asks beside those that wait puts nothing off
            again.due_s = now_s + self._pause_s(again, UNHEARD_FIRST_S, UNHEARD_MAX_S)

    def _pause_s(self, again: _Again, first_s: float, most_s: float) -> float:
        """With full jitter, and growing from attempt to attempt."""
        ceiling_s = min(most_s, first_s * 2.0**again.attempts)
        again.attempts += 1
        return self._chance() * ceiling_s

    def _note_refused(self, outgoing: Outgoing, refusal: MessageNotTaken) -> None:
        self._refused.note((refusal.reason_code, outgoing.audience, outgoing.type))
        self._source.refused(outgoing, refusal.reason_code)


def _subject_of(outgoing: Outgoing) -> Subject:
    return outgoing.audience, outgoing.ref
