"""The machine's clocks: the only place where time comes from."""

import ctypes
import time
from typing import Final

from presence.core.timestamps import Moment

_TIME_ERROR: Final = 5
"""adjtimex(2): the clock is not synchronised (TIME_ERROR, timex.h)."""
_TIMEX_BYTES: Final = 256
"""struct timex is 208 bytes on 64-bit Linux, less on 32-bit; all zero means "only read"."""


class SystemClock:
    """CLOCK_BOOTTIME counts through suspend, so that a lease ends also while the machine sleeps."""

    def now(self) -> Moment:
        return Moment(time.clock_gettime(time.CLOCK_BOOTTIME), time.time())


def is_synchronised() -> bool:
    """Whether the kernel says that something disciplines its clock."""
    state: int = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    return 0 <= state < _TIME_ERROR
