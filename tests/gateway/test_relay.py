"""The outbox is emptied in order, at least once, and every event is decided anew as it is handed
over.
"""

import asyncio
import json
import struct
from collections import Counter
from collections.abc import Awaitable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.core.consent.gate import Denied
from presence.core.consent.model import Purpose
from presence.core.event.cloudevent import EventType
from presence.core.event.outbox import Outbox, Outgoing
from presence.core.operations.hourly import HOUR_S
from presence.core.timestamps import Moment
from presence.errors import BrokerError, MessageNotTaken, MessageUnheard
from presence.gateway.relay import REFUSED_STEP, UNHEARD_MAX_S, UNHEARD_STEP, Relay
from presence.ports import OutgoingMessage
from presence.telemetry import EventRefused, EventsUnheard
from tests.support.brokers import PUBACK, FakeBroker, packet
from tests.support.builders import (
    ANNA,
    BERIT,
    CARL,
    CARS,
    a_list,
    approach,
    consent,
    grant,
    moment,
    rules,
    standing,
)
from tests.support.fakes import FakeClock, FakePublisher, MemoryStore, RecordingTelemetry
from tests.support.mqtt_parts import an_event, message, new_publisher, running
from tests.support.small import SmallPipeline


class Shop:
    """A pipeline, a relay and a broker; three customers on the list."""

    def __init__(self) -> None:
        self.clock, self.publisher, self.telemetry = (
            FakeClock(),
            FakePublisher(),
            RecordingTelemetry(),
        )
        self.store = MemoryStore()
        self.pipeline = SmallPipeline(rules(), self.store, emit=self.telemetry.emit)
        self.put(*(consent(ref=ref) for ref in (ANNA, BERIT, CARL)))
        self.relay = Relay(self.pipeline, self.publisher, self.clock, emit=self.telemetry.emit)

    def put(self, *consents: Any) -> None:
        self.pipeline.apply(a_list(*consents), standing(), self.clock.now())

    def come_in(self, *refs: bytes) -> list[str]:
        """One after the other; the ids that wait since."""
        before = {waiting.id for waiting in self.pipeline.outbox.pending}
        for ref in refs:
            for heard in approach(self.clock.now(), ref=ref):
                self.pipeline.receive(heard)
            self.clock.pass_s(8)
        return [waiting.id for waiting in self.pipeline.outbox.pending if waiting.id not in before]

    def pending(self) -> tuple[Outgoing, ...]:
        return tuple(self.pipeline.outbox.pending)

    def allowed(self) -> list[list[str]]:
        return [
            json.loads(message.payload)["data"]["allow"] for message in self.publisher.published
        ]

    def types(self) -> list[str]:
        return [message.event_type for message in self.publisher.published]


@pytest.fixture
async def shop() -> Shop:
    return Shop()


async def test_events_go_out_in_the_order_of_the_entries(shop: Shop) -> None:
    ids = shop.come_in(BERIT, ANNA, CARL)

    assert await shop.relay.empty()

    assert shop.publisher.ids() == ids
    assert shop.pending() == ()


@pytest.mark.requirement("R-53")
async def test_an_event_whose_connection_was_lost_is_sent_again_with_the_same_id(
    shop: Shop,
) -> None:
    [event_id] = shop.come_in(ANNA)
    shop.publisher.lose_connection_once()

    assert not await shop.relay.empty()
    assert shop.publisher.ids() == []
    assert await shop.relay.empty()

    assert shop.publisher.ids() == [event_id]


@pytest.mark.requirement("R-53")
async def test_an_event_whose_acknowledgement_was_lost_arrives_twice_under_one_id(
    shop: Shop,
) -> None:
    [event_id] = shop.come_in(ANNA)
    shop.publisher.lose_connection_once(delivered=True)

    assert not await shop.relay.empty()
    assert await shop.relay.empty()

    assert shop.publisher.ids() == [event_id, event_id]
    first, second = shop.publisher.published
    assert first.payload == second.payload
    assert shop.pipeline.counts["published"] == 1


async def test_no_event_overtakes_one_whose_connection_was_lost(shop: Shop) -> None:
    ids = shop.come_in(ANNA, BERIT, CARL)
    shop.publisher.lose_connection_once()

    await shop.relay.empty()
    await shop.relay.empty()

    assert shop.publisher.ids() == ids


@pytest.mark.requirement("R-51")
async def test_a_refused_event_is_dropped_and_does_not_hold_up_the_rest(shop: Shop) -> None:
    _refused, taken = shop.come_in(ANNA, BERIT)
    shop.publisher.refuse(0x87)

    assert await shop.relay.empty()

    assert shop.publisher.ids() == [taken]
    assert shop.pending() == ()


def to_the_hour(shop: Shop) -> None:
    """Time passes up to the next full hour, as the daemon lets it pass."""
    left_s = HOUR_S - shop.clock.now().utc_s % HOUR_S
    shop.relay.advance(shop.clock.pass_s(left_s - 1))
    shop.relay.advance(shop.clock.pass_s(1))


@pytest.mark.requirement("R-23", "R-51")
async def test_twenty_refused_visits_are_one_line_on_the_border_of_the_hour(shop: Shop) -> None:
    visits = [bytes([n]) * 8 for n in range(20)]
    shop.put(*(consent(ref=ref) for ref in visits))
    shop.relay.advance(shop.clock.now())
    shop.publisher.refuse(0x87, times=20)
    for ref in visits:
        shop.come_in(ref)
        assert await shop.relay.empty()
        shop.relay.advance(shop.clock.now())
    assert shop.telemetry.events == []

    to_the_hour(shop)
    shop.relay.advance(shop.clock.pass_s(1))

    assert shop.telemetry.events == [EventRefused(code=0x87, count=20, next_step=REFUSED_STEP)]
    assert "offers-main" not in str(shop.telemetry.events)
    to_the_hour(shop)
    assert len(shop.telemetry.events) == 1


@pytest.mark.requirement("R-23", "R-51")
async def test_a_broker_that_denies_each_event_makes_no_record_of_visits_in_the_journal(
    shop: Shop,
) -> None:
    def puback(mid: int, publish: bytes) -> bytes:
        return packet(PUBACK, struct.pack("!HBB", mid, 0x87 if b"/evt/" in publish else 0, 0))

    told = RecordingTelemetry()
    visits = [bytes([n]) * 8 for n in range(20)]
    shop.put(*(consent(ref=ref) for ref in visits))
    async with (
        FakeBroker(puback=puback).running() as broker,
        running(new_publisher(broker.port, told)) as publisher,
    ):
        relay = Relay(shop.pipeline, publisher, shop.clock, emit=told.emit)
        for ref in visits:
            relay.advance(shop.clock.now())
            publisher.advance(shop.clock.now())
            shop.come_in(ref)
            assert await relay.empty()
        assert told.names() == ["broker.connected"]
        relay.advance(shop.clock.pass_s(HOUR_S))
        publisher.advance(shop.clock.now())
    assert told.names() == ["broker.connected", "event.refused"]
    assert "offers-main" not in str(told.events)
    assert publisher.counters.refused_events == {0x87: 20}


@pytest.mark.requirement("R-23")
@pytest.mark.parametrize("code", [0x87, 0x97])
async def test_who_was_refused_alone_leaves_no_line_however_often_it_was_tried(
    shop: Shop, code: int
) -> None:
    shop.relay.advance(shop.clock.now())
    shop.publisher.refuse(code, times=20)
    shop.come_in(ANNA)
    for _ in range(200):
        await shop.relay.empty()
        shop.clock.pass_s(1)
    assert shop.pending() == ()
    to_the_hour(shop)

    assert shop.telemetry.events == []


@pytest.mark.requirement("R-51", "R-53")
async def test_an_event_that_nobody_heard_is_told_once_somebody_listens_and_under_its_id(
    shop: Shop,
) -> None:
    shop.publisher.nobody_listens()
    [event_id] = shop.come_in(ANNA)
    assert not await shop.relay.empty()
    assert [waiting.id for waiting in shop.pending()] == [event_id]
    assert shop.pipeline.published == 0

    shop.publisher.somebody_listens()
    shop.clock.pass_s(UNHEARD_MAX_S)

    assert await shop.relay.empty()
    assert shop.publisher.ids() == [event_id]
    assert shop.pipeline.published == 1


@pytest.mark.requirement("R-49", "R-51")
async def test_an_event_that_nobody_hears_is_asked_again_with_back_off_and_until_it_expires(
    shop: Shop,
) -> None:
    shop.relay = Relay(
        shop.pipeline, shop.publisher, shop.clock, emit=shop.telemetry.emit, chance=lambda: 0.5
    )
    shop.publisher.nobody_listens()
    shop.come_in(ANNA)
    tried_at = []
    for quarter in range(130 * 4):
        before = shop.publisher.attempts
        await shop.relay.empty()
        assert shop.publisher.attempts - before <= 1
        if shop.publisher.attempts > before:
            tried_at.append(quarter / 4)
        shop.clock.pass_s(0.25)

    assert shop.pending() == ()
    assert shop.pipeline.counts["expired"] == 1
    assert tried_at[:6] == [0, 0.5, 1.5, 3.5, 7.5, 11.5]
    assert 100 < tried_at[-1] < 120


@pytest.mark.requirement("R-51")
async def test_what_waits_for_a_listener_costs_one_message_at_a_time_however_much_it_is(
    shop: Shop,
) -> None:
    visits = [bytes([n]) * 8 for n in range(20)]
    shop.put(*(consent(ref=ref) for ref in visits))
    shop.relay = Relay(
        shop.pipeline, shop.publisher, shop.clock, emit=shop.telemetry.emit, chance=lambda: 1.0
    )
    shop.publisher.nobody_listens()
    ids = []
    for ref in visits[:10]:
        ids += shop.come_in(ref)
        await shop.relay.empty()
    before = shop.publisher.attempts
    for _ in range(4):
        shop.clock.pass_s(UNHEARD_MAX_S)
        await shop.relay.empty()
    assert shop.publisher.attempts - before == 4

    shop.publisher.somebody_listens()
    [newest] = shop.come_in(visits[10])
    for _ in range(2):
        await shop.relay.empty()  # the first that is heard brings all others with it
    assert sorted(shop.publisher.ids()) == sorted([*ids, newest])


@pytest.mark.requirement("R-23", "R-51")
async def test_twenty_unheard_visits_are_one_line_on_the_border_of_the_hour(shop: Shop) -> None:
    visits = [bytes([n]) * 8 for n in range(20)]
    shop.put(*(consent(ref=ref) for ref in visits))
    shop.relay.advance(shop.clock.now())
    shop.publisher.nobody_listens()
    for ref in visits:
        shop.come_in(ref)
        for _ in range(3):
            await shop.relay.empty()
            shop.clock.pass_s(1)
            shop.relay.advance(shop.clock.now())
    assert shop.telemetry.events == []

    to_the_hour(shop)
    shop.relay.advance(shop.clock.pass_s(1))

    assert shop.telemetry.events == [EventsUnheard(count=20, next_step=UNHEARD_STEP)]
    assert "offers-main" not in str(shop.telemetry.events)
    assert shop.pipeline.engine.counts.persons.take()["unheard"] == 20


@pytest.mark.requirement("R-23", "R-51")
async def test_who_was_not_heard_alone_leaves_no_line_however_often_it_was_tried(
    shop: Shop,
) -> None:
    shop.relay.advance(shop.clock.now())
    shop.publisher.nobody_listens()
    shop.come_in(ANNA)
    for second in range(200):
        if second == 40:
            shop.publisher.refuse(0x97, times=2)
        await shop.relay.empty()
        shop.clock.pass_s(1)
    assert shop.pending() == ()
    to_the_hour(shop)

    assert shop.telemetry.events == []


@pytest.mark.requirement("R-09", "R-51")
async def test_what_is_taken_back_before_anybody_listens_is_never_told_and_its_withdrawal_is(
    shop: Shop,
) -> None:
    """The broker says that nobody had the entry; a rule of its own may have (docs/design.md)."""
    shop.publisher.nobody_listens()
    [entered] = shop.come_in(ANNA)
    await shop.relay.empty()
    shop.put(consent(ref=BERIT))
    for _ in range(20):  # longer than an event lives: a withdrawal is of use until `valid_until`
        await shop.relay.empty()
        shop.clock.pass_s(10)
    shop.publisher.somebody_listens()
    await shop.relay.empty()

    assert shop.types() == ["presence.withdrawn.v1"]
    assert json.loads(shop.publisher.published[0].payload)["data"]["entered_id"] == entered
    assert shop.pending() == ()


@pytest.mark.requirement("T-01", "R-09")
async def test_a_doubted_entry_that_nobody_heard_goes_out_no_more_and_its_withdrawal_does(
    shop: Shop,
) -> None:
    shop.publisher.nobody_listens()
    [entered] = shop.come_in(ANNA)
    for _ in range(3):
        await shop.relay.empty()
        shop.clock.pass_s(UNHEARD_MAX_S)

    shop.pipeline.doubt(ANNA, shop.clock.now())
    shop.publisher.somebody_listens()
    await shop.relay.empty()
    assert (shop.types(), shop.pending()) == ([], ())

    shop.put(consent(ref=BERIT))  # a rule of the broker's own may have taken the entry
    await shop.relay.empty()
    assert shop.types() == ["presence.withdrawn.v1"]
    assert json.loads(shop.publisher.published[0].payload)["data"]["entered_id"] == entered


@pytest.mark.requirement("T-01", "R-53")
async def test_a_doubted_entry_that_somebody_may_have_heard_stands(shop: Shop) -> None:
    """Once its connection was lost without an answer, and only then nobody was there."""
    [entered] = shop.come_in(ANNA)
    shop.publisher.lose_connection_once(delivered=True)
    await shop.relay.empty()
    shop.publisher.nobody_listens()
    for _ in range(2):
        await shop.relay.empty()
        shop.clock.pass_s(UNHEARD_MAX_S)

    shop.pipeline.doubt(ANNA, shop.clock.now())

    assert [waiting.id for waiting in shop.pending()] == [entered]


@pytest.mark.requirement("R-50", "R-51")
async def test_an_event_that_is_not_taken_is_tried_a_dozen_times_and_not_each_second(
    shop: Shop,
) -> None:
    relay = Relay(
        shop.pipeline, shop.publisher, shop.clock, emit=shop.telemetry.emit, chance=lambda: 0.5
    )
    shop.publisher.refuse(0x97, times=1000)
    shop.come_in(ANNA)
    tried = 0
    for _ in range(130 * 4):
        before = shop.publisher.attempts
        await relay.empty()
        assert shop.publisher.attempts - before <= 1
        tried += shop.publisher.attempts - before
        shop.clock.pass_s(0.25)

    assert shop.pending() == ()
    assert tried == 11  # 1, 2, 4, 8 and then 16 s apart


async def test_an_event_that_is_not_taken_holds_up_nobody_elses(shop: Shop) -> None:
    shop.relay = Relay(
        shop.pipeline, shop.publisher, shop.clock, emit=shop.telemetry.emit, chance=lambda: 0.5
    )
    shop.publisher.refuse(0x83)
    held, other = shop.come_in(ANNA, BERIT)

    assert not await shop.relay.empty()
    assert shop.publisher.ids() == [other]
    shop.clock.pass_s(1)
    assert await shop.relay.empty()

    assert shop.publisher.ids() == [other, held]


class Box:
    """Allows everything; the ids are what the events are."""

    def __init__(self, *waiting: Outgoing) -> None:
        self.outbox = Outbox(waiting)
        self.queued = asyncio.Event()
        self.told_unheard: Counter[str] = Counter()

    def release(
        self, outgoings: Sequence[Outgoing], _now: Moment
    ) -> list[OutgoingMessage | Denied | None]:
        return [self._message(outgoing) for outgoing in outgoings]

    def _message(self, outgoing: Outgoing) -> OutgoingMessage:
        topic = f"presence/v1/acme/fi-0042/evt/{outgoing.audience}"
        payload = an_event().replace(b"offers-main", outgoing.audience.encode())
        return message(payload=payload, topic=topic, event_id=outgoing.id)

    def refused(self, outgoing: Outgoing, code: int) -> None:
        pass

    def unheard(self, outgoing: Outgoing, *, again: bool) -> None:
        self.told_unheard[outgoing.id] += not again

    def acknowledge(self, *outgoings: Outgoing, published: bool) -> None:
        for outgoing in outgoings:
            self.outbox.pending.pop(outgoing.id)


@pytest.mark.requirement("R-09")
async def test_later_events_of_a_subject_wait_for_one_not_taken_and_its_withdrawal_does_not() -> (
    None
):
    def outgoing(kind: EventType, ref: bytes, name: str) -> Outgoing:
        return Outgoing(name, kind, "offers-main", ref, "p_x", moment(), moment().monotonic_s + 120)

    box = Box(
        outgoing(EventType.LEFT, ANNA, "left"),
        outgoing(EventType.ENTERED, ANNA, "entered anew"),
        outgoing(EventType.WITHDRAWN, ANNA, "withdrawn"),
        outgoing(EventType.ENTERED, BERIT, "another"),
    )
    publisher, clock = FakePublisher(), FakeClock()
    relay = Relay(box, publisher, clock, emit=RecordingTelemetry().emit, chance=lambda: 1.0)
    publisher.refuse(0x97)

    assert not await relay.empty()
    assert publisher.ids() == ["another", "withdrawn"]
    clock.pass_s(2)
    assert await relay.empty()
    assert publisher.ids() == ["another", "withdrawn", "left", "entered anew"]


def entered(ref: bytes, audience: str = "offers-main") -> Outgoing:
    name, expires_s = f"{audience} {ref.hex()}", moment().monotonic_s + 120
    return Outgoing(name, EventType.ENTERED, audience, ref, "p_x", moment(), expires_s)


@pytest.mark.requirement("R-51")
async def test_an_audience_that_nobody_listens_to_holds_up_no_other() -> None:
    audiences = ("offers-main", "pick-up")
    events = [entered(ref, audience) for ref in (ANNA, BERIT) for audience in audiences]
    box, publisher, clock = Box(*events), FakePublisher(), FakeClock()
    relay = Relay(box, publisher, clock, emit=RecordingTelemetry().emit, chance=lambda: 1.0)
    publisher.nobody_listens("pick-up")
    for _ in range(3):
        assert not await relay.empty()
        clock.pass_s(0.1)
    assert publisher.ids() == [event.id for event in events[::2]]
    assert publisher.attempts == 4

    publisher.somebody_listens()
    clock.pass_s(1)
    assert await relay.empty()
    assert publisher.ids()[2:] == [event.id for event in events[1::2]]


class CountingRoom(FakePublisher):
    """Counts how often it is asked for room: once for each event that is looked at."""

    asked = 0

    @property
    def room(self) -> int:
        self.asked += 1
        return super().room


async def test_what_waits_for_a_listener_costs_nothing_to_the_events_of_others() -> None:
    waiting = [entered(bytes([n]) * 8, "pick-up") for n in range(200)]
    heard = [entered(bytes([n]) * 8) for n in range(20)]
    box, publisher = Box(*waiting), CountingRoom()
    relay = Relay(box, publisher, FakeClock(), emit=RecordingTelemetry().emit, chance=lambda: 1.0)
    publisher.nobody_listens("pick-up")
    assert not await relay.empty()
    assert not await relay.empty()
    publisher.asked = 0

    for event in heard:
        box.outbox.pending.put(event.id, event)
        assert not await relay.empty()

    assert publisher.ids() == [event.id for event in heard]
    assert len(box.outbox.pending.records) == len(waiting)
    assert publisher.asked <= 10 * len(heard)


async def test_what_waits_behind_an_event_goes_as_soon_as_that_is_gone() -> None:
    first, second = of(ANNA, "first"), of(ANNA, "second")
    box, publisher = Box(first, second), FakePublisher()
    relay = Relay(box, publisher, FakeClock(), emit=RecordingTelemetry().emit, chance=lambda: 1.0)
    publisher.refuse(0x97)
    for _ in range(2):
        assert not await relay.empty()

    box.outbox.pending.pop(first.id)

    assert await relay.empty()
    assert publisher.ids() == [second.id]


@pytest.mark.requirement("R-51")
async def test_a_new_event_asks_at_once_and_brings_with_it_what_waited_for_a_listener() -> None:
    old, new = entered(ANNA), entered(BERIT)
    box, publisher, clock = Box(old), FakePublisher(), FakeClock()
    relay = Relay(box, publisher, clock, emit=RecordingTelemetry().emit, chance=lambda: 1.0)
    publisher.nobody_listens()
    for _ in range(5):
        assert not await relay.empty()
        clock.pass_s(UNHEARD_MAX_S)
    assert not await relay.empty()  # nothing is due for eight seconds
    publisher.somebody_listens()
    box.outbox.pending.put(new.id, new)

    while not await relay.empty():
        pass

    assert publisher.ids() == [new.id, old.id]


async def test_a_connection_that_one_event_ends_again_and_again_does_not_hold_up_the_others(
    shop: Shop,
) -> None:
    shop.relay = Relay(
        shop.pipeline, shop.publisher, shop.clock, emit=shop.telemetry.emit, chance=lambda: 1.0
    )
    held, other = shop.come_in(ANNA, BERIT)
    for _ in range(2):
        shop.publisher.lose_connection_once()
        assert not await shop.relay.empty()
        assert shop.publisher.ids() == []

    assert not await shop.relay.empty()
    assert shop.publisher.ids() == [other]
    shop.clock.pass_s(4)
    assert await shop.relay.empty()
    assert shop.publisher.ids() == [other, held]


@pytest.mark.requirement("R-58")
async def test_while_the_broker_is_away_events_wait(shop: Shop) -> None:
    [event_id] = shop.come_in(ANNA)
    shop.publisher.go_away()
    emptying = asyncio.create_task(shop.relay.empty())
    await asyncio.sleep(0.01)
    assert shop.publisher.ids() == []

    shop.publisher.come_back()

    assert await emptying
    assert shop.publisher.ids() == [event_id]


@pytest.mark.requirement("R-49", "R-58")
async def test_the_expiry_is_counted_when_the_broker_is_back(shop: Shop) -> None:
    shop.come_in(ANNA)
    shop.publisher.go_away()
    emptying = asyncio.create_task(shop.relay.empty())
    await asyncio.sleep(0.01)
    shop.clock.pass_s(100)
    shop.publisher.come_back()
    await emptying

    assert [message.expiry_s for message in shop.publisher.published] == [19]


@pytest.mark.requirement("R-49", "R-58")
async def test_an_event_that_expired_while_the_broker_was_away_is_dropped(shop: Shop) -> None:
    shop.come_in(ANNA)
    shop.publisher.go_away()
    emptying = asyncio.create_task(shop.relay.empty())
    await asyncio.sleep(0.01)
    shop.clock.pass_s(120)
    shop.publisher.come_back()

    assert await emptying
    assert (shop.publisher.ids(), shop.pending()) == ([], ())


@pytest.mark.requirement("R-06", "R-08")
async def test_the_gate_is_asked_when_the_broker_is_back_and_not_before(shop: Shop) -> None:
    shop.come_in(ANNA, BERIT)
    shop.publisher.go_away()
    emptying = asyncio.create_task(shop.relay.empty())
    await asyncio.sleep(0.01)
    shop.put(consent(grants=(grant(CARS),)), consent(ref=BERIT, grants=()))
    shop.publisher.come_back()
    await emptying

    assert shop.allowed() == [[CARS]]


@pytest.mark.requirement("R-08", "R-09")
async def test_a_withdrawal_while_the_broker_is_away_leaves_nothing_to_send(shop: Shop) -> None:
    shop.come_in(ANNA)
    shop.publisher.go_away()
    emptying = asyncio.create_task(shop.relay.empty())
    await asyncio.sleep(0.01)
    shop.put(consent(ref=BERIT))
    shop.publisher.come_back()
    await emptying

    assert shop.types() == []
    assert shop.pending() == ()


@pytest.mark.requirement("R-09")
async def test_a_withdrawal_while_an_event_is_on_its_way_follows_it(shop: Shop) -> None:
    [entered] = shop.come_in(ANNA)
    shop.publisher.lose_connection_once(delivered=True)
    await shop.relay.empty()
    shop.put(consent(ref=BERIT))

    assert await shop.relay.empty()

    assert shop.types() == ["presence.entered.v1", "presence.withdrawn.v1"]
    assert json.loads(shop.publisher.published[1].payload)["data"]["entered_id"] == entered


@pytest.mark.requirement("R-08")
async def test_with_a_stale_list_events_wait_and_are_not_complained_about(shop: Shop) -> None:
    [event_id] = shop.come_in(ANNA)
    shop.pipeline.engine.admissions.trust(standing(publishing=False))

    assert not await shop.relay.empty()
    assert not await shop.relay.empty()
    assert (shop.publisher.ids(), shop.telemetry.events) == ([], [])
    assert len(shop.pending()) == 1

    shop.pipeline.engine.admissions.trust(standing())
    assert await shop.relay.empty()
    assert shop.publisher.ids() == [event_id]


@pytest.mark.requirement("R-08")
async def test_with_a_stale_list_a_withdrawal_goes_out_past_the_events_that_wait(
    shop: Shop,
) -> None:
    shop.come_in(ANNA)
    await shop.relay.empty()
    shop.come_in(BERIT)
    shop.put(consent(ref=BERIT))
    shop.pipeline.engine.admissions.trust(standing(publishing=False))

    assert not await shop.relay.empty()

    assert shop.types() == ["presence.entered.v1", "presence.withdrawn.v1"]
    assert [waiting.ref for waiting in shop.pending()] == [BERIT]


async def test_an_event_that_is_queued_while_another_is_sent_goes_out_at_once(shop: Shop) -> None:
    [first] = shop.come_in(ANNA)
    emptying = asyncio.create_task(shop.relay.empty())
    await asyncio.sleep(0)
    [second] = shop.come_in(BERIT)

    assert await emptying
    assert shop.publisher.ids() == [first, second]


class SlowBroker(FakePublisher):
    """Answers when it is told to, in any order."""

    def __init__(self, room: int = 10) -> None:
        super().__init__()
        self.waiting: list[tuple[OutgoingMessage, asyncio.Future[None]]] = []
        self.handed_over: list[OutgoingMessage] = []
        self._most = room

    @property
    def room(self) -> int:
        return self._most - len(self.waiting)

    def publish(self, message: OutgoingMessage) -> Awaitable[None]:
        assert self.room > 0
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiting.append((message, answer))
        self.handed_over.append(message)
        return answer

    def answer(self, number: int, fault: BrokerError | None = None) -> OutgoingMessage:
        message, answer = self.waiting.pop(number)
        if fault is None:
            answer.set_result(None)
        else:
            answer.set_exception(fault)
        return message

    def names(self) -> list[str]:
        return [message.event_id for message, _answer in self.waiting]

    def cut(self) -> None:
        """The connection is lost, with all that is under way."""
        for _ in tuple(self.waiting):
            self.answer(0, BrokerError("the connection was lost before the acknowledgement"))


async def turns() -> None:
    """All that can go on now goes on."""
    for _ in range(6):
        await asyncio.sleep(0)


def of(ref: bytes, name: str, kind: EventType = EventType.ENTERED) -> Outgoing:
    return Outgoing(name, kind, "offers-main", ref, "p_x", moment(), moment().monotonic_s + 120)


def slow_relay(box: Box, broker: SlowBroker) -> Relay:
    return Relay(box, broker, FakeClock(), emit=RecordingTelemetry().emit, chance=lambda: 0.0)


@pytest.mark.requirement("R-50")
async def test_no_more_is_under_way_than_the_broker_has_room_for() -> None:
    broker = SlowBroker(room=3)
    box = Box(*(of(bytes([n]) * 8, str(n)) for n in range(5)))
    emptying = asyncio.create_task(slow_relay(box, broker).empty())
    await turns()
    assert broker.names() == ["0", "1", "2"]

    broker.answer(1)
    await turns()

    assert broker.names() == ["0", "2", "3"]
    assert list(box.outbox.pending.records) == ["0", "2", "3", "4"]
    while broker.waiting:
        broker.answer(0)
        await turns()
    assert await emptying


async def test_of_one_subject_one_event_is_under_way_and_its_withdrawal_follows_it() -> None:
    broker = SlowBroker()
    box = Box(
        of(ANNA, "entered"),
        of(BERIT, "another"),
        of(ANNA, "withdrawn", EventType.WITHDRAWN),
        of(ANNA, "entered anew"),
    )
    emptying = asyncio.create_task(slow_relay(box, broker).empty())
    await turns()
    assert broker.names() == ["entered", "another"]

    for _ in range(4):
        broker.answer(0)
        await turns()

    assert await emptying
    assert [each.event_id for each in broker.handed_over] == [
        "entered",
        "another",
        "withdrawn",
        "entered anew",
    ]


async def test_an_event_that_is_queued_while_others_are_under_way_goes_out_at_once() -> None:
    broker, box = SlowBroker(), Box(of(ANNA, "first"))
    emptying = asyncio.create_task(slow_relay(box, broker).empty())
    await turns()

    box.outbox.pending.put("second", of(BERIT, "second"))
    box.queued.set()
    await turns()

    assert broker.names() == ["first", "second"]
    broker.answer(1)
    broker.answer(0)
    assert await emptying


@pytest.mark.requirement("R-53")
async def test_what_was_under_way_when_the_connection_was_lost_goes_first_and_each_alone() -> None:
    broker = SlowBroker()
    box = Box(*(of(bytes([n]) * 8, str(n)) for n in range(4)))
    relay = slow_relay(box, broker)
    emptying = asyncio.create_task(relay.empty())
    await turns()
    broker.answer(1)
    broker.cut()
    assert not await emptying
    box.outbox.pending.put("new", of(ANNA, "new"))

    emptying = asyncio.create_task(relay.empty())
    for name in ("0", "2", "3", "new"):
        await turns()
        assert broker.names() == [name]
        broker.answer(0)

    assert await emptying


def overtaken(done: list[Outgoing]) -> list[Outgoing]:
    """Events that an event of their subject passed which was queued later; a withdrawal may."""
    return [
        passed
        for at, first in enumerate(done)
        for passed in done[at + 1 :]
        if first.type is not EventType.WITHDRAWN
        and passed.ref == first.ref
        and int(passed.id) < int(first.id)
    ]


@pytest.mark.requirement("R-50", "R-53")
@given(data=st.data())
def test_whatever_the_broker_does_nothing_is_lost_and_no_event_overtakes_one_of_its_subject(
    data: st.DataObject,
) -> None:
    """Events come; answers, refusals and silences come in any order; connections are cut."""

    async def play() -> None:
        room = data.draw(st.integers(1, 4))
        broker, box = SlowBroker(room), Box()
        clock = FakeClock()
        relay = Relay(box, broker, clock, emit=RecordingTelemetry().emit, chance=lambda: 0.5)
        faults = {"n": MessageNotTaken("not now", reason_code=0x97), "u": MessageUnheard()}
        number, done, queued = 0, list[str](), dict[str, Outgoing]()
        emptying = asyncio.create_task(relay.empty())
        for deed in data.draw(st.lists(st.sampled_from("qqqaaacnu"), max_size=40)):
            if deed == "q":
                ref = bytes([data.draw(st.integers(0, 2))]) * 8
                kind = data.draw(st.sampled_from([EventType.ENTERED, EventType.WITHDRAWN]))
                queued[str(number)] = of(ref, str(number), kind)
                box.outbox.pending.put(str(number), queued[str(number)])
                box.queued.set()
                number += 1
            elif deed == "c":
                broker.cut()
            elif broker.waiting:
                which = data.draw(st.integers(0, len(broker.waiting) - 1))
                message = broker.answer(which, faults.get(deed))
                if deed == "a":
                    done.append(message.event_id)
            await turns()
            subjects = [queued[each].ref for each in broker.names()]
            assert len(subjects) == len(set(subjects))
            if emptying.done():
                clock.pass_s(data.draw(st.sampled_from([0.0, 1.0, 40.0])))
                emptying = asyncio.create_task(relay.empty())
                await turns()
        while box.outbox.pending.records:
            while broker.waiting:
                done.append(broker.answer(0).event_id)
                await turns()
            await turns()
            if emptying.done():
                clock.pass_s(40)
                emptying = asyncio.create_task(relay.empty())
                await turns()
        emptying.cancel()
        assert sorted(done) == sorted(queued)  # each acknowledged once
        assert not overtaken([queued[each] for each in done])
        assert max(box.told_unheard.values(), default=0) <= 1  # told once

    asyncio.run(play())


async def test_the_relay_runs_by_itself_until_it_is_stopped(shop: Shop) -> None:
    running = asyncio.create_task(shop.relay.run())
    await asyncio.sleep(0.01)
    ids = shop.come_in(ANNA, BERIT)
    async with asyncio.timeout(2):
        await shop.publisher.has(2)
    running.cancel()

    assert shop.publisher.ids() == ids
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_the_relay_tries_again_by_itself_after_a_lost_connection(
    shop: Shop,
) -> None:
    relay = Relay(
        shop.pipeline, shop.publisher, shop.clock, emit=shop.telemetry.emit, retry_s=0.001
    )
    [event_id] = shop.come_in(ANNA)
    shop.publisher.lose_connection_once()
    running = asyncio.create_task(relay.run())
    async with asyncio.timeout(2):
        await shop.publisher.has(1)
    running.cancel()

    assert shop.publisher.ids() == [event_id]


@pytest.mark.requirement("R-05")
async def test_a_left_follows_its_entered(shop: Shop) -> None:
    shop.put(consent(purposes=frozenset({Purpose.PRESENCE, Purpose.OFFERS, Purpose.VISIT_END})))
    shop.come_in(ANNA)
    await shop.relay.empty()
    shop.pipeline.advance(shop.clock.pass_s(400))
    await shop.relay.empty()

    assert shop.types() == ["presence.entered.v1", "presence.left.v1"]
    assert shop.pending() == ()
    assert shop.clock.now() == moment(408)
