"""The formats in which a phone says "it's me"; one module each, one line of registration here.

A format is a function from an advertisement to its rotating identifier (8 bytes), or None where the
advertisement is not of that format. It raises nothing and keeps nothing.
"""

from collections.abc import Callable
from typing import Final

from presence.core.recognition.advertisement import Advertisement
from presence.core.recognition.beacons import eddystone

Format = Callable[[Advertisement], bytes | None]

FORMATS: Final[tuple[Format, ...]] = (eddystone.identifier,)
