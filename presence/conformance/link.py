"""The kit's own connection to the broker: one, for brokers that name clients by their user allow no
second.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

from presence.config.settings import MqttSettings
from presence.conformance.ear import OfferEar
from presence.conformance.shop import Shop, Told
from presence.edges.mqtt.publisher import MqttPublisher
from presence.errors import BrokerError, MessageUnheard
from presence.ports import OutgoingMessage
from presence.telemetry import BrokerRefused, OperationalEvent

CONNECT_S: Final = 10.0
EXPIRY_S: Final = 120
"""What a gateway gives at most: for an engine that goes by it every event is valid."""


@dataclass(frozen=True)
class KitName:
    """Who connects to the broker: the kit, in the place of a gateway."""

    chain: str
    store: str
    gateway: str = "engine-test"


class KitLink:
    """Speaks as the shop, and hears the offers."""

    def __init__(
        self, settings: MqttSettings, shop: Shop, ear: OfferEar, tasks: asyncio.TaskGroup
    ) -> None:
        self._settings, self._shop, self._ear, self._tasks = settings, shop, ear, tasks
        self._publisher: MqttPublisher | None = None
        self._running: asyncio.Task[None] | None = None
        self._refused = ""

    async def open(self) -> None:
        """Raises BrokerError where the broker does not answer, or refuses us the offers."""
        site = self._shop.site
        publisher = MqttPublisher(
            self._settings, KitName(site.chain, site.store), emit=self._note, role="kit"
        )
        await publisher.subscribe(self._shop.offers_topic, self._ear.hear)
        self._publisher, self._running = publisher, self._tasks.create_task(publisher.run())
        try:
            async with asyncio.timeout(CONNECT_S):
                await publisher.connected()
        except TimeoutError:
            await self.close()
            trouble = publisher.trouble or "no answer"
            raise BrokerError(f"broker {self._settings.where}: {trouble}") from None
        if self._refused:
            await self.close()
            raise BrokerError(self._refused)

    async def close(self) -> None:
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait({self._running})

    async def send(self, told: Told) -> bool:
        """Whether somebody may be subscribed to it; a broker with MQTT 5 says where nobody is. The
        kit does not ask again as a gateway does. Raises BrokerError where it is not taken.
        """
        if self._publisher is None:
            raise BrokerError("not connected yet")
        message = OutgoingMessage(
            self._shop.events_topic, told.payload, EXPIRY_S, told.type, told.id
        )
        try:
            await self._publisher.publish(message)
        except MessageUnheard:
            return False
        return True

    def _note(self, event: OperationalEvent) -> None:
        if isinstance(event, BrokerRefused) and event.topic == self._shop.offers_topic:
            self._refused = f"{event.topic}: {event.reason}: {event.remedy}"
