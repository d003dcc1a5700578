"""Visits that an offer engine misses which is away for a moment: restarted ten times for 1.5 s, and
8 s late.

A real daemon with a simulated shop, on a real mosquitto, or on the broker of this machine's port
that is named: `python -m scripts.benchmarks.unheard PORT`.

* `plain`: a stranger's engine that begins anew each time, without a session. What the broker then
  has nobody to give to, the daemon's outbox asks again.
* `late`: the same, and it comes 8 s after the shop has opened.
* `session`: the reference engine in a process of its own, killed and started again. Its session
  keeps what comes meanwhile.
"""

import asyncio
import contextlib
import json
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from presence.simulation.local_broker import LocalBroker, find_mosquitto
from scripts.benchmarks.figure import Figure
from scripts.stores.customers import AUDIENCE, pairwise_key
from scripts.stores.store import EVENTS, ROOT, Store, Visitor, store, visitors
from scripts.stores.subscriber import subscribed

VISITS, EVERY_S = 40, 1.3
RESTARTS, AWAY_S, THERE_S = 10, 1.5, 3.7
LATE_VISITS, LATE_S = 20, 8.0
TAIL_S = 20.0
"""The shop goes on after the last visit: the longest pause of the back-off, and some."""
ENGINE = "scripts/offer_engine.py --chain acme --store fi-0042 --json"

Arrived = dict[str, float]
"""Event id → when the engine had it."""


def figures() -> Iterator[Figure]:
    if find_mosquitto() is None:
        return
    yield from asyncio.run(_on_mosquitto())


async def _on_mosquitto() -> list[Figure]:
    async with LocalBroker.start("mosquitto") as broker:
        return [figure async for figure in _days(broker.port)]


async def _days(port: int) -> AsyncIterator[Figure]:
    for name, away, count in (
        ("plain", _restarted_plain, VISITS),
        ("late", _late_plain, LATE_VISITS),
        ("session", _restarted_reference, VISITS),
    ):
        guests, arrived = visitors(count, every_s=EVERY_S), Arrived()
        seconds = guests[-1].at_s + guests[-1].stays_s + TAIL_S
        with tempfile.TemporaryDirectory() as name_of:
            folder = Path(name_of)
            async with (
                store(folder, [port], guests, seconds=seconds, lost_share=0) as shop,
                asyncio.TaskGroup() as tasks,
            ):
                engine = tasks.create_task(away(port, guests, folder, arrived))
                await shop.finish()
                engine.cancel()
        for figure in _figures(f"unheard.{name}", arrived, shop):
            yield figure


async def _restarted_plain(port: int, _guests: list[Visitor], _: Path, arrived: Arrived) -> None:
    for _restart in range(RESTARTS):
        await _hear(port, arrived, THERE_S)
        await asyncio.sleep(AWAY_S)
    await _hear(port, arrived, None)


async def _late_plain(port: int, _guests: list[Visitor], _: Path, arrived: Arrived) -> None:
    await asyncio.sleep(LATE_S)
    await _hear(port, arrived, None)


async def _hear(port: int, arrived: Arrived, seconds: float | None) -> None:
    """A subscriber with a new name and no session; None: until cancelled."""
    async with subscribed(port, EVENTS) as heard:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while True:
                    _take(arrived, json.loads((await heard.get()).payload)["id"])
    while not heard.empty():
        _take(arrived, json.loads(heard.get_nowait().payload)["id"])


def _take(arrived: Arrived, event_id: str) -> None:
    arrived.setdefault(event_id, time.time())


async def _restarted_reference(
    port: int, guests: list[Visitor], folder: Path, arrived: Arrived
) -> None:
    customers = folder / "customers.jsonl"
    keys = {guest.ref: pairwise_key(bytes.fromhex(guest.ref), AUDIENCE).hex() for guest in guests}
    lines = (json.dumps({"customer": ref, "pairwise_key": key}) for ref, key in keys.items())
    customers.write_text("\n".join(lines))
    command = f"{ENGINE} --audience {AUDIENCE} --port {port} --customers {customers}"
    for restart in range(RESTARTS + 1):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *command.split(),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(THERE_S if restart < RESTARTS else None):
                await _read_offers(process, arrived)
        except TimeoutError:
            process.send_signal(signal.SIGKILL)
            await _read_offers(process, arrived)
            await asyncio.sleep(AWAY_S)
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


async def _read_offers(process: asyncio.subprocess.Process, arrived: Arrived) -> None:
    """To the end of what it says."""
    if process.stdout is not None:
        async for line in process.stdout:
            offer: dict[str, Any] = json.loads(line)
            _take(arrived, offer["in_answer_to"]["id"])


def _figures(name: str, arrived: Arrived, shop: Store) -> Iterator[Figure]:
    visits = len(shop.guests)
    delays_s = sorted(arrived[key] - at for key, at in shop.decided.items() if key in arrived)
    note = f"of {visits} visits, {len(shop.decided)} decided by the daemon"
    yield Figure(f"{name}.lost", visits - len(arrived), "visits", 0, note=note)
    yield Figure(f"{name}.delay_p50", round(delays_s[len(delays_s) // 2], 2), "s")
    yield Figure(f"{name}.delay_max", round(delays_s[-1], 2), "s")


async def _on_port(port: int) -> None:
    async for figure in _days(port):
        print(f"{figure.name:32} {figure.value:>8,g} {figure.unit}  {figure.note}", flush=True)


if __name__ == "__main__":
    asyncio.run(_on_port(int(sys.argv[1])))
