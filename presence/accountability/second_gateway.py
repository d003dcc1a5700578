"""A second gateway in this process, for the stranger test: the daemon's own join over the settings
in force, with folders, keys, a broker and a list of its own.

    Passage ─► Gateway (presence.assembly) ─► a broker of its own
                 └► folders, log, metrics, answers ─► searched (presence.accountability.strangers)

Into the daemon that runs nothing can be planted: a command by which sightings come in would be a
hole, and whoever used it could make customers.
"""

import asyncio
import io
import json
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Final

from presence import assembly
from presence.accountability.strangers import LeftBehind, StrangerTest, searched
from presence.config import Settings
from presence.config.operating import MetricsExport, MetricsSettings, StatusSettings
from presence.config.settings import (
    CounterSettings,
    DoorbellSettings,
    LogFormat,
    LogSettings,
    MqttProtocol,
    StorageSettings,
)
from presence.edges.consent_list.plain import FILE_NAME as LIST_FILE
from presence.edges.host import logs
from presence.edges.host.clock import SystemClock
from presence.edges.host.files import new_key_file
from presence.edges.host.status_socket import FILE_NAME as SOCKET_FILE
from presence.edges.host.status_socket import ask
from presence.errors import BrokerError
from presence.gateway.gateway import Gateway
from presence.simulation.kept_status import KeptStatus
from presence.simulation.local_broker import HOST, LocalBroker, free_port
from presence.simulation.passage import PACE_S, MadeUpCustomer, Passage
from presence.simulation.watch import Message, watching
from presence.telemetry import Telemetry

PATIENCE_S: Final = 15.0
"""For the customer to be told of, beyond what the entry settings ask for at least."""
LINGER_S: Final = 1.2
"""For what should not come; and one more round of the metrics."""
METRICS_FILE: Final = "presence.prom"
OURS: Final = frozenset({"store.key", LIST_FILE})
"""What was laid out for the second gateway, and says nothing of it."""

Join = Callable[..., Gateway]


async def plant(
    settings: Settings,
    seed: int,
    *,
    join: Join = assembly.gateway_of,
    patience_s: float = PATIENCE_S,
) -> StrangerTest:
    """Some ten seconds. Raises PresenceError where the second gateway does not even start."""
    chance, log = Random(seed), io.StringIO()
    logs.configure(level="debug", style=LogFormat.JSON, stream=log)
    async with AsyncExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="presence-evidence-")))
        broker, messages = await stack.enter_async_context(_broker())
        second = second_settings(settings, root, broker)
        customer = MadeUpCustomer(chance)
        _write_list(second, customer)
        source = Passage(customer, chance, enter_rssi_dbm=second.entry.enter_rssi_dbm)
        status = KeptStatus()
        with ExitStack() as parts:
            telemetry = Telemetry(logs.write)
            gateway = join(second, status, parts, telemetry, sources=[source])
            waits_s = patience_s + second.entry.min_duration_s
            answers = await _perform(
                gateway, source, second, waits_s=waits_s, with_broker=broker is not None
            )
            left = LeftBehind(
                root,
                log=log.getvalue(),
                metrics=METRICS_FILE,
                said=[*status.lines, *answers],
                messages=[message.octets for message in messages],
                ours=OURS,
            )
            return searched(
                left,
                source,
                customer.ref,
                broker="" if broker is None else f"{broker.kind}, MQTT {broker.protocol.value}",
                told=bool(gateway.pipeline.published),
            )


async def _perform(
    gateway: Gateway,
    source: Passage,
    settings: Settings,
    *,
    waits_s: float,
    with_broker: bool,
) -> list[str]:
    """Until the strangers have passed and the customer was told of, or withheld by the gate;
    answers with what the status socket said.
    """
    counts = gateway.pipeline.engine.counts

    def dealt_with() -> bool:
        told = gateway.pipeline.published if with_broker else counts.entered
        return bool(told or counts.withheld.total())

    socket = settings.storage.runtime_dir / SOCKET_FILE
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(gateway.run())
        with suppress(TimeoutError):
            async with asyncio.timeout(waits_s):
                await source.passed.wait()
                while not dealt_with():  # noqa: ASYNC110 - it tells nobody
                    await asyncio.sleep(PACE_S)
        await asyncio.sleep(LINGER_S)
        answers = [
            (await asyncio.to_thread(ask, socket, word)).decode() for word in ("status", "metrics")
        ]
        running.cancel()
    return answers


@asynccontextmanager
async def _broker() -> AsyncIterator[tuple[LocalBroker | None, list[Message]]]:
    """One of our own with a listener, or none where no broker program is installed."""
    async with AsyncExitStack() as stack:
        try:
            broker = await stack.enter_async_context(LocalBroker.start())
        except BrokerError:
            yield None, []
            return
        watch = watching(broker.host, broker.port, broker.protocol, lambda _message: None)
        yield broker, await stack.enter_async_context(watch)


def second_settings(settings: Settings, root: Path, broker: LocalBroker | None) -> Settings:
    """Those in force, but for DIFFERENCES."""
    key_file = root / "store.key"
    new_key_file(key_file)
    port, protocol = (
        (free_port(), MqttProtocol.V5) if broker is None else (broker.port, broker.protocol)
    )
    return replace(
        settings,
        store=replace(settings.store, key_file=key_file, opening_hours={}),
        consent=replace(
            settings.consent, directory=root, repository=None, root_file=None,
            repository_ca_file=None, notice_keys=None, poll_s=1,
        ),
        radio=replace(settings.radio, antennas=[]),
        satellites=[],
        doorbell=DoorbellSettings(),
        counter=CounterSettings(),
        identity=replace(settings.identity, irk_file=None),
        entry=replace(settings.entry, side_offset_db=None, score=None),
        mqtt=replace(
            settings.mqtt, host=HOST, hosts=[], port=port, protocol=protocol, username=None,
            password_file=None, tls=None,
        ),
        storage=StorageSettings(state_dir=root / "state", runtime_dir=root / "run"),
        log=LogSettings(level="debug", format=LogFormat.JSON),
        metrics=MetricsSettings(
            export=MetricsExport.TEXTFILE, textfile=root / METRICS_FILE, interval_s=1
        ),
        status=StatusSettings(),
    )  # fmt: skip


def _write_list(settings: Settings, customer: MadeUpCustomer) -> None:
    lines = customer.plain_list(settings, SystemClock().now().utc_s)
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (settings.consent.directory / LIST_FILE).write_text(text, encoding="ascii")
