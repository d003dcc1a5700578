"""What the tests of the MQTT edge build their cases from."""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from presence.config.settings import MqttSettings, StoreSettings
from presence.core.event.cloudevent import Assurance, Event, EventType, encode, entered_data
from presence.edges.mqtt.publisher import MqttPublisher
from presence.ports import OutgoingMessage
from tests.support.builders import PLACE, START_S

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
    return encode(Event(EventType.ENTERED, event_id, SUBJECT, "offers-main", START_S, data), PLACE)


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


@dataclass
class Told:
    """What the publisher told its caller."""

    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def __call__(self, event: str, fields: Mapping[str, object]) -> None:
        self.events.append((event, dict(fields)))
        self._changed.set()

    def all(self, event: str) -> list[dict[str, Any]]:
        return [fields for name, fields in self.events if name == event]

    async def wait(self, event: str, count: int = 1) -> dict[str, Any]:
        """The fields of the event when it has been told `count` times."""
        async with asyncio.timeout(10):
            while len(self.all(event)) < count:
                self._changed.clear()
                await self._changed.wait()
        return self.all(event)[count - 1]


def new_publisher(port: int, told: Told | None = None, **settings: Any) -> MqttPublisher:
    """Reconnects after a hundredth of the usual time."""
    return MqttPublisher(
        MqttSettings(port=port, **settings),
        STORE,
        state=state_of,
        tell=told if told is not None else Told(),
        chance=lambda: 0.01,
    )


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
