"""A change of the signed list's store, within its transaction: a whole base, rows of deltas, and
how new the list is then.
"""

import hashlib
import json
import os
import sqlite3
from bisect import bisect_left
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from presence.core.consent.growth import Counts
from presence.core.consent.list_changes import Change, Put
from presence.core.consent.record import Buffer, record_version
from presence.core.consent.segments import REFS, Held, merged
from presence.edges.consent_list.blocks import SUFFIX, BaseFile, BaseWriter, Refs, standing
from presence.edges.consent_list.versions import Versions

Rows = NDArray[np.int64]
NO_ROWS: Final[Rows] = np.empty(0, np.int64)
OF_A_BASE: Final = ("entry", "dead", "over")
"""Tables that mean nothing beside another base."""


@dataclass(frozen=True, slots=True)
class Kept:
    """How new the list is that the store holds."""

    name: str
    seq: int
    epoch: int
    words: tuple[str, ...]
    manifest: bytes
    """Digest of manifest.json."""
    signed_s: float
    """When the newest list was signed that we ever had."""
    max_span_s: float
    """Which the entries were judged by."""
    refused: Mapping[str, int]
    versions: Versions
    counts: Counts
    """What the growth of the next list is measured by."""


class Changing:
    """The open transaction. Rows of deltas are gathered, and written by `keep`."""

    def __init__(
        self,
        database: sqlite3.Connection,
        base: BaseFile | None,
        folder: Path,
        *,
        changed: Mapping[bytes, bytes],
        dead: Rows,
    ) -> None:
        """`changed` and `dead`: what changed since the base, as the store has it."""
        self.base = base
        self.after: dict[bytes, Held] = {}
        """What stands of those whose entry changed."""
        self.died: list[int] = []
        """Rows of the base."""
        self._database = database
        self._folder = folder
        self._changed = changed
        self._dead = dead
        row = database.execute("SELECT entries FROM list").fetchone()
        self._count = int(row[0]) if row else 0
        self._writer: BaseWriter | None = None
        self._held_refs, self._held_versions = np.empty(0, np.uint64), np.empty(0, np.uint64)
        """Of those who changed since the old base, while a new one is written."""

    def begin_base(self) -> None:
        """A base follows: what it does not name is no entry any more (`end_base`)."""
        name = f"list-{os.urandom(8).hex()}{SUFFIX}"
        self._writer = BaseWriter(self._folder / name)
        rows = sorted(self._changed.items())
        self._held_refs = np.frombuffer(b"".join(ref for ref, _ in rows), REFS).astype(np.uint64)
        self._held_versions = np.array([record_version(record) for _, record in rows], np.uint64)

    def put_base(
        self, refs: Refs, lengths: NDArray[np.uint32], records: Buffer, versions: Refs
    ) -> None:
        """Some thousand rows, above all before. An older version than the one we had does not
        count (R-36): neither of them stands then.
        """
        assert self._writer is not None  # noqa: S101 - `begin_base` comes first
        stand = self._held(refs) <= versions
        self._writer.add(*standing(stand, refs, lengths, records))

    def _held(self, refs: Refs) -> Refs:
        """The versions that we have of these, 0 where none."""
        held = np.zeros(len(refs), np.uint64)
        if self.base is not None and len(refs):
            first, end = np.searchsorted(self.base.refs, (refs[0], refs[-1]), side="left")
            versions = self.base.versions(int(first), int(end) + 1)
            over = self._dead[(self._dead >= first) & (self._dead < first + len(versions))]
            versions[over - first] = 0
            _take_over(held, refs, self.base.refs[first : first + len(versions)], versions)
        _take_over(held, refs, self._held_refs, self._held_versions)
        return held

    def end_base(self) -> None:
        """The file is on the disk, and is what this transaction names. Raises OSError."""
        assert self._writer is not None  # noqa: S101 - as above
        refs = self._writer.finish()
        self.base = BaseFile(self._writer.path, refs)
        for table in (*OF_A_BASE, "gone"):
            self._database.execute(f"DELETE FROM {table}")  # noqa: S608 - words of our own
        self._count, self._changed, self._dead = len(refs), {}, NO_ROWS

    def abandon(self) -> None:
        if self._writer is not None:
            with suppress(OSError):  # `settle` tries again
                self._writer.abandon()

    def apply(self, change: Change) -> None:
        """One row of a delta (presence.core.consent.segments.merged)."""
        ref = change.ref
        version = record_version(change.record) if isinstance(change, Put) else change.version
        held = self._held_of(ref)
        after = merged(held, change, version)
        if after != held:
            self._set(ref, held, after)

    def refuse(self, ref: bytes) -> None:
        """What could not be read may have taken rights away: nothing stands of this ref (rule 5 of
        feed).
        """
        held = self._held_of(ref)
        if held is not None and held[1] is not None:
            self._set(ref, held, (held[0], None))

    def count(self) -> int:
        return self._count

    def keep(self, kept: Kept) -> None:
        stand = {ref: after for ref, after in self.after.items() if after[1] is not None}
        marks = {_mark(ref): version for ref, (version, _) in self.after.items()}
        rows = [(row,) for row in self.died]
        for statement, values in (
            ("DELETE FROM entry WHERE ref = ?", [(ref,) for ref in self.after]),
            ("INSERT INTO entry VALUES (?, ?, ?)", [(ref, *after) for ref, after in stand.items()]),
            ("INSERT OR REPLACE INTO gone VALUES (?, ?)", list(marks.items())),
            ("DELETE FROM gone WHERE mark = ?", [(_mark(ref),) for ref in stand]),
            ("INSERT INTO dead VALUES (?)", rows),
            ("INSERT INTO over VALUES (?)", rows),
        ):
            self._database.executemany(statement, values)
        keep(self._database, kept)
        name = self.base.path.name if self.base is not None else ""
        self._database.execute("UPDATE list SET base = ?, entries = ?", (name, self._count))

    def _held_of(self, ref: bytes) -> Held | None:
        held = self.after.get(ref)
        if held is not None:
            return held
        record = self._changed.get(ref)
        place = -1 if record else self._row_of(ref)
        if place >= 0 and self.base is not None:
            record = self.base.record(place)
        if record:
            return record_version(record), record
        row = self._database.execute(
            "SELECT version FROM gone WHERE mark = ?", (_mark(ref),)
        ).fetchone()
        return None if row is None else (row[0], None)

    def _row_of(self, ref: bytes) -> int:
        """The row of the base in which this ref stands; −1 where it does not, or no more."""
        row = -1 if self.base is None else self.base.find(ref)
        place = bisect_left(self._dead.data, row)
        return -1 if place < len(self._dead) and self._dead[place] == row else row

    def _set(self, ref: bytes, held: Held | None, after: Held) -> None:
        self._count += (after[1] is not None) - (held is not None and held[1] is not None)
        # Once: whoever changed before, here or in an earlier list, has no row any more.
        place = -1 if ref in self.after or ref in self._changed else self._row_of(ref)
        if place >= 0:
            self.died.append(place)
        self.after[ref] = after


def keep(database: sqlite3.Connection, kept: Kept) -> None:
    """How new the list is; base and number of entries stay."""
    values = (
        kept.name,
        kept.seq,
        kept.epoch,
        json.dumps(kept.words),
        kept.manifest,
        kept.signed_s,
        kept.max_span_s,
        json.dumps(dict(kept.refused)),
        *kept.versions,
        json.dumps(kept.counts),
    )
    database.execute("INSERT OR IGNORE INTO list VALUES (1,?,?,?,?,?,?,?,?,?,?,?,?,?,'',0)", values)
    database.execute(
        "UPDATE list SET (name, seq, epoch, words, manifest, signed_s, max_span_s, refused, root, "
        "timestamp, snapshot, targets, counts) = (?,?,?,?,?,?,?,?,?,?,?,?,?)",
        values,
    )


def _take_over(held: Refs, refs: Refs, others: Refs, versions: Refs) -> None:
    """The versions of others, where they are of these refs and higher."""
    if not len(others):
        return
    places = np.searchsorted(others, refs)
    places[places == len(others)] = 0
    found = others[places] == refs
    held[found] = np.maximum(held[found], versions[places[found]])


def _mark(ref: bytes) -> bytes:
    """Recognises a ref that comes again, and does not say it."""
    return hashlib.blake2b(ref, digest_size=8, person=b"presence gone").digest()
