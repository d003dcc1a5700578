"""The Debian that `scripts/test-cluster` made, seen from inside its namespaces."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

MACHINE = Path(os.environ.get("PRESENCE_CLUSTER", "/nonexistent"))
"""The root of a Debian with the brokers' packages; its /tmp is of this run, in memory."""
RAN: list[str] = []
"""What each scenario came to, told at the end."""
BLACKHOLE = "50"
"""Rules that cut stand before the table of local addresses; `scripts/test-cluster` moves it."""
_STARTED_S = time.monotonic()


def tell(line: str) -> None:
    """Progress, past pytest's capture."""
    sys.__stderr__.write(f"presence: {time.monotonic() - _STARTED_S:5.0f} s  {line}\n")  # type: ignore[union-attr]
    sys.__stderr__.flush()  # type: ignore[union-attr]


def address(number: int) -> str:
    """Of a node among its own; clients are on 127.0.0.1."""
    return f"127.0.1.{number}"


async def start(
    *command: str, log: Path, environment: dict[str, str] | None = None
) -> asyncio.subprocess.Process:
    """A program in the Debian."""
    path = "/usr/sbin:/usr/bin:/sbin:/bin"
    with log.open("ab") as out:
        return await asyncio.create_subprocess_exec(
            "chroot",
            MACHINE,
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env={"PATH": path, "LC_ALL": "C.UTF-8", **(environment or {})},
        )


async def run(
    *command: str, log: Path, environment: dict[str, str] | None = None, within_s: float = 60
) -> None:
    process = await start(*command, log=log, environment=environment)
    async with asyncio.timeout(within_s):
        code = await process.wait()
    if code:
        raise RuntimeError(f"{' '.join(command)} ended with {code}: see {log}")


class Node:
    """One process that can be killed, put to sleep and woken."""

    def __init__(self, number: int, port: int) -> None:
        self.number, self.port = number, port
        self.pid = 0

    def kill(self) -> None:
        """kill -9."""
        tell(f"node {self.number} killed")
        os.kill(self.pid, signal.SIGKILL)

    def pause(self) -> None:
        tell(f"node {self.number} stopped (SIGSTOP)")
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        tell(f"node {self.number} goes on (SIGCONT)")
        os.kill(self.pid, signal.SIGCONT)


def _rule(action: str, source: int, target: int) -> None:
    command = ["ip", "rule", action, "pref", BLACKHOLE, "from", address(source), "to"]
    subprocess.run(
        ["chroot", MACHINE, *command, address(target), "blackhole"], check=True, timeout=10
    )


def cut_off(number: int, others: list[int]) -> None:
    """No packet passes between this node and the others, and nobody is told; clients reach all."""
    tell(f"node {number} cut off from {others}")
    for other in others:
        _rule("add", number, other)
        _rule("add", other, number)


def mend(number: int, others: list[int]) -> None:
    tell(f"node {number} joined to {others} again")
    for other in others:
        _rule("del", number, other)
        _rule("del", other, number)


async def port_answers(port: int, within_s: float) -> None:
    async with asyncio.timeout(within_s):
        while True:
            with contextlib.suppress(OSError):
                _reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.1)


async def port_closes(port: int, within_s: float) -> None:
    """A process that was killed answers until the kernel has taken it down."""
    async with asyncio.timeout(within_s):
        while True:
            try:
                _reader, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                return
            writer.close()
            await asyncio.sleep(0.1)
