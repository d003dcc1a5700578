"""Which identifiers are on air in a slot, and whose they are.

Eddystone-EID with K = 10 (github.com/google/eddystone, eddystone-eid/eid-computation.md):

    window  = t >> 16                     65,536 s (18.2 h): the temporary key TK lives that long
    slot    = t >> 10                     1,024 s: the identifier on air
    TK      = AES-128(IK, 00×11 ‖ FF ‖ 00 00 ‖ t[31:16])
    EID     = AES-128(TK, 00×11 ‖ K ‖ t with its K low bits cleared, 4 bytes big-endian)[:8]

The gateway holds TKs only: a stolen gateway is blind when its windows are over.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

K: Final = 10
SLOT_S: Final = 1 << K
WINDOW_S: Final = 1 << 16
NEIGHBOUR_TOLERANCE_S: Final = 120
"""A phone's clock may be this wrong: the slot before and after count only this near to a boundary
(docs/design.md#identity).
"""


class WindowKey(NamedTuple):
    """The temporary key of one subject for one window; secret."""

    ref: bytes
    window: int
    key: bytes

    def __repr__(self) -> str:
        return f"WindowKey(window={self.window})"


def slot_at(utc_s: float) -> int:
    return int(utc_s) >> K


def window_of_slot(slot: int) -> int:
    return slot >> 16 - K


def window_at(utc_s: float) -> int:
    return int(utc_s) >> 16


def encrypt_block(key: bytes, block: bytes) -> bytes:
    """AES-128 of one block."""
    encryptor = Cipher(AES(key), ECB()).encryptor()  # noqa: S305 - one block: the construction of the specification
    return encryptor.update(block)


def window_block(window: int) -> bytes:
    """What an identity key encrypts to make the window key of a window."""
    return bytes(11) + b"\xff\x00\x00" + (window & 0xFFFF).to_bytes(2, "big")


def ephemeral_identifier(key: bytes, slot: int, *, k: int = K) -> bytes:
    """The EID (8 bytes) that the holder of this window key broadcasts during `slot`."""
    start_s = slot << k & 0xFFFFFFFF
    return encrypt_block(key, bytes(11) + bytes((k,)) + start_s.to_bytes(4, "big"))[:8]


def slots_to_accept(utc_s: float) -> Iterator[int]:
    """The current slot, and its neighbour where a boundary is near."""
    slot = slot_at(utc_s)
    yield slot
    into_slot_s = utc_s - slot * SLOT_S
    if into_slot_s < NEIGHBOUR_TOLERANCE_S:
        yield slot - 1
    elif into_slot_s >= SLOT_S - NEIGHBOUR_TOLERANCE_S:
        yield slot + 1
