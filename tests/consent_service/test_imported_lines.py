"""Lines come back customer by customer, whatever their order and however many there are, and leave
nothing behind.
"""

from collections import defaultdict
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.consent_service.import_lines import Line, parse_line
from presence.consent_service.imported_lines import ImportedLines
from presence.errors import ConsentServiceError

subjects = st.sampled_from([f"customer {n}" for n in range(12)])
keys = st.sampled_from(["", *(f"{n:032x}" for n in range(5)), f"{1 << 64:032x}"])
staged_lines = st.lists(st.tuples(subjects, keys, st.booleans(), st.booleans()), max_size=40)


def ref_of(subject: str) -> bytes:
    return sha256(subject.encode()).digest()[:8]


def a_line(subject: str, key: str, *, gives: bool) -> Line:
    value = "given" if gives else "no"
    times = {"timestamp": "1", "expiry": "2", "identity_key": key}
    return parse_line({"subject": subject, "purpose": "presence", "value": value, **times})


@given(staged_lines, st.sampled_from([1, 200, 1 << 16]))
def test_lines_come_back_by_customer_in_the_order_of_refs_and_of_the_file(
    some: list[tuple[str, str, bool, bool]], full_bytes: int
) -> None:
    expected = defaultdict(list)
    with (
        TemporaryDirectory() as folder,
        ImportedLines(Path(folder), ref_of, full_bytes=full_bytes) as staged,
    ):
        for number, (subject, key, gives, is_usable) in enumerate(some, start=1):
            line = a_line(subject, key, gives=gives) if is_usable else None
            staged.keep(subject, number, line, objects=not gives)
            expected[subject].append((number, line, not gives))
        assert not any(Path(folder).iterdir())
        found = list(staged.customers())
    assert [customer.subject for customer in found] == sorted(expected, key=ref_of)
    for customer in found:
        rows = expected[customer.subject]
        assert customer.lines == [
            (at, line.said.text, line.decided_s, line.until_s, line.identity_key)
            for at, line, _ in rows
            if line is not None
        ]
        assert customer.objects is any(objects for *_, objects in rows)
        assert customer.number == rows[0][0]
        assert customer.is_whole is (len(customer.lines) == len(rows))


@given(staged_lines, st.sampled_from([1, 1 << 16]))
def test_whoever_brings_the_key_of_another_is_found_and_nobody_else(
    some: list[tuple[str, str, bool, bool]], full_bytes: int
) -> None:
    """Also where keys are alike in their first half, or a line takes away."""
    brought = defaultdict(list)
    with (
        TemporaryDirectory() as folder,
        ImportedLines(Path(folder), ref_of, full_bytes=full_bytes) as staged,
    ):
        for number, (subject, key, gives, _) in enumerate(some, start=1):
            staged.keep(subject, number, a_line(subject, key, gives=gives), objects=False)
            if key and gives:
                brought[key].append((subject, number))
        found = list(staged.sharing())
        for subject, number in [each for several in found for each in several]:
            staged.spoil(subject, number)
        spoilt = {customer.subject for customer in staged.customers() if not customer.is_whole}
    expected = [rows for rows in brought.values() if len({subject for subject, _ in rows}) > 1]
    assert sorted(found) == sorted(expected)
    assert spoilt == {subject for rows in expected for subject, _ in rows}


def test_where_there_is_no_room_it_is_said_where(tmp_path: Path) -> None:
    with ImportedLines(tmp_path / "nowhere", ref_of, full_bytes=1) as staged:
        staged.keep("anna", 1, None, objects=False)
        with pytest.raises(ConsentServiceError, match=r"nowhere: No such file.*disk full"):
            staged.keep("ben", 2, None, objects=False)
