"""A subscriber in this process: every message of a topic, in order."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

SUBSCRIBE_S = 5


@contextlib.asynccontextmanager
async def subscribed(
    port: int,
    topic: str = "#",
    look: Callable[[paho.MQTTMessage], None] = lambda _message: None,
    *,
    host: str = "127.0.0.1",
) -> AsyncIterator["asyncio.Queue[paho.MQTTMessage]"]:
    """Messages as they arrive; `look` sees each before, in paho's thread, and may not raise."""
    loop, heard = asyncio.get_running_loop(), asyncio.Queue[paho.MQTTMessage]()
    ready = asyncio.Event()
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)

    @client.connect_callback()
    def on_connect(*_: object) -> None:
        client.subscribe(topic, 1)

    @client.subscribe_callback()
    def on_subscribe(*_: object) -> None:
        loop.call_soon_threadsafe(ready.set)

    @client.message_callback()
    def on_message(_client: object, _data: object, message: paho.MQTTMessage) -> None:
        look(message)
        loop.call_soon_threadsafe(heard.put_nowait, message)

    client.connect(host, port)
    client.loop_start()
    try:
        await asyncio.wait_for(ready.wait(), SUBSCRIBE_S)
        yield heard
    finally:
        client.disconnect()
        await asyncio.to_thread(client.loop_stop)
