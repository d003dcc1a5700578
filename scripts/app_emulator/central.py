"""A computer's adapter as a phone's radio: implements doorbell.Central with bleak."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final
from uuid import UUID

from bleak import BleakClient, BleakScanner
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData
from bleak.exc import BleakCharacteristicNotFoundError

from presence.core.recognition.challenge import MAX_RSSI_DBM
from presence.edges.bluez.faults import ERRORS, fault_of, reason_of
from presence.errors import RadioError
from presence.ports import Clock
from scripts.app_emulator.doorbell import LinkLost, NoAnswer, Peer, Sound

CONNECT_S: Final = 10.0
APPLE: Final = 0x004C
FRAME_BYTES: Final = 23
WEAKEST_DBM: Final = -126
"""bluetoothd gives -127 for a device whose strength it does not know."""


class BleakCentral:
    """`adapter`: None is the first one. `beacons`: the chain's UUID and the store's number, where
    the bells are to be told apart.
    """

    def __init__(
        self, adapter: str | None, clock: Clock, *, beacons: tuple[UUID, int] | None = None
    ) -> None:
        self._adapter = adapter
        self._clock = clock
        self._beacons = beacons
        self._devices: dict[str, BLEDevice] = {}

    async def listen(self, service_uuid: str, seconds: float) -> list[Sound]:
        sounds: list[Sound] = []

        def take(device: BLEDevice, data: AdvertisementData) -> None:
            if not WEAKEST_DBM <= data.rssi <= MAX_RSSI_DBM:
                return
            at_s, frame = self._clock.now().monotonic_s, data.manufacturer_data.get(APPLE, b"")
            # bluetoothd joins what one address sends: which of the two has just come is not told.
            if service_uuid in data.service_uuids:
                self._devices[device.address] = device
                sounds.append(Sound(at_s, data.rssi, device.address))
            if self._beacons is not None and (bell := bell_of(frame, *self._beacons)) is not None:
                sounds.append(Sound(at_s, data.rssi, device.address, bell))

        try:
            # DuplicateData: each advertisement counts, with its own strength.
            scanner = BleakScanner(
                take,
                [service_uuid] if self._beacons is None else None,
                bluez={
                    "filters": {"DuplicateData": True, "RSSI": -127},
                    **({"adapter": self._adapter} if self._adapter else {}),
                },
            )
            async with scanner:
                await asyncio.sleep(seconds)
        except ERRORS as error:
            raise RadioError(fault_of(error), reason_of(error)) from error
        return sounds

    @asynccontextmanager
    async def connect(self, gateway: str) -> AsyncIterator[Peer]:
        client = BleakClient(
            self._devices[gateway],
            timeout=CONNECT_S,
            bluez={"adapter": self._adapter} if self._adapter else {},
        )
        try:
            async with client:
                yield _Link(client)
        except ERRORS as error:
            raise LinkLost(reason_of(error)) from error


def bell_of(frame: bytes, uuid: UUID, store: int) -> int | None:
    """The number of a bell, from an iBeacon's frame after the company; None where it is another."""
    head = b"\x02\x15" + uuid.bytes + store.to_bytes(2, "big")
    if len(frame) != FRAME_BYTES or not frame.startswith(head):
        return None
    return int.from_bytes(frame[20:22], "big")


class _Link:
    def __init__(self, client: BleakClient) -> None:
        self._client = client

    async def read(self, uuid: str) -> bytes:
        with _must_exist():
            return bytes(await self._client.read_gatt_char(uuid))

    async def write(self, uuid: str, value: bytes) -> None:
        with _must_exist():
            await self._client.write_gatt_char(uuid, value, response=True)


@contextmanager
def _must_exist() -> Iterator[None]:
    try:
        yield
    except BleakCharacteristicNotFoundError as error:
        raise NoAnswer(
            "the gateway advertises the doorbell and has no such characteristic: is its service "
            "registered? "
            "`journalctl` at the gateway: doorbell.failed; here, an old copy of its services may "
            "be kept: "
            "`bluetoothctl remove` the gateway"
        ) from error
