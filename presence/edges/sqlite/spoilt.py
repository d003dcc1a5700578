"""Files of ours that cannot be used as they are: damaged, emptied, gone, or of a newer version of
the program.

What can be had anew is begun anew, and told: a gateway that does not start for a torn file helps
nobody. What protected the customers in it is lost then, and whoever tore it may have wanted just
that; so it is an alarm, in words of what is protected still.
"""

import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Final

from presence.errors import StorageError
from presence.language import Sentence

DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


class Spoilt(StorageError):
    """The file is not what we left there."""


def is_damage(error: BaseException) -> bool:
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in DAMAGED


def trouble(path: Path, error: Exception, otherwise: str) -> StorageError:
    """In words: a damaged file is no full disk."""
    if is_damage(error):
        return Spoilt(f"{path}: damaged: {error}")
    return StorageError(f"{path}: {error}: {otherwise}")


def aside(path: Path) -> Path:
    """Where a spoilt file is put."""
    return path.with_name(f"{path.name}.set-aside")


def put_aside(path: Path) -> None:
    """Raises StorageError."""
    try:
        with suppress(FileNotFoundError):
            path.replace(aside(path))
        path.with_name(f"{path.name}-journal").unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror}: give the folder back to us") from error


def remove(path: Path) -> None:
    """Overwritten first, as all that is let go of."""
    with suppress(OSError):
        with path.open("r+b") as file:
            file.write(bytes(path.stat().st_size))
        path.unlink()


def missing(path: Path, witness: Path) -> str:
    """Why a file that `witness` shows was there before is none any more; empty where all is
    well.
    """
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return Sentence("gone") if witness.exists() else ""
    return "" if size else Sentence("empty")


def state_of(path: Path, witness: Path) -> str:
    """For whoever only looks: what is wrong with a database; empty where nothing is."""
    try:
        lost = missing(path, witness)
        if lost or not path.exists():
            return lost
    except OSError:  # not for this user: said by the look at the folder
        return ""
    try:
        database = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5)
        try:
            found = database.execute("PRAGMA quick_check(1)").fetchone()[0]
        finally:
            database.close()
    except sqlite3.Error as error:
        return Sentence("damaged: {error}", error=str(error)) if is_damage(error) else ""
    return "" if found == "ok" else Sentence("damaged")
