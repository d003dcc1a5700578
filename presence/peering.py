"""Speaks with the store's other gateways: claims an event before it is sent, says that it was told, hears theirs.

The rules are those of `presence.core.peers`; here are the clock, the chance and the broker. What a peer said is taken
in as it arrives and counts when the relay asks for an event next, a moment later.
"""

import asyncio
import contextlib
import math
import random
from collections import Counter, deque
from collections.abc import Callable
from typing import Final, Protocol

from presence.core.outgoing import Announcement, Outgoing
from presence.core.peers import Adopt, Ours, Peers, Wait
from presence.core.seen import EXPIRY_S, Ignored, Seen, decode_seen, encode_seen, topic_of_peers
from presence.core.timestamps import Moment
from presence.core.visits import Visit
from presence.errors import BrokerError, MessageRefused
from presence.ports import Clock, OutgoingMessage, Publisher, Tell

UNSAID_MAX: Final = 256
"""Words that wait for the broker; the oldest go first, for they are of use for seconds."""
TIDY_S: Final = 60.0


class Visitors(Protocol):
    """The pipeline, as far as peers concern it."""

    def pending(self) -> tuple[Outgoing, ...]: ...
    def adopt(self, outgoing: Outgoing, event_id: str, now: Moment) -> None: ...
    def held(self) -> list[tuple[Announcement, Visit]]: ...


class PeerLink(Publisher, Protocol):
    async def subscribe(
        self, topic: str, handler: Callable[[str, bytes, bool], None], *, no_local: bool = False
    ) -> None: ...


class Peering:
    """Implements relay.Turns over a broker."""

    def __init__(
        self,
        peers: Peers,
        visitors: Visitors,
        link: PeerLink,
        clock: Clock,
        *,
        tell: Tell,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.adopted = 0
        """Events that a peer told."""
        self.ignored: Counter[Ignored] = Counter()
        self._peers = peers
        self._visitors = visitors
        self._link = link
        self._clock = clock
        self._tell = tell
        self._chance = chance
        self._unsaid: deque[Seen] = deque(maxlen=UNSAID_MAX)
        self._something_to_say = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled."""
        await self._link.subscribe(topic_of_peers(self._peers.place), self.hear, no_local=True)
        while True:
            try:
                async with asyncio.timeout(TIDY_S):
                    await self._something_to_say.wait()
            except TimeoutError:
                self._peers.keep_only(outgoing.id for outgoing in self._visitors.pending())
            self._something_to_say.clear()
            while self._unsaid:
                try:
                    await self._say(self._unsaid.popleft())
                except BrokerError:
                    self._unsaid.clear()  # of use for a moment only; the end of a connection is told by the publisher

    async def wait_s(self, outgoing: Outgoing) -> float:
        """0 where the event is ours to send now, infinity where a peer told it; raises BrokerError."""
        while True:
            now = self._clock.now()
            turn = self._peers.turn(outgoing, now, self._chance())
            match turn:
                case Wait(seconds):
                    return seconds
                case Ours():
                    return 0.0
                case Adopt(event_id):
                    self.adopted += 1
                    self._visitors.adopt(outgoing, event_id, now)
                    self._peers.forget(outgoing.id)
                    return math.inf
                case claim:
                    await self._say(claim)

    def told(self, outgoing: Outgoing) -> None:
        self._say_soon(self._peers.told(outgoing, self._clock.now()))

    def failed(self, outgoing: Outgoing) -> None:
        self._peers.forget(outgoing.id)

    def hear(self, _topic: str, payload: bytes, _retained: bool) -> None:
        """What somebody wrote to the peers' topic. The broker is not believed: without our seal it is nothing."""
        now = self._clock.now()
        seen = decode_seen(payload, self._peers.store_key, self._peers.place, now.utc_s)
        if isinstance(seen, Ignored):
            self._ignore(seen)
            return
        answer = self._peers.hear(seen, self._visitors.held(), now)
        if answer is not None:
            self._say_soon(answer)

    def _say_soon(self, seen: Seen) -> None:
        self._unsaid.append(seen)
        self._something_to_say.set()

    async def _say(self, seen: Seen) -> None:
        payload = encode_seen(seen, self._peers.store_key, self._peers.place)
        with contextlib.suppress(MessageRefused):  # told by the publisher; our events go out as if we were alone
            await self._link.publish(OutgoingMessage(topic_of_peers(self._peers.place), payload, EXPIRY_S, "", ""))

    def _ignore(self, why: Ignored) -> None:
        self.ignored[why] += 1
        count = self.ignored[why]
        if count & (count - 1) == 0:  # 1, 2, 4, 8 …: a flood does not fill the journal
            self._tell("peers.ignored", {"reason": why.value, "count": count, "next_step": NEXT_STEP[why]})


NEXT_STEP: Final = {
    Ignored.MALFORMED: "let only gateways of this store write to …/peer/seen (the broker's access list)",
    Ignored.FORGED: "give every gateway the same store.key_file, and let only them write to …/peer/seen",
    Ignored.OLD: "synchronise the clocks of the gateways (timedatectl)",
}
