"""`presence replay`: a capture through the same pipeline, with the capture's own clock."""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Awaitable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from presence.cli.command import print_lines
from presence.cli.exit_codes import ExitCode
from presence.config import Settings, load_settings
from presence.config.rules import read_store_key, rules_of
from presence.core.consent.gate import ListStanding, Reason
from presence.core.consent.list_json import ListHeader
from presence.core.engine import IndexedList
from presence.core.recognition.identifiers import window_at
from presence.core.timestamps import Moment
from presence.diagnosis.list_look import look_up_list
from presence.edges.capture import CaptureReader
from presence.edges.host import logs
from presence.edges.host.single_instance import alone
from presence.edges.mqtt.publisher import MqttPublisher
from presence.edges.sqlite.store import RuntimeStore
from presence.errors import BrokerError, CaptureError
from presence.gateway.pipeline import Pipeline
from presence.gateway.relay import Relay
from presence.ports import OutgoingMessage, Publisher
from presence.telemetry import BrokerLost, ConsentEntriesRefused

TICK_S = 1.0
WITHHELD = {
    Reason.SUPPRESSION_STALE: (
        "the list's suppression_checked_at is not within the day before the capture"
    ),
}
CONNECT_TIMEOUT_S = 5.0


class CaptureClock:
    """Shows the time of the advertisement that is being played."""

    def __init__(self) -> None:
        self.moment = Moment(0.0, 0.0)

    def now(self) -> Moment:
        return self.moment


class DryRun:
    """A publisher that takes everything and keeps nothing."""

    room = 1

    async def connected(self) -> None:
        return

    async def publish(self, message: OutgoingMessage) -> None:  # noqa: ARG002 - kept nowhere
        return


def start(options: argparse.Namespace) -> int:
    settings = load_settings(options.config)
    level = "error" if options.quiet else settings.log.level
    logs.configure(level=level, style=settings.log.format, stream=sys.stderr)
    return asyncio.run(_replay(options, settings))


async def _replay(options: argparse.Namespace, settings: Settings) -> int:
    reader = CaptureReader(options.capture)
    found = look_up_list(settings)
    for complaint in found.complaints:
        logs.write(ConsentEntriesRefused(problem=complaint))
    started_s = time.perf_counter()
    with ExitStack() as stack:
        directory = options.state or Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="presence-replay-"))
        )
        stack.enter_context(alone(directory))
        store = RuntimeStore(directory)
        stack.callback(store.close)
        pipeline = Pipeline(
            rules_of(settings, read_store_key(settings.store.key_file)), store, emit=logs.write
        )
        player = Player(
            pipeline, found.header, found.indexed, CaptureClock(), resume_s=_resume_at(store)
        )
        damage = await _played(player, reader, settings if options.publish else None)
        unsent = len(pipeline.outbox.pending.records) + int(str(pipeline.counts["dropped"]))
    seconds = round(time.perf_counter() - started_s, 3)
    result = {
        "capture": options.capture.name,
        "format": reader.format,
        "reports": reader.counts.as_dict(),
        **pipeline.counts,
        "skipped": player.skipped,
        "window_keys": player.window_keys,
        "unsent": unsent,
        "error": str(damage) if damage else None,
        "error_offset": damage.offset if damage else None,
        "seconds": seconds,
    }
    result["reports_per_second"] = round(result["heard"] / max(seconds, 0.001))
    _show(result, as_json=options.json)
    return ExitCode.WARN if damage or unsent else ExitCode.OK


def _resume_at(store: RuntimeStore) -> float:
    """The latest time in what an interrupted replay left behind: what was heard up to then has been
    dealt with.
    """
    stored = store.load()
    times_s = [visit.entered_at.monotonic_s for visit in stored.visits]
    return max(
        [*times_s, *(visit.left_at.monotonic_s for visit in stored.visits if visit.left_at)],
        default=0.0,
    )


class Player:
    """Moves the capture's clock, and lets the outbox drain before time goes on."""

    def __init__(
        self,
        pipeline: Pipeline,
        header: ListHeader,
        indexed: IndexedList,
        clock: CaptureClock,
        *,
        resume_s: float,
    ) -> None:
        self._pipeline = pipeline
        self._header = header
        self._indexed = indexed
        self._clock = clock
        self._resume_s = resume_s
        self._broker_away = False
        self.skipped = 0
        self.window_keys: int | None = None
        """How many the list had when the capture began; None where nothing was heard."""

    async def play(self, reader: CaptureReader, publisher: Publisher) -> CaptureError | None:
        """To the end of the capture, or of what is readable of it; answers with the damage."""
        relay = Relay(self._pipeline, publisher, self._clock, emit=logs.write)
        next_tick_s = 0.0
        damage: CaptureError | None = None
        try:
            for advertisement in reader.advertisements():
                now = advertisement.at
                if now.monotonic_s <= self._resume_s:
                    self.skipped += 1
                    continue
                if now.monotonic_s >= next_tick_s:
                    self._tick(now, first=next_tick_s == 0)
                    next_tick_s = now.monotonic_s + TICK_S
                    await self._drain(relay)
                self._pipeline.receive(advertisement)
        except CaptureError as error:
            damage = error
        if (
            next_tick_s == 0 and self._resume_s
        ):  # everything had been dealt with, but perhaps not been sent
            self._tick(Moment(self._resume_s, self._resume_s), first=True)
        await self._drain(relay)
        return damage

    def _tick(self, now: Moment, *, first: bool) -> None:
        self._clock.moment = now
        header = self._header
        standing = ListStanding(True, header.seq, header.suppression_checked_at_s, header.parents)
        if first:
            self.window_keys = len(self._indexed.keys.window(window_at(now.utc_s)))
            self._pipeline.apply(self._indexed, standing, now)
        else:
            self._pipeline.engine.admissions.trust(standing)
            self._pipeline.advance(now)
        self._pipeline.engine.matcher.complete(now.utc_s)

    async def _drain(self, relay: Relay) -> None:
        if not self._pipeline.outbox.pending.records:
            return
        try:
            await relay.empty()
        except BrokerError as error:
            if not self._broker_away:
                logs.write(BrokerLost(reason=str(error)))
            self._broker_away = True


class LazyPublisher:
    """Connects to the broker of the configuration when the first event has to go out."""

    def __init__(self, settings: Settings, tasks: asyncio.TaskGroup) -> None:
        self._where = settings.mqtt.where
        self._publisher = MqttPublisher(
            settings.mqtt, settings.store, role="replay", emit=logs.write
        )
        self._tasks = tasks
        self._running: asyncio.Task[None] | None = None
        self._given_up = False

    @property
    def room(self) -> int:
        return self._publisher.room

    async def connected(self) -> None:
        """Raises BrokerError where no broker answers within some seconds, and at once from then
        on.
        """
        if self._running is None:
            self._running = self._tasks.create_task(self._publisher.run())
        try:
            async with asyncio.timeout(0 if self._given_up else CONNECT_TIMEOUT_S):
                await self._publisher.connected()
        except TimeoutError:
            self._given_up = True
            why = self._publisher.trouble or "no answer"
            raise BrokerError(f"broker {self._where}: {why}; or replay without --publish") from None

    def publish(self, message: OutgoingMessage) -> Awaitable[None]:
        return self._publisher.publish(message)

    def close(self) -> None:
        if self._running is not None:
            self._running.cancel()


async def _played(
    player: Player, reader: CaptureReader, publish_to: Settings | None
) -> CaptureError | None:
    if publish_to is None:
        return await player.play(reader, DryRun())
    async with asyncio.TaskGroup() as tasks:
        publisher = LazyPublisher(publish_to, tasks)
        damage = await player.play(reader, publisher)
        publisher.close()
    return damage


def _show(result: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(result))
        return
    reports = {kind: n for kind, n in result["reports"].items() if n}
    print_lines(f"{result['capture']}: {result['format']}")
    print_lines("  reports    " + ", ".join(f"{kind} {n:,}" for kind, n in reports.items()))
    strangers = result["other_format"] + result["unknown"] + result["ambiguous"]
    print_lines(
        f"  heard      {result['heard']:,}: {strangers:,} of strangers, {result['recognised']:,} "
        "of customers"
    )
    for reason, n in result["refused"].items():
        print_lines(f"  refused    {n:,} {reason}")
    if result["window_keys"] == 0 and result["heard"]:
        print_lines(
            "  keys       the list has no window key for the time of the capture: nobody could be "
            "recognised"
        )
    print_lines(
        f"  entered    {result['entered']}, left {result['left']}, published {result['published']}"
    )
    for reason, n in result["withheld"].items():
        print_lines(
            f"  withheld   {n:,} {reason}{'; ' + WITHHELD[reason] if reason in WITHHELD else ''}"
        )
    print_lines(
        f"  speed      {result['seconds']} s, {result['reports_per_second']:,} advertisements a "
        "second"
    )
    if result["unsent"]:
        print_lines(
            f"  unsent     {result['unsent']} events: no broker took them, or nobody listened"
        )
    if result["error"]:
        print_lines(f"  damaged    {result['error']}")
