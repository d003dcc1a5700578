"""The wire: carries bytes both ways, is cut at once, and is whole again when mended."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from presence.config.settings import MqttSettings
from presence.conformance.run import RunPlan, wire_of
from presence.conformance.shop import Shop
from presence.conformance.wire import Wire
from presence.core.site import Site
from presence.simulation.local_broker import free_port

HERE = "127.0.0.1"


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(1024):
            writer.write(data)
            await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def wired() -> AsyncIterator[tuple[Wire, int]]:
    server = await asyncio.start_server(echo, HERE, 0)
    port = free_port()
    async with server, Wire.laid((HERE, port), HERE, server.sockets[0].getsockname()[1]) as wire:
        yield wire, port


async def says(port: int, word: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(HERE, port)
    try:
        writer.write(word)
        return await reader.read(1024)
    finally:
        writer.transport.abort()


async def test_what_goes_in_comes_out_and_comes_back() -> None:
    async with wired() as (wire, port):
        assert not wire.used
        assert await says(port, b"hello") == b"hello"


async def test_a_cut_ends_what_is_connected_and_lets_nobody_in_until_it_is_mended() -> None:
    async with wired() as (wire, port):
        reader, writer = await asyncio.open_connection(HERE, port)
        assert await wire.used_again(5)
        wire.cut()
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read(1) == b""
        writer.transport.abort()
        with contextlib.suppress(ConnectionResetError):
            assert await says(port, b"hello") == b""
        wire.mend()
        assert await says(port, b"hello") == b"hello"


async def test_where_the_broker_is_away_the_engine_is_turned_away() -> None:
    port = free_port()
    async with Wire.laid((HERE, port), HERE, free_port()) as wire:
        with contextlib.suppress(ConnectionResetError):
            assert await says(port, b"hello") == b""
        assert not await wire.used_again(0.01)


async def test_a_port_that_is_taken_is_said_at_once() -> None:
    async with wired() as (_, port):
        with pytest.raises(OSError, match="in use"):
            async with Wire.laid((HERE, port), HERE, 1):
                pass


async def test_of_several_brokers_the_wire_leads_to_the_first() -> None:
    shop = Shop(Site("acme", "fi-0042"), "offers-main", ("ap2:1551",))
    server = await asyncio.start_server(echo, "127.0.0.2", 0)
    mqtt = MqttSettings(hosts=["127.0.0.2", HERE], port=server.sockets[0].getsockname()[1])
    plan = RunPlan(mqtt=mqtt, shop=shop, customers=[], listen=(HERE, free_port()))

    async with server, contextlib.AsyncExitStack() as stack:
        assert await wire_of(plan, stack) is not None
        assert plan.listen is not None
        assert await says(plan.listen[1], b"hello") == b"hello"
