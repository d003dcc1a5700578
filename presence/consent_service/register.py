"""The register of consents (SQLite): who agreed to what, with the identity keys that never leave
it.

    active    the entry as it is published, its identity key, the consent platform's own id
    gone      ref and version alone: withdrawn or expired; an agreement given anew gets a higher
              version (R-36)
    objected  ref and version alone, for ever: an objection beats every later entry (R-10)

`changed_seq` is the list in which an entry's last change stands, the next one until that is given
out. So each delta can be made anew from here: after a crash between the register and the repository
nothing is lost and nothing said twice. No two agreements have one identity key. `decided` is when
the customer agreed, withdrew or objected last: what they said before that, in an old export,
changes nothing any more. What they took away since (`taken`) has times of its own.

Several commands may be at work at once. So each change reads and writes in one transaction, and a
write names the version that it read: where that is not there any more, nothing is written.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

from presence.consent_service.locking import alone
from presence.consent_service.register_schema import SCHEMA, bring_up_to_date
from presence.consent_service.registered import AlreadyThere, AtHand, Changed, Registered, State
from presence.consent_service.rights import Taken
from presence.core.consent.list_changes import WHOLE, Delete, Put
from presence.core.consent.model import Consent
from presence.core.consent.record import RecordForm, Words, decode_record, encode_record
from presence.core.encoding import REF_BYTES
from presence.errors import ConsentServiceError

CACHE_KB: Final = 65_536
"""Refs are random, so an import touches pages everywhere: what SQLite holds of them in memory (its
default is 2 MB).
"""
_ACTIVE: Final = State.ACTIVE.value
"""A text and no more: what is one only by its class, sqlite3 asks for an adapter of, each time."""
_INSERT: Final = """
INSERT INTO entry VALUES (?,?,?,?,?,?,?,?,?,?)"""
_UPDATE: Final = """
UPDATE entry SET version = ?2, state = ?3, changed_seq = ?4, id = ?5, identity_key = ?6,
    not_after = ?7, record = ?8, decided = ?9, notice = ?10
WHERE ref = ?1 AND version = ?11 AND state != 'objected'"""
"""An objection is never written over, whoever asks for it (R-10)."""
_TAKE: Final = """
INSERT INTO taken VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET
    decided = max(decided, excluded.decided),
    until = max(coalesce(until, 0), coalesce(excluded.until, 0))"""


_REGISTERED: Final = """
SELECT ref, version, state, record, identity_key, id, decided, notice FROM entry WHERE ref IN"""
_TAKEN: Final = "SELECT ref, word, decided, until FROM taken WHERE ref IN"
_ANY_REGISTERED: Final = "SELECT 1 FROM entry WHERE ref BETWEEN ? AND ? LIMIT 1"
_ANY_TAKEN: Final = "SELECT 1 FROM taken WHERE ref BETWEEN ? AND ? LIMIT 1"
_OWNERS: Final = "SELECT identity_key, ref FROM entry WHERE identity_key IN"
AT_ONCE: Final = 500
"""Values in one question."""
_PAGE: Final = """
SELECT ref, record, identity_key FROM entry
WHERE ref BETWEEN ? AND ? AND state = 'active' ORDER BY ref LIMIT 16384"""


class Register:
    def __init__(self, path: Path, *, create: bool = False) -> None:
        """Raises ConsentServiceError where there is none, or already one."""
        if path.exists() == create:
            advice = (
                "there is one already"
                if create
                else "no register: name its folder with --directory, or `presence consents init` "
                "makes one"
            )
            raise ConsentServiceError(f"{path}: {advice}")
        self.path = path
        self._turn = path.with_name("turn.lock")
        self._words = Words()
        self._known_words = 0
        self._new: list[tuple[object, ...]] = []
        """Entries of this transaction, written together."""
        self._next_seq = 0
        self._came = 0
        """Entries that are active by this transaction and were not, less those that are no more."""
        with self._told():
            self._database = sqlite3.connect(path, isolation_level=None, timeout=30)
            try:
                self._open(create=create)
            except BaseException:
                self._database.close()
                raise

    def _open(self, *, create: bool) -> None:
        self.path.chmod(0o600)
        self._database.executescript(
            f"PRAGMA journal_mode=DELETE; PRAGMA secure_delete=ON; PRAGMA cache_size=-{CACHE_KB};"
            # A withdrawal that was taken stays taken where the power goes (edges.sqlite.store).
            "PRAGMA synchronous=EXTRA;"
        )
        if create:
            self._database.executescript(f"BEGIN; {SCHEMA} COMMIT;")
        bring_up_to_date(self._database)

    def close(self) -> None:
        self._database.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All changes within are stored together, or none of them; nobody else writes meanwhile."""
        with self._told():
            with alone(self._turn, "changes the register"):
                self._database.execute("BEGIN IMMEDIATE")
            try:
                self._load_words()
                self._next_seq, self._came = self.number("seq") + 1, 0
                yield
                self._write_new()
                self._store_words()
                if self._came:
                    self.set_fact("entries", self.number("entries") + self._came)
                    self._came = 0
                self._database.execute("COMMIT")
            except BaseException:
                self._database.execute("ROLLBACK")
                self._came = 0
                self._new.clear()
                raise

    @property
    def words(self) -> list[str]:
        self._read_words()
        return self._words.all

    def fact(self, name: str, default: int | float | str = 0) -> int | float | str:
        row = self._database.execute("SELECT value FROM fact WHERE name = ?", (name,)).fetchone()
        return default if row is None else row[0]

    def number(self, name: str) -> int:
        return int(self.fact(name))

    def set_fact(self, name: str, value: int | float | str) -> None:
        self._database.execute("INSERT OR REPLACE INTO fact VALUES (?, ?)", (name, value))

    def get(self, ref: bytes) -> Registered | None:
        for row in self._among(_REGISTERED, [ref]):
            return self._registered(*row)
        return None

    def at_hand(self, refs: Sequence[bytes], identity_keys: Sequence[bytes] = ()) -> AtHand:
        taken: dict[bytes, dict[str, Taken]] = {}
        for ref, word, decided_s, until_s in self._among(_TAKEN, self._near(_ANY_TAKEN, refs)):
            taken.setdefault(ref, {})[word] = Taken(decided_s, until_s or 0.0)
        known = self._among(_REGISTERED, self._near(_ANY_REGISTERED, refs))
        return AtHand(
            {row[0]: self._registered(*row) for row in known},
            taken,
            self.owners(identity_keys),
        )

    def owners(self, identity_keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """The refs of the agreements that have them."""
        return dict(self._among(_OWNERS, identity_keys))

    def _near(self, query: str, refs: Sequence[bytes]) -> Sequence[bytes]:
        """These, or none of them where there is none from the first to the last: an import comes in
        the order of refs, and a new list has none there.
        """
        self._write_new()
        if len(refs) < AT_ONCE:
            return refs
        row = self._database.execute(query, (min(refs), max(refs))).fetchone()
        return [] if row is None else refs

    def _among(self, query: str, values: Sequence[bytes]) -> Iterator[Any]:
        """The rows of a query that ends in IN, for as many values as there are."""
        self._write_new()
        for start in range(0, len(values), AT_ONCE):
            some = values[start : start + AT_ONCE]
            marks = ",".join("?" * len(some))
            yield from self._database.execute(f"{query} ({marks})", some)

    def _registered(self, ref: bytes, *row: Any) -> Registered:
        version, state, record, identity_key, name, decided_s, notice = row
        consent = None if record is None else self._consent(ref, record)
        return Registered(
            version, State(state), consent, identity_key or b"", name or "", decided_s, notice or ""
        )

    def put(
        self,
        consent: Consent,
        identity_key: bytes,
        name: str,
        *,
        before: int,
        decided_s: float,
        notice: str,
    ) -> None:
        """In place of version `before` (0: there was none)."""
        record = encode_record(consent, self._words)
        self._write(
            *(consent.ref, before, consent.version, State.ACTIVE, name, identity_key),
            *(consent.not_after_s, record, decided_s, notice),
        )

    def form_of(self, consent: Consent) -> RecordForm:
        """Good until the end of this transaction."""
        return RecordForm(consent, self._words)

    def put_new(
        self,
        ref: bytes,
        record: bytes,
        identity_key: bytes,
        name: str,
        *,
        not_after_s: float,
        decided_s: float,
        notice: str,
    ) -> None:
        """The first version of an entry, in a form of this transaction."""
        first = ref, 1, _ACTIVE, self._next_seq, name, identity_key
        self._new.append((*first, not_after_s, record, decided_s, notice))
        self._came += 1

    def remove(
        self, ref: bytes, version: int, state: State, *, before: int, decided_s: float
    ) -> None:
        """Only ref, version and time stay, in place of version `before` (0: there was none)."""
        self._write(ref, before, version, state, None, None, None, None, decided_s, None)

    def _write(self, ref: bytes, before: int, version: int, state: State, *rest: object) -> None:
        row = (ref, version, state, self._next_seq, *rest)
        if before == 0:
            self._new.append(row)
            self._came += state is State.ACTIVE
            return
        was_active = self._state(ref) is State.ACTIVE
        written = self._database.execute(_UPDATE, (*row, before))
        if written.rowcount != 1:
            raise ConsentServiceError(
                "another command changed this agreement meanwhile: nothing was done; try again"
            )
        self._came += (state is State.ACTIVE) - was_active

    def _write_new(self) -> None:
        """Raises ConsentServiceError where one of them is there already."""
        if self._new:
            new, self._new = self._new, []
            try:
                self._database.executemany(_INSERT, new)
            except sqlite3.IntegrityError as error:
                raise AlreadyThere(
                    f"{self.path}: an agreement or an identity key is there already: nothing was "
                    "done; try again"
                ) from error

    def _state(self, ref: bytes) -> State | None:
        self._write_new()
        row = self._database.execute("SELECT state FROM entry WHERE ref = ?", (ref,)).fetchone()
        return None if row is None else State(row[0])

    def taken(self, ref: bytes) -> dict[str, Taken]:
        """What this customer took away and did not give again, by word."""
        return self.at_hand([ref]).taken.get(ref, {})

    def take(self, ref: bytes, word: str, taken: Taken) -> None:
        """It stays taken from the later of two times on; a pause ends with the later of two
        ends.
        """
        self._database.execute(_TAKE, (ref, word, taken.decided_s, taken.until_s or None))

    def give(self, ref: bytes, words: Iterable[str]) -> None:
        """They are not taken any more."""
        self._database.executemany(
            "DELETE FROM taken WHERE ref = ? AND word = ?", ((ref, word) for word in words)
        )

    def ended(self, now_s: float) -> list[tuple[bytes, int, float]]:
        """Entries that are over: ref, version, and when the customer decided last."""
        return self._database.execute(
            "SELECT ref, version, decided FROM entry WHERE not_after <= ?", (now_s,)
        ).fetchall()

    def count(self) -> int:
        """Entries that are active. A number that is kept: they are not counted each time."""
        return self.number("entries") + self._came

    def by_state(self) -> dict[str, int]:
        return dict(self._database.execute("SELECT state, count(*) FROM entry GROUP BY state"))

    def by_notice(self) -> dict[str, int]:
        """Agreements that stand, by the version of the notice that was shown."""
        return dict(
            self._database.execute(
                "SELECT coalesce(notice, ''), count(*) FROM entry WHERE state = 'active' "
                "GROUP BY notice"
            )
        )

    def unnumbered(self) -> bool:
        """Whether there are changes that no list has yet."""
        if self.number("settings_changed"):
            return True
        query = "SELECT 1 FROM entry WHERE changed_seq > ? LIMIT 1"
        return self._database.execute(query, (self.number("seq"),)).fetchone() is not None

    def changed_since(self, seq: int) -> int:
        """How many entries the lists after this one brought, changed or took out."""
        row = self._database.execute(
            "SELECT count(*) FROM entry WHERE changed_seq > ?", (seq,)
        ).fetchone()
        return int(row[0])

    def changes_since(self, seq: int) -> list[Changed]:
        """What they say of each, sorted by ref: as it stands now, under its newest number."""
        rows = self._database.execute(
            "SELECT changed_seq, ref, version, record, identity_key FROM entry "
            "WHERE changed_seq > ?",
            (seq,),
        )
        return [
            Changed(
                number,
                Delete(ref, version) if record is None else Put(ref, record),
                identity_key or b"",
            )
            # Sorted here: SQLite would walk all entries for their order.
            for number, ref, version, record, identity_key in sorted(rows, key=itemgetter(1))
        ]

    def pages(self, shard: str) -> Iterator[list[tuple[bytes, bytes, bytes]]]:
        """Ref, record and identity key of every entry of a shard, sorted by ref. Between two pages
        others may write.
        """
        first, last = (
            (bytes(REF_BYTES), b"\xff" * REF_BYTES)
            if shard == WHOLE
            else (bytes.fromhex(shard) + bytes(7), bytes([int(shard, 16) | 0x3F]) + b"\xff" * 7)
        )
        while page := self._database.execute(_PAGE, (first, last)).fetchall():
            yield page
            if page[-1][0] == last:
                return
            first = (int.from_bytes(page[-1][0], "big") + 1).to_bytes(REF_BYTES, "big")

    def consents(self) -> Iterator[Consent]:
        """Of everybody who has one, by ref. Meanwhile others may write."""
        for page in self.pages(WHOLE):
            for ref, record, _ in page:
                yield self._consent(ref, record)

    def customers(self) -> Iterator[tuple[str, Consent]]:
        """The platform's id and the consent, of everybody who has one."""
        rows = self._database.execute(
            "SELECT id, ref, record FROM entry WHERE state = 'active' ORDER BY id"
        )
        return ((name, self._consent(ref, record)) for name, ref, record in rows)

    def _consent(self, ref: bytes, record: bytes) -> Consent:
        self._read_words()
        return decode_record(ref, record, self._words.all)

    def _read_words(self) -> None:
        if (
            not self._database.in_transaction
        ):  # there, nobody else adds any, and what we add is not stored yet
            self._load_words()

    def _load_words(self) -> None:
        """Those that other commands gave a number; what a transaction that failed had added is
        forgotten.
        """
        if len(self._words.all) > self._known_words:
            self._words = Words(self._words.all[: self._known_words])
        found = self._database.execute(
            "SELECT word FROM word WHERE number >= ? ORDER BY number", (self._known_words,)
        )
        for (word,) in found:
            self._words.number(word)
        self._known_words = len(self._words.all)

    def _store_words(self) -> None:
        new = list(enumerate(self._words.all))[self._known_words :]
        self._database.executemany("INSERT INTO word VALUES (?, ?)", new)
        self._known_words = len(self._words.all)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise ConsentServiceError(
                f"{self.path}: {error}: disk full, or another command at work?"
            ) from error
