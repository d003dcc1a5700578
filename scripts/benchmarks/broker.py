"""Events a second, and the time from a sighting to the engine, with 1, 10 and 50 stores on one
mosquitto; beside it paho's own publish loop on the same broker.

From the advertisement that decides an entry, through pipeline, store, relay, paho and broker, to a
subscriber in another process. First calmly, then with all events at once: as fast as one outbox
takes them, each stored before it is sent and asked for at the gate again. paho's loop
(`broker_paho`) only publishes. Both take turns, and the ratio is that of the medians. No peers: the
hold-off of several gateways is measured by `gateways`.
"""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple

from presence.ports import OutgoingMessage
from presence.simulation.local_broker import LocalBroker, find_mosquitto
from scripts.benchmarks import light_client
from scripts.benchmarks.broker_gateways import RUNTIME, Shop
from scripts.benchmarks.figure import Figure

GATEWAYS = (1, 10, 50)
PROCESSES = 2
CALM_EVENTS, CALM_RATE = 500, 50.0
"""In all, and a second in all: a chain of 50 shops at a busy hour has one a second."""
BURST_EVENTS = {1: 5000, 10: 500, 50: 100}
"""Each."""
TURNS = 5
"""Of a burst through one gateway, and of paho's loop."""
ARRIVE_S = 60.0
P99_GOALS_S = {1: 0.005, 10: 0.1, 50: 0.1}
RATE_GOALS = {1: 2000, 10: 100, 50: 100}
"""Events a second: 10,000 visits a day in each of 50 shops are 12 a second over 12 hours."""
RATIO_GOAL = 1.5


class NoBroker:
    """Takes every message, and remembers when."""

    room = 1

    def __init__(self) -> None:
        self.arrived: dict[str, float] = {}

    async def connected(self) -> None:
        return

    async def publish(self, message: OutgoingMessage) -> None:
        self.arrived[message.event_id] = time.time()


class Play(NamedTuple):
    delays_s: list[float]
    seconds: float
    """From the first sighting to the last arrival."""
    processor_s: float
    """Of the publishing processes."""

    @property
    def rate(self) -> float:
        return len(self.delays_s) / self.seconds

    @property
    def processor_us(self) -> float:
        """For each event."""
        return self.processor_s / len(self.delays_s) * 1e6


def figures() -> Iterator[Figure]:
    yield from _latencies("broker.none", asyncio.run(_without_broker()), "to the hand-over")
    if find_mosquitto() is None:
        return
    for gateways in GATEWAYS:
        name = f"broker.{gateways}"
        each = max(1, CALM_EVENTS // gateways)
        calm = asyncio.run(_play(_gateways(gateways, each, CALM_RATE / gateways)))
        note = f"{each * gateways} events, {CALM_RATE:g} a second"
        yield from _latencies(name, calm.delays_s, note, P99_GOALS_S[gateways])
        if gateways == 1:
            yield from _beside_paho(name)
        else:
            play = asyncio.run(_play(_gateways(gateways, BURST_EVENTS[gateways], 0)))
            yield _rate(name, gateways, play.rate, f"through {gateways} gateways")


def _beside_paho(name: str) -> Iterator[Figure]:
    our_plays, their_plays = [], []
    for _ in range(TURNS):
        our_plays.append(asyncio.run(_play(_gateways(1, BURST_EVENTS[1], 0))))
        their_plays.append(asyncio.run(_play(_paho(BURST_EVENTS[1]))))
    ours, theirs = [play.rate for play in our_plays], [play.rate for play in their_plays]
    spread = f"{TURNS} turns, {min(ours):.0f} to {max(ours):.0f}"
    yield _rate(name, 1, median(ours), f"through one gateway, {spread}")
    spread = f"{TURNS} turns, {min(theirs):.0f} to {max(theirs):.0f}"
    yield Figure("broker.paho.rate", round(median(theirs)), "events/s", note=f"its loop, {spread}")
    ratio = round(median(theirs) / median(ours), 2)
    yield Figure(f"{name}.paho_ratio", ratio, "×", RATIO_GOAL, note="paho's rate by the gateway's")
    for whose, plays in ((name, our_plays), ("broker.paho", their_plays)):
        least = min(play.processor_us for play in plays)
        note = f"of the publishing process, an event; the least of {TURNS} turns"
        yield Figure(f"{whose}.processor", round(least), "µs", note=note)


def _rate(name: str, gateways: int, rate: float, how: str) -> Figure:
    note = f"{gateways * BURST_EVENTS[gateways]} events at once {how}"
    return Figure(
        f"{name}.rate", round(rate), "events/s", RATE_GOALS[gateways], at_least=True, note=note
    )


def _latencies(
    name: str, delays_s: list[float], note: str, p99_goal_s: float = 0.1
) -> Iterator[Figure]:
    yield Figure(f"{name}.latency_p50", round(1000 * median(delays_s), 2), "ms", note=note)
    p99_ms = 1000 * quantiles(delays_s, n=100)[-1]
    yield Figure(f"{name}.latency_p99", round(p99_ms, 2), "ms", 1000 * p99_goal_s, note=note)


async def _without_broker() -> list[float]:
    with tempfile.TemporaryDirectory(dir=RUNTIME) as folder:
        publisher = NoBroker()
        shop = Shop(1, CALM_EVENTS, CALM_RATE, Path(folder), publisher)
        await shop.play(CALM_EVENTS, CALM_RATE)
    return [publisher.arrived[key] - at for key, at in shop.sighted.items()]


def _gateways(gateways: int, visits: int, rate: float) -> list[list[str]]:
    """Commands without the port, and how many events each brings."""
    share = -(-gateways // PROCESSES)
    commands = []
    for first in range(1, gateways + 1, share):
        count = min(share, gateways + 1 - first)
        numbers = [str(number) for number in (first, count, visits, rate)]
        commands.append(["scripts.benchmarks.broker_gateways", *numbers])
    return commands


def _paho(events: int) -> list[list[str]]:
    return [["scripts.benchmarks.broker_paho", str(events)]]


async def _play(commands: list[list[str]]) -> Play:
    """Until every event that the processes say they had has arrived."""
    arrived: list[tuple[float, bytes]] = []
    async with LocalBroker.start("mosquitto") as broker:
        engine = await light_client.opened(
            broker.port,
            light_client.connect("engine", keep_alive_s=60),
            lambda payload: arrived.append((time.time(), bytes(payload))),
            "presence/v1/+/+/evt/+",
        )
        processes = [await _start(broker.port, *command) for command in commands]
        for process in processes:
            if process.stdin is not None:
                process.stdin.write(b"go\n")
                await process.stdin.drain()
        began: dict[str, float] = {}
        processor_s = 0.0
        for process in processes:
            out, _ = await process.communicate()
            said = json.loads(out)
            began |= said["began"]
            processor_s += said["processor_s"]
        async with asyncio.timeout(ARRIVE_S):
            while len(arrived) < len(began):  # noqa: ASYNC110 - the end of a benchmark
                await asyncio.sleep(0.01)
        engine.close()
    first_at: dict[str, float] = {}
    for at, payload in arrived:
        first_at.setdefault(json.loads(payload)["id"], at)
    delays_s = [first_at[key] - at for key, at in began.items()]
    return Play(delays_s, max(first_at.values()) - min(began.values()), processor_s)


async def _start(port: int, module: str, *numbers: str) -> asyncio.subprocess.Process:
    """A process with all its clients connected, that waits to be let go."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        str(port),
        *numbers,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=2**24,
    )
    if process.stdout is not None:
        await process.stdout.readline()  # ready
    return process
