"""What no entry of a list may be, in whichever form it came: the rules that both readers ask.

1. It ends, and not more than `max_span_s` after its start (R-07).
2. It holds somewhere: in stores that it names, or in the whole chain.
"""

from typing import Final

FORMAT_VERSION: Final = 1
LATEST_S: Final = 1 << 32
"""No time in a list lies beyond 2106: a larger number is milliseconds, and refused."""


class Refused(ValueError):
    """A header or an entry that cannot be used; the message names the field and never a value."""


def check_entry(start_s: float, end_s: float, *, somewhere: bool, max_span_s: float) -> None:
    """Raises Refused."""
    if not 0 <= start_s < end_s < LATEST_S:
        raise Refused("na does not lie after nb")
    if end_s - start_s > max_span_s:
        raise Refused("the span from nb to na is longer than consent.max_span_days allows")
    if not somewhere:
        raise Refused("scope is none of store, stores and chain")
