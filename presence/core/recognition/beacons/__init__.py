"""The formats in which a phone says "it's me"; one module each, one line of registration here.

`eddystone` is always on. `ibeacon` and `rpa` (which is a way to resolve addresses, and no format)
take keys of the configuration, so presence.config.rules switches them on.

Imports: the advertisement of presence.core.recognition, nothing of the gateway.
"""

from typing import Final

from presence.core.recognition.beacons import eddystone
from presence.core.recognition.beacons.format import Format, Pattern, ScanFilter

__all__ = ["FORMATS", "Format", "Pattern", "ScanFilter"]

FORMATS: Final[tuple[Format, ...]] = (
    eddystone.FORMAT,
)  # fmt: skip
