"""The signed list on disk: the entries of its base in a file of columns, and in SQLite what changed
since; all of it changes in one transaction.

    list     one row: name, seq, epoch, words, the manifest's digest, TUF's versions, when it was
             signed, how many entries it had within the last day, and the name of the base's file
    entry    ref → version, record (presence.core.consent.record) of those who came or changed since
             the base; no window key, ever
    dead     rows of the base that are over: changed or gone
    over     those of them that are not overwritten yet
    gone     a digest of ref → version that took it away, within this epoch: no lower version comes
             back (R-36)

    new base ─► file, whole on the disk ─► COMMIT names it ─► settle: the old one overwritten
    change ───► entry, dead ─────────────► COMMIT ──────────► settle: its rows of the base likewise

1. A file that no row names is nothing: it was on its way, or is over, and `settle` overwrites it.
2. `settle` comes after the engine has what was read: until then it may still ask for the old rows.
   Whatever stops it, the next one goes on.
3. Removed rows are overwritten (`secure_delete`); there is no write-ahead log, and the journal is
   gone after the commit.
4. What is read here at the start is no proof: plane A must give this version or a newer one first
   (R-42).
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from presence.core.consent.model import Consent
from presence.edges.consent_list.blocks import (
    SUFFIX,
    BaseFile,
    DamagedBase,
    erase,
)
from presence.edges.consent_list.changing import OF_A_BASE, Changing, Kept, keep
from presence.edges.consent_list.segment_files import FetchedFiles
from presence.edges.consent_list.stored import StoredConsents
from presence.edges.consent_list.versions import Versions
from presence.edges.sqlite.spoilt import aside, remove
from presence.edges.sqlite.store import Database, unusable
from presence.errors import MemoryLost, StorageError
from presence.language import Sentence

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
    # Before 0.1 every entry was a row: the base is fetched anew, into a file of its own.
    """
    DROP TABLE entry;
    CREATE TABLE entry (ref BLOB PRIMARY KEY, version INTEGER NOT NULL, record BLOB NOT NULL)
        STRICT, WITHOUT ROWID;
    CREATE TABLE dead (row INTEGER PRIMARY KEY) STRICT;
    CREATE TABLE over (row INTEGER PRIMARY KEY) STRICT;
    ALTER TABLE list ADD COLUMN base TEXT NOT NULL DEFAULT '';
    ALTER TABLE list ADD COLUMN entries INTEGER NOT NULL DEFAULT 0;
    UPDATE list SET epoch = -1;
    """,
)
SIGNED_LIST: Final = "signed-list.sqlite"
METADATA: Final = "tuf"
"""TUF's folder beside it."""
BASE_LOST: Final = (
    "The list is fetched again, and no older one is taken; which version each entry had is "
    "forgotten. Look after the disk"
)


class ListStore(Database):
    """One list. Used by one thread at a time."""

    LOST = Sentence(
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
        self._later: Kept | None = None
        self._changed: Mapping[bytes, bytes] | None = None
        self._dead: NDArray[np.int64] | None = None
        """As in the tables `entry` and `dead`, once they were read; not changed in place."""
        self.base: BaseFile | None = None
        """None before the first list."""
        self.fetched = FetchedFiles(directory)
        """Segments of a base that came already."""
        try:
            self._open_base()
        except MemoryLost as error:
            self.begun_anew = str(error)
        except BaseException:
            self.close()
            raise

    def _open_base(self) -> None:
        with self._reading() as database:
            row = database.execute("SELECT base FROM list").fetchone()
        name = row[0] if row else ""
        try:
            self.base = BaseFile(self._folder / name) if name else None
        except (DamagedBase, FileNotFoundError) as error:
            why = f"{self._folder / name}: gone" if isinstance(error, OSError) else str(error)
            if not self._begins_anew:
                raise StorageError(f"{why}: {self.NEXT_STEP}") from None
            raise self.lose_base(why) from None
        except OSError as error:
            raise unusable(self._folder / name, error) from error

    def lose_base(self, why: str) -> MemoryLost:
        """The base cannot be believed: the next look fetches it again; raise the answer. How new
        the list was stands.
        """
        with self._transaction() as database:
            for table in OF_A_BASE:
                database.execute(f"DELETE FROM {table}")  # noqa: S608 - words of our own
            database.execute("UPDATE list SET epoch = -1, base = '', entries = 0")
        self._lose()
        return MemoryLost(f"{why}: begun anew. {BASE_LOST}")

    @property
    def _folder(self) -> Path:
        return self._path.parent

    def kept(self) -> Kept | None:
        if self._later is not None:
            return self._later
        with self._reading() as database:
            row = database.execute("SELECT * FROM list").fetchone()
        if row is None:
            return None
        _, name, seq, epoch, words, manifest, signed_s, max_span_s, refused, *rest = row
        *versions, counts, _base, _entries = rest
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
        changing: Changing | None = None
        try:
            with self._transaction() as database:
                changing = Changing(
                    database, self.base, self._folder, changed=self.changed(), dead=self.dead()
                )
                yield changing
                self._refuse_damage()
        except BaseException as error:
            if changing is not None:
                changing.abandon()
            if isinstance(error, DamagedBase):
                raise self.lose_base(str(error)) from None
            if isinstance(error, OSError):
                raise unusable(self._folder, error) from error
            raise
        self._later = None
        self._remember(changing)
        remove(aside(self._path))

    def _remember(self, changing: "Changing") -> None:
        """What was committed: by what changed, and not by all that changed since the base."""
        if changing.base is not self.base:
            self.base, self._changed, self._dead = changing.base, None, None
            return
        changed = dict(self.changed())
        for ref, (_, record) in changing.after.items():
            if record is None:
                changed.pop(ref, None)
            else:
                changed[ref] = record
        self._changed = changed
        self._dead = np.union1d(self.dead(), np.array(changing.died, np.int64))

    def _refuse_damage(self) -> None:
        if self.base is not None and self.base.damaged:
            raise DamagedBase(self.base.damaged)

    def keep_later(self, kept: Kept) -> None:
        """No entry changed: how new the list is may be stored by `settle`."""
        self._later = kept

    def settle(self) -> None:
        """Store what was left for later, overwrite what is over. Raises StorageError."""
        if self._later is not None:
            with self._transaction() as database:
                keep(database, self._later)
            self._later = None
        over = self.over()
        try:
            if self.base is not None and over:
                self.base.wipe(over)
            for file in self._folder.glob(f"*{SUFFIX}"):
                if self.base is None or file != self.base.path:
                    erase(file)
        except OSError as error:
            raise unusable(self._folder, error) from error
        if over:
            with self._transaction() as database:
                database.execute("DELETE FROM over")

    def over(self) -> frozenset[int]:
        """Rows of the base that are over, and not overwritten yet."""
        return self._rows("SELECT row FROM over")

    def dead(self) -> NDArray[np.int64]:
        """Rows of the base that are over, sorted."""
        if self._dead is None:
            self._dead = np.array(sorted(self._rows("SELECT row FROM dead")), np.int64)
        return self._dead

    def _rows(self, query: str) -> frozenset[int]:
        with self._reading() as database:
            return frozenset(row for (row,) in database.execute(query))

    def count(self) -> int:
        with self._reading() as database:
            row = database.execute("SELECT entries FROM list").fetchone()
        return int(row[0]) if row else 0

    def changed(self) -> Mapping[bytes, bytes]:
        """Ref and record of those who came or changed since the base."""
        if self._changed is None:
            with self._reading() as database:
                self._changed = dict(database.execute("SELECT ref, record FROM entry"))
        return self._changed

    def entry(self, ref: bytes) -> Consent | None:
        """One entry, for the question what we hold of somebody."""
        kept = self.kept()
        return None if kept is None else self.index(kept.words).get(ref)

    def index(self, words: Iterable[str]) -> StoredConsents:
        """All entries as the engine uses them: it costs what changed since the base."""
        return StoredConsents(
            self.base, self.changed(), list(words), over=self.over(), count=self.count()
        )

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        try:
            yield self._database
        except sqlite3.Error as error:
            raise self._spoilt(error) from error

    def _spoilt(self, error: Exception) -> StorageError:
        lost = super()._spoilt(error)
        if isinstance(lost, MemoryLost):
            self._lose()
        return lost

    def _lose(self) -> None:
        self.base = self._later = self._changed = self._dead = None
