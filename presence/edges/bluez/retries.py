"""How long to wait before the next attempt to scan."""

import asyncio
from typing import Final

from presence.edges.bluez.pace import Pace
from presence.errors import RadioFault

GONE: Final = frozenset(
    {RadioFault.NO_BLUEZ, RadioFault.NO_ADAPTER, RadioFault.POWERED_OFF, RadioFault.BLOCKED}
)
"""Faults that end when something returns: looked for at one pace, so that R-61 holds."""
MAX_RETRY_S: Final = 12.0
"""All other faults: twice as long from one attempt to the next, and R-61 holds still."""


class Retries:
    """Of one radio."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._refused = 0
        """Scans that could not begin or did not last, in a row, though all is there."""
        self._began_s: float | None = None
        """When the scan began that runs now, or that has just ended."""

    def began(self) -> None:
        """A scan runs."""
        self._began_s = asyncio.get_running_loop().time()

    def wait_s(self, fault: RadioFault) -> float:
        """Before the next attempt, after this fault."""
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
