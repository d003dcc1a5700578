"""How far one thing travels: calls of functions of `presence`, and how many of its files they lie
in.

Engine, SQLite store and relay are the real ones, the broker is a stand-in that takes everything. A
call is each time that a frame of a file of `presence` is entered, so resumed coroutines and
generators count; comprehensions do not, for Python 3.12 makes no frame for them any more.
`hops` is how often the next call lies in another file than the one before. Counts, not times:
they are the same on every machine.
"""

import asyncio
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import presence
from presence.core.recognition.advertisement import Advertisement
from presence.core.recognition.identifiers import SLOT_S
from presence.core.timestamps import Moment
from presence.edges.sqlite.store import RuntimeStore
from presence.gateway.pipeline import Pipeline
from presence.gateway.relay import Relay
from presence.ports import OutgoingMessage
from scripts.benchmarks import subjects
from scripts.benchmarks.figure import Figure

HOUSE = str(Path(presence.__file__).parent)
NO_FRAME = frozenset({"<listcomp>", "<dictcomp>", "<setcomp>"})
START = Moment(subjects.NOW.monotonic_s, subjects.NOW.utc_s // SLOT_S * SLOT_S + 150)
"""Inside one slot, far from its borders."""
LISTED = 100
RSSI_DBM = -55
"""Beside the receiver: everybody enters."""

GOALS = {
    "deciding.calls": 40,
    "deciding.files": 10,
    "inside.calls": 12,
}


@dataclass
class Trip:
    """The calls of one thing's way, in their order."""

    calls: list[str] = field(default_factory=list)

    def note(self, frame: FrameType, event: str, _argument: object) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(HOUSE) and code.co_name not in NO_FRAME:
            name = code.co_filename.removeprefix(HOUSE + "/")
            self.calls.append(f"{name}:{code.co_qualname}")

    @property
    def files(self) -> list[str]:
        return [call.partition(":")[0] for call in self.calls]

    @property
    def hops(self) -> int:
        return sum(one != other for one, other in zip(self.files, self.files[1:], strict=False))


@contextmanager
def traced() -> Iterator[Trip]:
    trip = Trip()
    sys.setprofile(trip.note)
    try:
        yield trip
    finally:
        sys.setprofile(None)


class Clock:
    """Stands still."""

    def __init__(self) -> None:
        self.moment = START

    def now(self) -> Moment:
        return self.moment


class Taker:
    """A broker that takes everything."""

    room = 1

    def __init__(self) -> None:
        self.taken: list[OutgoingMessage] = []

    async def connected(self) -> None:
        return

    async def publish(self, message: OutgoingMessage) -> None:
        self.taken.append(message)


class Shop:
    """The way of an advertisement, from the intake's end to the broker."""

    def __init__(self, store: RuntimeStore) -> None:
        self.clock, self.broker = Clock(), Taker()
        self.pipeline = Pipeline(subjects.rules(), store, emit=lambda _event: None)
        self.pipeline.apply(subjects.consent_list(LISTED), subjects.STANDING, START)
        self.pipeline.engine.matcher.complete(START.utc_s)
        self.relay = Relay(self.pipeline, self.broker, self.clock, emit=lambda _event: None)

    def heard(self, what: Advertisement) -> Trip:
        """One advertisement now; somebody else was heard in the same second before."""
        self.pipeline.receive(subjects.stranger_of_ours(0)._replace(at=self.clock.moment))
        with traced() as trip:
            self.pipeline.receive(what._replace(at=self.clock.moment))
        return trip

    def second(self) -> None:
        self.clock.moment = self.clock.moment.later(1.0)
        self.pipeline.advance(self.clock.moment)

    def walks_in(self) -> tuple[Trip, Trip]:
        """The first advertisement of a customer, and the one that decides."""
        first = trip = self.heard(subjects.customer(1, RSSI_DBM))
        while not self.pipeline.counts["entered"]:
            self.second()
            trip = self.heard(subjects.customer(1, RSSI_DBM))
        return first, trip

    def sends(self) -> Trip:
        """The relay empties the outbox."""
        with asyncio.Runner() as runner, traced() as trip:
            runner.run(self.relay.empty())
        if len(self.broker.taken) != 1:
            raise SystemExit("the benchmark is wrong: one event was to be sent")
        return trip


def trips() -> dict[str, Trip]:
    """By name, in the order of a visit."""
    with (
        tempfile.TemporaryDirectory() as directory,
        closing(RuntimeStore(Path(directory))) as store,
    ):
        shop = Shop(store)
        stranger = shop.heard(subjects.stranger_of_another_format(1))
        first, deciding = shop.walks_in()
        sent = shop.sends()
        shop.second()
        inside = shop.heard(subjects.customer(1, RSSI_DBM))
    return {
        "stranger": stranger,
        "first": first,
        "deciding": deciding,
        "sent": sent,
        "inside": inside,
    }


def figures() -> Iterator[Figure]:
    for name, trip in trips().items():
        values = {"calls": len(trip.calls), "files": len(set(trip.files)), "hops": trip.hops}
        for what, value in values.items():
            yield Figure(f"trace.{name}.{what}", value, what, GOALS.get(f"{name}.{what}"))
