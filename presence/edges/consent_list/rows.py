"""Rows of a signed list's segments, judged: records of a base some thousand at once, those of a
delta one by one.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from presence.core.consent.entry_rules import Refused
from presence.core.consent.record import Buffer, check_record
from presence.core.consent.record_scan import BEYOND, CHUNK, scan
from presence.edges.consent_list.blocks import Refs, standing

MAX_COMPLAINTS: Final = 20

Rows = tuple[Refs, NDArray[np.uint32], Buffer, Refs]
"""Refs, lengths of records, the records, and their versions."""


class RecordJudge:
    """Judges records, counts what is left out."""

    def __init__(self, words: tuple[str, ...], max_span_s: float) -> None:
        self._words = len(words)
        self._max_span_s = max_span_s
        self.refused: Counter[str] = Counter()
        self.complaints: list[str] = []

    def base(
        self, path: str, refs: Refs, lengths: NDArray[np.uint32], records: Buffer
    ) -> Iterator[Rows]:
        """Those rows of a shard that stand, some thousand at a time."""
        starts = np.concatenate((np.zeros(1, np.intp), np.cumsum(lengths, dtype=np.intp)))
        for first in range(0, len(refs), CHUNK):
            rows = slice(first, first + CHUNK)
            begins = starts[first : first + CHUNK + 1]
            some = memoryview(records)[begins[0] : begins[-1]]
            stand, versions = self._judge(path, some, begins - begins[0])
            yield *standing(stand, refs[rows], lengths[rows], some), versions[stand]

    def _judge(
        self, path: str, records: memoryview, starts: NDArray[np.intp]
    ) -> tuple[NDArray[np.bool_], Refs]:
        data = np.frombuffer(bytes(records) + bytes(BEYOND), np.uint8)
        stand, versions = scan(data, starts, self._words, max_span_s=self._max_span_s)
        for row in np.flatnonzero(~stand).tolist():
            record = bytes(records[starts[row] : starts[row + 1]])
            version = self._version(path, record)
            if version is not None:
                stand[row], versions[row] = True, version
        return stand, versions

    def accepts(self, path: str, record: bytes) -> bool:
        """A record of a delta."""
        return self._version(path, record) is not None

    def _version(self, path: str, record: bytes) -> int | None:
        """None, and counted, where the record is refused."""
        try:
            return check_record(record, self._words, max_span_s=self._max_span_s)
        except Refused as error:
            self.refused[str(error)] += 1
            if len(self.complaints) < MAX_COMPLAINTS:
                self.complaints.append(f"{path}: {error}")
            return None
