"""Every consent of a list, by ref, in some 60 bytes each: a million in 60 MB where a dict of
objects takes 1.6 GB.

    refs     sorted numbers of 8 bytes, with an index by prefix      9 bytes an entry
    starts   where the record of each begins                         4
    records  presence.core.consent.record, in the order they came    ~45
    words    stores, categories and audiences, each once

A consent is decoded when somebody asks for it, some 10 µs. Those of customers who are present are
asked for with every advertisement, so the last few thousand are kept as they are. Only consents of
the list get there: a stranger's ref does not exist. An index is not changed; a new list makes a new
one.

Two entries for one ref: rule 4 of presence.core.consent.list_json.
"""

import json
from array import array
from collections.abc import Iterable, Iterator, Mapping
from struct import Struct
from typing import Final, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from presence.core.consent.model import Consent
from presence.core.consent.record import Buffer, Words, decode_record, encode_record, record_version
from presence.core.recognition.prefix_search import PrefixSearch

D = TypeVar("D")

CACHED: Final = 16_384
"""Consents kept decoded, twice over (see `_Recent`): more than the customers who are in one shop at
a time.
"""
MAX_RECORD_BYTES: Final = 0xFFFF_0000
MAGIC: Final = b"presence consent index 1"
_LENGTHS: Final = Struct("<QQQ")
"""Of a dump, after MAGIC: entries, bytes of records, bytes of words (a JSON list)."""


class DamagedIndex(ValueError):
    """A dump that cannot be read: make it anew from the list."""


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
        """Columns: refs sorted and different, the start of each one's record."""
        self._refs = PrefixSearch(refs)
        self._starts = starts.data
        self._records = records
        self._words = words
        self._recent = _Recent(cached)

    @classmethod
    def from_consents(cls, consents: Iterable[Consent], *, cached: int = CACHED) -> "ConsentIndex":
        """From single consents in any order, in one pass; needs little more memory than the index
        itself.
        """
        words = Words()
        refs, starts, records = array("Q"), array("I"), bytearray()
        for consent in consents:
            refs.append(int.from_bytes(consent.ref, "big"))
            starts.append(len(records))
            records += encode_record(consent, words)
            if len(records) > MAX_RECORD_BYTES:
                raise ValueError(
                    "the consents of one index take at most 4 GiB, some 90 million: cut the list"
                )
        return cls(
            *_sorted(np.frombuffer(refs, np.uint64), np.frombuffer(starts, np.uint32), records),
            records,
            words.all,
            cached=cached,
        )

    @classmethod
    def load(cls, dump: bytes | memoryview) -> "ConsentIndex":
        """What `dump` wrote. Keeps the buffer and copies nothing of it.

        Raises DamagedIndex where the columns do not fit together. That a record is what was written
        is for the keeper of the file to prove, by a digest.
        """
        view = memoryview(dump).toreadonly()
        start = len(MAGIC) + _LENGTHS.size
        if len(view) < start or bytes(view[: len(MAGIC)]) != MAGIC:
            raise DamagedIndex("not a dump of consents, version 1")
        entries, record_bytes, word_bytes = _LENGTHS.unpack_from(view, len(MAGIC))
        if len(view) != start + 12 * entries + record_bytes + word_bytes:
            raise DamagedIndex("the dump of consents is cut short, or longer than it says")
        refs = np.frombuffer(view, "<u8", entries, start)
        starts = np.frombuffer(view, "<u4", entries, start + 8 * entries)
        records = view[start + 12 * entries :][:record_bytes]
        if np.any(starts >= record_bytes) or not np.all(refs[:-1] < refs[1:]):
            raise DamagedIndex("the dump of consents has refs or records out of order")
        try:
            words = json.loads(bytes(view[len(view) - word_bytes :]))
        except ValueError:
            raise DamagedIndex("the words of the dump of consents cannot be read") from None
        return cls(refs, starts, records, words)

    def dump(self) -> Iterator[Buffer]:
        """The parts of a file that `load` reads back without parsing. Holds pairwise keys:
        secret.
        """
        words = json.dumps(self._words).encode()
        yield MAGIC + _LENGTHS.pack(len(self), len(self._records), len(words))
        yield self._refs.numbers.cast("B")
        yield self._starts.cast("B")
        yield self._records
        yield words

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
        return (ref.to_bytes(8, "big") for ref in self._refs.numbers)

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
        consent = decode_record(key, self._records, self._starts[row], self._words)
        self._recent.keep(key, consent)
        return consent

    def _row(self, ref: bytes) -> int:
        return self._refs.find(int.from_bytes(ref, "big")) if len(ref) == 8 else -1


class _Recent:
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


def _sorted(
    refs: NDArray[np.uint64], starts: NDArray[np.uint32], records: bytearray
) -> tuple[NDArray[np.uint64], NDArray[np.uint32]]:
    """The columns in the order of the refs, each ref once. Records that do not stand are
    overwritten.
    """
    order = np.argsort(refs, kind="stable")
    ordered = refs[order]
    twins = np.flatnonzero(ordered[1:] == ordered[:-1])
    if not len(twins):
        return ordered, starts[order]
    stops = np.append(starts[1:], np.uint32(len(records)))
    stands = np.ones(len(order), np.bool_)
    for ref in np.unique(ordered[twins]):
        rivals = np.arange(
            np.searchsorted(ordered, ref), np.searchsorted(ordered, ref, side="right")
        )
        versions = [record_version(records, int(starts[entry])) for entry in order[rivals]]
        for position, version in zip(rivals, versions, strict=True):
            stands[position] = version == max(versions) and versions.count(version) == 1
            if not stands[position]:
                entry = order[position]
                records[starts[entry] : stops[entry]] = bytes(int(stops[entry] - starts[entry]))
    return ordered[stands], starts[order[stands]]
