"""A working stand-in for bluetoothd as a peripheral: takes an application, and phones connect,
read, write and stay.

While a phone is connected nothing connectable is on air until it is registered anew, as with
extended advertising (docs/design.md#doorbell).
"""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from dbus_fast import Message, MessageType, Variant
from dbus_fast.aio import MessageBus

from tests.support.fake_advertising import MANAGER, FakeBluez

ADAPTER = "/org/bluez/hci0"
ADDRESS = "00:00:5E:00:53:01"
DEVICE = "org.bluez.Device1"
PROPERTIES = "org.freedesktop.DBus.Properties"
OBJECTS = "org.freedesktop.DBus.ObjectManager"


class WriteFailed(Exception):
    """The D-Bus error that a write was answered with."""


class Phone:
    """A peer on the air. `known`: bluetoothd had its object before it connected."""

    def __init__(self, bluez: "FakeBell", number: int, *, known: bool, paired: bool) -> None:
        self.path = f"{ADAPTER}/dev_C0_FF_EE_00_00_{number:02X}"
        self.connected = False
        self.paired = paired
        self._bluez = bluez
        self._known = known

    async def connect(self) -> None:
        self.connected = True
        self._bluez.silence()
        properties = {"Connected": Variant("b", True), "Paired": Variant("b", self.paired)}
        if self._known:
            self._bluez.signal(
                self.path, PROPERTIES, "PropertiesChanged", "sa{sv}as", [DEVICE, properties, []]
            )
        else:
            self._bluez.signal(
                "/", OBJECTS, "InterfacesAdded", "oa{sa{sv}}", [self.path, {DEVICE: properties}]
            )

    async def disconnect(self) -> None:
        self.connected = False
        properties = {"Connected": Variant("b", False)}
        self._bluez.signal(
            self.path, PROPERTIES, "PropertiesChanged", "sa{sv}as", [DEVICE, properties, []]
        )

    async def read(self, uuid: str) -> bytes:
        reply = await self._bluez.ask(uuid, "ReadValue", "a{sv}", [self._options()])
        return bytes(reply.body[0])

    async def write(self, uuid: str, value: bytes) -> None:
        reply = await self._bluez.ask(uuid, "WriteValue", "aya{sv}", [value, self._options()])
        if reply.message_type is MessageType.ERROR:
            raise WriteFailed(reply.error_name)

    def _options(self) -> dict[str, Variant]:
        return {
            "device": Variant("o", self.path),
            "link": Variant("s", "LE"),
            "mtu": Variant("q", 517),
        }


class FakeBell(FakeBluez):
    """`application` is what was registered: (client, path) → the managed objects, in plain
    values.
    """

    def __init__(self, bus: MessageBus, *, places: int = 4) -> None:
        super().__init__(bus, places=places)
        self.phones: dict[str, Phone] = {}
        self.objects: dict[str, dict[str, Any]] = {}
        self.registrations = 0
        self.sent_away: list[str] = []
        self.called: set[str] = set()
        """Every method that a client called of us."""
        self.failing_disconnects = 0
        """So many fail from now on."""
        self.hangs = False
        self.powered = True
        self.switched: list[bool] = []
        self._client = ""

    def phone(self, number: int = 1, *, known: bool = False, paired: bool = False) -> Phone:
        phone = Phone(self, number, known=known, paired=paired)
        self.phones[phone.path] = phone
        return phone

    def silence(self) -> None:
        """A link is open: what is connectable is off air, though still registered."""
        for advertisement in self.on_air.values():
            advertisement["silent"] = advertisement["Type"] == "peripheral"

    @property
    def rings(self) -> bool:
        """Is the doorbell on air?"""
        return self.powered and any(
            each["Type"] == "peripheral" and not each.get("silent") for each in self.on_air.values()
        )

    def signal(
        self, path: str, interface: str, member: str, signature: str, body: list[Any]
    ) -> None:
        self._bus.send(Message.new_signal(path, interface, member, signature, body))

    def power(self, powered: bool) -> None:
        """What is registered stays so, and is not on air while the power is off."""
        self.powered = powered
        self.switched.append(powered)
        changed = ["org.bluez.Adapter1", {"Powered": Variant("b", powered)}, []]
        self.signal(ADAPTER, PROPERTIES, "PropertiesChanged", "sa{sv}as", changed)

    def lose_adapter(self) -> None:
        self.on_air.clear()
        self.signal(
            "/", OBJECTS, "InterfacesRemoved", "oas", [ADAPTER, ["org.bluez.Adapter1", MANAGER]]
        )

    async def ask(self, uuid: str, member: str, signature: str, body: list[Any]) -> Message:
        path = next(p for p, interfaces in self.objects.items() if interfaces.get("UUID") == uuid)
        call = Message(
            self._client,
            path,
            "org.bluez.GattCharacteristic1",
            member,
            signature=signature,
            body=body,
        )
        reply = await self._bus.call(call)
        assert reply is not None
        return reply

    def _on_message(self, message: Message) -> bool | Message | None:
        if message.message_type is not MessageType.METHOD_CALL:
            return super()._on_message(message)
        self.called.add(str(message.member))
        if self.hangs:
            return True
        if message.member == "RegisterApplication":
            self._later(self._register_application(message))
            return True
        if message.member == "Introspect" and message.path == "/org/bluez":
            return Message.new_method_return(message, "s", ['<node><node name="hci0"/></node>'])
        if message.path == ADAPTER and message.member == "GetAll":
            found = {"Address": Variant("s", ADDRESS), "Powered": Variant("b", self.powered)}
            return Message.new_method_return(message, "a{sv}", [found])
        if message.path == ADAPTER and message.member in ("Get", "Set"):
            if message.member == "Set":
                self.power(message.body[2].value)
                return Message.new_method_return(message)
            return Message.new_method_return(message, "v", [Variant("b", self.powered)])
        phone = self.phones.get(message.path or "")
        if phone is not None and message.member == "Get":
            return Message.new_method_return(message, "v", [Variant("b", phone.paired)])
        if phone is not None and message.member == "Disconnect":
            if self.failing_disconnects:
                self.failing_disconnects -= 1
                return Message.new_error(message, "org.bluez.Error.Failed", "Input/output error")
            self.sent_away.append(phone.path)
            self._later(phone.disconnect())
            return Message.new_method_return(message)
        if message.member == "RegisterAdvertisement":
            self.registrations += 1
        return super()._on_message(message)

    async def _register_application(self, message: Message) -> None:
        self._client = str(message.sender)
        call = Message(self._client, message.body[0], OBJECTS, "GetManagedObjects")
        reply = await self._bus.call(call)
        assert reply is not None
        for path, interfaces in reply.body[0].items():
            for interface, properties in interfaces.items():
                if interface.startswith("org.bluez.Gatt"):
                    self.objects[path] = {name: value.value for name, value in properties.items()}
        self._bus.send(Message.new_method_return(message))


@contextlib.asynccontextmanager
async def a_bell(address: str) -> AsyncIterator[FakeBell]:
    """org.bluez with an adapter hci0 on that bus."""
    bus = await MessageBus(bus_address=address).connect()
    bluez = FakeBell(bus)
    # who leaves is off air
    rule = "type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged'"
    daemon = "org.freedesktop.DBus"
    await bus.call(
        Message(daemon, "/org/freedesktop/DBus", daemon, "AddMatch", signature="s", body=[rule])
    )
    await bus.request_name("org.bluez")
    try:
        yield bluez
    finally:
        bus.disconnect()
        await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]
