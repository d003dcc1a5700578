"""The entries of the signed list as the gate asks for them: from the base's file and from what
changed since.

Looking up whoever is asked for the first time reads 2 kB of the base's file, most often from the
system's cache of it; the last few thousand stay decoded (presence.core.consent.index.Recent). A
stranger's ref is asked for by nobody.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import TypeVar, overload

from presence.core.consent.index import CACHED, Recent
from presence.core.consent.model import Consent
from presence.core.consent.record import decode_record
from presence.core.encoding import REF_BYTES
from presence.edges.consent_list.blocks import BaseFile

D = TypeVar("D")


class StoredConsents(Mapping[bytes, Consent]):
    """ref (8 bytes) → Consent. What cannot be read is none (`damaged`): the look that follows
    fetches the list again.
    """

    def __init__(
        self,
        base: BaseFile | None,
        changed: Mapping[bytes, bytes],
        words: list[str],
        *,
        over: Collection[int],
        count: int,
        cached: int = CACHED,
    ) -> None:
        """`over`: rows of the base that do not count, though they still stand there."""
        self._base = base
        self._changed = changed
        self._words = words
        self._over = over
        self._count = count
        self._recent = Recent(cached)

    def __repr__(self) -> str:
        return f"StoredConsents({len(self)} entries)"

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[bytes]:
        yield from self._changed
        if self._base is not None:
            for row, lengths, records in self._base.blocks():
                refs, begin = self._base.refs[row : row + len(lengths)].tolist(), 0
                for n, length in enumerate(lengths.tolist()):
                    if records[begin] and row + n not in self._over:
                        yield refs[n].to_bytes(REF_BYTES, "big")
                    begin += length

    def __contains__(self, ref: object) -> bool:
        return isinstance(ref, bytes) and self._record(ref) is not None

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
        if consent is None:
            record = self._record(key)
            if record is None:
                return default
            consent = decode_record(key, record, self._words)
            self._recent.keep(key, consent)
        return consent

    def _record(self, ref: bytes) -> bytes | None:
        record = self._changed.get(ref)
        if record is not None or self._base is None or len(ref) != REF_BYTES:
            return record
        row = self._base.find(ref)
        return None if row < 0 or row in self._over else self._base.record(row)
