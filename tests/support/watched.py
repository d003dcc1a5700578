"""A gateway of stand-ins that an operator looks at: what is on show follows from what the test does
to its parts.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from presence.core.consent.model import Consent
from presence.core.operations.radio_health import Condition, Totals
from presence.core.operations.snapshot import DoorStanding, SatelliteState, SatelliteStatus
from presence.core.place import Place
from presence.core.recognition.advertisement import Advertisement
from presence.core.recognition.satellite_message import SatelliteRefusal
from presence.core.rules import Rules
from presence.gateway.alarm_counters import AlarmCounters
from presence.gateway.gateway import Gateway
from presence.gateway.monitor import Monitor, MonitorSources
from presence.telemetry import Emit, OperationalEvent
from tests.support import builders
from tests.support.builders import a_list, consent
from tests.support.fakes import (
    FakeClock,
    FakeConsentSource,
    FakeNotifier,
    FakePublisher,
    MemoryStore,
    RecordingTelemetry,
    ScriptedSource,
)
from tests.support.joined import joined


@dataclass
class FakeAdapterNow:
    name: str = "hci3"
    address: str = "00:1A:7D:DA:71:13"


@dataclass
class FakeRadio:
    serves: FakeAdapterNow | None = None
    condition: Condition | None = Condition.QUIET
    totals: Totals = field(default_factory=Totals)
    path: str = "bluez"
    path_trouble: str = ""
    trouble: str = ""


@dataclass
class FakeCounters:
    refused: Counter[int] = field(default_factory=Counter)
    refused_events: Counter[int] = field(default_factory=Counter)
    refused_words: Counter[int] = field(default_factory=Counter)


@dataclass
class FakeBellCounters:
    links: int = 0
    sent_away: int = 0
    outages: int = 0


@dataclass
class FakeBell:
    adapter: str = "hci1"
    trouble: str | None = None
    counters: FakeBellCounters = field(default_factory=FakeBellCounters)


class WatchedPublisher(FakePublisher):
    def __init__(self) -> None:
        super().__init__()
        self.counters = FakeCounters()
        self.trouble: str | None = None
        self.is_connected = True


class Watched:
    """`hears` runs the gateway over these advertisements, to their end; the clock is the test's."""

    def __init__(
        self,
        *,
        armed: bool = True,
        listeners: tuple[Emit, ...] = (),
        rules: Rules | None = None,
        listed: Consent | None = None,
    ) -> None:
        self._rules = rules or builders.rules()
        self._listed = listed or consent()
        self.clock = FakeClock()
        self.telemetry = RecordingTelemetry()
        self.publisher = WatchedPublisher()
        self.radio = FakeRadio()
        self.bells = [FakeBell()]
        self.satellite = SatelliteStatus(
            "pavement", Place.OUTSIDE, SatelliteState.HEARD, 0.0, {SatelliteRefusal.FORGED: 0}
        )
        self.consents = FakeConsentSource()
        self.store = MemoryStore()
        self.free_bytes: int | None = 5_000_000_000
        self.calibration = DoorStanding()
        self.read_only = False
        self.synchronised = True
        self.armed = armed
        self._listeners = listeners
        self.gateway = self._gateway()
        self.watch()

    def watch(self) -> None:
        """Begin to look, as at a start."""
        self.telemetry = RecordingTelemetry()
        alarms = AlarmCounters()
        for subscriber in (alarms.note, *self._listeners):
            self.telemetry.subscribe(subscriber)
        self.monitor = Monitor(
            MonitorSources(
                list_sync=self.gateway.list_sync,
                pipeline=self.gateway.pipeline,
                intake=self.gateway.intake,
                broker=self.publisher,
                radios={"hci0": self.radio},
                clock=self.clock,
                armed=self.armed,
                open_at=lambda _utc_s: True,
                synchronised=lambda: self.synchronised,
                free_bytes=lambda: self.free_bytes,
                calibration=lambda _utc_s: self.calibration,
                read_only=lambda: self.read_only,
                bells=self.bells,
                satellites=lambda _now: (self.satellite,),
            ),
            alarms,
            self.telemetry.emit,
        )

    async def hears(
        self, advertisements: Iterable[Advertisement], *, listed: Sequence[Consent] = ()
    ) -> None:
        self.consents.put(a_list(*(listed or [self._listed])))
        self.gateway = replace(self.gateway, sources=[ScriptedSource(advertisements)])
        await self.gateway.run()

    def pass_s(self, seconds: float) -> None:
        """Time passes, and the gateway notices."""
        self.clock.pass_s(seconds)
        self.gateway._advance()

    def _emit(self, event: OperationalEvent) -> None:
        self.telemetry.emit(event)

    def _gateway(self) -> Gateway:
        return joined(
            rules=self._rules,
            sources=[],
            consents=self.consents,
            visits=self.store,
            publisher=self.publisher,
            clock=self.clock,
            notifier=FakeNotifier(),
            emit=self._emit,
            poll_s=3600,
            queue_length=20_000,
        )
