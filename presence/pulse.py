"""Does every part of the daemon get on? The watchdog is fed while all of them do (R-60).

    part ─┬─beat()────► the next beat comes within the part's bound, or it hangs: named in the log,
          │             no watchdog fed
          └─resting()─► waits for what may never come (an event, a connection, its next turn): that
                        is no hang

A part is a task and whatever it starts; which part it is, no code in it needs to know (a context
variable, as asyncio's current task is). A part that never beat is not judged, and outside of a part
(a command) all of this does nothing.
"""

import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

BOUND_S: Final = {
    # the longest is CONNECT with its answer, and a subscription with its own for each topic
    "broker": 120.0,
    "relay": 120.0,  # one event to its acknowledgement
    "consents": 120.0,
    "identifiers": 600.0,  # the tables of a list of millions on a small computer
    "state": 60.0,
    "peers": 120.0,
    "doorbell": 120.0,
    "satellites": 120.0,
    "radio": 120.0,  # a step of recovery with all its attempts
}
"""How long a part may take from one beat to the next. A part that waits for what may never come
does not beat.
"""
LOOK_AT_PARTS_S: Final = 5.0
HANGING_STEP: Final = (
    "systemd starts the gateway anew when it has not been fed for WatchdogSec: keep the journal"
)


@dataclass(slots=True, eq=False)
class Part:
    name: str
    bound_s: float
    """From one beat to the next."""
    pulse: "Pulse"
    beat_at_s: float | None = None
    resting: bool = False


_part: ContextVar[Part | None] = ContextVar("part", default=None)


class Pulse:
    """Of one daemon. CLOCK_MONOTONIC stands still while the machine sleeps, and so may every
    part.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.now = now
        self._parts: list[Part] = []

    @contextmanager
    def part(self, name: str, bound_s: float) -> Iterator[None]:
        """What runs in this block, and in the tasks that it starts, is this part."""
        part = Part(name, bound_s, self)
        self._parts.append(part)
        before = _part.set(part)
        try:
            yield
        finally:
            _part.reset(before)
            self._parts.remove(part)

    async def run(self, name: str, bound_s: float, work: Callable[[], Awaitable[None]]) -> None:
        """`work()` as this part, begun in here: a task that is cancelled before its first step
        would leave a coroutine behind that its maker had begun.
        """
        with self.part(name, bound_s):
            await work()

    def hanging(self) -> dict[str, float]:
        """The parts that hang, with their bounds."""
        now_s = self.now()
        return {
            part.name: part.bound_s
            for part in self._parts
            if not part.resting
            and part.beat_at_s is not None
            and now_s - part.beat_at_s > part.bound_s
        }


@contextmanager
def branch() -> Iterator[None]:
    """For a task of a part that rests and gets on by itself: it is judged by itself, under the same
    name.
    """
    part = _part.get()
    if part is None:
        yield
        return
    with part.pulse.part(part.name, part.bound_s):
        yield


def beat() -> None:
    """This part has got on: the next beat must come within its bound."""
    part = _part.get()
    if part is not None:
        part.beat_at_s = part.pulse.now()


@contextmanager
def resting() -> Iterator[None]:
    """This part waits for what may never come, or for its next turn; afterwards it has got on."""
    part = _part.get()
    if part is None:
        yield
        return
    part.resting = True
    try:
        yield
    finally:
        part.resting = False
        part.beat_at_s = part.pulse.now()
