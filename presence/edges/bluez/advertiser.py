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

from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Final

from presence.core.recognition.advertisement import decode_payload
from presence.edges.bluez.bus import ADVERTISING, BluezBus
from presence.edges.bluez.exported_advertisement import ExportedAdvertisement
from presence.edges.bluez.pace import DOORBELL_PACE
from presence.errors import RadioError

PATH: Final = "/org/presence/phone"


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
        self._connection = AsyncExitStack()

    async def __aenter__(self) -> "Advertiser":
        connecting = BluezBus.connect(call_s=DOORBELL_PACE.call_s, address=self._bus_address)
        self._bus = await self._connection.enter_async_context(connecting)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._connection.aclose()

    async def put(self, number: int, payload: bytes) -> None:
        """Send this payload in the place of the earlier one of this number. Raises RadioError."""
        if self._on_air.get(number) == payload:
            return
        await self.take_back(number)
        path = f"{PATH}{number}"
        service_data, manufacturer_data = decode_payload(payload)
        advertisement = ExportedAdvertisement(
            "broadcast",
            self._interval_ms,
            service_uuids=list(service_data),
            service_data=service_data,
            manufacturer_data=manufacturer_data,
        )
        self._bus.raw.export(path, advertisement)
        try:
            await self._call(f"{ADVERTISING}.RegisterAdvertisement", "oa{sv}", [path, {}])
        except RadioError:
            self._bus.raw.unexport(path)
            raise
        self._on_air[number] = payload

    async def take_back(self, number: int) -> None:
        """Off air; nothing where nothing was on air."""
        if self._on_air.pop(number, None) is None:
            return
        path = f"{PATH}{number}"
        try:
            await self._call(f"{ADVERTISING}.UnregisterAdvertisement", "o", [path])
        finally:
            self._bus.raw.unexport(path)

    async def _call(self, method: str, signature: str, body: list[Any]) -> list[Any]:
        try:
            return await self._bus.call(self._path, method, signature, body)
        except RadioError as error:
            raise RadioError(error.fault, f"{self._adapter}: {error.detail}") from error
