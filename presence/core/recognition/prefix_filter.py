"""Which numbers are surely none of millions: one bit for each prefix, set where a number begins
with it.

A stranger's identifier never comes twice, so each is looked for where nothing of it is in any
cache. The bits are few: of five million numbers 8 MB, where the search itself looks at 48 MB, twice
or three times. Some 7 % of what is not there passes, and is then searched.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

BITS_PER_NUMBER: Final = 8
"""At least, and less than 16: their number is a power of two. With 16 a search of a stranger is no
faster, for more of them lie outside the caches (`scripts/bench identity`).
"""


AT_ONCE: Final = 1 << 22
"""Bits made at a time, a byte each: 4 MB beside the result."""


def prefix_bits(numbers: NDArray[np.uint64]) -> tuple[memoryview, int]:
    """The bits of these sorted numbers, 8 a byte, and by how much a number is shifted to be a
    position among them: bit `p & 7` of byte `p >> 3`. Some 15 ms a million.
    """
    bits = max(3, (len(numbers) * BITS_PER_NUMBER - 1).bit_length())
    shift = np.uint64(64 - bits)
    # An array of numpy's, which asks the kernel for large pages.
    packed = np.empty(1 << bits - 3, np.uint8)
    size = min(1 << bits, AT_ONCE)
    starts = np.arange(0, 1 << bits, size, dtype=np.uint64)
    ends = np.append(np.searchsorted(numbers, starts[1:] << shift), len(numbers))
    begin = 0
    for start, end in zip(starts, ends, strict=True):
        marks = np.zeros(size, np.bool_)
        marks[(numbers[begin:end] >> shift) - start] = True
        packed[int(start) >> 3 : int(start) + size >> 3] = np.packbits(marks, bitorder="little")
        begin = end
    return packed.data, 64 - bits
