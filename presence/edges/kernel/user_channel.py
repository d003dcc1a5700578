"""Hears advertisements without bluetoothd: the adapter is ours alone, and scans as we say. All of
the time, each advertisement with its own strength and the kernel's time, legacy and extended.

    helper ── a descriptor, its filter locked ──► socket ◄── commands ── core.hci.passive_scan
                                                    │                        ▲ due, answers
                                                    ├── answers, errors ─────┘
                                                    └── reports of ours ──► the engine

What is said to the controller, and when, is decided in presence.core.hci.passive_scan: watchdog,
reset, off and on, and the search for an adapter that is gone. Whether a controller that answers is
deaf, is decided by presence.core.operations.radio_health, as for every radio; in place of a probe
there is the filter's sign of life (presence.core.hci.report_filter), which says of bystanders that
somebody was on air, and nothing else.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final

from presence.config.antennas import FIRST_ADAPTER
from presence.config.settings import HearingPath, RadioMode, Settings
from presence.core.hci.events import MalformedEvent, decode_event
from presence.core.hci.packets import EVENT_PACKET, LE_META
from presence.core.hci.passive_scan import (
    SCAN_PACE,
    CloseChannel,
    Deed,
    OpenChannel,
    PassiveScan,
    Recovers,
    ScanBegan,
    ScanKind,
    ScanPace,
    SendCommand,
)
from presence.core.hci.report_filter import HEARTBEAT_BYTES
from presence.core.hci.reports import AdvertisingReports, Report, ReportCounts
from presence.core.operations.radio_health import Condition, Totals
from presence.core.operations.radio_steps import RecoveryStep
from presence.core.recognition.advertisement import MalformedPayload, advertisement_from_payload
from presence.core.timestamps import Moment
from presence.edges.host.logs import vouch_for
from presence.edges.kernel.channel import EVENT_AT, Channel
from presence.edges.kernel.descriptor import Descriptor, ask
from presence.edges.radio.care import Care, Means
from presence.edges.radio.ledger import Ledger
from presence.errors import RadioError, RadioFault
from presence.ports import Clock, OnAdvertisement
from presence.pulse import beat, resting
from presence.telemetry import Emit, RadioFailed, RadioRecovering, RadioResting, RadioScanning

Ask = Callable[[str], Awaitable[Descriptor]]
"""A descriptor for the adapter of this name; raises RadioError."""


@dataclass(frozen=True, kw_only=True)
class ListeningPace:
    """How often what is looked at; tests are in a hurry."""

    scan: ScanPace = SCAN_PACE
    look_s: float = 3.0
    """Are we open?"""
    health_s: float = 30.0
    """As for every radio: a phone in the shop brings dozens of repeats in this time."""


LISTENING_PACE: Final = ListeningPace()
GONE: Final = frozenset({RadioFault.NO_ADAPTER, RadioFault.BLOCKED})
"""Faults that end when something returns."""
CLOSED: Final = "the shop is closed: nothing is scanned"


@dataclass(frozen=True, slots=True)
class Served:
    """The adapter that is ours now."""

    name: str
    """Today's: `hci0`."""
    address: str


def user_channel_radios(
    settings: Settings, *, clock: Clock, emit: Emit, open_at: Callable[[float], bool]
) -> "list[UserChannelScanner]":
    """One for each adapter of the settings; they heal themselves, and rest while the shop is
    closed.
    """
    means = Means(
        silence_s=settings.radio.silence_min * 60, ledger=Ledger(settings.storage.runtime_dir)
    )
    found = [
        UserChannelScanner(
            partial(ask, "user", ibeacon_prefix=settings.identity.ibeacon_prefix or ""),
            adapter=adapter,
            clock=clock,
            emit=emit,
            means=means,
            coded=settings.radio.le_coded,
            open_at=open_at,
        )
        for adapter in [antenna.adapter for antenna in settings.radio.antennas] or [""]
    ]
    for radio in found:
        if radio.care:
            radio.care.others = [other.care for other in found if other.care and other is not radio]
    return found


class UserChannelScanner:
    """One radio. `heard` advertisements, `started` scans, and `totals` are about no person."""

    mode = RadioMode.PASSIVE
    path = HearingPath.USER_CHANNEL
    path_trouble = ""

    def __init__(
        self,
        ask: Ask,
        *,
        adapter: str,
        clock: Clock,
        emit: Emit,
        means: Means | None = None,
        coded: bool = False,
        open_at: Callable[[float], bool] = lambda _utc_s: True,
        pace: ListeningPace = LISTENING_PACE,
    ) -> None:
        """`adapter` empty: the first. `means` None: nobody cares for it."""
        self.antenna = adapter or FIRST_ADAPTER
        self.serves: Served | None = None
        self.heard = self.started = 0
        self.counts = ReportCounts()
        self.care = Care.of(self.antenna, self._power_cycle, means, clock=clock, emit=emit)
        self._ask = ask
        self._adapter = adapter
        self._clock = clock
        self._emit = emit
        self._open_at = open_at
        self._pace = pace
        self._on_advertisement: OnAdvertisement = lambda _advertisement: None
        self._scan = PassiveScan(coded=coded, pace=pace.scan)
        self._reports = AdvertisingReports(self.counts)
        self._channel: Channel | None = None
        self._closing: Channel | None = None
        """Let go of, and to be closed."""
        self._asked_for = False
        """A descriptor is wanted."""
        self._signs = 0
        """Signs of life of anybody, since the last look for them."""
        self._woken = asyncio.Event()
        self._failure: RadioError | None = None
        """The last, until a scan runs again."""
        self._scanned: tuple[Served, ScanKind] | None = None
        """The last scan that began."""

    @property
    def trouble(self) -> str:
        return self._failure.fault.value if self._failure else ""

    @property
    def condition(self) -> Condition | None:
        return self.care.health.condition if self.care else None

    @property
    def totals(self) -> Totals:
        return self.care.health.totals if self.care else Totals()

    async def run(self, on_advertisement: OnAdvertisement) -> None:
        """Until cancelled. Raises RadioError where only a restart of ourselves is left to try."""
        self._on_advertisement = on_advertisement
        vouch_for(self.antenna)
        while True:
            beat()
            if not self._open():
                await self._rest()
                continue
            failure: RadioError | None = None
            try:
                async with asyncio.TaskGroup() as tasks:
                    caring = tasks.create_task(self._care_for())
                    caring.add_done_callback(lambda _caring: self._woken.set())
                    await self._listen(caring.done)
                    failure = caring.result() if caring.done() else None
                    caring.cancel()
            finally:
                await self._let_go()
            if failure is not None:
                raise failure

    async def listen(self, seconds: float) -> tuple[Served, str, int]:
        """Scan for so long: which adapter, what scan, and how many signs of life came of anybody.
        Raises RadioError.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.run(lambda _heard: None)
        if self._scanned is None:
            raise self._failure or RadioError(
                RadioFault.OTHER, f"no scan began within {seconds:.0f} s"
            )
        served, kind = self._scanned
        return served, kind.value, self._signs

    async def _listen(self, enough: Callable[[], bool]) -> None:
        """Until the shop closes."""
        self._do(self._scan.begin())
        while self._open() and not enough():
            beat()
            await self._close()
            if self._asked_for:
                self._asked_for = False
                await self._open_channel()
            self._woken.clear()
            due_s, now_s = self._scan.due_s, self._now_s()
            wait_s = self._pace.look_s if due_s is None else min(self._pace.look_s, due_s - now_s)
            if wait_s > 0 and self._closing is None and not self._asked_for:
                await self._wake(wait_s)
            self._do(self._scan.advance(self._now_s()))

    async def _wake(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            pass

    async def _open_channel(self) -> None:
        try:
            with resting():
                descriptor = await self._ask(self._adapter)
        except RadioError as error:
            self._failed(error)
            gone = error.fault in GONE
            self._do(self._scan.refused(self._now_s(), gone=gone))
            return
        vouch_for(descriptor.address)
        self.serves = Served(descriptor.hci, descriptor.address)
        self._channel = Channel(descriptor.sock, self._clock, take=self._take, lost=self._lost)
        self._reports = AdvertisingReports(self.counts)
        self._do(self._scan.opened(self._now_s()))

    def _take(self, packet: bytes, at: Moment, now: Moment) -> None:
        if len(packet) == HEARTBEAT_BYTES:
            self._signs += 1
            self._scan.heard(now.monotonic_s)
            return
        if packet[0] != EVENT_PACKET:
            return
        if packet[EVENT_AT] == LE_META:
            reports = self._reports.take(packet, EVENT_AT, len(packet))
            if reports:
                self._signs += 1
                self._scan.heard(now.monotonic_s)
                self._hand_over(reports, at)
            return
        try:
            event = decode_event(packet, EVENT_AT, len(packet))
        except MalformedEvent:
            self.counts.malformed_reports += 1
            return
        if event is not None:
            self._do(self._scan.received(event, now.monotonic_s))

    def _hand_over(self, reports: Sequence[Report], at: Moment) -> None:
        for number, _, rssi_dbm, payload in reports:
            address = number.to_bytes(6, "big")
            try:
                heard = advertisement_from_payload(
                    at, address, rssi_dbm, payload, antenna=self.antenna
                )
            except MalformedPayload:
                self.counts.malformed_payloads += 1
                continue
            # What carries nothing is no sign of life: a broken controller reports such for ever.
            if heard.service_data or heard.manufacturer_data:
                self.heard += 1
                if self.care:
                    self.care.tally.add(address)
            self._on_advertisement(heard)

    def _do(self, deeds: list[Deed]) -> None:
        """What the scan wants done; a socket that fails at it is lost."""
        for deed in deeds:
            if isinstance(deed, SendCommand):
                if self._channel is not None:
                    self._channel.send(deed.packet)
            elif isinstance(deed, OpenChannel):
                self._asked_for = True
            elif isinstance(deed, CloseChannel):
                self._drop()
            elif isinstance(deed, ScanBegan):
                self._began(deed.kind)
            else:
                self._recovers(deed)
        if deeds:
            self._woken.set()

    def _lost(self, reason: str) -> None:
        name = self.serves.name if self.serves else self.antenna
        self._failed(RadioError(RadioFault.NO_ADAPTER, f"{name} went away: {reason}"))
        self._do(self._scan.lost(self._now_s()))

    def _drop(self) -> None:
        """From now on nothing is read; closed it is in `_close`."""
        if self._channel is not None:
            self._channel.leave()
            self._closing, self._channel = self._channel, None
        self.serves = None

    async def _close(self) -> None:
        closing, self._closing = self._closing, None
        if closing is not None:
            with resting():
                await closing.close()

    async def _let_go(self) -> None:
        self._do(self._scan.stop())
        self._asked_for = False
        await self._close()

    async def _care_for(self) -> RadioError:
        """Until only a restart of ourselves is left to try. (A task's error would be a group.)"""
        while True:
            await asyncio.sleep(self._pace.health_s)
            action = await self.care.look(self._heard_anybody) if self.care else None
            if self.care and action:
                try:
                    await self.care.take(action)
                except RadioError as error:
                    return error
                if action.step is RecoveryStep.RESTART_SCAN:
                    self._do(self._scan.restart(self._now_s()))

    async def _heard_anybody(self) -> bool:
        signs, self._signs = self._signs, 0
        return signs > 0

    async def _power_cycle(self) -> str | None:
        self._do(self._scan.cycle(self._now_s()))
        return None

    def _began(self, kind: ScanKind) -> None:
        self.started += 1
        self._failure = None
        if self.serves:
            self._scanned = (self.serves, kind)
        today = self.serves.name if self.serves else None
        self._emit(
            RadioScanning(
                adapter=self.antenna,
                mode=self.mode.value,
                path=self.path.value,
                hci=None if today == self.antenna else today,
                reason=self._scan.falls_short,
            )
        )
        if self.care:
            self.care.listening()

    def _recovers(self, deed: Recovers) -> None:
        if self.care:
            self.care.health.away()
        self._emit(
            RadioRecovering(
                adapter=self.antenna, what=deed.step, reason=deed.reason, attempt=deed.attempt
            )
        )

    def _failed(self, error: RadioError) -> None:
        """Log each kind of fault once, until a scan runs again."""
        if self.care:
            self.care.health.away()
        if self._failure is None or error.fault is not self._failure.fault:
            self._emit(
                RadioFailed(
                    adapter=self.antenna,
                    mode=self.mode.value,
                    reason=error.detail,
                    next_step=error.fault.value,
                )
            )
        self._failure = error

    async def _rest(self) -> None:
        """Until the shop opens."""
        if self.care:
            self.care.health.closed()
        self._emit(RadioResting(adapter=self.antenna, mode=self.mode.value, reason=CLOSED))
        while not self._open():
            with resting():
                await asyncio.sleep(self._pace.look_s)

    def _open(self) -> bool:
        return self._open_at(self._clock.now().utc_s)

    def _now_s(self) -> float:
        return self._clock.now().monotonic_s
