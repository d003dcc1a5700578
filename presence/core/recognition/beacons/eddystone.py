"""E1: Eddystone-EID, the ephemeral identifier frame (github.com/google/eddystone,
eddystone-eid/README.md).

Service data of UUID 0xFEAA: frame type 0x30, calibrated transmit power at 0 m (1 byte), EID (8
bytes). There the frame of the specification ends; one of ours may go on with a seal of 10 bytes
(presence.core.recognition.ticks), which fills a legacy advertisement. Any other length is not ours.
"""

from typing import Final

from presence.core.encoding import EID_BYTES, SEAL_BYTES
from presence.core.recognition.advertisement import AD_SERVICE_DATA_16, uuid_from_16
from presence.core.recognition.beacons.format import Format, Pattern, ScanFilter

UUID16: Final = 0xFEAA
SERVICE_UUID: Final = uuid_from_16(UUID16)
EID_FRAME_TYPE: Final = 0x30
FRAME_LENGTH: Final = 10
LENGTHS: Final = frozenset({FRAME_LENGTH, FRAME_LENGTH + SEAL_BYTES})
_HEAD: Final = bytes.fromhex("0201060303aafe")
_SERVICE_DATA: Final = bytes.fromhex("16aafe30")


def identifier_in(frame: bytes) -> bytes | None:
    """The EID (8 bytes) of an E1 frame, with its seal (18) where it has one; None where it is
    anything else.
    """
    if len(frame) not in LENGTHS or frame[0] != EID_FRAME_TYPE:
        return None
    return frame[2:]


def power_in(frame: bytes) -> int:
    """The calibrated power at 0 m."""
    return (frame[1] ^ 0x80) - 0x80


FORMAT: Final = Format(
    name="E1, Eddystone-EID",
    place=SERVICE_UUID,
    identifier_in=identifier_in,
    power_in=power_in,
    scan_filter=ScanFilter(
        what="Eddystone-EIDs",
        service_uuids=(SERVICE_UUID,),
        patterns=(
            Pattern(
                AD_SERVICE_DATA_16,
                UUID16.to_bytes(2, "little") + bytes((EID_FRAME_TYPE,)),
                lengths=frozenset(2 + length for length in LENGTHS),
            ),
        ),
    ),
)


def payload(eid: bytes, *, tx_power_dbm: int, seal: bytes = b"") -> bytes:
    """The 21 bytes on air: flags, the UUID list (by which BlueZ filters), the EID frame; 31 with a
    seal.

    `tx_power_dbm` is the power received at 0 m, −100…+20.
    """
    if len(eid) != EID_BYTES or len(seal) not in (0, SEAL_BYTES):
        raise ValueError(f"an EID has {EID_BYTES} bytes, a seal {SEAL_BYTES}")
    power = tx_power_dbm.to_bytes(1, "big", signed=True)
    length = bytes((3 + FRAME_LENGTH + len(seal),))
    return _HEAD + length + _SERVICE_DATA + power + eid + seal
