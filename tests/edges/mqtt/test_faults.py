"""A connection to a real broker that breaks at any byte of its answers costs no event, and doubles
none but by id.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import paho.mqtt.client as paho
import pytest

from presence.core.consent.gate import Denied
from presence.core.event.cloudevent import EventType
from presence.core.event.outbox import Outbox, Outgoing
from presence.core.timestamps import Moment
from presence.edges.host.clock import SystemClock
from presence.edges.mqtt.publisher import MqttPublisher
from presence.gateway.relay import Relay
from presence.ports import OutgoingMessage
from tests.support.brokers import listener, mosquitto, needs_mosquitto
from tests.support.builders import moment
from tests.support.fakes import RecordingTelemetry
from tests.support.fault_proxy import Fault, FaultProxy, Kind, fault_proxy
from tests.support.mqtt_parts import EVENTS, message, new_publisher

pytestmark = needs_mosquitto

KINDS = [Kind.CUT, Kind.RESET, Kind.HALF_CLOSE, Kind.STALL, Kind.DRIP]
IMPATIENT = {"acknowledge_timeout_s": 1}
EVERY = 4
"""So many bytes from one place to the next among the quick tests."""
EACH = 3
"""Events of one trial."""


class Source:
    """Three events that wait, until the broker has acknowledged them."""

    def __init__(self, trial: int) -> None:
        self._trial = trial
        self._numbers = {f"{trial}-{number}": number for number in range(EACH)}
        expires_s = SystemClock().now().monotonic_s + 120
        self.outbox = Outbox([self._outgoing(key, expires_s) for key in self._numbers])
        self.emptied = asyncio.Event()
        self.queued = asyncio.Event()

    def release(
        self, outgoings: Sequence[Outgoing], now: Moment
    ) -> list[OutgoingMessage | Denied | None]:
        first = self._trial * EACH
        return [message(first + self._numbers[each.id], event_id=each.id) for each in outgoings]

    def acknowledge(self, *outgoings: Outgoing, published: bool) -> None:
        assert published
        for outgoing in outgoings:
            self.outbox.pending.pop(outgoing.id)
        if not self.outbox.pending.records:
            self.emptied.set()

    @staticmethod
    def _outgoing(key: str, expires_s: float) -> Outgoing:
        return Outgoing(
            id=key,
            type=EventType.ENTERED,
            audience="offers-main",
            ref=key.encode().ljust(8),
            subject="",
            occurred_at=moment(),
            expires_s=expires_s,
        )


@dataclass
class Wire:
    proxy: FaultProxy
    heard: "asyncio.Queue[paho.MQTTMessage]"
    trials: int = 0
    words: dict[str, bytes] = field(default_factory=dict)
    """Every event that the broker was ever given, by its id."""

    async def carries(self, fault: Fault | None) -> int:
        """The events of one gateway, each there; how many bytes the broker said at least."""
        self.trials += 1
        self.proxy.fault = fault
        source, publisher = Source(self.trials), self.publisher()
        relay = Relay(source, publisher, SystemClock(), emit=RecordingTelemetry().emit)
        async with asyncio.TaskGroup() as tasks:
            servants = [tasks.create_task(publisher.run()), tasks.create_task(relay.run())]
            async with asyncio.timeout(20):
                await source.emptied.wait()
            for servant in servants:
                servant.cancel()
        said = self.proxy.passed
        await self._takes_stock()
        return said

    def publisher(self) -> MqttPublisher:
        return new_publisher(self.proxy.port, **IMPATIENT)

    async def _takes_stock(self) -> None:
        """Every event of this trial is at the broker; a copy, however late, has the id and the
        words of the first.
        """
        wanted = {f"{self.trials}-{number}" for number in range(EACH)}
        async with asyncio.timeout(10):
            while wanted - self.words.keys() or not self.heard.empty():
                heard = await self.heard.get()
                key = dict(heard.properties.UserProperty)["id"] if heard.properties else ""
                assert self.words.setdefault(key, heard.payload) == heard.payload
        assert self.words.keys() == {
            f"{trial}-{n}" for trial in range(1, self.trials + 1) for n in range(EACH)
        }


@contextlib.asynccontextmanager
async def a_wire(folder: Path) -> AsyncIterator[Wire]:
    async with (
        mosquitto(folder) as broker,
        listener(broker.port, EVENTS) as heard,
        fault_proxy(broker.port) as proxy,
    ):
        yield Wire(proxy, heard)


async def tried(folder: Path, kind: Kind, places: Callable[[int], Iterable[int]]) -> Wire:
    """`places`: where the line breaks, of so many bytes."""
    async with a_wire(folder) as wire:
        length = await wire.carries(None)
        assert length > 20
        for at in places(length):
            await wire.carries(Fault(kind, at, once=True))
        assert wire.proxy.struck > 0
        return wire


@pytest.mark.requirement("R-50", "R-52")
@pytest.mark.parametrize("kind", KINDS)
async def test_a_connection_that_breaks_in_the_brokers_answer_costs_no_event(
    tmp_path: Path, kind: Kind
) -> None:
    every = 7 if kind in (Kind.STALL, Kind.HALF_CLOSE) else EVERY
    wire = await tried(tmp_path, kind, lambda length: range(0, length, every))
    assert len(wire.words) == wire.trials * EACH


@pytest.mark.slow
@pytest.mark.requirement("R-50", "R-52")
@pytest.mark.parametrize(
    "kind", [Kind.CUT, Kind.RESET, Kind.DRIP]
)  # the others wait for a second each
async def test_a_connection_that_breaks_at_any_byte_of_the_brokers_answers_costs_no_event(
    tmp_path: Path, kind: Kind
) -> None:
    """At those that are left."""
    await tried(tmp_path, kind, lambda length: [at for at in range(length) if at % EVERY])
