"""A satellite of stand-ins: it says what a test wants, as the contract asks or on purpose not.

`says` gives the bytes; whoever has a broker sends them (`on_broker`).
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from presence.config.settings import MqttSettings, StoreSettings
from presence.core.recognition.satellite_message import (
    KEY_BYTES,
    Reading,
    SatelliteMessage,
    decode_nonce,
    encode_heard,
    topic_of_heard,
    topic_of_nonce,
)
from presence.core.site import Site
from presence.edges.mqtt.publisher import MqttPublisher
from tests.support.builders import ANNA, SITE, START_S, identifier_of
from tests.support.fakes import RecordingTelemetry

PAVEMENT = "pavement"
PAVEMENT_KEY = bytes(range(KEY_BYTES))


def reading(
    ref: bytes = ANNA, *, age_ms: int = 100, rssi_dbm: int = -60, utc_s: float = START_S
) -> Reading:
    """Somebody's phone, as the satellite heard it."""
    return Reading(age_ms, rssi_dbm, identifier_of(ref, utc_s))


@dataclass
class FakeSatellite:
    """Counts its own milliseconds: `sent_ms` grows by one with each message, unless a test says
    more.
    """

    name: str = PAVEMENT
    key: bytes = PAVEMENT_KEY
    site: Site = SITE
    session: bytes = b"session1"
    sent_ms: int = 0
    nonce: bytes = b""
    heard_nonces: list[bytes] = field(default_factory=list)
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def topic(self) -> str:
        return topic_of_heard(self.site, self.name)

    @property
    def nonce_topic(self) -> str:
        return topic_of_nonce(self.site, self.name)

    def take(self, _topic: str, payload: bytes, _retained: bool = False) -> None:
        """A nonce from the gateway."""
        nonce = decode_nonce(payload)
        assert nonce is not None
        self.nonce = nonce
        self.heard_nonces.append(nonce)
        self.asked.set()

    def says(self, *readings: Reading, after_ms: int = 1) -> bytes:
        """The next message."""
        self.sent_ms += after_ms
        message = SatelliteMessage(self.nonce, self.session, self.sent_ms, readings)
        return encode_heard(message, self.key, self.site, self.name)

    def starts_anew(self, session: bytes = b"session2") -> None:
        self.session, self.sent_ms = session, 0


class SatelliteOnBroker:
    """A fake satellite with a connection of its own."""

    def __init__(self, satellite: FakeSatellite, link: MqttPublisher) -> None:
        self.satellite = satellite
        self.link = link
        self.sent: list[bytes] = []
        """All that was said, as somebody who listens at the broker would have it."""

    async def say(self, *readings: Reading) -> None:
        loop = asyncio.get_running_loop()
        elapsed_ms = round(loop.time() * 1000) - self.satellite.sent_ms
        payload = self.satellite.says(*readings, after_ms=max(1, elapsed_ms))
        self.sent.append(payload)
        await self.link.send(self.satellite.topic, payload)

    async def live(self, *, every_s: float = 0.5) -> None:
        """Heartbeats, until cancelled."""
        while True:
            await self.say()
            await asyncio.sleep(every_s)

    async def replay(self, recorded: Iterable[bytes], *, topic: str = "") -> None:
        """Send what was recorded, as it was."""
        for payload in recorded:
            await self.link.send(topic or self.satellite.topic, payload)


@contextlib.asynccontextmanager
async def on_broker(
    port: int, satellite: FakeSatellite | None = None, **mqtt: object
) -> AsyncIterator[SatelliteOnBroker]:
    """The satellite at a broker on loopback; it has been asked by its gateway when it is given."""
    fake = satellite or FakeSatellite()
    names = StoreSettings(
        chain=fake.site.chain, store=fake.site.store, gateway=fake.name, key_file=Path("unused")
    )
    link = MqttPublisher(
        MqttSettings(port=port, **mqtt),  # type: ignore[arg-type]
        names,
        emit=RecordingTelemetry().emit,
        role="satellite",
    )
    await link.subscribe(fake.nonce_topic, fake.take)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(link.run())
        try:
            async with asyncio.timeout(20):
                await link.connected()
                await fake.asked.wait()
            yield SatelliteOnBroker(fake, link)
        finally:
            running.cancel()
