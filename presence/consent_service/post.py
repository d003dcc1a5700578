"""The way of signed revocations and heads to a broker, for one list."""

import asyncio
import os
import random
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from presence.config.settings import MqttSettings
from presence.core.consent.revocation import topic_of_head, topic_of_revocations
from presence.edges.mqtt.brokers import Broker, Brokers
from presence.edges.mqtt.connection import Connection
from presence.edges.mqtt.credentials import load_credentials
from presence.edges.mqtt.pace import MQTT_PACE, MqttPace
from presence.edges.mqtt.report import Dropped
from presence.errors import BrokerError

FAREWELL_S: Final = 2.0


class Post:
    """For one list, to one broker: of several (`mqtt.hosts`) the first that takes everything, and
    that one again until it fails.
    """

    def __init__(
        self, settings: MqttSettings, list_name: str, *, pace: MqttPace = MQTT_PACE
    ) -> None:
        self._settings, self._list_name, self._pace = settings, list_name, pace
        self._brokers = Brokers(settings, random.random)
        self._took: Broker | None = None

    def send(self, waiting: Sequence[Path], head: bytes | None = None) -> int:
        """Hand over revocations, then the head (retained); files are removed once the broker has
        them.

        Answers with how many revocations went out. Raises BrokerError; ConfigurationError where a
        credential is unreadable.
        """
        return asyncio.run(self.carry(waiting, head))

    async def carry(self, waiting: Sequence[Path], head: bytes | None = None) -> int:
        """As `send`. Each broker is tried once; then, where there are several, once more and with
        the time that a slow one needs.
        """
        hurried = True
        while True:
            broker, again = self._took or await self._brokers.next(), self._took is not None
            hurried = hurried and self._brokers.several
            try:
                await self._carry_to(broker, waiting, head, self._pace.hop_s if hurried else None)
            except BrokerError:
                self._took = None
                if again:
                    self._brokers.begin_anew()
                if self._brokers.round_is_over and not (again and self._brokers.several):
                    if not hurried:
                        raise
                    hurried = False
            else:
                self._took = broker
                return len(waiting)

    async def _carry_to(
        self, broker: Broker, waiting: Sequence[Path], head: bytes | None, within_s: float | None
    ) -> None:
        connection = Connection(
            self._settings,
            client_id=f"presence-consents-{os.getpid()}",
            credentials=load_credentials(self._settings),
            will=None,
            receive=_nothing,
            dropped=Dropped(),
            pace=self._pace,
            broker=broker,
            within_s=within_s,
        )
        try:
            await connection.open()
            for path in waiting:
                with suppress(FileNotFoundError):  # another command, or the broker before, had it
                    revocation = path.read_bytes()
                    await _published(
                        connection, topic_of_revocations(self._list_name), revocation, retain=False
                    )
                    path.unlink()
            if head is not None:
                await _published(connection, topic_of_head(self._list_name), head, retain=True)
            with suppress(TimeoutError):  # the broker has everything
                async with asyncio.timeout(FAREWELL_S):
                    await connection.close()
        finally:
            await _ended(connection)


async def _ended(connection: Connection) -> None:
    """A connection that was cut in its first steps may never tell its end: we wait for it no longer
    than this.
    """
    connection.abort("not needed any more")
    with suppress(TimeoutError):
        async with asyncio.timeout(FAREWELL_S):
            await connection.ended.wait()


def _nothing(_topic: str, _payload: bytes, _retained: bool) -> None:
    """We subscribe to nothing."""


async def _published(connection: Connection, topic: str, payload: bytes, *, retain: bool) -> None:
    code = await connection.publish(topic, payload, retain=retain)
    if code >= 0x80:
        raise BrokerError(
            f"the broker refuses {topic} (reason {code:#x}): allow this user to write there"
        )
