"""Rows of a signed list's segments, judged: records one by one (presence.core.consent.segments),
keys by whose they are.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from presence.core.consent.entry_rules import Refused
from presence.core.consent.record import check_record
from presence.core.encoding import KEY_BYTES
from presence.core.recognition.key_ring import WindowKeys

MAX_COMPLAINTS: Final = 20


class RecordJudge:
    """Judges records, counts what is left out."""

    def __init__(self, words: tuple[str, ...], max_span_s: float) -> None:
        self._words = len(words)
        self._max_span_s = max_span_s
        self.refused: Counter[str] = Counter()
        self.complaints: list[str] = []
        self.rows = 0

    def base(
        self, path: str, rows: Iterable[tuple[bytes, bytes]]
    ) -> Iterable[tuple[bytes, int, bytes]]:
        """Ref, version and record of the rows of a shard that stand; of two for one ref neither
        does.
        """
        stand: dict[bytes, tuple[bytes, int, bytes]] = {}
        ambiguous: set[bytes] = set()
        words, max_span_s = self._words, self._max_span_s
        for ref, record in rows:
            if ref in stand:
                self._refuse(path, "two entries for one ref")
                ambiguous.add(ref)
                continue
            try:
                version = check_record(record, words, max_span_s=max_span_s)
            except Refused as error:
                self._refuse(path, str(error))
                ambiguous.add(ref)
            else:
                stand[ref] = ref, version, record
        for ref in ambiguous:
            if stand.pop(ref, None) is not None:
                self.refused["doubted"] += 1
        return stand.values()

    def accepts(self, path: str, record: bytes) -> bool:
        """A record of a delta."""
        try:
            check_record(record, self._words, max_span_s=self._max_span_s)
        except Refused as error:
            self._refuse(path, str(error))
            return False
        return True

    def _refuse(self, path: str, reason: str) -> None:
        self.refused[reason] += 1
        if len(self.complaints) < MAX_COMPLAINTS:
            self.complaints.append(f"{path}: {reason}")


def keys_of_window(
    segments: Iterator[tuple[bytes, bytearray]], wanted: NDArray[np.uint64]
) -> WindowKeys:
    """One window's keys, of the wanted refs alone (sorted); of two keys for one ref the last
    counts.

    What they were taken from is overwritten.
    """
    refs, keys = [np.empty(0, np.uint64)], [np.empty((0, KEY_BYTES), np.uint8)]
    for some_refs, some_keys in segments:
        numbers = np.frombuffer(some_refs, ">u8").astype(np.uint64)
        places = np.searchsorted(wanted, numbers)
        places[places == len(wanted)] = 0
        stand = wanted[places] == numbers if len(wanted) else np.zeros(len(numbers), np.bool_)
        rows = np.frombuffer(some_keys, np.uint8).reshape(-1, KEY_BYTES)
        refs.append(numbers[stand])
        keys.append(rows[stand])
        rows.fill(0)
    numbers, table = np.concatenate(refs), np.concatenate(keys)
    _, from_behind = np.unique(numbers[::-1], return_index=True)
    last = len(numbers) - 1 - from_behind
    # Where everybody has a key, the refs are those of the list: no need for them twice.
    refs_of_window = wanted if len(last) == len(wanted) else numbers[last]
    ring = WindowKeys(refs_of_window, table[last])
    for part in (*keys, table):
        part.fill(0)
    return ring
