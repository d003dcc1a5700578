"""`presence satellite` as systemd starts it, with a bluetoothd of the tests and a real broker."""

import asyncio
import contextlib
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from presence.core.recognition.advertisement import plausible_rssi_dbm
from presence.core.recognition.beacons.eddystone import SERVICE_UUID
from presence.core.recognition.satellite_guard import SatelliteGuard
from presence.core.recognition.satellite_message import (
    SatelliteMessage,
    decode_heard,
    encode_nonce,
    topic_of_heard,
    topic_of_nonce,
)
from presence.edges.mqtt.publisher import MqttPublisher
from tests.support.brokers import Mosquitto, mosquitto, needs_mosquitto
from tests.support.builders import SITE, moment
from tests.support.fake_advertising import a_bus
from tests.support.fake_bluez import FakeAdapter, FakeBluetoothd, a_bluetoothd
from tests.support.fake_satellite import PAVEMENT, PAVEMENT_KEY
from tests.support.mqtt_parts import new_publisher, running
from tests.support.paths import ROOT
from tests.support.scanners import EID, PHONE

pytestmark = [
    needs_mosquitto,
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("dbus-daemon") is None, reason="dbus-daemon is not installed"),
]
NONCE = b"nonce--1"
STRANGER = "4A:99:88:77:66:55"


def written(folder: Path, port: int) -> Path:
    """The file of a satellite, and its key."""
    (folder / "satellite.key").write_text(PAVEMENT_KEY.hex())
    file = folder / "satellite.yaml"
    file.write_text(
        "satellite: {chain: acme, store: fi-0042, name: pavement, key_file: satellite.key,"
        f" runtime_dir: run}}\nmqtt: {{port: {port}, reconnect_max_s: 1}}\n"
        "radio: {mode: active, adapter: hci0}\nlog: {format: json}\n"
    )
    return file


class AtTheGateway:
    """What its gateway does, and what comes of it."""

    def __init__(self, link: MqttPublisher) -> None:
        self._link = link
        self.messages: asyncio.Queue[SatelliteMessage] = asyncio.Queue()
        self.raw: list[bytes] = []
        self.guard = SatelliteGuard()

    async def listen(self) -> None:
        await self._link.subscribe(topic_of_heard(SITE, PAVEMENT), self._take)

    async def ask(self, nonce: bytes = NONCE) -> None:
        self.guard.give(nonce)
        await self._link.send(topic_of_nonce(SITE, PAVEMENT), encode_nonce(nonce))

    async def next(self, *, readings: bool) -> SatelliteMessage:
        """The next one with readings, or the next heartbeat."""
        async with asyncio.timeout(20):
            while True:
                message = await self.messages.get()
                if bool(message.readings) is readings:
                    return message

    def _take(self, _topic: str, payload: bytes, retained: bool) -> None:
        assert not retained
        heard = decode_heard(payload, PAVEMENT_KEY, SITE, PAVEMENT)
        assert isinstance(heard, SatelliteMessage)
        now_s = moment(asyncio.get_running_loop().time()).monotonic_s
        assert self.guard.admit(heard, now_s) is None
        self.raw.append(payload)
        self.messages.put_nowait(heard)


@contextlib.asynccontextmanager
async def satellite(
    folder: Path, port: int, bus: Path
) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "presence", "satellite", "--config", written(folder, port),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={bus}",
        },
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
            await process.communicate()


@contextlib.asynccontextmanager
async def _stage(
    tmp_path: Path,
) -> AsyncIterator[tuple[Mosquitto, FakeBluetoothd, AtTheGateway, asyncio.subprocess.Process]]:
    async with (
        mosquitto(tmp_path) as broker,
        a_bus(tmp_path) as bus,
        a_bluetoothd(bus, hci0=FakeAdapter()) as bluez,
        running(new_publisher(broker.port)) as link,
    ):
        gateway = AtTheGateway(link)
        await gateway.listen()
        async with satellite(tmp_path, broker.port, tmp_path / "bus") as process:
            yield broker, bluez, gateway, process


async def _asked(gateway: AtTheGateway) -> None:
    """Return with its first heartbeat: it has a nonce, and its radio listens."""
    async with asyncio.timeout(30):
        while gateway.messages.empty():
            await gateway.ask(os.urandom(8))
            await asyncio.sleep(0.5)


def _on_air(bluez: FakeBluetoothd) -> None:
    """A customer's phone, and a stranger's earbuds."""
    bluez.advertise(PHONE, -61, uuids=(SERVICE_UUID,), service_data={SERVICE_UUID: EID})
    bluez.advertise(STRANGER, -40, uuids=(SERVICE_UUID,), service_data={SERVICE_UUID: b"\x10\x00"})


@pytest.mark.requirement("R-01", "R-02")
async def test_it_hears_for_its_gateway_and_no_byte_of_a_stranger_or_of_an_address_leaves_it(
    tmp_path: Path,
) -> None:
    async with _stage(tmp_path) as (_broker, bluez, gateway, process):
        await _asked(gateway)
        async with asyncio.TaskGroup() as tasks:
            hearing = tasks.create_task(gateway.next(readings=True))
            while not hearing.done():
                _on_air(bluez)
                await asyncio.sleep(0.1)
        for reading in hearing.result().readings:
            assert reading.eid == EID[2:]
            assert plausible_rssi_dbm(reading.rssi_dbm) in (-61, -60, -62)
            assert reading.age_ms < 1000
        everything = b"".join(gateway.raw)
        for address in (PHONE, STRANGER):
            plain = bytes.fromhex(address.replace(":", ""))
            assert plain not in everything
            assert plain[::-1] not in everything
        process.terminate()
        out, err = await asyncio.wait_for(process.communicate(), 10)
        assert (process.returncode, err) == (0, b"")
        events = [json.loads(line)["event"] for line in out.splitlines()]
        assert "satellite.asked" in events
        assert EID[2:].hex() not in out.decode()
        assert PHONE not in out.decode()


async def test_while_its_radio_is_away_it_is_silent_and_afterwards_it_is_heard_again(
    tmp_path: Path,
) -> None:
    async with _stage(tmp_path) as (_broker, bluez, gateway, _process):
        await _asked(gateway)
        adapter = bluez.adapters["hci0"]
        bluez.unplug("hci0")
        await asyncio.sleep(3)
        while not gateway.messages.empty():
            gateway.messages.get_nowait()
        for _ in range(6):
            await gateway.ask(os.urandom(8))
            await asyncio.sleep(0.5)
        assert gateway.messages.empty()
        bluez.plug("hci0", adapter)
        await _asked(gateway)


async def test_after_a_restart_of_the_broker_it_is_heard_again(tmp_path: Path) -> None:
    async with _stage(tmp_path) as (broker, _bluez, gateway, _process):
        await _asked(gateway)
        await broker.stop()
        await broker.start()
        while not gateway.messages.empty():
            gateway.messages.get_nowait()
        await asyncio.wait_for(gateway._link.connected(), 20)
        await _asked(gateway)


@pytest.mark.requirement("R-16", "R-19")
async def test_unasked_it_does_not_scan_at_all(tmp_path: Path) -> None:
    async with _stage(tmp_path) as (_broker, bluez, gateway, _process):
        await asyncio.sleep(3)
        assert bluez.adapters["hci0"].starts == 0
        assert gateway.messages.empty()
        await _asked(gateway)
        assert bluez.adapters["hci0"].starts == 1


async def test_a_key_that_is_missing_is_told_with_78(tmp_path: Path) -> None:
    file = written(tmp_path, 1883)
    (tmp_path / "satellite.key").unlink()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "presence", "satellite", "--config", file,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    _out, err = await process.communicate()
    assert process.returncode == 78
    assert "satellite.key_file" in err.decode()
    assert "copy the file that its gateway has" in err.decode()
    assert "Traceback" not in err.decode()
