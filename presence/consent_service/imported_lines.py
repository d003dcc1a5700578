"""The lines of an export, customer by customer and by their refs, in files that only this process
has.

    lines ─► 256 buffers by the first byte of the ref ─► as many files without a name ─► one after
             the other: grouped and sorted in memory

An export is larger than memory, and its lines come in any order. Refs in ascending order let the
register write page after page. What a buffer holds is written when it is full: a small import
writes no file at all, and no file outlives the process, however it ends.
"""

import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Final, NamedTuple, Self

import msgspec
import numpy as np

from presence.consent_service.import_lines import Line, Value
from presence.errors import ConsentServiceError

FULL_BYTES: Final = 1 << 16
_LENGTH: Final = struct.Struct(">I")


class StagedLine(msgspec.Struct, array_like=True, gc=False):
    ref: bytes
    number: int
    subject: str
    line: Line | None
    """None where it cannot be used."""
    objects: bool


class Customer(NamedTuple):
    subject: str
    lines: list[Line]
    """Those that can be used."""
    number: int
    """Of the first line; 0 where another one could not be used."""
    objects: bool


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(StagedLine).decode


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
        if line is not None and line.identity_key and _gives(line):
            self._keys += line.identity_key[:8]
            self._refs += ref
        row = _encode(StagedLine(ref, number, subject, line, objects))
        buffer = self._buffers[ref[0]]
        buffer += _LENGTH.pack(len(row))
        buffer += row
        if len(buffer) >= self._full_bytes:
            self._write(ref[0])

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
                line = kept.line
                if line is not None and line.identity_key[:8] in doubted and _gives(line):
                    brought.setdefault(line.identity_key, []).append((kept.subject, kept.number))
        for several in brought.values():
            if len({subject for subject, _ in several}) > 1:
                yield sorted(several, key=lambda each: each[1])

    def customers(self) -> Iterator[Customer]:
        """In the order of their refs."""
        for part in range(256):
            of_customer: dict[tuple[bytes, str], list[StagedLine]] = {}
            for kept in self._part(part):
                of_customer.setdefault((kept.ref, kept.subject), []).append(kept)
            self._forget(part)
            for of in sorted(of_customer):
                yield self._customer(of[1], of_customer[of])

    def _customer(self, subject: str, several: list[StagedLine]) -> Customer:
        lines = [
            kept.line
            for kept in several
            if kept.line is not None
            and not (self._spoilt and (subject, kept.number) in self._spoilt)
        ]
        number = several[0].number if len(lines) == len(several) else 0
        objects = True in [kept.objects for kept in several]
        return Customer(subject, lines, number, objects)

    def _doubted(self) -> set[bytes]:
        """Halves of keys that come under two refs."""
        keys = np.frombuffer(bytes(self._keys), np.uint64)
        refs = np.frombuffer(bytes(self._refs), np.uint64)
        self._keys.clear()
        self._refs.clear()
        order = np.argsort(keys)
        keys, refs = keys[order], refs[order]
        twice = (keys[1:] == keys[:-1]) & (refs[1:] != refs[:-1])
        return {key.tobytes() for key in keys[1:][twice]}

    def _part(self, part: int) -> Iterator[StagedLine]:
        """In the order in which they came."""
        try:
            file = self._files.get(part)
            if file is not None:
                file.seek(0)
            data = memoryview((file.read() if file is not None else b"") + self._buffers[part])
        except OSError as error:
            raise self._told(error) from error
        place = 0
        while place < len(data):
            end = place + _LENGTH.size + _LENGTH.unpack_from(data, place)[0]
            yield _decode(data[place + _LENGTH.size : end])
            place = end

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
        if part in self._files:
            self._files.pop(part).close()

    def _told(self, error: OSError) -> ConsentServiceError:
        return ConsentServiceError(f"{self._directory}: {error.strerror}: is the disk full?")


def _gives(line: Line) -> bool:
    return line.value is Value.GIVEN
