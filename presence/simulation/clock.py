"""The clock of a simulated shop: it starts at a given moment and runs some times faster than the
machine's.
"""

import asyncio
import time

from presence.core.timestamps import Moment


class SimulatedClock:
    """Implements ports.Clock. Identifiers and consents depend on the date, so it starts at the real
    one.
    """

    def __init__(self, start: Moment, *, speed: float = 1.0) -> None:
        self.start = start
        self.speed = speed
        self._began_s = time.monotonic()

    @property
    def elapsed_s(self) -> float:
        """Simulated seconds since the start."""
        return (time.monotonic() - self._began_s) * self.speed

    def now(self) -> Moment:
        return self.start.later(self.elapsed_s)

    async def until(self, elapsed_s: float) -> None:
        """Return when `elapsed_s` simulated seconds are over; lets other tasks have their turn in
        any case.
        """
        await asyncio.sleep(max(0.0, (elapsed_s - self.elapsed_s) / self.speed))
