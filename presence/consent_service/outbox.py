"""Signed revocations as files, until somebody carries them to the brokers: `outbox/000000017.jws`
is revocation 17 of the list.

Whoever has a way to the shops' brokers of their own takes the files in their order; `presence
consents … --mqtt` does it here. A revocation that is lost delays a withdrawal until the next list
and does nothing worse.
"""

import asyncio
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from presence.config.settings import MqttSettings
from presence.core.consent.revocation import topic_of_head, topic_of_revocations
from presence.edges.host.files import replace_file
from presence.edges.mqtt.connection import Connection
from presence.edges.mqtt.credentials import load_credentials
from presence.edges.mqtt.report import Dropped
from presence.errors import BrokerError, ConsentServiceError

FAREWELL_S: Final = 2.0


class RevocationOutbox:
    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def put(self, seq: int, revocation: bytes) -> Path:
        """Raises ConsentServiceError."""
        path = self.directory / f"{seq:09d}.jws"
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            replace_file(path, revocation)
        except OSError as error:
            raise ConsentServiceError(
                f"{path}: {error.strerror}: the change is registered, its notice is not written: "
                "`presence consents "
                "publish` tells gateways at their next look"
            ) from error
        return path

    def sign_anew(self, signed: Callable[[bytes], bytes | None]) -> None:
        """What waits was signed by a key that gateways will not know any more."""
        for path in self.waiting():
            message = signed(path.read_bytes())
            if message is not None:
                self.put(int(path.stem), message)

    def waiting(self) -> list[Path]:
        """In the order of their numbers."""
        return sorted(self.directory.glob("*.jws"))


@dataclass(frozen=True, slots=True)
class Post:
    """To one broker, for one list."""

    settings: MqttSettings
    list_name: str

    def send(self, waiting: Sequence[Path], head: bytes | None = None) -> int:
        """Hand over revocations, then the head (retained); files are removed once the broker has
        them.

        Answers with how many revocations went out. Raises BrokerError; ConfigurationError where a
        credential is unreadable.
        """
        return asyncio.run(self.carry(waiting, head))

    async def carry(self, waiting: Sequence[Path], head: bytes | None = None) -> int:
        connection = Connection(
            self.settings,
            client_id=f"presence-consents-{os.getpid()}",
            credentials=load_credentials(self.settings),
            will=None,
            receive=_nothing,
            dropped=Dropped(),
        )
        try:
            await connection.open()
            for path in waiting:
                with suppress(FileNotFoundError):  # another command carried it meanwhile
                    revocation = path.read_bytes()
                    await _published(
                        connection, topic_of_revocations(self.list_name), revocation, retain=False
                    )
                    path.unlink()
            if head is not None:
                await _published(connection, topic_of_head(self.list_name), head, retain=True)
            with suppress(TimeoutError):  # the broker has everything
                async with asyncio.timeout(FAREWELL_S):
                    await connection.close()
        finally:
            await _ended(connection)
        return len(waiting)


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
