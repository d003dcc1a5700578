"""The lines of an export, customer by customer and by their refs, in files that only this process
has.

    lines ─► 256 buffers by the first byte of the ref ─► as many files without a name ─► one after
             the other: grouped and sorted in memory

An export is larger than memory, and its lines come in any order. Refs in ascending order let the
register write page after page. What a buffer holds is written when it is full: a small import
writes no file at all, and no file outlives the process, however it ends.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Final, NamedTuple, Self

import msgspec

from presence.consent_service.import_lines import Line, Value, words_of
from presence.errors import ConsentServiceError

FULL_BYTES: Final = 1 << 16
_ARRAY: Final = b"\xdd"
"""MessagePack: an array of as many as the next four bytes say."""


class StagedLine(msgspec.Struct, array_like=True, gc=False):
    ref: bytes
    number: int
    subject: str
    objects: bool
    words: str
    """As `words_of` takes them; empty where the line cannot be used."""
    decided_s: float
    until_s: float | None
    identity_key: bytes

    @property
    def gives(self) -> bool:
        return bool(self.words) and words_of(self.words).value is Value.GIVEN


class Customer(NamedTuple):
    subject: str
    lines: list[Line]
    """Those that can be used."""
    number: int
    """Of the first line; 0 where another one could not be used."""
    objects: bool


_encode_into = msgspec.msgpack.Encoder().encode_into
_decode = msgspec.msgpack.Decoder(list[StagedLine]).decode


class ImportedLines:
    def __init__(
        self, directory: Path, ref_of: Callable[[str], bytes], *, full_bytes: int = FULL_BYTES
    ) -> None:
        """`directory`: where there is room. `full_bytes`: what each buffer holds in memory."""
        self._directory = directory
        self._full_bytes = full_bytes
        self._ref_of = ref_of
        self._last = "", b""
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
        if self._last[0] != subject:
            self._last = subject, self._ref_of(subject)
        ref = self._last[1]
        words, decided_s, key = "", 0.0, b""
        if line is not None:
            words, decided_s, key = line.said.text, line.decided_s, line.identity_key
            if key and line.said.value is Value.GIVEN:
                self._keys += key[:8]
                self._refs += ref
        part = ref[0]
        buffer = self._buffers[part]
        until_s = None if line is None else line.until_s
        _encode_into((ref, number, subject, objects, words, decided_s, until_s, key), buffer, -1)
        self._counts[part] += 1
        if len(buffer) >= self._full_bytes:
            self._write(part)

    def spoil(self, subject: str, number: int) -> None:
        """This line cannot be used after all."""
        self._spoilt.add((subject, number))

    def sharing(self) -> Iterator[list[tuple[str, int]]]:
        """Of each key that several customers bring: subject and number of the lines."""
        doubted = self._doubted()
        if not doubted:
            return
        brought: dict[bytes, list[tuple[str, int]]] = {}
        for part in range(256):
            for kept in self._part(part):
                if kept.identity_key[:8] in doubted and kept.gives:
                    brought.setdefault(kept.identity_key, []).append((kept.subject, kept.number))
        for several in brought.values():
            if len({subject for subject, _ in several}) > 1:
                yield sorted(several, key=lambda each: each[1])

    def customers(self) -> Iterator[Customer]:
        """In the order of their refs."""
        for part in range(256):
            of_customer: dict[str, list[StagedLine]] = {}
            for kept in self._part(part):
                of_customer.setdefault(kept.subject, []).append(kept)
            self._forget(part)
            for several in sorted(of_customer.values(), key=_place):
                yield self._customer(several)

    def _customer(self, several: list[StagedLine]) -> Customer:
        subject = several[0].subject
        lines = [
            Line(subject, words_of(kept.words), kept.decided_s, kept.until_s, kept.identity_key)
            for kept in several
            if kept.words and not (self._spoilt and (subject, kept.number) in self._spoilt)
        ]
        number = several[0].number if len(lines) == len(several) else 0
        objects = True in [kept.objects for kept in several]
        return Customer(subject, lines, number, objects)

    def _doubted(self) -> set[bytes]:
        """Halves of keys that come under two refs."""
        import numpy as np  # noqa: PLC0415 - a tenth of a second, and most actions import no file

        keys = np.frombuffer(bytes(self._keys), np.uint64)
        refs = np.frombuffer(bytes(self._refs), np.uint64)
        self._keys.clear()
        self._refs.clear()
        order = np.argsort(keys)
        keys, refs = keys[order], refs[order]
        twice = (keys[1:] == keys[:-1]) & (refs[1:] != refs[:-1])
        return {key.tobytes() for key in keys[1:][twice]}

    def _part(self, part: int) -> list[StagedLine]:
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


def _place(several: list[StagedLine]) -> tuple[bytes, str]:
    return several[0].ref, several[0].subject
