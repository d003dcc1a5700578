"""The broker of the demo: either kind, and what is said when there is none."""

import asyncio
import errno
import importlib.util
import shutil
import socket
import stat
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from presence.config.settings import MqttProtocol
from presence.edges.mqtt.pace import MqttPace
from presence.errors import BrokerError
from presence.simulation import local_broker
from presence.simulation.local_broker import Kind, LocalBroker
from presence.telemetry import BrokerUnreachable
from tests.support.brokers import needs_mosquitto
from tests.support.fakes import RecordingTelemetry
from tests.support.mqtt_parts import message, new_publisher, running
from tests.support.scanners import until

needs_amqtt = pytest.mark.skipif(
    importlib.util.find_spec("amqtt") is None,
    reason="amqtt is not installed: pip install 'presence[demo]'",
)
EITHER = pytest.mark.parametrize(
    ("kind", "protocol"),
    [
        pytest.param("mosquitto", MqttProtocol.V5, marks=needs_mosquitto),
        pytest.param("embedded", MqttProtocol.V311, marks=needs_amqtt),
    ],
)


@EITHER
async def test_a_message_goes_out_and_comes_back(kind: Kind, protocol: MqttProtocol) -> None:
    got = asyncio.Queue[bytes]()
    async with LocalBroker.start(kind) as broker:
        assert (broker.kind, broker.protocol, broker.host) == (kind, protocol, "127.0.0.1")
        async with running(new_publisher(broker.port, protocol=broker.protocol)) as publisher:
            await publisher.subscribe(
                "ctl/a", lambda _topic, payload, _retained: got.put_nowait(payload)
            )
            await publisher.publish(message(topic="ctl/a", payload=b"hello"))
            assert await asyncio.wait_for(got.get(), 5) == b"hello"


@EITHER
async def test_the_broker_is_gone_when_the_block_is_left(
    kind: Kind, protocol: MqttProtocol
) -> None:
    async with LocalBroker.start(kind) as broker:
        pass
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(broker.host, broker.port)


@EITHER
async def test_the_broker_is_gone_when_the_block_raises(kind: Kind, protocol: MqttProtocol) -> None:
    async def fail() -> AsyncIterator[LocalBroker]:
        async with LocalBroker.start(kind) as broker:
            yield broker
            raise ZeroDivisionError

    brokers = fail()
    broker = await anext(brokers)
    with pytest.raises(ZeroDivisionError):
        await anext(brokers)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(broker.host, broker.port)


def refuses(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == errno.ECONNREFUSED


STARTS_ONE = """
import asyncio, sys
from presence.simulation.local_broker import LocalBroker
async def main():
    async with LocalBroker.start(sys.argv[1]) as broker:
        print(broker.port, flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""


@EITHER
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="no setpriv: apt install util-linux")
async def test_the_broker_is_gone_when_whoever_started_it_was_killed(
    kind: Kind, protocol: MqttProtocol
) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", STARTS_ONE, kind, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    port = int(await process.stdout.readline())
    process.kill()
    await process.wait()
    await until(lambda: refuses(port), 60)


@EITHER
async def test_what_is_lost_is_said_in_a_sentence(kind: Kind, protocol: MqttProtocol) -> None:
    sentence = LocalBroker(kind, protocol, 1).loses
    assert (sentence == "") is (protocol is MqttProtocol.V5)
    assert kind == "mosquitto" or all(
        word in sentence for word in ("reason codes", "message expiry", "content type")
    )


@needs_amqtt
async def test_mqtt_5_to_the_embedded_broker_fails_with_the_remedy() -> None:
    """amqtt stumbles over the properties of our CONNECT and does not answer at all."""
    telemetry = RecordingTelemetry()
    async with LocalBroker.start("embedded") as broker:
        publisher = new_publisher(
            broker.port, telemetry, pace=MqttPace(tcp_s=0.1), acknowledge_timeout_s=0.3
        )
        async with running(publisher, connected=False):
            event = await telemetry.wait(BrokerUnreachable)
    assert 'mqtt.protocol: "3.1.1"' in event.remedy


@needs_mosquitto
async def test_mosquitto_is_taken_where_it_is_installed() -> None:
    async with LocalBroker.start() as broker:
        assert broker.kind == "mosquitto"


@needs_amqtt
async def test_the_embedded_broker_is_taken_where_mosquitto_is_not_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(local_broker, "find_mosquitto", lambda: None)
    async with LocalBroker.start() as broker:
        assert broker.kind == "embedded"


async def test_without_mosquitto_its_preference_is_refused_with_the_next_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(local_broker, "find_mosquitto", lambda: None)
    with pytest.raises(BrokerError, match="apt install mosquitto"):
        async with LocalBroker.start("mosquitto"):
            pass


async def test_a_broker_that_does_not_start_is_shown_with_the_end_of_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "mosquitto"
    broken.write_text("#!/bin/sh\necho 'Error: the sky fell down' >&2\nexit 3\n")
    broken.chmod(broken.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(local_broker, "find_mosquitto", lambda: broken)
    with pytest.raises(BrokerError, match="the sky fell down"):
        async with LocalBroker.start("mosquitto"):
            pass


async def test_a_broker_that_is_slow_is_not_begun_anew_and_the_machine_is_suspected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, starts = tmp_path / "mosquitto", tmp_path / "starts"
    slow.write_text(f"#!/bin/sh\necho once >>{starts}\nexec sleep 60\n")
    slow.chmod(slow.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(local_broker, "find_mosquitto", lambda: slow)
    with pytest.raises(BrokerError, match="very busy"):
        async with LocalBroker.start("mosquitto", within_s=2):
            pass
    assert starts.read_text() == "once\n"


def test_mosquitto_is_found_outside_of_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = local_broker.find_mosquitto()
    assert found is None or found.parent.name == "sbin"
