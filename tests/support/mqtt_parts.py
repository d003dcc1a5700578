"""What the tests of the MQTT edge build their cases from."""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from presence.config.settings import MqttSettings, StoreSettings
from presence.core.event.cloudevent import Assurance, Event, EventType, encode, entered_data
from presence.edges.mqtt.pace import MQTT_PACE, MqttPace
from presence.edges.mqtt.publisher import MqttPublisher
from presence.errors import MessageUnheard
from presence.ports import OutgoingMessage
from tests.support.builders import SITE, START_S
from tests.support.fakes import RecordingTelemetry

STORE = StoreSettings(chain="acme", store="fi-0042", gateway="door-1", key_file=Path("unused"))
STATE = "presence/v1/acme/fi-0042/gw/door-1/state"
EVENTS = "presence/v1/acme/fi-0042/evt/offers-main"
SUBJECT = "p_xjcVKc5w07Djo4pEbCUcXQ"


def an_event(number: int = 0) -> bytes:
    """An event as it is published; `number` is that of its consent list."""
    data = entered_data(
        "offers",
        ("ap2:1551",),
        START_S + 1800,
        list_seq=number,
        notice="fi-2026-03",
        assurance=Assurance.BROADCAST,
    )
    event_id = base64.b32encode(number.to_bytes(16, "big"))[:26].decode().lower()
    return encode(Event(EventType.ENTERED, event_id, SUBJECT, "offers-main", START_S, data), SITE)


def state_of(name: str) -> dict[str, object]:
    return {"state": name, "sw": "0.1.0", "freshness": "fresh", "list_seq": 7, "boot": "b-1"}


def message(
    number: int = 0,
    *,
    topic: str = EVENTS,
    expiry_s: int = 90,
    payload: bytes | None = None,
    event_id: str = "",
) -> OutgoingMessage:
    return OutgoingMessage(
        topic=topic,
        payload=payload if payload is not None else an_event(number),
        expiry_s=expiry_s,
        event_type="presence.entered.v1",
        event_id=event_id or f"id-{number}",
    )


def new_publisher(
    port: int,
    telemetry: RecordingTelemetry | None = None,
    *,
    pace: MqttPace = MQTT_PACE,
    **settings: Any,
) -> MqttPublisher:
    """Reconnects after a hundredth of the usual time."""
    return MqttPublisher(
        MqttSettings(port=port, **settings),
        STORE,
        state=state_of,
        emit=(telemetry or RecordingTelemetry()).emit,
        chance=lambda: 0.01,
        pace=pace,
    )


async def publish_to_nobody(publisher: MqttPublisher, event: OutgoingMessage) -> None:
    """The broker takes it, and says that nobody is subscribed."""
    with pytest.raises(MessageUnheard):
        await publisher.publish(event)


@contextlib.asynccontextmanager
async def running(
    publisher: MqttPublisher, *, connected: bool = True
) -> AsyncIterator[MqttPublisher]:
    """The publisher at work; closed in good order at the end."""
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(publisher.run())
        try:
            if connected:
                await asyncio.wait_for(publisher.connected(), 10)
            yield publisher
        finally:
            task.cancel()
