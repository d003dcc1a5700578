"""Ticks: what a phone may add to its E1 frame, so that a recording of it is worth nothing after
half a minute (docs/app-integration.md, byte by byte).

    frame   30 ‖ power 1 ‖ EID 8 ‖ seal 10                  31 bytes on air: all that there are
    seal    tick 1 ‖ MAC 9
    tick    the top two bits are the version, 0; the others number the 16 s within the slot: 0…63
    key     HKDF-SHA256(TK, no salt, info "presence tick v1", 32 bytes)                   RFC 5869
    MAC     HMAC-SHA256(key, slot 4 big-endian ‖ tick 1), the first 9 bytes               RFC 2104

TK and slot are those of presence.core.recognition.identifiers; the MAC needs no EID, because slot
and key make it.

1. The tick of now counts, and those within TOLERANCE_S of it: clocks differ. So a recording lives
   16 to 32 s, and a phone whose clock is wrong by more than TOLERANCE_S is not recognised.
2. 72 bits are all that fit. Guesses cost a packet each, and none can be tried without the gateway:
   at a thousand a second for a century the chance is 1 in a billion. (NIST SP 800-38B, App. A, asks
   for 64 bits where an attacker may try often.)
3. What is *relayed* within the half minute has a good seal: see the rules on addresses and
   strengths in presence.core.recognition.replay_guard.
4. Neither power nor address is in the MAC: satellites carry neither.
"""

import hmac
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from presence.core.encoding import SEAL_BYTES
from presence.core.recognition.identifiers import SLOT_S

TICK_S: Final = 16
TICKS_A_SLOT: Final = SLOT_S // TICK_S
TOLERANCE_S: Final = 16.0
"""Of the phone's clock against the gateway's. Phones that follow a network's time are within
seconds; more would only let recordings live longer.
"""
MAC_BYTES: Final = SEAL_BYTES - 1


def tick_at(utc_s: float) -> int:
    """The number of the 16 s within the slot, 0…63."""
    return int(utc_s) % SLOT_S // TICK_S


def tick_key(window_key: bytes) -> bytes:
    """The key of a window's seals (32 bytes); the window key itself only makes identifiers."""
    return HKDF(SHA256(), 32, salt=None, info=b"presence tick v1").derive(window_key)


def make_seal(key: bytes, slot: int, tick: int) -> bytes:
    """What stands behind the EID during this tick; `key` is a `tick_key`."""
    content = slot.to_bytes(4, "big") + bytes((tick,))
    return content[4:] + hmac.digest(key, content, "sha256")[:MAC_BYTES]


def seal_at(window_key: bytes, utc_s: float) -> bytes:
    """The phone's side: the seal of this moment."""
    return make_seal(tick_key(window_key), int(utc_s) // SLOT_S, tick_at(utc_s))


def is_genuine(seal: bytes, key: bytes, slot: int) -> bool:
    """Was it made by a holder of the window's key, for this slot and its own tick?"""
    return hmac.compare_digest(seal, make_seal(key, slot, seal[0]))


def counts_until_s(seal: bytes, slot: int, utc_s: float) -> float:
    """Until when (UTC) this seal may count; 0 where it may not at `utc_s`, whoever made it: too
    old, from the future, or of another version.
    """
    tick = seal[0]
    begins_s = slot * SLOT_S + tick * TICK_S
    until_s = begins_s + TICK_S + TOLERANCE_S
    if tick >= TICKS_A_SLOT or not begins_s - TOLERANCE_S <= utc_s < until_s:
        return 0.0
    return until_s
