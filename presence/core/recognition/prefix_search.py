"""Finding one of millions of evenly spread 8-byte numbers in nearly the time of one of a thousand.

    starts   how many numbers begin with a smaller prefix; about four numbers share a prefix,
             however many there are
    numbers  sorted; the few that share the wanted one's prefix are bisected

Identifiers are ciphertext and refs are random, so prefixes fill evenly. Somebody who chose the
numbers could only make the bisection longer: 23 steps among eight million.
"""

from bisect import bisect_left
from typing import Final

import numpy as np
from numpy.typing import NDArray

NUMBERS_PER_PREFIX: Final = 4
"""A byte of index for each number. 16 in place of 4 would save three quarters of it and cost some
50 ns a search.
"""
MAX_PREFIX_BITS: Final = 24


class PrefixSearch:
    """Sorted numbers with an index of their prefixes. Python reads an item of a memoryview as fast
    as one of a list.
    """

    __slots__ = ("_shift", "_starts", "numbers")

    def __init__(self, numbers: NDArray[np.uint64]) -> None:
        """`numbers` are sorted; they are kept as they are, not copied."""
        bits = min(MAX_PREFIX_BITS, (len(numbers) // NUMBERS_PER_PREFIX).bit_length())
        self._shift = 64 - bits
        starts = np.empty((1 << bits) + 1, np.uint32)
        starts[0], starts[-1] = 0, len(numbers)
        if bits:
            prefixes = np.arange(1, 1 << bits, dtype=np.uint64) << np.uint64(self._shift)
            starts[1:-1] = np.searchsorted(numbers, prefixes)
        self._starts = starts.data
        self.numbers = np.ascontiguousarray(numbers, np.uint64).data

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, position: int) -> int:
        number: int = self.numbers[position]
        return number

    @property
    def nbytes(self) -> int:
        return self.numbers.nbytes + self._starts.nbytes

    def find(self, number: int) -> int:
        """The first position that holds this number (0…2⁶⁴−1), or −1."""
        prefix = number >> self._shift
        starts = self._starts
        stop = starts[prefix + 1]
        position = bisect_left(self.numbers, number, starts[prefix], stop)
        return position if position < stop and self.numbers[position] == number else -1
