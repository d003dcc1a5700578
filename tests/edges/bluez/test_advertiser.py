"""What bluetoothd is handed to send, on a real D-Bus with a stand-in for bluetoothd."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from presence.core.recognition.beacons import eddystone, ibeacon
from presence.edges.bluez.advertiser import Advertiser
from presence.errors import RadioError, RadioFault
from tests.support.fake_advertising import FakeBluez, a_bluez

EID = bytes.fromhex("a9b76a71c5f89290")
PREFIX = bytes.fromhex("0f1e2d3c4b5a6978")
E1 = eddystone.payload(EID, tx_power_dbm=-18)
E2 = ibeacon.payload(PREFIX, EID, tx_power_dbm=-59)

pytestmark = pytest.mark.skipif(
    shutil.which("dbus-daemon") is None, reason="dbus-daemon is not installed"
)


@pytest.fixture
async def bluez(bus: str) -> AsyncIterator[FakeBluez]:
    async with a_bluez(bus) as bluez:
        yield bluez


async def test_an_eddystone_frame_is_handed_over_with_its_uuid_in_the_list(
    bus: str, bluez: FakeBluez
) -> None:
    """Without the UUID list BlueZ's own filter would keep the advertisement from our gateway
    (docs/design.md#radio).
    """
    async with Advertiser(bus_address=bus, interval_ms=200) as advertiser:
        await advertiser.put(0, E1)

        (on_air,) = bluez.on_air.values()
        assert on_air == {
            "Type": "broadcast",
            "ServiceUUIDs": [eddystone.SERVICE_UUID],
            "ServiceData": {eddystone.SERVICE_UUID: E1[11:]},
            "ManufacturerData": {},
            "MinInterval": 200,
            "MaxInterval": 200,
        }


async def test_an_ibeacon_is_handed_over_as_manufacturer_data(bus: str, bluez: FakeBluez) -> None:
    async with Advertiser(bus_address=bus) as advertiser:
        await advertiser.put(0, E2)

        (on_air,) = bluez.on_air.values()
        assert on_air["ManufacturerData"] == {0x004C: E2[7:]}
        assert on_air["ServiceUUIDs"] == []


async def test_a_new_payload_takes_the_place_of_the_old_one(bus: str, bluez: FakeBluez) -> None:
    async with Advertiser(bus_address=bus) as advertiser:
        await advertiser.put(0, E1)
        await advertiser.put(1, E1)
        await advertiser.put(0, E2)
        await advertiser.put(0, E2)

        assert sorted(len(on_air["ManufacturerData"]) for on_air in bluez.on_air.values()) == [0, 1]
        assert len(bluez.seen) == 3

        await advertiser.take_back(1)
        await advertiser.take_back(1)
        assert len(bluez.on_air) == 1


async def test_everything_is_off_air_when_the_advertiser_is_left(
    bus: str, bluez: FakeBluez
) -> None:
    async with Advertiser(bus_address=bus) as advertiser:
        await advertiser.put(0, E1)
        assert bluez.on_air

    for _ in range(100):
        if not bluez.on_air:
            return
        await asyncio.sleep(0.02)
    pytest.fail("still on air")


async def test_more_than_the_adapter_has_places_for_is_refused_with_bluez_s_words(bus: str) -> None:
    async with a_bluez(bus, places=1), Advertiser(bus_address=bus) as advertiser:
        await advertiser.put(0, E1)
        with pytest.raises(RadioError, match="Maximum advertisements reached") as raised:
            await advertiser.put(1, E2)

        assert raised.value.fault is RadioFault.OTHER
        await advertiser.put(0, E2)


async def test_an_adapter_that_is_not_there_is_said_to_be_missing(
    bus: str, bluez: FakeBluez
) -> None:
    async with Advertiser("hci7", bus_address=bus) as advertiser:
        with pytest.raises(RadioError, match="hci7") as raised:
            await advertiser.put(0, E1)

    assert raised.value.fault is RadioFault.NO_ADAPTER
    assert not bluez.on_air


async def test_a_bus_without_bluetoothd_says_what_to_start(bus: str) -> None:
    async with Advertiser(bus_address=bus) as advertiser:
        with pytest.raises(RadioError) as raised:
            await advertiser.put(0, E1)

    assert raised.value.fault is RadioFault.NO_BLUEZ


async def test_no_bus_at_all_is_the_radio_s_fault_too(tmp_path: Path) -> None:
    with pytest.raises(RadioError, match="the system's D-Bus is not there"):
        async with Advertiser(bus_address=f"unix:path={tmp_path}/none"):
            pass
