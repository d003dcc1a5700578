"""The doorbell while bluetoothd and the adapter are there: registered, advertised anew at each
connection.

    register ──► advertised ──connected──► advertised anew ─┬─ link_s ──► sent away
                    ▲                      (one at a time)   └─ gone ───► challenge forgotten
                    └───────────────────────────────────────────┘

1. Linux stops a connectable advertisement while a link is open (with extended advertising until the
   link ends), so it is registered anew at each connection; one registration at a time, or none
   stays (docs/design.md#doorbell).
2. `Disconnect` takes bluetoothd some two seconds, so the end of a link is asked for early: after
   `link_s`.
3. Nobody is known here: a link's name (it holds an address) lives as long as the link, and is
   neither told nor stored.
4. A device that is paired is the operator's own, a keyboard say: it is left alone.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from dbus_fast import Message, MessageType, Variant
from dbus_fast.service import ServiceInterface

from presence.config.settings import DoorbellSettings
from presence.core.recognition.challenge import (
    ANSWER_UUID,
    CHALLENGE_UUID,
    MAX_ANSWER_BYTES,
    NONCE_BYTES,
    ChallengeRegistry,
)
from presence.edges.bluez.bus import (
    ADAPTER,
    ADVERTISING,
    BLUEZ,
    DAEMON,
    DEVICE,
    GATT,
    OBJECTS,
    PROPERTIES,
    BluezBus,
)
from presence.edges.bluez.exported_advertisement import ExportedAdvertisement
from presence.edges.bluez.gatt import exported
from presence.edges.bluez.gatt.exported import (
    ExportedService,
    Readable,
    Writable,
    beacon_data,
)
from presence.errors import RadioError, RadioFault
from presence.ports import Clock, OnResponse
from presence.pulse import branch, resting

GOING_S: Final = 0.3
"""A bluetoothd that ends takes its adapters away first, and its name a moment later."""
_MATCHES: Final = (
    f"type='signal',sender='{BLUEZ}',interface='{PROPERTIES}',arg0='{DEVICE}'",
    f"type='signal',sender='{BLUEZ}',interface='{PROPERTIES}',arg0='{ADAPTER}'",
    f"type='signal',sender='{BLUEZ}',interface='{OBJECTS}'",
    f"type='signal',sender='{DAEMON}',member='NameOwnerChanged',arg0='{BLUEZ}'",
)


@dataclass(slots=True)
class DoorbellCounters:
    """Since the start of the daemon: how many, never who."""

    links: int = 0
    """Connections of anybody."""
    sent_away: int = 0
    """Links that were still open after `link_s`."""
    outages: int = 0


class Stay:
    """From the registration to the RadioError that ends it."""

    def __init__(
        self,
        bus: BluezBus,
        adapter: str,
        settings: DoorbellSettings,
        clock: Clock,
        counters: DoorbellCounters,
        *,
        number: int,
        nonce: Callable[[int], bytes],
        on_response: OnResponse,
        ready: Callable[[], None],
        may_switch_on: Callable[[], bool],
    ) -> None:
        self._bus = bus
        self._name = adapter
        self._number = number
        self._settings = settings
        self._clock = clock
        self._counters = counters
        self._nonce = nonce
        self._on_response = on_response
        self._ready = ready
        self._may_switch_on = may_switch_on
        self._adapter = f"/org/bluez/{adapter}"
        self._challenges = ChallengeRegistry(number)
        self._connected: asyncio.Queue[tuple[str, asyncio.Event]] = asyncio.Queue()
        """Links that nobody attends to yet, each with what is set when it is gone: it may be gone
        before its turn.
        """
        self._open: dict[str, asyncio.Event] = {}
        """Link → set when it is gone."""
        self._again = asyncio.Event()
        self._why = RadioError(RadioFault.NO_ADAPTER, f"{adapter} went away")
        """Why this stay ends, once it does and unless D-Bus says worse."""

    async def run(self) -> None:
        bus = self._bus
        bus.raw.add_message_handler(self._on_message)
        for match in _MATCHES:
            await bus.listen_to(match)
        await self._see_to_power()
        self._export()
        await self._adapter_call(
            f"{GATT}.RegisterApplication", "oa{sv}", [exported.APPLICATION, {}]
        )
        await self._advertise(exported.ADVERTISEMENT)
        if self._settings.beacon_uuid is not None:
            await self._advertise(exported.BEACON)
        self._ready()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._until_the_bus_ends())
            tasks.create_task(self._keep_advertising())
            while True:
                with resting():
                    link, gone = await self._connected.get()
                if not link:
                    await asyncio.sleep(GOING_S)
                    raise self._why
                tasks.create_task(self._attend(link, gone))

    async def _see_to_power(self) -> None:
        """bluetoothd takes advertisements for an adapter that is off, and they never go on air.
        Raises RadioError.
        """
        (powered,) = await self._adapter_call(f"{PROPERTIES}.Get", "ss", [ADAPTER, "Powered"])
        if powered.value:
            return
        if not self._may_switch_on():
            raise RadioError(RadioFault.POWERED_OFF, f"{self._name} was switched off again")
        await self._adapter_call(
            f"{PROPERTIES}.Set", "ssv", [ADAPTER, "Powered", Variant("b", True)]
        )

    def _export(self) -> None:
        settings = self._settings
        uuid, interval_ms = (
            settings.service_uuid or "",
            settings.interval_ms,
        )  # the relation of the settings saw to it
        objects: dict[str, ServiceInterface] = {
            exported.ADVERTISEMENT: ExportedAdvertisement(
                "peripheral", interval_ms, service_uuids=[uuid]
            ),
            exported.SERVICE: ExportedService(uuid),
            exported.CHALLENGE: Readable(CHALLENGE_UUID, self._read),
            exported.ANSWER: Writable(ANSWER_UUID, self._written),
        }
        if settings.beacon_uuid is not None:
            beacon = beacon_data(settings.beacon_uuid, settings.beacon_major, self._number)
            objects[exported.BEACON] = ExportedAdvertisement(
                "broadcast", interval_ms, manufacturer_data={exported.APPLE: beacon}
            )
        for path, interface in objects.items():
            self._bus.raw.export(path, interface)

    def _read(self, link: str) -> bytes:
        return self._challenges.challenge(link, self._nonce(NONCE_BYTES), self._clock.now())

    def _written(self, link: str, value: bytes) -> None:
        self._on_response(
            self._challenges.answer(link, value[: MAX_ANSWER_BYTES + 1], self._clock.now())
        )

    async def _attend(self, link: str, gone: asyncio.Event) -> None:
        """Disconnect a phone that is still there after link_s, and again while bluetoothd has not
        ended the link.
        """
        self._counters.links += 1
        self._again.set()
        first = True
        while not await self._goes(gone):
            try:
                paired = await self._bus.call(link, f"{PROPERTIES}.Get", "ss", [DEVICE, "Paired"])
                if paired[0].value:
                    return
                self._counters.sent_away += first
                first = False
                await self._bus.call(link, f"{DEVICE}.Disconnect")
            except RadioError as error:
                if (
                    error.fault is RadioFault.NO_ADAPTER and self._open.get(link) is gone
                ):  # it went without a word
                    self._gone(link)

    async def _goes(self, gone: asyncio.Event) -> bool:
        """Within link_s, by itself or because we asked for it."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.link_s):
                await gone.wait()
        return gone.is_set()

    async def _keep_advertising(self) -> None:
        with branch():
            await self._advertise_again()

    async def _advertise_again(self) -> None:
        while True:
            with resting():
                await self._again.wait()
            self._again.clear()
            with suppress(RadioError):  # not there any more: then it is registered all the same
                await self._adapter_call(
                    f"{ADVERTISING}.UnregisterAdvertisement", "o", [exported.ADVERTISEMENT]
                )
            await self._advertise(exported.ADVERTISEMENT)

    async def _advertise(self, path: str) -> None:
        await self._adapter_call(f"{ADVERTISING}.RegisterAdvertisement", "oa{sv}", [path, {}])

    async def _until_the_bus_ends(self) -> None:
        try:
            await self._bus.raw.wait_for_disconnect()  # type: ignore[no-untyped-call]
        except (OSError, EOFError) as error:
            raise RadioError(RadioFault.NO_BLUEZ, "D-Bus went away") from error
        raise RadioError(RadioFault.NO_BLUEZ, "D-Bus went away")

    def _on_message(self, message: Message) -> None:
        if message.message_type is not MessageType.SIGNAL:
            return
        body: list[Any] = message.body
        if message.member == "PropertiesChanged" and body[0] == DEVICE and message.path is not None:
            self._changed(message.path, body[1])
        elif (
            message.member == "PropertiesChanged"
            and body[0] == ADAPTER
            and message.path == self._adapter
        ):
            if "Powered" in body[1] and not body[1]["Powered"].value:
                self._why = RadioError(RadioFault.POWERED_OFF, f"{self._name} was switched off")
                self._end()
        elif message.member == "InterfacesAdded":
            self._changed(body[0], body[1].get(DEVICE, {}))
        elif message.member == "InterfacesRemoved":
            if body[0] == self._adapter and ADVERTISING in body[1]:
                self._end()
            elif DEVICE in body[1]:
                self._gone(body[0])
        elif message.member == "NameOwnerChanged":
            self._why = RadioError(RadioFault.NO_BLUEZ, "bluetoothd ended, or was started anew")
            self._end()

    def _changed(self, link: str, properties: Mapping[str, Variant]) -> None:
        if not link.startswith(f"{self._adapter}/") or "Connected" not in properties:
            return
        if not properties["Connected"].value:
            self._gone(link)
        elif link not in self._open:
            self._open[link] = asyncio.Event()
            self._connected.put_nowait((link, self._open[link]))

    def _end(self) -> None:
        self._connected.put_nowait(("", asyncio.Event()))

    def _gone(self, link: str) -> None:
        self._challenges.gone(link)
        gone = self._open.pop(link, None)
        if gone is not None:
            gone.set()

    async def _adapter_call(self, method: str, signature: str, body: list[Any]) -> list[Any]:
        return await self._bus.call(self._adapter, method, signature, body)
