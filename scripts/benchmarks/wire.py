"""How many bytes each message of a chain takes: the payload, its MQTT packet, and all that goes
over the line for it. docs/scaling.md reckons with these.

A real publisher on a real mosquitto, through a proxy that counts. What TLS and TCP/IP add is
reckoned: loopback has neither.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from presence import __version__
from presence.config.settings import MqttSettings, StoreSettings
from presence.core.consent.revocation import Head, sign_head, topic_of_head
from presence.core.event.cloudevent import (
    Assurance,
    Event,
    EventType,
    encode,
    entered_data,
    event_id,
    topic,
)
from presence.core.event.peer_message import (
    EXPIRY_S,
    PeerMessage,
    PeerMessageKind,
    encode_peer_message,
    opaque_name,
    topic_of_peers,
)
from presence.core.site import Site
from presence.edges.mqtt.publisher import MqttPublisher
from presence.errors import MessageUnheard
from presence.ports import OutgoingMessage
from presence.simulation.local_broker import HOST, LocalBroker, find_mosquitto
from scripts.benchmarks.figure import Figure

SITE = Site("acme", "fi-0042")
AT_S = 1_795_440_000
SUBJECT = "p_" + "x" * 22
TLS_BYTES = 22
"""Of a record of TLS 1.3: header 5, content type 1, tag 16 (RFC 8446 §5.2)."""
TCP_IP_BYTES = 52
"""IPv4 20, TCP 20, its timestamps 12."""
SETTLE_S = 0.2


class Counter:
    """Bytes that passed the proxy, either way."""

    up = down = 0


def figures() -> Iterator[Figure]:
    if find_mosquitto() is None:
        return
    for name, (payload, up, down) in asyncio.run(_measured()).items():
        line = up + down + 2 * (TLS_BYTES + TCP_IP_BYTES) + TCP_IP_BYTES
        note = f"its packet {up} B, the answer's {down} B"
        yield Figure(f"wire.{name}.payload", payload, "B", note=note)
        note = "both with TLS and TCP/IP, and TCP's own acknowledgement"
        yield Figure(f"wire.{name}.line", line, "B", note=note)


async def _measured() -> dict[str, tuple[int, int, int]]:
    """By name: bytes of the payload, of its packet, and of the answer's."""
    state = {"sw": __version__, "freshness": "fresh", "list_seq": 88_214, "boot": uuid4().hex}
    store = StoreSettings(
        chain=SITE.chain, store=SITE.store, gateway="door-1", key_file=Path("unused")
    )
    counter, measured = Counter(), {"ping": (0, 2, 2)}
    async with LocalBroker.start("mosquitto") as broker, _counting(broker.port, counter) as port:
        publisher = MqttPublisher(
            MqttSettings(port=port),
            store,
            emit=lambda _event: None,
            state=lambda name: {"state": name, **state},
        )
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(publisher.run())
            await publisher.connected()

            async def measure(name: str, payload: int, tell: Callable[[], Awaitable[None]]) -> None:
                await asyncio.sleep(SETTLE_S)
                before = counter.up, counter.down
                with contextlib.suppress(MessageUnheard):
                    await tell()
                await asyncio.sleep(SETTLE_S)
                measured[name] = payload, counter.up - before[0], counter.down - before[1]

            for name, message in _messages().items():
                await measure(name, len(message.payload), partial(publisher.publish, message))
            body = json.dumps({"state": "online", **state}, separators=(",", ":"))
            await measure("state", len(body), publisher.publish_state)
            running.cancel()
    return measured


def _messages() -> dict[str, OutgoingMessage]:
    key, ref = bytes(32), bytes(8)
    data = entered_data(
        "offers",
        ("ap2:1285", "ap2:1551"),
        AT_S + 1800,
        list_seq=88_214,
        notice="fi-2026-03",
        assurance=Assurance.BROADCAST,
    )
    entered = event_id(key, EventType.ENTERED, "offers-main", ref, 0)
    event = Event(EventType.ENTERED, entered, SUBJECT, "offers-main", AT_S, data)
    name = opaque_name(key, entered)
    word = PeerMessage(PeerMessageKind.CLAIM, name, name, "door-1", AT_S)
    head = Head("acme/fi-0042", 88_214, 88_214, 17, AT_S)
    signed = sign_head(head, kid="rev-1", key=Ed25519PrivateKey.generate())
    return {
        "entered": OutgoingMessage(
            topic(SITE, "offers-main"), encode(event, SITE), 120, event.type.value, entered
        ),
        "word": OutgoingMessage(
            topic_of_peers(SITE), encode_peer_message(word, key, SITE), EXPIRY_S, "", ""
        ),
        "head": OutgoingMessage(topic_of_head("acme/fi-0042"), signed, 120, "", ""),
    }


@contextlib.asynccontextmanager
async def _counting(port: int, counter: Counter) -> AsyncIterator[int]:
    """A proxy before that port; answers with its own."""

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: str) -> None:
        while data := await reader.read(65_536):
            setattr(counter, way, getattr(counter, way) + len(data))
            writer.write(data)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        broker_reader, broker_writer = await asyncio.open_connection(HOST, port)
        with contextlib.suppress(ConnectionError):
            await asyncio.gather(
                carry(reader, broker_writer, "up"), carry(broker_reader, writer, "down")
            )

    server = await asyncio.start_server(serve, HOST, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
