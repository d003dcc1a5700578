"""Every consent of a list, by ref, in some 60 bytes each: a million in 60 MB where a dict of
objects takes 1.6 GB.

    refs     sorted numbers of 8 bytes, with an index by prefix      9 bytes an entry
    starts   where the record of each begins, and the last one ends  4
    records  presence.core.consent.record, in the order of the refs  ~45
    words    stores, categories and audiences, each once

A consent is decoded when somebody asks for it, some 3 µs. Those of customers who are present are
asked for with every advertisement, so the last few thousand are kept as they are. Only consents of
the list get there: a stranger's ref does not exist. An index is not changed; a new list makes a new
one.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from presence.core.consent.model import Consent
from presence.core.consent.record import Buffer, Words, decode_record, encode_record
from presence.core.encoding import REF_BYTES
from presence.core.recognition.prefix_search import PrefixSearch

D = TypeVar("D")

CACHED: Final = 16_384
"""Consents kept decoded, twice over (see `Recent`): more than the customers who are in one shop at
a time.
"""
MAX_RECORD_BYTES: Final = 0xFFFF_0000


class TooManyRecords(ValueError):
    """More than one index addresses: some 90 million entries."""


class ConsentIndex(Mapping[bytes, Consent]):
    """ref (8 bytes) → Consent."""

    def __init__(
        self,
        refs: NDArray[np.uint64],
        starts: NDArray[np.uint32],
        records: Buffer,
        words: list[str],
        *,
        cached: int = CACHED,
    ) -> None:
        """Columns: refs sorted and different; one start more than there are refs."""
        self._refs = PrefixSearch(refs)
        self._starts = starts.data
        self._records = memoryview(records)
        self._words = words
        self._recent = Recent(cached)

    @classmethod
    def from_rows(
        cls,
        batches: Iterable[Sequence[tuple[bytes, bytes]]],
        words: list[str],
        *,
        cached: int = CACHED,
    ) -> "ConsentIndex":
        """From refs and records that were checked, sorted by ref. Raises TooManyRecords, ValueError
        where a ref comes twice.
        """
        refs, lengths, records = bytearray(), [np.zeros(1, np.uint64)], bytearray()
        for batch in batches:
            refs += b"".join([ref for ref, _ in batch])
            some = [record for _, record in batch]
            lengths.append(np.fromiter(map(len, some), np.uint64, len(some)))
            records += b"".join(some)
        if len(records) > MAX_RECORD_BYTES:
            raise TooManyRecords("the records of one index take at most 4 GiB: cut the list")
        numbers = np.frombuffer(refs, ">u8").astype(np.uint64)
        if not np.all(numbers[:-1] < numbers[1:]):
            raise ValueError("refs that are not sorted, or one that comes twice")
        starts = np.cumsum(np.concatenate(lengths), dtype=np.uint32)
        return cls(numbers, starts, records, words, cached=cached)

    @classmethod
    def from_consents(cls, consents: Iterable[Consent], *, cached: int = CACHED) -> "ConsentIndex":
        """From single consents in any order, no two of one ref (rule 4 of
        presence.core.consent.list_json).
        """
        words = Words()
        rows = sorted((consent.ref, encode_record(consent, words)) for consent in consents)
        return cls.from_rows([rows], words.all, cached=cached)

    @property
    def nbytes(self) -> int:
        return self._refs.nbytes + self._starts.nbytes + len(self._records)

    @property
    def refs(self) -> NDArray[np.uint64]:
        """All refs, sorted."""
        return np.asarray(self._refs.numbers)

    def __repr__(self) -> str:
        return f"ConsentIndex({len(self)} entries)"

    def __len__(self) -> int:
        return len(self._refs)

    def __iter__(self) -> Iterator[bytes]:
        return (ref.to_bytes(REF_BYTES, "big") for ref in self._refs.numbers)

    def __contains__(self, ref: object) -> bool:
        return isinstance(ref, bytes) and self._row(ref) >= 0

    def __getitem__(self, ref: bytes) -> Consent:
        consent = self.get(ref)
        if consent is None:
            raise KeyError("no consent of this ref")
        return consent

    @overload
    def get(self, key: bytes) -> Consent | None: ...
    @overload
    def get(self, key: bytes, default: Consent | D) -> Consent | D: ...
    def get(self, key: bytes, default: object = None) -> object:
        consent = self._recent.get(key)
        if consent is not None:
            return consent
        row = self._row(key)
        if row < 0:
            return default
        record = self._records[self._starts[row] : self._starts[row + 1]]
        consent = decode_record(key, record, self._words)
        self._recent.keep(key, consent)
        return consent

    def _row(self, ref: bytes) -> int:
        return self._refs.find(int.from_bytes(ref, "big")) if len(ref) == REF_BYTES else -1


class Recent:
    """The consents last asked for: at least `size`, at most twice as many.

    Two generations in place of an exact order of use: a look-up in the young one costs one look-up
    in a dict.
    """

    __slots__ = ("_old", "_size", "_young")

    def __init__(self, size: int) -> None:
        self._size = size
        self._young: dict[bytes, Consent] = {}
        self._old: dict[bytes, Consent] = {}

    def get(self, ref: bytes) -> Consent | None:
        consent = self._young.get(ref)
        if consent is None:
            consent = self._old.get(ref)
            if consent is not None:
                self.keep(ref, consent)
        return consent

    def keep(self, ref: bytes, consent: Consent) -> None:
        if len(self._young) >= self._size:
            self._old, self._young = self._young, {}
        self._young[ref] = consent
