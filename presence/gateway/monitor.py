"""Looks at a running gateway for the operator: the one place where a Snapshot is made.

It counts what the parts emit, and looks at fixed intervals, so that metrics and `presence
status` say the same.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from presence import __version__
from presence.core.operations.entry_report import CounterReport, EntryReporter
from presence.core.operations.hourly import (
    ENTRIES_STEP,
    HourlyCounts,
    HourlyLevels,
    HourlyPersons,
    rounded,
)
from presence.core.operations.radio_health import Condition, Totals
from presence.core.operations.snapshot import (
    HOURLY,
    RINGS,
    RINGS_STEP,
    STATE_OF,
    BellState,
    DoorbellState,
    DoorStanding,
    Radio,
    RadioState,
    SatelliteStatus,
    Snapshot,
)
from presence.core.place import Place
from presence.core.recognition.doubt import Doubt
from presence.core.timestamps import Moment
from presence.core.visit.crossings import CounterRefusal
from presence.errors import ClockUnreadable
from presence.gateway.alarm_counters import AlarmCounters
from presence.gateway.list_sync import ListSync
from presence.gateway.pipeline import Intake, Pipeline
from presence.ports import Clock
from presence.telemetry import REVOKED, ClockJumped, Emit

LOOK_S: Final = 15.0
JUMP_S: Final = 5.0
"""The wall clock is disciplined by slewing: a step of seconds is somebody's doing, or the first
synchronisation.
"""
BAD: Final = frozenset({RadioState.AWAY, RadioState.DEAF, RadioState.HIDING, RadioState.SPENT})


class WatchedAdapter(Protocol):
    """What serves a radio today (edges.bluez.connection.Adapter)."""

    @property
    def name(self) -> str: ...
    @property
    def address(self) -> str: ...


class WatchedRadio(Protocol):
    """A radio that knows how it does (edges.bluez.BluezScanner)."""

    @property
    def serves(self) -> WatchedAdapter | None: ...
    @property
    def condition(self) -> Condition | None: ...
    @property
    def totals(self) -> Totals: ...
    @property
    def path(self) -> str: ...
    @property
    def path_trouble(self) -> str: ...
    @property
    def trouble(self) -> str: ...


class DoorbellCounts(Protocol):
    links: int
    sent_away: int
    outages: int


class WatchedBell(Protocol):
    """A bell that knows how it does (presence.edges.bluez.gatt)."""

    trouble: str | None

    @property
    def adapter(self) -> str: ...
    @property
    def counters(self) -> DoorbellCounts: ...


class BrokerCounters(Protocol):
    refused: Counter[int]
    refused_events: Counter[int]
    refused_words: Counter[int]


class WatchedBroker(Protocol):
    """A publisher that knows how it does (edges.mqtt.MqttPublisher)."""

    @property
    def trouble(self) -> str | None: ...
    @property
    def counters(self) -> BrokerCounters: ...
    @property
    def is_connected(self) -> bool: ...


@dataclass(frozen=True, kw_only=True)
class MonitorSources:
    """Where to look."""

    list_sync: ListSync
    pipeline: Pipeline
    intake: Intake
    broker: WatchedBroker
    radios: Mapping[str, WatchedRadio]
    """By the name of the settings, `hci0` or `default`: the label, so that series do not change."""
    clock: Clock
    armed: bool
    open_at: Callable[[float], bool]
    synchronised: Callable[[], bool]
    free_bytes: Callable[[], int | None]
    calibration: Callable[[float], DoorStanding]
    read_only: Callable[[], bool]
    bells: Sequence[WatchedBell] = ()
    """None: it is off."""
    refused_crossings: Mapping[CounterRefusal, int] = field(default_factory=dict)
    """Messages of the people counter without effect, as they are counted."""
    satellites: Callable[[Moment], tuple[SatelliteStatus, ...]] = lambda _now: ()


class Monitor:
    """`look` says how the gateway does, with what was counted of its telemetry."""

    def __init__(self, sources: MonitorSources, alarms: AlarmCounters, emit: Emit) -> None:
        self._sources = sources
        self._alarms = alarms
        self._emit = emit
        self._people = HourlyPersons()
        self._rings = HourlyCounts(RINGS_STEP)
        self._revocations = HourlyCounts()
        self._refused_crossings = HourlyCounts()
        self._entries = EntryReporter()
        self._outbox = HourlyLevels()
        self._well_at_s: dict[str, float] = {}
        self._last: Moment | None = None
        self._started = sources.clock.now()

    async def run(self) -> None:
        while True:
            self._watch_clock()
            self.look()
            await asyncio.sleep(LOOK_S)

    def look(self) -> Snapshot:
        sources, now = self._sources, self._sources.clock.now()
        list_sync, pipeline, broker = sources.list_sync, sources.pipeline, sources.broker
        lease = list_sync.lease
        clock_synchronised, clock_trouble = self._clock()
        people = self._people.release(pipeline.engine.counts.persons.take, now)
        return Snapshot(
            at=now,
            version=__version__,
            started_utc_s=self._started.utc_s,
            armed=sources.armed,
            open=sources.open_at(now.utc_s),
            freshness=list_sync.freshness(now),
            next_step=list_sync.next_step(now),
            list_seq=list_sync.seq,
            list_entries=rounded(list_sync.entries, ENTRIES_STEP),
            list_age_s=list_sync.age_s(now),
            list_proven_utc_s=lease.proven_at.utc_s if lease else None,
            key_window_end_utc_s=pipeline.engine.matcher.keys_end_s() if lease else None,
            refreshes=self._refreshes(now),
            radios=tuple(self._radio(label, radio, now) for label, radio in sources.radios.items()),
            satellites=sources.satellites(now),
            doorbell=self._doorbell(people, now),
            broker_connected=broker.is_connected,
            broker_trouble=broker.trouble or "",
            broker_codes=self._broker_codes(people),
            unheard={a.name: a.name in self._people.unheard for a in pipeline.rules.audiences},
            hourly={count: people.get(count, 0) for count in HOURLY},
            held_back={why: people.get(f"held_back.{why}", 0) for why in Doubt},
            outbox=self._outbox.release(len(pipeline.outbox.pending.refs()), now),
            overflowed=sources.intake.dropped,
            clock_synchronised=clock_synchronised,
            clock_trouble=clock_trouble,
            disk_free_bytes=sources.free_bytes(),
            entry=self._entries.report(pipeline.engine.figures, self._counter(now)),
            calibration=sources.calibration(now.utc_s),
            state_read_only=sources.read_only(),
            storage_failing=self._alarms.storage_failing,
            alarms=dict(self._alarms.alarms),
        )

    def _clock(self) -> tuple[bool, str]:
        """Whether it is synchronised; and why nobody knows, where nobody does."""
        try:
            return self._sources.synchronised(), ""
        except ClockUnreadable as error:
            return False, str(error)

    def _refreshes(self, now: Moment) -> dict[str, int]:
        """A revocation that is obeyed is a customer's act: it is published by the hour, a refused
        one at once.
        """
        refreshes = {REVOKED: 0, **self._alarms.refreshes}
        return refreshes | self._revocations.release({REVOKED: refreshes[REVOKED]}, now)

    def _broker_codes(self, people: Mapping[str, int]) -> dict[int, int]:
        """Refused events follow customers: we count whose they were, by the hour, and publish the
        rest at once.

        Messages among gateways follow customers, too, and name nobody to count: they are left out.
        """
        counters = self._sources.broker.counters
        codes = counters.refused - counters.refused_events - counters.refused_words
        hourly = {int(count.partition(".")[2]) for count in people if count.startswith("refused.")}
        return {code: codes[code] + people.get(f"refused.{code}", 0) for code in {*codes, *hourly}}

    def _radio(self, label: str, radio: WatchedRadio, now: Moment) -> Radio:
        condition = radio.condition
        state = STATE_OF[condition] if condition else RadioState.LISTENING
        if not self._sources.armed:
            state = RadioState.RESTING
        if state not in BAD:
            self._well_at_s[label] = now.monotonic_s
        gap_s = now.monotonic_s - self._well_at_s.setdefault(label, self._started.monotonic_s)
        adapter = radio.serves
        return Radio(
            label,
            state,
            gap_s,
            dict(radio.totals.steps),
            place=self._sources.pipeline.rules.places.get(label, Place.INSIDE),
            hci=adapter.name if adapter else "",
            address=adapter.address if adapter else "",
            path=radio.path if adapter else "",
            path_trouble=radio.path_trouble,
            trouble=radio.trouble,
        )

    def _doorbell(self, people: Mapping[str, int], now: Moment) -> DoorbellState | None:
        """A visitor at the door may be a customer: all but the outages is published by the hour."""
        bells = self._sources.bells
        if not bells:
            return None
        unanswered = self._sources.pipeline.engine.counts.unanswered
        totals = dict.fromkeys(RINGS, 0) | {
            "links": sum(bell.counters.links for bell in bells),
            "sent_away": sum(bell.counters.sent_away for bell in bells),
        }
        totals |= {reason.value: count for reason, count in unanswered.items()}
        hourly = self._rings.release(totals, now) | {"accepted": people.get("accepted", 0)}
        states = (BellState(b.adapter, b.trouble or "", b.counters.outages) for b in bells)
        return DoorbellState(tuple(states), hourly)

    def _counter(self, now: Moment) -> CounterReport | None:
        """A message that is refused may follow somebody who crossed: they are told by the hour."""
        crossings = self._sources.pipeline.engine.figures.crossings
        if crossings is None:
            return None
        refused = self._sources.refused_crossings
        totals = {why.value: refused.get(why, 0) for why in CounterRefusal}
        hourly = self._refused_crossings.release(totals, now)
        return CounterReport(
            alive=crossings.is_alive(now.utc_s),
            refused={CounterRefusal(why): count for why, count in hourly.items()},
        )

    def _watch_clock(self) -> None:
        now, last = self._sources.clock.now(), self._last
        self._last = now
        if last is None:
            return
        jumped_s = (now.utc_s - last.utc_s) - (now.monotonic_s - last.monotonic_s)
        if abs(jumped_s) > JUMP_S:
            next_step = (
                "`timedatectl`: after a start without a clock this is normal, otherwise "
                "ask who set it"
            )
            self._emit(ClockJumped(seconds=round(jumped_s), next_step=next_step))
