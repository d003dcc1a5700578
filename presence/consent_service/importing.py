"""An export of a consent platform, taken into the register: customer by customer, each by itself.

    lines ─► import.sqlite (sorted by customer, removed at the end) ─► a Wish a customer ─► register

1. The lines of a customer are together all of what they agreed to. Of two lines for one purpose the
   newer counts; of one time the one that gives less.
2. One unreadable line of a customer, and they are given nothing by this file: it may have taken
   rights away. What their other lines take away is taken.
3. An objection is for ever. Without a given `presence` the customer is withdrawn. What the customer
   paused, narrowed or fulfilled stays so; a line brings back what it names where it was decided
   later than that (rule 4 of the service).
4. Start is the newest decision on a purpose, end the earliest expiry of one; each category ends by
   itself, at the latest then (R-06, R-07).
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from presence.consent_service.agreeing import ref_text
from presence.consent_service.import_lines import COLUMNS, BadLine, Line, Value, parse_line
from presence.consent_service.locking import alone
from presence.consent_service.service import ConsentService
from presence.consent_service.vocabulary import AHEAD_S
from presence.consent_service.wishes import Wish
from presence.core.consent.model import TEST_AUDIENCE, Flag, Purpose, Scope
from presence.core.consent.revocation import Revocation
from presence.errors import ConsentServiceError

BATCH: Final = 2000
"""Customers in one transaction."""
SCHEMA: Final = """
PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA temp_store=FILE; PRAGMA cache_size=-65536;
CREATE TABLE line (
    subject TEXT NOT NULL,
    number INTEGER NOT NULL,
    row TEXT,
    identity_key BLOB,
    objects INTEGER NOT NULL,
    PRIMARY KEY (subject, number)) STRICT, WITHOUT ROWID;
"""
"""`row` is NULL where a line cannot be used."""
_KEEP: Final = "INSERT INTO line VALUES (?, ?, ?, ?, ?)"
_SHARED: Final = """
SELECT identity_key FROM line WHERE identity_key IS NOT NULL
GROUP BY identity_key HAVING count(DISTINCT subject) > 1
"""

Rows = Iterable[tuple[int, Mapping[str, Any]]]
"""Number, from 1, and columns of each line."""


@dataclass(slots=True)
class Imported:
    """What came of a file. Reasons name columns and rules, never a value."""

    lines: int = 0
    added: int = 0
    withdrawn: int = 0
    objected: int = 0
    passed_over: int = 0
    """Customers who gave no `presence` and were not in the register either."""
    over: int = 0
    """Customers whose agreement is over by now."""
    over_categories: int = 0
    """Interests of customers taken up that are over by now."""
    still_taken: int = 0
    """Customers taken up who stay paused, or without something that they took away before."""
    bad: list[tuple[int, str]] = field(default_factory=list)
    dropped: set[str] = field(default_factory=set)
    """Columns that were not taken."""
    doubts: Counter[str] = field(default_factory=Counter)
    """What will have no effect or looks like a mistake, with the number of customers."""


def import_rows(
    service: ConsentService,
    rows: Rows,
    *,
    audiences: Mapping[str, Purpose],
    told: Callable[[Revocation], None],
    read: Callable[[int], None] = lambda _lines: None,
    taken: Callable[[int, int], None] = lambda _lines, _of: None,
) -> Imported:
    """`told` is given each revocation. Now and then `read` is told how many lines were read, and
    `taken` of how many lines customers were taken up, and of how many in all. Raises
    ConsentServiceError.
    """
    taking = _Taking(service, audiences, told)
    with (
        alone(service.directory / "import.lock", "imports into this folder"),
        _sorted_lines(service.directory / "import.sqlite") as database,
    ):
        _stage(database, rows, taking.done, read, service.clock())
        _doubt_shared_keys(database, service, taking.done)
        done = 0
        for subject, lines, number, objects in _customers(database):
            if objects:
                taking.object(subject)
            elif lines:
                taking.take(subject, lines, number)
            done += len(lines)
            taken(done, taking.done.lines)
        taking.add()
    taking.done.bad.sort()
    return taking.done


def wish_of(lines: Iterable[Line], *, group: str, audiences: Mapping[str, Purpose]) -> Wish | None:
    """What a customer's lines come to (rules 1 and 4); None where they do not agree to being
    recognised.
    """
    newest = _newest(lines)
    given = {what: line for what, line in newest.items() if line.value is Value.GIVEN}
    presence = given.get(Purpose.PRESENCE)
    if presence is None:
        return None
    purposes = frozenset(Purpose(what) for what, line in given.items() if line.is_purpose)
    categories = {what: line for what, line in given.items() if not line.is_purpose}
    of_purposes = [given[purpose] for purpose in purposes]
    start_s = max(line.decided_s for line in of_purposes)
    flags = frozenset(flag for line in newest.values() for flag in line.flags)
    if presence.explicit:
        flags |= {Flag.EXPLICIT}
    return Wish(
        id=presence.subject,
        purposes=purposes,
        not_before_s=start_s,
        not_after_s=min(line.until_s or 0.0 for line in of_purposes),
        scope=_scope(presence.stores, group),
        categories={
            what: line.until_s
            for what, line in categories.items()
            if (line.until_s or start_s + 1) > start_s
        },
        explicit=frozenset(what for what, line in categories.items() if line.explicit),
        refused=frozenset(what for what, line in newest.items() if line.value is Value.NOT_GIVEN),
        flags=flags,
        audiences=audiences_of(purposes, flags, audiences),
        identity_key=next(
            (line.identity_key for line in newest.values() if line.identity_key), b""
        ),
        loudness_db=_loudness_db(newest.values()),
        decided_s=max(line.decided_s for line in newest.values()),
        said_s={what: line.decided_s for what, line in newest.items()},
    )


def _loudness_db(lines: Iterable[Line]) -> int | None:
    """Of two the larger: it only takes away."""
    return max((line.loudness_db for line in lines if line.loudness_db is not None), default=None)


def audiences_of(
    purposes: Iterable[Purpose], flags: Iterable[Flag], audiences: Mapping[str, Purpose]
) -> tuple[str, ...]:
    """Those whose purpose was agreed to; of a test phone only the technician's."""
    if Flag.TEST in set(flags):
        return (TEST_AUDIENCE,)
    agreed = set(purposes)
    return tuple(sorted(name for name, purpose in audiences.items() if purpose in agreed))


class _Taking:
    """Takes away at once, and adds in batches."""

    def __init__(
        self,
        service: ConsentService,
        audiences: Mapping[str, Purpose],
        told: Callable[[Revocation], None],
    ) -> None:
        self.done = Imported()
        self._service = service
        self._audiences = audiences
        self._told = told
        self._batch: list[tuple[Wish, list[Line], int]] = []

    def object(self, subject: str) -> None:
        self._report(self._service.object_once(subject))
        self.done.objected += 1

    def take(self, subject: str, lines: list[Line], number: int) -> None:
        """`number`: of the customer's first line; 0 where another one of theirs was unreadable
        (rule 2).
        """
        wish = wish_of(lines, group=self._service.group, audiences=self._audiences)
        if wish is None:
            if number or any(line.purpose == Purpose.PRESENCE for line in lines):
                self._withdraw(subject, max(line.decided_s for line in lines))
            else:
                self._take_away(lines)
        elif not number:
            self._take_away(lines)
        elif wish.not_before_s < wish.not_after_s <= self._service.clock():
            self._report(self._service.end_as_of(subject, max(line.decided_s for line in lines)))
            self.done.over += 1
        elif not wish.identity_key and not self._service.knows(subject):
            self.done.bad.append(
                (number, "identity_key missing: without it nobody can be recognised")
            )
        else:
            self._batch.append((wish, lines, number))
            if len(self._batch) >= BATCH:
                self.add()

    def add(self) -> None:
        several = self._service.add_each((wish for wish, _, _ in self._batch), told=self._told)
        now_s = self._service.clock()
        for (wish, lines, number), added in zip(self._batch, several, strict=True):
            if isinstance(added, ConsentServiceError):
                self.done.bad.append((number, str(added)))
                self._take_away(lines)
            else:
                over = sum(
                    until_s is not None and until_s <= now_s for until_s in wish.categories.values()
                )
                self.done.added += 1
                self.done.still_taken += bool(added.stays or added.paused)
                self.done.over_categories += over
                self.done.doubts.update(added.doubts)
        self._batch.clear()

    def _take_away(self, lines: list[Line]) -> None:
        """What a customer's lines refuse, where they are given nothing by them."""
        newest = _newest(lines).items()
        refused = {what: line.decided_s for what, line in newest if line.value is not Value.GIVEN}
        for revocation in self._service.narrow_as_of(lines[0].subject, refused):
            self._told(revocation)

    def _withdraw(self, subject: str, decided_s: float) -> None:
        revocation = self._service.withdraw_as_of(subject, decided_s)
        self._report(revocation)
        if revocation is None:
            self.done.passed_over += 1
        else:
            self.done.withdrawn += 1

    def _report(self, revocation: Revocation | None) -> None:
        if revocation is not None:
            self._told(revocation)


def _newest(lines: Iterable[Line]) -> dict[str, Line]:
    newest: dict[str, Line] = {}
    for line in lines:
        other = newest.get(line.purpose)
        gives_less = line.value is not Value.GIVEN
        if other is None or (line.decided_s, gives_less) > (
            other.decided_s,
            other.value is not Value.GIVEN,
        ):
            newest[line.purpose] = line
    return newest


def _scope(stores: tuple[str, ...], group: str) -> Scope:
    return (
        Scope(frozenset(), chain_wide=True)
        if stores == ("*",)
        else Scope(frozenset(stores or (group,)))
    )


@contextmanager
def _sorted_lines(path: Path) -> Iterator[sqlite3.Connection]:
    """A file of its own, for our eyes only, gone at the end: exports are larger than memory."""
    path.unlink(missing_ok=True)
    try:
        path.touch(mode=0o600)
        database = sqlite3.connect(path, isolation_level=None)
        try:
            database.executescript(SCHEMA)
            yield database
        finally:
            database.close()
    except (sqlite3.Error, OSError) as error:
        raise ConsentServiceError(f"{path}: {error}: is the disk full?") from error
    finally:
        path.unlink(missing_ok=True)


def _stage(
    database: sqlite3.Connection,
    rows: Rows,
    done: Imported,
    read: Callable[[int], None],
    now_s: float,
) -> None:
    """Known columns of usable lines; of others that there was one, of whom, and whether it is an
    objection.
    """
    database.execute("BEGIN")
    for number, row in rows:
        done.lines += 1
        done.dropped |= {name for name in row if name is not None and name not in COLUMNS}
        try:
            line, kept = _usable(row, now_s)
        except BadLine as error:
            done.bad.append((number, str(error)))
            if error.subject:
                database.execute(_KEEP, (error.subject, number, None, None, error.objects))
        else:
            key = line.identity_key if line.value is Value.GIVEN and line.identity_key else None
            objects = line.value is Value.OBJECTED
            database.execute(_KEEP, (line.subject, number, json.dumps(kept), key, objects))
        if done.lines % 1000 == 0:
            read(done.lines)
    database.execute("COMMIT")
    read(done.lines)


def _usable(row: Mapping[str, Any], now_s: float) -> tuple[Line, dict[str, Any]]:
    """The line and its known columns. One that is dated in the future gives nothing; what it takes
    away is taken now.

    Raises BadLine.
    """
    line = parse_line(row)
    kept = {name: row[name] for name in COLUMNS if name in row}
    if line.decided_s <= now_s + AHEAD_S:
        return line, kept
    if line.value is Value.GIVEN:
        raise BadLine(
            "timestamp lies in the future: is it local time without its offset?", line.subject
        )
    return line, {**kept, "timestamp": now_s}


def _doubt_shared_keys(
    database: sqlite3.Connection, service: ConsentService, done: Imported
) -> None:
    """Who brings a key that another customer of the file brings, too, is given nothing: whose it
    is, nobody knows.
    """
    for (key,) in database.execute(_SHARED).fetchall():
        found = database.execute(
            "SELECT subject, number FROM line WHERE identity_key = ? ORDER BY number", (key,)
        )
        several = found.fetchall()
        for subject, number in several:
            other = next(each for each, _ in several if each != subject)
            reason = (
                f"identity_key is that of agreement {ref_text(service.ref_of(other))} in "
                "this file, too"
            )
            done.bad.append((number, f"{reason}: give each phone a key of its own"))
            database.execute(
                "UPDATE line SET row = NULL WHERE subject = ? AND number = ?", (subject, number)
            )


def _customers(database: sqlite3.Connection) -> Iterator[tuple[str, list[Line], int, bool]]:
    """Of each customer the usable lines, the number of the first (0 where another was not), and
    whether they object.
    """
    found = database.execute(
        "SELECT subject, number, row, objects FROM line ORDER BY subject, number"
    )
    for subject, several in groupby(found, key=lambda row: str(row[0])):
        rows = list(several)
        lines = [parse_line(json.loads(text)) for _, _, text, _ in rows if text is not None]
        yield (
            subject,
            lines,
            rows[0][1] if len(lines) == len(rows) else 0,
            any(objects for *_, objects in rows),
        )
