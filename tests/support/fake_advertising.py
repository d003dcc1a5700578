"""A working stand-in for bluetoothd's advertising, on a D-Bus daemon of its own.

It does what bluetoothd does with a registration: reads the advertisement's properties from the
client that registered it, takes it off air when that client unregisters it or leaves the bus, and
refuses more than it has places for.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

from dbus_fast import Message, MessageType
from dbus_fast.aio import MessageBus

MANAGER = "org.bluez.LEAdvertisingManager1"
CONFIG = """\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type><listen>unix:path={socket}</listen><auth>EXTERNAL</auth>{services}
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>
  </policy>
</busconfig>
"""


class FakeBluez:
    """`on_air` is what would be sent now: (client, path) → the advertisement's properties, in plain
    values.
    """

    def __init__(self, bus: MessageBus, *, places: int) -> None:
        self._bus = bus
        self._places = places
        self._tasks: set[asyncio.Task[None]] = set()
        self.on_air: dict[tuple[str, str], dict[str, Any]] = {}
        self.seen: list[dict[str, Any]] = []
        """Everything that ever was on air."""
        bus.add_message_handler(self._on_message)

    def _on_message(self, message: Message) -> bool | Message | None:
        if message.message_type is MessageType.SIGNAL and message.member == "NameOwnerChanged":
            name, _, owner = message.body
            if not owner:
                self.on_air = {key: value for key, value in self.on_air.items() if key[0] != name}
            return None
        if message.message_type is not MessageType.METHOD_CALL or message.interface != MANAGER:
            return None
        if message.path != "/org/bluez/hci0":
            return Message.new_error(
                message, "org.freedesktop.DBus.Error.UnknownObject", "no such adapter"
            )
        key = (str(message.sender), message.body[0])
        if message.member == "UnregisterAdvertisement":
            if self.on_air.pop(key, None) is None:
                return Message.new_error(message, "org.bluez.Error.DoesNotExist", "Does Not Exist")
            return Message.new_method_return(message)
        if len(self.on_air) >= self._places:
            return Message.new_error(
                message, "org.bluez.Error.NotPermitted", "Maximum advertisements reached"
            )
        self._later(self._register(message, key))
        return True

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _register(self, message: Message, key: tuple[str, str]) -> None:
        reply = await self._bus.call(
            Message(
                key[0], key[1], "org.freedesktop.DBus.Properties", "GetAll",
                signature="s", body=["org.bluez.LEAdvertisement1"],
            )
        )  # fmt: skip
        assert reply is not None
        properties = {name: value.value for name, value in reply.body[0].items()}
        for name in ("ServiceData", "ManufacturerData"):
            properties[name] = {
                of: bytes(data.value) for of, data in properties.get(name, {}).items()
            }
        self.on_air[key] = properties
        self.seen.append(properties)
        self._bus.send(Message.new_method_return(message))


@contextlib.asynccontextmanager
async def a_bus(directory: Path, services: Path | None = None) -> AsyncIterator[str]:
    """A D-Bus daemon with nobody on it; its address. `services`: a folder of those that it can
    start.
    """
    socket, config = directory / "bus", directory / "bus.conf"
    config.write_text(
        CONFIG.format(
            socket=socket, services=f"<servicedir>{services}</servicedir>" if services else ""
        )
    )
    daemon = await asyncio.create_subprocess_exec(
        "dbus-daemon", f"--config-file={config}", "--nofork", "--nopidfile", "--print-address=1",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        assert daemon.stdout is not None
        assert await asyncio.wait_for(daemon.stdout.readline(), 10)  # said once it listens
        yield f"unix:path={socket}"
    finally:
        daemon.terminate()
        await daemon.wait()


@contextlib.asynccontextmanager
async def a_bluez(address: str, *, places: int = 4) -> AsyncIterator[FakeBluez]:
    """org.bluez on that bus."""
    bus = await MessageBus(bus_address=address).connect()
    bluez = FakeBluez(bus, places=places)
    rule = "type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged'"
    await bus.call(
        Message(
            "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "AddMatch",
            signature="s", body=[rule],
        )
    )  # fmt: skip
    await bus.request_name("org.bluez")
    try:
        yield bluez
    finally:
        bus.disconnect()
        await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]
