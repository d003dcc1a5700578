"""An export of a consent platform, taken into the register: customer by customer, each by itself.

    lines ─► ImportedLines (sorted by customer) ─► OneOfMany, a customer ─► register

What many customers say alike is judged once (presence.consent_service.alike); where anything of one
is unusual, line by line.

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

import gc
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import msgspec

from presence.consent_service.agreeing import ref_text
from presence.consent_service.alike import Alikes, OneOfMany
from presence.consent_service.import_lines import (
    COLUMNS,
    BadLine,
    Columns,
    Line,
    Row,
    Value,
    parse_line,
    row_of,
)
from presence.consent_service.imported_lines import Customer, ImportedLines, StagedLine
from presence.consent_service.locking import alone
from presence.consent_service.service import ConsentService
from presence.consent_service.vocabulary import AHEAD_S
from presence.core.consent.model import Purpose
from presence.core.consent.revocation import Revocation
from presence.errors import ConsentServiceError

BATCH: Final = 20_000
"""Customers in one transaction: a second or two, in which a withdrawal waits. Their keys lie
everywhere in their index, so each transaction writes most of it.
"""

GARBAGE_AFTER: Final = 50_000
"""Objects made and not yet gone; Python looks for rings after 700."""
TOLD_EVERY: Final = 1000
"""Lines read, or customers taken up."""
Rows = Iterable[tuple[int, Row | Columns]]
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
    by_line: bool = False,
) -> Imported:
    """`told` is given each revocation. Now and then `read` is told how many lines were read, and
    `taken` of how many lines customers were taken up, and of how many in all. Raises
    ConsentServiceError.

    `by_line`: of no customer is anything judged together with others.
    """
    alikes = Alikes(service.group, audiences)
    taking = _Taking(service, alikes, told, by_line=by_line)
    with (
        alone(service.directory / "import.lock", "imports into this folder"),
        ImportedLines(service.directory, service.ref_of) as staged,
        _garbage_seldom_looked_for(),
    ):
        _stage(staged, rows, taking.done, read, service.clock())
        _doubt_shared_keys(staged, service, taking.done)
        done = 0
        for number, customer in enumerate(staged.customers()):
            taking.take(customer)
            done += len(customer.staged)
            if number % TOLD_EVERY == 0:
                taken(done, taking.done.lines)
        taking.add()
    taking.done.bad.sort()
    return taking.done


@contextmanager
def _garbage_seldom_looked_for() -> Iterator[None]:
    """What an import makes by the million is in no ring: to look for rings finds nothing, and takes
    a tenth of the time.
    """
    usual = gc.get_threshold()
    gc.set_threshold(GARBAGE_AFTER, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)


class _Taking:
    """Takes away at once, and adds in batches."""

    def __init__(
        self,
        service: ConsentService,
        alikes: Alikes,
        told: Callable[[Revocation], None],
        *,
        by_line: bool,
    ) -> None:
        self.done = Imported()
        self._service = service
        self._alikes = alikes
        self._told = told
        self._by_line = by_line
        self._batch: list[tuple[OneOfMany, Customer]] = []

    def take(self, customer: Customer) -> None:
        if customer.objects:
            self._report(self._service.object_once(customer.subject))
            self.done.objected += 1
            return
        one = None if self._by_line else self._one_like_many(customer)
        if one is not None:
            self._give(one, customer)
        elif customer.staged:
            self._take_line_by_line(customer)

    def _one_like_many(self, customer: Customer) -> OneOfMany | None:
        """None where anything about them is unusual."""
        if not customer.is_whole:
            return None
        one = self._alikes.one_of(customer.ref, customer.subject, customer.staged)
        if one is None or not one.identity_key or one.end_s <= self._service.clock():
            return None
        return one

    def _take_line_by_line(self, customer: Customer) -> None:
        lines, subject = customer.lines, customer.subject
        one = self._alikes.one_of(customer.ref, subject, newest(lines))
        if one is None:
            if customer.is_whole or any(line.said.purpose == Purpose.PRESENCE for line in lines):
                self._withdraw(subject, max(line.decided_s for line in lines))
            else:
                self._take_away(customer)
        elif not customer.is_whole:
            self._take_away(customer)
        elif one.start_s < one.end_s <= self._service.clock():
            self._report(self._service.end_as_of(subject, max(line.decided_s for line in lines)))
            self.done.over += 1
        elif not one.identity_key and not self._service.knows(subject):
            self.done.bad.append(
                (customer.number, "identity_key missing: without it nobody can be recognised")
            )
        else:
            self._give(one, customer)

    def _give(self, one: OneOfMany, customer: Customer) -> None:
        self._batch.append((one, customer))
        if len(self._batch) >= BATCH:
            self.add()

    def add(self) -> None:
        ones = [one for one, _ in self._batch]
        wishes = [one.wish() for one in ones] if self._by_line else ones
        several = self._service.add_each(wishes, told=self._told)
        now_s = self._service.clock()
        for (one, customer), added in zip(self._batch, several, strict=True):
            if isinstance(added, ConsentServiceError):
                self.done.bad.append((customer.number, str(added)))
                self._take_away(customer)
                continue
            self.done.added += 1
            self.done.still_taken += added.still_taken
            self.done.over_categories += one.over_categories(now_s)
            if added.doubts:
                self.done.doubts.update(added.doubts)
        self._batch.clear()

    def _take_away(self, customer: Customer) -> None:
        """What a customer's lines refuse, where they are given nothing by them."""
        refused = {
            line.said.purpose: line.decided_s
            for line in newest(customer.lines)
            if line.said.value is not Value.GIVEN
        }
        for revocation in self._service.narrow_as_of(customer.subject, refused):
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


def newest(lines: Iterable[StagedLine]) -> list[StagedLine]:
    """One for each word, in the order in which words came first (rule 1)."""
    found: dict[str, StagedLine] = {}
    for line in lines:
        word = line.said.purpose
        other = found.get(word)
        if other is None or _order(line) > _order(other):
            found[word] = line
    return list(found.values())


def _order(line: StagedLine) -> tuple[float, bool]:
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
    names: tuple[str, ...] = ()
    latest_s = now_s + AHEAD_S
    for number, said in rows:
        row = said if isinstance(said, Row) else row_of(said)
        done.lines += 1
        if row.names is not names:
            names = row.names
            done.dropped.update(name for name in names if name not in COLUMNS)
        try:
            line = parse_line(row)
            if line.decided_s > latest_s:
                line = _of_the_future(line, now_s)
        except BadLine as error:
            done.bad.append((number, str(error)))
            if error.subject:
                staged.keep(error.subject, number, None, objects=error.objects)
        else:
            staged.keep(line.subject, number, line, objects=line.said.value is Value.OBJECTED)
        if done.lines % TOLD_EVERY == 0:
            read(done.lines)
    read(done.lines)


def _of_the_future(line: Line, now_s: float) -> Line:
    """One that is dated in the future gives nothing; what it takes away is taken now.

    Raises BadLine.
    """
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
