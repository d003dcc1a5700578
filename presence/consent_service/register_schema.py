"""The tables of the register, and how one that an older version made comes to have them.

entry   what is known of a ref                                              presence.consent_service.register
taken   what a customer took away and did not give again, by word: a category, a purpose, `pause` or `*`
word    stores, categories and audiences by number, as records name them
fact    numbers and settings of the list
"""

import sqlite3
from collections.abc import Iterator
from typing import Final

from presence.consent_service.rights import EVERYTHING, PAUSE
from presence.core.consent.model import Consent, Purpose
from presence.core.consent.record import Words, decode_record
from presence.errors import ConsentServiceError

VERSION: Final = 2

_TAKEN: Final = """
CREATE TABLE taken (
    ref BLOB NOT NULL, word TEXT NOT NULL, decided REAL NOT NULL, until REAL, PRIMARY KEY (ref, word)) STRICT,
    WITHOUT ROWID;
CREATE INDEX held_key ON entry (identity_key) WHERE identity_key IS NOT NULL;
"""
SCHEMA: Final = f"""
CREATE TABLE entry (
    ref BLOB PRIMARY KEY, version INTEGER NOT NULL, state TEXT NOT NULL, changed_seq INTEGER,
    id TEXT, identity_key BLOB, not_after REAL, record BLOB, decided REAL NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX changed ON entry (changed_seq);
CREATE INDEX ending ON entry (not_after);
{_TAKEN}
CREATE TABLE word (number INTEGER PRIMARY KEY, word TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE fact (name TEXT PRIMARY KEY, value ANY NOT NULL) STRICT;
PRAGMA user_version = {VERSION};
"""


def is_current(database: sqlite3.Connection) -> bool:
    """Raises ConsentServiceError where a newer version made it."""
    version = int(database.execute("PRAGMA user_version").fetchone()[0])
    if version > VERSION:
        raise ConsentServiceError(
            f"the register has form {version}, this version of presence knows {VERSION}: use the "
            "newer presence"
        )
    return version == VERSION


def migrate(database: sqlite3.Connection) -> None:
    """From version 1, within the caller's transaction.

    Version 1 did not note when something was taken away, nor whether a purpose that is missing had
    ever been there. So all of it counts as taken away when the customer decided last: doubt is
    refusal.
    """
    for statement in _TAKEN.split(";"):
        database.execute(statement)
    words = Words(row[0] for row in database.execute("SELECT word FROM word ORDER BY number"))
    found = database.execute(
        "SELECT ref, state, decided, record FROM entry WHERE state IN ('active', 'gone')"
    )
    rows = (
        (ref, *taken)
        for ref, state, decided_s, record in found
        for taken in _taken_before(ref, state, decided_s, record, words)
    )
    database.executemany("INSERT INTO taken VALUES (?,?,?,?)", rows)
    database.execute(f"PRAGMA user_version = {VERSION}")


def _taken_before(
    ref: bytes, state: str, decided_s: float, record: bytes, words: Words
) -> Iterator[tuple[str, float, float | None]]:
    if state == "gone":
        yield EVERYTHING, decided_s, None
        return
    consent: Consent = decode_record(ref, record, words.all)
    for word in sorted(consent.refused_categories | (frozenset(Purpose) - consent.purposes)):
        yield str(word), decided_s, None
    if consent.paused_until_s:
        yield PAUSE, decided_s, consent.paused_until_s
