"""What `presence check` finds out about the adapter that is to ring."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from presence.config import Settings, load_settings
from presence.config.settings import AntennaSettings, BellSettings
from presence.diagnosis.doorbell import ANOTHER, FULL, NO_ADAPTER, SHARED, TURNS, look_at_doorbell
from presence.diagnosis.findings import Verdict
from presence.edges.bluez.pace import Pace
from presence.errors import ConfigurationError, RadioFault
from tests.support.fake_advertising import a_bus
from tests.support.fake_bluez import FakeAdapter, a_bluetoothd
from tests.support.paths import ROOT

EXAMPLE = ROOT / "config" / "presence.yaml"
UUID = "5f0c1e52-7c3a-4f0e-9d3b-3f6f0f8b2a10"

pytestmark = pytest.mark.skipif(
    shutil.which("dbus-daemon") is None, reason="dbus-daemon is not installed"
)


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator[str]:
    async with a_bus(tmp_path) as address:
        yield address


def settings(antenna: str = "hci0", **changes: Any) -> Settings:
    example = load_settings(EXAMPLE)
    bells = [BellSettings(adapter=changes.pop("adapter", "hci1"))]
    values = {"enabled": True, "service_uuid": UUID, "bells": bells, **changes}
    radio = replace(example.radio, antennas=[AntennaSettings(adapter=antenna)])
    return replace(example, doorbell=replace(example.doorbell, **values), radio=radio)


async def found(
    bus: str, settings: Settings, **adapters: FakeAdapter
) -> dict[str, tuple[Verdict, str]]:
    async with a_bluetoothd(bus, **adapters):
        findings = await look_at_doorbell(settings, bus_address=bus)
    return {finding.name: (finding.verdict, finding.next_step) for finding in findings}


async def test_the_doorbell_is_off_by_default_and_then_nothing_is_asked() -> None:
    example = load_settings(EXAMPLE)
    assert not example.doorbell.enabled
    assert await look_at_doorbell(example, bus_address="unix:path=/nowhere") == []


@pytest.mark.requirement("R-70")
@pytest.mark.parametrize("beacon", [None, UUID], ids=["alone", "with its beacon"])
async def test_an_adapter_of_its_own_that_can_ring_passes(bus: str, beacon: str | None) -> None:
    assert await found(bus, settings(beacon_uuid=beacon), hci1=FakeAdapter()) == {
        "doorbell": (Verdict.PASS, "")
    }


async def test_a_doorbell_that_rings_already_passes(bus: str) -> None:
    ringing = FakeAdapter(places=0, places_used=2)
    assert await found(bus, settings(beacon_uuid=UUID), hci1=ringing) == {
        "doorbell": (Verdict.PASS, "")
    }


@pytest.mark.requirement("R-70")
@pytest.mark.parametrize(
    ("adapter", "verdict", "next_step"),
    [
        (FakeAdapter(powered=False), Verdict.FAIL, RadioFault.POWERED_OFF.value),
        (FakeAdapter(places=None), Verdict.FAIL, ANOTHER),
        (FakeAdapter(roles=("central",)), Verdict.FAIL, ANOTHER),
        (FakeAdapter(serves=False), Verdict.FAIL, ANOTHER),
        (FakeAdapter(places=0), Verdict.FAIL, ANOTHER),
        (FakeAdapter(places=0, places_used=3), Verdict.WARN, FULL),
    ],
    ids=["off", "no advertising", "no peripheral", "no services", "no place", "full"],
)
async def test_what_an_adapter_lacks_is_named_with_its_next_step(
    bus: str, adapter: FakeAdapter, verdict: Verdict, next_step: str
) -> None:
    assert await found(bus, settings(), hci1=adapter) == {"doorbell": (verdict, next_step)}


async def test_a_legacy_adapter_lets_doorbell_and_beacon_take_turns(bus: str) -> None:
    legacy = FakeAdapter(extended=False)
    assert (await found(bus, settings(beacon_uuid=UUID), hci1=legacy))["doorbell beacon"] == (
        Verdict.WARN,
        TURNS,
    )
    assert list(await found(bus, settings(), hci1=legacy)) == ["doorbell"]


async def test_an_adapter_that_scans_too_is_warned_of(bus: str) -> None:
    shared = settings(adapter="hci0", share_adapter=True)
    assert await found(bus, shared, hci0=FakeAdapter()) == {
        "doorbell": (Verdict.PASS, ""),
        "doorbell radio": (Verdict.WARN, SHARED),
    }


async def test_an_adapter_that_scans_by_another_name_is_found_out(bus: str) -> None:
    address = FakeAdapter().address
    for antenna, name in (("hci0", address), (address.lower(), "hci0")):
        alone = settings(antenna, adapter=name)
        assert (await found(bus, alone, hci0=FakeAdapter()))["doorbell radio"] == (
            Verdict.FAIL,
            SHARED,
        )
        shared = settings(antenna, adapter=name, share_adapter=True)
        assert (await found(bus, shared, hci0=FakeAdapter()))["doorbell radio"][0] is Verdict.WARN


def test_an_adapter_that_scans_is_not_shared_unless_it_is_said_so(tmp_path: Path) -> None:
    file = tmp_path / "presence.yaml"
    text = EXAMPLE.read_text().replace("  bells:\n", "  bells: [{adapter: hci0}]\n", 1)
    text = text.replace("  antennas:\n", "  antennas: [{adapter: hci0}]\n", 1)
    text = text.replace("  enabled: false\n", f"  enabled: true\n  service_uuid: {UUID}\n", 1)
    file.write_text(text)
    with pytest.raises(ConfigurationError, match="hci0 scans too"):
        load_settings(file)


async def test_an_adapter_that_is_not_there_and_a_bluetoothd_that_is_not_are_told_apart(
    bus: str,
) -> None:
    assert await found(bus, settings(), hci0=FakeAdapter()) == {
        "doorbell": (Verdict.FAIL, NO_ADAPTER)
    }
    (alone,) = await look_at_doorbell(settings(), bus_address=bus)
    assert alone.next_step == RadioFault.NO_BLUEZ.value
    (lost,) = await look_at_doorbell(settings(), bus_address="unix:path=/nowhere/bus")
    assert lost.next_step == RadioFault.NO_BLUEZ.value


@pytest.mark.requirement("R-61")
async def test_a_bluetoothd_that_hangs_does_not_make_the_check_hang(bus: str) -> None:
    async with a_bluetoothd(bus) as bluez, asyncio.timeout(5):
        bluez.hangs = True
        (finding,) = await look_at_doorbell(settings(), bus_address=bus, pace=Pace(call_s=0.2))
    assert (finding.verdict, finding.next_step) == (Verdict.FAIL, RadioFault.NO_BLUEZ.value)
