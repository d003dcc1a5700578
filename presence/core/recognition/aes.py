"""AES-128 of one block under very many keys at once, in numpy.

Rolling over a slot encrypts the same 16 bytes under each of N window keys, and every key needs its
own schedule: a cipher object of `cryptography` for each costs some 3 µs, most of it for the object.
Here the keys of a chunk walk through the rounds together, and the key schedule walks beside them,
so that nothing is kept per key.

The state is four columns of N words (FIPS-197 §3.4: byte n of a column is row n); SubBytes,
ShiftRows and MixColumns of one byte are one look-up in a table of 256 words (Daemen and Rijmen,
*The Design of Rijndael*, §4.2).

* Table look-ups take a time that depends on the data. That is of no use to anybody who does not
  already run code on this gateway's processor; for anything but this batch use `cryptography`.
* numpy lets go of the interpreter's lock inside each of its loops: no other thread waits longer for
  it than for one operation on a chunk, some tens of microseconds.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from presence.core.encoding import KEY_BYTES

BLOCK_BYTES: Final = 16
CHUNK: Final = 32_768
"""Keys at a time. Measured: 530 ns a key at 1,024, 190 at 32,768 and 65,536, 225 at 131,072 (out of
the cache).
"""

Words = NDArray[np.uint32]


def _substitutions() -> list[int]:
    """The S-box (FIPS-197 §5.1.1): the inverse in GF(2⁸), then the affine transformation."""
    box = [0] * 256
    p = q = 1
    while True:
        p = p ^ (p << 1) & 0xFF ^ (0x1B if p & 0x80 else 0)  # p times 3, a generator of the field
        q ^= q << 1  # q divided by 3
        q ^= q << 2
        q ^= q << 4
        q = q & 0xFF ^ (0x09 if q & 0x80 else 0)
        rotated = q << 8 | q
        box[p] = (q ^ rotated >> 7 ^ rotated >> 6 ^ rotated >> 5 ^ rotated >> 4) & 0xFF ^ 0x63
        if p == 1:
            break
    box[0] = 0x63
    return box


def _tables(column: NDArray[np.uint8]) -> tuple[Words, ...]:
    """What a byte in row 0, 1, 2 and 3 becomes: the same four bytes, turned by one row each."""
    return tuple(
        np.ascontiguousarray(np.roll(column, row, axis=1)).view("<u4").ravel() for row in range(4)
    )


_BOX: Final = np.array(_substitutions(), np.uint8)
_TWICE: Final = (_BOX << 1) ^ ((_BOX >> 7) * np.uint8(0x1B))
_NOTHING: Final = np.zeros_like(_BOX)
_MIXED: Final = _tables(np.stack((_TWICE, _BOX, _BOX, _TWICE ^ _BOX), axis=1))
_UNMIXED: Final = _tables(np.stack((_BOX, _NOTHING, _NOTHING, _NOTHING), axis=1))
"""For the last round, which has no MixColumns, and for the key schedule."""
_ROUND_CONSTANTS: Final = (0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0x1B, 0x36)


def encrypt_under_each(
    keys: NDArray[np.uint8], block: bytes, *, chunk: int = CHUNK
) -> NDArray[np.uint8]:
    """The block's ciphertext under each key: shape (N, 16) in, shape (N, 16) out."""
    if keys.ndim != 2 or keys.shape[1] != KEY_BYTES:
        raise ValueError(f"AES-128 keys are an array of N by {KEY_BYTES} bytes")
    if len(block) != BLOCK_BYTES:
        raise ValueError(f"an AES block has {BLOCK_BYTES} bytes")
    plain = np.frombuffer(block, "<u4")
    ciphertexts = np.empty((len(keys), BLOCK_BYTES), np.uint8)
    for start in range(0, len(keys), chunk):
        part = np.ascontiguousarray(keys[start : start + chunk])
        ciphertexts[start : start + chunk].view("<u4")[:] = _encrypt(
            part.view("<u4").T.copy(), plain
        ).T
    return ciphertexts


def _encrypt(round_key: Words, plain: Words) -> Words:
    """Four columns of keys in, four columns of ciphertext out; the keys are overwritten."""
    state = round_key ^ plain[:, np.newaxis]
    following = np.empty_like(state)
    scratch = np.empty_like(state[0])
    for number, constant in enumerate(_ROUND_CONSTANTS, start=1):
        _advance_key(round_key, constant, scratch)
        _round(
            _MIXED if number < len(_ROUND_CONSTANTS) else _UNMIXED,
            state,
            round_key,
            following,
            scratch,
        )
        state, following = following, state
    round_key.fill(0)
    return state


def _round(
    tables: tuple[Words, ...], state: Words, round_key: Words, following: Words, scratch: Words
) -> None:
    """SubBytes, ShiftRows (row r comes from r columns further on), MixColumns, AddRoundKey."""
    rows = _bytes_of(state)
    for column in range(4):
        target = following[column]
        # "wrap" only spares numpy a copy of the result: a byte is never out of range of 256
        # entries.
        tables[0].take(rows[column, :, 0], out=target, mode="wrap")
        for row in range(1, 4):
            tables[row].take(rows[(column + row) % 4, :, row], out=scratch, mode="wrap")
            target ^= scratch
    following ^= round_key


def _advance_key(round_key: Words, constant: int, scratch: Words) -> None:
    """The next round key in place of this one (FIPS-197 §5.2)."""
    last = _bytes_of(round_key)[3]
    first = round_key[0]
    for row in range(4):
        _UNMIXED[row].take(last[:, (row + 1) % 4], out=scratch, mode="wrap")
        first ^= scratch
    first ^= np.uint32(constant)
    for column in range(1, 4):
        round_key[column] ^= round_key[column - 1]


def _bytes_of(columns: Words) -> NDArray[np.uint8]:
    """Column, key, row."""
    return columns.view(np.uint8).reshape(*columns.shape, 4)
