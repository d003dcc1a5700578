"""A working stand-in for bluetoothd on a D-Bus daemon of its own, so that bleak itself can run
against it.

It keeps what bluetoothd promises its clients on D-Bus: adapters that come and go, discovery
sessions with their UUID filter, monitors with their patterns, devices that appear and change. And
it fails as radios do: deaf, or with its duplicates hidden.
"""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dbus_fast import Message, MessageType, Variant
from dbus_fast.aio import MessageBus

ADAPTER = "org.bluez.Adapter1"
DEVICE = "org.bluez.Device1"
MANAGER = "org.bluez.AdvertisementMonitorManager1"
ADVERTISING = "org.bluez.LEAdvertisingManager1"
GATT = "org.bluez.GattManager1"
MONITOR = "org.bluez.AdvertisementMonitor1"
PROPERTIES = "org.freedesktop.DBus.Properties"
OBJECTS = "org.freedesktop.DBus.ObjectManager"
UNKNOWN_OBJECT = "org.freedesktop.DBus.Error.UnknownObject"
RSSI_THRESHOLD_DB = 8
"""BlueZ tells a change of RSSI from this on, where nobody asked for duplicates (src/device.c)."""


@dataclass
class FakeAdapter:
    powered: bool = True
    address: str = "00:00:5E:00:53:01"
    filters_itself: bool = False
    """Patterns go to the controller, which tells of each device once."""
    stuck: bool = False
    """Cannot be switched."""
    deaf: bool = False
    hears_after: str = ""
    """A deaf one hears again after this: `restart` or `power`."""
    hides_duplicates: bool = False
    blocked: bool = False
    """By rfkill."""
    refuses_monitors: str = ""
    """How the kernel's refusal shows: `release`, or `silence`."""
    places: int | None = 4
    """Free for advertisements; None: it cannot advertise."""
    places_used: int = 0
    extended: bool = True
    serves: bool = True
    roles: tuple[str, ...] = ("central", "peripheral")
    sessions: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Client → filter, of those that discover."""
    monitors: dict[tuple[str, str], list[tuple[int, int, bytes]]] = field(default_factory=dict)
    devices: dict[str, dict[str, Any]] = field(default_factory=dict)
    switched: list[bool] = field(default_factory=list)
    starts: int = 0
    removed: int = 0
    """Devices that a client had forgotten (RemoveDevice)."""


class FakeBluetoothd:
    def __init__(self, adapters: Mapping[str, FakeAdapter], *, experimental: bool = True) -> None:
        self.adapters = dict(adapters)
        self.experimental = experimental
        self.denies = False
        self.hangs = False
        self.spares_rssi = False
        """As after 5.87: without an RSSI in the filter, small changes are not told."""
        self.dies_of_uuids = False
        """As 5.87."""
        self.paired = False
        """Each device that is found counts as paired."""
        self.temporary_s = math.inf
        """How long a device stays that nobody hears or removes (TemporaryTimeout; 30 s)."""
        self.holds_answers = False
        self._held: list[Message] = []
        self.filters: list[dict[str, Any]] = []
        """Every discovery filter that was set."""
        self.patterns: list[list[tuple[int, int, bytes]]] = []
        """Of every monitor that was registered."""
        self._asked: dict[tuple[str, str], dict[str, Any]] = {}
        self._bus: MessageBus | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, address: str) -> None:
        """As after `systemctl start bluetooth`: nothing of the clients before is left."""
        for adapter in self.adapters.values():
            adapter.sessions.clear()
            adapter.monitors.clear()
            adapter.devices.clear()
        self._bus = await MessageBus(bus_address=address).connect()
        self._bus.add_message_handler(self._on_message)
        rule = "type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged'"
        daemon = "org.freedesktop.DBus"
        await self._bus.call(
            Message(daemon, "/org/freedesktop/DBus", daemon, "AddMatch", signature="s", body=[rule])
        )
        await self._bus.request_name("org.bluez")

    async def stop(self) -> None:
        if self._bus is not None and self._bus.connected:
            self._bus.disconnect()
            await self._bus.wait_for_disconnect()  # type: ignore[no-untyped-call]
        self._bus = None

    def unplug(self, name: str) -> FakeAdapter:
        adapter = self.adapters.pop(name)
        adapter.sessions.clear()
        adapter.monitors.clear()
        adapter.devices.clear()
        self._signal("/", OBJECTS, "InterfacesRemoved", "oas", [f"/org/bluez/{name}", [ADAPTER]])
        return adapter

    def plug(self, name: str, adapter: FakeAdapter) -> None:
        self.adapters[name] = adapter
        self._signal(
            "/",
            OBJECTS,
            "InterfacesAdded",
            "oa{sa{sv}}",
            [f"/org/bluez/{name}", self._interfaces(name)],
        )

    def power(self, name: str, powered: bool) -> None:
        adapter = self.adapters[name]
        adapter.powered = powered
        adapter.switched.append(powered)
        if not powered:
            adapter.sessions.clear()
            adapter.deaf = adapter.deaf and adapter.hears_after != "power"
        self._changed(f"/org/bluez/{name}", ADAPTER, {"Powered": Variant("b", powered)})

    def advertise(
        self,
        address: str,
        rssi_dbm: int,
        *,
        name: str = "hci0",
        uuids: tuple[str, ...] = (),
        service_data: Mapping[str, bytes] | None = None,
        manufacturer_data: Mapping[int, bytes] | None = None,
        flags: int | None = 0x1A,
    ) -> None:
        """One advertisement on air; who gets to know of it is bluetoothd's business."""
        adapter = self.adapters.get(name)
        if adapter is None or adapter.deaf or not adapter.powered:
            return
        listeners = [wish for wish in adapter.sessions.values() if _wanted(wish, uuids)]
        if self.dies_of_uuids and any(uuids and wish.get("UUIDs") for wish in listeners):
            assert self._bus is not None
            self._bus.disconnect()
            return
        monitors = [
            key
            for key, patterns in adapter.monitors.items()
            if _matches(patterns, service_data or {}, flags)
        ]
        if not listeners and not monitors:
            return
        path = f"/org/bluez/{name}/dev_{address.replace(':', '_')}"
        now: dict[str, Any] = {
            "RSSI": Variant("n", rssi_dbm),
            "UUIDs": Variant("as", list(uuids)),
            "ServiceData": Variant(
                "a{sv}", {u: Variant("ay", d) for u, d in (service_data or {}).items()}
            ),
            "AdvertisingFlags": Variant("ay", bytes([] if flags is None else [flags])),
            "ManufacturerData": Variant(
                "a{qv}", {c: Variant("ay", d) for c, d in (manufacturer_data or {}).items()}
            ),
        }
        before = adapter.devices.get(path)
        if before is None:
            fixed = {
                "Address": Variant("s", address),
                "Adapter": Variant("o", f"/org/bluez/{name}"),
                "Paired": Variant("b", self.paired),
            }
            adapter.devices[path] = {
                **fixed,
                "Alias": Variant("s", address.replace(":", "-")),
                **now,
            }
            self._signal(
                "/",
                OBJECTS,
                "InterfacesAdded",
                "oa{sa{sv}}",
                [path, {DEVICE: adapter.devices[path]}],
            )
        elif not (
            adapter.hides_duplicates and all(before[key] == value for key, value in now.items())
        ):
            every = any(wish.get("DuplicateData") for wish in listeners)
            near = abs(before["RSSI"].value - rssi_dbm) < RSSI_THRESHOLD_DB
            exact = every and (not self.spares_rssi or any("RSSI" in wish for wish in listeners))
            changed = {key: value for key, value in now.items() if every or before[key] != value}
            if near and not exact:
                changed.pop("RSSI", None)
            adapter.devices[path].update(changed)
            if changed:
                self._changed(path, DEVICE, changed)
        if self.temporary_s < math.inf:
            loop = asyncio.get_running_loop()
            loop.call_later(self.temporary_s, adapter.devices.pop, path, None)
        for client, monitor in monitors:
            self._send(Message(client, monitor, MONITOR, "DeviceFound", signature="o", body=[path]))

    def release_monitors(self, name: str) -> None:
        for client, path in self.adapters[name].monitors:
            self._send(Message(client, path, MONITOR, "Release"))
        self.adapters[name].monitors.clear()

    def let_go(self) -> None:
        """Answer what was held, and hold no more."""
        self.holds_answers = False
        for message in self._held:
            answer = self._answer(message)
            assert answer is not None
            self._send_as_is(answer)

    def stop_scanning(self, name: str) -> None:
        """The sessions end, and nobody is told."""
        self.adapters[name].sessions.clear()

    def _on_message(self, message: Message) -> Message | bool | None:
        if message.message_type is MessageType.SIGNAL and message.member == "NameOwnerChanged":
            client, _, owner = message.body
            for adapter in self.adapters.values() if not owner else ():
                adapter.sessions.pop(client, None)
                adapter.monitors = {
                    key: value for key, value in adapter.monitors.items() if key[0] != client
                }
            return None
        if message.message_type is not MessageType.METHOD_CALL:
            return None
        if self.hangs:
            return True
        if self.holds_answers:
            self._held.append(message)
            return True
        if self.denies:
            return Message.new_error(
                message, "org.freedesktop.DBus.Error.AccessDenied", "not for you"
            )
        return self._answer(message)

    def _answer(self, message: Message) -> Message | None:
        if message.member == "Introspect" and message.path == "/org/bluez":
            nodes = "".join(f'<node name="{name}"/>' for name in self.adapters)
            return Message.new_method_return(message, "s", [f"<node>{nodes}</node>"])
        if message.member == "GetManagedObjects":
            objects: dict[str, dict[str, Any]] = {"/org/bluez": {"org.bluez.AgentManager1": {}}}
            for name, adapter in self.adapters.items():
                objects[f"/org/bluez/{name}"] = self._interfaces(name)
                objects.update({path: {DEVICE: device} for path, device in adapter.devices.items()})
            return Message.new_method_return(message, "a{oa{sa{sv}}}", [objects])
        name, _, device = (message.path or "").removeprefix("/org/bluez/").partition("/")
        if device and name in self.adapters and message.path in self.adapters[name].devices:
            return Message.new_method_return(
                message, "a{sv}", [self.adapters[name].devices[message.path]]
            )
        if name not in self.adapters:
            return Message.new_error(
                message, UNKNOWN_OBJECT, f'Method "{message.member}" doesn\'t exist'
            )
        found: Callable[[Message, str], Message] | None = {
            "GetAll": self._get_all,
            "Set": self._set,
            "SetDiscoveryFilter": self._set_filter,
            "StartDiscovery": self._start,
            "StopDiscovery": self._stop,
            "RegisterMonitor": self._register,
            "UnregisterMonitor": self._unregister,
            "RemoveDevice": self._remove,
        }.get(message.member or "")
        return found(message, name) if found else None

    def _get_all(self, message: Message, name: str) -> Message:
        properties = self._interfaces(name).get(message.body[0])
        if properties is None:
            return Message.new_error(
                message, "org.freedesktop.DBus.Error.InvalidArgs", "No such interface"
            )
        return Message.new_method_return(message, "a{sv}", [properties])

    def _set(self, message: Message, name: str) -> Message:
        if self.adapters[name].blocked:
            return Message.new_error(message, "org.bluez.Error.Blocked", "Blocked through rfkill")
        if self.adapters[name].stuck:
            return Message.new_error(message, "org.bluez.Error.Busy", "busy")
        self.power(name, message.body[2].value)
        return Message.new_method_return(message)

    def _set_filter(self, message: Message, name: str) -> Message:
        wish = {key: value.value for key, value in message.body[0].items()}
        self._asked[str(message.sender), name] = wish
        if wish:
            self.filters.append(wish)
        return Message.new_method_return(message)

    def _start(self, message: Message, name: str) -> Message:
        adapter = self.adapters[name]
        if not adapter.powered:
            return Message.new_error(message, "org.bluez.Error.NotReady", "Resource Not Ready")
        adapter.sessions[str(message.sender)] = self._asked.get((str(message.sender), name), {})
        adapter.starts += bool(
            adapter.sessions[str(message.sender)].get("UUIDs")
        )  # a probe has none
        adapter.deaf = adapter.deaf and not (
            adapter.hears_after == "restart" and adapter.starts > 1
        )
        self._changed(f"/org/bluez/{name}", ADAPTER, {"Discovering": Variant("b", True)})
        return Message.new_method_return(message)

    def _stop(self, message: Message, name: str) -> Message:
        if self.adapters[name].sessions.pop(str(message.sender), None) is None:
            return Message.new_error(message, "org.bluez.Error.Failed", "No discovery started")
        return Message.new_method_return(message)

    def _register(self, message: Message, name: str) -> Message:
        if not self.experimental:
            return Message.new_error(
                message, "org.freedesktop.DBus.Error.UnknownMethod", "no such method"
            )
        task = asyncio.ensure_future(self._read_monitor(str(message.sender), message.body[0], name))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return Message.new_method_return(message)

    async def _read_monitor(self, client: str, path: str, name: str) -> None:
        await asyncio.sleep(0.02)  # bleak exports the monitor once it is registered
        if self._bus is None:  # stopped meanwhile
            return
        reply = await self._bus.call(
            Message(client, path, PROPERTIES, "GetAll", signature="s", body=[MONITOR])
        )
        patterns = [
            (start, kind, bytes(content))
            for start, kind, content in reply.body[0]["Patterns"].value
        ]
        if refused := self.adapters[name].refuses_monitors:
            if refused == "release":
                self._send(Message(client, path, MONITOR, "Release"))
            return
        self.patterns.append(patterns)
        self.adapters[name].monitors[client, path] = patterns
        self._send(Message(client, path, MONITOR, "Activate"))

    def _remove(self, message: Message, name: str) -> Message:
        if self.adapters[name].devices.pop(message.body[0], None) is None:
            return Message.new_error(message, "org.bluez.Error.DoesNotExist", "Does Not Exist")
        self.adapters[name].removed += 1
        self._signal("/", OBJECTS, "InterfacesRemoved", "oas", [message.body[0], [DEVICE]])
        return Message.new_method_return(message)

    def _unregister(self, message: Message, name: str) -> Message:
        self.adapters[name].monitors.pop((str(message.sender), message.body[0]), None)
        return Message.new_method_return(message)

    def _interfaces(self, name: str) -> dict[str, dict[str, Variant]]:
        adapter = self.adapters[name]
        interfaces = {
            ADAPTER: {
                "Address": Variant("s", adapter.address),
                "Powered": Variant("b", adapter.powered),
                "PowerState": Variant(
                    "s", "off-blocked" if adapter.blocked else "on" if adapter.powered else "off"
                ),
                "Discovering": Variant("b", bool(adapter.sessions)),
                "Roles": Variant("as", list(adapter.roles)),
            }
        }
        if adapter.places is not None:
            interfaces[ADVERTISING] = {
                "SupportedInstances": Variant("y", adapter.places),
                "ActiveInstances": Variant("y", adapter.places_used),
                "SupportedSecondaryChannels": Variant(
                    "as", ["1M", "2M"] if adapter.extended else []
                ),
            }
        if adapter.serves:
            interfaces[GATT] = {}
        if self.experimental:
            features = ["controller-patterns"] if adapter.filters_itself else []
            interfaces[MANAGER] = {
                "SupportedMonitorTypes": Variant("as", ["or_patterns"]),
                "SupportedFeatures": Variant("as", features),
            }
        return interfaces

    def _changed(self, path: str, interface: str, changed: dict[str, Variant]) -> None:
        self._signal(path, PROPERTIES, "PropertiesChanged", "sa{sv}as", [interface, changed, []])

    def _signal(
        self, path: str, interface: str, member: str, signature: str, body: list[Any]
    ) -> None:
        self._send(Message.new_signal(path, interface, member, signature, body))

    def _send(self, message: Message) -> None:
        message.flags = message.flags.__class__.NO_REPLY_EXPECTED
        self._send_as_is(message)

    def _send_as_is(self, message: Message) -> None:
        if self._bus is not None and self._bus.connected:
            self._bus.send(message).add_done_callback(
                lambda sent: sent.cancelled() or sent.exception()
            )


def _wanted(wish: dict[str, Any], uuids: tuple[str, ...]) -> bool:
    """Only UUIDs of the list count, service data alone does not (docs/design.md#radio)."""
    return not wish.get("UUIDs") or bool(set(wish["UUIDs"]) & set(uuids))


def _matches(
    patterns: list[tuple[int, int, bytes]], service_data: Mapping[str, bytes], flags: int | None
) -> bool:
    """As from BlueZ 5.71 on: the service data without its UUID."""
    compared = {0x16: service_data.values(), 0x01: [] if flags is None else [bytes([flags])]}
    return any(
        data[start : start + len(content)] == content
        for start, kind, content in patterns
        for data in compared.get(kind, ())
    )


@contextlib.asynccontextmanager
async def a_bluetoothd(address: str, **adapters: FakeAdapter) -> AsyncIterator[FakeBluetoothd]:
    """With hci0 where nothing else is said."""
    bluez = FakeBluetoothd(adapters or {"hci0": FakeAdapter()})
    await bluez.start(address)
    try:
        yield bluez
    finally:
        await bluez.stop()
