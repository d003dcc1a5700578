"""The audit log's chain: each line carries the hash of the one before, so a changed or missing line
shows (R-68).

    {"n":1,"at":"…","what":"list.applied","seq":7,"count":120,"digest":"…","prev":"000…"}
                                                                          ▲
    {"n":2,"at":"…","what":"clock.jumped","seconds":-3600,"prev":"<sha256 of line 1>"}

Beside the log stands its head: number and hash of the last line, and the number of the first one
that is kept. It shows what the chain alone cannot: that lines are missing at the end or at the
beginning.

An attacker who may write both files can write them anew as a whole. So `presence audit verify`
prints the head: noted elsewhere, it proves every line up to it.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

ORIGIN: Final = "0" * 64
"""What the very first line follows from."""
LINE_MAX: Final = 4096
BROKEN: Final = "audit.broken"
"""Recorded where the chain was found broken at a start; the log is not whole again until it is put
away.
"""

Value = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class ChainLink:
    """A line, as the next one refers to it."""

    n: int = 0
    digest: str = ORIGIN


@dataclass(frozen=True, slots=True)
class ChainHead:
    """What stands beside the log."""

    last: ChainLink
    first_n: int


@dataclass(slots=True)
class ChainVerdict:
    last: ChainLink = ChainLink()
    first_n: int = 1
    lines: int = 0
    problem: str = ""
    """The first thing that is wrong, by the place of its line; empty: nothing."""
    latest: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What was recorded → its last record."""


def encode(
    what: str, details: Mapping[str, Value], *, at: str, after: ChainLink
) -> tuple[bytes, ChainLink]:
    """A line with its line feed, and what the next one has to refer to."""
    record = {"n": after.n + 1, "at": at, "what": what, **details, "prev": after.digest}
    line = json.dumps(record, separators=(",", ":"), ensure_ascii=True).encode()
    return line + b"\n", ChainLink(after.n + 1, digest_of(line))


def verify(lines: Iterable[tuple[str, bytes]], head: ChainHead | None) -> ChainVerdict:
    """Follow the chain over (place, line without line feed); `head` None: nothing was ever
    written.
    """
    verdict = ChainVerdict()
    expected: ChainLink | None = None
    at_head = ""
    for place, line in lines:
        record = record_of(line)
        if record is None:
            verdict.problem = verdict.problem or f"{place}: not a line of the audit log"
            expected = None
            continue
        n, prev = record["n"], record["prev"]
        if verdict.lines == 0:
            verdict.first_n = n
            if n == 1 and prev != ORIGIN:
                verdict.problem = (
                    verdict.problem or f"{place}: the first line follows from another one"
                )
        elif expected is not None and (n, prev) != (expected.n + 1, expected.digest):
            verdict.problem = verdict.problem or _misfit(place, n, expected)
        expected = verdict.last = ChainLink(n, digest_of(line))
        verdict.lines += 1
        if record["what"] == BROKEN:
            verdict.problem = (
                verdict.problem or f"{place}: the gateway found at a start: {record.get('problem')}"
            )
        verdict.latest[record["what"]] = record
        if head is not None and n == head.last.n:
            at_head = verdict.last.digest
    verdict.problem = verdict.problem or _against(head, verdict, at_head)
    return verdict


def _misfit(place: str, n: int, expected: ChainLink) -> str:
    if n != expected.n + 1:
        return (
            f"{place}: number {n} stands where {expected.n + 1} should: lines are missing, or "
            "were put in"
        )
    return f"{place}: number {n} does not follow from the line before: one of the two was changed"


def _against(head: ChainHead | None, verdict: ChainVerdict, at_head: str) -> str:
    if head is None:
        return (
            "the head is missing beside the log" if verdict.lines > 1 else ""
        )  # 1: stopped in the middle of the first
    if verdict.lines == 0:
        return f"the log is gone: its head speaks of {head.last.n} lines"
    if verdict.first_n > head.first_n:
        return (
            f"lines are missing at the beginning: it starts with {verdict.first_n} and not "
            f"with {head.first_n}"
        )
    if verdict.last.n < head.last.n:
        return (
            f"lines are missing at the end: it ends with {verdict.last.n} and not with "
            f"{head.last.n}"
        )
    if at_head != head.last.digest:
        return f"number {head.last.n} is not the line that the head speaks of: it was changed"
    return ""


def record_of(line: bytes) -> dict[str, Any] | None:
    """None where it is no line that we could have written."""
    if len(line) > LINE_MAX:
        return None
    try:
        record = json.loads(line)
    except ValueError:
        return None
    if not isinstance(record, dict):
        return None
    kinds = {"n": int, "at": str, "what": str, "prev": str}
    sound = all(isinstance(record.get(name), kind) for name, kind in kinds.items())
    return record if sound else None


def digest_of(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()
