"""Stores of a chain in one process, for `scripts/bench chain`: each a connection.

    python -m scripts.benchmarks.chain_stores PORT FIRST COUNT

Standard output: one JSON object when all are connected. Then, for each line `FACTOR SECONDS` on
standard input, so many times the plan's rates for so long, and one JSON object with what was sent
and heard, and how late this process was. An empty line ends it.
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable
from itertools import cycle

from scripts.benchmarks import chain_messages as chain
from scripts.benchmarks.light_client import PINGREQ, LightClient, connect, opened, publish

AT_ONCE = 50
"""Connections in the making; mosquitto's socket keeps 100 that wait."""
DRAIN_S = 3.0


class Stores:
    def __init__(self) -> None:
        self.clients: list[tuple[int, LightClient]] = []
        self.head_delays_ns: list[int] = []
        self.lost = 0
        self._since_ns = 0

    async def connect(self, port: int, first: int, count: int) -> None:
        room = asyncio.Semaphore(AT_ONCE)

        async def one(number: int) -> None:
            async with room:
                hello = connect(
                    f"bridge-{number}",
                    keep_alive_s=60,
                    session_s=30,
                    will=(chain.state_topic(number), b"x" * chain.STATE_BYTES),
                    will_delay_s=30,
                )
                try:
                    client = await opened(port, hello, self._hear, chain.heads_of(number))
                except (OSError, asyncio.CancelledError):
                    self.lost += 1
                    return
                self.clients.append((number, client))

        await asyncio.gather(*(one(number) for number in range(first, first + count)))
        self._since_ns = time.time_ns()

    def _hear(self, payload: memoryview) -> None:
        at_ns = chain.sent_at_ns(payload)
        if at_ns >= self._since_ns:  # otherwise retained, of before
            self.head_delays_ns.append(time.time_ns() - at_ns)

    async def play(self, factor: float, seconds: float) -> dict[str, object]:
        self.head_delays_ns = []
        sent = dict.fromkeys(("events", "states", "pings"), 0)
        acknowledged = sum(client.acknowledged for _, client in self.clients)
        until_s, late_s = asyncio.get_running_loop().time() + seconds, list[float]()
        turn = cycle(self.clients)

        def each(what: str, say: Callable[[int, LightClient], bytes]) -> Callable[[], None]:
            def deed() -> None:
                number, client = next(turn)
                if client.is_open:
                    client.write(say(number, client))
                    sent[what] += 1

            return deed

        kinds = {
            "events": (chain.EVENTS_PER_S, _event),
            "states": (chain.STATES_PER_S, _state),
            "pings": (chain.PINGS_PER_S, lambda _number, _client: PINGREQ),
        }
        began_s = time.process_time()
        async with asyncio.TaskGroup() as tasks:
            for what, (rate, say) in kinds.items():
                total = rate * factor * len(self.clients)
                tasks.create_task(chain.paced(total, until_s, each(what, say), late_s))
        took_s = asyncio.get_running_loop().time() - until_s + seconds
        processor = (time.process_time() - began_s) / took_s
        await asyncio.sleep(DRAIN_S)
        after = sum(client.acknowledged for _, client in self.clients)
        return {
            **sent,
            "unacknowledged": sent["events"] + sent["states"] - (after - acknowledged),
            "lost": sum(not client.is_open for _, client in self.clients) + self.lost,
            "processor": processor,
            "seconds": took_s,
            "late_s": sorted(late_s)[:: max(1, len(late_s) // 1000)],
            "head_delays_ms": [round(ns / 1e6, 2) for ns in self.head_delays_ns],
        }


def _event(number: int, client: LightClient) -> bytes:
    return publish(
        client.next_number(),
        chain.event_topic(number),
        chain.stamped(chain.ENTERED_BYTES),
        properties=chain.EVENT_PROPERTIES,
    )


def _state(number: int, client: LightClient) -> bytes:
    return publish(
        client.next_number(),
        chain.state_topic(number),
        chain.stamped(chain.STATE_BYTES),
        retain=True,
        properties=chain.WORD_PROPERTIES,
    )


async def main(port: int, first: int, count: int) -> None:
    stores, began, spent = Stores(), time.monotonic(), time.process_time()
    await stores.connect(port, first, count)
    seconds = time.monotonic() - began
    connected = {
        "connected": len(stores.clients),
        "seconds": seconds,
        "processor": (time.process_time() - spent) / seconds,
    }
    print(json.dumps(connected), flush=True)
    while line := (await asyncio.to_thread(sys.stdin.readline)).split():
        print(json.dumps(await stores.play(float(line[0]), float(line[1]))), flush=True)
    for _, client in stores.clients:
        client.close()


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:4])))
