"""A store's gateways and a chain's engine on a cluster, and what became of every visit."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from scripts.stores.store import Counted, Store, engine, store, visitors
from tests.cluster.machine import RAN, Node, tell
from tests.support.contract import BreaksTheContract, check

SESSION_S = 120
STAYS_S = 4.0
AFTER_S = 10.0
"""What is late may still come before the gateways stop."""


@contextlib.asynccontextmanager
async def balanced(ports: Sequence[int]) -> AsyncIterator[int]:
    """A load balancer as chains have: one port, each connection to the next node that answers."""
    turn = 0
    tasks: set[asyncio.Task[None]] = set()

    async def node() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        nonlocal turn
        for _ in ports:
            turn += 1
            with contextlib.suppress(OSError):
                return await asyncio.open_connection("127.0.0.1", ports[(turn - 1) % len(ports)])
        raise ConnectionError("no node answers")

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        writer.transport.abort()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            onward_reader, onward = await node()
            try:
                await asyncio.gather(carry(reader, onward), carry(onward_reader, writer))
            finally:
                onward.transport.abort()
        except (ConnectionError, asyncio.CancelledError):
            pass  # the client is cut here, and tries again
        finally:
            tasks.discard(task)
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


@contextlib.asynccontextmanager
async def faithful(
    port: int, topic: str, *, v5: bool = True
) -> AsyncIterator["asyncio.Queue[paho.MQTTMessage]"]:
    """An engine's connection: one name, a session that outlives it, and it comes back by itself."""
    loop, heard = asyncio.get_running_loop(), asyncio.Queue[paho.MQTTMessage]()
    broken: list[BreaksTheContract] = []
    ready = asyncio.Event()
    client = paho.Client(
        CallbackAPIVersion.VERSION2,
        "engine-1",
        protocol=paho.MQTTv5 if v5 else paho.MQTTv311,
        clean_session=None if v5 else False,
    )
    client.reconnect_delay_set(1, 2)

    @client.connect_callback()
    def on_connect(*answer: object) -> None:
        tell(f"engine: connected ({answer[3]})")
        client.subscribe(topic, 1)

    @client.disconnect_callback()
    def on_disconnect(*answer: object) -> None:
        tell(f"engine: lost its connection ({answer[3]})")

    @client.subscribe_callback()
    def on_subscribe(*answer: object) -> None:
        tell(f"engine: subscribed ({answer[3]})")
        loop.call_soon_threadsafe(ready.set)

    @client.message_callback()
    def on_message(_client: object, _data: object, message: paho.MQTTMessage) -> None:
        try:
            check(message.topic, bytes(message.payload), retained=message.retain)
        except BreaksTheContract as error:
            broken.append(error)
        loop.call_soon_threadsafe(heard.put_nowait, message)

    options: dict[str, Any] = {}
    if v5:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = SESSION_S
        options = {"properties": properties, "clean_start": False}
    client.connect_async("127.0.0.1", port, keepalive=10, **options)
    client.loop_start()
    try:
        await asyncio.wait_for(ready.wait(), 20)
        yield heard
    finally:
        client.disconnect()
        await asyncio.to_thread(client.loop_stop)
    if broken:
        raise broken[0]


@dataclass(frozen=True)
class Verdict:
    """What became of the visits; `wrong` names each that was not acted on exactly once."""

    visits: int
    wrong: dict[str, int]
    publishes: float
    median_s: float
    """Delays: from the first gateway's decision to the engine."""
    p99_s: float
    longest_s: float

    def __str__(self) -> str:
        return (
            f"{self.visits - len(self.wrong)} of {self.visits} visits acted on exactly once, "
            f"{self.publishes:.2f} publishes a visit, added delay {self.median_s:.2f} s median, "
            f"{self.p99_s:.2f} s p99, {self.longest_s:.2f} s longest"
        )


def judge(counted: Counted, shop: Store) -> Verdict:
    wrong = {
        guest.ref: counted.offers[guest.ref]
        for guest in shop.guests
        if counted.offers[guest.ref] != 1
    }
    entered = counted.entered()
    delays_s = sorted(counted.arrived[key] - shop.decided[key] for key in entered)
    cuts = quantiles(delays_s, n=100, method="inclusive")
    copies = sum(counted.copies[key] for key in entered)
    return Verdict(
        len(shop.guests),
        wrong,
        copies / len(shop.guests),
        cuts[49],
        cuts[98],
        delays_s[-1],
    )


def timeline(counted: Counted, shop: Store) -> Iterator[str]:
    """Of each entry: when it was decided, how long it took, by how many, and its copies."""
    for key in counted.entered():
        decided_at = shop.decided[key]
        yield (
            f"{decided_at - shop.opened_at:8.2f} s {counted.arrived[key] - decided_at:6.2f} s "
            f"{shop.deciders[key]} {counted.copies[key]}"
        )


async def play(
    name: str,
    folder: Path,
    nodes: Sequence[Node],
    faults: Callable[[Counted], Coroutine[None, None, None]],
    *,
    visits: int,
    gateways: int = 4,
    every_s: float = 0.4,
    mqtt: str,
    v5: bool = True,
) -> Verdict:
    """A day of visits on these nodes, while `faults` happen."""
    guests = visitors(visits, every_s=every_s, stays_s=STAYS_S)
    (folder / "store").mkdir()
    async with (
        balanced([node.port for node in nodes]) as front,
        engine(
            [front], guests, subscribe=lambda port, topic: faithful(port, topic, v5=v5)
        ) as counted,
        store(
            folder / "store",
            [front] * gateways,
            guests,
            seconds=guests[-1].at_s + STAYS_S + AFTER_S,
            mqtt=f", {mqtt}",
        ) as shop,
    ):
        tell(f"{name}: {gateways} gateways hear, {visits} visits begin")
        async with asyncio.TaskGroup() as tasks:
            telling = tasks.create_task(_tell_progress(name, counted, visits))
            faulty = tasks.create_task(faults(counted))
            await shop.finish()
            telling.cancel()
            await faulty
    verdict = judge(counted, shop)
    (folder / "visits").write_text("\n".join(timeline(counted, shop)))
    (folder / "journals").write_text("\n".join(shop.complaints.values()))
    RAN.append(f"{name}: {verdict}")
    tell(RAN[-1])
    return verdict


async def _tell_progress(name: str, counted: Counted, visits: int) -> None:
    while True:
        await asyncio.sleep(10)
        tell(f"{name}: {sum(counted.offers.values())} of {visits} acted on")
