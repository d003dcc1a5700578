"""Several brokers: the next one where one is lost, whichever way it goes, and no event with it."""

import asyncio
import contextlib
import json
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from presence.config.settings import HostOrder, MqttSettings, TlsSettings
from presence.edges.mqtt.brokers import Broker, Brokers, look_up
from presence.edges.mqtt.pace import MqttPace
from presence.edges.mqtt.publisher import MqttPublisher
from presence.gateway.relay import Relay
from presence.telemetry import BrokerConnected, BrokerUnreachable
from tests.support.brokers import FakeBroker, Mosquitto, listener, mosquitto, needs_mosquitto
from tests.support.builders import ANNA, BERIT, CARL, a_list, approach, consent, rules, standing
from tests.support.certificates import Authority, tls_lines
from tests.support.fakes import FakeClock, MemoryStore, RecordingTelemetry
from tests.support.mqtt_parts import EVENTS, STORE, message, new_publisher, running, state_of
from tests.support.small import SmallPipeline

FIRST, SECOND = "127.0.0.1", "127.0.0.2"
FAIL_OVER_S = 5.0


async def as_it_is(name: str, _port: int) -> list[str]:
    return [name]


def brokers(*hosts: str, order: HostOrder = HostOrder.LISTED, chance: float = 0.5) -> Brokers:
    return Brokers(MqttSettings(hosts=list(hosts), host_order=order), lambda: chance, as_it_is)


async def tried(some: Brokers, count: int) -> list[str]:
    return [(await some.next()).name for _ in range(count)]


async def test_one_host_alone_is_a_round_by_itself() -> None:
    alone = Brokers(MqttSettings(host="a"), lambda: 0.5, as_it_is)
    for _ in range(2):
        assert await alone.next() == Broker("a", "a")
        assert alone.round_is_over
    assert not alone.several


async def test_they_are_tried_in_order_and_each_once_in_a_round() -> None:
    three = brokers("a", "b", "c")
    assert await tried(three, 2) == ["a", "b"]
    assert not three.round_is_over
    assert await tried(three, 1) == ["c"]
    assert three.round_is_over
    assert await tried(three, 3) == ["a", "b", "c"]


async def test_after_a_loss_the_first_of_the_others_is_tried_and_the_lost_one_last() -> None:
    three = brokers("a", "b", "c")
    await three.next()
    three.begin_anew()
    assert await tried(three, 1) == ["b"]
    three.begin_anew()
    assert await tried(three, 3) == ["a", "c", "b"]


async def test_by_chance_gateways_spread_over_all_and_the_lost_one_still_comes_last() -> None:
    draws = iter([0.7, 0.2, 0.4, 0.9, 0.8, 0.1])
    settings = MqttSettings(hosts=["a", "b", "c"], host_order=HostOrder.RANDOM)
    some = Brokers(settings, lambda: next(draws), as_it_is)
    assert await tried(some, 1) == ["b"]
    some.begin_anew()
    assert await tried(some, 3) == ["c", "a", "b"]


async def test_each_address_of_a_name_is_a_broker_and_they_are_looked_up_anew() -> None:
    answers = iter([["192.0.2.1", "192.0.2.2"], OSError("no name server"), ["192.0.2.3"]])

    async def dns(_name: str, _port: int) -> list[str]:
        answer = next(answers)
        if isinstance(answer, OSError):
            raise answer
        return answer

    named = Brokers(MqttSettings(host="mqtt.example"), lambda: 0.5, dns)
    found = [await named.next() for _ in range(5)]
    assert {broker.name for broker in found} == {"mqtt.example"}
    assert [broker.address[-1] for broker in found] == ["1", "2", "1", "2", "3"]


async def test_a_name_that_nobody_knows_is_tried_itself_so_that_its_failure_is_told() -> None:
    async def dns(_name: str, _port: int) -> list[str]:
        raise OSError("no name server")

    named = Brokers(MqttSettings(host="mqtt.example"), lambda: 0.5, dns)
    assert await named.next() == Broker("mqtt.example", "mqtt.example")


async def test_the_resolver_gives_each_address_once() -> None:
    assert await look_up("127.0.0.1", 1883) == ["127.0.0.1"]
    try:
        socket.getaddrinfo("localhost", 1883)
    except OSError:
        pytest.skip("this machine has no name for itself: /etc/hosts")
    assert FIRST in await look_up("localhost", 1883)


# ---------------------------------------------------------------- two real brokers


@contextlib.asynccontextmanager
async def two(folder: Path) -> AsyncIterator[tuple[Mosquitto, Mosquitto]]:
    """On two addresses of this machine, on one port."""
    (folder / "first").mkdir()
    (folder / "second").mkdir()
    first = Mosquitto(folder / "first")
    second = Mosquitto(folder / "second", port=first.port, address=SECOND)
    await first.start()
    await second.start()
    try:
        yield first, second
    finally:
        await first.stop()
        await second.stop()


def on_both(port: int, telemetry: RecordingTelemetry) -> MqttPublisher:
    """With pauses as long as they can be."""
    settings = MqttSettings(hosts=[FIRST, SECOND], port=port, acknowledge_timeout_s=1)
    return MqttPublisher(settings, STORE, state=state_of, emit=telemetry.emit, chance=lambda: 1.0)


@needs_mosquitto
@pytest.mark.requirement("R-53", "R-58")
@pytest.mark.parametrize("way", [signal.SIGKILL, signal.SIGSTOP])
async def test_where_a_broker_is_lost_its_events_go_to_the_next_within_seconds_and_under_their_ids(
    way: signal.Signals, tmp_path: Path
) -> None:
    telemetry, clock = RecordingTelemetry(), FakeClock()
    pipeline = SmallPipeline(rules(), MemoryStore(), emit=telemetry.emit)
    pipeline.apply(
        a_list(*(consent(ref=ref) for ref in (ANNA, BERIT, CARL))), standing(), clock.now()
    )

    def come_in(ref: bytes) -> None:
        for heard in approach(clock.now(), ref=ref):
            pipeline.receive(heard)
        clock.pass_s(8)

    async with two(tmp_path) as (first, second), running(on_both(first.port, telemetry)) as link:
        relay = Relay(pipeline, link, clock, emit=telemetry.emit, retry_s=0.05)
        async with (
            listener(second.port, EVENTS, host=SECOND) as after,
            asyncio.TaskGroup() as tasks,
        ):
            relaying = tasks.create_task(relay.run())
            async with listener(first.port, EVENTS) as before:
                come_in(ANNA)
                await asyncio.wait_for(before.get(), 5)
            assert first._process is not None
            first._process.send_signal(way)
            for ref in (BERIT, CARL):
                come_in(ref)
            ids = [waiting.id for waiting in pipeline.outbox.pending]
            started_s = asyncio.get_running_loop().time()
            arrived = [await asyncio.wait_for(after.get(), 10) for _ in ids]
            took_s = asyncio.get_running_loop().time() - started_s
            async with asyncio.timeout(5):  # the last acknowledgement may come after the event
                while pipeline.outbox.pending.records:  # noqa: ASYNC110 - a moment of a test
                    await asyncio.sleep(0.01)
            relaying.cancel()
            with contextlib.suppress(ProcessLookupError):  # it was killed
                first._process.send_signal(signal.SIGCONT)
        assert [json.loads(heard.payload)["id"] for heard in arrived] == ids
        assert after.empty()
        assert pipeline.published == 3
    hosts = [event.host for event in telemetry.of(BrokerConnected)]
    assert hosts in ([FIRST, SECOND], [FIRST])  # a message waited: told by the hour
    assert took_s < FAIL_OVER_S


async def test_a_broker_that_takes_connections_and_never_answers_costs_one_hop() -> None:
    telemetry = RecordingTelemetry()

    async def dns(_name: str, _port: int) -> list[str]:
        return ["127.0.0.3", FIRST]

    async def silent(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await _reader.read()
        writer.close()

    async with FakeBroker().running() as broker:
        mute = await asyncio.start_server(silent, "127.0.0.3", broker.port)
        publisher = MqttPublisher(
            MqttSettings(host="mqtt.example", port=broker.port),
            STORE,
            emit=telemetry.emit,
            chance=lambda: 0.01,
            pace=MqttPace(hop_s=0.2),
            look_up=dns,
        )
        async with running(publisher):
            await publisher.publish(message())
        mute.close()
        await mute.wait_closed()
    assert len(telemetry.of(BrokerUnreachable)) == 1


@needs_mosquitto
@pytest.mark.parametrize("signed", ["127.0.0.9", FIRST])
async def test_the_certificate_must_bear_the_name_and_not_the_address_behind_it(
    signed: str, tmp_path: Path
) -> None:
    authority, telemetry = Authority(tmp_path, "ours"), RecordingTelemetry()
    name = "127.0.0.9"

    async def dns(_name: str, _port: int) -> list[str]:
        return [FIRST]

    async with mosquitto(tmp_path, *tls_lines(authority, address=signed)) as broker:
        publisher = MqttPublisher(
            MqttSettings(hosts=[name], port=broker.port, tls=TlsSettings(ca_file=authority.file)),
            STORE,
            emit=telemetry.emit,
            look_up=dns,
        )
        async with running(publisher, connected=False):
            if signed == name:
                await asyncio.wait_for(publisher.connected(), 5)
            else:
                await telemetry.wait(BrokerUnreachable)
                assert "mqtt.hosts" in telemetry.of(BrokerUnreachable)[0].remedy


async def test_brokers_that_all_answer_late_are_given_their_time_in_the_next_round() -> None:
    """A name with an IPv4 and an IPv6 address is two of them, and a slow line is no dead broker."""

    async def dns(_name: str, _port: int) -> list[str]:
        return [FIRST, FIRST]

    async with FakeBroker(connack_delay_s=0.5).running() as broker:
        publisher = MqttPublisher(
            MqttSettings(host="mqtt.example", port=broker.port),
            STORE,
            emit=RecordingTelemetry().emit,
            chance=lambda: 0.01,
            pace=MqttPace(hop_s=0.1),
            look_up=dns,
        )
        async with running(publisher):
            await publisher.publish(message())
        assert broker.connections == 3


async def test_with_one_broker_nothing_hurries() -> None:
    async with FakeBroker().running() as broker, running(new_publisher(broker.port)) as publisher:
        assert not publisher._brokers.several
