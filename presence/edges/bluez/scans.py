"""The ways to listen, each a small class with the same two words: what it brings, and `on`.

bleak's scan is one class for both radio modes. A monitor of our own would be another (docs/radio-modes.md).

Trap: when the controller or bluetoothd has vanished, bleak's stop() raises, or waits for an answer that never comes.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Final, Protocol

from bleak import BleakScanner
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData

from presence.config.settings import RadioMode
from presence.edges.bluez.faults import ERRORS
from presence.edges.bluez.modes import scanner_arguments
from presence.edges.bluez.version import bluez_version

Take = Callable[[str, int, Mapping[str, bytes], Mapping[int, bytes]], None]
"""Address, RSSI in dBm, service data by UUID, manufacturer data by company. Called for each advertisement."""

START_S: Final = 8.0
STOP_S: Final = 3.0
"""Together they leave room in the 15 s within which scanning must go on (R-61)."""


def found_by(take: Take) -> Callable[[BLEDevice, AdvertisementData], None]:
    """What bleak calls back."""

    def found(device: BLEDevice, data: AdvertisementData) -> None:
        take(device.address, data.rssi, data.service_data, data.manufacturer_data)

    return found


class Scan(Protocol):
    brings_repeats: bool
    """Is each advertisement handed over, or only each change of one?"""
    shows_discovering: bool
    """Does the adapter say `Discovering` as long as it runs?"""

    def on(self, adapter: str, take: Take) -> AbstractAsyncContextManager[None]:
        """Scans inside the block. Raises what `faults.ERRORS` lists when it cannot begin; ends without a word."""


class BleakScan:
    """`active`, with a filter; or `passive`, which sends nothing and calls back once until the payload changes."""

    def __init__(self, mode: RadioMode, *, ibeacon_prefix: bytes | None = None, addresses: bool = False) -> None:
        self._mode = mode
        self._ibeacon_prefix = ibeacon_prefix
        self._addresses = addresses
        self.brings_repeats = mode is RadioMode.ACTIVE
        self.shows_discovering = mode is RadioMode.ACTIVE

    @asynccontextmanager
    async def on(self, adapter: str, take: Take) -> AsyncIterator[None]:
        passive = self._mode is RadioMode.PASSIVE
        arguments = scanner_arguments(
            self._mode,
            adapter,
            ibeacon_prefix=self._ibeacon_prefix,
            addresses=self._addresses,
            version=await asyncio.to_thread(bluez_version) if passive else None,
        )

        scanner = BleakScanner(found_by(take), **arguments)
        async with asyncio.timeout(START_S):
            await scanner.start()
        try:
            yield
        finally:
            with suppress(*ERRORS):
                async with asyncio.timeout(STOP_S):
                    await scanner.stop()
