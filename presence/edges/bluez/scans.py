"""The ways to listen, each a small class: what it brings, and `on`. `BleakScan` here, `MonitorScan`
in `monitor`.

Trap: when the controller or bluetoothd has vanished, bleak's stop() raises, or waits for an answer
that never comes.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Protocol

from bleak import BleakScanner
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData

from presence.edges.bluez.faults import ERRORS
from presence.edges.bluez.modes import active_arguments
from presence.edges.bluez.pace import PACE, Pace

Take = Callable[[str, int, Mapping[str, bytes], Mapping[int, bytes]], None]
"""Address, RSSI in dBm, service data by UUID, manufacturer data by company. Called for each
advertisement.
"""


def found_by(take: Take) -> Callable[[BLEDevice, AdvertisementData], None]:
    """What bleak calls back."""

    def found(device: BLEDevice, data: AdvertisementData) -> None:
        take(device.address, data.rssi, data.service_data, data.manufacturer_data)

    return found


class Scan(Protocol):
    shows_discovering: bool
    """Does the adapter say `Discovering` as long as it runs?"""
    lost: bool
    """bluetoothd has said that it ended."""

    def on(self, adapter: str, take: Take) -> AbstractAsyncContextManager[None]:
        """Scans inside the block. Raises what `faults.ERRORS` lists when it cannot begin; ends
        without a word.
        """


class BleakScan:
    """`active`, filtered by service UUIDs where that can be."""

    shows_discovering = True
    lost = False

    def __init__(self, service_uuids: Sequence[str], pace: Pace = PACE) -> None:
        """`service_uuids`: empty where everybody is to be heard."""
        self._pace = pace
        self._service_uuids = service_uuids

    @asynccontextmanager
    async def on(self, adapter: str, take: Take) -> AsyncIterator[None]:
        scanner = BleakScanner(found_by(take), **active_arguments(adapter, self._service_uuids))
        async with asyncio.timeout(self._pace.start_s):
            await scanner.start()
        try:
            yield
        finally:
            with suppress(*ERRORS):
                async with asyncio.timeout(self._pace.stop_s):
                    await scanner.stop()
