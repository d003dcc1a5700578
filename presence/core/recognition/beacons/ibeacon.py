"""E2: the Eddystone identifier inside an iBeacon, which an iOS app in the foreground and Android
can send.

Manufacturer data of Apple (company 0x004C), after the company identifier:

    02 15 | UUID 16 = prefix of the chain 8 · EID 8 | major 00 00 | minor 00 00 | power at 1 m

The prefix is one value for the whole chain, chosen once (any 8 random bytes): it tells our
advertisements from other iBeacons. Major and minor are zero, so that nothing on air stays the same
when the identifier changes but the prefix.
"""

from typing import Final

from presence.core.encoding import EID_BYTES
from presence.core.recognition.advertisement import AD_MANUFACTURER_DATA
from presence.core.recognition.beacons.format import Format, Pattern, ScanFilter
from presence.core.recognition.loudness import LOSS_OF_1_M_DB

COMPANY: Final = 0x004C
PREFIX_BYTES: Final = 8
FRAME_LENGTH: Final = 23
"""Type and length 2, UUID 16, major 2, minor 2, power 1."""

_TYPE_AND_LENGTH: Final = b"\x02\x15"
_MAJOR_AT: Final = 18
_MAJOR_AND_MINOR: Final = bytes(4)
_PAYLOAD_HEAD: Final = bytes.fromhex("02011a1aff4c00")


def format_for(prefix: bytes) -> Format:
    """The format of a chain. Raises ValueError where the prefix has not 8 bytes."""
    head = _TYPE_AND_LENGTH + _checked(prefix, PREFIX_BYTES, "prefix")

    def identifier_in(frame: bytes) -> bytes | None:
        if (
            len(frame) != FRAME_LENGTH
            or not frame.startswith(head)
            or frame[_MAJOR_AT : _MAJOR_AT + 4] != _MAJOR_AND_MINOR
        ):
            return None
        return frame[10:18]

    def power_in(frame: bytes) -> int:
        return (frame[22] ^ 0x80) - 0x80 + LOSS_OF_1_M_DB

    return Format(
        name="E2, EID in an iBeacon",
        place=COMPANY,
        identifier_in=identifier_in,
        power_in=power_in,
        scan_filter=ScanFilter(
            what="iBeacons",
            setting="identity.ibeacon_prefix",
            patterns=(
                Pattern(
                    AD_MANUFACTURER_DATA,
                    COMPANY.to_bytes(2, "little") + head,
                    lengths=frozenset({2 + FRAME_LENGTH}),
                    besides=((2 + _MAJOR_AT, _MAJOR_AND_MINOR),),
                ),
            ),
        ),
    )


def payload(prefix: bytes, eid: bytes, *, tx_power_dbm: int) -> bytes:
    """The 30 bytes on air; `tx_power_dbm` is the power received at 1 m, −127…+20."""
    power = tx_power_dbm.to_bytes(1, "big", signed=True)
    uuid = _checked(prefix, PREFIX_BYTES, "prefix") + _checked(eid, EID_BYTES, "EID")
    return _PAYLOAD_HEAD + _TYPE_AND_LENGTH + uuid + _MAJOR_AND_MINOR + power


def _checked(value: bytes, length: int, name: str) -> bytes:
    if len(value) != length:
        raise ValueError(f"an iBeacon's {name} has {length} bytes")
    return value
