"""Can this adapter ring? What bluetoothd says of it, before anything is registered."""

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass

from presence.edges.bluez.bus import ADAPTER, ADVERTISING, GATT, BluezBus
from presence.edges.bluez.connection import Adapter, Bluez
from presence.edges.bluez.pace import PACE, Pace
from presence.errors import RadioError


@dataclass(frozen=True, slots=True)
class Abilities:
    """As it stands now, advertisements of other programs included."""

    adapter: Adapter
    powered: bool
    scans: bool
    """Somebody's active discovery runs on it; a passive scan does not show."""
    advertises: bool
    """A controller that takes connections, as bluetoothd tells by LEAdvertisingManager1."""
    serves: bool
    """GattManager1: services of our own can be registered."""
    places_free: int
    places_used: int
    listens: bool
    """One of our antennas, by whatever name."""
    extended: bool
    """Several advertisements at once; a legacy controller lets them take turns."""


async def abilities_of(
    name: str,
    *,
    antennas: Collection[tuple[str, Collection[str]]] = (),
    bus_address: str | None = None,
    pace: Pace = PACE,
) -> Abilities:
    """Of the adapter that the settings call so. `antennas`: as `edges.bluez.adapters_of` has them.
    Raises RadioError where it cannot be asked. `bus_address` is the system bus where None.
    """
    async with BluezBus.connect(call_s=pace.call_s, address=bus_address) as bus:
        bluez = Bluez(bus)
        adapter = await bluez.adapter(name)
        listens = False
        for antenna, others in antennas:
            with suppress(RadioError):  # it is not there, so it is not this one
                listens |= (await bluez.adapter(antenna, others=others)).name == adapter.name
        path = f"/org/bluez/{adapter.name}"
        found = await bus.properties(path, ADAPTER)
        places = await bus.properties_if_any(path, ADVERTISING)
        serves = await bus.properties_if_any(path, GATT) is not None
    return Abilities(
        adapter=adapter,
        powered=bool(found.get("Powered")),
        scans=bool(found.get("Discovering")),
        advertises=places is not None and "peripheral" in found.get("Roles", ["peripheral"]),
        serves=serves,
        places_free=int((places or {}).get("SupportedInstances", 0)),
        places_used=int((places or {}).get("ActiveInstances", 0)),
        listens=listens,
        extended=bool((places or {}).get("SupportedSecondaryChannels")),
    )
