"""`presence satellite`: an antenna elsewhere, as a service of its own."""

import argparse
import asyncio
import faulthandler
import sys
from dataclasses import dataclass
from functools import partial
from typing import Final

from presence.cli.termination import unless_terminated
from presence.config.rules import formats_with, read_key
from presence.config.satellite import SatelliteSettings, load_satellite_settings
from presence.core.operations.snapshot import STATE_OF, RadioState
from presence.core.site import Site
from presence.edges.bluez import BluezScanner, ScanPolicy
from presence.edges.host import logs
from presence.edges.host.clock import SystemClock
from presence.edges.host.single_instance import alone
from presence.edges.host.systemd import SystemdNotifier
from presence.edges.mqtt.publisher import MqttPublisher
from presence.edges.radio.care import Means
from presence.edges.radio.ledger import Ledger
from presence.errors import ungrouped
from presence.pulse import BOUND_S, HANGING_STEP, LOOK_AT_PARTS_S, Pulse
from presence.satellite import Station
from presence.telemetry import Emit, GatewayPartHangs, Telemetry

STDERR: Final = 2
KEY_ADVICE: Final = "copy the file that its gateway has for this satellite"
ROLE: Final = "satellite"


@dataclass(frozen=True)
class StationName:
    """Who connects to the broker: the satellite, in the place of a gateway."""

    chain: str
    store: str
    gateway: str


def start(options: argparse.Namespace) -> int:
    settings = load_satellite_settings(options.config)
    logs.configure(level=settings.log.level, style=settings.log.format, stream=sys.stdout)
    logs.log_uncaught()
    # A loop that hangs as a whole can name nobody: systemd's SIGABRT prints where each thread
    # stands, and no value.
    faulthandler.enable(STDERR)
    with alone(settings.satellite.runtime_dir, key="satellite.runtime_dir"):
        asyncio.run(unless_terminated(serve(settings)))
    return 0


async def serve(settings: SatelliteSettings) -> None:
    """Until cancelled. Raises ConfigurationError, or RadioError where only a restart is left."""
    emit, pulse, notifier = Telemetry(logs.write).emit, Pulse(), SystemdNotifier()
    link, radio, station = _parts(settings, emit)
    with ungrouped():
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(pulse.run("broker", BOUND_S["broker"], link.run))
            tasks.create_task(pulse.run("satellites", BOUND_S["satellites"], station.run))
            tasks.create_task(
                pulse.run("radio", BOUND_S["radio"], partial(radio.run, station.hear))
            )
            notifier.ready(f"satellite {settings.satellite.name}")
            try:
                await _keep_watch(pulse, notifier, emit)
            finally:
                notifier.stopping()


def _parts(settings: SatelliteSettings, emit: Emit) -> tuple[MqttPublisher, BluezScanner, Station]:
    station, radio, clock = settings.satellite, settings.radio, SystemClock()
    key = read_key(station.key_file, "satellite.key_file", KEY_ADVICE)
    formats = formats_with(radio.ibeacon_prefix)
    names = StationName(station.chain, station.store, station.name)
    link = MqttPublisher(settings.mqtt, names, emit=emit, role=ROLE)
    scanner = BluezScanner(
        ScanPolicy(mode=radio.mode, filters=tuple(each.scan_filter for each in formats)),
        adapter=radio.adapter or "",
        clock=clock,
        emit=emit,
        means=Means(silence_s=radio.silence_min * 60, ledger=Ledger(station.runtime_dir)),
        open_at=lambda _utc_s: teller.asked,
        rest="the gateway does not ask: nothing is scanned",
    )
    teller = Station(
        station.name,
        Site(station.chain, station.store),
        key,
        formats,
        link=link,
        clock=clock,
        emit=emit,
        listens=lambda: (
            scanner.condition is not None and STATE_OF[scanner.condition] is RadioState.LISTENING
        ),
    )
    return link, scanner, teller


async def _keep_watch(pulse: Pulse, notifier: SystemdNotifier, emit: Emit) -> None:
    """Feed the watchdog while every part gets on; each that hangs is named once."""
    every_s = min(LOOK_AT_PARTS_S, notifier.watchdog_s / 2 or LOOK_AT_PARTS_S)
    named: set[str] = set()
    while True:
        hanging = pulse.hanging()
        for name in hanging.keys() - named:
            emit(GatewayPartHangs(what=name, seconds=hanging[name], next_step=HANGING_STEP))
        named = set(hanging)
        if not hanging and notifier.watchdog_s:
            notifier.alive()
        await asyncio.sleep(every_s)
