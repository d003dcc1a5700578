"""Events a second, and the time from a sighting to the engine, with 1, 10 and 50 stores on one
mosquitto.

From the advertisement that decides an entry, through pipeline, store, relay, paho and broker, to a
subscriber in another process. First calmly, then with all events at once. Each gateway waits for
the acknowledgement of an event before it sends the next. No peers: the hold-off of several gateways
is measured by `gateways`.
"""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median, quantiles

from presence.ports import OutgoingMessage
from presence.simulation.local_broker import LocalBroker, find_mosquitto
from scripts.benchmarks.broker_gateways import Shop
from scripts.benchmarks.figure import Figure
from scripts.stores.subscriber import subscribed

GATEWAYS = (1, 10, 50)
PROCESSES = 2
CALM_EVENTS, CALM_RATE = 200, 50.0
"""In all, and a second in all: a chain of 50 shops at a busy hour has one a second."""
BURST_EVENTS = {1: 200, 10: 150, 50: 40}
"""Each; an outbox holds 256."""
ARRIVE_S = 20.0
P99_GOAL_S = 0.1
RATE_GOAL = 100
"""Events a second: 10,000 visits a day in each of 50 shops are 12 a second over 12 hours."""


class NoBroker:
    """Takes every message, and remembers when."""

    def __init__(self) -> None:
        self.arrived: dict[str, float] = {}

    async def connected(self) -> None:
        return

    async def publish(self, message: OutgoingMessage) -> None:
        self.arrived[message.event_id] = time.time()


def figures() -> Iterator[Figure]:
    yield from _latencies("broker.none", asyncio.run(_without_broker()), "to the hand-over")
    if find_mosquitto() is None:
        return
    for gateways in GATEWAYS:
        name = f"broker.{gateways}"
        each = max(1, CALM_EVENTS // gateways)
        delays_s, _ = asyncio.run(_play(gateways, each, CALM_RATE / gateways))
        yield from _latencies(name, delays_s, f"{each * gateways} events, {CALM_RATE:g} a second")
        delays_s, seconds = asyncio.run(_play(gateways, BURST_EVENTS[gateways], 0))
        note = f"{len(delays_s)} events at once, acknowledged one by one by {gateways} gateways"
        yield Figure(
            f"{name}.rate",
            round(len(delays_s) / seconds),
            "events/s",
            RATE_GOAL,
            at_least=True,
            note=note,
        )


def _latencies(name: str, delays_s: list[float], note: str) -> Iterator[Figure]:
    yield Figure(f"{name}.latency_p50", round(1000 * median(delays_s), 2), "ms", note=note)
    p99_ms = 1000 * quantiles(delays_s, n=100)[-1]
    yield Figure(f"{name}.latency_p99", round(p99_ms, 2), "ms", 1000 * P99_GOAL_S, note=note)


async def _without_broker() -> list[float]:
    with tempfile.TemporaryDirectory() as folder:
        publisher = NoBroker()
        shop = Shop(1, CALM_EVENTS, Path(folder), publisher)
        await shop.play(CALM_EVENTS, CALM_RATE)
    return [publisher.arrived[key] - at for key, at in shop.sighted.items()]


async def _play(gateways: int, visits: int, rate: float) -> tuple[list[float], float]:
    """Delays of all events, and the seconds from the first sighting to the last arrival."""
    async with (
        LocalBroker.start("mosquitto") as broker,
        subscribed(broker.port, "presence/v1/+/+/evt/+") as heard,
    ):
        processes = await _start(broker.port, gateways, visits, rate)
        arrived: dict[str, float] = {}
        async with asyncio.timeout(ARRIVE_S):
            while len(arrived) < gateways * visits:
                message = await heard.get()
                arrived.setdefault(json.loads(message.payload)["id"], message.timestamp)
        sighted: dict[str, float] = {}
        for process in processes:
            out, _ = await process.communicate()
            sighted |= json.loads(out)
    # paho stamps a message with the monotonic clock as it arrives
    offset_s = time.time() - time.monotonic()
    delays_s = [arrived[key] + offset_s - at for key, at in sighted.items()]
    return delays_s, max(arrived.values()) + offset_s - min(sighted.values())


async def _start(
    port: int, gateways: int, visits: int, rate: float
) -> list[asyncio.subprocess.Process]:
    """Processes with all gateways connected, that have just been let go."""
    processes = []
    share = -(-gateways // PROCESSES)
    for first in range(1, gateways + 1, share):
        count = min(share, gateways + 1 - first)
        processes.append(
            await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "scripts.benchmarks.broker_gateways",
                str(port),
                str(first),
                str(count),
                str(visits),
                str(rate),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
        )
    for process in processes:
        if process.stdout is not None:
            await process.stdout.readline()  # ready
    for process in processes:
        if process.stdin is not None:
            process.stdin.write(b"go\n")
            await process.stdin.drain()
    return processes
