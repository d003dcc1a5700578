"""A shop with a doorbell, its customers and whoever else comes: what the scenarios of doorbell_day
are made of.
"""

import asyncio
import contextlib
import os
import random
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from controller import Controller
from doorbell_air import Ether, Radio, Recorded, Vhci
from doorbell_counts import counts, unwatch, watch
from doorbell_phone import MTU, SERVICE_UUID, Link, Phone
from gateway import (
    SETTINGS,
    Air,
    Customer,
    Engine,
    always_open,
    install,
    publish_list,
    sh,
    state,
    text,
    unpack_wheels,
)

from presence.core.event.cloudevent import subject_of_day, utc_day
from presence.core.recognition.challenge import DoorbellReading, make_answer
from presence.core.recognition.identifiers import slot_at
from presence.core.site import Site
from presence.simulation.identity_keys import window_key
from scripts.app_emulator.doorbell import LinkLost

SITE: Final = Site("acme", "fi-0042")
ADAPTER_ADDRESS: Final = "00:AA:01:00:00:42/P"
WALKED_IN: Final = tuple(DoorbellReading(tenths / 10, -50) for tenths in range(32, 0, -1))
"""What a phone has after 3.2 s near the gateway: as strong as counts, so that one answer is an
entry.
"""
ATTEMPTS: Final = 8


class Guest(Customer):
    """A customer with a number of up to five digits, and a subject of its own."""

    ends_at_s: float | None = None
    """UTC; None: a day after each list. On a slow machine a list may be given out in between."""

    @property
    def ref(self) -> bytes:
        return b"guest" + self.number.to_bytes(3, "big")

    @property
    def identity_key(self) -> bytes:
        return self.number.to_bytes(4, "big") * 4

    @property
    def address(self) -> bytes:
        return b"\x4a\x5b\x6c\x7d" + self.number.to_bytes(2, "big")

    def entry(self, now: float) -> dict[str, Any]:
        return super().entry(now) | {
            "pk": {"offers-main": text(self.identity_key)},
            "na": int(now + 86_400 if self.ends_at_s is None else self.ends_at_s),
            "grants": [["ap2:1551", 0]],
        }

    def answer(
        self,
        challenge: bytes,
        *,
        site: Site = SITE,
        late_slots: int = 0,
        readings: Sequence[DoorbellReading] = WALKED_IN,
    ) -> bytes:
        now = time.time() - 1024 * late_slots
        return make_answer(
            challenge, readings, window_key(self.identity_key, now), site, slot_at(now)
        )


@dataclass
class Visit:
    """One ring; seconds since the first advertisement was heard."""

    heard_s: float
    """Monotonic."""
    address: str
    connected: float = 0.0
    read: float = 0.0
    written: float = 0.0
    ended: float = 0.0
    attempts: int = 1


class Shop:
    def __init__(self) -> None:
        self.ether, self.air, self.engine = Ether(), Air(), Engine()
        self.guests: list[Guest] = []
        self._seq = 1

    async def open(self, *, guests: int, extended: bool) -> None:
        """Installed, on the list, both adapters plugged in, everything started."""
        await run(unpack_wheels)
        await run(install)
        settings = always_open(SETTINGS.read_text()).replace("poll_s: 10", "poll_s: 1")
        SETTINGS.write_text(settings.replace("export: none", "export: loopback"))
        self.set_bell(enabled="true", service_uuid=SERVICE_UUID, bells="[{adapter: hci1}]")
        self.air.controller = Controller()
        radio = Radio("gateway", self.ether, ADAPTER_ADDRESS, extended=extended)
        self.adapter = Vhci(radio)
        self.guests = [Guest(number) for number in range(1, guests + 1)]
        self._unused = iter(list(self.guests))
        await run(self.give_out)
        await sh_("systemctl start mosquitto")
        self.engine.start()
        await sh_("systemctl start presence")

    def set_bell(self, **values: str) -> None:
        """Change the doorbell's settings; an empty value switches one off."""
        settings = SETTINGS.read_text()
        before, bell, after = re.split(
            r"(\ndoorbell:\n.*?\n# -{16,})", settings, maxsplit=1, flags=re.DOTALL
        )
        for name, value in values.items():
            line = f"  {name}: {value}" if value else f"  #{name}: ''"
            bell = re.sub(rf"(?m)^  #?{name}:.*$", line, bell)
        SETTINGS.write_text(before + bell + after)

    def give_out(self) -> None:
        self._seq += 1
        publish_list(list(self.guests), self._seq)

    async def keep_giving_out(self) -> None:
        """A lease lasts 15 minutes."""
        while True:
            await asyncio.sleep(240)
            await run(self.give_out)

    def guest(self) -> Guest:
        """One who was not here yet."""
        return next(self._unused)

    def events_of(self, guest: Guest) -> list[tuple[float, dict[str, Any]]]:
        subject = subject_of_day(guest.identity_key, utc_day(time.time()))
        return [
            (at, event) for at, event in tuple(self.engine.events) if event["subject"] == subject
        ]

    async def event_of(self, guest: Guest, within_s: float = 30.0) -> tuple[float, dict[str, Any]]:
        """When it came (monotonic), and what it says."""
        await until_(lambda: self.events_of(guest), within_s, "an event")
        return self.events_of(guest)[0]

    async def recorded(self, seconds: float) -> list[Recorded]:
        """What is on air."""
        self.ether.recorded.clear()
        self.ether.recording = True
        await asyncio.sleep(seconds)
        self.ether.recording = False
        return list(self.ether.recorded)

    async def phone(self, **kind: bool) -> Phone:
        phone = Phone(f"phone {os.urandom(3).hex()}", self.ether, **kind)
        await phone.switch_on()
        return phone

    @asynccontextmanager
    async def counted(self) -> AsyncIterator[Callable[[], Awaitable[dict[str, Any]]]]:
        """The daemon with its counts to be asked for; the usual one again afterwards."""
        await run(watch)
        try:
            yield lambda: run(counts)
        finally:
            await run(unwatch)

    def resident_kib(self) -> dict[str, int]:
        """Of bluetoothd, the bus and the daemon."""
        found = {}
        for name, unit in (("bluetoothd", "bluetooth"), ("dbus", "dbus"), ("presence", "presence")):
            pid = sh(f"systemctl show -P MainPID {unit}")
            status = Path(f"/proc/{pid}/status").read_text()
            found[name] = int(status.split("VmRSS:")[1].split()[0])
        return found

    def restarts(self) -> int:
        return int(state("NRestarts"))


async def run(work: Callable[[], Any]) -> Any:
    """Beside the loop, in which the controllers live."""
    return await asyncio.to_thread(work)


async def sh_(command: str, *, check: bool = True) -> str:
    return await asyncio.to_thread(lambda: sh(command, check=check))


async def until_(condition: Callable[[], Any], seconds: float, what: str) -> float:
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > seconds:
            raise AssertionError(f"not within {seconds} s: {what}")
        await asyncio.sleep(0.01)
    return time.monotonic() - began


async def visit(
    phone: Phone,
    use: Callable[[Link], Any],
    *,
    service_uuid: str = SERVICE_UUID,
    mtu: int = MTU,
    find: bool = True,
    within_s: float = 20,
) -> Visit:
    """Hear, connect, find the service, and do what `use` does; raises LinkLost. The address is a
    new one.
    """
    address = await phone.change_address()
    gateway, heard_s = await phone.hear(service_uuid, within_s)
    told = Visit(heard_s, address)
    async with phone.connected(gateway, mtu=mtu) as link:
        told.connected = time.monotonic() - heard_s
        if find:
            await link.find(service_uuid)
        await use(link)
        told.written = time.monotonic() - heard_s
    told.ended = time.monotonic() - heard_s
    return told


async def ring(phone: Phone, make: Callable[[bytes], bytes], **how: Any) -> Visit:
    """Answer; where the link breaks, again after a pause of chance, as phones do."""
    for attempt in range(1, ATTEMPTS + 1):
        try:

            async def use(link: Link) -> None:
                await link.answer(make(await link.challenge()))

            told = await visit(phone, use, **how)
        except (LinkLost, TimeoutError) as error:
            if attempt == ATTEMPTS:
                raise AssertionError(f"{ATTEMPTS} attempts failed, the last: {error!r}") from error
            await asyncio.sleep(random.uniform(0.05, 0.5))
            continue
        told.attempts = attempt
        return told
    raise AssertionError("unreachable")


async def stranger(phone: Phone, way: int) -> bool:
    """One who is not ours: connects and does one of five things. False where no connection came
    about.
    """

    async def use(link: Link) -> None:
        if way % 5 == 1:
            await link.find()
            await link.challenge()
        elif way % 5 == 2:
            await link.find()
            await link.challenge()
            await link.answer(os.urandom(60))
        elif way % 5 == 3:
            await link.peer.discover_services()
        elif way % 5 == 4:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(link.gone), 1.5)

    try:
        await visit(phone, use, find=False)
    except (LinkLost, TimeoutError):
        return False
    return True


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, p90 and the extremes, in seconds."""
    ranked = sorted(values)
    at = {"least": 0.0, "median": 0.5, "p90": 0.9, "most": 1.0}
    return {
        name: round(ranked[min(len(ranked) - 1, int(share * len(ranked)))], 3)
        for name, share in at.items()
    }
