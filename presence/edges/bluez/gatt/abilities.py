"""Can this adapter ring? What bluetoothd says of it, before anything is registered."""

import asyncio
from dataclasses import dataclass
from typing import Any, Final

from dbus_fast import BusType
from dbus_fast.aio import MessageBus

from presence.edges.bluez.bus import call_bluez
from presence.errors import RadioError, RadioFault

ADAPTER: Final = "org.bluez.Adapter1"
ADVERTISING: Final = "org.bluez.LEAdvertisingManager1"
GATT: Final = "org.bluez.GattManager1"
PROPERTIES: Final = "org.freedesktop.DBus.Properties"
ANSWER_S: Final = 4.0
"""bluetoothd answers in milliseconds; one that hangs must not make us hang (R-61)."""


@dataclass(frozen=True, slots=True)
class Abilities:
    """As it stands now, whoever advertises."""

    powered: bool
    scans: bool
    """Somebody's active discovery runs on it; a passive scan does not show."""
    advertises: bool
    """A controller that takes connections, as bluetoothd tells by LEAdvertisingManager1."""
    serves: bool
    """GattManager1: services of our own can be registered."""
    places_free: int
    places_used: int
    extended: bool
    """Several advertisements at once; a legacy controller lets them take turns."""


async def abilities_of(adapter: str, *, bus_address: str | None = None) -> Abilities:
    """Raises RadioError where the adapter cannot be asked. `bus_address` is the system bus where
    None.
    """
    bus = MessageBus(bus_address=bus_address, bus_type=BusType.SYSTEM)
    try:
        async with asyncio.timeout(ANSWER_S):
            await bus.connect()
            found = await _properties(bus, adapter, ADAPTER)
            places = await _properties_if_any(bus, adapter, ADVERTISING)
            serves = await _properties_if_any(bus, adapter, GATT) is not None
    except TimeoutError:
        raise RadioError(RadioFault.NO_BLUEZ, f"no answer within {ANSWER_S:g} s") from None
    except OSError as error:
        raise RadioError(RadioFault.NO_BLUEZ, f"no D-Bus: {error.strerror}") from error
    finally:
        bus.disconnect()
    return Abilities(
        powered=bool(found.get("Powered")),
        scans=bool(found.get("Discovering")),
        advertises=places is not None and "peripheral" in found.get("Roles", ["peripheral"]),
        serves=serves,
        places_free=int((places or {}).get("SupportedInstances", 0)),
        places_used=int((places or {}).get("ActiveInstances", 0)),
        extended=bool((places or {}).get("SupportedSecondaryChannels")),
    )


async def _properties_if_any(
    bus: MessageBus, adapter: str, interface: str
) -> dict[str, Any] | None:
    """None where the adapter has no such interface."""
    try:
        return await _properties(bus, adapter, interface)
    except RadioError as error:
        if error.fault in (RadioFault.NO_BLUEZ, RadioFault.DENIED):
            raise
        return None


async def _properties(bus: MessageBus, adapter: str, interface: str) -> dict[str, Any]:
    (found,) = await call_bluez(
        bus, f"/org/bluez/{adapter}", f"{PROPERTIES}.GetAll", "s", [interface]
    )
    return {name: value.value for name, value in found.items()}
