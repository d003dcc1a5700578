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
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Final

from presence.config.antennas import FIRST_ADAPTER
from presence.config.settings import RadioMode
from presence.core.operations.radio_health import Condition, Totals
from presence.core.operations.radio_steps import Action
from presence.core.recognition.advertisement import Advertisement, plausible_rssi_dbm
from presence.edges.bluez.bus import NoAnswer
from presence.edges.bluez.care import Care, Means
from presence.edges.bluez.choice import Choice, ScanPolicy, choose
from presence.edges.bluez.connection import Adapter, Bluez
from presence.edges.bluez.faults import ERRORS, fault_of, reason_of
from presence.edges.bluez.host import THIS_MACHINE, BluezHost
from presence.edges.bluez.pace import PACE, Pace
from presence.edges.bluez.scans import Scan, Take
from presence.edges.bluez.tally import Tally
from presence.edges.host.clock import BatchClock
from presence.edges.host.logs import vouch_for
from presence.errors import RadioError, RadioFault
from presence.ports import Clock, OnAdvertisement
from presence.pulse import beat, resting
from presence.telemetry import Emit, RadioFailed, RadioResting, RadioScanning

GOING_DBM: Final = -127
"""What bleak says where BlueZ took the RSSI back: the device is going, and nothing was heard."""
new: Final = tuple.__new__
"""Of a NamedTuple: half the time of a call of its class."""

GONE: Final = frozenset(
    {RadioFault.NO_BLUEZ, RadioFault.NO_ADAPTER, RadioFault.POWERED_OFF, RadioFault.BLOCKED}
)
"""Faults that end when something returns: looked for at one pace, so that R-61 holds."""
MAX_RETRY_S: Final = 12.0
"""All other faults: twice as long from one attempt to the next, and R-61 holds still."""
SILENT_LOOKS: Final = 3
"""bluetoothd may be busy for so many looks, of up to 7 s each: a new scan would add to it."""


class BluezScanner:
    """One radio. `heard`, `condition` and `totals` are for metrics and health, about no person.

    `others` are the names of adapters that serve somebody else: never ours, by whatever name.
    """

    def __init__(
        self,
        policy: ScanPolicy,
        *,
        adapter: str,
        others: Collection[str] = (),
        clock: Clock,
        emit: Emit,
        means: Means | None = None,
        open_at: Callable[[float], bool] = lambda _utc_s: True,
        rest: str = "the shop is closed: nothing is scanned",
        pace: Pace = PACE,
        host: BluezHost = THIS_MACHINE,
    ) -> None:
        """`adapter` empty: the first powered. `means` None: no recovery. `rest`: why it rests."""
        self.antenna = adapter or FIRST_ADAPTER
        self.serves: Adapter | None = None
        """That bears this name, as it was found last."""
        self.started = 0
        """Scans that began."""
        self.care = None if means is None else self._care(means, clock, emit)
        self._tally = self.care.tally if self.care else Tally()
        self.mode = policy.mode
        """As the settings want it, and once a scan has begun, as it is."""
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
        self._refused = 0
        """Scans that could not begin or did not last, in a row, though all is there."""
        self._began_s: float | None = None
        """When the scan began that runs now, or that has just ended."""
        self.refusal: tuple[str, RadioError] | None = None
        """The bluetoothd (its name on the bus) whose kernel refused our monitor, and its words."""

    @property
    def heard(self) -> int:
        """Advertisements that carried something."""
        return self._tally.total

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
                    await asyncio.sleep(self._retry_s(fault_of(error)))
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
                choice = await self._begin(bluez, adapter, scans)
                self.mode = choice.mode
                yield bluez, adapter, choice

    def _care(self, means: Means, clock: Clock, emit: Emit) -> Care:
        return Care(self.antenna, self._found, means, clock=clock, emit=emit)

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
        await self.care.switch_on(bluez, adapter)

    async def _begin(self, bluez: Bluez, adapter: Adapter, scans: AsyncExitStack) -> Choice:
        """A scan that has begun. Raises what `faults.ERRORS` lists."""
        hiding = self.care is not None and self.care.health.condition is Condition.HIDING
        refusal = self.refusal[1] if self.refusal and self.refusal[0] == adapter.owner else None
        choice = await choose(
            self._policy,
            bluez,
            adapter.name,
            hides_repeats=hiding,
            refusal=refusal,
            pace=self._pace,
            host=self._host,
        )
        try:
            on = choice.scan.on(adapter.name, self._taker(bluez.removed))
            await scans.enter_async_context(on)
        except RadioError as error:
            if (
                error.fault is not RadioFault.MONITOR_REFUSED
                or self._policy.mode is not RadioMode.AUTO
            ):
                raise
            self.refusal = (adapter.owner, error)
            return await self._begin(bluez, adapter, scans)
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
            action = await care.look(adapter, self.mode)
            if action:
                return action

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
        self._began_s = asyncio.get_running_loop().time()
        reasons = [f"not passive: {choice.hindrance.detail}"] if choice.hindrance else []
        if choice.exposure:
            reasons.append(f"bystanders reach this process and are dropped here: {choice.exposure}")
        reason = "; ".join(reasons) or None
        today = self.serves.name if self.serves else None
        self._emit(
            RadioScanning(
                adapter=self.antenna,
                mode=self.mode.value,
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

    def _retry_s(self, fault: RadioFault) -> float:
        """How long to wait before the next attempt."""
        if fault in GONE:
            return self._pace.retry_s
        began_s, self._began_s = self._began_s, None
        lasted = (
            began_s is not None
            and asyncio.get_running_loop().time() - began_s > 2 * self._pace.health_s
        )
        self._refused = 1 if lasted else self._refused + 1
        return min(
            self._pace.retry_s * 2.0 ** min(self._refused - 1, 16),
            max(MAX_RETRY_S, self._pace.retry_s),
        )

    def _taker(self, removed: Collection[str]) -> Take:
        """What is called for each advertisement: with its parts at hand, for it is called more
        often than anything else.
        """
        note, hear, heard_at = self._tally.add, self._on_advertisement, BatchClock(self._clock).now
        antenna, leaves_out = self.antenna, self._policy.leaves_out
        uuids, companies = self._policy.places

        def take(
            address: str,
            rssi_dbm: int,
            service_data: Mapping[str, bytes],
            manufacturer_data: Mapping[int, bytes],
        ) -> None:
            if rssi_dbm == GOING_DBM or removed:
                return
            # What carries nothing is no sign of life: a broken controller reports such for ever.
            if service_data or manufacturer_data:
                note(address)
            # Of those that cannot be ours nothing is made: they are most of all.
            if (
                leaves_out
                and uuids.isdisjoint(service_data)
                and companies.isdisjoint(manufacturer_data)
            ):
                return
            strength_dbm = plausible_rssi_dbm(rssi_dbm)
            heard = heard_at(), address, strength_dbm, service_data, manufacturer_data, antenna
            hear(new(Advertisement, heard))

        return take
