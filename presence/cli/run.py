"""`presence run`: the daemon."""

import argparse
import asyncio
import faulthandler
import signal
import sys
from contextlib import ExitStack
from enum import Enum, auto
from pathlib import Path
from typing import Final

from presence.assembly import bells_of, gateway_of, sources_of, synchronised_of
from presence.config import Settings, load_settings
from presence.config.rules import (
    read_notice_keys,
    read_satellite_keys,
    read_store_key,
    rules_of,
)
from presence.edges.host import logs
from presence.edges.host.single_instance import alone
from presence.edges.host.systemd import SystemdNotifier
from presence.errors import ClockUnreadable, ConfigurationError, ungrouped
from presence.telemetry import ConfigRefused, ConfigReloaded, GatewayStopping, Telemetry

STDERR: Final = 2


class Outcome(Enum):
    STOP = auto()
    RELOAD = auto()


SIGNALS = {signal.SIGTERM: Outcome.STOP, signal.SIGINT: Outcome.STOP, signal.SIGHUP: Outcome.RELOAD}


def start(options: argparse.Namespace) -> int:
    settings = load_settings(options.config)
    logs.configure(level=settings.log.level, style=settings.log.format, stream=sys.stdout)
    logs.log_uncaught()
    # A loop that hangs as a whole can name nobody: systemd's SIGABRT prints where each thread
    # stands, and no value.
    faulthandler.enable(STDERR)
    return asyncio.run(serve(options.config, settings))


async def serve(path: Path, settings: Settings) -> int:
    """One gateway after another, until one is asked to stop."""
    notifier = SystemdNotifier()
    while True:
        with ExitStack() as stack:
            stack.enter_context(alone(settings.storage.runtime_dir))
            outcome, settings = await _serve_once(path, settings, notifier, stack)
        if outcome is Outcome.STOP:
            return 0


async def _serve_once(
    path: Path, settings: Settings, notifier: SystemdNotifier, stack: ExitStack
) -> tuple[Outcome, Settings]:
    telemetry = Telemetry(logs.write)
    gateway = gateway_of(
        settings,
        notifier,
        stack,
        telemetry,
        sources=sources_of(settings, telemetry),
        bells=bells_of(settings, telemetry),
    )
    asked: asyncio.Queue[Outcome] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    for number, outcome in SIGNALS.items():
        loop.add_signal_handler(number, asked.put_nowait, outcome)
        stack.callback(loop.remove_signal_handler, number)
    with ungrouped():
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(gateway.run())
            running.add_done_callback(lambda _: asked.put_nowait(Outcome.STOP))
            outcome, settings = await _until_asked(asked, path, settings)
            (notifier.reloading if outcome is Outcome.RELOAD else notifier.stopping)()
            telemetry.emit(GatewayStopping(reason=outcome.name.lower()))
            running.cancel()
    return outcome, settings


async def _until_asked(
    asked: "asyncio.Queue[Outcome]", path: Path, settings: Settings
) -> tuple[Outcome, Settings]:
    while await asked.get() is Outcome.RELOAD:
        changed = _changed_settings(path)
        if changed is not None:
            return Outcome.RELOAD, changed
    return Outcome.STOP, settings


def _changed_settings(path: Path) -> Settings | None:
    try:
        settings = load_settings(path)
        rules_of(settings, read_store_key(settings.store.key_file))
        read_satellite_keys(settings)
        if settings.consent.notice_keys:
            read_notice_keys(settings.consent.notice_keys)
        synchronised_of(settings.consent)
    except (ConfigurationError, ClockUnreadable) as error:
        problems = error.problems if isinstance(error, ConfigurationError) else [str(error)]
        next_step = "the old configuration stays in force"
        logs.write(ConfigRefused(problems=tuple(problems), next_step=next_step))
        return None
    logs.configure(level=settings.log.level, style=settings.log.format, stream=sys.stdout)
    logs.write(ConfigReloaded(file=str(path)))
    return settings
