"""The clock of a simulated shop: it starts at a given moment and runs some times faster than the
machine's.
"""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from typing import Final

from presence.core.timestamps import Moment

LOOK_AGAIN_S: Final = 0.02
"""How often it is looked whether a clock that waits goes on."""


class SimulatedClock:
    """Implements ports.Clock. Identifiers and consents depend on the date, so it starts at the real
    one.
    """

    def __init__(self, start: Moment, *, speed: float = 1.0) -> None:
        self.start = start
        self.speed = speed
        self._began_s = time.monotonic()
        self._stops_s: list[float] = []

    @property
    def elapsed_s(self) -> float:
        """Simulated seconds since the start."""
        return self._look()

    def _look(self) -> float:
        """What is over by now; what it waited is taken off."""
        elapsed_s = (time.monotonic() - self._began_s) * self.speed
        over_s = max(0.0, elapsed_s - min(self._stops_s, default=inf))
        self._began_s += over_s / self.speed
        return elapsed_s - over_s

    def now(self) -> Moment:
        return self.start.later(self.elapsed_s)

    @contextmanager
    def waits_at(self, elapsed_s: float) -> Iterator[None]:
        """Within the block it does not pass this time: for what takes the machine's own time."""
        self._stops_s.append(elapsed_s)
        try:
            yield
        finally:
            self._look()
            self._stops_s.remove(elapsed_s)

    async def until(self, elapsed_s: float) -> None:
        """Return when `elapsed_s` simulated seconds are over; lets other tasks have their turn in
        any case.
        """
        await asyncio.sleep(max(0.0, (elapsed_s - self.elapsed_s) / self.speed))
        while self._stops_s and self.elapsed_s < elapsed_s:  # noqa: ASYNC110 - time is no event
            await asyncio.sleep(LOOK_AGAIN_S)
