"""What bluetoothd says of our adapter, over a D-Bus connection of our own.

bleak tells nobody that its scan has ended: not when bluetoothd was restarted, not when the adapter
was pulled out or powered off. So we ask, every few seconds and whenever a signal says that
something has changed.

Asked is only what is as small with fifty thousand strangers around as with none: never
GetManagedObjects, and never an introspection of the adapter, which lists every device.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from dbus_fast import BusType, Message, MessageType, Variant
from dbus_fast.aio import MessageBus
from dbus_fast.introspection import Node

from presence.errors import RadioError, RadioFault

BLUEZ: Final = "org.bluez"
ADAPTER: Final = "org.bluez.Adapter1"
MONITORS: Final = "org.bluez.AdvertisementMonitorManager1"
CALL_S: Final = 4.0
"""bluetoothd answers in milliseconds; one that hangs must not make us hang (R-61)."""

PROPERTIES: Final = "org.freedesktop.DBus.Properties"
_DAEMON: Final = "org.freedesktop.DBus"
_RULES: Final = (
    f"type='signal',sender='{_DAEMON}',member='NameOwnerChanged',arg0='{BLUEZ}'",
    f"type='signal',sender='{BLUEZ}',member='PropertiesChanged',arg0='{ADAPTER}'",
)
_FAULTS: Final = {
    "org.freedesktop.DBus.Error.AccessDenied": RadioFault.DENIED,
    "org.freedesktop.DBus.Error.UnknownObject": RadioFault.NO_ADAPTER,
    "org.freedesktop.DBus.Error.UnknownMethod": RadioFault.NO_ADAPTER,
    "org.freedesktop.DBus.Error.NameHasNoOwner": RadioFault.NO_BLUEZ,
    "org.freedesktop.DBus.Error.ServiceUnknown": RadioFault.NO_BLUEZ,
    "org.freedesktop.DBus.Error.NoReply": RadioFault.NO_BLUEZ,
    "org.bluez.Error.NotReady": RadioFault.POWERED_OFF,
    "org.bluez.Error.Blocked": RadioFault.BLOCKED,
}


class NoAnswer(RadioError):
    """bluetoothd is there and does not answer in time: it hangs, or a flood keeps it busy."""


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

    def __init__(self, bus: MessageBus) -> None:
        self._bus = bus
        self.changed = asyncio.Event()
        bus.add_message_handler(self._on_message)

    @classmethod
    @asynccontextmanager
    async def connect(cls) -> "AsyncIterator[Bluez]":
        """Raises OSError where there is no bus, RadioError where it does not answer."""
        bus = MessageBus(bus_type=BusType.SYSTEM)
        try:
            async with asyncio.timeout(CALL_S):
                await bus.connect()
            bluez = cls(bus)
            for rule in _RULES:
                await bluez.call(to_daemon("AddMatch", rule))
            yield bluez
        finally:
            bus.disconnect()

    async def adapter_names(self) -> list[str]:
        """In the order of their numbers. Raises RadioError."""
        xml = await self.call(
            Message(BLUEZ, "/org/bluez", "org.freedesktop.DBus.Introspectable", "Introspect")
        )
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
        return [str((await self._properties(name, ADAPTER)).get("Address", "")) for name in names]

    async def process(self) -> int:
        """bluetoothd's number among processes. Raises RadioError."""
        return int((await self.call(to_daemon("GetConnectionUnixProcessID", BLUEZ)))[0])

    async def set_powered(self, name: str, *, powered: bool) -> None:
        """Raises RadioError."""
        body = [ADAPTER, "Powered", Variant("b", powered)]
        await self.call(
            Message(BLUEZ, f"/org/bluez/{name}", PROPERTIES, "Set", signature="ssv", body=body)
        )

    async def monitor_features(self, name: str) -> list[str] | None:
        """What advertisement monitors, which passive scans need, can do here; None where there are
        none.

        Raises RadioError.
        """
        try:
            return list((await self._properties(name, MONITORS)).get("SupportedFeatures", []))
        except RadioError as error:
            if error.fault in (RadioFault.NO_BLUEZ, RadioFault.DENIED):
                raise
            return None

    async def call(self, message: Message) -> list[Any]:
        """The answer's values. Raises RadioError, whatever it is that did not go well."""
        return await call(self._bus, message)

    async def _owner(self) -> str:
        """Of bluetoothd's name on the bus; one that is dead is started, as by any ordinary call.
        Raises RadioError.
        """
        asked = to_daemon("GetNameOwner", BLUEZ)  # this by itself starts nobody
        try:
            return str((await self.call(asked))[0])
        except NoAnswer:
            raise
        except RadioError as error:
            if error.fault is not RadioFault.NO_BLUEZ:
                raise
        start = Message(
            _DAEMON,
            "/org/freedesktop/DBus",
            _DAEMON,
            "StartServiceByName",
            signature="su",
            body=[BLUEZ, 0],
        )
        try:
            await self.call(start)
        except RadioError as error:
            raise RadioError(
                RadioFault.NO_BLUEZ, f"bluetoothd is not there: {error.detail}"
            ) from error
        return str((await self.call(to_daemon("GetNameOwner", BLUEZ)))[0])

    async def _adapter(self, name: str, owner: str) -> Adapter:
        found = await self._properties(name, ADAPTER)
        blocked = found.get("PowerState") == "off-blocked"
        return Adapter(
            name, owner, bool(found.get("Powered")), bool(found.get("Discovering")), blocked
        )

    async def _properties(self, name: str, interface: str) -> dict[str, Any]:
        message = Message(
            BLUEZ, f"/org/bluez/{name}", PROPERTIES, "GetAll", signature="s", body=[interface]
        )
        return {key: value.value for key, value in (await self.call(message))[0].items()}

    def _on_message(self, message: Message) -> None:
        if message.message_type is MessageType.SIGNAL:
            self.changed.set()


async def call(bus: MessageBus, message: Message) -> list[Any]:
    """The answer's values. Raises RadioError, whatever it is that did not go well."""
    what = message.member
    if not bus.connected:  # a call would never return
        raise RadioError(RadioFault.NO_BLUEZ, "the connection to D-Bus was lost")
    try:
        async with asyncio.timeout(CALL_S):
            reply = await bus.call(message)
    except TimeoutError:
        raise NoAnswer(RadioFault.NO_BLUEZ, f"{what}: no answer within {CALL_S:g} s") from None
    except (OSError, EOFError) as error:
        raise RadioError(
            RadioFault.NO_BLUEZ, f"{what}: {error or 'the connection to D-Bus was lost'}"
        ) from error
    if reply is None:
        raise RadioError(RadioFault.NO_BLUEZ, f"{what}: the connection to D-Bus was lost")
    if reply.message_type is MessageType.ERROR:
        text = reply.body[0] if reply.body else reply.error_name
        raise RadioError(_fault(reply.error_name or "", message), f"{what}: {text}")
    return list(reply.body)


def _fault(name: str, message: Message) -> RadioFault:
    if name == "org.freedesktop.DBus.Error.UnknownMethod" and message.interface == MONITORS:
        return RadioFault.UNSUPPORTED
    return _FAULTS.get(name, RadioFault.OTHER)


def to_daemon(member: str, text: str) -> Message:
    return Message(_DAEMON, "/org/freedesktop/DBus", _DAEMON, member, signature="s", body=[text])
