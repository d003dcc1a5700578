"""One gateway of the shop as the machine drives it: the daemon's own parts, real stores, a clock
and broker that obey.

Advertisements are of real identifiers, the list is read from the publisher's folder, revocations
arrive as signed bytes.
"""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Final

from presence.core.consent.jws import KeySet
from presence.core.consent.model import Audience, Purpose
from presence.core.consent.revocations import Revocations
from presence.core.event.cloudevent import EventType
from presence.core.event.outbox import Announcement
from presence.core.recognition.advertisement import Advertisement, advertisement_from_payload
from presence.core.recognition.beacons import eddystone
from presence.core.recognition.identifiers import ephemeral_identifier, slot_at
from presence.core.timestamps import Moment
from presence.edges.consent_list.repository import TufRepository
from presence.edges.consent_list.segment_files import WindowKeyFiles
from presence.edges.consent_list.signed import SignedList
from presence.edges.consent_list.store import ListStore
from presence.edges.sqlite.revocations import SqliteRevocationStore
from presence.edges.sqlite.store import RuntimeStore
from presence.gateway.list_sync import ListSync
from presence.gateway.relay import Relay
from presence.gateway.revocation_listener import RevocationListener
from presence.ports import OutgoingMessage
from presence.simulation.identity_keys import window_key
from tests.checker.chain import LIST
from tests.checker.judge import LEASE_S, Judge
from tests.checker.wills import CAMPAIGNS, PURPOSE_OF
from tests.support.builders import rules
from tests.support.fakes import FakeClock, FakePublisher, RecordingTelemetry
from tests.support.small import SmallPipeline

OUTBOX: Final = 4
"""So short that it fills."""
AUDIENCES: Final = tuple(
    Audience(name, Purpose(purpose), CAMPAIGNS if purpose == "offers" else frozenset())
    for name, purpose in PURPOSE_OF.items()
)
MAX_SPAN_S: Final = 396 * 86_400


class Broker(FakePublisher):
    """Hands everything that it takes to the judge, at the moment at which it was released."""

    def __init__(self, judge: Judge) -> None:
        super().__init__()
        self._judge = judge
        self.up = True

    @property
    def is_steady(self) -> bool:
        """Up, and about to take the next message."""
        return self.up and not self._failures

    async def publish(self, message: OutgoingMessage) -> None:
        self._judge.handed_over.add(message.event_id)
        await super().publish(message)

    def _take(self, message: OutgoingMessage) -> None:
        super()._take(message)
        self._judge.of(message)


class Shop:
    """`start` and `stop` may be called again and again; what lies on the disk stays."""

    def __init__(self, folder: Path, judge: Judge, now_s: float) -> None:
        self._folder = folder
        self._judge = judge
        self.clock = FakeClock(Moment(5000.0, now_s))
        self.telemetry = RecordingTelemetry()
        self.off_s = 0.0
        """How far somebody set the wall clock off."""
        self.broker = Broker(judge)
        self._runner = asyncio.Runner()
        self.start()

    def start(self) -> None:
        state, run = self._folder / "state", self._folder / "run"
        for each in (state, run):
            each.mkdir(exist_ok=True)
        tuf = TufRepository(
            str(self._folder / "repository"),
            root_file=self._folder / "root.json",
            metadata_dir=state / "tuf",
        )
        self._source = SignedList(
            tuf, ListStore(state), WindowKeyFiles(run), name=LIST, max_span_s=MAX_SPAN_S
        )
        self._visits = RuntimeStore(run)
        self._withdrawn = SqliteRevocationStore(state)
        self.list_sync = ListSync(
            source=self._source,
            clock=self.clock,
            emit=self.telemetry.emit,
            lease_s=LEASE_S,
            synchronised=lambda: True,
        )
        self.pipeline = SmallPipeline(
            rules(audiences=AUDIENCES, outbox_length=OUTBOX),
            self._visits,
            emit=self.telemetry.emit,
            revocations=Revocations(self._withdrawn.load()),
        )
        self.listener = RevocationListener(
            LIST,
            KeySet({}),
            self.pipeline,
            store=self._withdrawn,
            list_sync=self.list_sync,
            clock=self.clock,
            emit=self.telemetry.emit,
        )
        self.relay = Relay(
            self.pipeline, self.broker, self.clock, emit=self.telemetry.emit, chance=lambda: 0.5
        )

    def kill(self) -> None:
        """The process is gone; what was committed is there."""
        for each in (self._visits, self._withdrawn, self._source):
            each.close()

    def close(self) -> None:
        self.kill()
        self._runner.close()

    def look(self) -> bool:
        """Look at the list; whether there is a proven one in force that is the publisher's
        newest.
        """
        return self._runner.run(self._look())

    def tick(self) -> None:
        """As the daemon's loop: time goes through the engine, then the relay sends."""
        now = self.clock.now()
        self._judge.now_s = self.true_s
        self.pipeline.engine.admissions.trust(self.list_sync.standing(now))
        self.pipeline.advance(now)
        self.send()

    def send(self) -> None:
        if self.broker.up:
            with suppress(TimeoutError):
                self._runner.run(self._send())

    def pass_s(self, seconds: float, *, step_s: float = 20.0) -> None:
        while seconds > 0:
            some_s = min(step_s, seconds)
            seconds -= some_s
            self.clock.pass_s(some_s)
            self.tick()

    def hear_revocation(self, revocation: bytes) -> None:
        self.listener.hear_revocation("", revocation, False)

    def walks_in(self, identity_key: bytes) -> None:
        """Eight advertisements, one a second: `DoorRule` lets whoever is recognised in by the
        last.
        """
        for _ in range(8):
            self.clock.pass_s(1)
            self._judge.now_s = self.true_s
            self.pipeline.receive(_advertisement(identity_key, self.clock.now(), self.true_s))
        self.tick()

    def set_clock(self, off_s: float) -> None:
        """Somebody sets the wall clock of the gateway, so far off the truth."""
        self.clock.set_wall_clock(self.true_s + off_s)
        self.off_s = off_s

    @property
    def true_s(self) -> float:
        return self.clock.now().utc_s - self.off_s

    @property
    def publishes(self) -> bool:
        return self.list_sync.standing(self.clock.now()).publishing

    async def _look(self) -> bool:
        before = self.list_sync.refusals
        verified = await self.list_sync.renew()
        now = self.clock.now()
        if verified is not None:
            standing = self.list_sync.standing(now)
            if verified.indexed is None:
                self.pipeline.engine.admissions.trust(standing)
            else:
                self.pipeline.apply(verified.indexed, standing, now)
        if self.list_sync.refusals == before:
            self.listener.list_polled(verified)
        return self.list_sync.refusals == before and self.list_sync.lease is not None

    async def _send(self) -> None:
        async with asyncio.timeout(5):
            for _ in range(3):  # a refusal or a lost connection leaves the rest for the next time
                if await self.relay.empty():
                    return

    def a_peer_tells(self) -> Announcement | None:
        """Another gateway told the first `entered` that waits; what is announced by it, if the gate
        here agrees.
        """
        waiting = [each for each in self.pipeline.outbox.pending if each.type is EventType.ENTERED]
        if not waiting:
            return None
        self.pipeline.adopt(waiting[0], waiting[0].id, self.clock.now())
        return next(
            (
                each
                for each, _ in self.pipeline.engine.announced_visits()
                if each.event_id == waiting[0].id
            ),
            None,
        )

    @property
    def is_waiting(self) -> bool:
        """Whether anything is in the outbox."""
        return bool(tuple(self.pipeline.outbox.pending))


def _advertisement(identity_key: bytes, at: Moment, true_s: float) -> Advertisement:
    eid = ephemeral_identifier(window_key(identity_key, true_s), slot_at(true_s))
    payload = eddystone.payload(eid, tx_power_dbm=-18)
    return advertisement_from_payload(
        at, b"\x4a" + identity_key[:5], 0, payload, antenna="hci0"
    )._replace(rssi_dbm=-60)
