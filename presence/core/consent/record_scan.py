"""Judging very many records at once, in numpy: some 0.4 µs each, where `check_record` takes 2.

All records of a chunk are read side by side, one cursor a record, field by field in the order of
presence.core.consent.record. What is found right here is right by `check_record` as well, with the
same version (a test holds the two together). What is not found right is not wrong yet: arrays of
more than 15, for one, are not read here. `check_record` has the last word, and the words for what
is wrong.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from presence.core.consent.entry_rules import LATEST_S, LOUDNESS_STEP_DB, MAX_LOUDNESS_DB
from presence.core.consent.record import FLAGS, PURPOSES
from presence.core.encoding import KEY_BYTES

CHUNK: Final = 16_384
"""Records at a time: their cursors and numbers stay in the processor's cache."""
BEYOND: Final = 64
"""Zeros that follow the last record: a cursor that left its record must not leave the data. On
zeros it goes wrong after a key, a number and some single bytes.
"""

Numbers = NDArray[np.uint64]
Some = NDArray[np.bool_]

# MessagePack: how many bytes of a number follow its first byte, and the least that may be written
# so. All other first bytes begin no number from 0 on.
_FIX_LAST, _NIL, _FALSE, _TRUE, _BIN8, _ARRAY, _ARRAY_LAST = 0x7F, 0xC0, 0xC2, 0xC3, 0xC4, 0x90, 15
_WIDE: Final = {0xCC: (1, 1 << 7), 0xCD: (2, 1 << 8), 0xCE: (4, 1 << 16), 0xCF: (8, 1 << 32)}
_SIZE: Final = np.zeros(256, np.intp)
_SHIFT: Final = np.zeros(256, np.uint64)
_LEAST: Final = np.zeros(256, np.uint64)
_IS_NUMBER: Final = np.arange(256) <= _FIX_LAST
for _first, (_size, _least) in _WIDE.items():
    _SIZE[_first], _SHIFT[_first], _LEAST[_first] = _size, 64 - 8 * _size, _least
    _IS_NUMBER[_first] = True
_QUIET, _LOUD = _ARRAY + 11, _ARRAY + 12


def scan(
    data: NDArray[np.uint8], starts: NDArray[np.intp], words: int, *, max_span_s: float
) -> tuple[Some, Numbers]:
    """Which records are right for sure, and the version of each of those.

    `starts`: one more than there are records; BEYOND bytes follow the last in `data`. `words`: how
    many there are.
    """
    right = np.empty(len(starts) - 1, np.bool_)
    versions = np.empty(len(right), np.uint64)
    for first in range(0, len(right), CHUNK):
        some = slice(first, first + CHUNK)
        cursors = _Cursors(data, starts[:-1][some])
        versions[some] = _read(cursors, words, max_span_s)
        right[some] = cursors.right & (cursors.at == starts[1:][some])
    return right, versions


def versions_at(data: NDArray[np.uint8], starts: NDArray[np.intp]) -> Numbers:
    """The versions of records that were judged, each from where it begins; 0 where zeros stand in
    its place.
    """
    versions, _ = _Cursors(data, starts + 1).number(1 << 53)
    return versions


class _Cursors:
    """Where each record is read next, and whether all was right so far."""

    def __init__(self, data: NDArray[np.uint8], at: NDArray[np.intp]) -> None:
        self._data = data
        self._eights = np.ndarray(len(data) - 7, ">u8", data, strides=(1,))
        """Eight bytes from each byte on."""
        self.at = at.copy()
        self.right: Some = np.ones(len(at), np.bool_)

    def byte(self) -> NDArray[np.uint8]:
        read = self._data[self.at]
        self.at += 1
        return read

    def number(self, below: int, *, or_nil: bool = False) -> tuple[Numbers, Some]:
        """Numbers in their shortest form, and which of them are nil (0 then)."""
        first = self._data[self.at]
        several = self._eights[self.at + 1].astype(np.uint64) >> _SHIFT[first]
        numbers = np.where(first <= _FIX_LAST, first, several)
        is_nil = first == _NIL
        ok = _IS_NUMBER[first] & (numbers >= _LEAST[first]) & (numbers < below)
        if or_nil:
            ok |= is_nil
            numbers[is_nil] = 0
        self.right &= ok
        # Where it went wrong, the cursor stands still: it must not leave the data.
        self.at += np.where(self.right, _SIZE[first] + 1, 0)
        return numbers, is_nil

    def boolean(self) -> None:
        read = self.byte()
        self.right &= (read == _TRUE) | (read == _FALSE)

    def array(self) -> NDArray[np.uint8]:
        """How many elements follow; 0 where it is no short array."""
        counts = self.byte() - np.uint8(_ARRAY)
        self.right &= counts <= _ARRAY_LAST
        counts[~self.right] = 0
        return counts

    def those(self, which: NDArray[np.intp]) -> "_Cursors":
        """Of some records alone; `back` takes over how far they came."""
        some = object.__new__(_Cursors)
        some._data, some._eights = self._data, self._eights
        some.at, some.right = self.at[which], self.right[which]
        return some

    def back(self, which: NDArray[np.intp], some: "_Cursors") -> None:
        self.at[which], self.right[which] = some.at, some.right


def _read(cursors: _Cursors, words: int, max_span_s: float) -> Numbers:
    """The fields of presence.core.consent.record.Record, in their order."""
    head = cursors.byte()
    loud = head == _LOUD
    cursors.right &= loud | (head == _QUIET)
    versions, _ = cursors.number(1 << 53)
    cursors.number(1 << len(PURPOSES))
    cursors.number(1 << len(FLAGS))
    from_s, _ = cursors.number(LATEST_S)
    to_s, _ = cursors.number(LATEST_S)
    cursors.right &= from_s < to_s
    cursors.right &= to_s - from_s <= max_span_s
    cursors.number(LATEST_S, or_nil=True)  # paused until
    cursors.boolean()  # objected
    _stores(cursors, words)
    _grants(cursors, words, from_s, to_s)
    _ascending(cursors, cursors.array(), words)  # refusals
    _ascending(cursors, cursors.array(), words, pairs=True)  # audiences
    _loudness(cursors, loud)
    return versions


def _stores(cursors: _Cursors, words: int) -> None:
    """Nil, or an array of words that is not empty."""
    chain_wide = cursors._data[cursors.at] == _NIL
    named = np.flatnonzero(~chain_wide & cursors.right)
    cursors.at += chain_wide
    some = cursors.those(named)
    counts = some.array()
    some.right &= counts > 0
    _ascending(some, counts, words)
    cursors.back(named, some)


def _grants(cursors: _Cursors, words: int, from_s: Numbers, to_s: Numbers) -> None:
    counts = cursors.array()
    for n in range(int(counts.max(initial=0))):
        which = np.flatnonzero((counts > n) & cursors.right)
        some = cursors.those(which)
        some.right &= some.byte() == _ARRAY + 4
        some.number(words)
        some.boolean()
        own_s, is_nil = some.number(LATEST_S, or_nil=True)
        some.right &= is_nil | (own_s > from_s[which])
        own_s, is_nil = some.number(LATEST_S, or_nil=True)
        some.right &= is_nil | (own_s < to_s[which])
        cursors.back(which, some)


def _ascending(
    cursors: _Cursors, counts: NDArray[np.uint8], words: int, *, pairs: bool = False
) -> None:
    """Words in ascending order, none twice; `pairs`: each in an array with a key."""
    last = np.full(len(counts), -1, np.int64)
    for n in range(int(counts.max(initial=0))):
        which = np.flatnonzero((counts > n) & cursors.right)
        some = cursors.those(which)
        if pairs:
            some.right &= some.byte() == _ARRAY + 2
        numbers, _ = some.number(words)
        ascending = numbers.astype(np.int64)
        some.right &= ascending > last[which]
        last[which] = ascending
        if pairs:
            some.right &= some.byte() == _BIN8
            some.right &= some.byte() == KEY_BYTES
            some.at += np.where(some.right, KEY_BYTES, 0)
        cursors.back(which, some)


def _loudness(cursors: _Cursors, loud: Some) -> None:
    which = np.flatnonzero(loud & cursors.right)
    some = cursors.those(which)
    steps = some.byte()
    some.right &= (steps >= 1) & (steps <= MAX_LOUDNESS_DB // LOUDNESS_STEP_DB)
    cursors.back(which, some)
