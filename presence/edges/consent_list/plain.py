"""The plain consent list: `consents.jsonl` in a local directory, a header line and one entry a
line.

For tests, demonstrations and first steps: whoever can write the file can grant. The signed list
takes its place behind the same port.
"""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from presence.config.settings import ConsentSettings
from presence.core.consent.list_json import (
    ConsentList,
    Entry,
    ListHeader,
    Refused,
    assemble,
    parse_entry,
    parse_header,
    ref_of_refused,
)
from presence.edges.consent_list.regular_file import open_regular
from presence.errors import ConsentListError
from presence.ports import Progress

FILE_NAME = "consents.jsonl"
MOST_COMPLAINTS = 20


class ConsentFile:
    """Reads the list when the file has changed. Writers replace the file (rename), they do not edit
    it in place.
    """

    def __init__(self, directory: Path, *, list_name: str, max_span_s: float) -> None:
        self.path = directory / FILE_NAME
        self._list_name = list_name
        self._max_span_s = max_span_s
        self._seen: tuple[int, int, int] | None = None
        self.complaints: list[str] = []
        """The first entries left out, by line number and reason: what the consent service must
        mend.
        """
        self.digest = ""
        """SHA-256 of the file that was read last, for the audit log."""
        self.last_signed_s = 0.0
        """Nobody signs a plain list."""
        self.progress: Progress | None = None
        """A file is read at once."""

    @classmethod
    def of(cls, settings: ConsentSettings) -> "ConsentFile":
        """The list that the configuration names."""
        return cls(settings.directory, list_name=settings.list, max_span_s=settings.max_span_s)

    def read(self) -> ConsentList | None:
        """The list, or None where the file is as it was. Raises ConsentListError."""
        try:
            with open_regular(self.path) as file:
                status = os.fstat(file.fileno())
                version = (status.st_mtime_ns, status.st_size, status.st_ino)
                if version == self._seen:
                    return None
                consents = self._parse(self._digesting(file))
        except OSError as error:
            raise ConsentListError(
                f"{self.path}: {error.strerror}: put the list there, readable for this user "
                "(consent.directory)"
            ) from error
        self._seen = version
        return consents

    def give_up(self) -> None:
        """Nothing can end the reading of a file."""

    def forget_keys(self) -> None:
        """The file is not ours to change; a list that is newer is read when it comes."""

    def _digesting(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        digest = hashlib.sha256()
        for line in lines:
            digest.update(line)
            yield line
        self.digest = digest.hexdigest()

    def _parse(self, lines: Iterator[bytes]) -> ConsentList:
        self.complaints.clear()
        refused: Counter[str] = Counter()
        doubted: set[bytes] = set()
        try:
            header = self._header(next(lines, b""))
            entries = list(self._entries(lines, refused, doubted))
            return assemble(header, entries, refused, doubted=doubted)
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
        self, lines: Iterator[bytes], refused: Counter[str], doubted: set[bytes]
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
                doubted.update(filter(None, [ref_of_refused(value)]))
                if len(self.complaints) < MOST_COMPLAINTS:
                    self.complaints.append(f"{self.path} line {number}: {error}")


def _json(line: bytes) -> object:
    """Raises Refused; also where a name stands twice, since the second might give back what the
    first took away.
    """
    try:
        return json.loads(line, object_pairs_hook=_no_name_twice)
    except Refused:
        raise
    except (ValueError, RecursionError):
        raise Refused("not JSON") from None


def _no_name_twice(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise Refused("a name twice in one object")
    return value
