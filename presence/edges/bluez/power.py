"""Switches one adapter on, or off and on again, over D-Bus: the adapter that bears the antenna's
name now.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Final

from presence.edges.bluez.connection import Adapter, Bluez
from presence.edges.bluez.faults import ERRORS, reason_of
from presence.edges.radio.care import Means
from presence.errors import RadioError, RadioFault
from presence.ports import Clock
from presence.telemetry import Emit, RadioRecovering

TRIES: Final = 3
MAX_OFF_S: Final = 300.0
"""An adapter that is switched off again and again: on after 3 s at first, later up to this."""
LASTS_S: Final = 600.0


class Power:
    """Of one antenna's adapter."""

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
        self._off_s = means.off_s
        self._clock = clock
        self._emit = emit
        self._switched: list[float] = []
        """When we switched the adapter on lately, the newest last."""

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

    async def cycle(self) -> str | None:
        """Off and on; why it could not be, where it could not even be switched off. One that is
        left off is switched on at the next look, also after our restart.
        """
        off = False
        try:
            async with self._found() as (bluez, adapter):
                await bluez.set_powered(adapter.name, powered=False)
                off = True
                for attempt in range(TRIES):
                    await asyncio.sleep(self._off_s)
                    try:
                        await bluez.set_powered(adapter.name, powered=True)
                    except RadioError:
                        if attempt == TRIES - 1:
                            raise
                    else:
                        return None
        except ERRORS as error:
            # Once it is off, the step was taken: the scanner finds it off, and switches it on.
            if not off:
                return reason_of(error)
        return None
