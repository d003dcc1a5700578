"""Judging at once and judging one by one are the same rules."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.core.consent.entry_rules import Refused
from presence.core.consent.record import Words, check_record, encode_record
from presence.core.consent.record_scan import BEYOND, scan, versions_at
from tests.support.any_consents import consents
from tests.support.builders import CARS, SITE, consent, grant

SPAN_S = 396 * 86_400.0
WORDS = 40


def scanned(records: list[bytes], *, words: int = WORDS) -> tuple[list[bool], list[int]]:
    data = np.frombuffer(b"".join(records) + bytes(BEYOND), np.uint8)
    starts = np.cumsum([0, *map(len, records)], dtype=np.intp)
    right, versions = scan(data, starts, words, max_span_s=SPAN_S)
    return right.tolist(), versions.tolist()


def version_of(record: bytes, *, words: int = WORDS) -> int | None:
    try:
        return check_record(record, words, max_span_s=SPAN_S)
    except Refused:
        return None


@st.composite
def records(draw: st.DrawFn) -> bytes:
    """Of any consent, or of one that was spoilt a little."""
    words = Words(f"w{n}" for n in range(draw(st.sampled_from((0, 30, 120)))))
    record = bytearray(encode_record(draw(consents()), words))
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(record)))
        match draw(st.sampled_from(("set", "cut", "insert", "add"))):
            case "set" if at < len(record):
                record[at] = draw(st.integers(0, 255))
            case "cut":
                del record[at:]
            case "insert":
                record.insert(at, draw(st.sampled_from((0, 1, 0xCC, 0xCD, 0xCE, 0xC0, 0xC2))))
            case _:
                record += draw(st.binary(max_size=3))
    return bytes(record)


@pytest.mark.requirement("R-07")
@given(st.lists(records(), max_size=12))
def test_what_is_found_right_at_once_is_right_one_by_one(several: list[bytes]) -> None:
    right, versions = scanned(several)
    for record, is_right, version in zip(several, right, versions, strict=True):
        if is_right:
            assert version_of(record) == version


@given(st.lists(consents(), max_size=12))
def test_what_is_right_is_found_right_at_once(several: list) -> None:  # type: ignore[type-arg]
    words = Words()
    encoded = [encode_record(each, words) for each in several]
    right, versions = scanned(encoded, words=len(words.all))
    for record, is_right, version in zip(encoded, right, versions, strict=True):
        expected = version_of(record, words=len(words.all))
        assert is_right == (expected is not None)
        assert expected is None or version == expected


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"loudness_db": 28},
        {"version": (1 << 53) - 1},
        {"grants": tuple(grant(f"ap2:{n}") for n in range(15))},
        {"refused_categories": frozenset({CARS})},
        {"pairwise_keys": {name: bytes(16) for name in "abcde"}},
    ],
)
def test_an_ordinary_record_is_right_and_cut_anywhere_it_is_not(
    changes: dict[str, object],
) -> None:
    words = Words([SITE.store])
    record = encode_record(consent(**changes), words)
    number = len(words.all)
    assert scanned([record], words=number)[0] == [version_of(record, words=number) is not None]
    cut = [record[:length] for length in range(1, len(record))]
    assert not any(scanned(cut, words=number)[0])
    assert not any(any(scanned([each], words=number)[0]) for each in cut)


def test_longer_arrays_are_left_to_the_judge_of_single_records() -> None:
    words = Words()
    record = encode_record(consent(grants=tuple(grant(f"ap2:{n}") for n in range(16))), words)
    assert version_of(record, words=len(words.all)) is not None
    assert scanned([record], words=len(words.all))[0] == [False]


def test_a_row_of_zeros_has_no_version() -> None:
    data = np.zeros(20 + BEYOND, np.uint8)
    assert versions_at(data, np.array([0, 7], np.intp)).tolist() == [0, 0]
