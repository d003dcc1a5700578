"""What revocations took away, kept through kill -9 and the loss of power until the list says it
too.

One small SQLite file beside the list's, with the same promises (presence.edges.sqlite.store): a row
that is let go is overwritten, and no log of the database keeps it.
"""

import json
import sqlite3
from pathlib import Path
from typing import Any

from presence.core.consent.model import Purpose
from presence.core.consent.revocation import RevokedRights
from presence.core.consent.revocations import HeldRevocation
from presence.edges.sqlite.store import Database, unusable
from presence.errors import StorageError

WITHDRAWN_SCHEMA = """
CREATE TABLE notice (list TEXT PRIMARY KEY, seq INTEGER NOT NULL) STRICT;
CREATE TABLE withdrawn (
    ref BLOB NOT NULL, version INTEGER NOT NULL, list_seq INTEGER NOT NULL,
    removed INTEGER NOT NULL, objected INTEGER NOT NULL, paused_until REAL NOT NULL,
    words TEXT NOT NULL,
    PRIMARY KEY (ref, version)) STRICT, WITHOUT ROWID;
"""
WHO_SIGNED = """
ALTER TABLE withdrawn RENAME TO older;
CREATE TABLE withdrawn (
    ref BLOB NOT NULL, version INTEGER NOT NULL, list_seq INTEGER NOT NULL,
    removed INTEGER NOT NULL, objected INTEGER NOT NULL, paused_until REAL NOT NULL,
    words TEXT NOT NULL, kid TEXT NOT NULL,
    PRIMARY KEY (ref, version, kid)) STRICT, WITHOUT ROWID;
INSERT INTO withdrawn
    SELECT ref, version, list_seq, removed, objected, paused_until, words, '' FROM older;
DROP TABLE older;
"""
"""From version 1 to 2 of the file: by whom a row was signed, so that a stolen key's can be
lifted.
"""


class SqliteRevocationStore(Database):
    """Implements ports.RevocationStore in the state directory. Never begun anew: nothing else has
    it yet.
    """

    NEXT_STEP = (
        "stop presence, put this file away together with the list's (signed-list.sqlite, or the "
        "plain one), and start "
        "when the consent service has published a new one: what notices took away stands in no "
        "other place until then"
    )

    def __init__(self, directory: Path) -> None:
        super().__init__(
            directory / "withdrawn.sqlite", WITHDRAWN_SCHEMA, durable=True, upgrades=(WHO_SIGNED,)
        )

    def load(self) -> tuple[HeldRevocation, ...]:
        try:
            rows = self._database.execute("SELECT * FROM withdrawn").fetchall()
            return tuple(_held_revocation(row) for row in rows)
        except (sqlite3.Error, ValueError) as error:
            raise StorageError(
                f"{self._path}: {error}: what was withdrawn cannot be read; remove the file only "
                "together with the list"
            ) from error

    def last_revocation(self, list_name: str) -> int:
        try:
            row = self._database.execute(
                "SELECT seq FROM notice WHERE list = ?", (list_name,)
            ).fetchone()
        except sqlite3.Error as error:
            raise unusable(self._path, error) from error
        return int(row[0]) if row else 0

    def keep(
        self,
        list_name: str,
        revocations: tuple[HeldRevocation, ...],
        last_revocation: int | None,
        *,
        gone: tuple[HeldRevocation, ...] = (),
    ) -> None:
        with self._transaction() as database:
            _remove(database, gone)
            database.executemany(
                "INSERT OR REPLACE INTO withdrawn VALUES (?,?,?,?,?,?,?,?)", map(_row, revocations)
            )
            if last_revocation is not None:
                database.execute(
                    "INSERT OR REPLACE INTO notice VALUES (?, ?)", (list_name, last_revocation)
                )

    def let_go(self, revocations: tuple[HeldRevocation, ...]) -> None:
        with self._transaction() as database:
            _remove(database, revocations)


def _remove(database: sqlite3.Connection, revocations: tuple[HeldRevocation, ...]) -> None:
    keys = (revocation.key for revocation in revocations)
    database.executemany("DELETE FROM withdrawn WHERE ref = ? AND version = ? AND kid = ?", keys)


def _row(revocation: HeldRevocation) -> tuple[object, ...]:
    taken = revocation.taken
    words = json.dumps([sorted(taken.categories), sorted(taken.purposes)])
    until_s = taken.paused_until_s
    ref, version, kid = revocation.key
    return ref, version, revocation.list_seq, taken.removed, taken.objected, until_s, words, kid


def _held_revocation(row: tuple[Any, ...]) -> HeldRevocation:
    ref, version, list_seq, removed, objected, until_s, words, kid = row
    categories, purposes = json.loads(words)
    taken = RevokedRights(
        ref,
        version,
        removed=bool(removed),
        objected=bool(objected),
        paused_until_s=until_s,
        categories=frozenset(categories),
        purposes=frozenset(map(Purpose, purposes)),
    )
    return HeldRevocation(taken, list_seq, kid)
