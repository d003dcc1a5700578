"""Brokers for tests: a real mosquitto with a configuration of the test, and one that answers
wrongly on purpose.
"""

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import paho.mqtt.client as paho
import pytest

from presence.simulation.local_broker import answers, find_mosquitto, free_port, stop
from scripts.stores.subscriber import subscribed
from tests.support.contract import BreaksTheContract, check

needs_mosquitto = pytest.mark.skipif(
    find_mosquitto() is None, reason="mosquitto is not installed: apt install mosquitto"
)

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK, PINGREQ, DISCONNECT = 1, 2, 3, 4, 8, 9, 12, 14


@dataclass
class Mosquitto:
    """Can be stopped and started again on the same port."""

    folder: Path
    lines: Sequence[str] = ()
    """Of mosquitto.conf, below the listener."""
    port: int = field(default_factory=free_port)
    address: str = "127.0.0.1"
    _process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        mosquitto = find_mosquitto()
        assert mosquitto is not None
        config = self.folder / "mosquitto.conf"
        lines = [
            f"listener {self.port} {self.address}",
            "persistence false",
            "user root",
            *self.lines,
        ]
        if not any(line.startswith("allow_anonymous") for line in lines):
            lines.append("allow_anonymous true")
        config.write_text("\n".join(lines) + "\n")
        with (self.folder / "mosquitto.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                mosquitto, "-c", config, stdout=log, stderr=log
            )
        assert await answers(self._process, self.port, host=self.address), (
            self.folder / "mosquitto.log"
        ).read_text()

    async def kill(self) -> None:
        """kill -9."""
        assert self._process is not None
        self._process.kill()
        await self._process.wait()
        self._process = None

    async def stop(self) -> None:
        if self._process is not None:
            await stop(self._process)
            self._process = None


@contextlib.asynccontextmanager
async def mosquitto(folder: Path, *lines: str) -> AsyncIterator[Mosquitto]:
    broker = Mosquitto(folder, lines)
    await broker.start()
    try:
        yield broker
    finally:
        await broker.stop()


@contextlib.asynccontextmanager
async def listener(
    port: int, topic: str = "#", *, host: str = "127.0.0.1"
) -> AsyncIterator["asyncio.Queue[paho.MQTTMessage]"]:
    """Everything that a client subscribed to `topic` is sent, in order; at the end, whatever broke
    the contract.
    """
    broken: list[BreaksTheContract] = []

    def look(message: paho.MQTTMessage) -> None:
        try:
            check(message.topic, bytes(message.payload), retained=message.retain)
        except BreaksTheContract as error:  # told at the end: in paho's thread nobody would hear it
            broken.append(error)

    async with subscribed(port, topic, look, host=host) as heard:
        yield heard
    if broken:
        raise broken[0]


def packet(kind: int, body: bytes, flags: int = 0) -> bytes:
    """Fixed header (MQTT 5.0 §2.1.1) and body."""
    length, size = b"", len(body)
    while True:
        size, digit = divmod(size, 128)
        length += bytes([digit | (0x80 if size else 0)])
        if not size:
            return bytes([kind << 4 | flags]) + length + body


def published(topic: bytes, payload: bytes) -> bytes:
    """A PUBLISH of QoS 0 without properties."""
    return packet(PUBLISH, struct.pack("!H", len(topic)) + topic + b"\x00" + payload)


@dataclass
class FakeBroker:
    """Speaks just enough MQTT 5 to be polite, and is rude where a test says so."""

    connack: bytes | None = packet(CONNACK, b"\x00\x00\x00")
    """None: no answer at all."""
    connack_delay_s: float = 0.0
    suback: int = 1
    puback: Callable[[int, bytes], bytes | None] = lambda mid, _publish: packet(
        PUBACK, struct.pack("!H", mid)
    )
    """Takes packet id and body of a PUBLISH; None: no acknowledgement."""
    puback_delay_s: float = 0.0
    cut_after: int | None = None
    """Drop the connection at this PUBLISH, without an acknowledgement."""
    port: int = 0
    packets: list[tuple[int, bytes]] = field(default_factory=list)
    connections: int = 0
    unacknowledged: int = 0
    most_unacknowledged: int = 0
    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    greeted: list[asyncio.StreamWriter] = field(default_factory=list)
    """Of these, the ones that said CONNECT."""

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["FakeBroker"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for _ in range(5):  # a connection that is just being accepted gets as far as `writers`
                await asyncio.sleep(0)
            for writer in self.writers:
                writer.transport.abort()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
            await server.wait_closed()

    def kinds(self) -> list[int]:
        return [kind for kind, _body in self.packets]

    def say(self, data: bytes) -> None:
        """Send these bytes on the newest connection."""
        self.writers[-1].write(data)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.unacknowledged = 0
        self.writers.append(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                first = (await reader.readexactly(1))[0]
                self._answer(first >> 4, await reader.readexactly(await _length(reader)), writer)
        writer.close()

    def _answer(self, kind: int, body: bytes, writer: asyncio.StreamWriter) -> None:
        self.packets.append((kind, body))
        if kind == CONNECT:
            self.greeted.append(writer)
        if kind == CONNECT and self.connack is not None:
            asyncio.get_running_loop().call_later(self.connack_delay_s, writer.write, self.connack)
        elif kind == SUBSCRIBE:
            writer.write(packet(SUBACK, body[:2] + b"\x00" + bytes([self.suback])))
        elif kind == PINGREQ:
            writer.write(packet(13, b""))
        elif kind == PUBLISH:
            self._take(body, writer)

    def _take(self, body: bytes, writer: asyncio.StreamWriter) -> None:
        count = self.kinds().count(PUBLISH)
        if self.cut_after is not None and count >= self.cut_after:
            self.cut_after = None
            writer.transport.abort()
            return
        self.unacknowledged += 1
        self.most_unacknowledged = max(self.most_unacknowledged, self.unacknowledged)
        topic_length = struct.unpack_from("!H", body)[0]
        answer = self.puback(struct.unpack_from("!H", body, 2 + topic_length)[0], body)
        if answer is not None:
            asyncio.get_running_loop().call_later(
                self.puback_delay_s, self._acknowledge, answer, writer
            )

    def _acknowledge(self, answer: bytes, writer: asyncio.StreamWriter) -> None:
        self.unacknowledged -= 1
        if not writer.is_closing():
            writer.write(answer)


async def _length(reader: asyncio.StreamReader) -> int:
    value, shift = 0, 0
    while True:
        digit = (await reader.readexactly(1))[0]
        value |= (digit & 0x7F) << shift
        shift += 7
        if not digit & 0x80:
            return value
