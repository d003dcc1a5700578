"""A proxy that breaks what it carries: TCP or a Unix socket in front, TCP or a Unix socket behind,
TLS where asked for.

    client ──► FaultProxy ──► server
              └─ the server's answers meet the fault, after so many bytes of each connection

It knows no protocol, so it serves HTTPS, MQTT and D-Bus alike. With a TLS context of its own it
ends the client's TLS and speaks plainly to the server: a cut then falls between two bytes of HTTP,
and the client's TLS is closed properly.
"""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path
from typing import Final

CHUNK: Final = 65_536
DRIP_S: Final = 0.01
NO_LINGER: Final = struct.pack("ii", 1, 0)
"""SO_LINGER of 0 s: close sends RST (socket(7))."""

Place = int | Path
"""A port of this machine, or a Unix socket."""


class Kind(Enum):
    CUT = auto()
    """Closed in good order, as by a server that dies."""
    RESET = auto()
    """RST."""
    HALF_CLOSE = auto()
    """Nothing more comes from the server, and the client may go on speaking."""
    STALL = auto()
    """Nothing more comes, and nobody says so."""
    REORDER = auto()
    """The next two pieces change places."""
    DRIP = auto()
    """One byte at a time."""


HELD: Final = frozenset({Kind.HALF_CLOSE, Kind.STALL})
"""After these the client's side stays open."""


@dataclass(frozen=True)
class Fault:
    kind: Kind
    after: int = 0
    """Bytes of the server that pass unharmed, on each connection."""
    once: bool = False
    """It strikes one connection; the next ones are whole."""


@dataclass
class FaultProxy:
    """`fault` counts for connections made from then on, and for bytes that have not passed yet."""

    behind: Place
    tls: ssl.SSLContext | None = None
    fault: Fault | None = None
    port: int = 0
    connections: int = 0
    struck: int = 0
    """How often a fault has struck."""
    passed: int = 0
    """Bytes of the server on the connection that was made last."""
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    async def serve(self, client: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.passed = 0
        writers = {back}
        self._open.add(back)
        try:
            server, onward = await _connect(self.behind)
            writers.add(onward)
            self._open.add(onward)
            async with asyncio.TaskGroup() as tasks:
                asking = tasks.create_task(self._ask(client, onward))
                if await self._answer(server, back) in HELD:
                    await asking  # until the client has had enough
                asking.cancel()
        except* (OSError, asyncio.IncompleteReadError):
            pass  # either side went away: that is what this is for
        finally:
            for writer in writers:
                _abort(writer)
            self._open -= writers

    def drop_all(self) -> None:
        """Every open connection is aborted."""
        for writer in tuple(self._open):
            _abort(writer)

    async def _ask(self, client: asyncio.StreamReader, onward: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await client.read(CHUNK):
                onward.write(data)
                await onward.drain()
            onward.write_eof()

    async def _answer(
        self, server: asyncio.StreamReader, back: asyncio.StreamWriter
    ) -> Kind | None:
        """Until the server's end, or until the fault has done its work: which one."""
        passed = 0
        while data := await server.read(CHUNK):
            fault = self.fault
            whole = data if fault is None else data[: max(0, fault.after - passed)]
            passed += len(whole)
            self.passed = passed
            back.write(whole)
            await back.drain()
            if fault is not None and len(whole) < len(data):
                self.struck += 1
                if fault.once:
                    self.fault = None
                await self._break(fault.kind, data[len(whole) :], server, back)
                return fault.kind
        back.close()  # with TLS also the good-bye of TLS
        await back.wait_closed()
        return None

    async def _break(
        self, kind: Kind, rest: bytes, server: asyncio.StreamReader, back: asyncio.StreamWriter
    ) -> None:
        match kind:
            case Kind.CUT:
                back.close()
                await back.wait_closed()
            case Kind.RESET:
                opened = back.get_extra_info("socket")
                if opened.family != socket.AF_UNIX:
                    opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
                _abort(back)
            case Kind.HALF_CLOSE:
                if back.can_write_eof():
                    back.write_eof()
            case Kind.STALL:
                pass
            case Kind.REORDER:
                await self._reorder(rest, server, back)
            case Kind.DRIP:
                await self._drip(rest, server, back)

    async def _reorder(
        self, rest: bytes, server: asyncio.StreamReader, back: asyncio.StreamWriter
    ) -> None:
        half = len(rest) // 2
        back.write(rest[half:] + rest[:half])
        while data := await server.read(CHUNK):
            back.write(data)
            await back.drain()

    async def _drip(
        self, rest: bytes, server: asyncio.StreamReader, back: asyncio.StreamWriter
    ) -> None:
        while rest:
            for byte in rest:
                back.write(bytes([byte]))
                await back.drain()
                await asyncio.sleep(DRIP_S)
            rest = await server.read(CHUNK)


@contextlib.asynccontextmanager
async def fault_proxy(
    behind: Place,
    *,
    in_front: Path | None = None,
    tls: ssl.SSLContext | None = None,
    fault: Fault | None = None,
) -> AsyncIterator[FaultProxy]:
    """Listens on a port of its own, or at the Unix socket `in_front`."""
    proxy = FaultProxy(behind, tls, fault)
    handling: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        handling.add(task)
        try:
            await proxy.serve(reader, writer)
        except asyncio.CancelledError:
            pass  # asyncio's own server would report it as an error
        finally:
            handling.discard(task)

    if in_front is None:
        server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
        proxy.port = server.sockets[0].getsockname()[1]
    else:
        server = await asyncio.start_unix_server(handle, in_front)
    try:
        yield proxy
    finally:
        server.close()
        proxy.drop_all()
        while handling:
            for task in tuple(handling):
                task.cancel()
            await asyncio.sleep(0)
        if in_front is not None:
            in_front.unlink(missing_ok=True)  # noqa: ASYNC240 - a socket in memory


def _abort(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(
        AttributeError
    ):  # Python before 3.11.3: a TLS transport that is closed already
        writer.transport.abort()


async def _connect(place: Place) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if isinstance(place, Path):
        return await asyncio.open_unix_connection(place)
    return await asyncio.open_connection("127.0.0.1", place)
