"""Some gateways in one process, from the advertisement to the broker, for `scripts/bench broker`.

    python -m scripts.benchmarks.broker_gateways PORT FIRST COUNT EVENTS RATE

COUNT gateways of as many stores, numbered from FIRST; each tells of EVENTS visits: RATE a second,
or with 0 as fast as it can. Standard output: `ready`; after a line on standard input it begins; at
the end each event's id with the moment of the advertisement that decided the entry, as one JSON
object.
"""

import asyncio
import json
import sys
import tempfile
import time
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
LEAD_S = 10
"""A visit needs strong sightings for some seconds: they are heard at once, as if they were past."""


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

    def __init__(self, number: int, visits: int, folder: Path, publisher: Publisher) -> None:
        self.sighted: dict[str, float] = {}
        self._chance = Random(number)
        now = SystemClock().now()
        rules = replace(
            subjects.rules(), site=site_of(number), store_key=number.to_bytes(32, "big")
        )
        self.pipeline = Pipeline(rules, RuntimeStore(folder), emit=lambda _event: None)
        self.pipeline.apply(
            subjects.consent_list(visits, now),
            replace(subjects.STANDING, suppression_checked_at_s=now.utc_s),
            now,
        )
        self.pipeline.engine.matcher.complete(now.utc_s)
        self.relay = Relay(self.pipeline, publisher, SystemClock(), emit=lambda _event: None)

    async def play(self, visits: int, rate: float) -> None:
        """The visits, and return when the broker has all events."""
        async with asyncio.TaskGroup() as tasks:
            relaying = tasks.create_task(self.relay.run())
            await asyncio.sleep(self._chance.random() / rate if rate else 0)
            for number in range(visits):
                self._hear(number)
                await asyncio.sleep(1 / rate if rate else 0)
            while tuple(self.pipeline.outbox.pending):  # noqa: ASYNC110 - the end of a benchmark
                await asyncio.sleep(0.002)
            relaying.cancel()

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
    with tempfile.TemporaryDirectory() as folder:
        shops = []
        for number in range(first, first + count):
            site = site_of(number)
            store = StoreSettings(
                chain=site.chain, store=site.store, gateway="door-1", key_file=Path("unused")
            )
            publisher = MqttPublisher(MqttSettings(port=port), store, emit=lambda _event: None)
            shops.append((Shop(number, visits, Path(folder) / str(number), publisher), publisher))
        async with asyncio.TaskGroup() as tasks:
            connections = [tasks.create_task(publisher.run()) for _, publisher in shops]
            for _, publisher in shops:
                await publisher.connected()
            print("ready", flush=True)
            await asyncio.to_thread(sys.stdin.readline)
            await asyncio.gather(*(shop.play(visits, rate) for shop, _ in shops))
            for connection in connections:
                connection.cancel()
        print(
            json.dumps({key: at for shop, _ in shops for key, at in shop.sighted.items()}),
            flush=True,
        )


if __name__ == "__main__":
    port, first, count, visits = map(int, sys.argv[1:5])
    asyncio.run(main(port, first, count, visits, float(sys.argv[5])))
