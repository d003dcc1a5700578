"""The wire between engine and broker, which the kit can cut: TCP in front, TCP behind.

It carries bytes and reads none, so TLS goes through from end to end.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

CHUNK: Final = 65_536
LOOK_S: Final = 0.05


class Wire:
    """Whole until `cut`; then it takes no connection until `mend`."""

    def __init__(self, host: str, port: int) -> None:
        """Where the broker is."""
        self._behind = host, port
        self._open: set[asyncio.StreamWriter] = set()
        self._whole = True

    @classmethod
    @contextlib.asynccontextmanager
    async def laid(cls, listen: tuple[str, int], host: str, port: int) -> AsyncIterator["Wire"]:
        """Raises OSError where `listen` is taken."""
        wire = cls(host, port)

        def accept(client: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
            tasks.create_task(wire.carry(client, back))

        server = await asyncio.start_server(accept, *listen, start_serving=False)
        async with asyncio.TaskGroup() as tasks:
            await server.start_serving()
            try:
                yield wire
            finally:
                server.close()
                wire.cut()

    @property
    def used(self) -> bool:
        return bool(self._open)

    def cut(self) -> None:
        self._whole = False
        for writer in self._open:
            writer.transport.abort()

    def mend(self) -> None:
        self._whole = True

    async def used_again(self, within_s: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while not self.used:  # noqa: ASYNC110 - connections come from outside
                    await asyncio.sleep(LOOK_S)
        return self.used

    async def carry(self, client: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        """One connection, until either side ends it or the wire is cut."""
        if not self._whole:
            back.transport.abort()
            return
        try:
            broker, onward = await asyncio.open_connection(*self._behind)
        except OSError:
            back.transport.abort()  # to the engine as if the broker were away, and so it is
            return
        ours = {back, onward}
        self._open |= ours
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_pass_on(client, onward))
                tasks.create_task(_pass_on(broker, back))
        finally:
            self._open -= ours
            for writer in ours:
                writer.transport.abort()


async def _pass_on(from_: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await from_.read(CHUNK):
            to.write(data)
            await to.drain()
    to.close()  # with that the other direction ends, too
