"""A scanner at work on a bus of the test, and what it heard and told."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

from bleak.backends.bluezdbus import manager as bleak_manager

from presence.config.settings import RadioMode
from presence.core.recognition.advertisement import Advertisement
from presence.core.recognition.beacons.eddystone import SERVICE_UUID
from presence.edges.bluez.choice import ScanPolicy
from presence.edges.bluez.host import BluezHost
from presence.edges.bluez.pace import Pace
from presence.edges.bluez.scanner import BluezScanner
from presence.edges.bluez.version import BluezVersion
from tests.support.fake_bluez import FakeBluetoothd
from tests.support.fakes import E, FakeClock, RecordingTelemetry

PHONE = "4A:11:22:33:44:F5"
EID = bytes.fromhex("30ec0102030405060708")
HURRY = Pace(retry_s=0.05, look_s=0.05, health_s=0.05)


async def close_bleak() -> None:
    manager = bleak_manager._global_instances.pop(asyncio.get_running_loop(), None)
    if manager is not None and manager._bus is not None:
        manager._bus.disconnect()
        if manager._bus_watcher_task is not None:
            await asyncio.wait({manager._bus_watcher_task}, timeout=2)


def a_host(version: BluezVersion | None = None, **says: Any) -> BluezHost:
    """A machine on which this BlueZ runs."""
    return BluezHost(version=lambda: version, **says)


class Running:
    """A scanner at work, and what it heard and emitted."""

    def __init__(self, **options: Any) -> None:
        self.clock = FakeClock()
        self.telemetry = RecordingTelemetry()
        self.heard: list[Advertisement] = []
        wanted: dict[str, Any] = {
            "policy": ScanPolicy(mode=RadioMode.ACTIVE),
            "adapter": "hci0",
            "pace": HURRY,
        }
        self.scanner = BluezScanner(
            **{**wanted, **options}, clock=self.clock, emit=self.telemetry.emit
        )


async def until(true: Callable[[], bool], patience_s: float = 10) -> None:
    async with asyncio.timeout(patience_s):
        while not true():  # noqa: ASYNC110 - what is waited for is a state of several parts
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def running(**options: Any) -> AsyncIterator[Running]:
    radio = Running(**options)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(radio.scanner.run(radio.heard.append))
        try:
            yield radio
        finally:
            task.cancel()


async def hears(bluez: FakeBluetoothd, radio: Running, *, name: str = "hci0") -> None:
    """Return when a customer's advertisement has arrived."""
    before = len(radio.heard)

    def arrived() -> bool:
        bluez.advertise(
            PHONE, -60, name=name, uuids=(SERVICE_UUID,), service_data={SERVICE_UUID: EID}
        )
        return len(radio.heard) > before

    await until(arrived)


async def silence(radio: Running, true: Callable[[], bool]) -> None:
    """The shop's time passes, half a minute from look to look, until it is so. (How many minutes:
    tests/core.)
    """

    async def pass_time() -> None:
        while True:
            radio.clock.pass_s(30)
            await asyncio.sleep(1.5 * HURRY.health_s)

    async with asyncio.TaskGroup() as tasks:
        passing = tasks.create_task(pass_time())
        await until(true, patience_s=30)
        passing.cancel()


async def silence_emits(radio: Running, kind: type[E], times: int = 1) -> E:
    await silence(radio, lambda: len(radio.telemetry.of(kind)) >= times)
    return await radio.telemetry.wait(kind, times)
