"""The machine's clocks: the only place where time comes from."""

import ctypes
import os
import time
from collections.abc import Callable
from functools import cache
from typing import Final

from presence.core.timestamps import Moment
from presence.errors import ClockUnreadable

_TIME_ERROR: Final = 5
"""adjtimex(2): the clock is not synchronised (TIME_ERROR, timex.h)."""
_TIMEX_BYTES: Final = 256
"""struct timex is 208 bytes on 64-bit Linux, less on 32-bit; all zero means "only read"."""


class SystemClock:
    """CLOCK_BOOTTIME counts through suspend, so that a lease ends also while the machine sleeps."""

    def now(self) -> Moment:
        return Moment(time.clock_gettime(time.CLOCK_BOOTTIME), time.time())


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
