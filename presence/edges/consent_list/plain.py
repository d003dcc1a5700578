"""The plain consent list: `consents.jsonl` in a local directory, a header line and one entry a
line.

For tests, demonstrations and first steps: anybody who can write the file can grant. The signed list
takes its place behind the same port.
"""

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from presence.config.settings import ConsentSettings
from presence.core.consent.entry_rules import Refused
from presence.core.consent.list_json import (
    ConsentList,
    Entry,
    ListHeader,
    assemble,
    parse_entry,
    parse_header,
    ref_of_refused,
)
from presence.core.encoding import NameTwice, strict_json
from presence.core.engine import index_list
from presence.edges.consent_list.regular_file import open_regular
from presence.errors import ConsentListError
from presence.ports import Progress, VerifiedList

FILE_NAME = "consents.jsonl"
MAX_COMPLAINTS = 20


@dataclass(frozen=True, slots=True)
class PlainReading:
    """What stood in the file."""

    consents: ConsentList
    complaints: tuple[str, ...]
    """The first entries left out, by line number and reason: what the consent service must mend."""
    digest: str
    """SHA-256 of the file, for the audit log."""


class AcceptedLists(Protocol):
    """Remembers how new the plain list was (edges.sqlite.store.ConsentStore)."""

    def accept(self, consents: ConsentList) -> ConsentList: ...


class PlainList:
    """The file as a ports.ConsentSource: what is delivered was accepted and remembered before."""

    last_signed_s = 0.0
    """Nobody signs a plain list."""
    progress: Progress | None = None
    """A file is read at once."""

    def __init__(self, file: "ConsentFile", accepted: AcceptedLists) -> None:
        self._file = file
        self._accepted = accepted
        self._unaccepted: PlainReading | None = None

    def read(self) -> VerifiedList | None:
        """A list that could not be remembered (disk full) is kept and tried again: it may take
        rights away.
        """
        reading = self._unaccepted = self._file.read() or self._unaccepted
        if reading is None:
            return None
        try:
            accepted = self._accepted.accept(reading.consents)
        except ConsentListError:
            self._unaccepted = None
            raise
        self._unaccepted = None
        return VerifiedList(
            header=accepted.header,
            indexed=index_list(accepted),
            entries=len(accepted.entries),
            refused=accepted.refused,
            complaints=reading.complaints,
            digest=reading.digest,
        )

    def settle(self) -> None:
        """What is remembered was stored by `read`."""

    def give_up(self) -> None:
        """Nothing can end the reading of a file."""

    def forget_keys(self) -> None:
        """The file is not ours to change; a list that is newer is read when it comes."""


class ConsentFile:
    """Reads the list when the file has changed. Writers replace the file (rename), they do not edit
    it in place.
    """

    def __init__(self, directory: Path, *, list_name: str, max_span_s: float) -> None:
        self.path = directory / FILE_NAME
        self._list_name = list_name
        self._max_span_s = max_span_s
        self._seen: tuple[int, int, int] | None = None

    @classmethod
    def of(cls, settings: ConsentSettings) -> "ConsentFile":
        """The list that the configuration names."""
        return cls(settings.directory, list_name=settings.list, max_span_s=settings.max_span_s)

    def read(self) -> PlainReading | None:
        """What is there, or None where the file is as it was. Raises ConsentListError."""
        try:
            with open_regular(self.path) as file:
                status = os.fstat(file.fileno())
                version = (status.st_mtime_ns, status.st_size, status.st_ino)
                if version == self._seen:
                    return None
                reading = self._reading(file)
        except OSError as error:
            raise ConsentListError(
                f"{self.path}: {error.strerror}: put the list there, readable for this user "
                "(consent.directory)"
            ) from error
        self._seen = version
        return reading

    def _reading(self, file: Iterable[bytes]) -> PlainReading:
        digest, complaints = hashlib.sha256(), list[str]()
        consents = self._parse(_digested(file, digest), complaints)
        return PlainReading(consents, tuple(complaints), digest.hexdigest())

    def _parse(self, lines: Iterator[bytes], complaints: list[str]) -> ConsentList:
        refused: Counter[str] = Counter()
        ambiguous: set[bytes] = set()
        try:
            header = self._header(next(lines, b""))
            entries = list(self._entries(lines, refused, ambiguous, complaints))
            return assemble(header, entries, refused, ambiguous=ambiguous)
        except Refused as error:
            raise ConsentListError(
                f"{self.path}: {error}; ask the consent service for a new list"
            ) from error

    def _header(self, line: bytes) -> ListHeader:
        try:
            value = _json(line)
        except Refused:
            raise Refused("line 1 is not the JSON header of a consent list") from None
        header = parse_header(value)
        if header.name != self._list_name:
            raise Refused(
                f"line 1: this is the list {header.name}, consent.list asks for {self._list_name}"
            )
        return header

    def _entries(
        self,
        lines: Iterator[bytes],
        refused: Counter[str],
        ambiguous: set[bytes],
        complaints: list[str],
    ) -> Iterator[Entry]:
        for number, line in enumerate(lines, start=2):
            if not line.strip():
                continue
            value: object = None
            try:
                value = _json(line)
                yield parse_entry(value, max_span_s=self._max_span_s)
            except Refused as error:
                refused[str(error)] += 1
                ambiguous.update(filter(None, [ref_of_refused(value)]))
                if len(complaints) < MAX_COMPLAINTS:
                    complaints.append(f"{self.path} line {number}: {error}")


def _digested(lines: Iterable[bytes], digest: "hashlib._Hash") -> Iterator[bytes]:
    for line in lines:
        digest.update(line)
        yield line


def _json(line: bytes) -> object:
    """Raises Refused; also where a name stands twice, since the second might give back what the
    first took away.
    """
    try:
        return strict_json(line)
    except NameTwice as error:
        raise Refused(str(error)) from None
    except ValueError:
        raise Refused("not JSON") from None
