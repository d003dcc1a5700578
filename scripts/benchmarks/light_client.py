"""MQTT 5 in so few lines that one process holds thousands of connections, and costs a subscriber
little: what it takes to be a client, without doubt of what the broker says.

Packets: MQTT 5.0 §2 and §3. Not for the program, which speaks through paho.
"""

import asyncio
import struct
from collections.abc import Callable, Sequence
from typing import Final

CONNACK: Final = 2
PUBLISH: Final = 3
PUBACK: Final = 4
SUBACK: Final = 9
PINGREQ: Final = b"\xc0\x00"
DISCONNECT: Final = b"\xe0\x00"
WILL_RETAINED_QOS_1: Final = 0b0010_1100
CLEAN_START: Final = 0b0000_0010
RECEIVE_MAX: Final = 1000

OnPublish = Callable[[memoryview], None]
"""Takes the payload."""


def text(value: str) -> bytes:
    encoded = value.encode()
    return struct.pack("!H", len(encoded)) + encoded


def packet(first: int, body: bytes) -> bytes:
    return bytes([first]) + variable(len(body)) + body


def variable(number: int) -> bytes:
    """A variable byte integer (§1.5.5)."""
    digits = bytearray()
    while True:
        number, digit = divmod(number, 128)
        digits.append(digit | (0x80 if number else 0))
        if not number:
            return bytes(digits)


def connect(
    client_id: str,
    *,
    keep_alive_s: int,
    session_s: int = 0,
    will: tuple[str, bytes] | None = None,
    will_delay_s: int = 0,
) -> bytes:
    """A clean start. The will is retained, QoS 1."""
    limits = b"\x11" + struct.pack("!I", session_s) + b"\x21" + struct.pack("!H", RECEIVE_MAX)
    flags = CLEAN_START | (0 if will is None else WILL_RETAINED_QOS_1)
    body = text("MQTT") + bytes([5, flags]) + struct.pack("!H", keep_alive_s)
    body += variable(len(limits)) + limits + text(client_id)
    if will is not None:
        delay = b"\x18" + struct.pack("!I", will_delay_s)
        body += variable(len(delay)) + delay + text(will[0])
        body += struct.pack("!H", len(will[1])) + will[1]
    return packet(0x10, body)


def subscribe(number: int, topics: Sequence[str]) -> bytes:
    """At QoS 1."""
    body = struct.pack("!H", number) + b"\x00"
    return packet(0x82, body + b"".join(text(topic) + b"\x01" for topic in topics))


def publish(
    number: int, topic: str, payload: bytes, *, retain: bool = False, properties: bytes = b"\x00"
) -> bytes:
    """At QoS 1; the properties with their length before them."""
    body = text(topic) + struct.pack("!H", number) + properties
    return packet(0x32 | retain, body + payload)


class LightClient(asyncio.Protocol):
    """One connection. `connected` at a good CONNACK, `lost` at its end; `acknowledged` counts
    PUBACK and SUBACK alike.
    """

    def __init__(self, hello: bytes, on_publish: OnPublish) -> None:
        self.connected: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.acknowledged = 0
        self._hello = hello
        self._on_publish = on_publish
        self._number = 0
        self._rest = b""
        self._transport: asyncio.Transport

    def next_number(self) -> int:
        """A packet id."""
        self._number = self._number % 65_535 + 1
        return self._number

    @property
    def is_open(self) -> bool:
        return not self._transport.is_closing()

    def write(self, data: bytes) -> None:
        self._transport.write(data)

    def close(self) -> None:
        self._transport.write(DISCONNECT)
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - that of a TCP connection
        self._transport = transport
        transport.write(self._hello)

    def connection_lost(self, _exc: Exception | None) -> None:
        if not self.connected.done():
            self.connected.cancel()
        if not self.lost.done():
            self.lost.set_result(None)

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        view, at, answers = memoryview(data), 0, bytearray()
        while (end := _end_of_packet(data, at)) is not None:
            start, after = end
            kind = data[at] >> 4
            if kind == PUBLISH:
                answers += self._take(data[at], view[start:after])
            elif kind == CONNACK:
                self._greeted(data[start + 1])
            elif kind in (PUBACK, SUBACK):
                self.acknowledged += 1
            at = after
        self._rest = data[at:]
        if answers:
            self._transport.write(bytes(answers))

    def _greeted(self, code: int) -> None:
        if code:
            self._transport.abort()
        elif not self.connected.done():
            self.connected.set_result(None)

    def _take(self, first: int, body: memoryview) -> bytes:
        """Answers with the PUBACK, where one is due."""
        at = 2 + int.from_bytes(body[:2], "big")
        answer = b""
        if first & 0b110:
            answer = b"\x40\x02" + bytes(body[at : at + 2])
            at += 2
        length, shift = 0, 0
        while True:
            digit = body[at]
            at += 1
            length |= (digit & 0x7F) << shift
            shift += 7
            if not digit & 0x80:
                break
        self._on_publish(body[at + length :])
        return answer


def _end_of_packet(data: bytes, at: int) -> tuple[int, int] | None:
    """Where the body of the packet begins that begins at `at`, and where it ends; None where not
    all of it is here.
    """
    length, shift = 0, 0
    for place in range(at + 1, min(at + 5, len(data))):
        length |= (data[place] & 0x7F) << shift
        shift += 7
        if not data[place] & 0x80:
            end = place + 1 + length
            return (place + 1, end) if end <= len(data) else None
    return None


async def opened(port: int, hello: bytes, on_publish: OnPublish, *topics: str) -> LightClient:
    """Connected, and subscribed to these. Raises OSError, or CancelledError where the broker
    refuses.
    """
    loop = asyncio.get_running_loop()
    _transport, client = await loop.create_connection(
        lambda: LightClient(hello, on_publish), "127.0.0.1", port
    )
    await client.connected
    if topics:
        before = client.acknowledged
        client.write(subscribe(client.next_number(), topics))
        while client.acknowledged == before and not client.lost.done():  # noqa: ASYNC110 - once
            await asyncio.sleep(0.002)
    return client
