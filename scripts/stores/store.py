"""A store with several real gateways: a process each, one simulated shop, brokers, an engine."""

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho

from scripts.offer_engine import Engine
from scripts.stores.customers import AUDIENCE, entry, pairwise_key
from scripts.stores.shop import ShopFolder
from scripts.stores.subscriber import subscribed

ROOT = Path(__file__).resolve().parents[2]
READY_S = 180.0
"""So long may all processes take to import and connect; on a loaded machine it is many seconds."""
LEAD_S = 0.5
"""From the moment that all are ready to the first second of the shop."""
LIST = "acme/fi-0042"
EVENTS = "presence/v1/acme/fi-0042/evt/+"
PEERS = "presence/v1/acme/fi-0042/peer/seen"
QUICK = (
    "entry: {enter_rssi_dbm: -85, evidence_db_s: 5, exit_rssi_dbm: -90, window_s: 4, "
    "min_sightings: 3, "
    "min_duration_s: 1}"
)
"""A door that decides after a good second, so that a test need not wait long."""


Subscribe = Callable[
    [int, str], contextlib.AbstractAsyncContextManager["asyncio.Queue[paho.MQTTMessage]"]
]
"""Port and topic → the messages that arrive."""


@dataclass(frozen=True)
class Visitor:
    ref: str
    """Hexadecimal."""
    at_s: float
    stays_s: float


def visitors(count: int, *, every_s: float = 0.5, stays_s: float = 4.0) -> list[Visitor]:
    return [Visitor((n + 1).to_bytes(8, "big").hex(), n * every_s, stays_s) for n in range(count)]


@dataclass(frozen=True)
class Plan:
    """What one gateway is to hear."""

    gateway: str
    together: str
    """A file in which the moment at which all begin to hear will stand; empty: as soon as it
    hears.
    """
    seconds: float
    visitors: list[Visitor]
    offset_db: float = 0.0
    lost_share: float = 0.2
    seed: int = 1
    address: str = ""
    """Under which it hears them all, in hexadecimal: a recording is played here. Empty: each phone
    under its own.
    """


@dataclass
class Store:
    """`processes` by number from 1; `decided` says when the first gateway decided each event."""

    folder: Path
    guests: list[Visitor]
    opened_at: float
    mqtt: str = ""
    """More of the gateways' section `mqtt`."""
    processes: dict[int, asyncio.subprocess.Process] = field(default_factory=dict)
    shops: dict[int, ShopFolder] = field(default_factory=dict)
    decided: dict[str, float] = field(default_factory=dict)
    deciders: Counter[str] = field(default_factory=Counter)
    totals: list[dict[str, Any]] = field(default_factory=list)
    complaints: dict[int, str] = field(default_factory=dict)

    async def start(self, number: int, port: int, plan: Plan, lines: str) -> None:
        folder = self.folder / plan.gateway
        shop = self.shops[number] = ShopFolder(folder, port, self.mqtt)
        shop.lay_out()
        self._publish(shop, self._entries(), 7)
        config = shop.config.read_text().replace("gw-1", plan.gateway)
        shop.config.write_text(config + lines + "\n")
        (folder / "plan.json").write_text(json.dumps(asdict(plan)))
        self.processes[number] = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "scripts.stores.gateway",
            shop.config,
            folder / "plan.json",
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=1 << 20,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )

    async def ready(self) -> None:
        """Return when every process could hear: one that begins late would play what is over, and
        nobody enters.
        """
        async with asyncio.timeout(READY_S):
            for shop in self.shops.values():
                while not (shop.folder / "ready").exists():  # noqa: ASYNC110 - another process's file
                    await asyncio.sleep(0.05)

    def withdraw(self, ref: str) -> None:
        """The consent service publishes a list without this customer, to every gateway."""
        rows = [
            row for row, guest in zip(self._entries(), self.guests, strict=True) if guest.ref != ref
        ]
        for shop in self.shops.values():
            self._publish(shop, rows, 8)

    def kill(self, number: int) -> None:
        """kill -9."""
        self.processes[number].send_signal(signal.SIGKILL)

    async def finish(self) -> "Store":
        """Wait until all have played to the end (or are dead), and gather what they said."""
        outputs = await asyncio.gather(
            *(process.communicate() for process in self.processes.values())
        )
        for number, (out, err) in zip(self.processes, outputs, strict=True):
            self.complaints[number] = err.decode()
            if self.processes[number].returncode not in (0, -signal.SIGKILL):
                raise RuntimeError(f"gateway {number} failed:\n{err.decode()}")
            for line in out.decode().splitlines():
                self._take(json.loads(line))
        return self

    def _take(self, line: dict[str, Any]) -> None:
        if "totals" in line:
            self.totals.append(line["totals"])
        else:
            self.deciders[line["decided"]] += 1
            self.decided[line["decided"]] = min(
                line["at"], self.decided.get(line["decided"], line["at"])
            )

    def _entries(self) -> list[dict[str, Any]]:
        return [entry(bytes.fromhex(guest.ref), self.opened_at) for guest in self.guests]

    @staticmethod
    def _publish(shop: ShopFolder, rows: list[dict[str, Any]], seq: int) -> None:
        now_s = int(time.time())
        header = {"v": 1, "list": LIST, "seq": seq, "count": len(rows)}
        shop.write_list({**header, "published_at": now_s, "suppression_checked_at": now_s}, rows)


@contextlib.asynccontextmanager
async def store(
    folder: Path,
    ports: Sequence[int],
    guests: list[Visitor],
    *,
    lines: str = QUICK,
    offsets_db: Callable[[int], float] = lambda number: -1.5 * number,
    lost_share: float = 0.2,
    seconds: float | None = None,
    addresses: Callable[[int], str] = lambda _number: "",
    mqtt: str = "",
) -> AsyncIterator[Store]:
    """One gateway for each port (of its broker); they begin to hear together. None outlives the
    block.
    """
    together = folder / "together"
    open_s = seconds or max(guest.at_s + guest.stays_s for guest in guests)
    shop = Store(folder, guests, time.time(), mqtt)
    try:
        for number, port in enumerate(ports, 1):
            plan = Plan(
                f"door-{number}",
                str(together),
                open_s,
                guests,
                offsets_db(number),
                lost_share,
                address=addresses(number),
            )
            await shop.start(number, port, plan, lines)
        await shop.ready()
        together.write_text(str(time.time() + LEAD_S))
        yield shop
    finally:
        for process in shop.processes.values():
            if process.returncode is None:
                process.kill()
                await process.wait()


@dataclass
class Counted:
    """What the reference engine got and did."""

    arrived: dict[str, float] = field(default_factory=dict)
    """Event id → when its first copy came."""
    copies: Counter[str] = field(default_factory=Counter)
    """By event id, entries and withdrawals alike."""
    kinds: dict[str, str] = field(default_factory=dict)
    offers: Counter[str] = field(default_factory=Counter)
    """By customer."""
    cancelled: Counter[str] = field(default_factory=Counter)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def entered(self) -> list[str]:
        return [key for key, kind in self.kinds.items() if kind == "presence.entered.v1"]

    def withdrawn(self) -> list[str]:
        return [key for key, kind in self.kinds.items() if kind == "presence.withdrawn.v1"]

    async def offered(self, count: int, *, within_s: float = 30) -> None:
        async with asyncio.timeout(within_s):
            while sum(self.offers.values()) < count:
                self._changed.clear()
                await self._changed.wait()

    def take(self, engine: Engine, payload: bytes) -> None:
        event = json.loads(payload)
        self.copies[event["id"]] += 1
        self.kinds[event["id"]] = event["type"]
        self.arrived.setdefault(event["id"], time.time())
        for offer in engine.handle(event, time.time()):
            customer = engine.customer(offer["subject"], time.time())
            if customer is None:
                raise RuntimeError("an offer for nobody whom the engine knows")
            (self.cancelled if offer.get("cancelled") else self.offers)[customer] += 1
        self._changed.set()


@contextlib.asynccontextmanager
async def engine(
    ports: Iterable[int], guests: list[Visitor], *, subscribe: Subscribe = subscribed
) -> AsyncIterator[Counted]:
    """The reference engine with these customers, on all these brokers."""
    deciding = Engine(
        {guest.ref: pairwise_key(bytes.fromhex(guest.ref), AUDIENCE) for guest in guests},
        {"ap2:1551": "coffee"},
    )
    counted = Counted()

    async def take(heard: "asyncio.Queue[Any]") -> None:
        while True:
            counted.take(deciding, (await heard.get()).payload)

    async with contextlib.AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
        queues = [
            await stack.enter_async_context(subscribe(port, EVENTS))
            for port in dict.fromkeys(ports)
        ]
        taking = [tasks.create_task(take(queue)) for queue in queues]
        yield counted
        await asyncio.sleep(0.1)  # what the broker has taken is on its way
        for task in taking:
            task.cancel()
