"""SQLite on two floors: visits and outbox in the runtime directory, consents in the state
directory.

`visits.sqlite` lives in tmpfs (RuntimeDirectory): it survives a crash of the daemon and not the
power, so that no visit is ever on a disk. `consents.sqlite` remembers the last list: its sequence
number and each entry's version, so that an older list or an older entry is refused. Neither holds
anything of a stranger; removed rows are overwritten (`secure_delete`), and no write-ahead log or
journal keeps them (journal mode DELETE).
"""

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import fields, replace
from functools import partial
from itertools import chain
from operator import attrgetter
from pathlib import Path
from typing import ClassVar, Final

from presence.core.consent.list_json import ConsentList
from presence.core.event.cloudevent import EventType
from presence.core.event.outbox import Announcement, Outgoing, Step, TakenBack
from presence.core.timestamps import Moment
from presence.core.visit.visits import Visit
from presence.edges.sqlite.spoilt import (
    Spoilt,
    aside,
    is_damage,
    missing,
    put_aside,
    remove,
    trouble,
)
from presence.errors import ListRolledBack, MemoryLost, StorageError
from presence.language import Sentence
from presence.ports import Stored

VISIT_SCHEMA = """
CREATE TABLE visit (
    ref BLOB PRIMARY KEY, entered_mono REAL NOT NULL, entered_utc REAL NOT NULL,
    heard_mono REAL NOT NULL, heard_utc REAL NOT NULL, left_mono REAL, left_utc REAL) STRICT;
CREATE TABLE outbox (
    id TEXT PRIMARY KEY, type TEXT NOT NULL, audience TEXT NOT NULL, ref BLOB NOT NULL,
    subject TEXT NOT NULL, occurred_mono REAL NOT NULL, occurred_utc REAL NOT NULL,
    expires_mono REAL NOT NULL, entered_id TEXT NOT NULL, reason TEXT NOT NULL) STRICT;
CREATE TABLE announcement (
    event_id TEXT PRIMARY KEY, audience TEXT NOT NULL, ref BLOB NOT NULL, subject TEXT NOT NULL,
    categories TEXT NOT NULL, valid_until_utc REAL NOT NULL) STRICT;
"""
VISIT_UPGRADES = (
    """
    ALTER TABLE announcement ADD COLUMN day TEXT NOT NULL DEFAULT '';
    UPDATE announcement SET day = coalesce(
        (SELECT date(entered_utc, 'unixepoch') FROM visit WHERE visit.ref = announcement.ref), '');
    UPDATE outbox SET subject = '' WHERE type = 'presence.entered.v1';
    """,
    "CREATE TABLE taken_back (event_id TEXT PRIMARY KEY, until_mono REAL NOT NULL) STRICT;",
    "ALTER TABLE announcement ADD COLUMN over_mono REAL NOT NULL DEFAULT 0;",
    "ALTER TABLE outbox ADD COLUMN by_answer INTEGER NOT NULL DEFAULT 0;",
    "CREATE TABLE figures (id INTEGER PRIMARY KEY CHECK (id = 0), counts TEXT NOT NULL) STRICT;",
)
"""From each version to the next: the file outlives an upgrade of the daemon
(RuntimeDirectoryPreserve).
"""

CONSENTS: Final = "consents.sqlite"
CONSENT_SCHEMA = """
CREATE TABLE list (name TEXT PRIMARY KEY, seq INTEGER NOT NULL) STRICT;
CREATE TABLE entry (ref BLOB PRIMARY KEY, version INTEGER NOT NULL) STRICT, WITHOUT ROWID;
"""


def open_database(
    path: Path, schema: str, *, durable: bool, upgrades: tuple[str, ...] = ()
) -> sqlite3.Connection:
    """Open, create or upgrade; raises StorageError. `durable`: a commit survives the loss of power,
    from the moment that it returns.
    """
    steps = (schema, *upgrades)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        database = sqlite3.connect(
            path, isolation_level=None, check_same_thread=False, timeout=5, cached_statements=0
        )
    except (sqlite3.Error, OSError) as error:
        raise unusable(path, error) from error
    try:
        database.executescript(
            f"PRAGMA journal_mode=DELETE; PRAGMA secure_delete=ON; PRAGMA temp_store=MEMORY;"
            # FULL would leave the folder unsynced: a journal that comes back with the power takes
            # the last commit back, and what was overwritten after it is gone all the same.
            f"PRAGMA synchronous={'EXTRA' if durable else 'OFF'};"
        )
        found = database.execute("PRAGMA user_version").fetchone()[0]
        for version, step in enumerate(steps[found:], found + 1):
            database.executescript(
                f"BEGIN EXCLUSIVE; {step} PRAGMA user_version={version}; COMMIT;"
            )
    except sqlite3.Error as error:
        database.close()
        raise unusable(path, error) from error
    if found > len(steps):
        database.close()
        raise Spoilt(f"{path}: written by a newer version of presence ({found})")
    return database


def unusable(path: Path, error: Exception) -> StorageError:
    return trouble(path, error, "is the disk full, or the folder not ours to write?")


class Database:
    """One file, its transactions, and its errors in words."""

    LOST: ClassVar[str] = ""
    """What is lost with the file, and what to do then; empty: it is never begun anew, and somebody
    must act.
    """
    NEXT_STEP: ClassVar[str] = "stop presence, put the file away, and start it again"

    def __init__(
        self,
        path: Path,
        schema: str,
        *,
        durable: bool,
        upgrades: tuple[str, ...] = (),
        witness: Path | None = None,
        begins_anew: bool = False,
    ) -> None:
        """`witness`: a file that is there only where this one was before. `begins_anew`: for the
        daemon, not for those who only look.
        """
        self._path = path
        self._open = partial(open_database, path, schema, durable=durable, upgrades=upgrades)
        self._begins_anew = begins_anew and bool(self.LOST)
        self.begun_anew = ""
        """Why, and what was lost; empty where the file was as we left it."""
        lost = missing(path, witness) if self._begins_anew and witness is not None else ""
        try:
            self._database = self._open()
        except Spoilt as error:
            if not self._begins_anew:
                raise StorageError(f"{error}: {self.NEXT_STEP}") from None
            put_aside(path)
            self._database = self._open()
            lost = str(error).removeprefix(f"{path}: ")
        if lost:
            self.begun_anew = f"{path}: {lost}: begun anew. {self.LOST}"

    def _spoilt(self, error: Exception) -> StorageError:
        """For an error that came while it was used: where it is damage, the file is begun anew."""
        if not is_damage(error) or not self._begins_anew:
            return trouble(self._path, error, "make room, or give the folder back to us")
        self._database.close()
        put_aside(self._path)
        self._database = self._open()
        return MemoryLost(f"{self._path}: damaged: {error}: begun anew. {self.LOST}")

    def close(self) -> None:
        self._database.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        database = self._database
        try:
            database.execute("BEGIN IMMEDIATE")
            yield database
            database.execute("COMMIT")
        except BaseException as error:
            if database.in_transaction:
                with suppress(sqlite3.Error):  # of a damaged file even that fails
                    database.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                raise self._spoilt(error) from error
            raise


class RuntimeStore(Database):
    """Implements ports.VisitStore. Monotonic times in it hold until the machine is switched off, as
    the file does.
    """

    LOST = (
        "The present visits are forgotten, and events that waited, and the day's figures; "
        "nothing else"
    )

    def __init__(self, directory: Path, *, begins_anew: bool = False) -> None:
        super().__init__(
            directory / "visits.sqlite",
            VISIT_SCHEMA,
            durable=False,
            upgrades=VISIT_UPGRADES,
            begins_anew=begins_anew,
        )

    def load(self) -> Stored:
        try:
            return self._load()
        except MemoryLost as error:
            self.begun_anew = str(error)
            return Stored()
        finally:
            remove(aside(self._path))  # nobody needs it: where somebody was is told to nobody

    def _load(self) -> Stored:
        try:
            visits = self._database.execute("SELECT * FROM visit").fetchall()
            outbox = self._database.execute("SELECT * FROM outbox ORDER BY rowid").fetchall()
            announced = self._database.execute("SELECT * FROM announcement").fetchall()
            taken_back = self._database.execute("SELECT * FROM taken_back").fetchall()
            figures = self._database.execute("SELECT counts FROM figures").fetchone()
        except sqlite3.Error as error:
            raise self._spoilt(error) from error
        return Stored(
            tuple(
                Visit(ref, Moment(em, eu), Moment(hm, hu), None if lm is None else Moment(lm, lu))
                for ref, em, eu, hm, hu, lm, lu in visits
            ),
            tuple(
                Outgoing(
                    key,
                    EventType(kind),
                    audience,
                    ref,
                    subject,
                    Moment(om, ou),
                    expires,
                    entered,
                    reason,
                    bool(answer),
                )
                for key, kind, audience, ref, subject, om, ou, expires, entered, reason, answer in (
                    outbox
                )
            ),
            tuple(
                Announcement(
                    key, audience, ref, subject, tuple(json.loads(categories)), until, day, over
                )
                for key, audience, ref, subject, categories, until, day, over in announced
            ),
            tuple(map(TakenBack._make, taken_back)),
            figures[0] if figures else "",
        )

    def commit(self, *steps: Step) -> None:
        with self._transaction() as database:
            for step in _joined(steps):
                _write(database, _rows(step))

    def remove(self, *event_ids: str) -> None:
        with self._transaction() as database:
            database.executemany("DELETE FROM outbox WHERE id = ?", [(key,) for key in event_ids])

    def keep_figures(self, figures: str) -> None:
        with self._transaction() as database:
            _write_figures(database, figures)

    def replace(self, stored: Stored) -> None:
        with self._transaction() as database:
            for table in ("visit", "outbox", "announcement", "taken_back"):
                database.execute(f"DELETE FROM {table}")  # noqa: S608 - four words of our own
            kept = Step(
                saved=stored.visits,
                queued=stored.pending,
                announced=stored.announcements,
                taken_back=stored.taken_back,
            )
            _write(database, _rows(kept))
            _write_figures(database, stored.figures)


_PARTS: Final = attrgetter(*(part.name for part in fields(Step)))


def _joined(steps: Sequence[Step]) -> list[Step]:
    """The same changes in fewer steps: each costs its statements. What one step takes away the next
    may bring anew, so one that takes away is the last of those that become one.
    """
    joined: list[Step] = []
    first = 0
    for end, step in enumerate(steps, 1):
        takes_away = step.forgotten or step.cancelled or step.retracted or step.let_go
        # `heard` changes a visit that `saved` may replace.
        if end == len(steps) or takes_away or step.heard:
            parts = zip(*map(_PARTS, steps[first:end]), strict=True)
            joined.append(Step(*map(tuple, map(chain.from_iterable, parts))))
            first = end
    return joined


def _rows(step: Step) -> tuple[tuple[str, Sequence[tuple[object, ...]]], ...]:
    """Statements with their rows; tables do not look at one another."""
    return (
        (
            "INSERT OR REPLACE INTO visit VALUES (?,?,?,?,?,?,?)",
            [(v.ref, *v.entered_at, *v.heard_at, *(v.left_at or (None, None))) for v in step.saved],
        ),
        (
            "INSERT OR IGNORE INTO outbox VALUES (?,?,?,?,?,?,?,?,?,?,?)",
            [_outgoing_row(o) for o in step.queued],
        ),
        (
            "INSERT OR REPLACE INTO announcement VALUES (?,?,?,?,?,?,?,?)",
            [_announcement_row(a) for a in step.announced],
        ),
        ("INSERT OR REPLACE INTO taken_back VALUES (?,?)", step.taken_back),
        (
            "UPDATE visit SET heard_mono = ?, heard_utc = ? WHERE ref = ?",
            [(at.monotonic_s, at.utc_s, ref) for ref, at in step.heard],
        ),
        ("DELETE FROM visit WHERE ref = ?", [(key,) for key in step.forgotten]),
        ("DELETE FROM outbox WHERE id = ?", [(key,) for key in step.cancelled]),
        ("DELETE FROM announcement WHERE event_id = ?", [(key,) for key in step.retracted]),
        ("DELETE FROM taken_back WHERE event_id = ?", [(key,) for key in step.let_go]),
    )


def _write(
    database: sqlite3.Connection, writes: Iterable[tuple[str, Sequence[tuple[object, ...]]]]
) -> None:
    for statement, rows in writes:
        if rows:  # SQLite would prepare it all the same
            database.executemany(statement, rows)


def _write_figures(database: sqlite3.Connection, figures: str) -> None:
    database.execute("INSERT OR REPLACE INTO figures VALUES (0, ?)", (figures,))


def _outgoing_row(o: Outgoing) -> tuple[object, ...]:
    what = (o.id, o.type.value, o.audience, o.ref, o.subject)
    return (*what, *o.occurred_at, o.expires_s, o.entered_id, o.reason, o.by_answer)


def _announcement_row(a: Announcement) -> tuple[object, ...]:
    categories = json.dumps(a.categories)
    what = (a.event_id, a.audience, a.ref, a.subject, categories)
    return (*what, a.valid_until_s, a.day, a.over_s)


class ConsentStore(Database):
    """What is remembered of the list beyond a restart: how new it was."""

    LOST = Sentence(
        "Nothing remembers how new the plain list was: an older one would be taken. Compare its "
        "number with that of "
        "the consent service, and find out who touched the file"
    )

    def __init__(
        self, directory: Path, *, begins_anew: bool = False, audited: Path | None = None
    ) -> None:
        """`audited`: the audit log, which is there only where this store was."""
        path = directory / CONSENTS
        super().__init__(
            path, CONSENT_SCHEMA, durable=True, witness=audited, begins_anew=begins_anew
        )

    def accept(self, consents: ConsentList) -> ConsentList:
        """The list without entries older than what we had; remembers it in one transaction.

        Raises ListRolledBack where the whole list is older than the one before (R-42).
        """
        header = consents.header
        with self._transaction() as database:
            row = database.execute("SELECT seq FROM list WHERE name = ?", (header.name,)).fetchone()
            if row is not None and header.seq < row[0]:
                raise ListRolledBack(
                    f"list {header.name}: number {header.seq} is older than {row[0]}, which this "
                    "gateway already had: "
                    "somebody brought back an old list; publish a new one"
                )
            known: dict[bytes, int] = dict(database.execute("SELECT ref, version FROM entry"))
            entries = {
                ref: entry
                for ref, entry in consents.entries.items()
                if entry.consent.version >= known.get(ref, 0)
            }
            gone = [(ref,) for ref in known.keys() - consents.entries.keys()]
            database.executemany("DELETE FROM entry WHERE ref = ?", gone)
            database.executemany(
                "INSERT OR REPLACE INTO entry VALUES (?, ?)",
                ((ref, entry.consent.version) for ref, entry in entries.items()),
            )
            database.execute("INSERT OR REPLACE INTO list VALUES (?, ?)", (header.name, header.seq))
        remove(aside(self._path))
        older = len(consents.entries) - len(entries)
        refused = {**consents.refused, "older version": older} if older else consents.refused
        return replace(consents, entries=entries, refused=refused)
