"""Tells a broker that ended our connection from one that ended itself: a second connection, which
says nothing.

Where ours is closed and this one is not, the broker goes on, and somebody else has connected under
our name (R-56). A strict broker says so (0x8E); mosquitto 2.0.11 only closes. A broker that is
restarted closes both.
"""

import asyncio
from typing import Final

from presence.edges.mqtt.pace import MQTT_PACE

GRACE_S: Final = 0.5
"""A broker that ends closes its connections one after the other."""


class Witness:
    """A connection to the broker's port, closed by `close`, or by itself after `within_s`."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, within_s: float
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._end = asyncio.get_running_loop().call_later(within_s, writer.close)

    @classmethod
    async def called(cls, host: str, port: int, *, within_s: float) -> "Witness | None":
        """None where nobody answers: then there is nothing to witness."""
        try:
            async with asyncio.timeout(MQTT_PACE.tcp_s):
                return cls(*await asyncio.open_connection(host, port), within_s)
        except (OSError, TimeoutError):
            return None

    async def outlived(self) -> bool:
        """Whether the broker still holds this connection, a moment after ours has ended."""
        try:
            async with asyncio.timeout(GRACE_S):
                await self._reader.read(1)
        except TimeoutError:
            return not self._writer.is_closing()
        except OSError:
            return False
        return False

    def close(self) -> None:
        self._end.cancel()
        self._writer.transport.abort()
