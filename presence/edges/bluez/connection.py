"""What bluetoothd says of our adapter, over a D-Bus connection of our own.

bleak tells nobody that its scan has ended: not when bluetoothd was restarted, not when the adapter
was pulled out or powered off. So we ask, every few seconds and whenever a signal says that
something has changed.

We only make calls whose cost does not grow with the number of nearby devices: never
GetManagedObjects, and never an introspection of the adapter, which lists every device.

The kernel numbers adapters as it finds them, so `hci0` is another stick after the next start, or
after a stumble of the USB bus. An adapter is therefore looked for by what the settings call it, at
each connection and at each look: by its address, by its USB path, or by a number where nothing
hangs on it. Cheap sticks share one address; a name that two adapters bear is nobody's.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from dbus_fast import Message, MessageType, Variant
from dbus_fast.introspection import Node

from presence.edges.bluez.bus import (
    ADAPTER,
    BLUEZ,
    DAEMON,
    MONITORS,
    OBJECTS,
    PROPERTIES,
    BluezBus,
    NoAnswer,
)
from presence.edges.bluez.pace import PACE, Pace
from presence.edges.host.logs import vouch_for
from presence.edges.host.usb import usb_path_of
from presence.errors import RadioError, RadioFault
from presence.language import Sentence

_RULES: Final = (
    f"type='signal',sender='{DAEMON}',member='NameOwnerChanged',arg0='{BLUEZ}'",
    f"type='signal',sender='{BLUEZ}',member='PropertiesChanged',arg0='{ADAPTER}'",
)


@dataclass(frozen=True, slots=True)
class Adapter:
    """One adapter as bluetoothd sees it now."""

    name: str
    """Today's: `hci0`."""
    owner: str
    """bluetoothd's name on the bus: another one means that it was restarted, and our scan with it
    ended.
    """
    powered: bool
    discovering: bool
    blocked: bool = False
    """By rfkill, as far as bluetoothd tells (PowerState, from 5.66 on)."""
    address: str = ""
    usb_path: str = ""
    """`usb:1-1.4`; empty where it is not on USB."""

    def bears(self, name: str) -> bool:
        """Whether the settings may mean it by this name."""
        return name.upper() == self.address.upper() or name in (self.name, self.usb_path)

    def __str__(self) -> str:
        """`hci1 (00:1A:7D:DA:71:13, usb:1-1.4)`."""
        names = ", ".join(filter(None, (self.address, self.usb_path)))
        return f"{self.name} ({names})" if names else self.name


class Bluez:
    """Ask while it is connected; `changed` is set when a signal says that asking again is worth
    it.
    """

    def __init__(self, bus: BluezBus, *, usb_path_of: Callable[[str], str] = usb_path_of) -> None:
        self._bus = bus
        self._usb_path_of = usb_path_of
        self.changed = asyncio.Event()
        self.removed: set[str] = set()
        """Adapters of those that are watched that went away, though one of the same number may be
        back already.
        """
        bus.raw.add_message_handler(self._on_message)

    @classmethod
    @asynccontextmanager
    async def connect(
        cls, pace: Pace = PACE, *, usb_path_of: Callable[[str], str] = usb_path_of
    ) -> "AsyncIterator[Bluez]":
        """Raises RadioError where there is no bus, or it does not answer."""
        async with BluezBus.connect(call_s=pace.call_s) as bus:
            bluez = cls(bus, usb_path_of=usb_path_of)
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

    async def adapters(self) -> list[Adapter]:
        """All that are there, in the order of their numbers. Raises RadioError."""
        owner = await self._owner()
        found = [await self._adapter(name, owner) for name in await self.adapter_names()]
        there = [adapter for adapter in found if adapter is not None]
        for adapter in there:
            vouch_for(adapter.address)
        return there

    async def adapter(self, name: str, *, others: Collection[str] = ()) -> Adapter:
        """The one that the settings call so; where `name` is empty, the first that is powered and
        bears none of the names of `others`. Raises RadioError, also where one of `others` is the
        same adapter.
        """
        found = await self.adapters()
        if name:
            return _named(name, found, others)
        free = [each for each in found if not any(each.bears(other) for other in others)]
        if not free:
            taken = ", ".join(map(str, found))
            words = Sentence("no adapter is there but {adapters}, which is taken", adapters=taken)
            nobody = Sentence("no adapter is there")
            raise RadioError(RadioFault.NO_ADAPTER, words if found else nobody)
        return next((adapter for adapter in free if adapter.powered), free[0])

    async def watch(self, name: str) -> None:
        """Have `removed` say when this adapter goes away, however soon one of its number is back.
        Raises RadioError.
        """
        self.removed.discard(name)
        await self._bus.listen_to(
            f"type='signal',sender='{BLUEZ}',interface='{OBJECTS}',member='InterfacesRemoved',"
            f"arg0path='/org/bluez/{name}'"
        )

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
            words = Sentence("bluetoothd is not there: {reason}", reason=error.detail)
            raise RadioError(RadioFault.NO_BLUEZ, words) from error
        return await self._name_owner()

    async def _name_owner(self) -> str:
        return str((await self._bus.call_daemon("GetNameOwner", "s", [BLUEZ]))[0])

    async def _adapter(self, name: str, owner: str) -> Adapter | None:
        """None where it went away meanwhile."""
        found = await self._bus.properties_if_any(f"/org/bluez/{name}", ADAPTER)
        if found is None:
            return None
        return Adapter(
            name,
            owner,
            bool(found.get("Powered")),
            bool(found.get("Discovering")),
            found.get("PowerState") == "off-blocked",
            str(found.get("Address", "")),
            self._usb_path_of(name),
        )

    def _on_message(self, message: Message) -> None:
        if message.message_type is not MessageType.SIGNAL:
            return
        if message.member == "InterfacesRemoved" and ADAPTER in message.body[1]:
            self.removed.add(message.body[0].removeprefix("/org/bluez/"))
        self.changed.set()


def _named(name: str, found: list[Adapter], others: Collection[str]) -> Adapter:
    those = [adapter for adapter in found if adapter.bears(name)]
    if not those:
        there = ", ".join(map(str, found))
        words = Sentence("{name} is not there; there: {adapters}", name=name, adapters=there)
        alone = Sentence("{name} is not there, and no other", name=name)
        raise RadioError(RadioFault.NO_ADAPTER, words if found else alone)
    if len(those) > 1:
        both = " and ".join(map(str, those))
        raise RadioError(RadioFault.SHARED_NAME, f"{name} is the address of {both}")
    for other in others:
        if those[0].bears(other):
            raise RadioError(RadioFault.SHARED_NAME, f"{name} and {other} are one, {those[0]}")
    return those[0]
