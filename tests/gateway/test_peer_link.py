"""Speaking with peers over a broker: claims before events, what was told after them, and nobody
else believed.
"""

import asyncio
import contextlib
import json
import struct
from collections.abc import AsyncIterator, Callable

import pytest

from presence.config.settings import PeerSettings
from presence.core.event.election import Election
from presence.core.event.peer_message import (
    EXPIRY_S,
    IgnoreReason,
    PeerMessage,
    PeerMessageKind,
    decode_peer_message,
    encode_peer_message,
    opaque_name,
)
from presence.errors import BrokerError, MessageNotTaken
from presence.gateway.peer_link import TIDY_S, PeerLink
from presence.gateway.relay import Relay
from presence.ports import OutgoingMessage
from presence.telemetry import PeersIgnored
from tests.support.brokers import PUBACK, FakeBroker, packet
from tests.support.builders import (
    SITE,
    STORE_KEY,
    DoorRule,
    a_list,
    approach,
    consent,
    moment,
    rules,
    standing,
)
from tests.support.fakes import FakeClock, FakePublisher, MemoryStore, RecordingTelemetry
from tests.support.mqtt_parts import new_publisher, running
from tests.support.small import SmallPipeline

TOPIC = "presence/v1/acme/fi-0042/peer/seen"


class FakeLink(FakePublisher):
    """A broker that also brings back what others say."""

    def __init__(self) -> None:
        super().__init__()
        self.swallows = False
        """The next word is never acknowledged."""
        self.loses_event = False
        """The next event, and no word, loses its connection."""
        self.on_taken: Callable[[OutgoingMessage], None] = lambda _message: None
        self.refuses_events: int | None = None
        """With this reason code, and no word."""

    def refuse_events(self, code: int) -> None:
        self.refuses_events = code

    def somebody_listens(self) -> None:
        super().somebody_listens()
        self.refuses_events = None

    async def publish(self, message: OutgoingMessage) -> None:
        if message.event_type and self.loses_event:
            self.loses_event = False
            raise BrokerError("the connection was lost before the acknowledgement")
        if message.event_type and self.refuses_events is not None:
            raise MessageNotTaken("not now", reason_code=self.refuses_events)
        if not message.event_type and self.swallows:
            self.swallows = False
            await asyncio.Event().wait()
        await super().publish(message)
        self.on_taken(message)


class Door:
    """A gateway from the pipeline to the broker, with somebody who has just come in."""

    def __init__(
        self, *, company: bool = False, tidy_s: float = TIDY_S, gateway: str = "door-2"
    ) -> None:
        self.clock, self.link, self.telemetry = (
            FakeClock(moment(7)),
            FakeLink(),
            RecordingTelemetry(),
        )
        self.pipeline = SmallPipeline(rules(), MemoryStore(), emit=self.telemetry.emit)
        self.pipeline.apply(a_list(consent()), standing(), moment())
        for heard in approach():
            self.pipeline.receive(heard)
        peers = Election(SITE, STORE_KEY, gateway, PeerSettings(), DoorRule())
        self.peering = PeerLink(
            peers,
            self.pipeline,
            self.link,
            self.clock,
            emit=self.telemetry.emit,
            chance=lambda: 0.0,
            tidy_s=tidy_s,
        )
        self.relay = Relay(
            self.pipeline, self.link, self.clock, emit=self.telemetry.emit, turns=self.peering
        )
        if company:
            self.hear(PeerMessageKind.STILL_PRESENT, "somebody-else")

    @property
    def event_id(self) -> str:
        return next(iter(self.pipeline.outbox.pending)).id

    def hear(
        self,
        said: PeerMessageKind,
        event_id: str,
        *,
        key: bytes = STORE_KEY,
        gateway: str = "door-1",
    ) -> None:
        name = opaque_name(STORE_KEY, event_id)
        payload = encode_peer_message(
            PeerMessage(said, name, name, gateway, int(self.clock.now().utc_s)), key, SITE
        )
        self.peering.receive(TOPIC, payload, False)

    def brings_words_to(self, other: "Door") -> None:
        """Whatever it says to the peers, this one hears."""

        def bring(message: OutgoingMessage) -> None:
            if message.topic == TOPIC:
                other.peering.receive(TOPIC, message.payload, False)

        self.link.on_taken = bring

    async def after(self, seconds: float) -> None:
        """Time passes, and the relay does what can be done."""
        self.clock.pass_s(seconds)
        await self.relay.empty()
        await self.spoken()

    async def spoken(self) -> None:
        """What is to be said is said, as far as the broker takes it."""
        for _ in range(10):
            await asyncio.sleep(0)

    def events(self) -> list[str]:
        return [message.event_id for message in self.link.published if message.topic != TOPIC]

    def words(self) -> list[PeerMessageKind]:
        payloads = [message.payload for message in self.link.published if message.topic == TOPIC]
        return [PeerMessageKind(json.loads(payload)["said"]) for payload in payloads]


@contextlib.asynccontextmanager
async def speaking(door: Door) -> AsyncIterator[Door]:
    """The door with its words to the peers on their way."""
    task = asyncio.create_task(door.peering.run())
    await door.spoken()
    yield door
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    async with speaking(Door()) as door:
        yield door


async def test_an_event_waits_is_claimed_and_then_sent(door: Door) -> None:
    await door.after(0)
    assert door.link.published == []
    await door.after(0.8)
    assert [message.topic == TOPIC for message in door.link.published] == [True, False, True]
    assert door.words() == [PeerMessageKind.CLAIM, PeerMessageKind.SENT]


async def test_in_company_a_claim_leaves_time_for_an_objection() -> None:
    async with speaking(Door(company=True)) as door:
        await door.after(0)
        await door.after(0.8)
        assert (door.words(), door.events()) == ([PeerMessageKind.CLAIM], [])
        await door.after(0.11)
        assert len(door.events()) == 1


async def test_what_is_said_is_short_lived_and_no_event(door: Door) -> None:
    await door.after(0)
    await door.after(0.8)
    claim = door.link.published[0]
    assert (claim.expiry_s, claim.event_type, claim.event_id) == (EXPIRY_S, "", "")
    assert isinstance(
        decode_peer_message(claim.payload, STORE_KEY, SITE, door.clock.now().utc_s), PeerMessage
    )


async def test_after_the_event_the_peers_are_told(door: Door) -> None:
    await door.after(0)
    await door.after(0.8)
    assert door.words() == [PeerMessageKind.CLAIM, PeerMessageKind.SENT]
    assert door.link.subscribed[TOPIC] == (door.peering.receive, True)


@pytest.mark.requirement("R-53")
async def test_what_a_peer_told_is_not_told_again_and_a_withdrawal_is_still_possible(
    door: Door,
) -> None:
    event_id = door.event_id
    door.hear(PeerMessageKind.SENT, event_id)
    await door.after(5)
    assert door.events() == []
    assert tuple(door.pipeline.outbox.pending) == ()
    assert door.peering.adopted == 1
    assert [
        announcement.event_id for announcement, _ in door.pipeline.engine.announced_visits()
    ] == [event_id]
    door.pipeline.apply(a_list(seq=8), standing(seq=8), door.clock.now())
    assert [outgoing.entered_id for outgoing in door.pipeline.outbox.pending] == [event_id]


@pytest.mark.requirement("R-53", "T-21", "T-22")
async def test_a_forged_word_silences_nothing_and_is_told_with_its_remedy(door: Door) -> None:
    for _ in range(5):
        door.hear(PeerMessageKind.SENT, door.event_id, key=bytes(32))
    await door.after(0)
    await door.after(0.8)
    assert len(door.events()) == 1
    assert door.peering.ignored == {IgnoreReason.FORGED: 5}
    ignored = door.telemetry.of(PeersIgnored)
    assert [event.count for event in ignored] == [1, 2, 4]
    assert "store.key_file" in ignored[0].next_step


@pytest.mark.requirement("R-54")
async def test_a_word_that_is_played_back_again_and_again_is_answered_once(door: Door) -> None:
    """Whoever may write there needs no key for that, and each answer costs the more the more
    customers are present.
    """
    await door.after(0)
    await door.after(0.8)
    for _ in range(2000):
        door.hear(PeerMessageKind.CLAIM, door.events()[0])
    await door.spoken()
    assert door.words() == [PeerMessageKind.CLAIM, PeerMessageKind.SENT, PeerMessageKind.SENT]
    assert door.peering.ignored == {IgnoreReason.COPY: 1999}
    assert "peers.ignored" not in door.telemetry.names()
    door.clock.pass_s(1)
    door.hear(PeerMessageKind.CLAIM, door.events()[0])  # said anew
    await door.spoken()
    assert door.words()[3:] == [PeerMessageKind.SENT]


@pytest.mark.requirement("R-53")
@pytest.mark.parametrize("code", [0x80, 0x83, 0x87, 0x97])
async def test_where_the_broker_takes_no_word_events_go_out_at_their_time_all_the_same(
    door: Door, code: int
) -> None:
    await door.after(0)
    door.link.refuse(code)
    await door.after(0.8)
    assert len(door.events()) == 1
    assert door.words() == [PeerMessageKind.SENT]
    assert door.peering.unheard == {code: 1}


async def test_a_word_that_gets_no_answer_holds_up_neither_the_event_nor_the_next_word(
    door: Door,
) -> None:
    await door.after(0)
    door.link.swallows = True
    await door.after(0.8)
    assert len(door.events()) == 1
    assert door.words() == [PeerMessageKind.SENT]


async def test_a_connection_lost_at_the_claim_is_no_matter_of_the_event(door: Door) -> None:
    await door.after(0)
    door.link.lose_connection_once()
    await door.after(0.8)
    assert (door.words(), len(door.events())) == ([PeerMessageKind.SENT], 1)


async def test_a_connection_lost_at_the_event_begins_anew(door: Door) -> None:
    await door.after(0)
    door.link.loses_event = True
    await door.after(0.8)
    assert (door.words(), door.events()) == ([PeerMessageKind.CLAIM], [])
    await door.after(0.7)
    assert door.words() == [PeerMessageKind.CLAIM]  # the hold-off runs again
    await door.after(0.8)
    assert (door.words(), len(door.events())) == (
        [PeerMessageKind.CLAIM, PeerMessageKind.CLAIM, PeerMessageKind.SENT],
        1,
    )


async def test_words_for_a_broker_that_is_away_are_dropped_and_the_speaking_goes_on(
    door: Door,
) -> None:
    await door.after(0)
    await door.after(0.8)
    door.link.lose_connection_once()
    door.hear(PeerMessageKind.CLAIM, door.events()[0])
    await door.spoken()
    door.hear(PeerMessageKind.CLAIM, door.events()[0], gateway="door-3")
    await door.spoken()
    assert door.words() == [
        PeerMessageKind.CLAIM,
        PeerMessageKind.SENT,
        PeerMessageKind.SENT,
    ]  # the last is the answer to the second claim


@pytest.mark.requirement("R-53")
async def test_a_node_of_the_brokers_cluster_that_is_gone_mutes_nobody(door: Door) -> None:
    """RabbitMQ answers 0x83 to what a queue on a dead node should have had: here, every word to the
    peers.
    """

    def puback(mid: int, publish: bytes) -> bytes:
        return packet(PUBACK, struct.pack("!HBB", mid, 0x83 if b"/peer/seen" in publish else 0, 0))

    told = RecordingTelemetry()
    async with (
        FakeBroker(puback=puback).running() as broker,
        running(new_publisher(broker.port, told)) as publisher,
    ):
        peers = Election(SITE, STORE_KEY, "door-2", PeerSettings(), DoorRule())
        peering = PeerLink(
            peers, door.pipeline, publisher, door.clock, emit=told.emit, chance=lambda: 0.0
        )
        relay = Relay(door.pipeline, publisher, door.clock, emit=told.emit, turns=peering)
        async with asyncio.TaskGroup() as tasks:
            speaking = tasks.create_task(peering.run())
            await relay.empty()
            door.clock.pass_s(0.8)
            assert await relay.empty()
            async with asyncio.timeout(5):
                while peering.unheard[0x83] < 2:  # noqa: ASYNC110 - a moment of a test
                    await asyncio.sleep(0.01)
            speaking.cancel()
        assert publisher.is_connected
    assert (publisher.counters.published, publisher.counters.refused_words) == (1, {0x83: 2})
    assert publisher.counters.refused_events == {}
    assert "broker.lost" not in told.names()


@pytest.mark.requirement("R-51", "R-53")
@pytest.mark.parametrize("nobody", ["listens", "takes it"])
async def test_of_two_gateways_one_tells_what_the_broker_did_not_pass_on_at_first(
    nobody: str,
) -> None:
    """Neither may leave it to the other: what was handed over in vain has been told by nobody."""
    async with speaking(Door(gateway="door-1")) as first, speaking(Door()) as second:
        doors = (first, second)
        event_id = first.event_id
        assert second.event_id == event_id
        for door, other in ((first, second), (second, first)):
            door.clock = door.relay._clock = door.peering._clock = first.clock
            door.brings_words_to(other)
            if nobody == "listens":
                door.link.nobody_listens()
            else:
                door.link.refuse_events(0x83)
        for tenth in range(1200):
            if tenth == 600:
                for door in doors:
                    door.link.somebody_listens()
            first.clock.pass_s(0.1)
            for door in doors:
                await door.relay.empty()
                await door.spoken()
            if tenth < 600:
                assert [len(door.pipeline.outbox.pending.records) for door in doors] == [1, 1]
        assert {*first.events(), *second.events()} == {event_id}
        assert len(first.events() + second.events()) == 1
        assert [len(door.pipeline.outbox.pending.records) for door in doors] == [0, 0]


async def test_what_left_the_outbox_is_tidied_away() -> None:
    async with speaking(Door(tidy_s=0.01)) as door:
        await door.after(0)
        door.pipeline.acknowledge(next(iter(door.pipeline.outbox.pending)), published=False)
        await asyncio.sleep(0.05)
        assert door.peering._election._pending == {}
