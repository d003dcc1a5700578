"""Hears advertisements on one adapter, until cancelled; comes back by itself after each fault.
Never connects or pairs. All that it says bears the antenna's name of the settings, whatever number
the adapter has today.

    shop closed: rests ──opens──► connects to D-Bus, finds its adapter ──► scans, and looks around
         ▲                              ▲                                    │  every few seconds
         └───────────closes─────────────┼────────────────────────────────────┤
                                        ├─ 3 s ◄─ adapter, bluetoothd or bus ┤
                                        │         gone, or no scan begins    │
                                        └─ a step of recovery (see care) ◄───┘

Outside opening hours nothing is scanned (R-19). A fault that heals is logged once when it begins
and once when we scan again. An adapter that is off is switched on where we care for it, and a
monitor that the kernel refuses gives way to an active scan where the mode is `auto`, until
bluetoothd starts anew. From the moment in which an adapter goes away nothing counts as heard by
it: another stick may take its number at once, and scan for another of our antennas.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Final

from presence.config.antennas import FIRST_ADAPTER
from presence.config.settings import HearingPath, RadioMode
from presence.core.operations.radio_health import Condition, Totals
from presence.core.operations.radio_steps import Action
from presence.core.recognition.advertisement import (
    MalformedPayload,
    advertisement_from_payload,
)
from presence.core.timestamps import Moment
from presence.edges.bluez.bus import NoAnswer
from presence.edges.bluez.choice import Choice, ScanPolicy, choose
from presence.edges.bluez.connection import Adapter, Bluez
from presence.edges.bluez.faults import ERRORS, fault_of, reason_of
from presence.edges.bluez.host import THIS_MACHINE, BluezHost
from presence.edges.bluez.kernel_path import Ask, WayPastDbus, for_nobody
from presence.edges.bluez.pace import PACE, Pace
from presence.edges.bluez.power import Power
from presence.edges.bluez.probe import hears_anybody
from presence.edges.bluez.retries import Retries
from presence.edges.bluez.scans import Scan, Take
from presence.edges.bluez.taking import taker
from presence.edges.host.logs import vouch_for
from presence.edges.radio.care import Care, Means
from presence.edges.radio.tally import Tally
from presence.errors import RadioError, RadioFault
from presence.ports import Clock, OnAdvertisement
from presence.pulse import beat, resting
from presence.telemetry import Emit, RadioFailed, RadioResting, RadioScanning

SILENT_LOOKS: Final = 3
"""bluetoothd may be busy for so many looks, of up to 7 s each: a new scan would add to it."""


class BluezScanner:
    """One radio. `heard` (advertisements), `started` (scans), `condition` and `totals` are for
    metrics and health, about no person. `serves` bears our name, as it was found last; `mode` is as
    the settings want it, and once a scan has begun, as it is.

    `others` are the names of adapters that serve somebody else: never ours, by whatever name.
    """

    def __init__(
        self,
        policy: ScanPolicy,
        *,
        adapter: str,
        others: Collection[str] = (),
        ask: Ask | None = None,
        clock: Clock,
        emit: Emit,
        means: Means | None = None,
        open_at: Callable[[float], bool] = lambda _utc_s: True,
        rest: str = "the shop is closed: nothing is scanned",
        pace: Pace = PACE,
        host: BluezHost = THIS_MACHINE,
    ) -> None:
        """`adapter` empty: the first powered. `ask`: for the way past D-Bus, where that is wanted.
        `means` None: no recovery. `rest`: why it rests.
        """
        self.antenna = adapter or FIRST_ADAPTER
        self.serves: Adapter | None = None
        self.started = 0
        self._past = WayPastDbus(ask, self.antenna, clock=clock, emit=emit)
        self._probe = means.probe if means and means.probe else hears_anybody
        self._power = Power(self.antenna, self._found, means or Means(), clock=clock, emit=emit)
        self.care = Care.of(self.antenna, self._power.cycle, means, clock=clock, emit=emit)
        self._tally = self.care.tally if self.care else Tally()
        self.mode = policy.mode
        self._policy = policy
        self._find = partial(Bluez.adapter, name=adapter, others=tuple(others))
        self._clock = clock
        self._emit = emit
        self._open_at = open_at
        self._rest_reason = rest
        self._pace = pace
        self._host = host
        self._on_advertisement: OnAdvertisement = lambda _advertisement: None
        self._failing: RadioFault | None = None
        self._retries = Retries(pace)
        self.refusal: tuple[str, RadioError] | None = None
        """The bluetoothd (its name on the bus) whose kernel refused our monitor, and its words."""

    @property
    def heard(self) -> int:
        """Advertisements that carried something."""
        return self._tally.total

    @property
    def path(self) -> HearingPath:
        return self._past.path

    @property
    def path_trouble(self) -> str:
        return self._past.trouble

    @property
    def trouble(self) -> str:
        """Which fault keeps us from scanning; empty while a scan runs."""
        return self._failing.value if self._failing else ""

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
            action = None
            try:
                async with self._scanning() as (bluez, adapter, choice):
                    self._began(choice)
                    action = await self._look_around(bluez, adapter, choice.scan)
            except ERRORS as error:
                self._failed(error)
                with resting():
                    await asyncio.sleep(self._retries.wait_s(fault_of(error)))
            if self.care and action:
                await self.care.take(action)

    async def listen(self, seconds: float) -> tuple[int, float | None]:
        """Scan for so long; how many advertisements came, of about how many senders. Raises
        RadioError.
        """
        try:
            async with self._scanning():
                await asyncio.sleep(seconds)
        except ERRORS as error:
            raise RadioError(fault_of(error), reason_of(error)) from error
        return self._tally.take()

    @asynccontextmanager
    async def _scanning(self) -> AsyncIterator[tuple[Bluez, Adapter, Choice]]:
        self.serves = None
        async with self._found() as (bluez, adapter):
            self.serves = adapter
            await bluez.watch(adapter.name)
            if not adapter.powered:
                await self._switch_on(bluez, adapter)
            async with AsyncExitStack() as scans:
                policy, take = await self._listener(bluez, adapter, scans)
                choice = await self._begin(policy, take, bluez, adapter, scans)
                self.mode = choice.mode
                yield bluez, adapter, choice

    @asynccontextmanager
    async def _found(self) -> AsyncIterator[tuple[Bluez, Adapter]]:
        """The adapter that bears our name now. Raises RadioError."""
        connecting = Bluez.connect(self._pace, usb_path_of=self._host.usb_path_of)
        async with connecting as bluez:
            yield bluez, await self._find(bluez)

    async def _switch_on(self, bluez: Bluez, adapter: Adapter) -> None:
        """Raises RadioError where it stays off."""
        # Without care it is not ours to do; and at the first look bluetoothd may be about to do it.
        if self.care is None or self._failing not in (RadioFault.POWERED_OFF, RadioFault.BLOCKED):
            fault = RadioFault.BLOCKED if adapter.blocked else RadioFault.POWERED_OFF
            raise RadioError(fault, f"{adapter.name} is {'blocked' if adapter.blocked else 'off'}")
        await self._power.switch_on(bluez, adapter)

    async def _listener(
        self, bluez: Bluez, adapter: Adapter, scans: AsyncExitStack
    ) -> tuple[ScanPolicy, Take]:
        """What the scan is to match, and who takes that: nobody, where the kernel tells us."""
        if await self._past.begin(adapter.name, scans, partial(self._take_report, bluez.removed)):
            return for_nobody(self._policy), lambda *_heard: None
        return self._policy, self._taker(bluez.removed)

    async def _begin(
        self,
        policy: ScanPolicy,
        take: Take,
        bluez: Bluez,
        adapter: Adapter,
        scans: AsyncExitStack,
    ) -> Choice:
        """A scan that has begun. Raises what `faults.ERRORS` lists."""
        hiding = self.care is not None and self.care.health.condition is Condition.HIDING
        refusal = self.refusal[1] if self.refusal and self.refusal[0] == adapter.owner else None
        choice = await choose(
            policy,
            bluez,
            adapter.name,
            hides_repeats=hiding,
            refusal=refusal,
            pace=self._pace,
            host=self._host,
        )
        try:
            await scans.enter_async_context(choice.scan.on(adapter.name, take))
        except RadioError as error:
            if error.fault is not RadioFault.MONITOR_REFUSED or policy.mode is not RadioMode.AUTO:
                raise
            self.refusal = (adapter.owner, error)
            return await self._begin(policy, take, bluez, adapter, scans)
        return choice

    async def _look_around(self, bluez: Bluez, adapter: Adapter, scan: Scan) -> Action | None:
        """Until the shop closes or a step is called for. Raises RadioError: the scan has ended."""
        if self.care is None:
            await self._watch(bluez, adapter, scan, lambda: False)
            return None
        failure: BaseException | None = None
        async with asyncio.TaskGroup() as tasks:
            caring = tasks.create_task(self._care_for(self.care, adapter.name))
            try:
                await self._watch(bluez, adapter, scan, caring.done)
            except ERRORS as error:  # the group would wrap it
                failure = error
            calls_for = caring.result() if caring.done() else None
            caring.cancel()
        if failure is not None:
            raise failure
        return calls_for

    async def _care_for(self, care: Care, adapter: str) -> Action:
        """Until a step is called for. It has a task: a probe takes seconds, and bluetoothd is
        watched meanwhile.
        """
        while True:
            await asyncio.sleep(self._pace.health_s)
            action = await care.look(partial(self._hears_anybody, adapter))
            if action:
                return action

    async def _hears_anybody(self, adapter: str) -> bool:
        """Raises RadioError."""
        try:
            return await self._probe(adapter, self.mode)
        except ERRORS as error:
            raise RadioError(fault_of(error), reason_of(error)) from error

    async def _watch(
        self, bluez: Bluez, adapter: Adapter, scan: Scan, enough: Callable[[], bool]
    ) -> None:
        stopped, unanswered = False, 0
        while self._open() and not enough():
            beat()
            bluez.changed.clear()
            woken = await self._woken(bluez)
            try:
                now = await self._find(bluez)
            except NoAnswer:  # busy, perhaps: see SILENT_LOOKS
                unanswered += 1
                if unanswered == SILENT_LOOKS:
                    raise
                continue
            unanswered = 0
            # Our scan went with the old one, though its adapter looks the same to us.
            if now.owner != adapter.owner:
                raise RadioError(RadioFault.NO_BLUEZ, "bluetoothd was restarted")
            if bluez.removed:
                raise RadioError(RadioFault.NO_ADAPTER, f"{adapter} went away")
            if (now.name, now.address) != (adapter.name, adapter.address):
                raise RadioError(RadioFault.NO_ADAPTER, f"it was {adapter}, and is {now} now")
            if not now.powered:
                raise RadioError(RadioFault.POWERED_OFF, f"{adapter.name} is off")
            if scan.lost:
                raise RadioError(
                    RadioFault.OTHER, f"bluetoothd let go of the monitor on {adapter.name}"
                )
            still = scan.shows_discovering and not now.discovering
            if still and stopped and not woken:
                raise RadioError(RadioFault.OTHER, f"the scan on {adapter.name} has ended")
            stopped = still

    async def _woken(self, bluez: Bluez) -> bool:
        """Wait for a signal, but not for long; whether there was one."""
        try:
            async with asyncio.timeout(self._pace.look_s):
                await bluez.changed.wait()
        except TimeoutError:
            return False
        return True

    def _open(self) -> bool:
        return self._open_at(self._clock.now().utc_s)

    async def _rest(self) -> None:
        """Until the shop opens."""
        if self.care:
            self.care.health.closed()
        reason = self._rest_reason
        self._emit(RadioResting(adapter=self.antenna, mode=self.mode.value, reason=reason))
        while not self._open():
            with resting():
                await asyncio.sleep(self._pace.look_s)

    def _began(self, choice: Choice) -> None:
        self.started += 1
        self._failing = None
        self._retries.began()
        reasons = [f"not passive: {choice.hindrance.detail}"] if choice.hindrance else []
        if choice.exposure:
            reasons.append(f"bystanders reach this process and are dropped here: {choice.exposure}")
        reason = "; ".join(reasons) or None
        today = self.serves.name if self.serves else None
        self._emit(
            RadioScanning(
                adapter=self.antenna,
                mode=self.mode.value,
                path=self.path.value,
                hci=None if today == self.antenna else today,
                reason=reason,
            )
        )
        if self.care:
            self.care.listening()

    def _failed(self, error: BaseException) -> None:
        """Log each kind of fault once, until a scan runs again."""
        if self.care:
            self.care.health.away()
        fault = fault_of(error)
        if fault is not self._failing:
            self._emit(
                RadioFailed(
                    adapter=self.antenna,
                    mode=self.mode.value,
                    reason=reason_of(error),
                    next_step=fault.value,
                )
            )
        self._failing = fault

    def _taker(self, removed: Collection[str]) -> Take:
        return taker(
            self._policy,
            self._tally,
            self._on_advertisement,
            clock=self._clock,
            antenna=self.antenna,
            removed=removed,
        )

    def _take_report(
        self,
        removed: Collection[str],
        at: Moment,
        address: bytes,
        rssi_dbm: int,
        payload: bytes,
    ) -> None:
        """The same from the kernel, whose filter has left bystanders out."""
        if removed:
            return
        try:
            heard = advertisement_from_payload(at, address, rssi_dbm, payload, antenna=self.antenna)
        except MalformedPayload:  # of a bystander, in one event with a report of ours
            return
        if heard.service_data or heard.manufacturer_data:
            self._tally.add(address)
        self._on_advertisement(heard)
