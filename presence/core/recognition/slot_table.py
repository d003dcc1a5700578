"""The slot table: whose identifier it is in one slot, for millions, in some 13 bytes each.

    eids   sorted, big-endian numbers of 8 bytes                         8 bytes an entry
    rows   whose: the row of its owner in the window's keys, or CLAIMED  4
    index  by prefix (presence.core.recognition.prefix_search)                       1

An identifier that two subjects claim, or three, belongs to nobody: all of its rows are CLAIMED. One
subject that is listed twice with one key is no conflict.
"""

from enum import Enum, auto
from typing import Final

import numpy as np
from numpy.typing import NDArray

from presence.core.recognition.aes import CHUNK, encrypt_under_each
from presence.core.recognition.identifiers import K, window_of_slot
from presence.core.recognition.key_ring import KeyRing, WindowKeys
from presence.core.recognition.prefix_search import PrefixSearch

CLAIMED: Final = 0xFFFF_FFFF
"""No row: a list never has as many entries (feed)."""


class Claim(Enum):
    """What a table answers where there is no single owner."""

    AMBIGUOUS = auto()


class SlotTable:
    """All identifiers of one slot. Immutable: made off the event loop, then swapped in."""

    __slots__ = ("_eids", "_refs", "_rows", "slot")

    def __init__(
        self, slot: int, eids: PrefixSearch, rows: NDArray[np.uint32], refs: NDArray[np.uint64]
    ) -> None:
        self.slot = slot
        self._eids = eids
        self._rows = rows.data
        self._refs = refs.data

    def __len__(self) -> int:
        """How many identifiers, those of CLAIMED rows included."""
        return len(self._eids)

    @property
    def nbytes(self) -> int:
        """Bytes held for this slot alone; the refs belong to the window's keys."""
        return self._eids.nbytes + self._rows.nbytes

    def row(self, identifier: bytes) -> int:
        """In which row of the window's keys its owner stands; −1 where it has no single one."""
        position = self._eids.find(int.from_bytes(identifier, "big"))
        return -1 if position < 0 or self._rows[position] == CLAIMED else self._rows[position]

    def find(self, identifier: bytes) -> bytes | Claim | None:
        """The ref (8 bytes) of the subject that broadcasts this, AMBIGUOUS, or None."""
        position = self._eids.find(int.from_bytes(identifier, "big"))
        if position < 0:
            return None
        row = self._rows[position]
        if row == CLAIMED:
            return Claim.AMBIGUOUS
        ref: int = self._refs[row]
        return ref.to_bytes(8, "big")


def build_table(slot: int, keys: KeyRing, *, chunk: int = CHUNK) -> SlotTable:
    """The identifiers of one slot: 0.2 µs to encrypt and 0.1 µs to sort for each key of its window.

    Meant for a worker thread: numpy lets other threads run inside every operation on a chunk.
    """
    window = keys.window(window_of_slot(slot))
    eids = _identifiers(slot, window, chunk)
    rows = np.argsort(eids).astype(np.uint32)
    eids.sort()
    _cancel_claims(eids, rows, window.refs)
    return SlotTable(slot, PrefixSearch(eids), rows, window.refs)


def identifier_block(slot: int) -> bytes:
    """What is encrypted under every window key of a slot (see
    presence.core.recognition.identifiers).
    """
    return bytes(11) + bytes((K,)) + (slot << K & 0xFFFF_FFFF).to_bytes(4, "big")


def _identifiers(slot: int, window: WindowKeys, chunk: int) -> NDArray[np.uint64]:
    block = identifier_block(slot)
    eids = np.empty(len(window), np.uint64)
    for start in range(0, len(window), chunk):
        ciphertexts = encrypt_under_each(window.keys[start : start + chunk], block, chunk=chunk)
        eids[start : start + chunk] = ciphertexts.view(">u8")[:, 0]
    return eids


def _cancel_claims(
    eids: NDArray[np.uint64], rows: NDArray[np.uint32], refs: NDArray[np.uint64]
) -> None:
    """Mark every row of an identifier that several refs claim. Identifiers hardly ever meet."""
    again = np.flatnonzero(eids[1:] == eids[:-1])
    claimed = again[refs[rows[again]] != refs[rows[again + 1]]]
    # All rows of it, not the two neighbours alone: a third may stand beside them.
    for eid in np.unique(eids[claimed]):
        first, stop = np.searchsorted(eids, eid), np.searchsorted(eids, eid, side="right")
        rows[first:stop] = CLAIMED
