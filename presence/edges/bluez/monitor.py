"""A passive scan by an advertisement monitor of our own: sends nothing on air, and hears of every
advertisement.

    RegisterMonitor ─► bluetoothd ─DeviceFound(device), at each match─► GetAll(device)
                                                                          ├─► one advertisement
                                                                          └─► RemoveDevice(device)

* bleak registers the same monitor and leaves DeviceFound unheard: it calls back when a property
  changes, which a steady beacon's do not. bluetoothd calls DeviceFound at every match
  (src/adv_monitor.c, adv_monitor_filter_rssi).
* A device is forgotten as soon as it was read. That is what makes RSSI exact: of a device that it
  knows, bluetoothd shows changes from 8 dB on only (src/device.c). And neither BlueZ nor we keep
  anything between two advertisements.

Traps:
* RSSISamplingPeriod alone makes a monitor mute: bluetoothd then takes it for one with thresholds,
  which are never met.
* RegisterMonitor says nothing of the kernel: it has taken the monitor when bluetoothd calls
  Activate, and refuses it where Release comes instead (src/adv_monitor.c,
  add_adv_patterns_monitor_cb).
* A controller that filters by itself (Microsoft's extension; `controller-patterns` in
  SupportedFeatures) tells of each device once. There a passive scan cannot serve, and is refused.
* dbus-fast closes a connection whose socket is full, so only few calls may be under way. Under load
  we degrade in this order: exact RSSI (devices are no longer forgotten, which costs bluetoothd the
  most), then repeats, then the oldest advertisements. `dropped` counts what was lost.

docs/radio-modes.md has the numbers.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Annotated, Any, Final

from bleak.args.bluez import OrPattern
from dbus_fast import Message, MessageType, PropertyAccess
from dbus_fast.aio import MessageBus
from dbus_fast.annotations import DBusObjectPath, DBusSignature, DBusStr
from dbus_fast.service import ServiceInterface, dbus_method, dbus_property

from presence.edges.bluez.bus import ADAPTER, BLUEZ, DEVICE, MONITORS, PROPERTIES, BluezBus
from presence.edges.bluez.faults import ERRORS
from presence.edges.bluez.pace import PACE, Pace
from presence.edges.bluez.scans import Take
from presence.errors import RadioError, RadioFault

MONITOR: Final = "org.bluez.AdvertisementMonitor1"
PATH: Final = "/org/presence/monitor"
MAX_CALLS: Final = 64
"""Calls under way; a socket of 208 KiB holds some 250."""
MAX_WAITING: Final = 1024
"""Devices that wait for their turn."""
GONE_DBM: Final = -127
KNOWN_BY: Final = ("Paired", "Bonded", "Trusted", "Connected", "Blocked")
"""A device that somebody made bluetoothd know, by hand, stays with it."""

_READ: Final = PropertyAccess.READ


class MonitorScan:
    """`passive`. `dropped` counts the advertisements that came faster than they could be read."""

    shows_discovering = False

    def __init__(
        self, wanted: Sequence[OrPattern], pace: Pace = PACE, *, waiting: int = MAX_WAITING
    ) -> None:
        """`waiting`: how many devices may wait for their turn to be read."""
        self._wanted = wanted
        self._pace = pace
        self._waiting = waiting
        self.lost = False
        self.dropped = 0
        self.answered = asyncio.Event()
        """bluetoothd has said whether the kernel takes the monitor."""

    @asynccontextmanager
    async def on(self, adapter: str, take: Take) -> AsyncIterator[None]:
        manager, self.lost = f"/org/bluez/{adapter}", False
        self.answered.clear()
        async with BluezBus.connect(call_s=self._pace.call_s) as bus:
            await bus.call(manager, f"{MONITORS}.RegisterMonitor", "o", [PATH])
            # Exported once it is registered: bluetoothd takes monitors by the signal that one was
            # added.
            reader = _Reader(self, bus.raw, manager, take, self._waiting)
            bus.raw.export(PATH, ExportedMonitor(self, reader, self._wanted))
            try:
                await self._activated(adapter)
                yield
            finally:
                with suppress(*ERRORS):
                    async with asyncio.timeout(self._pace.stop_s):
                        await bus.call(manager, f"{MONITORS}.UnregisterMonitor", "o", [PATH])

    async def _activated(self, adapter: str) -> None:
        """Return when the kernel listens for us. Raises RadioError."""
        activate_s = self._pace.activate_s
        try:
            async with asyncio.timeout(activate_s):
                await self.answered.wait()
        except TimeoutError:
            detail = f"bluetoothd did not activate the monitor on {adapter} within {activate_s:g} s"
            raise RadioError(RadioFault.MONITOR_REFUSED, detail) from None
        if self.lost:
            raise RadioError(
                RadioFault.MONITOR_REFUSED, f"the kernel did not take the monitor on {adapter}"
            )


class _Reader:
    """Reads the device of each match, hands it over, and has bluetoothd forget it."""

    def __init__(
        self, scan: MonitorScan, bus: MessageBus, adapter: str, take: Take, most: int
    ) -> None:
        self._scan = scan
        self._most = most
        self._adapter = adapter
        self._bus = bus
        self._take = take
        self._waiting: dict[str, None] = {}
        """Devices in the order of their first match. One that matches again before its turn is read
        once.
        """
        self._unanswered: dict[int, str] = {}
        """Serial of a call → the device that it reads; nothing where it only has one forgotten."""
        bus.add_message_handler(self._on_message)

    def found(self, device: str) -> None:
        if device in self._waiting:
            self._scan.dropped += 1
            return
        if len(self._waiting) >= self._most:
            del self._waiting[next(iter(self._waiting))]
            self._scan.dropped += 1
        self._waiting[device] = None
        self._ask()

    def _ask(self) -> None:
        while self._waiting and len(self._unanswered) < MAX_CALLS:
            device = next(iter(self._waiting))
            del self._waiting[device]
            self._call(
                Message(BLUEZ, device, PROPERTIES, "GetAll", signature="s", body=[DEVICE]), device
            )

    def _on_message(self, message: Message) -> None:
        if (
            message.message_type is MessageType.SIGNAL
            or message.reply_serial not in self._unanswered
        ):
            return
        path = self._unanswered.pop(message.reply_serial)
        if path and message.message_type is MessageType.METHOD_RETURN:  # else it has just gone
            device = {key: value.value for key, value in message.body[0].items()}
            if not self._waiting and not any(device.get(key) for key in KNOWN_BY):
                self._call(
                    Message(
                        BLUEZ, self._adapter, ADAPTER, "RemoveDevice", signature="o", body=[path]
                    ),
                    "",
                )
            self._hand_over(device)
        self._ask()

    def _call(self, message: Message, device: str) -> None:
        if not self._bus.connected:
            self._scan.lost = True
            return
        message.serial = self._bus.next_serial()
        self._unanswered[message.serial] = device
        self._bus.send(message).add_done_callback(_look_away)

    def _hand_over(self, device: dict[str, Any]) -> None:
        service_data = {
            uuid: bytes(data.value) for uuid, data in device.get("ServiceData", {}).items()
        }
        manufacturer_data = {
            company: bytes(data.value)
            for company, data in device.get("ManufacturerData", {}).items()
        }
        self._take(device["Address"], device.get("RSSI", GONE_DBM), service_data, manufacturer_data)


class ExportedMonitor(ServiceInterface):
    """What bluetoothd reads and calls; the names are BlueZ's."""

    def __init__(self, scan: MonitorScan, reader: _Reader, wanted: Sequence[OrPattern]) -> None:
        super().__init__(MONITOR)
        self._scan = scan
        self._reader = reader
        self._wanted = [list(pattern) for pattern in wanted]

    @dbus_method()
    def Release(self) -> None:  # noqa: N802
        """bluetoothd lets go of the monitor: nothing will come any more."""
        self._scan.lost = True
        self._scan.answered.set()

    @dbus_method()
    def Activate(self) -> None:  # noqa: N802
        """The kernel has taken it."""
        self._scan.answered.set()

    @dbus_method()
    def DeviceFound(self, device: DBusObjectPath) -> None:  # noqa: N802
        self._reader.found(device)

    @dbus_method()
    def DeviceLost(self, device: DBusObjectPath) -> None:  # noqa: N802
        """Comes only with thresholds, and we have none."""

    @dbus_property(access=_READ)
    def Type(self) -> DBusStr:  # noqa: N802
        return "or_patterns"

    @dbus_property(access=_READ)
    def Patterns(self) -> Annotated[list[Any], DBusSignature("a(yyay)")]:  # noqa: N802
        return self._wanted


def _look_away(sent: "asyncio.Future[None]") -> None:
    """A bus that has died is noticed elsewhere."""
    if not sent.cancelled():
        sent.exception()
