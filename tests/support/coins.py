"""A made-up format, as one file among the formats would be: a coin that broadcasts its owner's EID.

Service data of UUID 0xFFF0: frame type 0xC0, EID (8 bytes).
"""

from typing import Final

from presence.core.recognition.advertisement import AD_SERVICE_DATA_16, uuid_from_16
from presence.core.recognition.beacons.format import Format, Pattern, ScanFilter

SERVICE_UUID: Final = uuid_from_16(0xFFF0)


def identifier_in(frame: bytes) -> bytes | None:
    """The 8-byte EID of a coin, or None."""
    return frame[1:] if len(frame) == 9 and frame[0] == 0xC0 else None


FORMAT: Final = Format(
    name="coin",
    place=SERVICE_UUID,
    identifier_in=identifier_in,
    scan_filter=ScanFilter(
        what="coins",
        service_uuids=(SERVICE_UUID,),
        patterns=(Pattern(AD_SERVICE_DATA_16, b"\xf0\xff\xc0"),),
    ),
)
