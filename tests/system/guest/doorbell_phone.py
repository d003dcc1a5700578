"""A phone near the doorbell: implements scripts.app_emulator.doorbell.Central on the virtual air,
and can misbehave.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from bumble import hci
from bumble.core import UUID
from bumble.device import Device, Peer
from bumble.hci import Address
from bumble.host import Host
from bumble.transport.common import AsyncPipeSink
from doorbell_air import STRENGTH_DBM, Ether, Radio

from scripts.app_emulator.doorbell import LinkLost, Sound

SERVICE_UUID: Final = "5f0c1e52-7c3a-4f0e-9d3b-3f6f0f8b2a10"
CANARY: Final = bytes.fromhex("c57a9de1")
"""Every stranger's address begins so; the first byte has 01 in place of 11 at its top where it is
resolvable.
"""
CALL_S: Final = 8.0
MTU: Final = 517


class Phone:
    """`resolvable`: its addresses look as those of a phone do; otherwise they are static ones."""

    def __init__(
        self, name: str, ether: Ether, *, resolvable: bool = True, canary: bool = False
    ) -> None:
        self._top = 0x40 if resolvable else 0xC0
        self._canary = canary
        self.radio = Radio(name, ether, "00:00:00:00:00:00")
        self.device = Device(
            name=name, address=self._new(), host=Host(self.radio, AsyncPipeSink(self.radio))
        )

    async def switch_on(self) -> None:
        await self.device.power_on()

    async def change_address(self) -> str:
        """To one that nobody had."""
        address = self._new()
        self.device.random_address = address
        await self.device.send_sync_command(
            hci.HCI_LE_Set_Random_Address_Command(random_address=address)
        )
        return str(address).split("/")[0]

    async def hear(
        self, service_uuid: str = SERVICE_UUID, within_s: float = 20.0
    ) -> tuple[Address, float]:
        """The first advertisement of the doorbell: who, when (monotonic)."""
        first: asyncio.Future[tuple[Address, float]] = asyncio.get_running_loop().create_future()

        def take(address: Address, at_s: float) -> None:
            if not first.done():
                first.set_result((address, at_s))

        async with self._scan(service_uuid, take):
            return await asyncio.wait_for(first, within_s)

    async def listen(self, service_uuid: str, seconds: float) -> list[Sound]:
        sounds: list[Sound] = []

        def take(address: Address, at_s: float) -> None:
            self._gateways[str(address)] = address
            sounds.append(Sound(at_s, STRENGTH_DBM, str(address)))

        async with self._scan(service_uuid, take):
            await asyncio.sleep(seconds)
        return sounds

    _gateways: dict[str, Address] = {}  # noqa: RUF012 - there is one air, and a gateway's address names it to all

    @asynccontextmanager
    async def connect(self, gateway: str) -> AsyncIterator["Link"]:
        async with self.connected(self._gateways[gateway]) as link:
            await link.find()
            yield link

    @asynccontextmanager
    async def connected(self, gateway: Address, *, mtu: int = MTU) -> AsyncIterator["Link"]:
        """Raises LinkLost where it fails or breaks; hangs up at the end."""
        try:
            connection = await self.device.connect(gateway, timeout=5)
        except Exception as error:
            raise LinkLost(f"no connection: {error!r}") from error
        link = Link(connection)
        try:
            if mtu:
                await asyncio.wait_for(link.peer.request_mtu(mtu), CALL_S)
            yield link
        except asyncio.CancelledError:  # bumble cancels what is asked when the link ends
            if link.gone.done():
                raise LinkLost(f"the link ended ({link.gone.result()[1]:#x})") from None
            raise
        except TimeoutError as error:
            raise LinkLost("no answer over the link") from error
        finally:
            if not link.gone.done():
                with contextlib.suppress(Exception):
                    await asyncio.wait_for(connection.disconnect(), 3)

    @asynccontextmanager
    async def _scan(
        self, service_uuid: str, take: Callable[[Address, float], None]
    ) -> AsyncIterator[None]:
        wanted = bytes.fromhex(service_uuid.replace("-", ""))[::-1]

        def on_advertisement(heard: Any) -> None:
            if heard.is_connectable and wanted in bytes(heard.data_bytes):
                take(heard.address, time.monotonic())

        self.device.on("advertisement", on_advertisement)
        try:
            await self.device.start_scanning(legacy=True, active=False, filter_duplicates=False)
            yield
        finally:
            self.device.remove_listener("advertisement", on_advertisement)
            await self.device.stop_scanning(legacy=True)

    def _new(self) -> Address:
        first, rest = (CANARY[0], CANARY[1:]) if self._canary else (os.urandom(1)[0], b"")
        tail = os.urandom(5 - len(rest))
        return Address(
            (bytes((self._top | first & 0x3F,)) + rest + tail)[::-1], Address.RANDOM_DEVICE_ADDRESS
        )


class Link:
    """An open connection; implements scripts.app_emulator.doorbell.Peer."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.peer = Peer(connection)
        self.gone: asyncio.Future[tuple[float, int]] = asyncio.get_running_loop().create_future()
        """When it ended (monotonic), and the reason of the Core Specification (Vol 1, Part F)."""
        self._characteristics: list[Any] = []
        connection.on("disconnection", self._on_disconnection)

    async def find(self, service_uuid: str = SERVICE_UUID) -> None:
        services = await asyncio.wait_for(self.peer.discover_service(UUID(service_uuid)), CALL_S)
        if not services:
            raise LinkLost("the gateway shows no such service")
        found = self.peer.discover_characteristics(service=services[0])
        self._characteristics = await asyncio.wait_for(found, CALL_S)

    async def challenge(self) -> bytes:
        return await self.read(str(self._that("READ").uuid))

    async def answer(self, value: bytes) -> None:
        await self.write(str(self._that("WRITE").uuid), value)

    async def read(self, uuid: str) -> bytes:
        return bytes(await asyncio.wait_for(self._by_uuid(uuid).read_value(), CALL_S))

    async def write(self, uuid: str, value: bytes) -> None:
        """In one piece where it fits, else in several (Vol 3, Part G, 4.9.4)."""
        await asyncio.wait_for(self._by_uuid(uuid).write_value(value, with_response=True), CALL_S)

    def _by_uuid(self, uuid: str) -> Any:
        return next(each for each in self._characteristics if each.uuid == UUID(uuid))

    def _that(self, does: str) -> Any:
        return next(each for each in self._characteristics if does in str(each.properties))

    def _on_disconnection(self, reason: int) -> None:
        if not self.gone.done():
            self.gone.set_result((time.monotonic(), reason))
