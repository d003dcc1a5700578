"""Sends advertisements through BlueZ (org.bluez.LEAdvertisingManager1): for test phones that a
computer plays.

bluetoothd reads the advertisement that we export, puts flags and lengths to it, and hands it to the
kernel:

    RegisterAdvertisement(path) ──► bluetoothd ──► Properties.GetAll(path) ──► on air
    UnregisterAdvertisement(path), or we leave the bus ──► off air

* A payload is handed over in BlueZ's own terms, so the order of its AD structures is BlueZ's.
* A new payload is a new advertisement. The old one is taken back first: an adapter has few places
  (often 4).
* On air stands the adapter's address. It changes only with `Privacy = device` in
  /etc/bluetooth/main.conf, and then on the kernel's timer; a phone's address changes with its
  identifier (docs/app-integration.md).
* The interval is a request: some versions of BlueZ heed it only with `bluetoothd --experimental`.
"""

from types import TracebackType
from typing import Annotated, Any, Final

from dbus_fast import BusType, PropertyAccess, Variant
from dbus_fast.aio import MessageBus
from dbus_fast.annotations import DBusSignature, DBusStr, DBusUInt32
from dbus_fast.service import ServiceInterface, dbus_method, dbus_property

from presence.core.recognition.advertisement import decode_payload
from presence.edges.bluez.bus import call_bluez
from presence.errors import RadioError, RadioFault

MANAGER: Final = "org.bluez.LEAdvertisingManager1"
PATH: Final = "/org/presence/phone"

_READ: Final = PropertyAccess.READ


class ExportedAdvertisement(ServiceInterface):
    """One payload as bluetoothd reads it: manufacturer data and service data, for whoever
    listens.
    """

    def __init__(self, payload: bytes, interval_ms: int) -> None:
        super().__init__("org.bluez.LEAdvertisement1")
        service_data, manufacturer_data = decode_payload(payload)
        self._service_data = {uuid: Variant("ay", data) for uuid, data in service_data.items()}
        self._manufacturer_data = {
            company: Variant("ay", data) for company, data in manufacturer_data.items()
        }
        self._interval_ms = interval_ms

    @dbus_method()
    def Release(self) -> None:  # noqa: N802 - the names are BlueZ's
        """Called when bluetoothd lets go of the advertisement: nothing to do."""

    @dbus_property(access=_READ)
    def Type(self) -> DBusStr:  # noqa: N802
        return "broadcast"

    @dbus_property(access=_READ)
    def ServiceUUIDs(self) -> Annotated[list[str], DBusSignature("as")]:  # noqa: N802
        return list(self._service_data)

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


class Advertiser:
    """The advertisements that we have on air, by number. `async with`; afterwards all are off
    air.
    """

    def __init__(
        self, adapter: str = "hci0", *, interval_ms: int = 250, bus_address: str | None = None
    ) -> None:
        """`bus_address` is the system bus where None."""
        self._path = f"/org/bluez/{adapter}"
        self._adapter = adapter
        self._interval_ms = interval_ms
        self._bus_address = bus_address
        self._on_air: dict[int, bytes] = {}

    async def __aenter__(self) -> "Advertiser":
        try:
            self._bus = await MessageBus(
                bus_address=self._bus_address, bus_type=BusType.SYSTEM
            ).connect()
        except OSError as error:
            raise RadioError(RadioFault.NO_BLUEZ, f"no D-Bus: {error}") from error
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bus.disconnect()  # bluetoothd takes everything of a client that left off air

    async def put(self, number: int, payload: bytes) -> None:
        """Send this payload in the place of the earlier one of this number. Raises RadioError."""
        if self._on_air.get(number) == payload:
            return
        await self.take_back(number)
        path = f"{PATH}{number}"
        self._bus.export(path, ExportedAdvertisement(payload, self._interval_ms))
        try:
            await self._call(f"{MANAGER}.RegisterAdvertisement", "oa{sv}", [path, {}])
        except RadioError:
            self._bus.unexport(path)
            raise
        self._on_air[number] = payload

    async def take_back(self, number: int) -> None:
        """Off air; nothing where nothing was on air."""
        if self._on_air.pop(number, None) is None:
            return
        path = f"{PATH}{number}"
        try:
            await self._call(f"{MANAGER}.UnregisterAdvertisement", "o", [path])
        finally:
            self._bus.unexport(path)

    async def _call(self, method: str, signature: str, body: list[Any]) -> list[Any]:
        try:
            return await call_bluez(self._bus, self._path, method, signature, body)
        except RadioError as error:
            raise RadioError(error.fault, f"{self._adapter}: {error.detail}") from error
