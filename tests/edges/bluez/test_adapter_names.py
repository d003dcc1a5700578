"""An antenna is what the settings call it, whatever number its adapter has today."""

import asyncio
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from presence.config import load_settings
from presence.config.settings import AntennaSettings, BellSettings
from presence.core.recognition.beacons.eddystone import SERVICE_UUID
from presence.edges.bluez import adapters_now, adapters_of
from presence.edges.host import logs
from presence.edges.host.usb import usb_path_of
from presence.edges.radio.care import Means
from presence.edges.radio.ledger import Ledger
from presence.errors import RadioError, RadioFault
from presence.telemetry import RadioFailed, RadioRecovering, RadioScanning
from tests.support.fake_bluez import FakeAdapter, FakeBluetoothd, a_bluetoothd
from tests.support.paths import ROOT
from tests.support.scanners import EID, PHONE, Running, a_host, hears, running, silence_emits, until
from tests.support.shops import Shop

pytestmark = pytest.mark.skipif(
    shutil.which("dbus-daemon") is None,
    reason="dbus-daemon is not installed: apt install dbus-daemon",
)
INSIDE, DOOR = "00:1A:7D:DA:71:13", "00:00:5E:00:53:02"


def sticks() -> tuple[FakeAdapter, FakeAdapter]:
    return FakeAdapter(address=INSIDE), FakeAdapter(address=DOOR)


def swap(bluez: FakeBluetoothd) -> None:
    """Both go away and come back in the other order, as after a stumble of the USB hub."""
    first, second = bluez.unplug("hci0"), bluez.unplug("hci1")
    bluez.plug("hci0", second)
    bluez.plug("hci1", first)


@pytest.mark.requirement("R-61")
async def test_two_sticks_that_swap_numbers_in_mid_run_stay_the_antennas_they_were(
    bus: str,
) -> None:
    inside, door = sticks()
    async with (
        a_bluetoothd(bus, hci0=inside, hci1=door) as bluez,
        running(adapter=INSIDE.lower()) as within,
        running(adapter=DOOR) as at_door,
    ):
        await within.telemetry.wait(RadioScanning)
        await at_door.telemetry.wait(RadioScanning)
        swap(bluez)
        await within.telemetry.wait(RadioScanning, 2)
        await at_door.telemetry.wait(RadioScanning, 2)
        await hears(bluez, at_door, name="hci0")
        assert within.heard == []
        await hears(bluez, within, name="hci1")
    assert {heard.antenna for heard in at_door.heard} == {DOOR}
    assert {heard.antenna for heard in within.heard} == {INSIDE.lower()}
    assert [event.hci for event in at_door.telemetry.of(RadioScanning)] == ["hci1", "hci0"]
    assert {event.adapter for event in at_door.telemetry.of(RadioScanning, RadioFailed)} == {DOOR}


async def test_what_another_stick_hears_under_our_old_number_is_not_ours(bus: str) -> None:
    """bleak hands us what is found on hci0, whoever has it scan; and a look may take seconds."""
    ours, other = sticks()
    other.sessions["another client"] = {"UUIDs": [SERVICE_UUID]}
    async with a_bluetoothd(bus, hci0=ours) as bluez, running(adapter=INSIDE) as radio:
        await radio.telemetry.wait(RadioScanning)
        bluez.holds_answers = True
        bluez.unplug("hci0")
        await asyncio.sleep(0.1)  # no stick is back sooner
        bluez.plug("hci0", other)
        other.sessions["another client"] = {"UUIDs": [SERVICE_UUID]}
        for rssi_dbm in range(-60, -50):
            bluez.advertise(
                PHONE, rssi_dbm, uuids=(SERVICE_UUID,), service_data={SERVICE_UUID: EID}
            )
        await asyncio.sleep(0.3)
        assert other.devices
        assert radio.heard == []
        bluez.let_go()
        assert (await radio.telemetry.wait(RadioFailed)).reason == (
            f"{INSIDE} is not there; there: hci0 ({DOOR})"
        )


@pytest.mark.requirement("R-61")
async def test_a_stick_that_comes_back_under_another_number_is_found_by_its_address(
    bus: str,
) -> None:
    inside, _ = sticks()
    async with a_bluetoothd(bus, hci0=inside) as bluez, running(adapter=INSIDE) as radio:
        await radio.telemetry.wait(RadioScanning)
        bluez.plug("hci1", bluez.unplug("hci0"))
        await hears(bluez, radio, name="hci1")
    assert {heard.antenna for heard in radio.heard} == {INSIDE}
    assert radio.scanner.serves is not None
    assert radio.scanner.serves.name == "hci1"


async def test_an_adapter_is_found_by_its_usb_path_whichever_stick_is_in_that_socket(
    bus: str,
) -> None:
    sockets = {"hci0": "usb:1-1.3", "hci1": "usb:1-1.4"}
    inside, door = sticks()
    async with (
        a_bluetoothd(bus, hci0=inside, hci1=door) as bluez,
        running(adapter="usb:1-1.4", host=a_host(usb_path_of=sockets.__getitem__)) as radio,
    ):
        await radio.telemetry.wait(RadioScanning)
        sockets.update(hci0="usb:1-1.4", hci1="usb:1-1.3")
        swap(bluez)
        await hears(bluez, radio, name="hci0")
    assert {heard.antenna for heard in radio.heard} == {"usb:1-1.4"}


def in_sysfs(folder: Path, adapter: str, device: str | None) -> None:
    """/sys/class/bluetooth/hci0, a link to where the kernel keeps the controller."""
    kept = folder / "devices" / adapter
    kept.mkdir(parents=True)
    if device is not None:
        (kept / "device").symlink_to(Path("../..") / device)
    (folder / adapter).symlink_to(kept)


@pytest.mark.parametrize(
    ("device", "path"),
    [
        ("1-1.4:1.0", "usb:1-1.4"),
        ("2-1:1.0", "usb:2-1"),
        ("3-1.2.4.1:1.0", "usb:3-1.2.4.1"),
        ("serial0-0", ""),
        ("1-1.4", ""),
        (None, ""),
    ],
    ids=["hub", "root", "hubs", "uart of a Raspberry Pi", "no interface", "virtual"],
)
def test_the_usb_path_is_read_as_the_kernel_writes_it(
    tmp_path: Path, device: str | None, path: str
) -> None:
    in_sysfs(tmp_path, "hci0", device)

    assert usb_path_of("hci0", tmp_path) == path
    assert usb_path_of("hci7", tmp_path) == ""


@pytest.mark.parametrize(
    ("there", "wanted", "reason"),
    [
        ({}, DOOR, f"{DOOR} is not there, and no other"),
        ({"hci0": INSIDE}, DOOR, f"{DOOR} is not there; there: hci0 ({INSIDE}, usb:1-1.1)"),
        ({"hci1": INSIDE}, "hci0", f"hci0 is not there; there: hci1 ({INSIDE}, usb:1-1.1)"),
        ({"hci0": INSIDE}, "usb:1-1", f"usb:1-1 is not there; there: hci0 ({INSIDE}, usb:1-1.1)"),
    ],
)
async def test_who_is_missing_is_told_together_with_who_is_there(
    bus: str, there: dict[str, str], wanted: str, reason: str
) -> None:
    adapters = {name: FakeAdapter(address=address) for name, address in there.items()}
    async with a_bluetoothd(bus, hci9=FakeAdapter()) as bluez:
        bluez.unplug("hci9")
        bluez.adapters.update(adapters)
        async with running(adapter=wanted, host=a_host(usb_path_of=lambda _: "usb:1-1.1")) as radio:
            failed = await radio.telemetry.wait(RadioFailed)
    assert (failed.adapter, failed.reason) == (wanted, reason)
    said = f"{failed.adapter}: {failed.reason}"
    assert logs.scrub(said) == said, "the journal says it, too"
    assert failed.next_step == RadioFault.NO_ADAPTER.value


async def test_two_sticks_with_one_address_are_not_chosen_between(bus: str) -> None:
    """Cheap sticks are sold by the thousand with one address."""
    twins = {name: FakeAdapter(address=INSIDE) for name in ("hci0", "hci1")}
    async with a_bluetoothd(bus, **twins):
        with pytest.raises(RadioError, match=r"hci0 \(.+\) and hci1 \(") as refused:
            await Running(adapter=INSIDE).scanner.listen(0)
    assert refused.value.fault is RadioFault.SHARED_NAME


async def test_one_stick_is_not_two_antennas(bus: str) -> None:
    host: dict[str, Any] = {"host": a_host(usb_path_of=lambda _: "usb:1-1.4")}
    async with a_bluetoothd(bus, hci0=FakeAdapter(address=DOOR)):
        for name, other in ((DOOR, "usb:1-1.4"), ("usb:1-1.4", DOOR)):
            with pytest.raises(RadioError, match=f"{name} and {other} are one") as refused:
                await Running(adapter=name, others=[other], **host).scanner.listen(0)
            assert refused.value.fault is RadioFault.SHARED_NAME


async def test_which_adapter_an_antenna_is_now_is_told_by_the_name_in_the_settings(
    bus: str, tmp_path: Path
) -> None:
    shop = Shop(tmp_path, 1883).open([])
    named = f'radio: {{antennas: [{{adapter: "{DOOR}"}}, {{adapter: "{INSIDE}"}}]}}'
    settings = load_settings(shop.config)
    inside, door = sticks()
    async with a_bluetoothd(bus, hci0=inside, hci1=door):
        first = await adapters_now(settings, host=a_host())
        shop.config.write_text(shop.config.read_text() + f"\n{named}\n")
        both = await adapters_now(load_settings(shop.config), host=a_host())
    assert {name: adapter.address for name, adapter in first.items()} == {"default": INSIDE}
    assert {name: adapter.name for name, adapter in both.items()} == {DOOR: "hci1", INSIDE: "hci0"}
    assert await adapters_now(settings, host=a_host()) == {}, "bluetoothd is gone"


async def test_of_two_antennas_on_one_stick_the_one_that_has_only_a_number_yields(
    bus: str,
) -> None:
    example = load_settings(ROOT / "config" / "presence.yaml")
    antennas = [AntennaSettings(adapter=name) for name in ("hci0", DOOR, "hci1")]
    settings = replace(example, radio=replace(example.radio, antennas=antennas))
    async with a_bluetoothd(bus, hci0=FakeAdapter(address=DOOR), hci1=FakeAdapter()):
        found = await adapters_now(settings)
    assert {antenna: adapter.name for antenna, adapter in found.items()} == {
        DOOR: "hci0",
        "hci1": "hci1",
    }


def test_the_first_adapter_is_not_the_doorbells_unless_it_is_shared() -> None:
    example = load_settings(ROOT / "config" / "presence.yaml")
    for changes, others in (
        ({"enabled": True}, ("usb:1-1.2",)),
        ({"enabled": True, "share_adapter": True}, ()),
        ({"enabled": False}, ()),
    ):
        bells = [BellSettings(adapter="usb:1-1.2")]
        settings = replace(example, doorbell=replace(example.doorbell, bells=bells, **changes))
        assert adapters_of(settings) == [("", others)]


async def test_the_first_adapter_is_the_first_that_serves_nobody_else(bus: str) -> None:
    bell, free = FakeAdapter(address=DOOR), FakeAdapter(address=INSIDE)
    async with (
        a_bluetoothd(bus, hci0=bell, hci1=free) as bluez,
        running(adapter="", others=[DOOR]) as radio,
    ):
        await hears(bluez, radio, name="hci1")
        bluez.unplug("hci1")
        failed = await radio.telemetry.wait(RadioFailed)
        await radio.telemetry.wait(RadioFailed)
    assert radio.heard[0].antenna == failed.adapter == "default"
    assert "which is taken" in failed.reason
    assert bell.starts == 0


async def test_a_deaf_stick_is_power_cycled_under_the_number_that_it_has_by_then(
    bus: str, tmp_path: Path
) -> None:
    deaf, well = FakeAdapter(address=INSIDE, deaf=True, hears_after="power"), sticks()[1]

    async def nobody(_adapter: str, _mode: object) -> bool:
        return False

    means = Means(ledger=Ledger(tmp_path), off_s=0.01, probe=nobody)
    async with (
        a_bluetoothd(bus, hci0=deaf, hci1=well) as bluez,
        running(adapter=INSIDE, means=means) as radio,
    ):
        await radio.telemetry.wait(RadioScanning)
        swap(bluez)
        assert (await silence_emits(radio, RadioRecovering, times=2)).what == "power_cycle"
        await until(lambda: deaf.switched == [False, True])
        await hears(bluez, radio, name="hci1")
    assert well.switched == []
    assert Ledger(tmp_path).read(INSIDE, radio.clock.now()) != ()
