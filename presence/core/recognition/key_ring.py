"""The window keys that a gateway holds: 24 bytes an entry and window, and nothing of them left when
a window is over.

    window 27396   refs uint64[N]   keys uint8[N, 16]   later: M more of both
    window 27397   the same refs    keys uint8[N, 16]   later: M more of both

Where two windows list the same refs in the same order (an ordinary list does), they share one array
of refs. A key of zeros is none. `later` are those who came or changed since N rows were laid out;
the rows that they stand for, and of those who went, are `dead`.

A ring is not changed. A new list makes a new ring, which may share columns with the old one;
`erase` then overwrites the old one's other keys, and `since` those of windows that are over.

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

Refs = NDArray[np.uint64]
Keys = NDArray[np.uint8]
Rows = NDArray[np.int64]

_NO_REFS: Final = np.empty(0, np.uint64)
_NOTHING: Final = np.empty((0, KEY_BYTES), np.uint8)
_NO_ROWS: Final = np.empty(0, np.int64)


class WindowKeys:
    """The keys of one window: `keys[n]` belongs to `refs[n]`, and those of row `len(refs) + m` are
    the m-th of `later`. Secret; prints as a count.
    """

    __slots__ = ("dead", "keys", "later_keys", "later_refs", "refs")

    def __init__(
        self,
        refs: Refs,
        keys: Keys,
        *,
        later: tuple[Refs, Keys] = (_NO_REFS, _NOTHING),
        dead: Rows = _NO_ROWS,
    ) -> None:
        self.later_refs, self.later_keys = later
        for some, theirs in ((refs, keys), later):
            if theirs.shape != (len(some), KEY_BYTES):
                raise ValueError(f"{len(some)} refs need {len(some)} keys of {KEY_BYTES} bytes")
        self.refs = refs
        self.keys = keys
        self.dead = dead

    def __len__(self) -> int:
        """How many keys count."""
        return len(self.live()) + int(_is_key(self.later_keys).sum())

    def __repr__(self) -> str:
        return f"WindowKeys({len(self)} entries)"

    def live(self) -> Rows:
        """The rows of `refs` that count, in their order."""
        counts = _is_key(self.keys)
        counts[self.dead] = False
        return np.flatnonzero(counts)

    def columns(self) -> tuple[Refs, Keys]:
        """Copies of all that counts. Secret."""
        live, later = self.live(), _is_key(self.later_keys)
        refs = np.concatenate((self.refs[live], self.later_refs[later]))
        return refs, np.concatenate((self.keys[live], self.later_keys[later]))

    def key(self, ref: int, row: int) -> bytes | None:
        """The key of one subject. Looks through all refs where it does not stand in this row."""
        some, theirs, there = self.refs, self.keys, row
        if row >= len(self.refs):
            some, theirs, there = self.later_refs, self.later_keys, row - len(self.refs)
        if not (0 <= there < len(some) and some[there] == ref and self._counts(row)):
            rows = np.flatnonzero(self.later_refs == ref)
            some, theirs = self.later_refs, self.later_keys
            if not len(rows):
                some, theirs = self.refs, self.keys
                rows = np.flatnonzero(self.refs == ref)
                rows = rows[~np.isin(rows, self.dead)]
            if len(rows) != 1:
                return None
            there = int(rows[0])
        key = bytes(theirs[there])
        return key if any(key) else None

    def _counts(self, row: int) -> bool:
        return not len(self.dead) or row not in self.dead

    def erase(self) -> None:
        """Overwrite every key. Refs stay: they are of no use without a consent."""
        self.keys.fill(0)
        self.later_keys.fill(0)


def _is_key(keys: Keys) -> NDArray[np.bool_]:
    halves = np.ascontiguousarray(keys).view(np.uint64).reshape(-1, 2)
    found: NDArray[np.bool_] = (halves[:, 0] | halves[:, 1]) != 0
    return found


_NO_KEYS: Final = WindowKeys(_NO_REFS, _NOTHING)


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
        windows = self._windows.values()
        refs = {id(keys.refs): keys.refs.nbytes for keys in windows}
        later = sum(keys.later_refs.nbytes + keys.later_keys.nbytes for keys in windows)
        return sum(refs.values()) + sum(keys.keys.nbytes for keys in windows) + later

    def window(self, number: int) -> WindowKeys:
        """The keys of a window; none where the ring has none: then the gateway is blind (T-13)."""
        return self._windows.get(number, _NO_KEYS)

    def key(self, ref: bytes, window: int, *, row: int = -1) -> bytes | None:
        """The window key of one subject (16 bytes), or None. Looks through all refs (1 ms for a
        million) where the subject does not stand in this row.
        """
        return self.window(window).key(int.from_bytes(ref, "big"), row)

    def since(self, window: int) -> "KeyRing":
        """The ring from this window on; the keys of earlier windows are erased."""
        for number, keys in self._windows.items():
            if number < window:
                keys.erase()
        return KeyRing({number: keys for number, keys in self._windows.items() if number >= window})

    def erase(self, *, but: "KeyRing | None" = None) -> None:
        """Overwrite every key, except in columns that another ring has as well."""
        shared = [] if but is None else [keys.keys for keys in but._windows.values()]
        for keys in self._windows.values():
            if any(keys.keys is other for other in shared):
                keys.later_keys.fill(0)
            else:
                keys.erase()


def _share_refs(windows: Mapping[int, WindowKeys]) -> dict[int, WindowKeys]:
    shared: dict[int, WindowKeys] = {}
    for number, keys in windows.items():
        twin = next(
            (
                other.refs
                for other in shared.values()
                if other.refs is keys.refs or np.array_equal(other.refs, keys.refs)
            ),
            keys.refs,
        )
        later = keys.later_refs, keys.later_keys
        shared[number] = WindowKeys(twin, keys.keys, later=later, dead=keys.dead)
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
