"""Joins the parts: sources → intake → pipeline → relay → publisher, beside them the consent list
and systemd.

A start waits a moment for the first look at the list, and never for the network: READY is said
then, whatever came of it. Until a look has proven a list nothing is published (`boot`); one over a
slow line goes on meanwhile.

The TaskGroup of the program (the doorbell has another for its links). A part that ends with an
error ends the gateway with that error; a gateway of a simulated shop ends when its source is at its
end and the outbox is empty.

The watchdog is fed by the loop that moves advertisements and time through the engine, as long as
every other part gets on too (presence.pulse): if one of them hangs, it is named in the log, and
systemd starts us anew. A look at the list that hangs is no such part: it is told as a look that
failed, and the list in force runs on.
"""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Final

from presence import __version__
from presence.core.consent.freshness import NEXT_STEP, Freshness
from presence.core.consent.jws import KeySet
from presence.core.consent.revocations import Revocations
from presence.core.recognition.slot_table import build_table
from presence.gateway.list_sync import ListSync, Refresh
from presence.gateway.parts import Parts
from presence.gateway.peer_link import PeerLink
from presence.gateway.pipeline import Intake, Pipeline
from presence.gateway.relay import Relay
from presence.gateway.revocation_listener import RevocationListener
from presence.ports import (
    VerifiedList,
)
from presence.pulse import HANGING_STEP, LOOK_AT_PARTS_S, Pulse, beat, resting
from presence.telemetry import (
    ConsentApplied,
    ConsentEntriesRefused,
    ConsentFreshness,
    GatewayPartHangs,
    GatewayStarted,
    IntakeOverflowed,
)

TICK_S: Final = 0.5
"""How often time passes in the engine: a consent ends, a visit ends, at most this much late."""
GO_ON_S: Final = 1.0
"""Until the look that goes on with a long list."""
BATCH: Final = 512
"""Advertisements taken at a time, a few milliseconds of work, before other tasks get their turn."""


class Gateway:
    """One gateway of one store, from its start to its stop."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.intake = Intake(parts.queue_length)
        held = Revocations(parts.revocations.load() if parts.revocations else ())
        self.pipeline = Pipeline(parts.rules, parts.visits, emit=parts.emit, revocations=held)
        self._peering = (
            PeerLink(parts.election, self.pipeline, parts.publisher, parts.clock, emit=parts.emit)
            if parts.election
            else None
        )
        self._relay = Relay(
            self.pipeline, parts.publisher, parts.clock, emit=parts.emit, turns=self._peering
        )
        self.refresh = Refresh()
        """Ask here for a look at the list before its time."""
        self.list_sync = ListSync(
            source=parts.consents,
            clock=parts.clock,
            emit=parts.emit,
            lease_s=parts.lease_s,
            synchronised=parts.synchronised,
        )
        self.revocation_listener = self._revocation_listener(parts)
        self.freshness = Freshness.BOOT
        self.next_step = NEXT_STEP[Freshness.BOOT]
        self._reported: Freshness | None = None
        self._looked = asyncio.Event()
        self._built = asyncio.Event()
        self._overflow_reported = 0
        self.pulse = Pulse()
        self._hanging: set[str] = set()

    def _revocation_listener(self, parts: Parts) -> RevocationListener | None:
        if parts.revocations is None:
            return None
        return RevocationListener(
            parts.list_name,
            parts.notice_keys or KeySet({}),
            self.pipeline,
            store=parts.revocations,
            list_sync=self.list_sync,
            clock=parts.clock,
            refresh=self.refresh.ask,
            emit=parts.emit,
        )

    async def run(self) -> None:
        """Until every source is at its end and the outbox is empty, or until cancelled."""
        parts = self._parts
        if self.revocation_listener is not None and parts.notice_keys is not None:
            await self.revocation_listener.listen(parts.publisher)
        async with asyncio.TaskGroup() as tasks:
            servants = [
                tasks.create_task(self._part("consents", self._keep_consents()), name="consents")
            ]
            await self._first_look()
            self._advance()
            servants += [
                tasks.create_task(self._part("broker", parts.publisher.run()), name="broker"),
                tasks.create_task(self._part("relay", self._relay.run()), name="relay"),
                tasks.create_task(
                    self._part("identifiers", self._keep_identifiers()), name="identifiers"
                ),
                tasks.create_task(self._keep_moving(), name="engine"),
                tasks.create_task(self._part("state", self._keep_state()), name="state"),
            ]
            if self._peering is not None:
                servants.append(
                    tasks.create_task(self._part("peers", self._peering.run()), name="peers")
                )
            if parts.doorbell is not None:
                ringing = self._part("doorbell", parts.doorbell.run(self.intake.hear))
                servants.append(tasks.create_task(ringing, name="doorbell"))
            servants += [
                tasks.create_task(watcher.run(), name="watcher") for watcher in parts.watchers
            ]
            parts.notifier.ready(self.status_line())
            parts.emit(GatewayStarted(version=__version__, freshness=self.freshness))
            await self._built.wait()
            sources = [
                tasks.create_task(self._part("radio", source.run(self.intake.hear)), name="radio")
                for source in parts.sources
            ]
            await asyncio.gather(*sources)
            await self._drain()
            for servant in servants:
                servant.cancel()

    async def _part(self, name: str, work: Coroutine[object, object, None]) -> None:
        with self.pulse.part(name, self._parts.bound_s[name]):
            await work

    async def _first_look(self) -> None:
        """Until it has ended, but not for long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._parts.first_look_s):
                await self._looked.wait()

    def status_line(self) -> str:
        """One line for `systemctl status`, where all may read it: no count that a customer changes
        (R-23).
        """
        progress = self._parts.consents.progress
        fetching = (
            f", fetching: {progress.here} of {progress.of} files are here" if progress else ""
        )
        return f"list {self.freshness}, {self.list_sync.entries} entries{fetching}"

    def state(self) -> dict[str, object]:
        """For the health topic: closed, no person in it (docs/design.md#connection)."""
        return {
            "sw": __version__,
            "freshness": str(self.freshness),
            "list_seq": self.list_sync.seq,
        }

    async def _keep_moving(self) -> None:
        """Advertisements and time go through the engine; each round is the progress that the
        watchdog is fed with, where no other part hangs.
        """
        notifier, clock = self._parts.notifier, self._parts.clock
        look_again_s = tick_again_s = 0.0
        look_every_s = min(LOOK_AT_PARTS_S, notifier.watchdog_s / 2 or LOOK_AT_PARTS_S)
        while True:
            await self.intake.arrived(TICK_S)
            for advertisement in self.intake.take(BATCH):
                self.pipeline.receive(advertisement)
            now_s = clock.now().monotonic_s
            if now_s >= tick_again_s or now_s < tick_again_s - TICK_S:
                tick_again_s = now_s + TICK_S
                self._advance()
            if now_s >= look_again_s or now_s < look_again_s - look_every_s:
                look_again_s = now_s + look_every_s
                if not self._report_hanging() and notifier.watchdog_s:
                    notifier.alive()
            await asyncio.sleep(0)

    def _report_hanging(self) -> bool:
        """Whether a part hangs; each is named once."""
        hanging = self.pulse.hanging()
        for name in hanging.keys() - self._hanging:
            seconds = hanging[name]
            self._parts.emit(GatewayPartHangs(what=name, seconds=seconds, next_step=HANGING_STEP))
        self._hanging = set(hanging)
        return bool(hanging)

    def _advance(self) -> None:
        now = self._parts.clock.now()
        self.pipeline.engine.admissions.trust(self.list_sync.standing(now))
        self.pipeline.advance(now)
        self._relay.advance(now)
        self._parts.publisher.advance(now)
        if self._peering is not None:
            self._peering.advance(now)
        state = self.freshness = self.list_sync.freshness(now)
        self.next_step = self.list_sync.next_step(now)
        if state is not self._reported:
            self._reported = state
            if state is Freshness.DEAD:
                self.pipeline.engine.matcher.forget()
                self._parts.consents.forget_keys()
            self._parts.emit(ConsentFreshness(freshness=state, next_step=self.next_step))
            self._parts.notifier.status(self.status_line())
        if self.intake.dropped > 2 * self._overflow_reported:
            self._overflow_reported = self.intake.dropped
            self._parts.emit(IntakeOverflowed(dropped=self.intake.dropped))

    async def _keep_state(self) -> None:
        """Tell our state at fixed intervals and never on a change: its time would tell what
        happened (R-23, T-16).
        """
        loop = asyncio.get_running_loop()
        next_s = loop.time()
        while True:
            next_s = max(
                next_s + self._parts.state_interval_s, loop.time()
            )  # after a stall once, not all at once
            with resting():
                await asyncio.sleep(next_s - loop.time())
            await self._parts.publisher.publish_state()

    async def _keep_consents(self) -> None:
        """Look from time to time, and when asked; while looks fail, asking makes them no more
        frequent.
        """
        parts = self._parts
        while True:
            beat()
            await self._read_consents()
            self._looked.set()
            parts.notifier.status(self.status_line())
            errors = self.list_sync.errors
            pause_s = parts.pace(errors) if parts.pace else parts.poll_s
            with resting():
                if self.list_sync.unfinished:
                    await asyncio.sleep(GO_ON_S)
                elif errors:
                    await asyncio.sleep(pause_s)
                elif await self.refresh.asked(pause_s):
                    await asyncio.sleep(parts.asked_pace())
            self.refresh.answered()

    async def _keep_identifiers(self) -> None:
        """The tables of a new list, and the next slot's long before it starts; built beside the
        event loop.
        """
        while True:
            beat()
            await self._build_tables()
            self._built.set()
            with resting():
                await asyncio.sleep(TICK_S)

    async def _build_tables(self) -> None:
        matcher = self.pipeline.engine.matcher
        slots, keys = matcher.wanted(self._parts.clock.now().utc_s)
        for slot in slots:
            table = await asyncio.to_thread(build_table, slot, keys)
            matcher.install(table, keys)

    async def _read_consents(self) -> None:
        """Take in a new list where there is one."""
        verified = await self.list_sync.renew()
        if verified is not None:
            now = self._parts.clock.now()
            standing = self.list_sync.standing(now)
            if verified.indexed is None:
                self.pipeline.engine.admissions.trust(standing)
            else:
                self.pipeline.apply(verified.indexed, standing, now)
                self._report_applied(verified)
        if (
            self.revocation_listener is not None
            and not self.list_sync.errors
            and not self.list_sync.unfinished
        ):
            self.revocation_listener.list_polled(verified)

    def _report_applied(self, verified: VerifiedList) -> None:
        emit, header = self._parts.emit, verified.header
        emit(
            ConsentApplied(
                list=header.name,
                seq=header.seq,
                entries=verified.entries,
                digest=verified.digest,
                root_version=verified.root_version,
            )
        )
        if verified.refused:
            emit(
                ConsentEntriesRefused(
                    list=header.name, refused=verified.refused, problems=verified.complaints
                )
            )

    async def _drain(self) -> None:
        """What was heard goes through, what was decided goes out, as long as it may."""
        while len(self.intake):  # noqa: ASYNC110 - a moment at the end of a simulated shop, no event worth its upkeep
            await asyncio.sleep(TICK_S / 10)
        self._advance()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._parts.rules.expiry_s):
                while self.pipeline.outbox.pending.records:  # noqa: ASYNC110 - likewise
                    await asyncio.sleep(TICK_S / 10)
