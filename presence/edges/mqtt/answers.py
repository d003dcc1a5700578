"""Answers of the broker that are not here yet, and how long they may take.

They are expected in the order in which they are asked for, each for as long: so one timer is
enough, where one for each would be a good part of the cost of a message.
"""

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from presence.errors import BrokerError


class _Expected(NamedTuple):
    answer: asyncio.Future[int]
    packet: str
    due_s: float
    """By the event loop's clock."""


class PendingAnswers:
    """By packet id, oldest first. Who gave up waiting leaves theirs here until it comes (R-50)."""

    def __init__(self, within_s: float, overdue: Callable[[int, str], None]) -> None:
        """`overdue` is told the packet id and what is wrong."""
        self._within_s = within_s
        self._overdue = overdue
        self._loop = asyncio.get_running_loop()
        self._expected: dict[int, _Expected] = {}
        self.ids = self._expected.keys()
        self._timer: asyncio.TimerHandle | None = None

    def expect(self, mid: int, packet: str) -> asyncio.Future[int]:
        """The reason code of this packet. Raises BrokerError where it does not come in time."""
        answer: asyncio.Future[int] = self._loop.create_future()
        due_s = self._loop.time() + self._within_s
        self._expected[mid] = _Expected(answer, packet, due_s)
        if self._timer is None:
            self._timer = self._loop.call_at(due_s, self._look)
        return answer

    def pop(self, mid: int) -> asyncio.Future[int] | None:
        """It is here, or never comes; None where it was not expected."""
        expected = self._expected.pop(mid, None)
        return None if expected is None else expected.answer

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        self._timer = None
        now_s = self._loop.time()
        for mid, (answer, packet, due_s) in self._expected.items():
            if answer.done():  # nobody waits for it any more
                continue
            if due_s > now_s:
                self._timer = self._loop.call_at(due_s, self._look)
                return
            complaint = f"no {packet} within {self._within_s:g} s"
            self._overdue(mid, complaint)
            answer.set_exception(BrokerError(complaint))
