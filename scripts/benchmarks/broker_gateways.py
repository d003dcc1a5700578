"""Some gateways in one process, from the advertisement to the broker, for `scripts/bench broker`.

    python -m scripts.benchmarks.broker_gateways PORT FIRST COUNT EVENTS RATE

COUNT gateways of as many stores, numbered from FIRST; each tells of EVENTS visits: RATE a second,
or with 0 as fast as it can. Standard output: `ready`; after a line on standard input it begins; at
the end one JSON object: `began`, each event's id with the moment of the advertisement that decided
the entry, and `processor_s`, what they took.
"""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

from presence.config.settings import MqttSettings, StoreSettings
from presence.core.recognition.advertisement import Advertisement, advertisement_from_payload
from presence.core.recognition.beacons import eddystone
from presence.core.recognition.identifiers import ephemeral_identifier, slot_at, window_at
from presence.core.site import Site
from presence.core.timestamps import Moment
from presence.edges.host.clock import SystemClock
from presence.edges.mqtt.publisher import MqttPublisher
from presence.edges.sqlite.store import RuntimeStore
from presence.gateway.pipeline import Pipeline
from presence.gateway.relay import Relay
from presence.ports import Publisher
from scripts.benchmarks import subjects

CHAIN = "bench"
RUNTIME = Path("/dev/shm")  # noqa: S108 - in memory, as the daemon's runtime directory is
LEAD_S = 10
"""A visit needs strong sightings for some seconds: they are heard at once, as if they were past."""
AT_A_TIME = 40
"""Advertisements that the intake hands over in one batch (presence.gateway.gateway)."""
WAITING_MAX = 200
"""An outbox holds 256, and lets go of the oldest beyond that."""


def walk_in(number: int, now: Moment) -> list[Advertisement]:
    """One a second, the last one now."""
    key = subjects.window_key_of(number, window_at(now.utc_s))
    payload = eddystone.payload(ephemeral_identifier(key, slot_at(now.utc_s)), tx_power_dbm=-20)
    address = number.to_bytes(6, "big")
    return [
        advertisement_from_payload(now.later(-ago), address, -60, payload)
        for ago in range(LEAD_S, -1, -1)
    ]


class Shop:
    """One gateway of one store, from the advertisement to the publisher."""

    def __init__(
        self, number: int, visits: int, rate: float, folder: Path, publisher: Publisher
    ) -> None:
        self.sighted: dict[str, float] = {}
        self._chance = Random(number)
        now = SystemClock().now()
        rules = replace(
            subjects.rules(), site=site_of(number), store_key=number.to_bytes(32, "big")
        )
        self.pipeline = Pipeline(rules, RuntimeStore(folder), emit=lambda _event: None)
        self.pipeline.apply(
            subjects.consent_list(visits, now),
            replace(subjects.STANDING, suppression_checked_at_s=now.utc_s - 60),
            now,
        )
        self.pipeline.engine.matcher.complete(now.utc_s)
        self._deciding = [] if rate else list(self._approach(visits, now))
        self.relay = Relay(self.pipeline, publisher, SystemClock(), emit=lambda _event: None)

    def _approach(self, visits: int, now: Moment) -> Iterator[Advertisement]:
        """Everybody comes as far as the advertisement that decides, which is answered with; the
        first phone shows which one that is, and is left out.
        """
        heard = walk_in(0, now)
        decides = next(
            n for n, each in enumerate(heard) if self.pipeline.engine.receive(each).queued
        )
        self.pipeline.outbox.pending.pop(*self.pipeline.outbox.pending.records)
        for number in range(1, visits):
            heard = walk_in(number, now)
            self.pipeline.receive_all(heard[:decides])
            yield heard[decides]

    async def play(self, visits: int, rate: float) -> None:
        """The visits, and return when the broker has all events."""
        async with asyncio.TaskGroup() as tasks:
            relaying = tasks.create_task(self.relay.run())
            if rate:
                await self._play_calmly(visits, rate)
            else:
                await self._play_at_once()
            while tuple(self.pipeline.outbox.pending):  # noqa: ASYNC110 - the end of a benchmark
                await asyncio.sleep(0.002)
            relaying.cancel()

    async def _play_calmly(self, visits: int, rate: float) -> None:
        await asyncio.sleep(self._chance.random() / rate)
        for number in range(visits):
            self._hear(number)
            await asyncio.sleep(1 / rate)

    async def _play_at_once(self) -> None:
        """As fast as the outbox takes them."""
        for first in range(0, len(self._deciding), AT_A_TIME):
            batch = self._deciding[first : first + AT_A_TIME]
            known = set(self.pipeline.outbox.pending.records)
            while len(known) + len(batch) > WAITING_MAX:
                await asyncio.sleep(0.001)
                known = set(self.pipeline.outbox.pending.records)
            began = time.time()
            self.pipeline.receive_all(batch)
            for event_id in self.pipeline.outbox.pending.records.keys() - known:
                self.sighted[event_id] = began
            await asyncio.sleep(0)

    def _hear(self, number: int) -> None:
        """Up to the advertisement that decides."""
        known = {outgoing.id for outgoing in self.pipeline.outbox.pending}
        for heard in walk_in(number, SystemClock().now()):
            began = time.time()
            self.pipeline.receive(heard)
            for outgoing in tuple(self.pipeline.outbox.pending):
                if outgoing.id not in known:
                    self.sighted[outgoing.id] = began
                    return


def site_of(number: int) -> Site:
    return Site(f"{CHAIN}-{number}", subjects.rules().site.store)


async def main(port: int, first: int, count: int, visits: int, rate: float) -> None:
    with tempfile.TemporaryDirectory(dir=RUNTIME) as folder:
        shops = []
        for number in range(first, first + count):
            site = site_of(number)
            store = StoreSettings(
                chain=site.chain, store=site.store, gateway="door-1", key_file=Path("unused")
            )
            publisher = MqttPublisher(MqttSettings(port=port), store, emit=lambda _event: None)
            shop = Shop(number, visits, rate, Path(folder) / str(number), publisher)
            shops.append((shop, publisher))
        async with asyncio.TaskGroup() as tasks:
            connections = [tasks.create_task(publisher.run()) for _, publisher in shops]
            for _, publisher in shops:
                await publisher.connected()
            print("ready", flush=True)
            await asyncio.to_thread(sys.stdin.readline)
            spent = time.process_time()
            await asyncio.gather(*(shop.play(visits, rate) for shop, _ in shops))
            spent = time.process_time() - spent
            for connection in connections:
                connection.cancel()
        began = {key: at for shop, _ in shops for key, at in shop.sighted.items()}
        print(json.dumps({"began": began, "processor_s": spent}), flush=True)


if __name__ == "__main__":
    port, first, count, visits = map(int, sys.argv[1:5])
    asyncio.run(main(port, first, count, visits, float(sys.argv[5])))
