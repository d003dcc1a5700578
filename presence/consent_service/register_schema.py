"""The tables of the register.

entry   what is known of a ref: presence.consent_service.register
taken   what a customer took away and did not give again, by word: a category, a purpose, `pause`
        or `*`
word    stores, categories and audiences by number, as records name them
fact    numbers and settings of the list
"""

import sqlite3
from typing import Final

from presence.errors import ConsentServiceError

VERSION: Final = 5
"""Forms 1 and 2 held records in bits of our own, form 3 let changes wait for their number; all
before any list was in the field. Form 4 did not keep which notice was shown.
"""
OLDEST: Final = 4

SCHEMA: Final = f"""
CREATE TABLE entry (
    ref BLOB PRIMARY KEY, version INTEGER NOT NULL, state TEXT NOT NULL,
    changed_seq INTEGER NOT NULL,
    id TEXT, identity_key BLOB, not_after REAL, record BLOB, decided REAL NOT NULL, notice TEXT)
    STRICT, WITHOUT ROWID;
CREATE INDEX changed ON entry (changed_seq);
CREATE INDEX ending ON entry (not_after) WHERE not_after IS NOT NULL;
CREATE TABLE taken (
    ref BLOB NOT NULL, word TEXT NOT NULL, decided REAL NOT NULL, until REAL,
    PRIMARY KEY (ref, word)) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX held_key ON entry (identity_key) WHERE identity_key IS NOT NULL;
CREATE TABLE word (number INTEGER PRIMARY KEY, word TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE fact (name TEXT PRIMARY KEY, value ANY NOT NULL) STRICT;
PRAGMA user_version = {VERSION};
"""


FROM_4: Final = (
    "ALTER TABLE entry ADD COLUMN notice TEXT",
    "UPDATE entry SET notice = (SELECT value FROM fact WHERE name = 'notice') "
    "WHERE state = 'active'",
    "PRAGMA user_version = 5",
)
"""Until then a list had one notice, that of `init`."""


def bring_up_to_date(database: sqlite3.Connection) -> None:
    """Raises ConsentServiceError where another version made it and we cannot read it."""
    version = _form(database)
    if version > VERSION:
        raise ConsentServiceError(
            f"the register has form {version}, this version of presence knows {VERSION}: use the "
            "newer presence"
        )
    if version < OLDEST:
        raise ConsentServiceError(
            f"the register has form {version}, of before version 0.1; this version of presence "
            f"knows {VERSION}: begin a new list (presence consents init) and import your consents"
        )
    if version == OLDEST:
        _from_4(database)


def _from_4(database: sqlite3.Connection) -> None:
    database.execute("BEGIN IMMEDIATE")
    try:
        if _form(database) == OLDEST:  # no other command did it meanwhile
            for step in FROM_4:
                database.execute(step)
        database.execute("COMMIT")
    except BaseException:
        database.execute("ROLLBACK")
        raise


def _form(database: sqlite3.Connection) -> int:
    return int(database.execute("PRAGMA user_version").fetchone()[0])
