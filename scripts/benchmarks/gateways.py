"""Several gateways in one store, each a process of its own: publishes per visit, added delay,
actions of the engine.

1, 2, 4 and 8 daemons on one mosquitto hear the same simulated shop, each 1.5 dB weaker than the one
before, each with 3 dB of noise and a fifth of the advertisements lost. Delay counts from the first
gateway's decision to the engine.
"""

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median, quantiles

from presence.simulation.local_broker import LocalBroker, find_mosquitto
from scripts.benchmarks.figure import Figure
from scripts.stores.store import Counted, Store, engine, store, visitors

VISITS = 20
COUNTS = (1, 2, 4, 8)
LOST_SHARE = 0.2
MAX_PUBLISHES = 1.1
"""docs/design.md#gateways: 1.03–1.06 in a model."""
MEDIAN_S, P90_S = 0.7, 1.2
"""The hold-off (0.05–0.8 s) and the time to object (0.1 s); in the model, without the latter,
0.41–0.44 s.
"""


def figures() -> Iterator[Figure]:
    if find_mosquitto() is None:
        return
    for count in COUNTS:
        with tempfile.TemporaryDirectory() as folder:
            counted, shop = asyncio.run(_day(Path(folder), count))
        yield from _figures(count, counted, shop)


async def _day(folder: Path, count: int) -> tuple[Counted, Store]:
    guests = visitors(VISITS, every_s=0.4, stays_s=5)
    async with (
        LocalBroker.start("mosquitto") as broker,
        engine([broker.port], guests) as counted,
        store(folder, [broker.port] * count, guests, lost_share=LOST_SHARE) as shop,
    ):
        await shop.finish()
    return counted, shop


def _figures(count: int, counted: Counted, shop: Store) -> Iterator[Figure]:
    name, entered = f"gateways.{count}", counted.entered()
    decided = sum(shop.deciders.values()) / len(shop.guests)
    copies = sum(counted.copies[key] for key in entered) / len(shop.guests)
    delays_s = [counted.arrived[key] - shop.decided[key] for key in entered if key in shop.decided]
    wrong = sum(counted.offers[guest.ref] != 1 for guest in shop.guests)
    note = f"{len(shop.guests)} visits, decided by {decided:.2f} gateways each"
    yield Figure(
        f"{name}.publishes_per_visit", round(copies, 3), "publishes", MAX_PUBLISHES, note=note
    )
    yield Figure(f"{name}.delay_median", round(median(delays_s), 3), "s", MEDIAN_S)
    yield Figure(f"{name}.delay_p90", round(quantiles(delays_s, n=10)[-1], 3), "s", P90_S)
    yield Figure(
        f"{name}.visits_not_acted_on_exactly_once",
        wrong,
        "visits",
        0,
        note="by the reference engine",
    )
