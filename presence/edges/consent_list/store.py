"""The signed list on disk: every entry as its record, with how new it is; all of it changes in one
transaction.

    list     one row: name, seq, epoch, words, the manifest's digest, TUF's versions, when it was
             signed, and how many entries it had within the last day
    entry    ref → version, record (presence.core.consent.record); no window key, ever
    gone     a digest of ref → version that took it away, within this epoch: no lower version comes
             back (R-36)

Removed rows are overwritten (`secure_delete`); there is no write-ahead log, and the journal is gone
after the commit. What is read here at the start is no proof: plane A must give this version or a
newer one first (R-42).
"""

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from presence.core.consent.growth import Counts
from presence.core.consent.index import ConsentIndex, TooManyRecords
from presence.core.consent.model import Consent
from presence.core.consent.record import decode_record, record_version
from presence.core.consent.segments import Change, Held, Put, merged
from presence.edges.consent_list.repository import Versions
from presence.edges.consent_list.segment_files import FetchedFiles
from presence.edges.sqlite.spoilt import aside, remove
from presence.edges.sqlite.store import Database
from presence.errors import ConsentListError, MemoryLost

LIST_SCHEMA: Final = """
CREATE TABLE list (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    name TEXT NOT NULL, seq INTEGER NOT NULL, epoch INTEGER NOT NULL,
    words TEXT NOT NULL, manifest BLOB NOT NULL, signed_s REAL NOT NULL, max_span_s REAL NOT NULL,
    refused TEXT NOT NULL,
    root INTEGER NOT NULL, timestamp INTEGER NOT NULL,
    snapshot INTEGER NOT NULL, targets INTEGER NOT NULL) STRICT;
CREATE TABLE entry (
    ref BLOB PRIMARY KEY, version INTEGER NOT NULL, record BLOB NOT NULL, load INTEGER NOT NULL)
    STRICT, WITHOUT ROWID;
CREATE TABLE gone (mark BLOB PRIMARY KEY, version INTEGER NOT NULL) STRICT, WITHOUT ROWID;
"""
LIST_UPGRADES: Final = (
    """
    ALTER TABLE list ADD COLUMN counts TEXT NOT NULL DEFAULT '[]';
    UPDATE list SET counts = '[[' || CAST(signed_s / 3600 AS INTEGER) || ','
        || (SELECT count(*) FROM entry) || ']]'
    WHERE (SELECT count(*) FROM entry) >= 100;
    """,
    # Records of before 0.1 were bits of our own: the base is fetched anew, as of another epoch.
    "DELETE FROM entry; UPDATE list SET epoch = -1;",
)
SIGNED_LIST: Final = "signed-list.sqlite"
METADATA: Final = "tuf"
"""TUF's folder beside it."""
ROWS: Final = 20_000
"""Read at a time, so that other threads get their turn."""


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


class ListStore(Database):
    """One list. Used by one thread at a time."""

    LOST = (
        "The list is fetched again. TUF's own memory (tuf, beside it) still refuses older lists "
        "while it is there; "
        "which entries were taken away under which number is forgotten. Find out who touched the "
        "file"
    )

    def __init__(self, directory: Path, *, begins_anew: bool = False) -> None:
        path, witness = directory / SIGNED_LIST, directory / METADATA / "timestamp.json"
        super().__init__(
            path,
            LIST_SCHEMA,
            durable=True,
            upgrades=LIST_UPGRADES,
            witness=witness,
            begins_anew=begins_anew,
        )
        try:
            self.kept()
        except MemoryLost as error:
            self.begun_anew = str(error)
        except BaseException:
            self.close()
            raise
        self.fetched = FetchedFiles(directory)
        """Segments of a base that came already."""

    def kept(self) -> Kept | None:
        with self._reading() as database:
            row = database.execute("SELECT * FROM list").fetchone()
        if row is None:
            return None
        _, name, seq, epoch, words, manifest, signed_s, max_span_s, refused, *versions, counts = row
        return Kept(
            name,
            seq,
            epoch,
            tuple(json.loads(words)),
            manifest,
            signed_s,
            max_span_s,
            json.loads(refused),
            Versions(*versions),
            tuple((hour, fewest) for hour, fewest in json.loads(counts)),
        )

    @contextmanager
    def changing(self) -> Iterator["Changing"]:
        """Everything in it is stored together with what `keep` is told, or nothing is. Raises
        StorageError.
        """
        with self._transaction() as database:
            yield Changing(database)
        remove(aside(self._path))

    def count(self) -> int:
        with self._reading() as database:
            return int(database.execute("SELECT count(*) FROM entry").fetchone()[0])

    def entry(self, ref: bytes) -> Consent | None:
        """One entry, for the question what we hold of somebody."""
        kept = self.kept()
        with self._reading() as database:
            row = database.execute("SELECT record FROM entry WHERE ref = ?", (ref,)).fetchone()
        return None if row is None or kept is None else decode_record(ref, row[0], kept.words)

    def index(self, words: Iterable[str]) -> ConsentIndex:
        """All entries as the engine uses them: a million in a good second."""
        with self._reading() as database:
            rows = database.execute("SELECT ref, record FROM entry ORDER BY ref")
            batches = iter(lambda: rows.fetchmany(ROWS), [])
            try:
                return ConsentIndex.from_rows(batches, list(words))
            except TooManyRecords:
                raise ConsentListError(
                    "the list is longer than one gateway holds: cut it into lists for groups of "
                    "stores"
                ) from None

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        try:
            yield self._database
        except sqlite3.Error as error:
            raise self._spoilt(error) from error


class Changing:
    """The open transaction."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        row = database.execute("SELECT load FROM entry LIMIT 1").fetchone()
        self._load: int = row[0] if row else 0
        """The same in all entries, but for while a base replaces them."""

    def begin_base(self) -> None:
        """A base follows: what it does not name is no entry any more (`end_base`)."""
        self._load = 1 - self._load
        self._database.execute("DELETE FROM gone")

    def put_base(self, rows: Iterable[tuple[bytes, int, bytes]]) -> None:
        """Ref, version and record. An older version than the one we had does not count (R-36):
        neither of them stands then.
        """
        self._database.executemany(
            "INSERT INTO entry VALUES (?, ?, ?, ?) ON CONFLICT (ref) DO UPDATE SET "
            "version = excluded.version, record = excluded.record, load = excluded.load "
            "WHERE excluded.version >= version",
            ((ref, version, record, self._load) for ref, version, record in rows),
        )

    def end_base(self) -> None:
        self._database.execute("DELETE FROM entry WHERE load <> ?", (self._load,))

    def apply(self, change: Change) -> None:
        """One row of a delta (presence.core.consent.segments.merged)."""
        ref = change.ref
        version = record_version(change.record) if isinstance(change, Put) else change.version
        held = self._held(ref)
        after = merged(held, change, version)
        if after == held:
            return
        self._set(ref, *after)

    def refuse(self, ref: bytes) -> None:
        """What could not be read may have taken rights away: nothing stands of this ref (rule 5 of
        feed).
        """
        held = self._held(ref)
        if held is not None and held[1] is not None:
            self._set(ref, held[0], None)

    def count(self) -> int:
        count: int = self._database.execute("SELECT count(*) FROM entry").fetchone()[0]
        return count

    def keep(self, kept: Kept) -> None:
        self._database.execute(
            "INSERT OR REPLACE INTO list VALUES (1,?,?,?,?,?,?,?,?,?,?,?,?,?)",
            (
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
            ),
        )

    def _held(self, ref: bytes) -> Held | None:
        row = self._database.execute(
            "SELECT version, record FROM entry WHERE ref = ?", (ref,)
        ).fetchone()
        if row is None:
            row = self._database.execute(
                "SELECT version, NULL FROM gone WHERE mark = ?", (_mark(ref),)
            ).fetchone()
        return None if row is None else (row[0], row[1])

    def _set(self, ref: bytes, version: int, record: bytes | None) -> None:
        if record is None:
            self._database.execute("DELETE FROM entry WHERE ref = ?", (ref,))
            self._database.execute(
                "INSERT OR REPLACE INTO gone VALUES (?, ?)", (_mark(ref), version)
            )
        else:
            row = (ref, version, record, self._load)
            self._database.execute("INSERT OR REPLACE INTO entry VALUES (?, ?, ?, ?)", row)
            self._database.execute("DELETE FROM gone WHERE mark = ?", (_mark(ref),))


def _mark(ref: bytes) -> bytes:
    """Recognises a ref that comes again, and does not say it."""
    return hashlib.blake2b(ref, digest_size=8, person=b"presence gone").digest()
