"""A D-Bus connection that breaks at any byte is a fault of the radio: told, and healed by itself
(R-61).

A real dbus-daemon behind the proxy, and a stand-in for bluetoothd that is connected to it directly.
"""

import asyncio
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from presence.config.settings import RadioMode
from presence.edges.bluez.choice import ScanPolicy
from presence.telemetry import RadioScanning
from tests.support.doorbells import Ears, ringing
from tests.support.fake_advertising import a_bus
from tests.support.fake_bluez import a_bluetoothd
from tests.support.fake_gatt import a_bell
from tests.support.fault_proxy import Fault, FaultProxy, Kind, fault_proxy
from tests.support.scanners import HURRY, close_bleak, running, until

pytestmark = pytest.mark.skipif(
    shutil.which("dbus-daemon") is None, reason="dbus-daemon is not installed"
)

KINDS = [Kind.CUT, Kind.RESET, Kind.HALF_CLOSE, Kind.STALL]
IMPATIENT_S = 1.0


IN_A_HURRY = replace(HURRY, call_s=IMPATIENT_S, start_s=IMPATIENT_S, stop_s=IMPATIENT_S)


@pytest.fixture
async def wire(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[FaultProxy, str]]:
    """The proxy before the bus, where the scanner looks for it; and the bus itself."""
    before = tmp_path / "before"
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={before}")
    async with a_bus(tmp_path) as address, fault_proxy(tmp_path / "bus", in_front=before) as proxy:
        yield proxy, address
        await close_bleak()


def positions(length: int, every: int, first: int = 0) -> range:
    return range(first, length, max(1, every))


async def scans_in_spite_of(
    wire: tuple[FaultProxy, str], mode: RadioMode, kind: Kind, count: int, *, between: bool = False
) -> None:
    """At so many bytes; `between`: at those that lie between them."""
    proxy, address = wire
    async with a_bluetoothd(address) as bluez:
        async with running(policy=ScanPolicy(mode=mode), pace=IN_A_HURRY) as radio:
            await radio.telemetry.wait(RadioScanning)
            length = proxy.passed
        assert length > 100
        every = length // count
        for at in positions(length, every, first=every // 2 if between else 0):
            await close_bleak()
            proxy.fault = Fault(kind, at, once=True)
            async with running(policy=ScanPolicy(mode=mode), pace=IN_A_HURRY) as radio:
                await until(
                    lambda: radio.scanner.started > 0 and proxy.fault is None, patience_s=20
                )
                await until(lambda: radio.scanner._failing is None, patience_s=20)
            assert set(radio.telemetry.names()) <= {"radio.scanning", "radio.failed"}
        assert bluez is not None
        assert proxy.struck >= count - between


@pytest.mark.requirement("R-61")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", [RadioMode.ACTIVE, RadioMode.PASSIVE])
async def test_a_bus_that_breaks_anywhere_is_a_fault_of_the_radio_that_heals(
    wire: tuple[FaultProxy, str], mode: RadioMode, kind: Kind
) -> None:
    await scans_in_spite_of(wire, mode, kind, 6)


@pytest.mark.slow
@pytest.mark.requirement("R-61")
@pytest.mark.parametrize("kind", [Kind.CUT, Kind.RESET])
@pytest.mark.parametrize("mode", [RadioMode.ACTIVE, RadioMode.PASSIVE])
async def test_a_bus_that_breaks_at_many_bytes_is_a_fault_of_the_radio_that_heals(
    wire: tuple[FaultProxy, str], mode: RadioMode, kind: Kind
) -> None:
    """A Unix socket knows no RST: one of the two takes the bytes that the other one leaves out."""
    await scans_in_spite_of(wire, mode, kind, 75, between=kind is Kind.RESET)


@pytest.mark.requirement("R-61")
@pytest.mark.parametrize("kind", KINDS)
async def test_a_bus_that_breaks_anywhere_is_a_fault_of_the_doorbell_that_heals(
    wire: tuple[FaultProxy, str], kind: Kind, tmp_path: Path
) -> None:
    proxy, address = wire
    before = f"unix:path={tmp_path / 'before'}"
    async with a_bell(address):
        async with ringing(before, Ears(), pace=IN_A_HURRY) as bell:
            await until(lambda: bell.trouble is None)
            length = proxy.passed
            await asyncio.sleep(0.2)
        assert length > 100
        for at in positions(length, length // 8):
            proxy.fault = Fault(kind, at, once=True)
            async with ringing(before, Ears(), pace=IN_A_HURRY) as bell:
                try:
                    await until(lambda: bell.trouble is None and proxy.fault is None, patience_s=20)
                except TimeoutError:
                    pytest.fail(
                        f"at byte {at} of {length}: {bell.trouble}, struck: {proxy.fault is None}"
                    )
