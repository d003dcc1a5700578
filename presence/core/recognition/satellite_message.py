"""What a satellite says to its gateway: which identifiers it heard, how strongly, and how long ago.

    satellite                                            gateway
      │ ◄──────────────── nonce: version ‖ 8 random bytes ── │  anew every NONCE_S, while it listens
      │ ── heard: what was heard since the last message ───► │  no address, no other byte of anybody

    topic      presence/v1/{chain}/{store}/sat/{satellite}/nonce, …/heard     QoS 0, never retained
    nonce      9 bytes: 01 ‖ nonce 8
    heard      39 bytes and its readings, at most 32: 01 ‖ nonce 8 ‖ session 8 ‖ sent 6 ‖ readings
               ‖ MAC 16
    reading    12 to 22 bytes: age 2 ‖ RSSI 1 ‖ flags 1 ‖ EID 8 ‖ extension 0 to 10
    MAC        HMAC-SHA256(the satellite's key, content), the first 16 bytes             RFC 2104
    content    "presence satellite heard v1" ‖ 00 ‖ len chain ‖ chain ‖ len store ‖ store
               ‖ len satellite ‖ satellite ‖ the message without its MAC

Numbers are big-endian; a length is one byte. `session` is random, new at each start of the
satellite; `sent` counts milliseconds since that start and grows with each message. `age` is in
milliseconds before `sent`, `RSSI` in dBm, signed. The low four bits of `flags` are the length of
the extension: what the phone sent behind its EID. The high four are 0.

1. A message without readings is a heartbeat: the satellite lives, and its radio listens.
2. The MAC proves who speaks. That it speaks *now* is proven by the nonce, and by `sent`: see
   presence.core.recognition.satellite_guard.
3. A closed form: any other length, version, flag or age makes the whole message malformed.
"""

import hmac
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

from presence.core.encoding import EID_BYTES
from presence.core.recognition.advertisement import plausible_rssi_dbm
from presence.core.site import Site

VERSION: Final = 1
NONCE_BYTES: Final = 8
SESSION_BYTES: Final = 8
SENT_BYTES: Final = 6
"""Milliseconds of 8,900 years: no satellite comes to the end of them."""
MAC_BYTES: Final = 16
HEAD_BYTES: Final = 1 + NONCE_BYTES + SESSION_BYTES + SENT_BYTES
READING_BYTES: Final = 4 + EID_BYTES
"""Without its extension."""
MAX_EXTENSION_BYTES: Final = 10
"""What is free behind the EID in a legacy advertisement (presence.core.recognition.beacons)."""
MAX_READINGS: Final = 32
MAX_HEARD_BYTES: Final = (
    HEAD_BYTES + MAX_READINGS * (READING_BYTES + MAX_EXTENSION_BYTES) + MAC_BYTES
)
MAX_AGE_MS: Final = 2000
"""What is older is not sent: the rule wants to know where somebody is, not where they were."""
KEY_BYTES: Final = 32
_LABEL: Final = b"presence satellite heard v1\0"


class SatelliteRefusal(StrEnum):
    """Why a message of a satellite is not taken; a closed set, for counting."""

    MALFORMED = "malformed"
    FORGED = "forged"
    """Another key, another satellite's name, or a bit that was changed."""
    STALE = "stale"
    """Made for a nonce that does not count any more, or never did: a recording, say."""
    COPY = "copy"
    """`sent` does not grow: heard before, or out of order."""
    OVER = "over"
    """Of a session that another one followed."""
    LATE = "late"
    """Held up on its way for longer than a reading is of use."""
    FLOOD = "flood"
    """Genuine, and more of them than a satellite has to say."""


class Reading(NamedTuple):
    """One advertisement of our formats, as a satellite heard it."""

    age_ms: int
    """Before the message was sent: 0 to MAX_AGE_MS."""
    rssi_dbm: int
    """Plausible ones only (presence.core.recognition.advertisement)."""
    eid: bytes
    extension: bytes = b""
    """What stood behind the EID on air: 0 to 10 bytes."""


@dataclass(frozen=True, slots=True)
class SatelliteMessage:
    """A message that its satellite's key vouches for."""

    nonce: bytes = field(repr=False)
    session: bytes = field(repr=False)
    sent_ms: int
    """Since the session began."""
    readings: tuple[Reading, ...] = field(default=(), repr=False)


def topic_of_heard(site: Site, satellite: str) -> str:
    """Written by the satellite, read by its gateway."""
    return f"presence/v1/{site.chain}/{site.store}/sat/{satellite}/heard"


def topic_of_nonce(site: Site, satellite: str) -> str:
    """Written by the gateway, read by the satellite."""
    return f"presence/v1/{site.chain}/{site.store}/sat/{satellite}/nonce"


def encode_nonce(nonce: bytes) -> bytes:
    return bytes((VERSION,)) + nonce


def decode_nonce(payload: bytes) -> bytes | None:
    """The nonce (8 bytes), or None where the payload is none."""
    if len(payload) != 1 + NONCE_BYTES or payload[0] != VERSION:
        return None
    return payload[1:]


def encode_heard(heard: SatelliteMessage, key: bytes, site: Site, satellite: str) -> bytes:
    """Raises ValueError or OverflowError where `decode_heard` would not take it."""
    body = bytes((VERSION,)) + heard.nonce + heard.session
    body += heard.sent_ms.to_bytes(SENT_BYTES, "big")
    body += b"".join(_encoded(reading) for reading in heard.readings)
    if _parsed(body) != heard:
        raise ValueError("no message of a satellite: see the form in this module")
    return body + _mac(body, key, site, satellite)


def decode_heard(
    payload: bytes, key: bytes, site: Site, satellite: str
) -> SatelliteMessage | SatelliteRefusal:
    """The message, or why it is none: MALFORMED or FORGED."""
    if not HEAD_BYTES + MAC_BYTES <= len(payload) <= MAX_HEARD_BYTES:
        return SatelliteRefusal.MALFORMED
    body, mac = payload[:-MAC_BYTES], payload[-MAC_BYTES:]
    heard = _parsed(body)
    if heard is None:
        return SatelliteRefusal.MALFORMED
    if not hmac.compare_digest(_mac(body, key, site, satellite), mac):
        return SatelliteRefusal.FORGED
    return heard


def _encoded(reading: Reading) -> bytes:
    age_ms, rssi_dbm, eid, extension = reading
    head = age_ms.to_bytes(2, "big") + rssi_dbm.to_bytes(1, "big", signed=True)
    return head + bytes((len(extension),)) + eid + extension


def _parsed(body: bytes) -> SatelliteMessage | None:
    if body[0] != VERSION:
        return None
    nonce_end = 1 + NONCE_BYTES
    session_end = nonce_end + SESSION_BYTES
    readings = _readings(body[HEAD_BYTES:])
    if readings is None:
        return None
    sent_ms = int.from_bytes(body[session_end:HEAD_BYTES], "big")
    return SatelliteMessage(body[1:nonce_end], body[nonce_end:session_end], sent_ms, readings)


def _readings(body: bytes) -> tuple[Reading, ...] | None:
    """All of them, or None where they are not of the form."""
    readings: list[Reading] = []
    start = 0
    while start < len(body):
        eid_end = start + READING_BYTES
        if eid_end > len(body):
            return None
        extension = body[start + 3]  # the flags: the high four bits are 0, or this is too long
        end = eid_end + extension
        age_ms = int.from_bytes(body[start : start + 2], "big")
        rssi_dbm = plausible_rssi_dbm(int.from_bytes(body[start + 2 : start + 3], signed=True))
        if (
            extension > MAX_EXTENSION_BYTES
            or end > len(body)
            or age_ms > MAX_AGE_MS
            or rssi_dbm is None
            or len(readings) == MAX_READINGS
        ):
            return None
        readings.append(Reading(age_ms, rssi_dbm, body[start + 4 : eid_end], body[eid_end:end]))
        start = end
    return tuple(readings)


def _mac(body: bytes, key: bytes, site: Site, satellite: str) -> bytes:
    names = [name.encode() for name in (site.chain, site.store, satellite)]
    content = _LABEL + b"".join(bytes((len(name),)) + name for name in names) + body
    return hmac.digest(key, content, "sha256")[:MAC_BYTES]
