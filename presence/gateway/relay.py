"""Empties the outbox to the broker: in order, at least once, the gate asked again before each send.

    pending ──release──► message ──publish──► acknowledged: out of the outbox
                │                     ├─────► refused for good: out of the outbox, counted
                │                     ├─────► not taken now: stays, sent again after its back-off
                │                     ├─────► heard by nobody: stays, sent again with its audience
                │                     └─────► connection lost: stays, sent again once connected
                ├──► expired or denied: out of the outbox, counted
                ├──► a peer's turn (`Turns`): stays, and is left to it or asked for again
                └──► list stale: stays until it expires

1. One message is under way at a time, and never more than one is unacknowledged. Events of one
   subject keep their order; an event that waits (for its turn, the list or the broker) lets those
   of others pass.
2. An event that is not taken, or whose connection was lost twice, is sent again with full jitter
   and until it expires: at a code like 0x83 one engine of several may have had it, and each attempt
   is a copy for that one.
3. Nobody is subscribed to an audience's events (0x10): those that were sent wait for one back-off,
   which is the audience's, and the oldest asks for all. A new event asks at once. The first that is
   heard brings the others with it.
4. Single events are not logged, nor are single refusals or silences: a journal with a line for each
   visit would be a record of visits. They are logged on the border of an hour, rounded, without
   the audience (R-23).
"""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, Protocol

from presence.core.consent.gate import Denied, Reason
from presence.core.event.cloudevent import EventType
from presence.core.event.outbox import Outbox, Outgoing
from presence.core.operations.hourly import HourlyNews
from presence.core.timestamps import Moment
from presence.errors import BrokerError, MessageNotTaken, MessageRefused, MessageUnheard
from presence.ports import Clock, OutgoingMessage, Publisher
from presence.pulse import resting
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
    async def queued(self) -> None: ...
    def release(self, outgoing: Outgoing, now: Moment) -> OutgoingMessage | Denied | None: ...
    def acknowledge(self, outgoing: Outgoing, *, published: bool) -> None: ...
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


class _Sent(Enum):
    GONE = auto()
    """Out of the outbox."""
    WAITS = auto()
    """Others may go."""
    LOST = auto()
    """The connection failed: nothing may overtake it."""


@dataclass(slots=True)
class _Again:
    """An event that was handed over in vain, or an audience that nobody listens to."""

    attempts: int = 0
    due_s: float = 0.0
    """Monotonic seconds."""


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
        self._publisher = publisher
        self._clock = clock
        self._emit = emit
        self._turns = turns
        self._chance = chance
        self._retry_s = self._wait_s = retry_s
        self._again: dict[str, _Again] = {}
        """By event id; of what nobody heard it is its audience's."""
        self._deaf: dict[str, _Again] = {}
        """By audience that nobody listens to."""
        self._refused: HourlyNews[tuple[int, str, EventType]] = HourlyNews()
        self._unheard: HourlyNews[tuple[str, EventType]] = HourlyNews()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            with resting():
                await self._source.queued()
            if not await self.empty():
                with resting():
                    await asyncio.sleep(self._wait_s)

    async def empty(self) -> bool:
        """Send what can be sent now; whether nothing is left, else the oldest event has to wait."""
        self._wait_s = self._retry_s
        while pending := tuple(self._pending):
            self._forget_gone(pending)
            waiting: set[tuple[str, bytes]] = set()
            for outgoing in pending:
                subject = (outgoing.audience, outgoing.ref)
                # A withdrawal waits for nothing: what it takes back has gone out, or never will.
                if subject in waiting and outgoing.type is not EventType.WITHDRAWN:
                    continue
                with resting():
                    await self._publisher.connected()
                sent = await self._send(outgoing)
                if sent is _Sent.LOST:
                    return False
                if sent is _Sent.WAITS:
                    waiting.add(subject)
            if pending[0].id in self._pending.records:
                return False
        self._again.clear()
        self._deaf.clear()
        return True

    def advance(self, now: Moment) -> None:
        """Report refusals and silences when their hour is over (rule 4)."""
        counts: dict[int, int] = {}
        for (code, _audience, _type), count in self._refused.due(now).items():
            # Not their sum: one visit is an event for each audience, and one person.
            counts[code] = max(count, counts.get(code, 0))
        for code, count in counts.items():
            self._emit(EventRefused(code=code, count=count, next_step=REFUSED_STEP))
        unheard = max(self._unheard.due(now).values(), default=0)
        if unheard:
            self._emit(EventsUnheard(count=unheard, next_step=UNHEARD_STEP))

    async def _send(self, outgoing: Outgoing) -> _Sent:
        now = self._clock.now()
        again = self._again.get(outgoing.id)
        # Not beyond its expiry: from then on it is none of ours to keep.
        if again is not None and now.monotonic_s < min(again.due_s, outgoing.expires_s):
            return self._waits(again.due_s - now.monotonic_s)
        wait_s = 0.0 if self._turns is None else await self._turns.wait_s(outgoing)
        if wait_s:
            return self._waits(wait_s)
        message = self._source.release(outgoing, self._clock.now())
        if message is None:
            return _Sent.GONE
        # A stale list passes; every other refusal of the gate has taken the event out already.
        if isinstance(message, Denied):
            return _Sent.WAITS if message.reason is Reason.LIST_STALE else _Sent.GONE
        return await self._hand_over(outgoing, message)

    async def _hand_over(self, outgoing: Outgoing, message: OutgoingMessage) -> _Sent:
        try:
            await self._publisher.publish(message)
        except MessageRefused as refusal:
            self._note_refused(outgoing, refusal)
            self._source.acknowledge(outgoing, published=False)
            return _Sent.GONE
        except MessageNotTaken as refusal:
            # Once for each event, not for each attempt: people are counted.
            if outgoing.id not in self._again:
                self._note_refused(outgoing, refusal)
            return self._waits(self._begin_anew(outgoing))
        except MessageUnheard:
            again = outgoing.id in self._again
            if not again:  # likewise
                self._unheard.note((outgoing.audience, outgoing.type))
            self._source.unheard(outgoing, again=again)
            return self._waits(self._wait_for_listener(outgoing))
        except BrokerError:
            self._begin_anew(outgoing, lost=True)
            return _Sent.LOST
        self._source.acknowledge(outgoing, published=True)
        deaf = self._deaf.pop(outgoing.audience, None)
        if deaf is not None:
            deaf.due_s = 0.0
        if self._turns is not None:
            self._turns.sent(outgoing)
        return _Sent.GONE

    def _waits(self, seconds: float) -> _Sent:
        self._wait_s = min(self._wait_s, seconds, HELD_S)
        return _Sent.WAITS

    def _begin_anew(self, outgoing: Outgoing, *, lost: bool = False) -> float:
        """Seconds until the next attempt. A first loss of the connection has the back-off of the
        connection only.
        """
        if self._turns is not None:
            self._turns.failed(outgoing)
        now_s = self._clock.now().monotonic_s
        again = self._again.get(outgoing.id)
        if again is None or again is self._deaf.get(outgoing.audience):
            again = self._again[outgoing.id] = _Again()
        pause_s = self._pause_s(again, AGAIN_FIRST_S, AGAIN_MAX_S)
        # Lost twice with this message under way: the broker may hang up because of it (rule 2).
        if not lost or again.attempts > 1:
            again.due_s = now_s + pause_s
        return max(0.0, again.due_s - now_s)

    def _wait_for_listener(self, outgoing: Outgoing) -> float:
        """Seconds until the next attempt for this audience (rule 3)."""
        if self._turns is not None:
            self._turns.failed(outgoing)
        now_s = self._clock.now().monotonic_s
        again = self._again[outgoing.id] = self._deaf.setdefault(outgoing.audience, _Again())
        if now_s >= again.due_s:  # a new event that asks beside those that wait puts nothing off
            again.due_s = now_s + self._pause_s(again, UNHEARD_FIRST_S, UNHEARD_MAX_S)
        return again.due_s - now_s

    def _pause_s(self, again: _Again, first_s: float, most_s: float) -> float:
        """With full jitter, and growing from attempt to attempt."""
        ceiling_s = min(most_s, first_s * 2.0**again.attempts)
        again.attempts += 1
        return self._chance() * ceiling_s

    def _note_refused(self, outgoing: Outgoing, refusal: MessageNotTaken) -> None:
        self._refused.note((refusal.reason_code, outgoing.audience, outgoing.type))
        self._source.refused(outgoing, refusal.reason_code)

    def _forget_gone(self, pending: tuple[Outgoing, ...]) -> None:
        if self._again:
            ids = {outgoing.id for outgoing in pending}
            self._again = {key: again for key, again in self._again.items() if key in ids}
