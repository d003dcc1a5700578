"""Which scan it is to be, on this adapter and with this BlueZ.

    active   ► bleak, with a filter
    passive  ► a monitor of our own, or a RadioError that says why it cannot serve
    auto     ► passive where it hears every advertisement, for it sends nothing; else active, with the reason

A passive scan cannot serve where BlueZ is too old or spells patterns wrongly, where bluetoothd offers no monitors, or
where the controller filters by itself and tells of each device once. Addresses of test phones (R1) come with any
payload, so that no pattern finds them.
"""

import asyncio
from dataclasses import dataclass

from presence.config.settings import RadioMode
from presence.edges.bluez.connection import Bluez
from presence.edges.bluez.modes import patterns
from presence.edges.bluez.monitor import MonitorScan
from presence.edges.bluez.scans import BleakScan, Scan
from presence.edges.bluez.version import bluez_version
from presence.errors import RadioError, RadioFault

FILTERS_ITSELF = "controller-patterns"
"""In SupportedFeatures of AdvertisementMonitorManager1: patterns are handed to the controller."""


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What the settings say of listening."""

    mode: RadioMode
    ibeacon_prefix: bytes | None = None
    addresses: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    mode: RadioMode
    """`active` or `passive`."""
    scan: Scan
    hindrance: RadioError | None = None
    """Why `auto` has come down to active."""


async def choose(wish: Wish, bluez: Bluez, adapter: str, *, hides_repeats: bool = False) -> Choice:
    """`hides_repeats`: repeats were missing here lately. Raises RadioError where the mode cannot be had."""
    active = BleakScan(ibeacon_prefix=wish.ibeacon_prefix, addresses=wish.addresses)
    if wish.mode is RadioMode.ACTIVE:
        return Choice(RadioMode.ACTIVE, active)
    hindrance = await _hindrance(wish, bluez, adapter)
    if wish.mode is RadioMode.AUTO and (hindrance or hides_repeats):
        hidden = RadioError(RadioFault.CONTROLLER_FILTERS, "repeats were missing in a passive scan")
        return Choice(RadioMode.ACTIVE, active, hindrance or hidden)
    if hindrance:
        raise hindrance
    return Choice(RadioMode.PASSIVE, MonitorScan(ibeacon_prefix=wish.ibeacon_prefix))


async def _hindrance(wish: Wish, bluez: Bluez, adapter: str) -> RadioError | None:
    if wish.addresses:
        return RadioError(RadioFault.UNSUPPORTED, "a passive scan finds no addresses (identity.irk_file)")
    try:
        patterns(await asyncio.to_thread(bluez_version))
    except RadioError as error:
        return error
    features = await bluez.monitor_features(adapter)
    if features is None:
        return RadioError(RadioFault.UNSUPPORTED, "bluetoothd offers no advertisement monitors")
    if FILTERS_ITSELF in features:
        return RadioError(RadioFault.CONTROLLER_FILTERS, f"{adapter} filters advertisements by itself")
    return None
