"""The window keys that a gateway holds: 24 bytes an entry and window, and nothing of them left when
a window is over.

    window 27396   refs uint64[N]   keys uint8[N, 16]
    window 27397   the same refs    keys uint8[N, 16]

Where two windows list the same refs in the same order (an ordinary list does), they share one array
of refs.

A ring is not changed. A new list makes a new ring; `erase` then overwrites the old one's keys, and
`since` those of windows that are over.

Trap: a table that was being built while its keys were erased is made from zeros. The builder must
drop it when its ring was replaced meanwhile, or its window is over; nobody wants either any more.
"""

from array import array
from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from presence.core.encoding import KEY_BYTES, REF_BYTES
from presence.core.recognition.identifiers import WindowKey


class WindowKeys:
    """The keys of one window: `keys[n]` belongs to `refs[n]`. Secret; prints as a count."""

    __slots__ = ("keys", "refs")

    def __init__(self, refs: NDArray[np.uint64], keys: NDArray[np.uint8]) -> None:
        if keys.shape != (len(refs), KEY_BYTES):
            raise ValueError(f"{len(refs)} refs need {len(refs)} keys of {KEY_BYTES} bytes")
        self.refs = refs
        self.keys = keys

    def __len__(self) -> int:
        return len(self.refs)

    def __repr__(self) -> str:
        return f"WindowKeys({len(self)} entries)"


_NO_KEYS: Final = WindowKeys(np.empty(0, np.uint64), np.empty((0, KEY_BYTES), np.uint8))


class KeyRing:
    """Window number → keys. The only holder of its buffers, so that it can erase them."""

    __slots__ = ("_windows",)

    def __init__(self, windows: Mapping[int, WindowKeys] | None = None) -> None:
        self._windows = _share_refs(windows or {})

    @classmethod
    def from_keys(cls, keys: Iterable[WindowKey]) -> "KeyRing":
        """From single keys, in one pass; needs little more memory than the ring itself."""
        gathered: dict[int, tuple[array[int], bytearray]] = {}
        for ref, window, key in keys:
            parts = gathered.get(window)
            if parts is None:
                parts = gathered[window] = (array("Q"), bytearray())
            parts[0].append(int.from_bytes(ref, "big"))
            parts[1].extend(key)
        return cls(
            {
                window: WindowKeys(_numbers(refs), _rows(keys))
                for window, (refs, keys) in gathered.items()
            }
        )

    @classmethod
    def from_bytes(
        cls, windows: Mapping[int, tuple[bytes | bytearray, bytes | bytearray]]
    ) -> "KeyRing":
        """From raw columns: refs of 8 bytes big-endian, keys of 16.

        A bytearray of keys is taken over, and erased when its time comes; bytes are copied, and the
        original is the caller's to get rid of. Raises ValueError where a column's length does not
        fit.
        """
        return cls(
            {
                window: WindowKeys(_refs(refs), _rows(keys))
                for window, (refs, keys) in windows.items()
            }
        )

    def __repr__(self) -> str:
        return f"KeyRing({ {window: len(keys) for window, keys in self._windows.items()} })"

    def __len__(self) -> int:
        """How many keys, over all windows."""
        return sum(map(len, self._windows.values()))

    @property
    def windows(self) -> tuple[int, ...]:
        return tuple(sorted(self._windows))

    @property
    def nbytes(self) -> int:
        refs = {id(keys.refs): keys.refs.nbytes for keys in self._windows.values()}
        return sum(refs.values()) + sum(keys.keys.nbytes for keys in self._windows.values())

    def window(self, number: int) -> WindowKeys:
        """The keys of a window; none where the ring has none: then the gateway is blind (T-13)."""
        return self._windows.get(number, _NO_KEYS)

    def key(self, ref: bytes, window: int, *, row: int = -1) -> bytes | None:
        """The window key of one subject (16 bytes), or None. Looks through all refs (1 ms for a
        million) where the subject does not stand in this row.
        """
        keys = self.window(window)
        number = int.from_bytes(ref, "big")
        if 0 <= row < len(keys) and keys.refs[row] == number:
            return bytes(keys.keys[row])
        rows = np.flatnonzero(keys.refs == number)
        return bytes(keys.keys[rows[0]]) if len(rows) == 1 else None

    def since(self, window: int) -> "KeyRing":
        """The ring from this window on; the keys of earlier windows are erased."""
        for number, keys in self._windows.items():
            if number < window:
                keys.keys.fill(0)
        return KeyRing({number: keys for number, keys in self._windows.items() if number >= window})

    def erase(self) -> None:
        """Overwrite every key. Refs stay: they are of no use without a consent."""
        for keys in self._windows.values():
            keys.keys.fill(0)


def _share_refs(windows: Mapping[int, WindowKeys]) -> dict[int, WindowKeys]:
    shared: dict[int, WindowKeys] = {}
    for number, keys in windows.items():
        twin = next(
            (other.refs for other in shared.values() if np.array_equal(other.refs, keys.refs)),
            keys.refs,
        )
        shared[number] = WindowKeys(twin, keys.keys)
    return shared


def _numbers(refs: "array[int]") -> NDArray[np.uint64]:
    return np.frombuffer(refs, np.uint64)


def _refs(refs: bytes | bytearray) -> NDArray[np.uint64]:
    if len(refs) % REF_BYTES:
        raise ValueError(
            f"refs are {REF_BYTES} bytes each, {len(refs)} bytes do not divide by that"
        )
    return np.frombuffer(refs, ">u8").astype(np.uint64)


def _rows(keys: bytes | bytearray) -> NDArray[np.uint8]:
    if len(keys) % KEY_BYTES:
        raise ValueError(
            f"keys are {KEY_BYTES} bytes each, {len(keys)} bytes do not divide by that"
        )
    rows: NDArray[Any] = np.frombuffer(keys, np.uint8).reshape(-1, KEY_BYTES)
    return rows if rows.flags.writeable else rows.copy()
