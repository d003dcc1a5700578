"""A broker for the demo and for tests: on a free loopback port, open to this machine, gone when the
block is left.

mosquitto where it is installed, because it speaks MQTT 5; otherwise amqtt (extra `demo`), which
speaks 3.1.1 only. Both run in a session of their own, so that Ctrl-C at the terminal reaches the
gateway first and its `stopped` still finds a broker. Neither outlives whoever started it.
"""

import asyncio
import contextlib
import importlib.util
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from presence.config.settings import MqttProtocol
from presence.edges.mqtt.reasons import LOST_WITH_311
from presence.errors import BrokerError

HOST: Final = "127.0.0.1"
START_S: Final = 60.0
"""A machine that was busy with other work took more than 15 s to start Python with a library."""
STOP_S: Final = 3.0
LOG_TAIL: Final = 2000
ATTEMPTS: Final = 3
"""A port that was free may be taken before the broker has it."""

Kind = Literal["mosquitto", "embedded"]


@dataclass(frozen=True, slots=True)
class LocalBroker:
    """A broker that accepts connections now."""

    kind: Kind
    protocol: MqttProtocol
    port: int
    host: str = HOST

    @property
    def loses(self) -> str:
        """What this broker cannot show, as a sentence; empty where it can show everything."""
        if self.protocol is MqttProtocol.V5:
            return ""
        return f"The embedded broker speaks MQTT 3.1.1 only: it loses {LOST_WITH_311}."

    @classmethod
    @contextlib.asynccontextmanager
    async def start(
        cls, prefer: Literal["auto"] | Kind = "auto", *, within_s: float = START_S
    ) -> AsyncIterator["LocalBroker"]:
        """Raises BrokerError where the preferred one is not installed or does not start."""
        mosquitto = find_mosquitto()
        with tempfile.TemporaryDirectory(prefix="presence-broker-") as name:
            folder = Path(name)
            if prefer == "mosquitto" or (prefer == "auto" and mosquitto is not None):
                if mosquitto is None:
                    raise BrokerError(
                        "mosquitto is not installed: apt install mosquitto, or take the embedded "
                        "broker"
                    )
                async with _running(folder, mosquitto, within_s) as port:
                    yield cls("mosquitto", MqttProtocol.V5, port)
            else:
                if importlib.util.find_spec("amqtt") is None:
                    raise BrokerError(
                        "no broker here: apt install mosquitto, or pip install 'presence[demo]'"
                    )
                async with _running(folder, None, within_s) as port:
                    yield cls("embedded", MqttProtocol.V311, port)


def find_mosquitto() -> Path | None:
    """Debian keeps it in /usr/sbin, which is not in everybody's PATH."""
    found = shutil.which(
        "mosquitto",
        path=os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin")),
    )
    return None if found is None else Path(found)


def ending_with_us() -> list[str]:
    """What is put before a command so that it gets SIGTERM when this process is gone, also after a
    SIGKILL (util-linux; a machine without it leaves its children then).
    """
    setpriv = shutil.which("setpriv")
    return [] if setpriv is None else [setpriv, "--pdeathsig", "TERM", "--"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


@contextlib.asynccontextmanager
async def _running(folder: Path, mosquitto: Path | None, within_s: float) -> AsyncIterator[int]:
    log = folder / "broker.log"
    for attempt in range(1, ATTEMPTS + 1):
        port = free_port()
        command = _embedded(port) if mosquitto is None else _configured(mosquitto, folder, port)
        process = await _spawn(command, log)
        try:
            if await answers(process, port, within_s):
                yield port
                return
            if process.returncode is None:  # slow: begun anew it would be slow again
                raise BrokerError(
                    f"the broker does not listen after {within_s:g} s; is this machine very busy? "
                    f"({' '.join(command)}):\n{log_tail(log)}"
                )
        finally:
            await stop(process)
        if attempt == ATTEMPTS:
            raise BrokerError(f"the broker did not start ({' '.join(command)}):\n{log_tail(log)}")


def _embedded(port: int) -> list[str]:
    return [sys.executable, "-m", "presence.simulation.embedded_broker", str(port)]


def _configured(mosquitto: Path, folder: Path, port: int) -> list[str]:
    config = folder / "mosquitto.conf"
    config.write_text(
        f"listener {port} {HOST}\nallow_anonymous true\npersistence false\nlog_dest stderr\n"
        "user root\n"  # where root starts it: who changes their user is told of no parent's end
    )
    return [str(mosquitto), "-c", str(config)]


async def _spawn(command: Sequence[str], log: Path) -> asyncio.subprocess.Process:
    with log.open("wb") as output:
        return await asyncio.create_subprocess_exec(
            *ending_with_us(),
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


async def answers(
    process: asyncio.subprocess.Process, port: int, within_s: float = START_S, host: str = HOST
) -> bool:
    """Wait until something listens there; False where the process ended or took too long."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            while process.returncode is None:
                with contextlib.suppress(OSError):
                    _reader, writer = await asyncio.open_connection(host, port)
                    writer.close()
                    await writer.wait_closed()
                    await asyncio.sleep(
                        0
                    )  # a process that could not have the port has ended by now
                    return process.returncode is None
                await asyncio.sleep(0.02)
    return False


async def stop(process: asyncio.subprocess.Process) -> None:
    """Ask it to end; kill it where it does not. Returns when it is gone."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(STOP_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
    if process.stdin is not None:
        process.stdin.close()


def log_tail(log: Path) -> str:
    """The end of what the broker said, for the person who must find out why."""
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    return text[-LOG_TAIL:].strip() or "(it said nothing)"
