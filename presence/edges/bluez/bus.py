"""One call of bluetoothd over D-Bus, and what its errors mean to a technician: for everything here
that speaks to BlueZ without bleak.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from dbus_fast import BusType, DBusError, Message, MessageType
from dbus_fast.aio import MessageBus

from presence.errors import RadioError, RadioFault, reason_of
from presence.language import Sentence

BLUEZ: Final = "org.bluez"
ADAPTER: Final = "org.bluez.Adapter1"
DEVICE: Final = "org.bluez.Device1"
MONITORS: Final = "org.bluez.AdvertisementMonitorManager1"
ADVERTISING: Final = "org.bluez.LEAdvertisingManager1"
GATT: Final = "org.bluez.GattManager1"
PROPERTIES: Final = "org.freedesktop.DBus.Properties"
OBJECTS: Final = "org.freedesktop.DBus.ObjectManager"
DAEMON: Final = "org.freedesktop.DBus"
"""dbus-daemon itself."""

_ERRORS: Final = "org.freedesktop.DBus.Error"
_FAULTS: Final = {
    f"{_ERRORS}.ServiceUnknown": RadioFault.NO_BLUEZ,
    f"{_ERRORS}.NameHasNoOwner": RadioFault.NO_BLUEZ,
    f"{_ERRORS}.NoReply": RadioFault.NO_BLUEZ,
    f"{_ERRORS}.UnknownObject": RadioFault.NO_ADAPTER,
    f"{_ERRORS}.UnknownMethod": RadioFault.NO_ADAPTER,
    f"{_ERRORS}.UnknownInterface": RadioFault.NO_ADAPTER,
    f"{_ERRORS}.AccessDenied": RadioFault.DENIED,
    "org.bluez.Error.NotReady": RadioFault.POWERED_OFF,
    "org.bluez.Error.Blocked": RadioFault.BLOCKED,
}
_LACKING: Final = (f"{_ERRORS}.UnknownMethod", f"{_ERRORS}.UnknownInterface")


class NoAnswer(RadioError):
    """bluetoothd is there and does not answer in time: it hangs, or a flood keeps it busy."""


class BluezBus:
    """A D-Bus connection of our own, to ask bluetoothd and to export what it reads. Whatever fails
    is a RadioError.
    """

    def __init__(self, raw: MessageBus, call_s: float) -> None:
        self.raw = raw
        """For signals, and for exported objects."""
        self._call_s = call_s

    @classmethod
    @asynccontextmanager
    async def connect(
        cls, *, call_s: float, address: str | None = None
    ) -> "AsyncIterator[BluezBus]":
        """Until the block ends; bluetoothd then takes everything of ours off air. `call_s`: how
        long we wait for an answer. `address`: the system bus where None.
        """
        raw = MessageBus(bus_address=address, bus_type=BusType.SYSTEM)
        try:
            try:
                async with asyncio.timeout(call_s):
                    await raw.connect()
            except TimeoutError:
                silent = Sentence(
                    "the system's D-Bus does not answer within {seconds:g} s", seconds=call_s
                )
                raise NoAnswer(RadioFault.NO_BLUEZ, silent) from None
            except OSError as error:
                raise RadioError(RadioFault.NO_BLUEZ, _no_bus(error)) from error
            yield cls(raw, call_s)
        finally:
            raw.disconnect()

    async def call(
        self, path: str, method: str, signature: str = "", body: Sequence[Any] = ()
    ) -> list[Any]:
        """What bluetoothd answers to `method`, an interface and a member with a dot between."""
        interface, _, member = method.rpartition(".")
        return await self._call(
            Message(BLUEZ, path, interface, member, signature=signature, body=list(body))
        )

    async def call_daemon(self, member: str, signature: str, body: Sequence[Any]) -> list[Any]:
        """What dbus-daemon answers."""
        path = "/org/freedesktop/DBus"
        return await self._call(
            Message(DAEMON, path, DAEMON, member, signature=signature, body=list(body))
        )

    async def listen_to(self, rule: str) -> None:
        """Have the signals of this match rule brought to us."""
        await self.call_daemon("AddMatch", "s", [rule])

    async def properties(self, path: str, interface: str) -> dict[str, Any]:
        """All of them, by name."""
        (found,) = await self.call(path, f"{PROPERTIES}.GetAll", "s", [interface])
        return {name: value.value for name, value in found.items()}

    async def properties_if_any(self, path: str, interface: str) -> dict[str, Any] | None:
        """None where the object has no such interface."""
        try:
            return await self.properties(path, interface)
        except RadioError as error:
            if error.fault in (RadioFault.NO_BLUEZ, RadioFault.DENIED):
                raise
            return None

    async def _call(self, message: Message) -> list[Any]:
        what, lost = message.member, "the connection to D-Bus was lost"
        if not self.raw.connected:  # a call would never return
            raise RadioError(RadioFault.NO_BLUEZ, lost)
        try:
            async with asyncio.timeout(self._call_s):
                reply = await self.raw.call(message)
        except TimeoutError:
            raise NoAnswer(
                RadioFault.NO_BLUEZ, f"{what}: no answer within {self._call_s:g} s"
            ) from None
        except (DBusError, OSError, EOFError) as error:
            raise RadioError(RadioFault.NO_BLUEZ, f"{what}: {error or lost}") from error
        if reply is None:
            raise RadioError(RadioFault.NO_BLUEZ, f"{what}: {lost}")
        if reply.message_type is MessageType.ERROR:
            text = reply.body[0] if reply.body else reply.error_name
            raise RadioError(_fault(reply.error_name or "", message), f"{what}: {text}")
        return list(reply.body)


def _no_bus(error: OSError) -> Sentence:
    if isinstance(error, FileNotFoundError | ConnectionRefusedError):
        return Sentence("the system's D-Bus is not there")
    return Sentence("the system's D-Bus cannot be reached: {reason}", reason=reason_of(error))


def _fault(name: str, message: Message) -> RadioFault:
    if message.interface == MONITORS and name in _LACKING:
        return RadioFault.UNSUPPORTED
    return _FAULTS.get(name, RadioFault.OTHER)
