"""The broker of a chain: 100 to 10,000 stores connected to one mosquitto, at the plan's rates
(docs/scaling.md), then at multiples of them until it bends; and whose limit that is.

Each connection is a store's bridge: events at the peak's rate, the states of two gateways
(retained), pings, and the heads of its list (retained, one every 30 s). Behind the broker are an
engine, operations that read states, and the consent service, with one connection each. mosquitto
takes one packet of each connection in a turn: so at last each has several, with a share
(`$share`). No TLS. Delays count from the moment a message was written to its arrival in another
process. The generator shares the machine, so each figure says how much of a core broker and
generator took, and how much others took of the machine.
"""

import asyncio
import contextlib
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from presence.simulation.local_broker import HOST, answers, find_mosquitto, free_port, stop
from scripts.benchmarks import chain_messages as chain
from scripts.benchmarks.figure import Figure
from scripts.benchmarks.light_client import LightClient, OnPublish, connect, opened, publish

STORES = (100, 1_000, 3_000, 10_000)
FACTORS = (4.0, 8.0, 16.0)
"""Of the plan's rates, with all stores, until a goal is missed."""
SHARES = 4
SECONDS, SHORT_SECONDS = 15.0, 8.0
PROCESSES = 2
START_S = 0.1
"""After which all listen."""
P99_GOAL_MS = 100.0
BUSY = 0.9
"""Of a core, or of all: mosquitto has one thread, and so has each process of the generator."""
CORES = os.cpu_count() or 1
TICKS = os.sysconf("SC_CLK_TCK")
PAGE_KIB = os.sysconf("SC_PAGE_SIZE") // 1024
CONFIG = """\
listener {port} {host}
allow_anonymous true
persistence false
max_queued_messages 1000
sys_interval 1
log_type error
connection_messages false
"""
"""What is queued is as in config/mosquitto/mosquitto.conf."""


@dataclass
class Load:
    """One turn with so many stores at a multiple of the plan's rates."""

    said: list[dict[str, Any]]
    """By each process of the generator."""
    heads_sent: int
    heads_late_s: list[float]
    event_delays_ms: list[float]
    events: int
    """That arrived, each once."""
    states: int
    broker: float
    """Of a core; so are the next two."""
    centre: float
    others: float
    dropped: int
    """By the broker, whose queues for a client were full; of all kinds."""

    def sum(self, what: str) -> int:
        return sum(int(said[what]) for said in self.said)

    @property
    def lost(self) -> int:
        return self.sum("events") - self.events

    @property
    def event_p99_ms(self) -> float:
        return _p99(self.event_delays_ms)

    @property
    def bends(self) -> bool:
        delay_ms = max(self.event_p99_ms, _p99(self.head_delays_ms))
        return self.lost > 0 or delay_ms > P99_GOAL_MS

    @property
    def late_ms(self) -> float:
        """Of the generator: how much later than planned it said what it said."""
        stores = (said["late_s"] for said in self.said)
        return max(1000 * _p99(each) for each in (self.heads_late_s, *stores))

    @property
    def generator(self) -> float:
        """The busiest of its processes."""
        return max(self.centre, *(float(said["processor"]) for said in self.said))

    @property
    def head_delays_ms(self) -> list[float]:
        return [delay for said in self.said for delay in said["head_delays_ms"]]

    @property
    def messages_per_s(self) -> float:
        """In and out of the broker, without acknowledgements."""
        out = self.events + self.states + len(self.head_delays_ms)
        into = self.sum("events") + self.sum("states") + self.sum("pings") + self.heads_sent
        return (into + out) / max(float(said["seconds"]) for said in self.said)

    @property
    def used(self) -> float:
        """Of all cores, by everybody."""
        ours = self.broker + self.centre + sum(float(said["processor"]) for said in self.said)
        return (ours + self.others) / CORES

    @property
    def limit(self) -> str:
        if self.broker > BUSY:
            return "the broker's"
        if self.generator > BUSY:
            return "the generator's"
        return "the machine's" if self.used > BUSY else "none yet"


def figures() -> Iterator[Figure]:
    if find_mosquitto() is None:
        return
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    plays = [_play(stores, 1, (1.0,)) for stores in STORES[:-1]]
    plays += [_play(STORES[-1], 1, (1.0, *FACTORS)), _play(STORES[-1], SHARES, FACTORS)]
    for play in plays:
        with asyncio.Runner() as runner:
            while (figure := runner.run(anext(play, None))) is not None:
                yield figure


async def _play(stores: int, shares: int, factors: tuple[float, ...]) -> AsyncIterator[Figure]:
    name = f"chain.{stores}" + (".shared" if shares > 1 else "")
    async with _broker() as (broker, port):
        before_kib = _memory_kib(broker)
        centre = await Centre.opened(port, stores, shares)
        before = _Spent.now(broker)
        processes = [
            await _stores(port, 1 + n * stores // PROCESSES, stores // PROCESSES)
            for n in range(PROCESSES)
        ]
        made = [json.loads(await _line(process)) for process in processes]
        spent = _Spent.now(broker).since(before)
        busiest = max(each["processor"] for each in made)
        connected = sum(each["connected"] for each in made)
        pace = connected / max(each["seconds"] for each in made)
        note = (
            f"{pace:,.0f} a second, each with will, subscription and a head; broker "
            f"{spent.broker:.2f} of a core, generator's busiest process {busiest:.2f}"
        )
        yield Figure(f"{name}.connected", connected, "", stores, at_least=True, note=note)
        each_kib = (_memory_kib(broker) - before_kib) / connected
        note = "of the broker, and what the kernel keeps for a socket beside it"
        yield Figure(f"{name}.memory", round(each_kib, 1), "KiB", note=f"a connection, {note}")
        for factor in factors:
            seconds = SECONDS if factor == 1 else SHORT_SECONDS
            load = await _load(broker, centre, processes, factor, seconds)
            for figure in _told(name if factor == 1 else f"{name}x{factor:g}", load):
                yield figure
            if load.bends:
                break
        for process in processes:
            await process.communicate(b"\n")
        centre.close()


def _told(name: str, load: Load) -> Iterator[Figure]:
    at = f"{load.messages_per_s:,.0f} messages/s in and out, {load.sum('events'):,} events"
    note = f"{at}; the broker dropped {load.dropped:,} of all kinds, its queues were full"
    yield Figure(f"{name}.events_lost", load.lost, "", 0, note=note if load.dropped else at)
    yield Figure(f"{name}.connections_lost", load.sum("lost"), "", 0)
    note = "from a store to the engine"
    yield Figure(f"{name}.event_p50", round(median(load.event_delays_ms), 2), "ms", note=note)
    yield Figure(f"{name}.event_p99", round(load.event_p99_ms, 2), "ms", P99_GOAL_MS, note=note)
    heads = load.head_delays_ms
    note = f"{len(heads):,} of {load.heads_sent:,} heads heard, from the consent service to a store"
    yield Figure(f"{name}.head_p99", round(_p99(heads), 2), "ms", P99_GOAL_MS, note=note)
    note = f"the limit is {load.limit}; others took {load.others:.2f} of {CORES} cores"
    yield Figure(f"{name}.broker", round(load.broker, 3), "core", note=note)
    note = f"the busiest process, p99 late by {load.late_ms:.1f} ms"
    yield Figure(f"{name}.generator", round(load.generator, 3), "core", note=note)


class Centre:
    """Engine, operations and consent service."""

    def __init__(self, port: int, stores: int) -> None:
        self.arrived: dict[int, float] = {}
        """Events by the moment of their sending (ns) → delay, ms."""
        self.states = 0
        self.dropped = 0
        """By the broker, since it began."""
        self._stores = stores
        self._port = port
        self._services: list[LightClient] = []
        self._clients: list[LightClient] = []

    @classmethod
    async def opened(cls, port: int, stores: int, shares: int) -> "Centre":
        """With so many connections for each of its three."""
        centre = cls(port, stores)
        share = "$share/all/" if shares > 1 else ""
        for n in range(shares):
            centre._services.append(await centre._open(f"consents-{n}", lambda _payload: None))
            await centre._open(f"engine-{n}", centre._take_event, share + chain.EVENTS)
            await centre._open(f"operations-{n}", centre._take_state, share + chain.STATES)
        await centre._open("dropped", centre._take_dropped, "$SYS/broker/publish/messages/dropped")
        for number in range(1, stores + 1):
            centre._say_head(number)
            if not number % 100:
                await asyncio.sleep(0)
        while sum(each.acknowledged for each in centre._services) < stores:  # noqa: ASYNC110 - once
            await asyncio.sleep(0.01)
        return centre

    async def _open(self, name: str, hear: OnPublish, *topics: str) -> LightClient:
        client = await opened(self._port, connect(name, keep_alive_s=0), hear, *topics)
        self._clients.append(client)
        return client

    async def speak(self, factor: float, until_s: float) -> list[float]:
        """Heads, until then; how late each was, in seconds."""
        numbers, late_s = cycle(range(1, self._stores + 1)), list[float]()
        rate = chain.HEADS_PER_S * factor * self._stores
        await chain.paced(rate, until_s, lambda: self._say_head(next(numbers)), late_s)
        return late_s

    def close(self) -> None:
        for client in self._clients:
            client.close()

    def _say_head(self, number: int) -> None:
        payload = chain.stamped(chain.HEAD_BYTES)
        service = self._services[number % len(self._services)]
        topic, mid = chain.heads_of(number), service.next_number()
        service.write(publish(mid, topic, payload, retain=True, properties=chain.WORD_PROPERTIES))

    def _take_event(self, payload: memoryview) -> None:
        at_ns = chain.sent_at_ns(payload)
        self.arrived.setdefault(at_ns, (time.time_ns() - at_ns) / 1e6)

    def _take_state(self, _payload: memoryview) -> None:
        self.states += 1

    def _take_dropped(self, payload: memoryview) -> None:
        self.dropped = int(bytes(payload))


async def _load(
    broker: asyncio.subprocess.Process,
    centre: Centre,
    processes: list[asyncio.subprocess.Process],
    factor: float,
    seconds: float,
) -> Load:
    centre.arrived, centre.states = {}, 0
    before, dropped = _Spent.now(broker), centre.dropped
    for process in processes:
        if process.stdin is not None:
            process.stdin.write(f"{factor} {seconds}\n".encode())
            await process.stdin.drain()
    await asyncio.sleep(START_S)
    heads_late_s = await centre.speak(factor, asyncio.get_running_loop().time() + seconds)
    spent = _Spent.now(broker).since(before)
    said = [json.loads(await _line(process)) for process in processes]
    ours = spent.broker + spent.centre + sum(each["processor"] for each in said)
    delays_ms = list(centre.arrived.values())
    return Load(
        said,
        len(heads_late_s),
        heads_late_s,
        delays_ms,
        len(delays_ms),
        centre.states,
        spent.broker,
        spent.centre,
        max(0.0, spent.machine - ours),
        centre.dropped - dropped,
    )


@dataclass(frozen=True)
class _Spent:
    """Seconds of the processor until `at_s`; or of each second, between two."""

    at_s: float
    broker: float
    centre: float
    machine: float

    @classmethod
    def now(cls, broker: asyncio.subprocess.Process) -> "_Spent":
        fields = Path(f"/proc/{broker.pid}/stat").read_text().rpartition(")")[2].split()
        busy = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
        user, nice, system, _idle, _wait, irq, soft, *_ = map(int, busy)
        machine = (user + nice + system + irq + soft) / TICKS
        spent = (int(fields[11]) + int(fields[12])) / TICKS
        return cls(time.monotonic(), spent, time.process_time(), machine)

    def since(self, before: "_Spent") -> "_Spent":
        seconds = self.at_s - before.at_s
        return _Spent(
            self.at_s,
            (self.broker - before.broker) / seconds,
            (self.centre - before.centre) / seconds,
            (self.machine - before.machine) / seconds,
        )


@contextlib.asynccontextmanager
async def _broker() -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    with tempfile.TemporaryDirectory() as folder:
        port, config = free_port(), Path(folder) / "mosquitto.conf"
        config.write_text(CONFIG.format(port=port, host=HOST))
        command = [str(find_mosquitto()), "-c", str(config)]
        process = await asyncio.create_subprocess_exec(
            *command, stderr=asyncio.subprocess.DEVNULL, start_new_session=True
        )
        try:
            if not await answers(process, port):
                raise RuntimeError("mosquitto did not start")
            yield process, port
        finally:
            await stop(process)


async def _stores(port: int, first: int, count: int) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "scripts.benchmarks.chain_stores",
        *map(str, (port, first, count)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=2**26,
    )


async def _line(process: asyncio.subprocess.Process) -> bytes:
    if process.stdout is None:
        return b""
    return await process.stdout.readline()


def _memory_kib(process: asyncio.subprocess.Process) -> int:
    return int(Path(f"/proc/{process.pid}/statm").read_text().split()[1]) * PAGE_KIB


def _p99(values: list[float]) -> float:
    return quantiles(values, n=100)[-1]
