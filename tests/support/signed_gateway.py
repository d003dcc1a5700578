"""A running gateway (the daemon's own join) whose list is signed and lies in a directory; time and
world are fakes.
"""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from presence.core.consent.freshness import Freshness
from presence.core.timestamps import Moment
from presence.edges.consent_list.repository import TufRepository
from presence.edges.consent_list.segment_files import WindowKeyFiles
from presence.edges.consent_list.signed import SignedList
from presence.edges.consent_list.store import ListStore
from presence.edges.host.clock import SystemClock
from presence.gateway.gateway import Gateway
from presence.ports import OnAdvertisement, VerifiedList
from presence.telemetry import ConsentRefused
from tests.support.builders import approach, rules
from tests.support.fakes import (
    FakeNotifier,
    FakePublisher,
    MemoryStore,
    RecordingTelemetry,
)
from tests.support.joined import joined
from tests.support.signed_lists import LIST, Repository

MAX_SPAN_S = 396 * 86_400


@dataclass
class ShiftedClock:
    """The machine's clocks, moved: `passed_s` both (time went by), `set_s` the wall clock alone."""

    passed_s: float = 0.0
    set_s: float = 0.0

    def now(self) -> Moment:
        now = SystemClock().now()
        return Moment(now.monotonic_s + self.passed_s, now.utc_s + self.passed_s + self.set_s)


class Quiet:
    """A radio that hears nothing."""

    async def run(self, on_advertisement: OnAdvertisement) -> None:
        await asyncio.Event().wait()


@dataclass
class Door:
    """One gateway and what it keeps; `running` starts its daemon on what is there."""

    folder: Path
    repository: Repository
    clock: ShiftedClock = field(default_factory=ShiftedClock)
    synchronised: bool = True
    telemetry: RecordingTelemetry = field(default_factory=RecordingTelemetry)
    notifier: FakeNotifier = field(default_factory=FakeNotifier)
    location: str = ""
    """Of the repository's server, whose authority is in `tls/ca.pem`; empty: its folder."""
    gateway: Gateway = field(init=False)
    publisher: FakePublisher = field(init=False)

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def source(self) -> SignedList:
        tuf = TufRepository(
            self.location or str(self.repository.folder),
            root_file=self.repository.root_file,
            metadata_dir=self.state / "tuf",
            ca_file=self.folder / "tls/ca.pem" if self.location else None,
        )
        return SignedList(
            tuf,
            ListStore(self.state),
            WindowKeyFiles(self.folder / "run"),
            name=LIST,
            max_span_s=MAX_SPAN_S,
        )

    @contextlib.asynccontextmanager
    async def running(
        self, *, looked: bool = True, first_look_s: float = 5.0
    ) -> AsyncIterator["Door"]:
        """`looked`: begins when the first look has ended."""
        source = self.source()
        self.publisher = FakePublisher()
        self.gateway = joined(
            rules=rules(),
            sources=[Quiet()],
            consents=source,
            visits=MemoryStore(),
            publisher=self.publisher,
            clock=self.clock,
            notifier=self.notifier,
            emit=self.telemetry.emit,
            synchronised=lambda: self.synchronised,
            pause_after=lambda errors: 0.01 if errors else 60,
            first_look_s=first_look_s,
        )
        try:
            async with asyncio.TaskGroup() as tasks:
                task = tasks.create_task(self.gateway.run())
                if looked:
                    await self._looked(-1)
                yield self
                task.cancel()
        finally:
            source.close()

    async def is_ready(self) -> None:
        """When systemd was told so."""
        async with asyncio.timeout(10):
            while not any(said.startswith("READY") for said in self.notifier.said):  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    async def look(self) -> "Door":
        """Let the daemon look at its list once more, and time pass through its engine."""
        before = self._looks()
        self.gateway.list_sync.refresh.ask()
        await self._looked(before)
        await asyncio.sleep(0.55)  # a tick of the engine
        await self._knows_them()
        return self

    async def _knows_them(self) -> None:
        """When the tables of the list are built, on a busy machine too."""
        async with asyncio.timeout(10):
            while self.gateway.pipeline.engine.matcher.wanted(self.clock.now().utc_s)[0]:  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    async def somebody_comes_in(self, ref: bytes) -> int:
        """How many events that makes."""
        await self._knows_them()
        before = len(self.publisher.published)
        now = self.clock.now()
        for heard in approach(Moment(now.monotonic_s - 20, now.utc_s - 20), ref=ref):
            self.gateway.intake.hear(heard)
        await asyncio.sleep(0.7)
        return len(self.publisher.published) - before

    @property
    def freshness(self) -> Freshness:
        return self.gateway.list_sync.freshness(self.clock.now())

    @property
    def publishes(self) -> bool:
        return self.gateway.list_sync.standing(self.clock.now()).publishing

    def refusal(self) -> str:
        """Why the last look failed."""
        return self.telemetry.of(ConsentRefused)[-1].reason

    def image(self, name: str) -> Path:
        """A copy of the disk."""
        return Path(shutil.copytree(self.state, self.folder / name, symlinks=True))

    def restore(self, image: Path) -> None:
        shutil.rmtree(self.state)
        shutil.copytree(image, self.state, symlinks=True)

    def _looks(self) -> float:
        list_sync = self.gateway.list_sync
        return list_sync.refusals + (list_sync.last_look.monotonic_s if list_sync.last_look else 0)

    async def _looked(self, before: float) -> None:
        async with asyncio.timeout(20):
            while self._looks() in (before, 0):  # noqa: ASYNC110 - the daemon tells nobody of its looks
                await asyncio.sleep(0.01)


def a_reader(
    folder: Path, location: str, root_file: Path, ca_file: Path | None = None
) -> SignedList:
    """What a gateway reads its list with, in a folder of its own."""
    tuf = TufRepository(location, root_file=root_file, metadata_dir=folder / "tuf", ca_file=ca_file)
    return SignedList(
        tuf, ListStore(folder), WindowKeyFiles(folder / "run"), name=LIST, max_span_s=MAX_SPAN_S
    )


def read(gateway: SignedList) -> VerifiedList:
    verified = gateway.read()
    assert verified is not None
    return verified
