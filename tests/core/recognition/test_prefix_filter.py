"""No number that is there is ever missed, and few that are not there get through."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.core.recognition.prefix_filter import BITS_PER_NUMBER, prefix_bits


def passes(bits: memoryview, shift: int, number: int) -> bool:
    prefix = number >> shift
    return bool(bits[prefix >> 3] >> (prefix & 7) & 1)


@given(st.lists(st.integers(0, 2**64 - 1), max_size=200))
def test_every_number_passes(numbers: list[int]) -> None:
    bits, shift = prefix_bits(np.array(sorted(numbers), np.uint64))

    assert all(passes(bits, shift, number) for number in numbers)


def test_of_nothing_nothing_passes() -> None:
    bits, shift = prefix_bits(np.empty(0, np.uint64))

    assert not any(passes(bits, shift, number) for number in (0, 1 << 63, 2**64 - 1))


@pytest.mark.parametrize("count", [1, 100, 8192, 100_000])
def test_few_of_the_others_pass_and_the_bits_are_few(count: int) -> None:
    chance = np.random.default_rng(count)
    numbers = np.sort(chance.integers(0, 1 << 64, count, np.uint64, endpoint=False))
    others = chance.integers(0, 1 << 64, 2000, np.uint64, endpoint=False)

    bits, shift = prefix_bits(numbers)

    assert sum(passes(bits, shift, int(other)) for other in others) < 2000 / BITS_PER_NUMBER * 1.3
    assert len(bits) <= 2 * count * BITS_PER_NUMBER // 8 + 1
