"""What bluetoothd says of our adapter, over a D-Bus connection of our own.

bleak tells nobody that its scan has ended: not when bluetoothd was restarted, not when the adapter
was pulled out or powered off. So we ask, every few seconds and whenever a signal says that
something has changed.

We only make calls whose cost does not grow with the number of nearby devices: never
GetManagedObjects, and never an introspection of the adapter, which lists every device.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from dbus_fast import Message, MessageType, Variant
from dbus_fast.introspection import Node

from presence.edges.bluez.bus import (
    ADAPTER,
    BLUEZ,
    DAEMON,
    MONITORS,
    PROPERTIES,
    BluezBus,
    NoAnswer,
)
from presence.edges.bluez.pace import PACE, Pace
from presence.errors import RadioError, RadioFault

_RULES: Final = (
    f"type='signal',sender='{DAEMON}',member='NameOwnerChanged',arg0='{BLUEZ}'",
    f"type='signal',sender='{BLUEZ}',member='PropertiesChanged',arg0='{ADAPTER}'",
)


@dataclass(frozen=True, slots=True)
class Adapter:
    """One adapter as bluetoothd sees it now."""

    name: str
    owner: str
    """bluetoothd's name on the bus: another one means that it was restarted, and our scan with it
    ended.
    """
    powered: bool
    discovering: bool
    blocked: bool = False
    """By rfkill, as far as bluetoothd tells (PowerState, from 5.66 on)."""


class Bluez:
    """Ask while it is connected; `changed` is set when a signal says that asking again is worth
    it.
    """

    def __init__(self, bus: BluezBus) -> None:
        self._bus = bus
        self.changed = asyncio.Event()
        bus.raw.add_message_handler(self._on_message)

    @classmethod
    @asynccontextmanager
    async def connect(cls, pace: Pace = PACE) -> "AsyncIterator[Bluez]":
        """Raises RadioError where there is no bus, or it does not answer."""
        async with BluezBus.connect(call_s=pace.call_s) as bus:
            bluez = cls(bus)
            for rule in _RULES:
                await bus.listen_to(rule)
            yield bluez

    async def adapter_names(self) -> list[str]:
        """In the order of their numbers. Raises RadioError."""
        xml = await self._bus.call("/org/bluez", "org.freedesktop.DBus.Introspectable.Introspect")
        nodes = (node.name or "" for node in Node.parse(xml[0]).nodes)
        return sorted(
            (name for name in nodes if name.startswith("hci")), key=lambda name: (len(name), name)
        )

    async def adapter(self, name: str) -> Adapter:
        """This one, or where `name` is empty the first that is powered. Raises RadioError."""
        owner = await self._owner()
        names = await self.adapter_names()
        if not names or (name and name not in names):
            others = f"; there: {', '.join(names)}" if names else ", and no other"
            raise RadioError(
                RadioFault.NO_ADAPTER,
                f"{name} is not there{others}" if name else "no adapter is there",
            )
        found = [await self._adapter(candidate, owner) for candidate in ([name] if name else names)]
        return next((adapter for adapter in found if adapter.powered), found[0])

    async def addresses(self) -> list[str]:
        """Of our own adapters, as in the paths of /var/lib/bluetooth. Raises RadioError."""
        names = await self.adapter_names()
        return [str((await self._properties(name)).get("Address", "")) for name in names]

    async def process(self) -> int:
        """bluetoothd's number among processes. Raises RadioError."""
        return int((await self._bus.call_daemon("GetConnectionUnixProcessID", "s", [BLUEZ]))[0])

    async def set_powered(self, name: str, *, powered: bool) -> None:
        """Raises RadioError."""
        body = [ADAPTER, "Powered", Variant("b", powered)]
        await self._bus.call(f"/org/bluez/{name}", f"{PROPERTIES}.Set", "ssv", body)

    async def monitor_features(self, name: str) -> list[str] | None:
        """What advertisement monitors, which passive scans need, can do here; None where there are
        none.

        Raises RadioError.
        """
        found = await self._bus.properties_if_any(f"/org/bluez/{name}", MONITORS)
        return None if found is None else list(found.get("SupportedFeatures", []))

    async def _owner(self) -> str:
        """Of bluetoothd's name on the bus; one that is dead is started, as by any ordinary call.
        Raises RadioError.
        """
        try:
            return await self._name_owner()  # this by itself starts nobody
        except NoAnswer:
            raise
        except RadioError as error:
            if error.fault is not RadioFault.NO_BLUEZ:
                raise
        try:
            await self._bus.call_daemon("StartServiceByName", "su", [BLUEZ, 0])
        except RadioError as error:
            raise RadioError(
                RadioFault.NO_BLUEZ, f"bluetoothd is not there: {error.detail}"
            ) from error
        return await self._name_owner()

    async def _name_owner(self) -> str:
        return str((await self._bus.call_daemon("GetNameOwner", "s", [BLUEZ]))[0])

    async def _adapter(self, name: str, owner: str) -> Adapter:
        found = await self._properties(name)
        blocked = found.get("PowerState") == "off-blocked"
        return Adapter(
            name, owner, bool(found.get("Powered")), bool(found.get("Discovering")), blocked
        )

    async def _properties(self, name: str) -> dict[str, Any]:
        return await self._bus.properties(f"/org/bluez/{name}", ADAPTER)

    def _on_message(self, message: Message) -> None:
        if message.message_type is MessageType.SIGNAL:
            self.changed.set()
