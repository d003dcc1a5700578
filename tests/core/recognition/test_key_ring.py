"""Which keys a gateway holds, and that those of yesterday are gone."""

import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.core.recognition.identifiers import WindowKey, ephemeral_identifier, window_at
from presence.core.recognition.key_ring import KeyRing, WindowKeys
from presence.core.recognition.slot_table import build_table
from tests.support.builders import ANNA, BERIT, START_S, window_keys

WINDOW = window_at(START_S)
KEYS = st.builds(
    WindowKey,
    st.binary(min_size=8, max_size=8),
    st.integers(27_000, 27_003),
    st.binary(min_size=16, max_size=16),
)


def held(ring: KeyRing) -> list[WindowKey]:
    return [
        WindowKey(int(ref).to_bytes(8, "big"), number, key.tobytes())
        for number in ring.windows
        for ref, key in zip(ring.window(number).refs, ring.window(number).keys, strict=True)
    ]


@given(st.lists(KEYS, max_size=40))
def test_a_ring_holds_what_it_was_given_in_order_of_windows(keys: list[WindowKey]) -> None:
    assert held(KeyRing.from_keys(iter(keys))) == sorted(keys, key=lambda key: key.window)


@given(st.lists(KEYS.map(lambda key: key._replace(window=27_000)), max_size=40))
def test_raw_columns_are_read_as_single_keys_are(keys: list[WindowKey]) -> None:
    columns = b"".join(key.ref for key in keys), b"".join(key.key for key in keys)

    assert held(KeyRing.from_bytes({27_000: columns})) == keys


def test_columns_of_the_wrong_length_are_refused() -> None:
    for refs, keys in ((bytes(15), bytes(16)), (bytes(8), bytes(17)), (bytes(16), bytes(16))):
        with pytest.raises(ValueError, match="bytes"):
            KeyRing.from_bytes({1: (refs, keys)})


def test_an_entry_takes_24_bytes_for_one_window_and_40_for_two() -> None:
    keys = [WindowKey(os.urandom(8), 1, os.urandom(16)) for _ in range(100)]
    both = keys + [key._replace(window=2, key=os.urandom(16)) for key in keys]

    assert KeyRing.from_keys(keys).nbytes == 2400
    assert KeyRing.from_keys(both).nbytes == 4000


def test_windows_that_list_other_refs_share_nothing() -> None:
    ring = KeyRing.from_keys([WindowKey(ANNA, 1, bytes(16)), WindowKey(BERIT, 2, bytes(16))])

    assert [int(ring.window(n).refs[0]).to_bytes(8, "big") for n in (1, 2)] == [ANNA, BERIT]


@pytest.mark.requirement("T-13", "R-12")
def test_the_keys_of_a_window_that_is_over_are_erased() -> None:
    ring = KeyRing.from_keys(window_keys(ANNA))
    over, lasting = ring.window(WINDOW), ring.window(WINDOW + 1)

    later = ring.since(WINDOW + 1)

    assert later.windows == (WINDOW + 1,)
    assert not over.keys.any()
    assert lasting.keys.any()


@pytest.mark.requirement("T-13")
def test_without_a_key_for_the_window_the_gateway_is_blind() -> None:
    ring = KeyRing.from_keys(window_keys(ANNA)).since(WINDOW + 2)
    slot = (WINDOW + 2) << 6

    assert len(build_table(slot, ring)) == len(ring) == 0


@pytest.mark.requirement("R-12", "R-64")
def test_erasing_overwrites_the_very_buffer_that_was_handed_over() -> None:
    columns = bytearray(os.urandom(160))
    ring = KeyRing.from_bytes({1: (os.urandom(80), columns)})
    keys = [ring.window(1).keys[n].tobytes() for n in range(10)]

    ring.erase()

    assert columns == bytes(160)
    slot = 1 << 6
    assert all(
        build_table(slot, ring).find(ephemeral_identifier(key, slot)) is None for key in keys
    )


@pytest.mark.requirement("R-03")
def test_a_ring_prints_without_refs_and_keys() -> None:
    ring = KeyRing.from_keys([WindowKey(ANNA, 1, b"0123456789abcdef")])

    assert repr(ring) == "KeyRing({1: 1})"
    assert repr(ring.window(1)) == "WindowKeys(1 entries)"


def test_ring_columns_are_of_fixed_width() -> None:
    window = KeyRing.from_keys(window_keys(ANNA)).window(WINDOW)

    assert (window.refs.dtype, window.keys.dtype, window.keys.shape) == (
        np.uint64,
        np.uint8,
        (1, 16),
    )


def later_ring() -> tuple[KeyRing, WindowKeys]:
    """Two of a base, the second of whom has another key by now; and one who came."""
    keys = np.arange(1, 33, dtype=np.uint8).reshape(2, 16)
    refs = np.array([1, 2], np.uint64)
    later = np.array([2, 3], np.uint64), np.arange(101, 133, dtype=np.uint8).reshape(2, 16)
    window = WindowKeys(refs, keys, later=later, dead=np.array([1]))
    return KeyRing({7: window}), window


def test_a_key_that_came_later_is_the_one_that_counts() -> None:
    ring, _ = later_ring()
    refs = [number.to_bytes(8, "big") for number in (1, 2, 3, 4)]
    rows = [(-1, -1, -1, -1), (0, 1, 2, 3), (2, 2, 3, 0), (9, 9, 9, 9)]
    for hints in rows:
        found = [ring.key(ref, 7, row=row) for ref, row in zip(refs, hints, strict=True)]
        assert [key[0] if key else None for key in found] == [1, 101, 117, None]
    assert len(ring) == 3
    assert ring.window(7).columns()[0].tolist() == [1, 2, 3]


@pytest.mark.requirement("R-12")
def test_a_new_ring_of_the_same_columns_keeps_them_and_the_rest_of_the_old_one_is_erased() -> None:
    old, window = later_ring()
    new = KeyRing({7: WindowKeys(window.refs, window.keys)})
    old.erase(but=new)
    assert window.keys.all()
    assert not window.later_keys.any()
    new.erase(but=KeyRing())
    assert not window.keys.any()
    assert new.key((1).to_bytes(8, "big"), 7, row=0) is None
