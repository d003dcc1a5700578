"""Keeps a bell on its adapter, and brings it back after whatever took it away."""

import asyncio
import os
from collections.abc import Callable, Collection
from typing import Final

from dbus_fast import AuthError, DBusError

from presence.config.settings import BellSettings, DoorbellSettings
from presence.edges.bluez.bus import BluezBus
from presence.edges.bluez.connection import Bluez
from presence.edges.bluez.gatt.stay import DoorbellCounters, Stay
from presence.edges.bluez.pace import DOORBELL_PACE, Pace
from presence.edges.host.logs import vouch_for
from presence.errors import RadioError, RadioFault, leaves
from presence.ports import Clock, OnResponse
from presence.pulse import beat, resting
from presence.telemetry import DoorbellFailed, DoorbellReady, Emit

SWITCH_ON_EVERY_S: Final = 60.0
"""An adapter that somebody switched off is switched on again, but not more often than this: a
person who insists is not fought.
"""

BUS_ERRORS: Final = (OSError, EOFError, AuthError, DBusError)
"""What dbus-fast raises where the bus goes away in the middle of something."""


class Doorbell:
    """One bell. Implements ports.DoorbellSource."""

    def __init__(
        self,
        bell: BellSettings,
        settings: DoorbellSettings,
        clock: Clock,
        *,
        emit: Emit,
        others: Collection[str] = (),
        bus_address: str | None = None,
        nonce: Callable[[int], bytes] = os.urandom,
        pace: Pace = DOORBELL_PACE,
    ) -> None:
        """`others`: names of adapters that it must not share. `bus_address` is the system bus
        where None.
        """
        self.counters = DoorbellCounters()
        self.trouble: str | None = "not registered yet"
        """Why the bell does not ring, with the next step; None while it does."""
        self._bell = bell
        self._settings = settings
        self._clock = clock
        self._emit = emit
        self._others = others
        self._bus_address = bus_address
        self._nonce = nonce
        self._pace = pace
        self._told_trouble = False
        self._switched_on_s = -SWITCH_ON_EVERY_S

    @property
    def adapter(self) -> str:
        """As the settings call it."""
        return self._bell.adapter

    async def run(self, on_response: OnResponse) -> None:
        """Until cancelled."""
        vouch_for(self._bell.adapter)
        while True:
            beat()
            try:
                await self._serve(on_response)
            except* (RadioError, *BUS_ERRORS) as errors:
                self._failed(_radio_error(next(leaves(errors))))
            # Python 3.11's TaskGroup swallows a cancellation that comes in the moment in which one
            # of its tasks fails: bluetoothd and this daemon are often stopped together.
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise asyncio.CancelledError
            with resting():
                await asyncio.sleep(self._pace.retry_s)

    async def _serve(self, on_response: OnResponse) -> None:
        """One stay on the bus; ends with a RadioError."""
        async with BluezBus.connect(call_s=self._pace.call_s, address=self._bus_address) as bus:
            adapter = await Bluez(bus).adapter(self._bell.adapter, others=self._others)
            await Stay(
                bus,
                adapter.name,
                self._settings,
                self._clock,
                self.counters,
                number=self._bell.number,
                nonce=self._nonce,
                on_response=on_response,
                ready=self._ready,
                may_switch_on=self._may_switch_on,
            ).run()

    def _may_switch_on(self) -> bool:
        now_s = self._clock.now().monotonic_s
        if now_s - self._switched_on_s < SWITCH_ON_EVERY_S:
            return False
        self._switched_on_s = now_s
        return True

    def _ready(self) -> None:
        self.trouble = None
        self._told_trouble = False
        self._emit(DoorbellReady(adapter=self._bell.adapter))

    def _failed(self, error: RadioError) -> None:
        """Told once for each outage, not at each attempt."""
        if not self._told_trouble:
            self._told_trouble = True
            self.counters.outages += 1
            self._emit(
                DoorbellFailed(
                    adapter=self._bell.adapter,
                    reason=error.detail,
                    next_step=error.fault.value,
                )
            )
        self.trouble = str(error)


def _radio_error(error: Exception) -> RadioError:
    if isinstance(error, RadioError):
        return error
    return RadioError(
        RadioFault.NO_BLUEZ, f"the connection to D-Bus broke ({type(error).__name__})"
    )
