"""What the ways to hear cost, over D-Bus and past it.

On this machine: customers at the ceiling of one radio, from a socket with our filter through
channel, intake and engine; and what the filter costs for each stranger. Bluetooth itself is not
here: the sender plays the kernel's side of HCI's monitor channel.

In the virtual machine that PRESENCE_MACHINE names (`scripts/test-system` builds it), on one air and
in one run, each way in turn with bluetoothd, D-Bus and the service as installed: all parts of that
machine together, how much arrives, and recovery. Without the variable this half is left out.
"""

import asyncio
import json
import multiprocessing
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import Any, Final

from presence.core.hci import bpf
from presence.core.hci.bpf import Assembler
from presence.core.hci.report_filter import LE_META, MONITOR_EVENT, monitor_filter
from presence.core.recognition.advertisement import advertisement_from_payload
from presence.core.recognition.beacons import FORMATS, eddystone
from presence.core.recognition.identifiers import ephemeral_identifier, slot_at, window_at
from presence.core.timestamps import Moment
from presence.edges.host.clock import SystemClock
from presence.edges.kernel.descriptor import Descriptor
from presence.edges.kernel.monitor_channel import MonitorChannel
from presence.edges.kernel.opener import attach
from presence.edges.sqlite.store import RuntimeStore
from presence.gateway.pipeline import Intake, Pipeline
from scripts.benchmarks import subjects
from scripts.benchmarks.figure import Figure

CEILING_PER_S: Final = 2660
"""docs/design.md#performance: legacy advertisements of 376 µs, without a pause."""
SECONDS: Final = 5.0
GOAL_SHARE: Final = 15.0
STRANGERS: Final = 20_000
ROUNDS: Final = 15
BATCH: Final = 256
BASE: Final = "bluez:passive"
"""The way of `radio.mode: auto` in that machine, with which the others are compared."""
WAYS: Final = (BASE, "bluez:active", "kernel:passive", "kernel:active", "user-channel:passive")
GOAL_RATIOS: Final = {"strangers": 0.1, "customers": 0.2}
LOADS: Final = ("strangers", "customers", "crowd")


def figures() -> Iterator[Figure]:
    yield from _at_the_ceiling()
    yield from _filter()
    if "PRESENCE_MACHINE" in os.environ:
        yield from _in_the_machine()


def _event(payload: bytes, address: bytes) -> bytes:
    report = bytes((0, 1)) + address[::-1] + bytes((len(payload),)) + payload + b"\xa6"
    event = bytes((LE_META, len(report) + 2, 2, 1)) + report
    return MONITOR_EVENT.to_bytes(2, "little") + bytes(2) + len(event).to_bytes(2, "little") + event


def _channel() -> tuple[socket.socket, socket.socket]:
    """A speaking and a hearing end, our filter before the latter."""
    speaking, hearing = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    patterns = [pattern for each in FORMATS for pattern in each.scan_filter.patterns]
    attach(hearing, monitor_filter(patterns, index=0))
    hearing.setblocking(False)
    return speaking, hearing


def _at_the_ceiling() -> Iterator[Figure]:
    """Customers, evenly, as many as one radio can hear."""
    with tempfile.TemporaryDirectory() as folder:
        heard, spent_s = asyncio.run(_customers(Path(folder)))
    sent = int(CEILING_PER_S * SECONDS)
    each_s = spent_s / sent
    yield Figure(
        "radio_paths.here.customers", round(100 * each_s * CEILING_PER_S, 1), "% of a core",
        GOAL_SHARE,
        note=f"{CEILING_PER_S}/s, from a socket through the engine: {each_s * 1e6:.1f} µs each",
    )  # fmt: skip
    yield Figure("radio_paths.here.lost", sent - heard, "advertisements", 0, note=f"of {sent}")


async def _customers(folder: Path) -> tuple[int, float]:
    """Heard, and seconds of processor."""
    clock = SystemClock()
    now = clock.now()
    pipeline = Pipeline(subjects.rules(), RuntimeStore(folder), emit=lambda _event: None)
    pipeline.apply(subjects.consent_list(1000, now), subjects.STANDING, now)
    pipeline.engine.matcher.complete(now.utc_s)
    intake, heard = Intake(), 0

    def take(at: Moment, address: bytes, rssi_dbm: int, payload: bytes) -> None:
        nonlocal heard
        heard += 1
        intake.hear(advertisement_from_payload(at, address, rssi_dbm, payload, antenna="hci0"))

    async def engine() -> None:
        while True:
            await intake.arrived(0.5)
            for each in intake.take(BATCH):
                pipeline.receive(each)

    speaking, hearing = _channel()
    fork = multiprocessing.get_context("fork")
    sender = fork.Process(target=_send_evenly, args=(speaking, _customers_events(now.utc_s)))
    channel = MonitorChannel(Descriptor(hearing, "hci0", "", "", 6), clock)
    sender.start()
    with closing(channel), speaking:
        async with asyncio.TaskGroup() as tasks:
            working = tasks.create_task(engine())
            with channel.read_by(take):
                spent_s = -time.process_time()
                await asyncio.to_thread(sender.join)
                await asyncio.sleep(0.1)
                spent_s += time.process_time()
            working.cancel()
    if intake.dropped or pipeline.engine.counts.strangers:
        raise AssertionError("customers were dropped, or not recognised")
    return heard, spent_s


def _customers_events(utc_s: float) -> list[bytes]:
    """Of 20 customers of the list."""
    events = []
    for number in range(20):
        key = subjects.window_key_of(number, window_at(utc_s))
        eid = ephemeral_identifier(key, slot_at(utc_s))
        events.append(_event(eddystone.payload(eid, tx_power_dbm=-20), number.to_bytes(6, "big")))
    return events


def _send_evenly(speaking: socket.socket, events: list[bytes]) -> None:
    began = time.monotonic()
    for number in range(int(CEILING_PER_S * SECONDS)):
        speaking.send(events[number % len(events)])
        ahead_s = number / CEILING_PER_S - (time.monotonic() - began)
        if ahead_s > 0.002:
            time.sleep(ahead_s)


def _filter() -> Iterator[Figure]:
    """Sending to a socket that drops everybody in one instruction, against one with our filter."""
    nothing = Assembler()
    nothing.emit(bpf.RET_K, 0)
    blind, deaf = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    attach(deaf, nothing.assemble())
    speaking, hearing = _channel()
    noise = [
        _event(b"\x02\x01\x1a\x0b\xff\x4c\x00\x10\x05" + os.urandom(6), os.urandom(6))
        for _ in range(STRANGERS)
    ]

    def sent_by(sender: socket.socket) -> float:
        """Nanoseconds of processor for each."""
        send, spent_ns = sender.send, -time.process_time_ns()
        for packet in noise:
            send(packet)
        return (spent_ns + time.process_time_ns()) / len(noise)

    with blind, deaf, speaking, hearing:
        rounds = [(sent_by(speaking), sent_by(blind)) for _ in range(ROUNDS)]
    yield Figure(
        "radio_paths.here.filter", round(median(ours - floor for ours, floor in rounds)),
        "ns/stranger", note="in the kernel, beyond what a packet that is dropped costs anyway",
    )  # fmt: skip


def _in_the_machine() -> Iterator[Figure]:
    command = [sys.executable, "-m", "tests.system.radio_paths", *WAYS]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    told = {line["scenario"]: line for line in map(json.loads, done.stdout.splitlines())}
    base = told[BASE].get("facts")
    for way, line in told.items():
        if "error" in line:
            print(f"radio_paths: {way}: {line['error']}")
        else:
            yield from _of_way(f"radio_paths.{way.replace(':', '.')}", line["facts"], base)


def _of_way(name: str, facts: dict[str, Any], base: dict[str, Any] | None) -> Iterator[Figure]:
    for load in LOADS:
        cost, told = cost_us(facts, load), facts[load]
        parts = ", ".join(f"{part} {us:.0f}" for part, us in cost.items())
        pace = f"{told['sent'] / told['took_s']:.0f}/s"
        yield Figure(
            f"{name}.{load}", round(sum(cost.values())), "µs/advertisement",
            note=f"emulated, {pace}: {parts}",
        )  # fmt: skip
        if base is not None and base is not facts:
            ratio = sum(cost.values()) / sum(cost_us(base, load).values())
            goal = None if ".bluez." in name else GOAL_RATIOS.get(load)
            yield Figure(f"{name}.{load}.ratio", round(ratio, 3), f"of {BASE}", goal)
        if load == "strangers":
            yield Figure(f"{name}.{load}.heard", told["heard"], "of them in our process")
        else:
            share, exact = told["heard"] / told["sent"], told["exact"] / max(1, told["heard"])
            note = f"{exact:.1%} of them with their own strength"
            yield Figure(f"{name}.{load}.delivered", round(100 * share, 1), "%", note=note)
    for fault in ("replug_s", "bluetoothd_s"):
        if fault in facts:
            yield Figure(f"{name}.{fault}", round(facts[fault], 1), "s until heard again")


def cost_us(facts: dict[str, Any], load: str) -> dict[str, float]:
    """Of each part for one advertisement on air, beyond what it costs when nobody is there."""
    idle, busy = facts["idle"], facts[load]
    return {
        part: max(0.0, seconds - idle["seconds"].get(part, 0.0) * busy["took_s"] / idle["took_s"])
        / busy["sent"]
        * 1e6
        for part, seconds in busy["seconds"].items()
    }
