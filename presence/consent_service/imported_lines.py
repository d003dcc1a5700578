"""The lines of an export, customer by customer and by their refs, in files that only this process
has.

    lines ─► 256 buffers by the first byte of the ref ─► as many files without a name ─► one after
             the other: grouped and sorted in memory

An export is larger than memory, and its lines come in any order. Refs in ascending order let the
register write page after page. What a buffer holds is written when it is full: a small import
writes no file at all, and no file outlives the process, however it ends.
"""

from collections.abc import Callable, Iterator
from operator import attrgetter
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Final, NamedTuple, Self

import msgspec

from presence.consent_service.import_lines import Line, LineWords, Value, words_of
from presence.errors import ConsentServiceError

FULL_BYTES: Final = 1 << 16
MOST_TOGETHER: Final = 256
"""Lines of one customer that are staged in one piece."""
HALF_KEY: Final = 8
"""Bytes of each key that stay in memory, beside the ref."""
_ARRAY: Final = b"\xdd"
"""MessagePack: an array of as many as the next four bytes say."""


Staged = tuple[int, str, float, float | None, bytes]
"""Number, words as `words_of` takes them, decided, until, identity key: a line that can be used."""


class StagedLine(NamedTuple):
    """The same, to be asked by name."""

    number: int
    words: str
    decided_s: float
    until_s: float | None
    identity_key: bytes

    @property
    def said(self) -> LineWords:
        return words_of[self.words]


class Customer(msgspec.Struct, array_like=True, gc=False):
    """Their lines, as they came; while they are staged, those that stood together."""

    ref: bytes
    subject: str
    number: int
    """Of the first line."""
    is_whole: bool
    """Whether all of their lines can be used."""
    objects: bool
    staged: list[Staged]
    """Those that can be used."""

    @property
    def lines(self) -> list[StagedLine]:
        return [StagedLine(*line) for line in self.staged]

    def join(self, later: "Customer") -> None:
        self.is_whole = self.is_whole and later.is_whole
        self.objects = self.objects or later.objects
        self.staged += later.staged


_place = attrgetter("ref", "subject")
_encode_into = msgspec.msgpack.Encoder().encode_into
_decode = msgspec.msgpack.Decoder(list[Customer]).decode


class ImportedLines:
    def __init__(
        self, directory: Path, ref_of: Callable[[str], bytes], *, full_bytes: int = FULL_BYTES
    ) -> None:
        """`directory`: where there is room. `full_bytes`: what each buffer holds in memory."""
        self._directory = directory
        self._full_bytes = full_bytes
        self._ref_of = ref_of
        self._subject, self._ref, self._number = "", b"", 0
        self._objects, self._is_whole, self._key = False, True, b""
        self._lines: list[Staged] = []
        """Of the customer whose lines are coming."""
        self._buffers = [bytearray() for _ in range(256)]
        self._counts = [0] * 256
        self._files: dict[int, IO[bytes]] = {}
        self._keys, self._refs = bytearray(), bytearray()
        """Halves of the keys that lines give, and whose they are."""
        self._spoilt: set[tuple[str, int]] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        for file in self._files.values():
            file.close()

    def keep(self, subject: str, number: int, line: Line | None, *, objects: bool) -> None:
        """Raises ConsentServiceError."""
        if subject != self._subject or len(self._lines) >= MOST_TOGETHER:
            self._stage()
            self._subject, self._ref, self._number = subject, self._ref_of(subject), number
        if objects:
            self._objects = True
        if line is None:
            self._is_whole = False
            return
        key = line.identity_key
        self._lines.append((number, line.said.text, line.decided_s, line.until_s, key))
        if key and key != self._key and line.said.value is Value.GIVEN:
            self._key = key
            self._keys += key[:HALF_KEY]
            self._refs += self._ref

    def _stage(self) -> None:
        """The lines that stand together: most customers have no others."""
        if not self._subject:
            return
        part = self._ref[0]
        buffer = self._buffers[part]
        _encode_into(
            (self._ref, self._subject, self._number, self._is_whole, self._objects, self._lines),
            buffer,
            -1,
        )
        self._counts[part] += 1
        self._subject, self._objects, self._is_whole, self._key = "", False, True, b""
        self._lines.clear()
        if len(buffer) >= self._full_bytes:
            self._write(part)

    def spoil(self, subject: str, number: int) -> None:
        """This line cannot be used after all."""
        self._spoilt.add((subject, number))

    def sharing(self) -> Iterator[list[tuple[str, int]]]:
        """Of each key that several customers bring: subject and number of the lines."""
        self._stage()
        doubted = self._doubted()
        if not doubted:
            return
        brought: dict[bytes, list[tuple[str, int]]] = {}
        for part in range(256):
            for customer in self._part(part):
                for kept in customer.lines:
                    if kept.identity_key[:HALF_KEY] in doubted and kept.said.value is Value.GIVEN:
                        lines = brought.setdefault(kept.identity_key, [])
                        lines.append((customer.subject, kept.number))
        for several in brought.values():
            if len({subject for subject, _ in several}) > 1:
                yield sorted(several, key=lambda each: each[1])

    def customers(self) -> Iterator[Customer]:
        """In the order of their refs."""
        self._stage()
        for part in range(256):
            of_subject: dict[str, Customer] = {}
            for some in self._part(part):
                customer = of_subject.setdefault(some.subject, some)
                if customer is not some:
                    customer.join(some)
            self._forget(part)
            for customer in sorted(of_subject.values(), key=_place):
                if self._spoilt:
                    self._without_spoilt(customer)
                yield customer

    def _without_spoilt(self, customer: Customer) -> None:
        usable = [
            line for line in customer.staged if (customer.subject, line[0]) not in self._spoilt
        ]
        if len(usable) < len(customer.staged):
            customer.staged, customer.is_whole = usable, False

    def _doubted(self) -> set[bytes]:
        """Halves of keys that come under two refs."""
        import numpy as np  # noqa: PLC0415 - a tenth of a second, and most actions import no file

        keys, refs = np.frombuffer(self._keys, np.uint64), np.frombuffer(self._refs, np.uint64)
        self._keys, self._refs = bytearray(), bytearray()
        ordered = np.sort(keys)
        several = ordered[1:][ordered[1:] == ordered[:-1]]
        if not several.size:  # and no more memory, where there are millions
            return set()
        of_several = np.isin(keys, several)
        keys, refs = keys[of_several], refs[of_several]
        order = np.argsort(keys)
        keys, refs = keys[order], refs[order]
        twice = (keys[1:] == keys[:-1]) & (refs[1:] != refs[:-1])
        return {key.tobytes() for key in keys[1:][twice]}

    def _part(self, part: int) -> list[Customer]:
        """In the order in which they came."""
        count = self._counts[part].to_bytes(4, "big")
        try:
            file = self._files.get(part)
            if file is not None:
                file.seek(0)
            kept = b"" if file is None else file.read()
        except OSError as error:
            raise self._told(error) from error
        return _decode(b"".join((_ARRAY, count, kept, self._buffers[part])))

    def _write(self, part: int) -> None:
        try:
            if part not in self._files:
                self._files[part] = TemporaryFile(dir=self._directory)  # noqa: SIM115 - __exit__
            self._files[part].write(self._buffers[part])
        except OSError as error:
            raise self._told(error) from error
        self._buffers[part].clear()

    def _forget(self, part: int) -> None:
        self._buffers[part].clear()
        self._counts[part] = 0
        if part in self._files:
            self._files.pop(part).close()

    def _told(self, error: OSError) -> ConsentServiceError:
        return ConsentServiceError(f"{self._directory}: {error.strerror}: is the disk full?")
