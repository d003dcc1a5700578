"""One call of bluetoothd over D-Bus, and what its errors mean to a technician."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from dbus_fast import DBusError, Message, MessageType
from dbus_fast.aio import MessageBus

from presence.errors import RadioError, RadioFault

BLUEZ: Final = "org.bluez"

CALL_S: Final = 10.0
"""Disconnect, the slowest, takes 1.9 to 2.9 s (docs/design.md#doorbell); one that hangs must not
make us hang (R-61).
"""

_FAULTS: Final = {
    "org.freedesktop.DBus.Error.ServiceUnknown": RadioFault.NO_BLUEZ,
    "org.freedesktop.DBus.Error.NameHasNoOwner": RadioFault.NO_BLUEZ,
    "org.freedesktop.DBus.Error.NoReply": RadioFault.NO_BLUEZ,
    "org.freedesktop.DBus.Error.UnknownObject": RadioFault.NO_ADAPTER,
    "org.freedesktop.DBus.Error.UnknownMethod": RadioFault.NO_ADAPTER,
    "org.freedesktop.DBus.Error.UnknownInterface": RadioFault.NO_ADAPTER,
    "org.freedesktop.DBus.Error.AccessDenied": RadioFault.DENIED,
    "org.bluez.Error.NotReady": RadioFault.POWERED_OFF,
    "org.bluez.Error.Blocked": RadioFault.BLOCKED,
}


async def call_bluez(
    bus: MessageBus, path: str, method: str, signature: str = "", body: Sequence[Any] = ()
) -> list[Any]:
    """What bluetoothd answers to `method`, an interface and a member with a dot between; raises
    RadioError.
    """
    interface, _, member = method.rpartition(".")
    message = Message(BLUEZ, path, interface, member, signature=signature, body=list(body))
    try:
        async with asyncio.timeout(CALL_S):
            reply = await bus.call(message)
    except TimeoutError:
        raise RadioError(RadioFault.NO_BLUEZ, f"{member}: no answer within {CALL_S:g} s") from None
    except (DBusError, EOFError, OSError) as error:
        raise RadioError(RadioFault.NO_BLUEZ, str(error)) from error
    if reply is None or reply.message_type is MessageType.ERROR:
        name = (reply.error_name if reply else None) or "no answer"
        text = str(reply.body[0]) if reply and reply.body else name
        raise RadioError(_FAULTS.get(name, RadioFault.OTHER), f"{member}: {text}")
    return list(reply.body)
