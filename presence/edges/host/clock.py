"""The machine's clocks: the only place where time comes from."""

import ctypes
import math
import os
import time
from collections.abc import Callable
from datetime import datetime, tzinfo
from functools import cache
from typing import Final

from presence.core.timestamps import Moment
from presence.errors import ClockUnreadable
from presence.ports import Clock

BATCH_S: Final = 0.001
"""No rule tells times apart that are nearer."""
_TIME_ERROR: Final = 5
"""adjtimex(2): the clock is not synchronised (TIME_ERROR, timex.h)."""
_TIMEX_BYTES: Final = 256
"""struct timex is 208 bytes on 64-bit Linux, less on 32-bit; all zero means "only read"."""


class SystemClock:
    """CLOCK_BOOTTIME counts through suspend, so that a lease ends also while the machine sleeps."""

    def now(self) -> Moment:
        return Moment(time.clock_gettime(time.CLOCK_BOOTTIME), time.time())


class BatchClock:
    """One reading for all that is heard within BATCH_S: to read two clocks and make a Moment of
    them takes four times as long as to see that this is not called for.
    """

    __slots__ = ("_clock", "_last", "_until_s")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last = Moment(0.0, 0.0)
        self._until_s = -math.inf

    def now(self) -> Moment:
        now_s = time.monotonic()
        if now_s >= self._until_s:
            self._last, self._until_s = self._clock.now(), now_s + BATCH_S
        return self._last


def is_synchronised(read: Callable[[], int] | None = None) -> bool:
    """Whether the kernel says that something disciplines its clock. Raises ClockUnreadable where it
    does not answer.

    No answer is no "unsynchronised": a sandbox that forbids the question (ProtectClock=) forbids it
    for ever, and whoever is told to synchronise the clock would do so in vain.
    """
    try:
        return (read or _adjtimex)() < _TIME_ERROR
    except OSError as error:
        raise ClockUnreadable(error.strerror or str(error)) from None


def _adjtimex() -> int:
    """adjtimex(2) with no mode set: it only reads, and needs no capability. Raises OSError."""
    state: int = _libc().adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    if state < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return state


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def local_time(text: str, zone: tzinfo | None, form: str) -> str:
    """An RFC 3339 time by the clock of a zone (None: the machine's) in strftime's `form`; as it
    stands where it is no time.
    """
    try:
        return datetime.fromisoformat(text).astimezone(zone).strftime(form)
    except ValueError:
        return text
