"""The files of a signed list: read back what was written, refuse what does not fit, merge in any order."""

import random
from dataclasses import replace
from typing import Any

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from presence.core.consent import Consent, Grant, Scope
from presence.core.consent_record import Words, encode_record
from presence.core.feed import ListHeader, Refused
from presence.core.manifest import MOST_DELTAS, Manifest, read_manifest, write_manifest
from presence.core.segments import (
    Change,
    DamagedSegment,
    Delete,
    Held,
    Kind,
    Put,
    SegmentHeader,
    base_rows,
    delta_rows,
    key_columns,
    merged,
    pack_base,
    pack_delta,
    pack_keys,
    read_record,
    shard_of,
    unpack,
)
from tests.builders import ANNA, START_S, consent

refs = st.binary(min_size=8, max_size=8)
rows = st.lists(st.tuples(refs, st.binary(max_size=300)), max_size=20)
versions = st.integers(0, 2**53)
changes = st.lists(st.builds(Put, refs, st.binary(max_size=300)) | st.builds(Delete, refs, versions), max_size=20)
SPAN_S = 396 * 86_400.0


def header(kind: Kind, count: int) -> SegmentHeader:
    return SegmentHeader("acme/fi-0042", kind, epoch=3, number=88_213, count=count)


@given(rows)
def test_a_base_is_read_back(entries: list[tuple[bytes, bytes]]) -> None:
    head, body = unpack(pack_base(header(Kind.BASE, len(entries)), entries))
    assert head == header(Kind.BASE, len(entries))
    assert list(base_rows(head, body)) == entries


@given(changes)
def test_a_delta_is_read_back(given_changes: list[Change]) -> None:
    head, body = unpack(pack_delta(header(Kind.DELTA, len(given_changes)), given_changes))
    assert list(delta_rows(head, body)) == given_changes


@given(st.lists(st.tuples(refs, st.binary(min_size=16, max_size=16)), max_size=20))
def test_keys_are_read_back_as_columns(entries: list[tuple[bytes, bytes]]) -> None:
    columns = key_columns(*unpack(pack_keys(header(Kind.KEYS, len(entries)), entries)))
    assert columns == (b"".join(ref for ref, _ in entries), b"".join(key for _, key in entries))


@given(rows, st.data())
def test_damage_is_refused_and_never_read_as_something_else(
    entries: list[tuple[bytes, bytes]], data: st.DataObject
) -> None:
    segment = bytearray(pack_base(header(Kind.BASE, len(entries)), entries))
    segment[data.draw(st.integers(0, len(segment) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        head, body = unpack(bytes(segment))
        found = list(base_rows(head, body))
    except DamagedSegment:
        return
    # zstd has no checksum of its own here, for the digest of the target proves every byte: only the form is judged.
    assert len(found) == head.count


@given(st.binary(max_size=200))
def test_anything_at_all_is_refused_in_words(data: bytes) -> None:
    for plain in (data, zstandard.compress(data), zstandard.compress(b"\0\0\0\x01" + data)):
        with pytest.raises(DamagedSegment):
            unpack(plain)


@pytest.mark.requirement("R-39")
def test_endless_data_is_refused_before_it_is_unpacked() -> None:
    bomb = zstandard.compress(bytes(50_000_000))
    assert len(bomb) < 10_000
    with pytest.raises(DamagedSegment, match="more than"):
        unpack(bomb, most_bytes=1_000_000)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_rows_are_as_many_as_the_header_says(count: int) -> None:
    entries = [(ANNA, b"record"), (ANNA[::-1], b"other")]
    with pytest.raises(ValueError, match="rows"):
        pack_base(header(Kind.BASE, count), entries)
    head, body = unpack(pack_base(header(Kind.BASE, 2), entries))
    with pytest.raises(DamagedSegment):
        list(base_rows(replace(head, count=count), body))


def test_one_kind_is_not_read_as_another() -> None:
    head, body = unpack(pack_base(header(Kind.BASE, 0), []))
    with pytest.raises(DamagedSegment, match="kind base in place of delta"):
        list(delta_rows(head, body))
    with pytest.raises(DamagedSegment):
        key_columns(head, body)


# ---------------------------------------------------------------- records


FROM_S, TO_S = consent().not_before_s, consent().not_after_s


def listed(**changes: Any) -> Consent:
    """A consent as it stands in a list: its grants lie within it."""
    return consent(**{"grants": (Grant("ap2:1551", FROM_S, TO_S),), **changes})


def a_record(given_consent: Consent) -> tuple[bytes, list[str]]:
    words = Words()
    return encode_record(given_consent, words), words.all


def test_a_record_becomes_the_consent_it_was() -> None:
    record, words = a_record(listed())
    assert read_record(ANNA, record, words, max_span_s=SPAN_S) == listed()


@given(st.data())
def test_a_damaged_record_is_refused_or_is_a_consent_within_its_limits(data: st.DataObject) -> None:
    record, words = a_record(listed())
    damaged = bytearray(record)
    damaged[data.draw(st.integers(0, len(record) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = read_record(ANNA, bytes(damaged), words, max_span_s=SPAN_S)
    except Refused:
        return
    assert found.not_before_s < found.not_after_s <= found.not_before_s + SPAN_S


@pytest.mark.parametrize(
    "record",
    [b"", b"\x01", a_record(listed())[0][:-1], a_record(listed())[0] + b"\0", b"\x40" + a_record(listed())[0][1:]],
    ids=["nothing", "a byte", "cut short", "too long", "an unknown purpose"],
)
def test_what_is_not_one_record_of_version_1_is_refused(record: bytes) -> None:
    with pytest.raises(Refused, match="version 1 does not know"):
        read_record(ANNA, record, a_record(listed())[1], max_span_s=SPAN_S)


@pytest.mark.requirement("R-07")
@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"not_after_s": START_S + 500 * 86_400}, "longer than"),
        ({"not_after_s": float("inf")}, "na does not lie"),
        ({"not_after_s": FROM_S}, "na does not lie"),
        ({"scope": Scope(frozenset())}, "scope"),
        ({"grants": (Grant("ap2:1551", FROM_S, TO_S + 1),)}, "a grant reaches"),
    ],
    ids=["too long", "no end", "no span", "no place", "a grant without end"],
)
def test_an_entry_that_a_list_may_not_hold_is_refused(changed: dict[str, object], why: str) -> None:
    record, words = a_record(listed(**changed))
    with pytest.raises(Refused, match=why):
        read_record(ANNA, record, words, max_span_s=SPAN_S)


# ---------------------------------------------------------------- merging

contested = st.lists(st.tuples(st.integers(1, 4), st.sampled_from([b"a", b"b", None])), min_size=1, max_size=8)


@pytest.mark.requirement("R-36")
@given(contested, st.randoms(use_true_random=False))
def test_shuffled_deltas_end_the_same_and_a_lower_version_never_wins(
    told: list[tuple[int, bytes | None]], chance: random.Random
) -> None:
    def outcome(order: list[tuple[int, bytes | None]]) -> Held:
        held: Held | None = None
        for version, record in order:
            change: Change = Delete(ANNA, version) if record is None else Put(ANNA, record)
            held = merged(held, change, version)
        assert held is not None
        return held

    shuffled = told[:]
    chance.shuffle(shuffled)
    assert outcome(told) == outcome(shuffled) == outcome(told + shuffled)
    highest = max(version for version, _ in told)
    version, record = outcome(told)
    assert version == highest
    assert record is None or all(said == record for of, said in told if of == highest)


def test_a_row_that_was_deleted_comes_back_with_a_higher_version_only() -> None:
    gone = merged((5, b"a"), Delete(ANNA, 5), 5)
    assert gone == (5, None)
    assert [merged(gone, Put(ANNA, b"a"), version) for version in (4, 5, 6)] == [(5, None), (5, None), (6, b"a")]


def test_a_small_list_is_one_shard_and_a_large_one_is_cut_by_the_first_byte() -> None:
    assert [shard_of(b"\xa1" + bytes(7), sharded=sharded) for sharded in (False, True)] == ["all", "a1"]


# ---------------------------------------------------------------- the manifest


def a_manifest(**changes: object) -> Manifest:
    head = ListHeader("acme/fi-0042", 88_213, START_S, START_S - 60, 2, {"ap2:1552": "ap2:1551"})
    values: dict[str, object] = {
        "header": head,
        "notice": "fi-2026-03",
        "epoch": 3,
        "base_seq": 88_200,
        "shards": ("all",),
        "windows": (27_396, 27_397),
        "words": ("fi-0042", "ap2:1551", "offers-main"),
        **changes,
    }
    return Manifest(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize("changes", [{}, {"base_seq": 88_213}, {"shards": ("00", "ff")}, {"windows": ()}])
def test_a_manifest_is_read_back(changes: dict[str, object]) -> None:
    manifest = a_manifest(**changes)
    assert read_manifest(write_manifest(manifest, "2.0")) == manifest


@pytest.mark.requirement("R-38")
def test_what_a_minor_version_adds_is_passed_over_and_another_major_version_is_refused() -> None:
    data = write_manifest(a_manifest(), "2.0")
    assert read_manifest(data[:-1] + b',"colour":"red"}') == a_manifest()
    with pytest.raises(Refused, match="v is not 1"):
        read_manifest(data.replace(b'"v":1', b'"v":2'))


@pytest.mark.parametrize(
    "replacement",
    [
        (b'"deltas":[88201,88213]', b'"deltas":[88202,88213]'),
        (b'"deltas":[88201,88213]', b'"deltas":null'),
        (b'"seq":88200', f'"seq":{88_213 - MOST_DELTAS - 1}'.encode()),
        (b'"shards":["all"]', b'"shards":["all","00"]'),
        (b'"shards":["all"]', b'"shards":["../x"]'),
        (b'"windows":[27396,27397]', b'"windows":[1,2,3]'),
        (b'"words":["fi-0042"', b'"words":["\\u0000"'),
        (b'"epoch":3', b'"epoch":true'),
        (b"{", b"["),
    ],
    ids=lambda replacement: replacement[1].decode()[:24],
)
def test_a_manifest_that_does_not_fit_is_refused(replacement: tuple[bytes, bytes]) -> None:
    data = write_manifest(a_manifest(), "2.0")
    assert replacement[0] in data
    with pytest.raises(Refused):
        read_manifest(data.replace(*replacement, 1))


def test_the_deltas_from_what_is_held_are_known_or_else_the_base_is_needed() -> None:
    manifest = a_manifest()
    assert manifest.deltas_after(88_213) == range(88_214, 88_214)
    assert manifest.deltas_after(88_200) == range(88_201, 88_214)
    assert manifest.deltas_after(88_199) is manifest.deltas_after(88_214) is None
