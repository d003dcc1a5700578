"""An advertisement as it was heard, and the decoding of its raw payload.

Every source hands the same `Advertisement` to the engine: BlueZ gives the decoded fields, captures
and the simulated shop give raw payloads that `decode_payload` turns into the same fields. Where one
payload names a UUID or a company twice, the last one counts, as in BlueZ, so that a replay sees
what the radio would have seen.

AD structures: Bluetooth Core 5.4, Vol 3 Part C §11 (length, type, data; a zero length ends the
significant part); types: Assigned Numbers §2.3.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from presence.core.timestamps import Moment

AD_MANUFACTURER_DATA: Final = 0xFF
AD_SERVICE_DATA_16: Final = 0x16
AD_SERVICE_DATA_128: Final = 0x21
UUID_BYTES: Final = {AD_SERVICE_DATA_16: 2, AD_SERVICE_DATA_128: 16}
"""How long the UUID is with which service data of each type begin."""

RSSI_UNAVAILABLE_DBM: Final = 127
"""Core Vol 4 Part E §7.7.65.2: 127 means "RSSI is not available"."""
LEAST_PLAUSIBLE_DBM: Final = -126
MOST_PLAUSIBLE_DBM: Final = 0
"""HCI allows −127…+20. Above 0 dBm more than a milliwatt would have arrived, which no phone can
send across any distance (+10 dBm EIRP and ~40 dB of loss over the first metre), and −127 is what
BlueZ shows for "not heard now". Such readings occur in real captures (up to +12 dBm); they prove
that something was heard, never how near it was.
"""

NO_FIELDS: Final[Mapping[str, bytes]] = MappingProxyType({})
NO_MANUFACTURER_DATA: Final[Mapping[int, bytes]] = MappingProxyType({})


class Advertisement(NamedTuple):
    """One advertising report. A tuple, because thousands a second are made and dropped.

    Nothing keeps an advertisement after the engine has answered: strangers leave no trace (R-02).
    """

    at: Moment
    address: bytes | str
    """6 bytes, most significant first (as printed), or the text of them as BlueZ spells it: nobody
    converts a stranger's (see `address_bytes`). Used only to notice one identifier under two
    addresses. Empty where a satellite heard it, which does not say.
    """
    rssi_dbm: int | None
    """None where unknown or impossible; see `plausible_rssi_dbm`."""
    service_data: Mapping[str, bytes] = NO_FIELDS
    """By full lower-case UUID, as bleak spells it."""
    manufacturer_data: Mapping[int, bytes] = NO_MANUFACTURER_DATA
    """By company identifier, without the two bytes of it."""
    antenna: str = ""
    """Which of our antennas heard it: its name in the settings, e.g. `00:1A:7D:DA:71:13`."""


def address_bytes(address: bytes | str) -> bytes:
    """The 6 bytes of it; none where there are none."""
    return bytes.fromhex(address.replace(":", "")) if isinstance(address, str) else address


class MalformedPayload(ValueError):
    """AD structures that do not add up. Holds no byte of the payload."""


def plausible_rssi_dbm(reading_dbm: int) -> int | None:
    """The reading, or None where it says nothing about distance."""
    return reading_dbm if LEAST_PLAUSIBLE_DBM <= reading_dbm <= MOST_PLAUSIBLE_DBM else None


def uuid_from_16(uuid16: int) -> str:
    """A 16-bit UUID on the Bluetooth base UUID (Core Vol 3 Part B §2.5.1)."""
    return f"0000{uuid16:04x}-0000-1000-8000-00805f9b34fb"


def uuid_of(spelt: bytes) -> str:
    """The UUID of 2 or 16 bytes on air, least significant first."""
    if len(spelt) == UUID_BYTES[AD_SERVICE_DATA_16]:
        return uuid_from_16(spelt[0] | spelt[1] << 8)
    digits = spelt[::-1].hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def decode_payload(payload: bytes) -> tuple[dict[str, bytes], dict[int, bytes]]:
    """Service data and manufacturer data of one raw payload (0–1650 bytes).

    Raises MalformedPayload where a structure runs over the end or is too short for its type.
    """
    service_data: dict[str, bytes] = {}
    manufacturer_data: dict[int, bytes] = {}
    start, end = 0, len(payload)
    while start < end:
        length = payload[start]
        if length == 0:  # early termination: the rest is padding
            break
        stop = start + 1 + length
        if stop > end:
            raise MalformedPayload("an AD structure runs over the end of the payload")
        kind = payload[start + 1]
        if kind == AD_MANUFACTURER_DATA:
            if length < 3:
                raise MalformedPayload("manufacturer data without a company identifier")
            company = payload[start + 2] | payload[start + 3] << 8
            manufacturer_data[company] = payload[start + 4 : stop]
        elif kind == AD_SERVICE_DATA_16:
            if length < 3:
                raise MalformedPayload("service data without a UUID")
            service_data[uuid_of(payload[start + 2 : start + 4])] = payload[start + 4 : stop]
        elif kind == AD_SERVICE_DATA_128:
            if length < 17:
                raise MalformedPayload("service data without a UUID")
            service_data[uuid_of(payload[start + 2 : start + 18])] = payload[start + 18 : stop]
        start = stop
    return service_data, manufacturer_data


def advertisement_from_payload(
    at: Moment, address: bytes, rssi_dbm: int, payload: bytes, *, antenna: str = ""
) -> Advertisement:
    """A raw report as an Advertisement; raises MalformedPayload."""
    service_data, manufacturer_data = decode_payload(payload)
    return Advertisement(
        at, address, plausible_rssi_dbm(rssi_dbm), service_data, manufacturer_data, antenna
    )
