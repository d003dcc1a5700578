"""E1: Eddystone-EID, the ephemeral identifier frame (github.com/google/eddystone,
eddystone-eid/README.md).

Service data of UUID 0xFEAA: frame type 0x30, calibrated transmit power at 0 m (1 byte), EID (8
bytes). The two reserved bytes that other Eddystone frames may carry are not part of this one: the
frame ends after the EID.
"""

from typing import Final

from presence.core.recognition.advertisement import (
    AD_SERVICE_DATA_16,
    Advertisement,
    uuid_from_16,
)
from presence.core.recognition.beacons.format import Format, Pattern, ScanFilter

UUID16: Final = 0xFEAA
SERVICE_UUID: Final = uuid_from_16(UUID16)
EID_FRAME_TYPE: Final = 0x30
FRAME_LENGTH: Final = 10


def identifier(advertisement: Advertisement) -> bytes | None:
    """The 8-byte EID of an E1 advertisement, or None where it is anything else."""
    frame = advertisement.service_data.get(SERVICE_UUID)
    if frame is None or len(frame) != FRAME_LENGTH or frame[0] != EID_FRAME_TYPE:
        return None
    return frame[2:]


FORMAT: Final = Format(
    name="E1, Eddystone-EID",
    identify=identifier,
    scan_filter=ScanFilter(
        what="Eddystone-EIDs",
        service_uuids=(SERVICE_UUID,),
        patterns=(
            Pattern(AD_SERVICE_DATA_16, UUID16.to_bytes(2, "little") + bytes((EID_FRAME_TYPE,))),
        ),
    ),
)


def payload(eid: bytes, *, tx_power_dbm: int) -> bytes:
    """The 21 bytes on air: flags, the UUID list (by which BlueZ filters), the EID frame.

    `tx_power_dbm` is the power received at 0 m, −100…+20.
    """
    if len(eid) != 8:
        raise ValueError("an EID has 8 bytes")
    power = tx_power_dbm.to_bytes(1, "big", signed=True)
    return bytes.fromhex("0201060303aafe0d16aafe30") + power + eid
