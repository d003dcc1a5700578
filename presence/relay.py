"""Empties the outbox to the broker: in order, at least once, the gate asked again before each send.

    pending ──release──► message ──publish──► acknowledged: out of the outbox
                │                     ├─────► refused for good: out of the outbox, told
                │                     └─────► connection lost: stays, sent again (same id) once connected
                ├──► expired or denied: out of the outbox, counted
                ├──► a peer's turn (`Turns`): stays, and is left to it or asked for again
                └──► list stale: stays until it expires

One message is under way at a time: order is kept, and never more than one is unacknowledged. Single events are not
logged, refusals apart: a journal with a line for each visit would be a record of visits.
"""

import asyncio
from typing import Protocol

from presence.core.consent import Denied
from presence.core.outgoing import Outgoing
from presence.core.timestamps import Moment
from presence.errors import BrokerError, MessageRefused
from presence.ports import Clock, OutgoingMessage, Publisher, Tell

RETRY_S = 1.0
"""After a lost connection or while the list is stale; events that arrive meanwhile wait no longer than this."""
HELD_S = 0.05
"""While an event waits for its turn, others that arrive wait no longer than this."""


class Outbox(Protocol):
    def pending(self) -> tuple[Outgoing, ...]: ...
    async def queued(self) -> None: ...
    def release(self, outgoing: Outgoing, now: Moment) -> OutgoingMessage | Denied | None: ...
    def acknowledge(self, outgoing: Outgoing, *, published: bool) -> None: ...


class Turns(Protocol):
    """Which of several gateways tells an event (presence.peering)."""

    async def wait_s(self, outgoing: Outgoing) -> float:
        """0 where it is ours to send now, otherwise when to ask again. Raises BrokerError."""

    def told(self, outgoing: Outgoing) -> None:
        """The broker has it."""

    def failed(self, outgoing: Outgoing) -> None:
        """The connection failed first: it begins anew."""


class Relay:
    """Carries events from an outbox to a publisher."""

    def __init__(
        self, outbox: Outbox, publisher: Publisher, clock: Clock, *, tell: Tell, turns: Turns | None = None
    ) -> None:
        self._outbox = outbox
        self._publisher = publisher
        self._clock = clock
        self._tell = tell
        self._turns = turns
        self._again_s = RETRY_S

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._outbox.queued()
            if not await self.empty():
                await asyncio.sleep(self._again_s)

    async def empty(self) -> bool:
        """Send what can be sent now; True where nothing is left, False where the oldest event has to wait."""
        self._again_s = RETRY_S
        while pending := self._outbox.pending():
            for outgoing in pending:
                await self._publisher.connected()
                if not await self._send(outgoing):
                    return False
            if self._outbox.pending()[:1] == pending[:1]:
                return False
        return True

    async def _send(self, outgoing: Outgoing) -> bool:
        """False where the connection failed, so that later events must not overtake this one."""
        try:
            if not await self._is_ours(outgoing):
                return True
            message = self._outbox.release(outgoing, self._clock.now())
            if message is None or isinstance(message, Denied):
                return True
            await self._publisher.publish(message)
        except MessageRefused as refusal:
            self._outbox.acknowledge(outgoing, published=False)
            self._tell("event.refused", {"code": refusal.reason_code, "reason": str(refusal)})
        except BrokerError:
            if self._turns is not None:
                self._turns.failed(outgoing)
            return False
        else:
            self._outbox.acknowledge(outgoing, published=True)
            if self._turns is not None:
                self._turns.told(outgoing)
        return True

    async def _is_ours(self, outgoing: Outgoing) -> bool:
        wait_s = 0.0 if self._turns is None else await self._turns.wait_s(outgoing)
        if wait_s:
            self._again_s = min(self._again_s, wait_s, HELD_S)
        return not wait_s
