"""A people counter at the door: from its message through a real mosquitto with the shipped access
list to what an operator reads the day after.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from presence.assembly import gateway_of
from presence.config import Settings, parse_settings
from presence.core.operations.status import as_lines
from presence.core.visit.crossings import CounterRefusal, topic_of_counter
from presence.core.visit.entry_figures import DayCounts
from presence.edges.host.status_socket import FILE_NAME, ask
from presence.gateway.gateway import Gateway
from presence.ports import OnAdvertisement
from presence.telemetry import CounterRefused
from tests.support.brokers import mosquitto, needs_mosquitto
from tests.support.builders import HOUR_S, STORE_KEY
from tests.support.fakes import FakeClock, FakeNotifier, RecordingTelemetry
from tests.support.paths import ROOT
from tests.support.settings_texts import MINIMAL

TOPIC = topic_of_counter("acme", "fi-0042", "main")
NOT_AUTHORIZED = 0x87

pytestmark = needs_mosquitto


class Silence:
    """A radio that hears nobody."""

    async def run(self, on_advertisement: OnAdvertisement) -> None:
        await asyncio.Event().wait()


class Speaker:
    """A client of the broker under this name; says what the broker answered."""

    def __init__(self, port: int, user: str) -> None:
        self._answers: asyncio.Queue[int] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        self._client = client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        client.username_pw_set(user)
        client.on_publish = lambda *values: loop.call_soon_threadsafe(
            self._answers.put_nowait, values[3].value
        )
        client.connect("127.0.0.1", port)
        client.loop_start()

    async def say(self, payload: bytes | dict[str, Any]) -> int:
        data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        self._client.publish(TOPIC, data, 1)
        return await asyncio.wait_for(self._answers.get(), 5)

    async def close(self) -> None:
        self._client.disconnect()
        await asyncio.to_thread(self._client.loop_stop)


class Door:
    """A gateway at work, and whoever speaks at its broker."""

    def __init__(self, gateway: Gateway, settings: Settings, clock: FakeClock, port: int) -> None:
        self.clock = clock
        self._gateway = gateway
        self._socket = settings.storage.runtime_dir / FILE_NAME
        self.counter = Speaker(port, "counter-main")
        self.engine = Speaker(port, "engine-offers-main")

    @property
    def today(self) -> DayCounts:
        today = self._gateway.pipeline.engine.figures.today
        assert today is not None
        return today

    @property
    def refused(self) -> dict[CounterRefusal, int]:
        assert self._gateway.door_counter is not None
        return dict(self._gateway.door_counter.refused)

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not holds():  # noqa: ASYNC110 - a moment of a test
                await asyncio.sleep(0.02)

    async def status(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(await asyncio.to_thread(ask, self._socket, "status"))
        return answer


@contextlib.asynccontextmanager
async def a_door(folder: Path) -> AsyncIterator[tuple[Door, RecordingTelemetry]]:
    (folder / "store.key").write_text(STORE_KEY.hex())
    acl = ROOT / "config" / "mosquitto" / "acl"
    async with mosquitto(folder, f"acl_file {acl}") as broker:
        text = MINIMAL.replace("/etc/presence/store.key", "store.key").replace("door-1", "gw-1")
        text += (
            f"counter: {{door: main}}\nmqtt: {{port: {broker.port}, username: gw-1}}\n"
            "storage: {state_dir: state, runtime_dir: run}\n"
        )
        settings = parse_settings(text, name=str(folder / "presence.yaml"))
        telemetry, clock = RecordingTelemetry(), FakeClock()
        with ExitStack() as stack:
            gateway = gateway_of(
                settings, FakeNotifier(), stack, telemetry, sources=[Silence()], clock=clock
            )
            gateway.first_look_s = 0.1
            running = asyncio.create_task(gateway.run())
            await asyncio.wait_for(gateway.publisher.connected(), 10)
            door = Door(gateway, settings, clock, broker.port)
            try:
                yield door, telemetry
            finally:
                for speaker in (door.counter, door.engine):
                    await speaker.close()
                running.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await running


@pytest.mark.requirement("R-23", "R-27")
async def test_who_crossed_is_counted_by_the_day_and_nothing_else_is_accepted(
    tmp_path: Path,
) -> None:
    async with a_door(tmp_path) as (door, telemetry):
        for n in range(40):
            second = int(door.clock.pass_s(1).utc_s)
            assert await door.counter.say({"t": second, "in": 1, "out": int(n < 35)}) == 0
            await door.until(lambda n=n: door.today.inward == n + 1)
        second = int(door.clock.pass_s(1).utc_s)
        assert await door.engine.say({"t": second, "in": 1, "out": 0}) == NOT_AUTHORIZED
        for n in range(7):
            assert await door.counter.say({"t": second + n, "in": 1, "out": 0, "who": "Anna"}) == 0
        assert await door.counter.say(b"\xff") == 0
        assert await door.counter.say({"t": second - 60, "in": 1, "out": 0}) == 0
        await door.until(lambda: sum(door.refused.values()) == 9)
        assert door.refused == {CounterRefusal.MALFORMED: 8, CounterRefusal.UNTIMELY: 1}

        meanwhile = (await door.status())["entry"]
        counter = meanwhile["counter"]
        assert (meanwhile["day"], counter["in"], counter["out"]) == (None, None, None)
        assert set(counter["refused_hourly"].values()) == {0}

        door.clock.pass_s(10 * HOUR_S)
        await door.until(lambda: door.today.day.day == 24)
        status = await door.status()

        told = status["entry"]["counter"]
        assert (status["entry"]["day"], told["in"], told["out"]) == ("2026-11-23", 40, 35)
        assert (told["judged"], told["contradicted"]) == (None, None)
        assert status["entry"]["counted"] is None
        assert told["refused_hourly"]["malformed"] == 10
        assert any("that day in 40, out 35" in line for line in as_lines(status))
        (refused,) = telemetry.of(CounterRefused)
        assert (refused.reason, refused.count) == ("malformed", 10)
