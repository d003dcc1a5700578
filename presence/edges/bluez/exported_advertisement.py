"""An advertisement of ours as bluetoothd reads it: we export it, then register its path."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Final, Literal

from dbus_fast import PropertyAccess, Variant
from dbus_fast.annotations import DBusSignature, DBusStr, DBusUInt32
from dbus_fast.service import ServiceInterface, dbus_method, dbus_property

_READ: Final = PropertyAccess.READ


class ExportedAdvertisement(ServiceInterface):
    """LEAdvertisement1: a `peripheral` takes connections, a `broadcast` does not. bluetoothd puts
    flags and lengths to it.
    """

    def __init__(
        self,
        kind: Literal["peripheral", "broadcast"],
        interval_ms: int,
        *,
        service_uuids: Sequence[str] = (),
        service_data: Mapping[str, bytes] | None = None,
        manufacturer_data: Mapping[int, bytes] | None = None,
    ) -> None:
        super().__init__("org.bluez.LEAdvertisement1")
        self._kind = kind
        self._interval_ms = interval_ms
        self._service_uuids = list(service_uuids)
        self._service_data = {
            uuid: Variant("ay", data) for uuid, data in (service_data or {}).items()
        }
        self._manufacturer_data = {
            company: Variant("ay", data) for company, data in (manufacturer_data or {}).items()
        }

    @dbus_method()
    def Release(self) -> None:  # noqa: N802 - the names are BlueZ's
        """Called when bluetoothd lets go of it: it goes with the adapter, and nothing is to do."""

    @dbus_property(access=_READ)
    def Type(self) -> DBusStr:  # noqa: N802
        return self._kind

    @dbus_property(access=_READ)
    def ServiceUUIDs(self) -> Annotated[list[str], DBusSignature("as")]:  # noqa: N802
        return self._service_uuids

    @dbus_property(access=_READ)
    def ServiceData(self) -> Annotated[dict[str, Variant], DBusSignature("a{sv}")]:  # noqa: N802
        return self._service_data

    @dbus_property(access=_READ)
    def ManufacturerData(self) -> Annotated[dict[int, Variant], DBusSignature("a{qv}")]:  # noqa: N802
        return self._manufacturer_data

    @dbus_property(access=_READ)
    def MinInterval(self) -> DBusUInt32:  # noqa: N802
        return self._interval_ms

    @dbus_property(access=_READ)
    def MaxInterval(self) -> DBusUInt32:  # noqa: N802
        return self._interval_ms
