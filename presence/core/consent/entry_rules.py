"""What no entry of a list may be, in whichever form it came: the rules that both readers ask.

1. It ends, and not more than `max_span_s` after its start (R-07).
2. It holds somewhere: in stores that it names, or in the whole chain.
3. How loud the phone sends is told in coarse steps, so that it says little about the phone.
"""

from typing import Final

FORMAT_VERSION: Final = 1
LATEST_S: Final = 1 << 32
"""No time in a list lies beyond 2106: a larger number is milliseconds, and refused."""
LOUDNESS_STEP_DB: Final = 4
"""Half a step, 2 dB, is the most by which it is wrong; phones, cases and pockets together spread by
some 3.4 dB (scripts/entrybench). A finer value would tell the phone, and not the place.
"""
MAX_LOUDNESS_DB: Final = 28
"""Android's highest power lies 22 dB above its lowest (AdvertisingSetParameters: 1 and -21 dBm),
and models differ beside that. Eight values: three bits of a person's phone at most.
"""
LOUDNESS_WORDS: Final = f"a multiple of {LOUDNESS_STEP_DB} from 0 to {MAX_LOUDNESS_DB}, in whole dB"


class Refused(ValueError):
    """A header or an entry that cannot be used; the message names the field and never a value."""


def is_loudness(value_db: object) -> bool:
    """Whether an entry may say so of its phone."""
    return type(value_db) is int and value_db in range(0, MAX_LOUDNESS_DB + 1, LOUDNESS_STEP_DB)


def check_entry(start_s: float, end_s: float, *, somewhere: bool, max_span_s: float) -> None:
    """Raises Refused."""
    if not 0 <= start_s < end_s < LATEST_S:
        raise Refused("na does not lie after nb")
    if end_s - start_s > max_span_s:
        raise Refused("the span from nb to na is longer than consent.max_span_days allows")
    if not somewhere:
        raise Refused("scope is none of store, stores and chain")
