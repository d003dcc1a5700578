"""Cares for one radio: looks how it does, takes the steps that its health calls for, and logs why.

What to do, and when, is decided in presence.core.operations.radio_health; here it is done:

| step         | how                                           | where it is not possible    |
|--------------|-----------------------------------------------|-----------------------------|
| restart_scan | the scanner leaves its scan, begins another   | –                           |
| power_cycle  | Adapter1.Powered off and on, over D-Bus, of   | bluetoothd refuses, or the  |
|              | the adapter that bears the antenna's name now | adapter is not there        |
| ask_systemd  | the daemon ends with code 75; systemd's       | another radio of ours hears |
|              | `Restart=always` starts it anew               |                             |

Beside them `power_on`: an adapter that somebody switched off is switched on again, for it is there
to listen.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final

from presence.config.settings import RadioMode
from presence.core.operations.radio_health import Condition, Look, RadioHealth
from presence.core.operations.radio_steps import Action, RecoveryStep
from presence.edges.bluez.connection import Adapter, Bluez
from presence.edges.bluez.faults import ERRORS, reason_of
from presence.edges.bluez.ledger import Ledger
from presence.edges.bluez.probe import hears_anybody
from presence.edges.bluez.tally import Tally
from presence.errors import RadioError, RadioFault
from presence.ports import Clock
from presence.telemetry import Emit, RadioDeclined, RadioRecovered, RadioRecovering, RadioSpent

OFF_S: Final = 1.0
"""Between off and on: controllers need a moment to forget."""
TRIES: Final = 3
MAX_OFF_S: Final = 300.0
"""An adapter that is switched off again and again: on after 3 s at first, later up to this."""
LASTS_S: Final = 600.0
CALL_A_PERSON: Final = (
    "hold a phone near: if it is heard, nobody was here; else pull the adapter out and plug it "
    "in, or cut the "
    "machine's power for ten seconds (a restart may not do); then `presence check`"
)


class Declined(Exception):
    """A step cannot be taken here; the text says why."""


@dataclass(frozen=True, kw_only=True)
class Means:
    """What caring takes beside the radio itself."""

    silence_s: float = 1800
    ledger: Ledger | None = None
    off_s: float = OFF_S
    probe: Callable[[str, RadioMode], Awaitable[bool]] = hears_anybody


class Care:
    """Of one radio. Its `health` has condition and totals to be shown."""

    def __init__(
        self,
        antenna: str,
        found: Callable[[], AbstractAsyncContextManager[tuple[Bluez, Adapter]]],
        means: Means,
        *,
        clock: Clock,
        emit: Emit,
    ) -> None:
        """`found`: the adapter that bears the antenna's name now, or a RadioError."""
        self._antenna = antenna
        self._found = found
        self._means = means
        self._clock = clock
        self._emit = emit
        self._switched: list[float] = []
        """When we switched the adapter on lately, the newest last."""
        self._told_no_probe = False
        self.tally = Tally()
        self.others: list[Care] = []
        """The other radios of this gateway."""
        taken = means.ledger.read(antenna, clock.now()) if means.ledger else ()
        self.health = RadioHealth(silence_s=means.silence_s, taken=taken)

    def listening(self) -> None:
        self.health.listening(self._clock.now())

    async def look(self, adapter: str, mode: RadioMode) -> Action | None:
        """Take in what came, and after minutes of silence probe; the step that is called for."""
        heard, senders = self.tally.take()
        now = self._clock.now()
        action = self._told(lambda: self.health.observe(Look(heard, senders), now))
        if action is not None or not self.health.wants_probe(now):
            return action
        try:
            answer = await self._means.probe(adapter, mode)
        except ERRORS as error:
            answer = None
            self._cannot_probe(error)
        else:
            self._told_no_probe = False
        now = self._clock.now()
        return self._told(lambda: self.health.probed(answer, now))

    async def take(self, action: Action | None) -> None:
        """Take the step, or the next possible one. Raises RadioError where systemd must do it."""
        while action is not None:
            self._emit(
                RadioRecovering(
                    adapter=self._antenna,
                    what=action.step.value,
                    reason=action.evidence.value,
                    attempt=action.attempt,
                    next_attempt_s=round(action.next_s),
                )
            )
            # Before the step: after `ask_systemd` nobody is left to write that it was taken.
            if self._means.ledger:
                self._means.ledger.write(self._antenna, self.health.taken)
            try:
                await self._do(action.step)
            except Declined as why:
                step = action.step.value
                self._emit(RadioDeclined(adapter=self._antenna, what=step, reason=str(why)))
                action = self.health.declined(self._clock.now())
            else:
                return

    async def switch_on(self, bluez: Bluez, adapter: Adapter) -> None:
        """Somebody has switched it off, or our power cycle was cut short. Raises RadioError."""
        # It would only be refused; bluetoothd powers it by itself when the block is gone.
        if adapter.blocked:
            raise RadioError(RadioFault.BLOCKED, f"{adapter.name} is blocked")
        now_s = self._clock.now().monotonic_s
        self._switched = [at_s for at_s in self._switched if now_s - at_s < LASTS_S]
        wait_s = min(MAX_OFF_S, 3.0 * 2.0 ** min(len(self._switched), 8)) if self._switched else 0.0
        if self._switched and now_s - self._switched[-1] < wait_s:
            raise RadioError(RadioFault.POWERED_OFF, f"{adapter.name} was switched off again")
        self._switched.append(now_s)
        self._emit(
            RadioRecovering(
                adapter=self._antenna,
                what="power_on",
                reason="the adapter was switched off, and is to listen",
                attempt=len(self._switched),
            )
        )
        try:
            await bluez.set_powered(adapter.name, powered=True)
        except RadioError as error:
            fault = RadioFault.POWERED_OFF if error.fault is RadioFault.OTHER else error.fault
            raise RadioError(
                fault, f"{adapter.name} could not be switched on: {error.detail}"
            ) from error

    def _told(self, learn: Callable[[], Action | None]) -> Action | None:
        """What health makes of something new; logs a change of its condition."""
        now, before = self._clock.now(), self.health.condition
        deaf_s = self.health.deaf_s(now)
        action = learn()
        if deaf_s and not self.health.deaf_s(now):
            self._emit(RadioRecovered(adapter=self._antenna, seconds=round(deaf_s)))
        if self.health.condition is Condition.SPENT and before is not Condition.SPENT:
            reason = (
                "nobody is heard, or repeats are hidden, and all recovery steps of a day "
                "are used up"
            )
            self._emit(RadioSpent(adapter=self._antenna, reason=reason, next_step=CALL_A_PERSON))
        return action

    def _cannot_probe(self, error: BaseException) -> None:
        """Log it once, until a probe can be made again."""
        if not self._told_no_probe:
            self._emit(RadioDeclined(adapter=self._antenna, what="probe", reason=reason_of(error)))
        self._told_no_probe = True

    async def _do(self, step: RecoveryStep) -> None:
        if step is RecoveryStep.POWER_CYCLE:
            await self._power_cycle()
        elif step is RecoveryStep.ASK_SYSTEMD:
            if any(other.health.condition is Condition.WELL for other in self.others):
                raise Declined("another radio of this gateway hears, and would be interrupted")
            raise RadioError(RadioFault.DEAF, self._antenna)

    async def _power_cycle(self) -> None:
        """An adapter that is left off is switched on at the next look, also after our restart."""
        off = False
        try:
            async with self._found() as (bluez, adapter):
                await bluez.set_powered(adapter.name, powered=False)
                off = True
                for attempt in range(TRIES):
                    await asyncio.sleep(self._means.off_s)
                    try:
                        await bluez.set_powered(adapter.name, powered=True)
                    except RadioError:
                        if attempt == TRIES - 1:
                            raise
                    else:
                        return
        except ERRORS as error:
            # Once it is off, the step was taken: the scanner finds it off, and switches it on.
            if not off:
                raise Declined(reason_of(error)) from None
