"""What bluetoothd reads of us: two advertisements, one service, two characteristics.

/org/presence/bell/advertisement   connectable: the doorbell's service UUID
/org/presence/bell/beacon          not connectable: an iBeacon that wakes an app
/org/presence/bell/service         GattService1
/org/presence/bell/service/0, /1   GattCharacteristic1: challenge, answer
"""

from collections.abc import Callable
from typing import Annotated, Any, Final
from uuid import UUID

from dbus_fast import DBusError, PropertyAccess, Variant
from dbus_fast.annotations import (
    DBusBool,
    DBusBytes,
    DBusDict,
    DBusObjectPath,
    DBusSignature,
    DBusStr,
)
from dbus_fast.service import ServiceInterface, dbus_method, dbus_property

APPLICATION: Final = "/org/presence/bell"
SERVICE: Final = f"{APPLICATION}/service"
CHALLENGE: Final = f"{SERVICE}/0"
ANSWER: Final = f"{SERVICE}/1"
ADVERTISEMENT: Final = f"{APPLICATION}/advertisement"
BEACON: Final = f"{APPLICATION}/beacon"

APPLE: Final = 0x004C
MEASURED_POWER_DBM: Final = -59
"""At 1 m, as an iBeacon states it. The app wakes by region and does not range by it."""

_READ: Final = PropertyAccess.READ


class ExportedService(ServiceInterface):
    def __init__(self, uuid: str) -> None:
        super().__init__("org.bluez.GattService1")
        self._uuid = uuid

    @dbus_property(access=_READ)
    def UUID(self) -> DBusStr:  # noqa: N802
        return self._uuid

    @dbus_property(access=_READ)
    def Primary(self) -> DBusBool:  # noqa: N802
        return True


class _Characteristic(ServiceInterface):
    def __init__(self, uuid: str, flag: str) -> None:
        super().__init__("org.bluez.GattCharacteristic1")
        self._uuid = uuid
        self._flag = flag

    @dbus_property(access=_READ)
    def UUID(self) -> DBusStr:  # noqa: N802
        return self._uuid

    @dbus_property(access=_READ)
    def Service(self) -> DBusObjectPath:  # noqa: N802
        return SERVICE

    @dbus_property(access=_READ)
    def Flags(self) -> Annotated[list[str], DBusSignature("as")]:  # noqa: N802
        return [self._flag]


class Readable(_Characteristic):
    """A characteristic that a phone reads; `read` takes the link's name and gives the whole
    value.
    """

    def __init__(self, uuid: str, read: Callable[[str], bytes]) -> None:
        super().__init__(uuid, "read")
        self._read = read

    @dbus_method()
    def ReadValue(self, options: DBusDict) -> DBusBytes:  # noqa: N802
        return self._read(_link(options))[_offset(options) :]


class Writable(_Characteristic):
    """A characteristic that a phone writes in one piece; pieces of a long write come put together
    by bluetoothd.
    """

    def __init__(self, uuid: str, write: Callable[[str, bytes], None]) -> None:
        super().__init__(uuid, "write")
        self._write = write

    @dbus_method()
    def WriteValue(self, value: DBusBytes, options: DBusDict) -> None:  # noqa: N802
        if _offset(options):
            raise DBusError("org.bluez.Error.InvalidOffset", "write it whole")
        self._write(_link(options), bytes(value))


def beacon_data(uuid: str, major: int, minor: int) -> bytes:
    """Of an iBeacon (Proximity Beacon Specification), after the company: type, length, UUID, major,
    minor, power.
    """
    power = MEASURED_POWER_DBM.to_bytes(1, "big", signed=True)
    return (
        b"\x02\x15" + UUID(uuid).bytes + major.to_bytes(2, "big") + minor.to_bytes(2, "big") + power
    )


def _link(options: dict[str, Any]) -> str:
    """The device's path: it names the connection as long as it lasts, and holds an address, so it
    goes nowhere else.
    """
    device = options.get("device")
    return device.value if isinstance(device, Variant) and isinstance(device.value, str) else ""


def _offset(options: dict[str, Any]) -> int:
    offset = options.get("offset")
    return offset.value if isinstance(offset, Variant) and isinstance(offset.value, int) else 0
