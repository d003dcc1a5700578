"""Can this adapter ring? What bluetoothd says of it, before anything is registered."""

from dataclasses import dataclass

from presence.edges.bluez.bus import ADAPTER, ADVERTISING, GATT, BluezBus
from presence.edges.bluez.pace import PACE, Pace


@dataclass(frozen=True, slots=True)
class Abilities:
    """As it stands now, advertisements of other programs included."""

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


async def abilities_of(
    adapter: str, *, bus_address: str | None = None, pace: Pace = PACE
) -> Abilities:
    """Raises RadioError where the adapter cannot be asked. `bus_address` is the system bus where
    None.
    """
    path = f"/org/bluez/{adapter}"
    async with BluezBus.connect(call_s=pace.call_s, address=bus_address) as bus:
        found = await bus.properties(path, ADAPTER)
        places = await bus.properties_if_any(path, ADVERTISING)
        serves = await bus.properties_if_any(path, GATT) is not None
    return Abilities(
        powered=bool(found.get("Powered")),
        scans=bool(found.get("Discovering")),
        advertises=places is not None and "peripheral" in found.get("Roles", ["peripheral"]),
        serves=serves,
        places_free=int((places or {}).get("SupportedInstances", 0)),
        places_used=int((places or {}).get("ActiveInstances", 0)),
        extended=bool((places or {}).get("SupportedSecondaryChannels")),
    )
