"""radio.path kernel: bluetoothd scans for nobody, and customers are heard beside it; without the
helper by BlueZ, as before, and that is told once.
"""

import asyncio
import errno
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from presence.config.settings import HearingPath, RadioMode
from presence.core.recognition.beacons import eddystone
from presence.core.recognition.beacons.eddystone import SERVICE_UUID
from presence.edges.bluez.choice import ScanPolicy, choose
from presence.edges.bluez.connection import Bluez
from presence.edges.bluez.kernel_path import for_nobody
from presence.edges.bluez.version import BluezVersion
from presence.edges.kernel.descriptor import ask
from presence.telemetry import RadioPathRefused, RadioScanning
from tests.support.fake_bluez import FakeAdapter, FakeBluetoothd, a_bluetoothd
from tests.support.radio_helpers import FakeKernel, a_helper
from tests.support.scanners import EID, HURRY, PHONE, a_host, hears, running, until

pytestmark = pytest.mark.skipif(
    shutil.which("dbus-daemon") is None,
    reason="dbus-daemon is not installed: apt install dbus-daemon",
)

E1 = eddystone.payload(bytes(8), tx_power_dbm=-18)
CUSTOMER = bytes.fromhex("4a1122334455")
MODES = pytest.mark.parametrize("mode", [RadioMode.ACTIVE, RadioMode.PASSIVE])


def options(folder: Path, mode: RadioMode = RadioMode.ACTIVE) -> dict[str, Any]:
    return {
        "policy": ScanPolicy(mode=mode),
        "ask": partial(ask, "monitor", path=folder / "socket"),
        "host": a_host(BluezVersion(5, 82)),
    }


async def restart(bluez: FakeBluetoothd, bus: str) -> None:
    await bluez.stop()
    await bluez.start(bus)


def says_of_bluez(bluez: FakeBluetoothd) -> None:
    """A customer and a stranger on air, as bluetoothd hears them."""
    bluez.advertise(PHONE, -60, uuids=(SERVICE_UUID,), service_data={SERVICE_UUID: EID})
    bluez.advertise("4A:00:00:00:00:01", -60, uuids=("0000180f-0000-1000-8000-00805f9b34fb",))


@MODES
@pytest.mark.requirement("R-02", "R-04")
async def test_customers_come_from_the_kernel_and_nobody_from_bluetoothd(
    bus: str, tmp_path: Path, mode: RadioMode
) -> None:
    async with a_bluetoothd(bus) as bluez:
        with a_helper(tmp_path / "socket", FakeKernel()) as kernel:
            async with running(**options(tmp_path, mode)) as radio:
                told = await radio.telemetry.wait(RadioScanning)
                says_of_bluez(bluez)
                kernel.report(b"\x02\x01\x06", address=bytes(6))
                kernel.report(E1, address=CUSTOMER, rssi_dbm=-55)
                await until(lambda: bool(radio.heard))
                await asyncio.sleep(0.1)
                assert not bluez.adapters["hci0"].devices
                assert radio.scanner.path is HearingPath.KERNEL
                assert radio.scanner.heard == 1
    assert (told.path, told.mode) == ("kernel", mode.value)
    (heard,) = radio.heard
    assert (heard.address, heard.rssi_dbm, heard.antenna) == (CUSTOMER, -55, "hci0")
    assert eddystone.FORMAT.identify(heard) == bytes(8)
    assert not radio.telemetry.of(RadioPathRefused)


async def test_without_the_helper_bluez_tells_us_and_that_is_told_once(
    bus: str, tmp_path: Path
) -> None:
    async with a_bluetoothd(bus) as bluez, running(**options(tmp_path)) as radio:
        assert radio.scanner.path_trouble == ""
        refused = await radio.telemetry.wait(RadioPathRefused)
        assert "systemctl enable --now presence-radio.socket" in refused.next_step
        await hears(bluez, radio)
        assert radio.scanner.path is HearingPath.BLUEZ
        assert radio.scanner.path_trouble == refused.reason
        await restart(bluez, bus)
        await radio.telemetry.wait(RadioScanning, 2)
        assert [each.path for each in radio.telemetry.of(RadioScanning)] == ["bluez", "bluez"]
        assert len(radio.telemetry.of(RadioPathRefused)) == 1


async def test_each_scan_tries_the_kernel_anew_and_another_reason_is_told_again(
    bus: str, tmp_path: Path
) -> None:
    kernel = FakeKernel(refuses={"monitor": errno.EPERM})
    async with a_bluetoothd(bus) as bluez:
        with a_helper(tmp_path / "socket", kernel):
            async with running(**options(tmp_path)) as radio:
                refused = await radio.telemetry.wait(RadioPathRefused)
                assert refused.reason == "hci0: bind: EPERM"
                await radio.telemetry.wait(RadioScanning)
                kernel.refuses["monitor"] = errno.ENOPROTOOPT
                await restart(bluez, bus)
                await radio.telemetry.wait(RadioPathRefused, 2)
                await radio.telemetry.wait(RadioScanning, 2)
                kernel.refuses.clear()
                await restart(bluez, bus)
                await radio.telemetry.wait(RadioScanning, 3)
                assert radio.scanner.path is HearingPath.KERNEL
                assert radio.scanner.path_trouble == ""
                kernel.report(E1)
                await until(lambda: bool(radio.heard))


async def test_an_adapter_that_comes_back_under_another_number_is_heard_by_that(
    bus: str, tmp_path: Path
) -> None:
    address = "00:00:5E:00:53:01"
    async with a_bluetoothd(bus) as bluez:
        with a_helper(tmp_path / "socket", FakeKernel()) as kernel:
            async with running(**{**options(tmp_path), "adapter": address}) as radio:
                await radio.telemetry.wait(RadioScanning)
                bluez.unplug("hci0")
                kernel.there[0] = kernel.there[0]._replace(hci="hci3")
                bluez.plug("hci3", FakeAdapter(address=address))
                await radio.telemetry.wait(RadioScanning, 2)
                kernel.report(E1, index=0)
                kernel.report(E1, index=3, rssi_dbm=-44)
                await until(lambda: bool(radio.heard))
                assert [each.rssi_dbm for each in radio.heard] == [-44]
    assert kernel.opened_for == [("monitor", 0), ("monitor", 3)]


async def test_a_monitor_that_the_kernel_refuses_gives_way_to_an_active_scan_for_nobody(
    bus: str, tmp_path: Path
) -> None:
    async with a_bluetoothd(bus, hci0=FakeAdapter(refuses_monitors="release")):
        with a_helper(tmp_path / "socket", FakeKernel()) as kernel:
            async with running(**options(tmp_path, RadioMode.AUTO)) as radio:
                told = await radio.telemetry.wait(RadioScanning)
                kernel.report(E1)
                await until(lambda: bool(radio.heard))
                await asyncio.sleep(0.05)
                assert len(radio.heard) == 1  # by one descriptor
    assert (told.path, told.mode) == ("kernel", "active")


def test_a_scan_for_nobody_has_another_uuid_each_time_so_that_none_can_be_made_to_match() -> None:
    policy = ScanPolicy(mode=RadioMode.ACTIVE)
    uuids = {for_nobody(policy).filters[0].service_uuids for _ in range(20)}
    assert len(uuids) == 20


@pytest.mark.parametrize("version", [None, *(BluezVersion(5, n) for n in (66, 69, 82, 87))])
@MODES
async def test_a_scan_for_nobody_can_be_had_with_every_bluez_and_exposes_nobody(
    bus: str, mode: RadioMode, version: BluezVersion | None
) -> None:
    """Also where bluetoothd cannot be given our patterns or our UUIDs."""
    async with a_bluetoothd(bus), Bluez.connect(HURRY) as bluez:
        policy = for_nobody(ScanPolicy(mode=mode))
        choice = await choose(policy, bluez, "hci0", host=a_host(version))
    assert (choice.mode, choice.exposure) == (mode, None)
