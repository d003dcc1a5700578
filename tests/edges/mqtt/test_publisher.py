"""The publisher against a real mosquitto."""

import asyncio
import contextlib
import gc
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from presence.config.settings import MqttProtocol, MqttSettings
from presence.edges.mqtt.connection import Connection
from presence.edges.mqtt.publisher import MqttPublisher
from presence.errors import BrokerError, ConfigurationError, MessageRefused
from presence.telemetry import (
    BrokerConnected,
    BrokerDuplicate,
    BrokerHandlerFailed,
    BrokerLost,
    BrokerOldProtocol,
    BrokerRefused,
    BrokerUnreachable,
)
from tests.support.brokers import Mosquitto, listener, mosquitto, needs_mosquitto
from tests.support.fakes import RecordingTelemetry
from tests.support.mqtt_parts import (
    EVENTS,
    STATE,
    STORE,
    an_event,
    message,
    new_publisher,
    publish_to_nobody,
    running,
    state_of,
)

pytestmark = needs_mosquitto

DENYING_ACL = f"topic write {STATE}\ntopic read {EVENTS}\ntopic read {STATE}\n"


async def test_publish_returns_on_the_acknowledgement_and_the_properties_arrive(
    tmp_path: Path,
) -> None:
    async with mosquitto(tmp_path) as broker, listener(broker.port, EVENTS) as heard:
        async with running(new_publisher(broker.port)) as publisher:
            await publisher.publish(message(7))
        arrived = await asyncio.wait_for(heard.get(), 5)
    assert arrived.payload == an_event(7)
    assert (arrived.qos, arrived.retain) == (1, False)
    assert arrived.properties is not None
    properties = arrived.properties.json()  # type: ignore[no-untyped-call]
    assert 85 <= properties.pop("MessageExpiryInterval") <= 90
    assert properties == {
        "ContentType": "application/cloudevents+json; charset=utf-8",
        "PayloadFormatIndicator": 1,
        "UserProperty": [("type", "presence.entered.v1"), ("id", "id-7")],
    }
    assert publisher.counters.published == 1


@pytest.mark.requirement("R-49")
async def test_nothing_is_handed_over_while_disconnected_and_nothing_comes_later(
    tmp_path: Path,
) -> None:
    telemetry, broker = RecordingTelemetry(), Mosquitto(tmp_path)
    async with running(new_publisher(broker.port, telemetry), connected=False) as publisher:
        await telemetry.wait(BrokerUnreachable, 2)
        with pytest.raises(BrokerError, match="not connected"):
            await publisher.publish(message(1))
        await broker.start()
        try:
            async with listener(broker.port, EVENTS) as heard:
                await asyncio.wait_for(publisher.connected(), 10)
                await publisher.publish(message(2))
                assert (await asyncio.wait_for(heard.get(), 5)).payload == an_event(2)
                assert heard.empty()
        finally:
            await broker.stop()
    told = telemetry.of(BrokerUnreachable)[0]
    assert told.reason == "connection refused"  # words, and no number of the system's
    assert "nothing listens there" in told.remedy


async def test_after_a_restart_of_the_broker_a_new_client_publishes_again(tmp_path: Path) -> None:
    telemetry = RecordingTelemetry()
    async with (
        mosquitto(tmp_path) as broker,
        running(new_publisher(broker.port, telemetry)) as publisher,
    ):
        first = publisher._connection
        await broker.stop()
        await telemetry.wait(BrokerLost)
        assert not publisher.is_connected
        await broker.start()
        await asyncio.wait_for(publisher.connected(), 10)
        await publish_to_nobody(publisher, message(1))
        assert publisher._connection is not None
        assert publisher._connection is not first
        assert (publisher.counters.connects, publisher.counters.disconnects) == (2, 1)


@pytest.mark.requirement("R-51")
async def test_a_publish_that_the_access_list_denies_is_refused_with_its_reason_code(
    tmp_path: Path,
) -> None:
    (tmp_path / "acl").write_text(DENYING_ACL)
    telemetry = RecordingTelemetry()
    acl = f"acl_file {tmp_path / 'acl'}"
    async with (
        mosquitto(tmp_path, acl) as broker,
        running(new_publisher(broker.port, telemetry)) as publisher,
    ):
        with pytest.raises(MessageRefused, match="Not authorized") as refusal:
            await publisher.publish(message())
        assert publisher.is_connected
    assert refusal.value.reason_code == 0x87
    assert publisher.counters.refused == {0x87: 1}
    assert publisher.counters.refused_events == {0x87: 1}
    assert (
        telemetry.of(BrokerRefused) == []
    )  # by the hour, and by who counts: a line for each would be one for each visit
    assert EVENTS not in str(refusal.value)


@pytest.mark.requirement("R-48")
async def test_a_late_subscriber_gets_our_state_and_no_event(tmp_path: Path) -> None:
    async with mosquitto(tmp_path) as broker, running(new_publisher(broker.port)) as publisher:
        await publish_to_nobody(publisher, message())
        async with listener(broker.port) as heard:
            state = await asyncio.wait_for(heard.get(), 5)
            await publisher.publish(message(2))  # the proof that nothing else was on its way
            event = await asyncio.wait_for(heard.get(), 5)
    assert (state.topic, state.retain, json.loads(state.payload)["state"]) == (
        STATE,
        True,
        "online",
    )
    assert (event.topic, event.payload) == (EVENTS, an_event(2))


async def test_birth_and_stopped_are_retained_and_a_good_end_leaves_no_will(tmp_path: Path) -> None:
    async with mosquitto(tmp_path) as broker, listener(broker.port, STATE) as heard:
        async with running(new_publisher(broker.port)):
            assert json.loads((await asyncio.wait_for(heard.get(), 5)).payload) == state_of(
                "online"
            )
        assert json.loads((await asyncio.wait_for(heard.get(), 5)).payload)["state"] == "stopped"
        async with listener(broker.port, STATE) as late:
            retained = await asyncio.wait_for(late.get(), 5)
        assert (retained.retain, json.loads(retained.payload)["state"]) == (True, "stopped")
        assert heard.empty()


@pytest.mark.requirement("R-48")
async def test_a_gateway_that_vanishes_is_told_lost_by_its_will(tmp_path: Path) -> None:
    async with mosquitto(tmp_path) as broker, listener(broker.port, STATE) as heard:
        publisher = new_publisher(broker.port, will_delay_s=0)
        publisher._chance = lambda: 1e6  # it does not come back
        async with running(publisher):
            assert publisher._connection is not None
            publisher._connection.abort("as if the power failed")
            states = [
                json.loads((await asyncio.wait_for(heard.get(), 5)).payload) for _ in range(2)
            ]
            assert states == [state_of("online"), state_of("lost")]
            async with listener(broker.port, STATE) as late:
                assert (await asyncio.wait_for(late.get(), 5)).retain


async def test_a_check_beside_the_daemon_does_not_throw_it_out_and_leaves_its_state_alone(
    tmp_path: Path,
) -> None:
    telemetry = RecordingTelemetry()
    async with (
        mosquitto(tmp_path) as broker,
        listener(broker.port, STATE) as heard,
        running(new_publisher(broker.port, telemetry)) as daemon,
    ):
        check = MqttPublisher(
            MqttSettings(port=broker.port), STORE, role="check", emit=RecordingTelemetry().emit
        )
        async with running(check):
            await publish_to_nobody(check, message())
        await daemon.publish_state()
        assert telemetry.of(BrokerLost) == []
        states = [
            json.loads((await asyncio.wait_for(heard.get(), 5)).payload)["state"] for _ in range(2)
        ]
        assert states == ["online", "online"]  # of the daemon: its birth, and what it has just told


async def test_the_state_is_told_anew_on_request(tmp_path: Path) -> None:
    async with (
        mosquitto(tmp_path) as broker,
        listener(broker.port, STATE) as heard,
        running(new_publisher(broker.port)) as publisher,
    ):
        await publisher.publish_state()
        states = [
            json.loads((await asyncio.wait_for(heard.get(), 5)).payload)["state"] for _ in range(2)
        ]
    assert states == ["online", "online"]


async def test_a_message_of_the_moment_is_sent_once_unacknowledged_and_unretained(
    tmp_path: Path,
) -> None:
    async with (
        mosquitto(tmp_path) as broker,
        listener(broker.port, "moment") as heard,
        running(new_publisher(broker.port)) as publisher,
    ):
        await publisher.send("moment", b"now")
        arrived = await asyncio.wait_for(heard.get(), 5)
        assert (arrived.payload, arrived.qos, arrived.retain) == (b"now", 0, False)
        await broker.stop()
        with pytest.raises(BrokerError):  # noqa: PT012 - the connection may end a moment later
            for _ in range(1000):
                await publisher.send("moment", b"later")
                await asyncio.sleep(0.01)


async def test_mqtt_3_1_1_is_possible_with_a_warning(tmp_path: Path) -> None:
    telemetry = RecordingTelemetry()
    async with mosquitto(tmp_path) as broker, listener(broker.port, EVENTS) as heard:
        async with running(
            new_publisher(broker.port, telemetry, protocol=MqttProtocol.V311)
        ) as publisher:
            await publisher.publish(message(3))
        assert (await asyncio.wait_for(heard.get(), 5)).payload == an_event(3)
    assert "reason codes" in telemetry.of(BrokerOldProtocol)[0].lost


async def test_subscriptions_are_made_again_at_each_connection(tmp_path: Path) -> None:
    telemetry, got = RecordingTelemetry(), asyncio.Queue[tuple[str, bytes, bool]]()
    async with (
        mosquitto(tmp_path) as broker,
        running(new_publisher(broker.port, telemetry)) as publisher,
    ):
        await publisher.subscribe("ctl/+", lambda *heard: got.put_nowait(heard))
        await publisher.publish(message(1, topic="ctl/a"))
        assert await asyncio.wait_for(got.get(), 5) == ("ctl/a", an_event(1), False)
        await broker.stop()
        await telemetry.wait(BrokerLost)
        await broker.start()
        await asyncio.wait_for(publisher.connected(), 10)
        await publisher.publish(message(2, topic="ctl/b"))
        assert await asyncio.wait_for(got.get(), 5) == ("ctl/b", an_event(2), False)


async def test_without_local_echo_we_do_not_hear_ourselves(tmp_path: Path) -> None:
    got = asyncio.Queue[bytes]()
    async with mosquitto(tmp_path) as broker, running(new_publisher(broker.port)) as publisher:
        await publisher.subscribe(
            "peer/seen", lambda _topic, payload, _retained: got.put_nowait(payload), no_local=True
        )
        await publisher.subscribe(
            "mark", lambda _topic, payload, _retained: got.put_nowait(payload)
        )
        await publisher.publish(message(1, topic="peer/seen"))
        await publisher.publish(message(2, topic="mark"))
        first = await asyncio.wait_for(got.get(), 5)
    assert first == an_event(2)


async def test_a_handler_that_raises_is_counted_and_the_next_message_still_comes(
    tmp_path: Path,
) -> None:
    telemetry, got = RecordingTelemetry(), asyncio.Event()

    def handler(_topic: str, payload: bytes, _retained: bool) -> None:
        if payload == b"bad":
            raise ValueError("secret")
        got.set()

    async with (
        mosquitto(tmp_path) as broker,
        running(new_publisher(broker.port, telemetry)) as publisher,
    ):
        await publisher.subscribe("ctl/a", handler)
        await publisher.publish(message(topic="ctl/a", payload=b"bad"))
        await publisher.publish(message(topic="ctl/a", payload=b"good"))
        await asyncio.wait_for(got.wait(), 5)
        assert publisher.is_connected
    assert publisher.counters.faults == 1
    assert telemetry.of(BrokerHandlerFailed) == [
        BrokerHandlerFailed(topic="ctl/a", error="ValueError", count=1)
    ]


@pytest.mark.requirement("R-56", "T-21")
async def test_two_gateways_of_one_name_both_raise_the_alarm_that_says_what_to_do(
    tmp_path: Path,
) -> None:
    first, second = RecordingTelemetry(), RecordingTelemetry()
    async with (
        mosquitto(tmp_path) as broker,
        running(new_publisher(broker.port, first)),
        running(new_publisher(broker.port, second), connected=False),
    ):
        alarms = [await telemetry.wait(BrokerDuplicate) for telemetry in (first, second)]
    for alarm in alarms:
        assert "somebody else uses our name" in alarm.reason
        assert "its own store.gateway" in alarm.remedy
        assert "revoke" in alarm.remedy


@pytest.mark.requirement("R-56", "T-21")
async def test_two_gateways_with_one_account_are_noticed_where_it_is_taken_for_the_client_id(
    tmp_path: Path,
) -> None:
    first, second = RecordingTelemetry(), RecordingTelemetry()
    door_2 = replace(STORE, gateway="door-2")
    settings = MqttSettings(username="acme-fi-0042-door-1", password_file=None)
    async with mosquitto(tmp_path, "use_username_as_clientid true") as broker:
        on_this = replace(settings, port=broker.port)
        async with (
            running(MqttPublisher(on_this, STORE, emit=first.emit, chance=lambda: 0.01)),
            running(
                MqttPublisher(on_this, door_2, emit=second.emit, chance=lambda: 0.01),
                connected=False,
            ),
        ):
            for telemetry in (first, second):
                assert "same certificate" in (await telemetry.wait(BrokerDuplicate)).remedy


@pytest.mark.requirement("R-56")
async def test_a_broker_that_is_restarted_again_and_again_is_no_twin(tmp_path: Path) -> None:
    telemetry = RecordingTelemetry()
    async with (
        mosquitto(tmp_path) as broker,
        running(new_publisher(broker.port, telemetry)) as publisher,
    ):
        for number in range(1, 4):
            await broker.stop()
            await telemetry.wait(BrokerUnreachable, number)
            await broker.start()
            await asyncio.wait_for(publisher.connected(), 10)
    assert len(telemetry.of(BrokerLost)) == 3
    assert telemetry.of(BrokerDuplicate) == []


@pytest.mark.requirement("R-56")
async def test_ten_restarts_of_the_broker_that_nobody_sees_it_away_in_are_no_twin(
    tmp_path: Path,
) -> None:
    telemetry = RecordingTelemetry()
    async with mosquitto(tmp_path) as broker:
        publisher = new_publisher(broker.port, telemetry, reconnect_max_s=1)
        publisher._chance = lambda: 0.6  # the broker is back before we are
        async with running(publisher):
            for number in range(1, 11):
                await broker.kill()
                await broker.start()
                await telemetry.wait(BrokerConnected, number + 1)
    assert len(telemetry.of(BrokerLost)) == 10
    assert telemetry.of(BrokerUnreachable) == []
    assert telemetry.of(BrokerDuplicate) == []


@pytest.mark.requirement("R-56")
async def test_two_gateways_of_one_name_are_noticed_and_slow_down(tmp_path: Path) -> None:
    telemetry = RecordingTelemetry()
    async with (
        mosquitto(tmp_path) as broker,
        running(new_publisher(broker.port, telemetry)),
        running(new_publisher(broker.port), connected=False),
    ):
        await telemetry.wait(BrokerLost, 3)
    assert "its own store.gateway" not in telemetry.of(BrokerLost)[0].remedy
    assert "its own store.gateway" in telemetry.of(BrokerLost)[2].remedy


@pytest.mark.requirement("R-52")
@pytest.mark.parametrize(
    "callback", ["_on_connect", "_on_publish", "_on_socket_open", "_on_disconnect"]
)
async def test_an_exception_in_a_callback_ends_the_connection_in_sight_and_the_next_one_works(
    callback: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    telemetry, sound = RecordingTelemetry(), getattr(Connection, callback)
    faults = iter([RuntimeError("a fault of ours")])

    def faulty(self: Connection, *values: object) -> None:
        for fault in faults:
            raise fault
        sound(self, *values)

    monkeypatch.setattr(Connection, callback, faulty)
    async with mosquitto(tmp_path) as broker:
        publisher = new_publisher(broker.port, telemetry)
        async with running(publisher, connected=False):
            if callback == "_on_disconnect":
                await asyncio.wait_for(publisher.connected(), 10)
                await broker.stop()
                await telemetry.wait(BrokerLost)
                await broker.start()
            await asyncio.wait_for(publisher.connected(), 10)
            await publish_to_nobody(publisher, message())
    assert publisher.counters.faults == 1
    assert any(
        "RuntimeError: a fault of ours" in event.reason
        for event in telemetry.of(BrokerLost, BrokerUnreachable)
    )


@pytest.mark.requirement("R-52")
async def test_an_exception_on_an_incoming_message_ends_the_connection_in_sight(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(_self: Connection, *_values: object) -> None:
        raise RuntimeError("a fault of ours")

    telemetry = RecordingTelemetry()
    monkeypatch.setattr(Connection, "_on_message", faulty)
    async with (
        mosquitto(tmp_path) as broker,
        running(new_publisher(broker.port, telemetry)) as publisher,
    ):
        await publisher.subscribe("ctl/a", lambda *_: None)
        with contextlib.suppress(BrokerError):
            await publisher.publish(message(topic="ctl/a"))
        await telemetry.wait(BrokerLost)
        await asyncio.wait_for(publisher.connected(), 10)


async def test_descriptors_do_not_add_up_over_connections_even_without_the_garbage_collector(
    tmp_path: Path,
) -> None:
    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208

    telemetry, broker = RecordingTelemetry(), Mosquitto(tmp_path)
    await broker.start()
    gc.collect()
    gc.disable()
    try:
        before = descriptors()
        for _ in range(20):
            async with running(new_publisher(broker.port, telemetry)):
                pass
        await broker.stop()
        publisher = new_publisher(broker.port, telemetry, reconnect_max_s=1)
        async with running(publisher, connected=False):
            await telemetry.wait(BrokerUnreachable, 20)
        await asyncio.sleep(0.05)
        assert descriptors() <= before
    finally:
        gc.enable()
        await broker.stop()


async def test_the_password_comes_from_its_file_and_a_wrong_one_is_told(tmp_path: Path) -> None:
    accounts, secret = tmp_path / "accounts", tmp_path / "secret"
    secret.write_text("right one\n")
    hashed = await asyncio.create_subprocess_exec(
        "mosquitto_passwd", "-b", "-c", accounts, "door-1", "right one"
    )
    assert await hashed.wait() == 0
    telemetry = RecordingTelemetry()
    lines = ("allow_anonymous false", f"password_file {accounts}")
    async with mosquitto(tmp_path, *lines) as broker:
        async with running(
            new_publisher(broker.port, telemetry, username="door-1", password_file=secret)
        ) as publisher:
            assert publisher.is_connected
        secret.write_text("wrong one\n")
        publisher = new_publisher(broker.port, telemetry, username="door-1", password_file=secret)
        async with running(publisher, connected=False):
            event = await telemetry.wait(BrokerRefused)
            assert (event.reason_code, "mqtt.username" in event.remedy) == (0x87, True)
            secret.write_text("right one\n")  # read anew at each attempt
            await asyncio.wait_for(publisher.connected(), 10)
    assert "one" not in str([event.fields() for event in telemetry.events])


def test_a_missing_password_file_is_named_before_the_daemon_starts(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"mqtt\.password_file: .*nowhere.*no such file"):
        new_publisher(1, username="door-1", password_file=tmp_path / "nowhere")


async def test_a_subscription_to_everything_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="name the topic"):
        await new_publisher(1).subscribe("presence/#", lambda *_: None)
