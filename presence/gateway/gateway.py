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
systemd starts us anew. A look at the list that hangs is no such part: it counts as a look that
failed, and the list in force runs on.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Protocol

from presence import __version__
from presence.core.consent.freshness import Freshness
from presence.core.event.election import Election
from presence.core.recognition.slot_table import build_table
from presence.core.timestamps import Moment
from presence.counting import counted
from presence.gateway.antennas import AntennaWatch
from presence.gateway.door_counter import DoorCounter
from presence.gateway.list_sync import ListPauses, ListSync
from presence.gateway.peer_link import PeerLink, SubscribingPublisher
from presence.gateway.pipeline import Intake, Pipeline
from presence.gateway.relay import Relay
from presence.gateway.revocation_listener import RevocationListener
from presence.gateway.satellites import Satellites
from presence.ports import (
    AdvertisementSource,
    Clock,
    DoorbellSource,
    Notifier,
    VerifiedList,
    Watcher,
)
from presence.pulse import BOUND_S, HANGING_STEP, LOOK_AT_PARTS_S, Pulse, beat, resting
from presence.telemetry import (
    ConsentApplied,
    ConsentEntriesRefused,
    ConsentFreshness,
    Emit,
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


class ConnectedPublisher(SubscribingPublisher, Protocol):
    """A publisher with a connection of its own to keep up."""

    async def run(self) -> None: ...
    async def publish_state(self) -> None: ...
    def advance(self, now: Moment) -> None: ...


@dataclass(kw_only=True, eq=False)
class Gateway:
    """One gateway of one store, from its start to its stop; presence.assembly chooses its edges."""

    sources: Sequence[AdvertisementSource]
    pipeline: Pipeline
    list_sync: ListSync
    publisher: ConnectedPublisher
    clock: Clock
    notifier: Notifier
    emit: Emit
    pauses: ListPauses
    intake: Intake = field(default_factory=Intake)
    revocation_listener: RevocationListener | None = None
    bells: Sequence[DoorbellSource] = ()
    satellites: Satellites | None = None
    antennas: AntennaWatch | None = None
    """None: each hears at all times."""
    door_counter: DoorCounter | None = None
    election: Election | None = None
    """None: this gateway speaks to no other."""
    watchers: Sequence[Watcher] = ()
    state_interval_s: float = 60
    first_look_s: float = 5.0
    """How long a start waits for the first look at the list."""
    bound_s: Mapping[str, float] = field(default_factory=lambda: BOUND_S)
    """Part → how long it may go without a sign of progress."""

    def __post_init__(self) -> None:
        self._peers = (
            PeerLink(self.election, self.pipeline, self.publisher, self.clock, emit=self.emit)
            if self.election
            else None
        )
        self._relay = Relay(
            self.pipeline, self.publisher, self.clock, emit=self.emit, turns=self._peers
        )
        self._reported: Freshness | None = None
        self._looked = asyncio.Event()
        self._built = asyncio.Event()
        self._overflow_reported = 0
        self._pulse = Pulse()
        self._hanging: set[str] = set()

    async def run(self) -> None:
        """Until every source is at its end and the outbox is empty, or until cancelled."""
        if self.revocation_listener is not None:
            await self.revocation_listener.listen(self.publisher)
        if self.door_counter is not None:
            await self.door_counter.listen(self.publisher)
        async with asyncio.TaskGroup() as tasks:
            polling = self._part("consents", self._keep_consents)
            services = [tasks.create_task(polling, name="consents")]
            await self._first_look()
            self._advance()
            services += [tasks.create_task(work, name=name) for name, work in self._services()]
            self.notifier.ready(self.status_line())
            self.emit(GatewayStarted(version=__version__, freshness=self._freshness()))
            await self._built.wait()
            hear = self.intake.hear
            sources = [
                tasks.create_task(self._part("radio", partial(source.run, hear)), name="radio")
                for source in self.sources
            ]
            await asyncio.gather(*sources)
            await self._drain()
            for service in services:
                service.cancel()

    def _services(self) -> Iterator[tuple[str, Coroutine[object, object, None]]]:
        """All that runs beside the sources, in the order in which it is started."""
        hear = self.intake.hear
        yield "broker", self._part("broker", self.publisher.run)
        yield "relay", self._part("relay", self._relay.run)
        yield "identifiers", self._part("identifiers", self._keep_identifiers)
        yield "engine", self._keep_moving()
        yield "state", self._part("state", self._keep_state)
        if self._peers is not None:
            yield "peers", self._part("peers", self._peers.run)
        for bell in self.bells:
            yield "doorbell", self._part("doorbell", partial(bell.run, hear))
        if self.satellites is not None:
            yield "satellites", self._part("satellites", partial(self.satellites.run, hear))
        for watcher in self.watchers:
            yield "watcher", watcher.run()

    async def _part(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        await self._pulse.run(name, self.bound_s[name], work)

    async def _first_look(self) -> None:
        """Until it has ended, but not for long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self.first_look_s):
                await self._looked.wait()

    def status_line(self) -> str:
        """One line for `systemctl status`, which all may read: no count that a customer changes
        (R-23).
        """
        progress = self.list_sync.source.progress
        entries = counted(self.list_sync.entries, "entry", "entries")
        fetching = (
            f", fetching: {progress.here} of {progress.of} files are here" if progress else ""
        )
        return f"list {self._freshness()}, {entries}{fetching}"

    def _freshness(self) -> Freshness:
        return self.list_sync.freshness(self.clock.now())

    async def _keep_moving(self) -> None:
        """Move advertisements and time through the engine; feed the watchdog if no part hangs."""
        notifier, clock = self.notifier, self.clock
        look_again_s = tick_again_s = 0.0
        look_every_s = min(LOOK_AT_PARTS_S, notifier.watchdog_s / 2 or LOOK_AT_PARTS_S)
        while True:
            await self.intake.arrived(TICK_S)
            self.pipeline.receive_all(self.intake.take(BATCH))
            now_s = clock.now().monotonic_s
            if now_s >= tick_again_s or now_s < tick_again_s - TICK_S:
                tick_again_s = now_s + TICK_S
                self._advance()
            if now_s >= look_again_s or now_s < look_again_s - look_every_s:
                look_again_s = now_s + look_every_s
                # a part that hangs ends the feeding, however well the engine itself gets on.
                if not self._report_hanging() and notifier.watchdog_s:
                    notifier.alive()

    def _report_hanging(self) -> bool:
        """Whether a part hangs; each is named once."""
        hanging = self._pulse.hanging()
        for name in hanging.keys() - self._hanging:
            seconds = hanging[name]
            self.emit(GatewayPartHangs(what=name, seconds=seconds, next_step=HANGING_STEP))
        self._hanging = set(hanging)
        return bool(hanging)

    def _advance(self) -> None:
        now = self.clock.now()
        self.pipeline.engine.admissions.trust(self.list_sync.standing(now))
        if self.satellites is not None:
            self.satellites.advance(now)
        if self.antennas is not None:
            self.antennas.advance()
        self.pipeline.advance(now)
        self._relay.advance(now)
        self.publisher.advance(now)
        if self._peers is not None:
            self._peers.advance(now)
        if self.door_counter is not None:
            self.door_counter.advance(now)
        state = self.list_sync.freshness(now)
        if state is not self._reported:
            self._reported = state
            # No key of the list can be in use any more: a stolen gateway shall hold none (T-13).
            if state is Freshness.DEAD:
                self.pipeline.engine.matcher.forget()
                self.list_sync.source.forget_keys()
            self.emit(ConsentFreshness(freshness=state, next_step=self.list_sync.next_step(now)))
            self.notifier.status(self.status_line())
        # At each doubling: a flood does not fill the journal.
        if self.intake.dropped > 2 * self._overflow_reported:
            self._overflow_reported = self.intake.dropped
            self.emit(IntakeOverflowed(dropped=self.intake.dropped))

    async def _keep_state(self) -> None:
        """Publish our state at fixed intervals and never on a change: its time would say what
        happened (R-23, T-16).
        """
        loop = asyncio.get_running_loop()
        next_s = loop.time()
        while True:
            # After a stall once, not all that were missed at once.
            next_s = max(next_s + self.state_interval_s, loop.time())
            with resting():
                await asyncio.sleep(next_s - loop.time())
            await self.publisher.publish_state()

    async def _keep_consents(self) -> None:
        """Look from time to time, and when asked; while looks fail, asking does not hasten them."""
        while True:
            beat()
            await self._read_consents()
            self._looked.set()
            self.notifier.status(self.status_line())
            errors = self.list_sync.errors
            pause_s = self.pauses.after(errors)
            with resting():
                if self.list_sync.unfinished:
                    await asyncio.sleep(GO_ON_S)
                elif errors:
                    await asyncio.sleep(pause_s)
                # All gateways of a chain are asked in the same second: each waits its own moment.
                elif await self.list_sync.refresh.asked(pause_s):
                    await asyncio.sleep(self.pauses.when_asked())
            self.list_sync.refresh.answered()

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
        slots, keys = matcher.wanted(self.clock.now().utc_s)
        for slot in slots:
            table = await asyncio.to_thread(build_table, slot, keys, matcher.table(slot))
            matcher.install(table, keys)

    async def _read_consents(self) -> None:
        """Take in a new list where there is one."""
        verified = await self.list_sync.renew()
        if verified is not None:
            now = self.clock.now()
            standing = self.list_sync.standing(now)
            # The same entries under a newer proof: only the lease is another.
            if verified.indexed is None:
                self.pipeline.engine.admissions.trust(standing)
            else:
                self.pipeline.apply(verified.indexed, standing, now)
                self._report_applied(verified)
            self.list_sync.settle()
        # A look that failed, or goes on, says nothing of what plane A has: no miss (list_lag).
        if (
            self.revocation_listener is not None
            and not self.list_sync.errors
            and not self.list_sync.unfinished
        ):
            self.revocation_listener.list_polled(verified)

    def _report_applied(self, verified: VerifiedList) -> None:
        emit, header = self.emit, verified.header
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
            async with asyncio.timeout(self.pipeline.rules.expiry_s):
                while self.pipeline.outbox.pending.records:  # noqa: ASYNC110 - likewise
                    await asyncio.sleep(TICK_S / 10)
