"""The slot table: whose identifier it is in one slot, for millions, in some 15 bytes each.

    eids   sorted, big-endian numbers of 8 bytes                         8 bytes an entry
    rows   whose: the row of its owner in the window's keys, or CLAIMED  4
    index  by prefix (presence.core.recognition.prefix_search)                       1
    bits   which prefixes there are (presence.core.recognition.prefix_filter)        1 to 2

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
from presence.core.recognition.prefix_filter import prefix_bits
from presence.core.recognition.prefix_search import PrefixSearch

CLAIMED: Final = 0xFFFF_FFFF
"""No row: a list never has as many entries (feed)."""


Eids = NDArray[np.uint64]
Rows = NDArray[np.uint32]


class Claim(Enum):
    """What a table answers where there is no single owner."""

    AMBIGUOUS = auto()


class SlotTable:
    """All identifiers of one slot. Immutable: made off the event loop, then swapped in."""

    __slots__ = ("_eids", "_later", "_refs", "_rows", "bits", "keys", "shift", "slot")

    def __init__(self, slot: int, eids: PrefixSearch, rows: Rows, window: WindowKeys) -> None:
        self.slot = slot
        self.keys = window.keys
        """The columns that it was made from: a later table of the slot may build on it."""
        self.bits, self.shift = prefix_bits(np.asarray(eids.numbers))
        """For reading: whether there may be an owner at all."""
        self._eids = eids
        self._rows = rows.data
        self._refs = window.refs.data
        self._later = window.later_refs.data

    def __len__(self) -> int:
        """How many identifiers, those of CLAIMED rows included."""
        return len(self._eids)

    @property
    def eids(self) -> memoryview:
        """Sorted."""
        return self._eids.numbers

    @property
    def rows(self) -> memoryview:
        """Whose each is."""
        return self._rows

    @property
    def nbytes(self) -> int:
        """Bytes held for this slot alone; the refs belong to the window's keys."""
        return self._eids.nbytes + self._rows.nbytes + self.bits.nbytes

    def row(self, identifier: bytes) -> int:
        """In which row of the window's keys its owner stands; −1 where it has no single one."""
        position = self._eids.find(int.from_bytes(identifier, "big"))
        return -1 if position < 0 or self._rows[position] == CLAIMED else self._rows[position]

    def find(self, identifier: bytes) -> bytes | Claim | None:
        """The ref (8 bytes) of the subject that broadcasts this, AMBIGUOUS, or None."""
        return self.owner(int.from_bytes(identifier, "big"))

    def owner(self, number: int) -> bytes | Claim | None:
        """The same of an identifier as a big-endian number."""
        position = self._eids.find(number)
        if position < 0:
            return None
        row = self._rows[position]
        if row == CLAIMED:
            return Claim.AMBIGUOUS
        own = len(self._refs)
        ref: int = self._refs[row] if row < own else self._later[row - own]
        return ref.to_bytes(8, "big")


def build_table(
    slot: int, keys: KeyRing, former: SlotTable | None = None, *, chunk: int = CHUNK
) -> SlotTable:
    """The identifiers of one slot: 0.2 µs to encrypt and 0.1 µs to sort for each key of its window.

    `former`: the slot's table of before. Where the columns of keys are still the same, only those
    who came later are encrypted, and the rest is copied: some nanoseconds each. Meant for a worker
    thread: numpy lets other threads run inside every operation on a chunk.
    """
    window = keys.window(window_of_slot(slot))
    if former is not None and former.slot == slot and former.keys is window.keys:
        eids, rows = _kept_of(former, window)
    else:
        live = window.live()
        eids = _identifiers(slot, window.keys, chunk)
        eids = eids if len(live) == len(eids) else eids[live]
        order = np.argsort(eids)
        rows = live[order].astype(np.uint32)
        eids.sort()
    eids, rows = _with_later(slot, window, eids, rows, chunk)
    _cancel_claims(eids, rows, window)
    return SlotTable(slot, PrefixSearch(eids), rows, window)


def _kept_of(former: SlotTable, window: WindowKeys) -> tuple[Eids, Rows]:
    """What still stands of a table. What several claimed stays claimed until the slot is over."""
    rows = np.asarray(former.rows)
    over = np.zeros(len(window.refs), np.bool_)
    over[window.dead] = True
    stands = rows == CLAIMED
    own = rows < len(over)
    stands[own] = ~over[rows[own]]
    return np.asarray(former.eids)[stands], rows[stands]


def _with_later(
    slot: int, window: WindowKeys, eids: Eids, rows: Rows, chunk: int
) -> tuple[Eids, Rows]:
    later = _identifiers(slot, window.later_keys, chunk)
    order = np.argsort(later)
    order = order[np.any(window.later_keys[order], axis=1)]
    if not len(order):
        return eids, rows
    places = np.searchsorted(eids, later[order])
    numbers = (order + len(window.refs)).astype(np.uint32)
    return np.insert(eids, places, later[order]), np.insert(rows, places, numbers)


def identifier_block(slot: int) -> bytes:
    """What is encrypted under every window key of a slot (see
    presence.core.recognition.identifiers).
    """
    return bytes(11) + bytes((K,)) + (slot << K & 0xFFFF_FFFF).to_bytes(4, "big")


def _identifiers(slot: int, keys: NDArray[np.uint8], chunk: int) -> Eids:
    block = identifier_block(slot)
    eids = np.empty(len(keys), np.uint64)
    for start in range(0, len(keys), chunk):
        ciphertexts = encrypt_under_each(keys[start : start + chunk], block, chunk=chunk)
        eids[start : start + chunk] = ciphertexts.view(">u8")[:, 0]
    return eids


def _cancel_claims(eids: Eids, rows: Rows, window: WindowKeys) -> None:
    """Mark every row of an identifier that several refs claim. Identifiers hardly ever meet."""
    again = np.flatnonzero(eids[1:] == eids[:-1])
    if not len(again):
        return
    one, other = rows[again], rows[again + 1]
    differ = (one == CLAIMED) | (other == CLAIMED) | (_refs(window, one) != _refs(window, other))
    claimed = np.unique(eids[again[differ]])
    # All rows of it, not the two neighbours alone: a third may stand beside them.
    places = np.union1d(again, again + 1)
    rows[places[np.isin(eids[places], claimed)]] = CLAIMED


def _refs(window: WindowKeys, rows: Rows) -> NDArray[np.uint64]:
    """Of these rows; of CLAIMED ones any."""
    own = len(window.refs)
    refs = np.zeros(len(rows), np.uint64)
    for first, some in ((0, window.refs), (own, window.later_refs)):
        theirs = (rows >= first) & (rows < first + len(some))
        refs[theirs] = some[rows[theirs] - first]
    return refs
