"""An export of a consent platform, taken into the register: customer by customer, each by itself.

    lines ─► ImportedLines (sorted by customer) ─► a Wish a customer ─► register

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

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgspec

from presence.consent_service.agreeing import ref_text
from presence.consent_service.import_lines import (
    COLUMNS,
    BadLine,
    Line,
    Value,
    parse_line,
    words_of,
)
from presence.consent_service.imported_lines import ImportedLines
from presence.consent_service.locking import alone
from presence.consent_service.service import ConsentService
from presence.consent_service.vocabulary import AHEAD_S, PURPOSE_OF
from presence.consent_service.wishes import Wish
from presence.core.consent.model import TEST_AUDIENCE, Flag, Purpose, Scope
from presence.core.consent.revocation import Revocation
from presence.errors import ConsentServiceError

BATCH: Final = 10_000
"""Customers in one transaction: a second or two, in which a withdrawal waits."""

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
        ImportedLines(service.directory, service.ref_of) as staged,
    ):
        _stage(staged, rows, taking.done, read, service.clock())
        _doubt_shared_keys(staged, service, taking.done)
        done = 0
        for customer in staged.customers():
            if customer.objects:
                taking.object(customer.subject)
            elif customer.lines:
                taking.take(customer.subject, customer.lines, customer.number)
            done += len(customer.lines)
            taken(done, taking.done.lines)
        taking.add()
    taking.done.bad.sort()
    return taking.done


def wish_of(lines: Iterable[Line], *, group: str, audiences: Mapping[str, Purpose]) -> Wish | None:
    """What a customer's lines come to (rules 1 and 4); None where they do not agree to being
    recognised.
    """
    newest = _newest(lines)
    presence = newest.get(Purpose.PRESENCE)
    if presence is None or presence.said.value is not Value.GIVEN:
        return None
    every = newest.values()
    agreed = _agreed(tuple([line.said.text for line in every]), group, frozenset(audiences.items()))
    of_purposes = [newest[purpose] for purpose in agreed.purposes]
    start_s = max([line.decided_s for line in of_purposes])
    categories: dict[str, float | None] = {}
    for category in agreed.categories:
        until_s = newest[category].until_s
        if not until_s or until_s > start_s:
            categories[category] = until_s
    return Wish(
        id=presence.subject,
        purposes=agreed.purposes,
        not_before_s=start_s,
        not_after_s=min([line.until_s or 0.0 for line in of_purposes]),
        scope=agreed.scope,
        categories=categories,
        explicit=agreed.explicit,
        refused=agreed.refused,
        flags=agreed.flags,
        audiences=agreed.audiences,
        identity_key=next((line.identity_key for line in every if line.identity_key), b""),
        loudness_db=agreed.loudness_db,
        decided_s=max([line.decided_s for line in every]),
        said_s={what: line.decided_s for what, line in newest.items()},
        notice=presence.said.notice,
    )


class _Agreed(NamedTuple):
    """What all customers agree to whose lines differ in times and keys alone."""

    purposes: frozenset[Purpose]
    categories: tuple[str, ...]
    explicit: frozenset[str]
    refused: frozenset[str]
    flags: frozenset[Flag]
    scope: Scope
    audiences: tuple[str, ...]
    loudness_db: int | None


@lru_cache(maxsize=4096)
def _agreed(
    texts: tuple[str, ...], group: str, audiences: frozenset[tuple[str, Purpose]]
) -> _Agreed:
    """`texts`: of the newest line on each word (`LineWords.text`), `presence` given among them."""
    every = [words_of(text) for text in texts]
    given = [said for said in every if said.value is Value.GIVEN]
    purposes = frozenset([PURPOSE_OF[said.purpose] for said in given if said.is_purpose])
    presence = next(said for said in given if said.purpose == Purpose.PRESENCE)
    flags = frozenset[Flag]().union(*[said.flags for said in every])
    if presence.explicit:
        flags |= {Flag.EXPLICIT}
    stores = presence.stores or (group,)
    return _Agreed(
        purposes=purposes,
        categories=tuple([said.purpose for said in given if not said.is_purpose]),
        explicit=frozenset(
            [said.purpose for said in given if said.explicit and not said.is_purpose]
        ),
        refused=frozenset([said.purpose for said in every if said.value is Value.NOT_GIVEN]),
        flags=flags,
        scope=Scope(frozenset(), chain_wide=True) if stores == ("*",) else Scope(frozenset(stores)),
        audiences=audiences_of(purposes, flags, dict(audiences)),
        # Of two the larger: it only takes away.
        loudness_db=max(
            [said.loudness_db for said in every if said.loudness_db is not None], default=None
        ),
    )


def audiences_of(
    purposes: Collection[Purpose], flags: Collection[Flag], audiences: Mapping[str, Purpose]
) -> tuple[str, ...]:
    """Those whose purpose was agreed to; of a test phone only the technician's."""
    if Flag.TEST in flags:
        return (TEST_AUDIENCE,)
    return tuple(sorted([name for name, purpose in audiences.items() if purpose in purposes]))


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
        several = self._service.add_each([wish for wish, _, _ in self._batch], told=self._told)
        now_s = self._service.clock()
        for (wish, lines, number), added in zip(self._batch, several, strict=True):
            if isinstance(added, ConsentServiceError):
                self.done.bad.append((number, str(added)))
                self._take_away(lines)
            else:
                ends_s = [until_s for until_s in wish.categories.values() if until_s is not None]
                self.done.added += 1
                self.done.still_taken += bool(added.stays or added.paused)
                self.done.over_categories += sum([until_s <= now_s for until_s in ends_s])
                if added.doubts:
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
        purpose = line.said.purpose
        other = newest.get(purpose)
        if other is None or _order(line) > _order(other):
            newest[purpose] = line
    return newest


def _order(line: Line) -> tuple[float, bool]:
    return line.decided_s, line.said.value is not Value.GIVEN


def _stage(
    staged: ImportedLines,
    rows: Rows,
    done: Imported,
    read: Callable[[int], None],
    now_s: float,
) -> None:
    """Known columns of usable lines; of others that there was one, of whom, and whether it is an
    objection.
    """
    names: set[tuple[str | None, ...]] = set()
    for number, row in rows:
        done.lines += 1
        if (named := tuple(row)) not in names:
            names = {*names, named} if len(names) < 100 else {named}
            done.dropped |= {name for name in row if name is not None and name not in COLUMNS}
        try:
            line = _usable(row, now_s)
        except BadLine as error:
            done.bad.append((number, str(error)))
            if error.subject:
                staged.keep(error.subject, number, None, objects=error.objects)
        else:
            staged.keep(line.subject, number, line, objects=line.said.value is Value.OBJECTED)
        if done.lines % 1000 == 0:
            read(done.lines)
    read(done.lines)


def _usable(row: Mapping[str, Any], now_s: float) -> Line:
    """The line. One that is dated in the future gives nothing; what it takes away is taken now.

    Raises BadLine.
    """
    line = parse_line(row)
    if line.decided_s <= now_s + AHEAD_S:
        return line
    if line.said.value is Value.GIVEN:
        raise BadLine(
            "timestamp lies in the future: is it local time without its offset?", line.subject
        )
    return msgspec.structs.replace(line, decided_s=now_s)


def _doubt_shared_keys(staged: ImportedLines, service: ConsentService, done: Imported) -> None:
    """Who brings a key that another customer of the file brings, too, is given nothing: whose it
    is, nobody knows.
    """
    for several in staged.sharing():
        for subject, number in several:
            other = next(each for each, _ in several if each != subject)
            reason = (
                f"identity_key is that of agreement {ref_text(service.ref_of(other))} in "
                "this file, too"
            )
            done.bad.append((number, f"{reason}: give each phone a key of its own"))
            staged.spoil(subject, number)
