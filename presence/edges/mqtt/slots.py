"""So many messages may be unacknowledged: who wants to send one more takes a slot, at once or when
its turn comes.

asyncio's semaphore has no way to take what is free without waiting.
"""

import asyncio
import contextlib
from collections import deque
from typing import Final

UNACKNOWLEDGED_MAX: Final = 10
BEST_EFFORT_MAX: Final = 4
"""Of these: messages that may stay unacknowledged."""


class Slots:
    """First come, first served."""

    def __init__(self, count: int) -> None:
        self.count = self._free = count
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def free(self) -> int:
        """0 also where the next ones have their takers."""
        return 0 if self._waiting else self._free

    def take(self) -> None:
        """One that is free."""
        self._free -= 1

    async def wait(self) -> None:
        """Take one as soon as there is one for us."""
        if self.free:
            self.take()
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                with contextlib.suppress(ValueError):
                    self._waiting.remove(turn)
            else:  # it was given to us just now
                self.give_back()
            raise

    def give_back(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
