"""Cares for one radio: looks how it does, takes the steps that its health calls for, and logs why.

What to do, and when, is decided in presence.core.operations.radio_health; here it is done:

| step         | how                                           | where it is not possible    |
|--------------|-----------------------------------------------|-----------------------------|
| restart_scan | the scanner leaves its scan, begins another   | –                           |
| power_cycle  | the adapter off and on, as its scanner can    | it is not there, or whoever |
|              |                                               | has it refuses              |
| ask_systemd  | the daemon ends with code 75; systemd's       | another radio of ours hears |
|              | `Restart=always` starts it anew               |                             |
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from presence.config.settings import RadioMode
from presence.core.operations.radio_health import Condition, Look, RadioHealth
from presence.core.operations.radio_steps import Action, RecoveryStep
from presence.edges.radio.ledger import Ledger
from presence.edges.radio.tally import Tally
from presence.errors import RadioError, RadioFault
from presence.ports import Clock
from presence.telemetry import Emit, RadioDeclined, RadioRecovered, RadioRecovering, RadioSpent

OFF_S: Final = 1.0
"""Between off and on: controllers need a moment to forget."""
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
    probe: Callable[[str, RadioMode], Awaitable[bool]] | None = None
    """Is anybody heard on this hciN, in this mode? None: as the scanner looks for them itself."""


class Care:
    """Of one radio. Its `health` has condition and totals to be shown."""

    def __init__(
        self,
        antenna: str,
        power_cycle: Callable[[], Awaitable[str | None]],
        means: Means,
        *,
        clock: Clock,
        emit: Emit,
    ) -> None:
        """`power_cycle`: answers why it cannot be taken, where it cannot."""
        self._antenna = antenna
        self._power_cycle = power_cycle
        self._means = means
        self._clock = clock
        self._emit = emit
        self._told_no_probe = False
        self.tally = Tally()
        self.others: list[Care] = []
        """The other radios of this gateway."""
        taken = means.ledger.read(antenna, clock.now()) if means.ledger else ()
        self.health = RadioHealth(silence_s=means.silence_s, taken=taken)

    @classmethod
    def of(
        cls,
        antenna: str,
        power_cycle: Callable[[], Awaitable[str | None]],
        means: Means | None,
        *,
        clock: Clock,
        emit: Emit,
    ) -> "Care | None":
        """None where nobody is to care."""
        return None if means is None else cls(antenna, power_cycle, means, clock=clock, emit=emit)

    def listening(self) -> None:
        self.health.listening(self._clock.now())

    async def look(self, probe: Callable[[], Awaitable[bool]]) -> Action | None:
        """Take in what came, and after minutes of silence probe; the step that is called for.

        `probe`: is anybody heard at all? Raises RadioError where it cannot be tried.
        """
        heard, senders = self.tally.take()
        now = self._clock.now()
        action = self._told(lambda: self.health.observe(Look(heard, senders), now))
        if action is not None or not self.health.wants_probe(now):
            return action
        try:
            answer = await probe()
        except RadioError as error:
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

    def _cannot_probe(self, error: RadioError) -> None:
        """Log it once, until a probe can be made again."""
        if not self._told_no_probe:
            self._emit(RadioDeclined(adapter=self._antenna, what="probe", reason=error.detail))
        self._told_no_probe = True

    async def _do(self, step: RecoveryStep) -> None:
        if step is RecoveryStep.POWER_CYCLE:
            reason = await self._power_cycle()
            if reason is not None:
                raise Declined(reason)
        elif step is RecoveryStep.ASK_SYSTEMD:
            if any(other.health.condition is Condition.WELL for other in self.others):
                raise Declined("another radio of this gateway hears, and would be interrupted")
            raise RadioError(RadioFault.DEAF, self._antenna)
