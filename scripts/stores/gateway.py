"""One of several gateways, in a process of its own: the simulated shop as its radio hears it.

    python -m scripts.stores.gateway CONFIG PLAN

PLAN is JSON (see scripts.stores.store.Plan). All gateways play the same phones from the same
second on; each hears them with its own strength and noise, and loses its own share. Everything but
the source is what `presence run` joins. Standard output: one JSON line at each decision that
somebody entered, and one with totals at the end.
"""

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any

from presence.assembly import gateway_of
from presence.config import load_settings
from presence.core.recognition.advertisement import Advertisement
from presence.core.timestamps import Moment
from presence.edges.host import logs
from presence.edges.host.clock import SystemClock
from presence.edges.host.systemd import SystemdNotifier
from presence.gateway.gateway import Gateway
from presence.ports import OnAdvertisement
from presence.simulation import Air, Phone, SimulatedClock, SimulatedShop
from presence.simulation.broadcasts import CustomerBroadcast
from presence.simulation.walks import Spot, Walk
from presence.telemetry import Telemetry
from scripts.stores.customers import identity_key

NOISE_DB = 3.0
WATCH_S = 0.002
INSIDE = Spot(0.5, 2.5)


def phones(plan: dict[str, Any]) -> Iterator[Phone]:
    """Each visitor stands inside from their moment on."""
    for visitor in plan["visitors"]:
        ref, begins_s, stays_s = bytes.fromhex(visitor["ref"]), visitor["at_s"], visitor["stays_s"]
        walk = Walk(((begins_s, INSIDE), (begins_s + stays_s, INSIDE)))
        yield Phone(visitor["ref"], walk, CustomerBroadcast(identity_key(ref)), customer=True)


class Ear:
    """The simulated shop, weaker or stronger and with gaps."""

    def __init__(self, plan: dict[str, Any], ready: Path) -> None:
        self._plan = plan
        self._ready = ready
        self._chance = Random(f"ear/{plan['gateway']}")

    async def _begin(self) -> float:
        """When the shop opens: once all that are to hear it are there."""
        self._ready.touch()
        together = Path(self._plan["together"])
        while self._plan["together"]:
            if together.exists() and (text := together.read_text()):  # noqa: ASYNC240 - a few bytes
                return float(text)
            await asyncio.sleep(0.02)
        return time.time()

    async def run(self, on_advertisement: OnAdvertisement) -> None:
        plan, chance = self._plan, self._chance
        starts_at = await self._begin()
        await asyncio.sleep(max(0.0, starts_at - time.time()))
        now = SystemClock().now()
        start = Moment(now.monotonic_s + starts_at - now.utc_s, starts_at)
        shop = SimulatedShop(
            phones(plan),
            SimulatedClock(start),
            seed=plan["seed"],
            seconds=plan["seconds"],
            air=Air(),
        )

        def hear_some(advertisement: Advertisement) -> None:
            if chance.random() >= plan["lost_share"] and advertisement.rssi_dbm is not None:
                rssi_dbm = advertisement.rssi_dbm + plan["offset_db"] + chance.gauss(0, NOISE_DB)
                address = bytes.fromhex(plan["address"]) or advertisement.address
                rssi_dbm = min(0, round(rssi_dbm))
                on_advertisement(advertisement._replace(rssi_dbm=rssi_dbm, address=address))

        await shop.run(hear_some)


async def watch(gateway: Gateway) -> None:
    """Tell each decision as it falls; until cancelled."""
    known: set[str] = set()
    while True:
        for outgoing in tuple(gateway.pipeline.outbox.pending):
            if outgoing.id not in known and outgoing.type.value.startswith("presence.entered"):
                known.add(outgoing.id)
                say({"decided": outgoing.id, "at": time.time()})
        await asyncio.sleep(WATCH_S)


def say(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


async def serve(gateway: Gateway) -> None:
    async with asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(watch(gateway))
        await gateway.run()
        watching.cancel()


def main() -> None:
    settings = load_settings(Path(sys.argv[1]))
    plan = json.loads(Path(sys.argv[2]).read_text())
    logs.configure(level="info", style=settings.log.format, stream=sys.stderr)
    with ExitStack() as stack:
        gateway = gateway_of(
            settings,
            SystemdNotifier(),
            stack,
            Telemetry(logs.write),
            sources=[Ear(plan, Path(sys.argv[1]).parent / "ready")],
        )
        asyncio.run(serve(gateway))
    say({"totals": dict(gateway.pipeline.counts)})


if __name__ == "__main__":
    main()
