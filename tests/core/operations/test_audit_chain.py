"""Nobody changes, removes or adds a line of the audit log without its being named (R-68)."""

import json
from collections.abc import Callable

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from presence.core.operations.audit_chain import (
    ORIGIN,
    ChainHead,
    ChainLink,
    ChainVerdict,
    encode,
    verify,
)

AT = "2026-11-23T14:05:07Z"


def chain(count: int) -> tuple[list[bytes], ChainHead]:
    lines, last = [], ChainLink()
    for n in range(count):
        line, last = encode("list.applied", {"seq": n, "entries": 1000 + n}, at=AT, after=last)
        lines.append(line[:-1])
    return lines, ChainHead(last, 1)


def judged(lines: list[bytes], head: ChainHead | None) -> ChainVerdict:
    return verify(((f"line {number}", line) for number, line in enumerate(lines, 1)), head)


def test_a_line_says_what_happened_and_what_it_follows_from() -> None:
    [line], head = chain(1)

    assert json.loads(line) == {
        "n": 1, "at": AT, "what": "list.applied", "seq": 0, "entries": 1000, "prev": ORIGIN,
    }  # fmt: skip
    assert judged([line], head).problem == ""


@given(st.integers(0, 30))
def test_a_chain_that_nobody_touched_is_whole(count: int) -> None:
    lines, head = chain(count)
    verdict = judged(lines, head if count else None)

    assert (verdict.problem, verdict.lines, verdict.last) == ("", count, head.last)


@pytest.mark.requirement("R-68")
@given(st.integers(2, 20), st.data())
def test_a_changed_line_is_named_or_the_one_that_follows_it(
    count: int, data: st.DataObject
) -> None:
    lines, head = chain(count)
    at = data.draw(st.integers(0, count - 1))
    where = data.draw(st.integers(0, len(lines[at]) - 1))
    other = data.draw(st.integers(32, 126))
    assume(lines[at][where] != other)
    lines[at] = lines[at][:where] + bytes([other]) + lines[at][where + 1 :]

    problem = judged(lines, head).problem

    named = (
        f"line {at + 1}:",
        f"line {at + 2}:",
        "number",
        "lines are missing at the end",
        "lines are missing at the",
    )
    assert problem.startswith(named)


@pytest.mark.requirement("R-68")
@given(st.integers(2, 20), st.data())
def test_a_missing_line_is_noticed_where_it_should_stand(count: int, data: st.DataObject) -> None:
    lines, head = chain(count)
    at = data.draw(st.integers(0, count - 1))
    del lines[at]

    problem = judged(lines, head).problem

    if at == 0:
        assert "lines are missing at the beginning" in problem
    elif at == count - 1:
        assert "lines are missing at the end" in problem
    else:
        assert problem.startswith(f"line {at + 1}:")


@pytest.mark.requirement("R-68")
@given(st.integers(3, 20), st.data())
def test_lines_in_another_order_or_put_in_are_noticed(count: int, data: st.DataObject) -> None:
    lines, head = chain(count)
    order = data.draw(st.permutations(lines))
    assume(order != lines)
    at = data.draw(st.integers(0, count - 1))

    assert judged(list(order), head).problem
    assert judged([*lines[:at], lines[at], *lines[at:]], head).problem.startswith(f"line {at + 2}:")


@pytest.mark.requirement("R-68")
@pytest.mark.parametrize(
    ("tamper", "words"),
    [
        (lambda lines: lines[:-1], "missing at the end"),
        (lambda lines: lines[1:], "missing at the beginning"),
        (lambda _lines: [], "the log is gone"),
        (lambda _lines: chain(9)[0], ""),
        (lambda lines: [*lines[:-1], lines[-1].replace(b"1004", b"1005")], "it was changed"),
        (lambda lines: [*lines[:2], b"{}", *lines[3:]], "line 3: not a line"),
        (lambda lines: [*lines[:2], b"\xff", *lines[3:]], "line 3: not a line"),
        (lambda lines: [*lines[:2], b"x" * 5000, *lines[3:]], "line 3: not a line"),
    ],
)
def test_the_head_shows_what_the_chain_alone_cannot(
    tamper: Callable[[list[bytes]], list[bytes]], words: str
) -> None:
    lines, head = chain(5)
    problem = judged(tamper(lines), head).problem

    assert (words in problem) if words else problem == "", (
        "more lines than the head knows were written after it"
    )


def test_a_head_that_is_gone_is_noticed_too() -> None:
    assert judged(chain(3)[0], None).problem == "the head is missing beside the log"


def test_a_break_that_was_found_once_is_not_forgotten() -> None:
    lines, head = chain(2)
    line, last = encode(
        "audit.broken", {"problem": "lines are missing at the end"}, at=AT, after=head.last
    )

    assert "lines are missing at the end" in judged([*lines, line[:-1]], ChainHead(last, 1)).problem
