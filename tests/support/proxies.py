"""A wire that can be cut: TCP to a broker on this machine."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field


@dataclass
class Wire:
    port: int = 0
    is_cut: bool = False
    _writers: list[asyncio.StreamWriter] = field(default_factory=list)

    def cut(self) -> None:
        """Nothing gets through, and those who are connected notice."""
        self.is_cut = True
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    def mend(self) -> None:
        self.is_cut = False


@contextlib.asynccontextmanager
async def wire(to_port: int) -> AsyncIterator[Wire]:
    """Listens on a port of its own, and carries both ways."""
    one = Wire()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        writer.transport.abort()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if one.is_cut:
            writer.transport.abort()
            return
        onward_reader, onward = await asyncio.open_connection("127.0.0.1", to_port)
        one._writers += [writer, onward]
        await asyncio.gather(carry(reader, onward), carry(onward_reader, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    one.port = server.sockets[0].getsockname()[1]
    try:
        yield one
    finally:
        server.close()
        one.cut()
        await server.wait_closed()
        await asyncio.sleep(0.05)  # the carriers notice
