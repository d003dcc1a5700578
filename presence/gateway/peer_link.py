"""Speaks with the store's other gateways: claims an event, says that it was sent, doubts what may
be a replay, receives theirs.

The rules are those of `presence.core.event.election` and `shared_doubt`; here are the clock, the
chance and the broker. What a peer said is taken in as it arrives and counts when the relay asks for
an event next, a moment later.

Our own messages are best effort: nobody waits for their acknowledgement, and one that the broker
does not take costs no event (where one node of its cluster is gone it may take none of them). Then
copies go out, under one id.
"""

import asyncio
import math
import random
from collections import Counter
from collections.abc import Callable
from typing import Final, Protocol

from presence.core.event.cloudevent import EventType
from presence.core.event.election import Election, Send, Suppress, Wait
from presence.core.event.outbox import Outgoing
from presence.core.event.peer_message import (
    EXPIRY_S,
    IgnoreReason,
    PeerMessage,
    decode_peer_message,
    encode_peer_message,
    topic_of_peers,
)
from presence.core.event.shared_doubt import SharedDoubt
from presence.core.operations.hourly import HourlyNews
from presence.core.timestamps import Moment
from presence.errors import BrokerError, MessageNotTaken
from presence.gateway.pipeline import Pipeline
from presence.ports import Clock, OutgoingMessage, Publisher
from presence.pulse import beat, branch, resting
from presence.telemetry import Emit, PeersIgnored, PeersUnheard, is_due

MAX_UNSENT: Final = 256
"""Messages that wait for the broker; the oldest go first, for they are of use for seconds."""
MAX_HEARD: Final = 4096
"""Messages of peers by which a copy is known; after `peer_message.SKEW_S` none of them counts."""
SPEAKERS: Final = 4
"""So many messages are on their way at a time: one without an answer does not hold up the next."""
TIDY_S: Final = 60.0


class SubscribingPublisher(Publisher, Protocol):
    async def subscribe(
        self, topic: str, handler: Callable[[str, bytes, bool], None], *, no_local: bool = False
    ) -> None: ...


class PeerLink:
    """Implements relay.Turns over a broker."""

    def __init__(
        self,
        election: Election,
        pipeline: Pipeline,
        link: SubscribingPublisher,
        clock: Clock,
        *,
        emit: Emit,
        chance: Callable[[], float] = random.random,
        tidy_s: float = TIDY_S,
    ) -> None:
        self.adopted = 0
        """Events that a peer sent."""
        self.ignored: Counter[IgnoreReason] = Counter()
        self.unheard: Counter[int] = Counter()
        """Messages that the broker did not take, by reason code."""
        self._election = election
        self._pipeline = pipeline
        self._doubts = SharedDoubt(
            election.store_key, election.gateway, pipeline.engine.replay_guard
        )
        self._link = link
        self._clock = clock
        self._emit = emit
        self._chance = chance
        self._tidy_s = tidy_s
        self._heard: dict[PeerMessage, None] = {}
        """Messages of peers, the oldest first."""
        self._unsent: asyncio.Queue[PeerMessage] = asyncio.Queue(MAX_UNSENT)
        self._news: HourlyNews[int] = HourlyNews()

    async def run(self) -> None:
        """Until cancelled."""
        beat()
        await self._link.subscribe(topic_of_peers(self._election.site), self.receive, no_local=True)
        async with asyncio.TaskGroup() as tasks:
            for _ in range(SPEAKERS):
                tasks.create_task(self._speak())
            while True:
                with resting():
                    await asyncio.sleep(self._tidy_s)
                self._election.keep_only(self._pipeline.outbox.pending.records)

    def advance(self, now: Moment) -> None:
        """Share what is doubted; log by the hour that nobody hears us: a line a message would be
        one a visit (R-23).
        """
        doubted, to_say = self._doubts.due(now)
        for ref in doubted:
            self._pipeline.doubt(ref, now)
        for message in to_say:
            self._send_soon(message)
        for code, count in self._news.due(now).items():
            self._emit(PeersUnheard(reason_code=code, count=count, next_step=UNHEARD_STEP))

    async def wait_s(self, outgoing: Outgoing) -> float:
        """0 where the event is ours to send now, infinity where a peer sent it."""
        while True:
            now = self._clock.now()
            turn = self._election.decide(outgoing, now, self._chance())
            match turn:
                case Wait(seconds):
                    return seconds
                case Send():
                    return 0.0
                case Suppress(event_id):
                    self.adopted += 1
                    self._pipeline.adopt(outgoing, event_id, now)
                    self._election.forget(outgoing.id)
                    return math.inf
                case claim:
                    if outgoing.type is EventType.ENTERED and not outgoing.by_answer:
                        claim = self._doubts.explain(claim, outgoing.ref)
                    self._send_soon(claim)
                    await asyncio.sleep(0)  # the claim goes before the event, where it can

    def sent(self, outgoing: Outgoing) -> None:
        self._send_soon(self._election.sent(outgoing, self._clock.now()))

    def failed(self, outgoing: Outgoing) -> None:
        self._election.forget(outgoing.id)

    def receive(self, _topic: str, payload: bytes, _retained: bool) -> None:
        """Take in what came on the peers' topic. The broker is not believed, only our seal."""
        now = self._clock.now()
        message = decode_peer_message(
            payload, self._election.store_key, self._election.site, now.utc_s
        )
        if isinstance(message, IgnoreReason):
            self._ignore(message)
            return
        # A recorded message says nothing a second time; after SKEW_S its date refuses it anyway.
        if message in self._heard:
            self.ignored[IgnoreReason.COPY] += 1
            return
        if len(self._heard) >= MAX_HEARD:
            del self._heard[next(iter(self._heard))]
        self._heard[message] = None
        held = self._pipeline.engine.announced_visits()
        unsent = self._pipeline.outbox.pending.records
        answer = self._election.receive(message, held, now, unsent=unsent)
        doubted, doubt = self._doubts.receive(message, now)
        for ref in doubted:
            self._pipeline.doubt(ref, now)
        for each in (answer, doubt):
            if each is not None:
                self._send_soon(each)

    def _send_soon(self, message: PeerMessage) -> None:
        # The oldest goes: it is of use for seconds only, and the newest says what is so now.
        if self._unsent.full():
            self._unsent.get_nowait()
        self._unsent.put_nowait(message)

    async def _speak(self) -> None:
        with branch():
            await self._speak_on()

    async def _speak_on(self) -> None:
        site = self._election.site
        while True:
            with resting():
                unsent = await self._unsent.get()
            payload = encode_peer_message(unsent, self._election.store_key, site)
            try:
                await self._link.publish(
                    OutgoingMessage(topic_of_peers(site), payload, EXPIRY_S, "", "")
                )
            except MessageNotTaken as refusal:
                self.unheard[refusal.reason_code] += 1
                self._news.note(refusal.reason_code)
            # No answer, or the end of the connection, which the publisher reports: best effort.
            except BrokerError:
                continue

    def _ignore(self, why: IgnoreReason) -> None:
        self.ignored[why] += 1
        count = self.ignored[why]
        if is_due(count):
            self._emit(PeersIgnored(reason=why.value, count=count, next_step=NEXT_STEP[why]))


UNHEARD_STEP: Final = (
    "allow this gateway to write to …/peer/seen (the broker's access list); if it may, look for a "
    "node of the broker's "
    "cluster that is gone. Until then several gateways may tell one visit, under one id"
)
NEXT_STEP: Final = {
    IgnoreReason.MALFORMED: (
        "let only gateways of this store write to …/peer/seen (the broker's access list)"
    ),
    IgnoreReason.FORGED: (
        "give every gateway the same store.key_file, and let only them write to …/peer/seen"
    ),
    IgnoreReason.OLD: "synchronise the clocks of the gateways (timedatectl)",
}
