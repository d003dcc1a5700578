"""Listens to the broker as anybody could who may: every topic, with a client of its own.

What the demo shows of events and offers comes from here and from nowhere else; what it searches for
traces at the end is here, too, byte for byte and with the properties of MQTT 5.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from presence.config.settings import MqttProtocol
from presence.errors import BrokerError
from presence.simulation.local_broker import START_S


@dataclass(frozen=True, slots=True)
class Message:
    topic: str
    payload: bytes
    properties: str
    retained: bool

    @property
    def octets(self) -> bytes:
        """All of it that was readable, for the search."""
        return b"\n".join((self.topic.encode(), self.payload, self.properties.encode()))


@asynccontextmanager
async def watching(
    host: str, port: int, protocol: MqttProtocol, take: Callable[[Message], None]
) -> AsyncIterator[list[Message]]:
    """Every message from now on goes to `take`, in the event loop, and into the list. Raises
    BrokerError.
    """
    messages: list[Message] = []
    ready = asyncio.Event()

    def keep(message: Message) -> None:
        messages.append(message)
        take(message)

    client = _client(protocol, ready, keep)
    try:
        try:
            await asyncio.to_thread(client.connect, host, port)
            client.loop_start()
            async with asyncio.timeout(START_S):
                await ready.wait()
        except (OSError, TimeoutError) as error:
            raise BrokerError(
                f"nobody can listen at {host}:{port}: {error or 'no answer'}"
            ) from error
        yield messages
    finally:
        client.disconnect()
        client.loop_stop()


def _client(
    protocol: MqttProtocol, ready: asyncio.Event, keep: Callable[[Message], None]
) -> paho.Client:
    """Subscribes to everything; sets `ready` and calls `keep` in the loop that runs now."""
    loop = asyncio.get_running_loop()

    def on_connect(client: paho.Client, *_: Any) -> None:
        client.subscribe("#", qos=1)

    def on_subscribe(*_: Any) -> None:
        loop.call_soon_threadsafe(ready.set)

    def on_message(_client: paho.Client, _data: Any, heard: paho.MQTTMessage) -> None:
        properties = str(getattr(heard, "properties", "") or "")
        message = Message(heard.topic, bytes(heard.payload), properties, bool(heard.retain))
        with suppress(RuntimeError):  # the loop may be closed already: the play is over
            loop.call_soon_threadsafe(keep, message)

    version = paho.MQTTv5 if protocol is MqttProtocol.V5 else paho.MQTTv311
    client = paho.Client(
        CallbackAPIVersion.VERSION2, client_id="presence-audience", protocol=version
    )
    client.on_connect, client.on_subscribe, client.on_message = on_connect, on_subscribe, on_message
    return client
