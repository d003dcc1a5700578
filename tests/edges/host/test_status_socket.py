"""Technicians ask over a socket; whoever is silent, loud or many harms nobody."""

import asyncio
import contextlib
import grp
import os
import socket
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from presence.edges.host import status_socket
from presence.edges.host.status_socket import CLIENTS_MAX, REQUEST_MAX, StatusSocket, ask
from presence.telemetry import StatusFailed, TechnicianAsked
from tests.support.fakes import RecordingTelemetry

ANSWERS = {"status": lambda: b'{"well": true}', "metrics": lambda: b"presence_armed 1.0\n"}


@contextlib.asynccontextmanager
async def served(
    folder: Path,
    *,
    group: str | None = None,
    patience_s: float = 2.0,
    answers: status_socket.Answers = ANSWERS,
) -> AsyncIterator[tuple[StatusSocket, RecordingTelemetry]]:
    telemetry = RecordingTelemetry()
    server = StatusSocket(folder, answers, group=group, emit=telemetry.emit, patience_s=patience_s)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(server.run())
        await asyncio.sleep(0.05)
        yield server, telemetry
        running.cancel()


async def question(server: StatusSocket, word: str) -> bytes:
    return await asyncio.to_thread(ask, server.path, word)


async def test_a_question_is_answered_and_the_socket_is_gone_with_the_gateway(
    tmp_path: Path,
) -> None:
    async with served(tmp_path) as (server, telemetry):
        assert await question(server, "status") == b'{"well": true}'
        assert await question(server, "metrics") == b"presence_armed 1.0\n"
        mode = stat.S_IMODE(os.lstat(server.path).st_mode)

    assert mode == 0o660
    with pytest.raises(FileNotFoundError):
        ask(server.path, "status")
    assert telemetry.events == [TechnicianAsked(what="metrics", uid=os.getuid())]


async def test_it_belongs_to_the_technicians_group(tmp_path: Path) -> None:
    group = grp.getgrgid(os.getgid()).gr_name
    async with served(tmp_path, group=group) as (server, _):
        found, folder = os.lstat(server.path), os.lstat(tmp_path)

    assert (found.st_gid, folder.st_gid) == (os.getgid(), os.getgid())
    assert stat.S_IMODE(folder.st_mode) == 0o710


async def test_a_group_that_is_not_there_is_told_and_the_gateway_goes_on(tmp_path: Path) -> None:
    async with served(tmp_path, group="no-such-group") as (_, telemetry):
        pass

    [failed] = telemetry.of(StatusFailed)
    assert failed.reason == "no group no-such-group"


async def test_a_socket_that_was_left_behind_is_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(tmp_path / status_socket.FILE_NAME))
    async with served(tmp_path) as (server, _):
        assert await question(server, "status")


@pytest.mark.parametrize("word", ["", "no-such-word", "x" * REQUEST_MAX * 2, "stätus"])
async def test_what_is_no_question_gets_no_answer(tmp_path: Path, word: str) -> None:
    async with served(tmp_path) as (server, _):
        with contextlib.suppress(ConnectionResetError):
            assert await question(server, word) == b""
        assert await question(server, "status")


async def test_who_says_nothing_is_sent_away_and_others_are_answered_meanwhile(
    tmp_path: Path,
) -> None:
    async with served(tmp_path, patience_s=0.3) as (server, _):
        reader, writer = await asyncio.open_unix_connection(server.path)
        assert await question(server, "status")
        async with asyncio.timeout(3):
            assert await reader.read() == b""
        writer.close()


async def test_who_does_not_take_the_answer_is_sent_away(tmp_path: Path) -> None:
    large = {"status": lambda: b"x" * 4_000_000}
    async with served(tmp_path, patience_s=0.3, answers=large) as (server, _):
        with socket.socket(socket.AF_UNIX) as asking:
            asking.connect(str(server.path))
            asking.sendall(b"status\n")
            await asyncio.sleep(0.8)
            assert server._clients == 0


async def test_too_many_at_once_are_turned_away(tmp_path: Path) -> None:
    async with served(tmp_path) as (server, _):
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(CLIENTS_MAX):
                _, writer = await asyncio.open_unix_connection(server.path)
                stack.callback(writer.close)
            await asyncio.sleep(0.05)
            with contextlib.suppress(ConnectionResetError, BrokenPipeError):
                assert await question(server, "status") == b""
            assert server.turned_away == 1
        await asyncio.sleep(0.05)
        assert await question(server, "status")
