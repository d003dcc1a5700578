"""The register as lines that `presence consents apply` takes: a list is moved, or put away.

The lines are of one moment: the register is copied first, into a file without a name, so that
whoever withdraws meanwhile waits for that and no longer. Memory: a page of customers.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from presence.consent_service.kept_lines import KeptCustomer, line_of
from presence.consent_service.list_settings import ListSettings
from presence.consent_service.registered import State
from presence.consent_service.rights import Taken
from presence.core.consent.record import decode_record
from presence.errors import ConsentServiceError

PAGE: Final = 500
_ENTRIES: Final = """
SELECT ref, version, state, record, identity_key, id, decided, notice FROM entry
WHERE ref > ? ORDER BY ref LIMIT ?"""
_TAKEN: Final = "SELECT ref, word, decided, until FROM taken WHERE ref > ? AND ref <= ?"


def settings_lines(settings: ListSettings) -> Iterator[bytes]:
    """They make the settings of a new list what they are here."""
    for notice, since_s in settings.notices:
        if notice:
            yield _line({"notice": notice, "since": since_s})
    for name, purpose in settings.audiences.items():
        since_s = settings.named_s.get(name, 0.0)
        yield _line({"audience": [f"{name}={purpose}"], "since": since_s})
    if settings.places or settings.parents:
        yield _line({"taxonomy": settings.parents, "places": settings.places})


def _line(said: dict[str, Any]) -> bytes:
    return msgspec.json.encode({"action": "settings", **said}) + b"\n"


def customer_lines(register: Path, of: str, now_s: float) -> Iterator[bytes]:
    """One for each of whom the register knows anything, by ref. Raises ConsentServiceError."""
    with _copied(register) as copy:
        words = [word for (word,) in copy.execute("SELECT word FROM word ORDER BY number")]
        after = b""
        while page := copy.execute(_ENTRIES, (after, PAGE)).fetchall():
            taken: dict[bytes, dict[str, Taken]] = {}
            last = page[-1][0]
            for ref, word, decided_s, until_s in copy.execute(_TAKEN, (after, last)):
                taken.setdefault(ref, {})[word] = Taken(decided_s, until_s or 0.0)
            for row in page:
                kept = _kept(row, words, taken.get(row[0], {}), now_s)
                yield msgspec.json.encode(line_of(kept, of)) + b"\n"
            after = last


def _kept(
    row: tuple[Any, ...], words: list[str], taken: dict[str, Taken], now_s: float
) -> KeptCustomer:
    ref, version, state, record, identity_key, name, decided_s, notice = row
    consent = None if record is None else decode_record(ref, record, words)
    if consent is not None and consent.not_after_s <= now_s:
        # As the next publication would have it.
        return KeptCustomer(ref, version + 1, State.GONE, decided_s, "", b"", "", None, taken)
    return KeptCustomer(
        ref, version, State(state), decided_s, name or "", identity_key or b"", notice or "",
        consent, taken,
    )  # fmt: skip


@contextmanager
def _copied(register: Path) -> Iterator[sqlite3.Connection]:
    path = register.with_name(f".{register.name}.export")
    try:
        with (
            closing(sqlite3.connect(f"{register.absolute().as_uri()}?mode=ro", uri=True)) as source,
            closing(_nameless(path)) as copy,
        ):
            source.backup(copy)
            yield copy
    except sqlite3.Error as error:
        raise ConsentServiceError(f"{register}: {error}: disk full?") from error


def _nameless(path: Path) -> sqlite3.Connection:
    """A database beside it that no path leads to, so that a crash leaves nothing."""
    with suppress(FileNotFoundError):
        path.unlink()
    path.touch(mode=0o600, exist_ok=False)
    try:
        database = sqlite3.connect(path)
        # Without a journal, which would have a name, and opened before the name is gone.
        database.executescript("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; SELECT 1;")
        database.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    finally:
        path.unlink()
    return database
