"""The clock of a pcapng interface, from the options of its description.

    option   code 2 | length 2 | value, padded to 4     until code 0, or the end of the block

draft-ietf-opsawg-pcapng §3.5, §4.2: `if_tsresol` (9, one byte) is the resolution of its time stamps
as a negative power of ten, or of two where the top bit is set, 10⁻⁶ where absent; `if_tsoffset`
(14, eight bytes) is a number of seconds to add.
"""

import struct
from typing import Final, NamedTuple

END_OF_OPTIONS: Final = 0
IF_TSRESOL: Final = 9
IF_TSOFFSET: Final = 14
POWER_OF_TWO: Final = 0x80


class InterfaceClock(NamedTuple):
    ticks_per_s: int = 10**6
    offset_s: int = 0


def clock_of(data: bytes, at: int, end: int, byte_order: str) -> InterfaceClock | None:
    """The clock in the options data[at:end], or None where an option runs over the end."""
    clock = InterfaceClock()
    while end - at >= 4:
        code, length = struct.unpack_from(byte_order + "HH", data, at)
        value = at + 4
        at = value + (length + 3 & ~3)
        if code == END_OF_OPTIONS:
            break
        if at > end:
            return None
        if code == IF_TSRESOL and length == 1:
            exponent = data[value] & ~POWER_OF_TWO
            clock = clock._replace(
                ticks_per_s=(2 if data[value] & POWER_OF_TWO else 10) ** exponent
            )
        elif code == IF_TSOFFSET and length == 8:
            clock = clock._replace(offset_s=struct.unpack_from(byte_order + "q", data, value)[0])
    return clock
