"""Cares for one radio: looks how it does, takes the steps that its health calls for, and says each with its reason.

What to do, and when, is decided in presence.core.radio_health; here it is done:

| step         | how                                                            | where it is not possible            |
|--------------|----------------------------------------------------------------|-------------------------------------|
| restart_scan | the scanner leaves its scan and begins another                 | –                                   |
| power_cycle  | Adapter1.Powered off and on, over D-Bus                        | bluetoothd refuses                  |
| reset_usb    | the device off its bus and on again                            | no USB adapter, or we are not root  |
| ask_systemd  | the daemon ends with code 75; `Restart=always` starts it anew  | another radio of ours hears         |
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from presence.core.radio_health import Condition, Look, RadioHealth
from presence.core.radio_steps import Action, Step
from presence.edges.bluez.connection import Bluez
from presence.edges.bluez.faults import ERRORS, reason_of
from presence.edges.bluez.kernel_count import KernelCount
from presence.edges.bluez.ledger import Ledger
from presence.edges.bluez.tally import Tally
from presence.edges.bluez.usb import SYSFS, Declined, reset_usb
from presence.errors import RadioError, RadioFault
from presence.ports import Clock, Tell

OFF_S: Final = 1.0
"""Between off and on: controllers need a moment to forget."""
TRIES: Final = 3
CALL_A_PERSON: Final = "pull the adapter out and plug it in, or restart the machine; then `presence check`"


@dataclass(frozen=True, kw_only=True)
class Means:
    """What caring takes beside the radio itself."""

    silence_s: float = 1800
    ledger: Ledger | None = None
    sysfs: Path = SYSFS
    off_s: float = OFF_S
    count: Callable[[], KernelCount] = KernelCount


class Care:
    """Of one radio. Its `health` has condition and totals for whoever shows them."""

    def __init__(self, adapter: str, means: Means, *, clock: Clock, tell: Tell) -> None:
        self._adapter = adapter
        self._means = means
        self._clock = clock
        self._tell = tell
        self._count = means.count()
        self._owes_power = False
        self.tally = Tally()
        self.others: list[Care] = []
        """The other radios of this gateway."""
        taken = means.ledger.read(self._key, clock.now()) if means.ledger else ()
        self.health = RadioHealth(silence_s=means.silence_s, taken=taken)

    def listening(self) -> None:
        self.health.listening(self._clock.now())

    def look(self, adapter: str) -> Action | None:
        """What came since the last look, and the step that it calls for."""
        heard, senders = self.tally.take()
        reports = self._count.take(adapter)
        now, before = self._clock.now(), self.health.condition
        deaf_s = self.health.deaf_s(now)
        action = self.health.observe(Look(heard, senders, reports), now)
        if self.health.condition is not before:
            if self.health.condition is Condition.WELL and deaf_s:
                self._tell("radio.recovered", {"adapter": adapter, "seconds": round(deaf_s)})
            if self.health.condition is Condition.SPENT:
                reason = "all recovery steps of a day are used up"
                self._tell("radio.spent", {"adapter": adapter, "reason": reason, "next_step": CALL_A_PERSON})
        return action

    async def take(self, action: Action | None, adapter: str) -> None:
        """Take the step, or the first after it that is possible. Raises RadioError where systemd must do it."""
        while action is not None:
            self._tell(
                "radio.recovering",
                {
                    "adapter": adapter, "what": action.step.value, "reason": action.evidence.value,
                    "attempt": action.attempt, "next_attempt_s": round(action.next_s),
                },
            )  # fmt: skip
            if self._means.ledger:
                self._means.ledger.write(self._key, self.health.taken)
            try:
                await self._do(action.step, adapter)
            except Declined as why:
                self._tell("radio.declined", {"adapter": adapter, "what": action.step.value, "reason": str(why)})
                action = self.health.declined(self._clock.now())
            else:
                return

    async def pay_debts(self, bluez: Bluez, adapter: str) -> bool:
        """Power on an adapter that we could switch off and then not on again; whether it was so. Raises RadioError."""
        if not self._owes_power:
            return False
        await bluez.set_powered(adapter, powered=True)
        self._owes_power = False
        return True

    @property
    def _key(self) -> str:
        return self._adapter or "default"

    async def _do(self, step: Step, adapter: str) -> None:
        if step is Step.POWER_CYCLE:
            await self._power_cycle(adapter)
        elif step is Step.RESET_USB:
            await reset_usb(adapter, self._means.sysfs, self._means.off_s)
        elif step is Step.ASK_SYSTEMD:
            if any(other.health.condition is Condition.WELL for other in self.others):
                raise Declined("another radio of this gateway hears, and would be interrupted")
            raise RadioError(RadioFault.DEAF, adapter)

    async def _power_cycle(self, adapter: str) -> None:
        try:
            async with Bluez.connect() as bluez:
                await bluez.set_powered(adapter, powered=False)
                self._owes_power = True
                for attempt in range(TRIES):
                    await asyncio.sleep(self._means.off_s)
                    try:
                        await self.pay_debts(bluez, adapter)
                    except RadioError:
                        if attempt == TRIES - 1:
                            raise
        except ERRORS as error:
            if not self._owes_power:
                raise Declined(reason_of(error)) from None
