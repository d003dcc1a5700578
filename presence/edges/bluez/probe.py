"""Is there anybody at all to be heard? A look of some seconds that ends with the first sender.

With our filter a deaf radio and an empty shop look alike. So after minutes of silence bluetoothd is
asked for anybody:

    passive  ► a second monitor, for the flags that nearly everybody advertises with: sends nothing
    active   ► a second discovery session, without a filter

What comes of it is one bit. A bystander who is met is on D-Bus for that moment: nothing of what
bluetoothd says is handed on, kept or logged (R-01 … R-04), and bluetoothd has to forget it.
docs/radio-modes.md: what remains.
"""

import asyncio
from contextlib import suppress
from typing import Final

from dbus_fast import Message, MessageType, Variant

from presence.config.settings import RadioMode
from presence.edges.bluez.bus import ADAPTER, BLUEZ, DEVICE, BluezBus
from presence.edges.bluez.faults import ERRORS
from presence.edges.bluez.modes import ANYBODY
from presence.edges.bluez.monitor import KNOWN_BY, MonitorScan
from presence.edges.bluez.pace import PACE
from presence.errors import RadioError

PROBE_S: Final = 10.0
"""Most devices advertise at least every two seconds; a phone several times a second."""
_CONTENT: Final = ("ManufacturerData", "ServiceData", "UUIDs", "Name", "AdvertisingFlags")
"""A controller that has lost its wits reports devices without any of it."""


async def hears_anybody(adapter: str, mode: RadioMode, seconds: float = PROBE_S) -> bool:
    """Raises what `faults.ERRORS` lists where it cannot be tried."""
    return await (_by_monitor if mode is RadioMode.PASSIVE else _by_discovery)(adapter, seconds)


async def _by_monitor(adapter: str, seconds: float) -> bool:
    heard = asyncio.Event()
    async with MonitorScan(ANYBODY).on(adapter, lambda *_: heard.set()):
        return await _in_time(heard, seconds)


async def _by_discovery(adapter: str, seconds: float) -> bool:
    manager = f"/org/bluez/{adapter}"
    heard = asyncio.Event()
    met: list[str] = []

    def on_message(message: Message) -> None:
        if message.message_type is not MessageType.SIGNAL or message.member != "InterfacesAdded":
            return
        path, interfaces = message.body
        found = interfaces.get(DEVICE, {})
        if any(name in found and found[name].value for name in _CONTENT):
            heard.set()
        if not any(name in found and found[name].value for name in KNOWN_BY):
            met.append(path)

    async with BluezBus.connect(call_s=PACE.call_s) as bus:
        async with asyncio.timeout(PACE.start_s):
            bus.raw.add_message_handler(on_message)
            await bus.listen_to(
                f"type='signal',sender='{BLUEZ}',member='InterfacesAdded',arg0path='{manager}/'"
            )
            wanted = {"Transport": Variant("s", "le")}
            await bus.call(manager, f"{ADAPTER}.SetDiscoveryFilter", "a{sv}", [wanted])
            await bus.call(manager, f"{ADAPTER}.StartDiscovery")
        try:
            return await _in_time(heard, seconds)
        finally:
            with suppress(*ERRORS):
                async with asyncio.timeout(PACE.stop_s):
                    await bus.call(manager, f"{ADAPTER}.StopDiscovery")
                    for path in met:
                        with suppress(RadioError):  # it has gone by itself
                            await bus.call(manager, f"{ADAPTER}.RemoveDevice", "o", [path])


async def _in_time(heard: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await heard.wait()
    except TimeoutError:
        return False
    return True
