"""The publisher against a broker that breaks the rules, one rule a test."""

import asyncio
import json
import struct
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from presence.edges.mqtt.client import READ_AT_ONCE
from presence.edges.mqtt.pace import MqttPace
from presence.edges.mqtt.publisher import MqttPublisher
from presence.errors import BrokerError, MessageNotTaken, MessageRefused, MessageUnheard
from presence.ports import OutgoingMessage
from presence.telemetry import (
    BrokerConnected,
    BrokerDuplicate,
    BrokerHungUp,
    BrokerLost,
    BrokerRefused,
    BrokerUnreachable,
)
from tests.support.brokers import (
    CONNACK,
    CONNECT,
    DISCONNECT,
    PINGREQ,
    PUBACK,
    PUBLISH,
    FakeBroker,
    packet,
    published,
)
from tests.support.builders import moment
from tests.support.fakes import RecordingTelemetry
from tests.support.mqtt_parts import (
    STATE,
    an_event,
    message,
    new_publisher,
    running,
    state_of,
)


def refuse(code: int) -> Callable[[int, bytes], bytes]:
    """Take our state; refuse events with this reason code."""
    return lambda mid, publish: packet(
        PUBACK, struct.pack("!HBB", mid, 0 if b"/gw/" in publish else code, 0)
    )


SHORT = MqttPace(tcp_s=0.1)


def only_birth(mid: int, publish: bytes) -> bytes | None:
    """Acknowledge the first message of a connection, and no other."""
    return packet(PUBACK, struct.pack("!H", mid)) if b'"online"' in publish else None


@pytest.mark.requirement("R-50")
async def test_of_300_messages_never_more_than_ten_are_unacknowledged() -> None:
    async with (
        FakeBroker(puback_delay_s=0.003).running() as broker,
        running(new_publisher(broker.port)) as publisher,
    ):
        await asyncio.gather(*(publisher.publish(message(number)) for number in range(300)))
    assert broker.most_unacknowledged == 10
    assert publisher.counters.published == 300
    assert len(set(broker.packets)) == len(broker.packets)  # nothing twice


@pytest.mark.requirement("R-50")
async def test_a_caller_who_gives_up_waiting_makes_no_room_for_an_eleventh_message() -> None:
    async with (
        FakeBroker(puback=only_birth).running() as broker,
        running(new_publisher(broker.port, pace=MqttPace(farewell_s=0.05))) as publisher,
    ):
        for _ in range(3):
            callers = [
                asyncio.ensure_future(publisher.publish(message(number))) for number in range(10)
            ]
            await asyncio.sleep(0.02)
            for caller in callers:
                caller.cancel()
            await asyncio.gather(*callers, return_exceptions=True)
        assert broker.unacknowledged == 10


async def test_a_smaller_receive_maximum_of_the_broker_is_kept() -> None:
    connack = packet(CONNACK, b"\x00\x00\x03\x21\x00\x02")
    async with (
        FakeBroker(connack, puback_delay_s=0.003).running() as broker,
        running(new_publisher(broker.port)) as publisher,
    ):
        await asyncio.gather(*(publisher.publish(message(number)) for number in range(12)))
    assert broker.most_unacknowledged == 2


async def test_a_message_larger_than_the_broker_takes_is_refused_without_sending_it() -> None:
    connack = packet(CONNACK, b"\x00\x00\x05\x27\x00\x00\x04\x00")
    async with (
        FakeBroker(connack).running() as broker,
        running(new_publisher(broker.port)) as publisher,
    ):
        with pytest.raises(MessageRefused) as refusal:
            await publisher.publish(message(payload=b"x" * 1000))
        assert refusal.value.reason_code == 0x95
        assert broker.kinds().count(PUBLISH) == 1


@pytest.mark.requirement("R-51")
@pytest.mark.parametrize("code", [0x87, 0x90, 0x99])
async def test_a_reason_code_about_the_message_refuses_it_for_good(code: int) -> None:
    async with (
        FakeBroker(puback=refuse(code)).running() as broker,
        running(new_publisher(broker.port)) as publisher,
    ):
        with pytest.raises(MessageRefused) as refusal:
            await publisher.publish(message())
        assert publisher.is_connected
    assert refusal.value.reason_code == code
    assert publisher.counters.refused == {code: 1}


@pytest.mark.requirement("R-51")
@pytest.mark.parametrize("code", [0x80, 0x83, 0x97])
async def test_a_reason_code_about_the_moment_lets_the_message_be_sent_again(code: int) -> None:
    async with (
        FakeBroker(puback=refuse(code)).running() as broker,
        running(new_publisher(broker.port)) as publisher,
    ):
        with pytest.raises(MessageNotTaken) as refusal:
            await publisher.publish(message())
        assert publisher.is_connected
    assert not isinstance(refusal.value, MessageRefused)
    assert publisher.counters.refused == {code: 1}


@pytest.mark.requirement("R-51")
async def test_an_event_that_nobody_is_subscribed_to_is_neither_published_nor_refused() -> None:
    async with (
        FakeBroker(puback=refuse(0x10)).running() as broker,
        running(new_publisher(broker.port)) as publisher,
    ):
        with pytest.raises(MessageUnheard):
            await publisher.publish(message())
        assert publisher.is_connected
    assert (publisher.counters.published, publisher.counters.refused) == (0, {})


@pytest.mark.requirement("R-51")
async def test_to_a_word_among_gateways_and_to_the_state_nobody_needs_to_listen() -> None:
    def nobody(mid: int, _publish: bytes) -> bytes:
        return packet(PUBACK, struct.pack("!HBB", mid, 0x10, 0))

    async with (
        FakeBroker(puback=nobody).running() as broker,
        running(new_publisher(broker.port)) as publisher,
    ):
        await publisher.publish(word(1))
        await publisher.publish_state()
        assert publisher.is_connected
        assert broker.kinds().count(PUBLISH) == 3  # the birth, the word and the state, each once


async def test_a_reason_code_that_does_not_exist_is_a_broken_connection() -> None:
    telemetry = RecordingTelemetry()
    async with (
        FakeBroker(puback=refuse(0xEE)).running() as broker,
        running(new_publisher(broker.port, telemetry)) as publisher,
    ):
        with pytest.raises(BrokerError):
            await publisher.publish(message())
        assert "Protocol error" in str(publisher.trouble)
        await asyncio.wait_for(publisher.connected(), 5)
    assert publisher.counters.disconnects == 1


async def test_without_an_acknowledgement_the_connection_is_torn_down_and_made_anew() -> None:
    telemetry = RecordingTelemetry()
    async with FakeBroker(puback=only_birth).running() as broker:
        publisher = new_publisher(broker.port, telemetry, acknowledge_timeout_s=0.1)
        async with running(publisher):
            with pytest.raises(BrokerError, match=r"no PUBACK within 0\.1 s"):
                await publisher.publish(message())
            broker.puback = FakeBroker.puback
            await lost(publisher, 1)
            await asyncio.wait_for(publisher.connected(), 5)
            await publisher.publish(message())
            assert broker.connections >= 2


async def test_who_asks_for_a_connection_while_one_is_torn_down_waits_for_the_next() -> None:
    async with (
        FakeBroker(puback=only_birth).running() as broker,
        running(new_publisher(broker.port, acknowledge_timeout_s=0.1)) as publisher,
    ):
        with pytest.raises(BrokerError):
            await publisher.publish(message())
        broker.puback = FakeBroker.puback
        await asyncio.wait_for(publisher.connected(), 5)
        await publisher.publish(message())


async def test_a_connection_that_breaks_during_publish_fails_all_who_wait_at_once() -> None:
    async with (
        FakeBroker(cut_after=4, puback=only_birth).running() as broker,
        running(new_publisher(broker.port)) as publisher,
    ):
        sending = (publisher.publish(message(number)) for number in range(30))
        results = await asyncio.wait_for(asyncio.gather(*sending, return_exceptions=True), 5)
        assert all(isinstance(result, BrokerError) for result in results), results
        broker.puback = FakeBroker.puback
        await asyncio.wait_for(publisher.connected(), 5)
        await publisher.publish(message(99))
    sent = [body for kind, body in broker.packets if kind == PUBLISH and b'"specversion"' in body]
    assert [body for body in sent if body.endswith(an_event(99))] == sent[-1:]
    assert len(sent) <= 11  # what waited for its turn was never handed over


@pytest.mark.requirement("R-49")
async def test_a_message_that_expires_while_it_waits_for_its_turn_is_not_sent() -> None:
    async with FakeBroker().running() as broker, running(new_publisher(broker.port)) as publisher:
        broker.puback_delay_s = 1.1
        sending = (publisher.publish(message(number, expiry_s=1)) for number in range(11))
        results = await asyncio.gather(*sending, return_exceptions=True)
        broker.puback_delay_s = 0
    assert [type(result) for result in results] == [type(None)] * 10 + [BrokerError]


def word(number: int) -> OutgoingMessage:
    """To other gateways."""
    return OutgoingMessage(
        "presence/v1/acme/fi-0042/peer/seen", b'{"said":"%d"}' % number, 10, "", ""
    )


@pytest.mark.requirement("R-50", "R-53")
async def test_words_that_are_never_acknowledged_end_no_connection_and_leave_room_for_events() -> (
    None
):
    def puback(mid: int, publish: bytes) -> bytes | None:
        return None if b"/peer/seen" in publish else packet(PUBACK, struct.pack("!H", mid))

    telemetry = RecordingTelemetry()
    async with FakeBroker(puback=puback).running() as broker:
        publisher = new_publisher(broker.port, telemetry)
        publisher._settings = replace(publisher._settings, acknowledge_timeout_s=0.3)
        async with running(publisher):
            for number in range(10):  # four of them fill their share of the room
                with pytest.raises(BrokerError):
                    await publisher.publish(word(number))
            for number in range(20):
                await publisher.publish(message(number))
            assert publisher.is_connected
    assert broker.connections == 1
    assert sum(b"/peer/seen" in body for kind, body in broker.packets if kind == PUBLISH) == 4
    assert telemetry.of(BrokerLost) == []


async def test_words_that_are_acknowledged_make_room_for_the_next() -> None:
    async with FakeBroker().running() as broker, running(new_publisher(broker.port)) as publisher:
        for number in range(30):
            await publisher.publish(word(number))
        assert broker.kinds().count(PUBLISH) == 31
    assert publisher.counters.published == 0


async def test_no_connack_ends_the_attempt_and_says_so() -> None:
    telemetry = RecordingTelemetry()
    async with (
        FakeBroker(connack=None).running() as broker,
        running(
            new_publisher(broker.port, telemetry, pace=SHORT, acknowledge_timeout_s=0.1),
            connected=False,
        ),
    ):
        assert "did not answer CONNECT" in (await telemetry.wait(BrokerUnreachable)).reason


@pytest.mark.parametrize(
    "garbage", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x00" * 40, b"\x20\xff\xff\xff\xff\xff"]
)
async def test_garbage_in_place_of_a_connack_is_told_with_a_remedy(
    garbage: bytes,
) -> None:
    telemetry = RecordingTelemetry()
    async with FakeBroker(connack=garbage).running() as broker:
        publisher = new_publisher(broker.port, telemetry, pace=SHORT, acknowledge_timeout_s=0.1)
        async with running(publisher, connected=False):
            event = await telemetry.wait(BrokerUnreachable, 2)
    assert "mqtt.port" in event.remedy
    assert publisher.counters.connects == 0


@pytest.mark.parametrize(
    "garbage", [b"\xf5" * 64, b"\x40\x01\x00", b"\x40\x04\x00\x01\x00\x55", b"\x30\x03\x00\xff\x00"]
)
async def test_garbage_on_a_good_connection_ends_it_and_the_next_one_works(garbage: bytes) -> None:
    telemetry = RecordingTelemetry()
    async with (
        FakeBroker().running() as broker,
        running(new_publisher(broker.port, telemetry)) as publisher,
    ):
        broker.say(garbage)
        await telemetry.wait(BrokerLost)
        await asyncio.wait_for(publisher.connected(), 5)
        await publisher.publish(message())


async def test_a_broker_of_3_1_1_only_is_an_error_with_its_remedy_and_no_fallback() -> None:
    telemetry = RecordingTelemetry()
    async with (
        FakeBroker(connack=b"\x20\x02\x00\x01").running() as broker,
        running(new_publisher(broker.port, telemetry), connected=False) as publisher,
    ):
        event = await telemetry.wait(BrokerRefused, 2)
        assert publisher.trouble is not None
    assert event.reason_code == 0x84
    assert 'mqtt.protocol: "3.1.1"' in event.remedy
    assert "message expiry" in event.remedy
    levels = {body[6] for kind, body in broker.packets if kind == CONNECT}
    assert levels == {5}


@pytest.mark.requirement("R-56")
async def test_a_session_taken_over_names_the_twin() -> None:
    telemetry = RecordingTelemetry()
    async with FakeBroker().running() as broker, running(new_publisher(broker.port, telemetry)):
        broker.say(packet(DISCONNECT, b"\x8e\x00"))
        event = await telemetry.wait(BrokerLost)
    assert event.reason_code == 0x8E
    assert "its own store.gateway" in event.remedy


@pytest.mark.requirement("R-56")
async def test_a_broker_that_hangs_up_on_what_it_does_not_allow_is_no_twin() -> None:
    """Some answer a publish that the access list denies by closing the connection (AWS IoT, EMQX as
    it may be set).
    """
    telemetry = RecordingTelemetry()
    async with (
        FakeBroker().running() as broker,
        running(new_publisher(broker.port, telemetry)) as publisher,
    ):
        for number in range(5):
            await be_hung_up_on(broker, publisher, number)
    assert telemetry.of(BrokerDuplicate) == []


@pytest.mark.requirement("R-23")
async def test_a_broker_that_hangs_up_on_each_event_leaves_one_line_on_the_border_of_the_hour() -> (
    None
):
    telemetry = RecordingTelemetry()
    async with FakeBroker().running() as broker:
        publisher = new_publisher(broker.port, telemetry, reconnect_max_s=1)
        async with running(publisher):
            publisher.advance(moment())
            for number in range(20):
                await be_hung_up_on(broker, publisher, number)
            publisher.advance(moment(60))
            assert telemetry.names() == ["broker.connected"]
            publisher.advance(moment(3600))
    [event] = telemetry.of(BrokerHungUp)
    assert event.count == 20
    assert "presence check" in event.remedy
    assert publisher.counters.disconnects == 20


async def be_hung_up_on(broker: FakeBroker, publisher: MqttPublisher, number: int) -> None:
    await asyncio.wait_for(publisher.connected(), 10)
    broker.cut_after = broker.kinds().count(PUBLISH) + 1
    with pytest.raises(BrokerError):
        await publisher.publish(message(number))
    await lost(publisher, number + 1)


async def lost(publisher: MqttPublisher, times: int) -> None:
    """Return when so many connections were lost."""
    async with asyncio.timeout(10):
        while publisher.counters.disconnects < times:  # noqa: ASYNC110 - a moment of a test
            await asyncio.sleep(0.005)


@pytest.mark.requirement("R-56")
async def test_a_broker_that_ends_our_connection_three_times_has_another_of_our_name() -> None:
    telemetry = RecordingTelemetry()
    async with FakeBroker().running() as broker, running(new_publisher(broker.port, telemetry)):
        for number in range(1, 4):
            assert telemetry.of(BrokerDuplicate) == []
            await telemetry.wait(BrokerConnected, number)
            next(w for w in reversed(broker.writers) if w in broker.greeted).transport.abort()
        await telemetry.wait(BrokerDuplicate)


async def test_the_back_off_doubles_up_to_the_maximum_while_connections_are_short() -> None:
    telemetry = RecordingTelemetry()
    async with FakeBroker(connack=packet(CONNACK, b"\x00\x88\x00")).running() as broker:
        publisher = new_publisher(broker.port, telemetry, reconnect_max_s=4)
        publisher._chance = lambda: 0.05
        async with running(publisher, connected=False):
            await telemetry.wait(BrokerRefused, 5)
    waits = [event.next_attempt_s for event in telemetry.of(BrokerRefused)]
    assert waits[:5] == [0.1, 0.1, 0.2, 0.2, 0.2]  # 0.05 × 1, 2, 4, 4, 4 s, told to the tenth


@pytest.mark.requirement("R-54")
async def test_odd_messages_from_the_broker_are_dropped_and_counted() -> None:
    got = asyncio.Queue[bytes]()
    async with FakeBroker().running() as broker, running(new_publisher(broker.port)) as publisher:
        await publisher.subscribe(
            "ctl/a", lambda _topic, payload, _retained: got.put_nowait(payload)
        )
        broker.say(published(b"ctl/unknown", b"1"))
        broker.say(published(b"\xff\xfe", b"2"))
        broker.say(published(b"ctl/a", b"x" * (64 * 1024 + 1)))
        broker.say(published(b"ctl/a", b"good"))
        assert await asyncio.wait_for(got.get(), 5) == b"good"
        assert publisher.is_connected
    counters = publisher.counters
    assert (counters.unknown_topic, counters.dropped.not_utf8, counters.dropped.oversize) == (
        1,
        1,
        1,
    )


@pytest.mark.requirement("R-54")
async def test_a_packet_of_200_megabytes_is_not_read_at_all() -> None:
    telemetry = RecordingTelemetry()
    async with (
        FakeBroker().running() as broker,
        running(new_publisher(broker.port, telemetry)) as publisher,
    ):
        broker.say(b"\x30" + b"\x80\x80\x80\x64" + b"x" * 2000)
        assert "209715200 bytes" in (await telemetry.wait(BrokerLost)).reason
        await asyncio.wait_for(publisher.connected(), 5)
    assert publisher.counters.dropped.oversize == 1


@pytest.mark.requirement("R-54")
async def test_a_flood_is_read_a_little_at_a_time_and_leaves_others_their_turn() -> None:
    turn, turns_of_messages = 0, Counter[int]()
    one = published(b"ctl/a", b"x")

    def next_turn() -> None:
        nonlocal turn
        turn += 1
        asyncio.get_running_loop().call_soon(next_turn)

    async with FakeBroker().running() as broker, running(new_publisher(broker.port)) as publisher:
        await publisher.subscribe(
            "ctl/a", lambda _topic, _payload, _retained: turns_of_messages.update([turn])
        )
        await publisher.publish(message())
        next_turn()
        broker.say(one * 3000)
        await publisher.publish(message())  # its PUBACK comes after the flood
        assert publisher.is_connected
    assert turns_of_messages.total() == 3000
    assert max(turns_of_messages.values()) <= READ_AT_ONCE // len(one) + 1


async def test_a_message_that_does_not_fit_on_the_wire_at_once_goes_on_when_there_is_room() -> None:
    """The broker runs in this event loop: it reads nothing before we have given it back."""
    payload = b"x" * 2**20
    async with FakeBroker().running() as broker, running(new_publisher(broker.port)) as publisher:
        answers = [publisher.publish(message(number, payload=payload)) for number in range(8)]
        async with asyncio.timeout(60):
            for answer in answers:
                await answer
        sent = [body for kind, body in broker.packets if kind == PUBLISH and payload in body]
    assert len(sent) == 8
    assert publisher.counters.published == 8


class Deaf(FakeBroker):
    """Does not answer pings."""

    def _answer(self, kind: int, body: bytes, writer: asyncio.StreamWriter) -> None:
        if kind != PINGREQ:
            super()._answer(kind, body, writer)
        else:
            self.packets.append((kind, body))


async def test_who_says_nothing_for_a_while_is_pinged_and_stays_where_it_answers() -> None:
    async with (
        FakeBroker().running() as broker,
        running(new_publisher(broker.port, keep_alive_s=1)) as publisher,
        asyncio.timeout(30),
    ):
        while broker.kinds().count(PINGREQ) < 2:  # noqa: ASYNC110 - a moment of a test
            await asyncio.sleep(0.05)
        assert publisher.counters.connects == 1


async def test_a_broker_that_answers_no_ping_is_gone() -> None:
    telemetry = RecordingTelemetry()
    async with (
        Deaf().running() as broker,
        running(new_publisher(broker.port, telemetry, keep_alive_s=1)),
    ):
        await telemetry.wait(BrokerLost)
        assert PINGREQ in broker.kinds()


async def test_who_hears_a_message_may_publish_at_once() -> None:
    answers: list[Awaitable[None]] = []
    async with FakeBroker().running() as broker, running(new_publisher(broker.port)) as publisher:
        await publisher.subscribe(
            "ctl/a", lambda *_heard: answers.append(publisher.publish(message()))
        )
        broker.say(published(b"ctl/a", b"x") * 3)
        async with asyncio.timeout(10):
            while len(answers) < 3:  # noqa: ASYNC110 - a moment of a test
                await asyncio.sleep(0.01)
            for answer in answers:
                await answer
    assert publisher.counters.published == 3


async def test_a_denied_subscription_is_told_and_does_not_hinder_events() -> None:
    telemetry = RecordingTelemetry()
    async with FakeBroker(suback=0x87).running() as broker:
        publisher = new_publisher(broker.port, telemetry)
        await publisher.subscribe("ctl/a", lambda *_: None)
        async with running(publisher):
            await publisher.publish(message())
    event = telemetry.of(BrokerRefused)[0]
    assert (event.what, event.topic, event.reason_code) == (
        "subscription",
        "ctl/a",
        0x87,
    )


@pytest.mark.requirement("R-48")
async def test_connect_carries_the_agreed_limits_and_the_will_of_the_gateway() -> None:
    async with FakeBroker().running() as broker, running(new_publisher(broker.port)):
        connect = broker.packets[0][1]
    flags, keep_alive = struct.unpack_from("!BH", connect, 7)
    assert flags == 0b0010_1110  # will retained, will QoS 1, will, clean start
    assert keep_alive == 20
    properties = connect[11 : 11 + connect[10]]
    assert (
        properties == b"\x11\0\0\0\x1e" + b"\x21\x00\x14" + b"\x27\x00\x01\x00\x00"
    )  # session 30 s, receive 20
    assert (
        b"\x18\x00\x00\x00\x1e" in connect
    )  # will delay 30 s: a session that ended before would bring it at once
    assert json.loads(connect[connect.index(b"{") :]) == state_of("lost")
    assert STATE.encode() in connect


async def test_without_a_will_delay_no_session_outlives_the_connection() -> None:
    async with (
        FakeBroker().running() as broker,
        running(new_publisher(broker.port, will_delay_s=0)),
    ):
        connect = broker.packets[0][1]
    properties = connect[11 : 11 + connect[10]]
    assert properties.startswith(b"\x11\0\0\0\0")
    assert b"\x18\0\0\0\0" in connect


async def test_stopping_says_stopped_and_then_disconnect() -> None:
    async with FakeBroker().running() as broker, running(new_publisher(broker.port)):
        pass
    assert broker.kinds() == [CONNECT, PUBLISH, PUBLISH, DISCONNECT]
    assert (
        broker.packets[-1][1] == b"\x00\x05\x11\0\0\0\0"
    )  # a good end, and the session ends with it
    assert b'"stopped"' in broker.packets[2][1]


async def test_stopping_does_not_wait_long_for_a_broker_that_does_not_answer() -> None:
    async with (
        FakeBroker(puback=only_birth).running() as broker,
        asyncio.timeout(2),
        running(new_publisher(broker.port, pace=MqttPace(farewell_s=0.1))),
    ):
        pass


async def test_stopping_before_the_broker_has_answered_is_immediate() -> None:
    async with FakeBroker(connack=None).running() as broker:
        began_s = asyncio.get_running_loop().time()
        async with running(new_publisher(broker.port), connected=False):
            await asyncio.sleep(0.05)
        assert asyncio.get_running_loop().time() - began_s < 1
