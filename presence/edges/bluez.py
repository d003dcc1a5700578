"""Hears advertisements through bleak and BlueZ. Never connects, never pairs.

`active`: UUID filter and DuplicateData, so that bluetoothd drops bystanders itself and still hands over each of our
advertisements with its own RSSI (measured: DESIGN.md §5). `passive`: sends nothing on air, but bleak calls back once
per device until its payload changes, so few readings of strength arrive.

Trap: without DuplicateData an active scan of bleak pauses for 5 s in every 16.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from bleak import BleakScanner
from bleak.args.bluez import BlueZScannerArgs, OrPattern
from bleak.assigned_numbers import AdvertisementDataType
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData
from bleak.exc import BleakBluetoothNotAvailableError, BleakDBusError, BleakError

from presence.config.settings import RadioMode
from presence.core.advertising import Advertisement, plausible_rssi_dbm
from presence.core.beacons import eddystone, ibeacon
from presence.errors import RadioError, RadioFault
from presence.ports import Clock, Hear, Tell

RETRY_S: Final = 3.0
"""A controller or bluetoothd that is back is scanned again within seconds (R-61: 15 s)."""


def fault_of(error: Exception) -> RadioFault:
    """What the technician has to do about it."""
    text = f"{getattr(error, 'dbus_error', '')} {error}"
    if isinstance(error, BleakBluetoothNotAvailableError) or "No Bluetooth adapters" in text:
        return RadioFault.NO_ADAPTER
    for sign, fault in (
        ("ServiceUnknown", RadioFault.NO_BLUEZ),
        ("NameHasNoOwner", RadioFault.NO_BLUEZ),
        ("FileNotFound", RadioFault.NO_BLUEZ),
        ("AccessDenied", RadioFault.DENIED),
        ("NotReady", RadioFault.POWERED_OFF),
        ("UnknownObject", RadioFault.NO_ADAPTER),
        ("adapter", RadioFault.NO_ADAPTER),
        ("UnknownMethod", RadioFault.UNSUPPORTED),
    ):
        if sign in text:
            return fault
    return RadioFault.NO_BLUEZ if isinstance(error, OSError) else RadioFault.OTHER


def scanner_arguments(
    mode: RadioMode, adapter: str, *, ibeacon_prefix: bytes | None = None, addresses: bool = False
) -> dict[str, Any]:
    """What bleak is told for each mode.

    iBeacons carry no service UUID, and a resolvable address comes with any payload (`addresses`): with either of them
    BlueZ cannot leave bystanders out, and the engine drops them.
    """
    bluez: BlueZScannerArgs = {}
    if adapter:
        bluez["adapter"] = adapter
    if mode is RadioMode.ACTIVE:
        bluez["filters"] = {"DuplicateData": True}
        everything = addresses or ibeacon_prefix is not None
        uuids = None if everything else [eddystone.SERVICE_UUID]
        return {"scanning_mode": "active", "service_uuids": uuids, "bluez": bluez}
    # Two spellings: up to BlueZ 5.68 the pattern meets the raw structure, from 5.71 the data without its UUID.
    patterns: list[OrPattern | tuple[int, AdvertisementDataType, bytes]] = [
        OrPattern(0, AdvertisementDataType.SERVICE_DATA_UUID16, b"\xaa\xfe\x30"),
        OrPattern(0, AdvertisementDataType.SERVICE_DATA_UUID16, b"\x30"),
    ]
    if ibeacon_prefix is not None:
        head = ibeacon.COMPANY.to_bytes(2, "little") + b"\x02\x15" + ibeacon_prefix
        patterns.append(OrPattern(0, AdvertisementDataType.MANUFACTURER_SPECIFIC_DATA, head))
    bluez["or_patterns"] = patterns
    return {"scanning_mode": "passive", "bluez": bluez}


class BluezScanner:
    """Scans on one adapter until cancelled; comes back by itself after each fault."""

    def __init__(
        self,
        *,
        mode: RadioMode,
        adapter: str,
        clock: Clock,
        tell: Tell,
        ibeacon_prefix: bytes | None = None,
        addresses: bool = False,
    ) -> None:
        self._arguments = scanner_arguments(mode, adapter, ibeacon_prefix=ibeacon_prefix, addresses=addresses)
        self._mode = mode
        self._adapter = adapter
        self._clock = clock
        self._tell = tell
        self._hear: Hear = lambda _advertisement: None

    async def run(self, hear: Hear) -> None:
        self._hear = hear
        failing: RadioFault | None = None
        while True:
            try:
                async with BleakScanner(self._detected, **self._arguments):
                    self._tell("radio.scanning", self._fields())
                    failing = None
                    await self._until_gone()
            except (BleakError, BleakDBusError, OSError, EOFError) as error:
                fault = fault_of(error)
                if fault is not failing:
                    fault_fields = {"reason": str(error)[:200], "next_step": fault.value}
                    self._tell("radio.failed", {**self._fields(), **fault_fields})
                failing = fault
            await asyncio.sleep(RETRY_S)

    async def check(self) -> None:
        """Start and stop a scan once; raises RadioError."""
        try:
            async with BleakScanner(self._detected, **self._arguments):
                return
        except (BleakError, BleakDBusError, OSError, EOFError) as error:
            raise RadioError(fault_of(error), str(error)[:200]) from error

    async def _until_gone(self) -> None:
        """Return when the adapter no longer scans: bleak does not say so by itself."""
        from bleak.backends.bluezdbus.manager import get_global_bluez_manager  # noqa: PLC0415 - Linux only

        while True:
            await asyncio.sleep(RETRY_S)
            manager = await get_global_bluez_manager()
            path = f"/org/bluez/{self._adapter}" if self._adapter else manager.get_default_adapter()
            properties: Mapping[str, Any] = manager._properties.get(path, {}).get("org.bluez.Adapter1", {})
            if not properties.get("Powered"):
                return

    def _detected(self, device: BLEDevice, data: AdvertisementData) -> None:
        address = bytes.fromhex(device.address.replace(":", ""))
        self._hear(
            Advertisement(
                self._clock.now(),
                address,
                plausible_rssi_dbm(data.rssi),
                data.service_data,
                data.manufacturer_data,
                self._adapter,
            )
        )

    def _fields(self) -> dict[str, object]:
        return {"adapter": self._adapter or "default", "mode": self._mode.value}
