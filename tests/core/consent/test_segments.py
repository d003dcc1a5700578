"""The files of a signed list: read back what was written, refuse what does not fit, merge in any
order.
"""

import random
from typing import Any

import msgspec
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from presence.core.consent.entry_rules import Refused
from presence.core.consent.list_changes import WHOLE, Change, Delete, Put
from presence.core.consent.list_json import ListHeader
from presence.core.consent.manifest import (
    MAX_BYTES,
    MAX_DELTAS,
    MAX_WORDS,
    Manifest,
    read_manifest,
    write_manifest,
)
from presence.core.consent.segments import (
    SHARDS,
    Base,
    DamagedSegment,
    Delta,
    DeltaStep,
    Held,
    Keys,
    check_shard,
    delta_rows,
    merged,
    pack,
    shard_of,
    unpack,
)
from tests.support.builders import ANNA, BERIT, START_S
from tests.support.signed_lists import base_of, keys_of

refs = st.binary(min_size=8, max_size=8)
numbers = st.integers(0, (1 << 53) - 1)
records = st.lists(numbers, max_size=60).map(msgspec.msgpack.encode)
rows = st.lists(st.tuples(refs, records), max_size=20, unique_by=lambda row: row[0]).map(sorted)
puts = st.lists(st.builds(Put, refs, records), max_size=10)
deletes = st.lists(st.builds(Delete, refs, numbers), max_size=10)
OF: dict[str, Any] = {"list_name": "acme/fi-0042", "epoch": 3, "number": 88_213}


def base(entries: list[tuple[bytes, bytes]]) -> Base:
    return base_of(**OF, rows=entries)


def plain_of(segment: Base | Delta | Keys) -> bytes:
    return zstandard.ZstdDecompressor().decompressobj().decompress(pack(segment))


@given(rows)
def test_a_base_is_read_back(entries: list[tuple[bytes, bytes]]) -> None:
    segment = unpack(pack(base(entries)))
    assert isinstance(segment, Base)
    assert (segment.list_name, segment.epoch, segment.number) == ("acme/fi-0042", 3, 88_213)
    assert list(segment.rows()) == entries


@given(puts, deletes)
def test_a_delta_is_read_back(put: list[Put], deleted: list[Delete]) -> None:
    put_rows, deleted_rows = delta_rows([*deleted, *put])
    segment = unpack(pack(Delta(**OF, since=88_200, puts=put_rows, deletes=deleted_rows)))
    assert isinstance(segment, Delta)
    assert segment.since == 88_200
    assert list(segment.changes()) == [*put, *deleted]


@given(st.dictionaries(refs, st.binary(min_size=16, max_size=16), max_size=20))
def test_keys_are_read_back_as_columns(some: dict[bytes, bytes]) -> None:
    segment = keys_of(**OF, rows=sorted(some.items()))
    assert unpack(pack(segment)) == segment


@given(rows, st.data())
def test_damage_is_refused_and_never_read_as_something_else(
    entries: list[tuple[bytes, bytes]], data: st.DataObject
) -> None:
    segment = bytearray(pack(base(entries)))
    segment[data.draw(st.integers(0, len(segment) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        found = unpack(bytes(segment))
    except DamagedSegment:
        return
    # zstd has no checksum of its own here, for the digest of the target proves every byte: only the
    # form is judged.
    assert isinstance(found, Base)
    assert all(len(ref) == 8 for ref, _ in found.rows())


@given(st.binary(max_size=200))
def test_anything_at_all_is_refused_in_words(data: bytes) -> None:
    for plain in (data, zstandard.compress(data), zstandard.compress(b"\x96\xa4base" + data)):
        with pytest.raises(DamagedSegment):
            unpack(plain)


@pytest.mark.requirement("R-39")
def test_endless_data_is_refused_before_it_is_unpacked() -> None:
    bomb = zstandard.compress(bytes(50_000_000))
    assert len(bomb) < 10_000
    with pytest.raises(DamagedSegment, match="more than"):
        unpack(bomb, most_bytes=1_000_000)


WHOLE_BASE = plain_of(base([(ANNA, b"\x90")]))


@pytest.mark.parametrize(
    "plain",
    [
        WHOLE_BASE[:-1],
        WHOLE_BASE + b"\x90",
        WHOLE_BASE.replace(b"\xc4\x08" + ANNA, b"\xc4\x07" + ANNA[:7]),
        WHOLE_BASE.replace(b"\xc4\x08" + ANNA, b"\xc4\x10" + ANNA + BERIT),
        WHOLE_BASE.replace(b"\xc4\x04\x00\x00\x00\x01", b"\xc4\x04\x00\x00\x00\x02"),
        plain_of(base([(BERIT, b"\x90"), (ANNA, b"\x90")])),
        plain_of(base([(ANNA, b"\x90"), (ANNA, b"\x90")])),
        plain_of(keys_of(**OF, rows=[(BERIT, bytes(16)), (ANNA, bytes(16))])),
        WHOLE_BASE.replace(b"\xa4base\x01", b"\xa4base\x02"),
        WHOLE_BASE.replace(b"\xa4base", b"\xa4bass"),
        WHOLE_BASE.replace(b"\xa4base", b"\xa4keys"),
        msgspec.msgpack.encode(["keys", 1, "acme/fi-0042", 3, 27_396, bytes(16), bytes(16)]),
        msgspec.msgpack.encode(["delta", 1, "acme/fi-0042", 3, 88_213, 1, [], [[ANNA, -1]]]),
        b"\x91" * 100_000,
    ],
    ids=[
        "cut short",
        "too long",
        "a ref of 7 bytes",
        "more refs than records",
        "a record that is not as long as it says",
        "refs that do not ascend",
        "a ref that comes twice",
        "refs of keys that do not ascend",
        "another version",
        "no kind of ours",
        "one kind as another",
        "keys that are not as many as refs",
        "a version below zero",
        "too deep",
    ],
)
def test_what_is_not_one_segment_of_version_1_is_refused(plain: bytes) -> None:
    with pytest.raises(DamagedSegment):
        unpack(zstandard.compress(plain))


# ---------------------------------------------------------------- merging

contested = st.lists(
    st.tuples(st.integers(1, 4), st.sampled_from([b"a", b"b", None])), min_size=1, max_size=8
)


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
    assert [merged(gone, Put(ANNA, b"a"), version) for version in (4, 5, 6)] == [
        (5, None),
        (5, None),
        (6, b"a"),
    ]


def test_a_small_list_is_one_shard_and_a_large_one_is_cut_by_the_first_bits() -> None:
    some = [bytes([first, *b"\xff" * 7]) for first in (0, 0x3F, 0x40, 0xBF, 0xC0, 0xFF)]
    assert {shard_of(ref, (WHOLE,)) for ref in some} == {"all"}
    assert [shard_of(ref, SHARDS) for ref in some] == ["00", "00", "40", "80", "c0", "c0"]


@given(st.lists(refs, unique=True).map(sorted), st.sampled_from(SHARDS))
def test_a_ref_in_a_shard_of_others_is_damage(some: list[bytes], shard: str) -> None:
    column = memoryview(b"".join(some))
    check_shard(column, WHOLE, (WHOLE,))
    if {shard_of(ref, SHARDS) for ref in some} <= {shard}:
        check_shard(column, shard, SHARDS)
    else:
        with pytest.raises(DamagedSegment, match="belongs into another"):
            check_shard(column, shard, SHARDS)


def test_a_ref_below_all_shards_is_damage() -> None:
    with pytest.raises(DamagedSegment, match="belongs into another"):
        check_shard(memoryview(bytes(8)), "40", ("40", "80"))


# ---------------------------------------------------------------- the manifest


def a_manifest(**changes: object) -> Manifest:
    values: dict[str, object] = {
        "header": a_header(),
        "notice": "fi-2026-03",
        "epoch": 3,
        "base_seq": 88_200,
        "shards": ("all",),
        "windows": (27_396, 27_397),
        "words": ("fi-0042", "ap2:1551", "offers-main"),
        "first_delta": 88_206,
        **changes,
    }
    return Manifest(**values)  # type: ignore[arg-type]


def a_header(seq: int = 88_213) -> ListHeader:
    return ListHeader("acme/fi-0042", seq, START_S, START_S - 60, 2, {"ap2:1552": "ap2:1551"})


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"base_seq": 88_213, "first_delta": 0},
        {"base_seq": 7, "first_delta": 88_214 - MAX_DELTAS},
        {"shards": ("00", "ff")},
        {"windows": ()},
        {"approved_by": "eyJhbGciOi"},
        {"header": a_header(0), "base_seq": 0, "first_delta": 0, "epoch": 0},
        {"epoch": (1 << 53) - 1},
        {"words": tuple(f"{n:05}" for n in range(MAX_WORDS))},
    ],
    ids=[
        "as it is",
        "without deltas",
        "with as many deltas as may be",
        "in shards",
        "without windows",
        "approved",
        "the first",
        "the last epoch",
        "with as many words as may be",
    ],
)
def test_a_manifest_is_read_back(changes: dict[str, object]) -> None:
    manifest = a_manifest(**changes)
    assert read_manifest(write_manifest(manifest, "2.0")) == manifest


def test_a_manifest_is_written_without_a_space_and_in_its_own_letters() -> None:
    written = write_manifest(a_manifest(notice="fi-2026-ä"), "2.0").decode()

    assert written == (
        '{"v":1,"list":"acme/fi-0042","seq":88213,"published_at":1795442707.0,'
        '"suppression_checked_at":1795442647.0,"count":2,'
        '"taxonomy":{"version":"2.0","parents":{"ap2:1552":"ap2:1551"}},'
        '"notice":"fi-2026-ä","epoch":3,'
        '"base":{"seq":88200,"shards":["all"]},"deltas":[88206,88213],"windows":[27396,27397],'
        '"words":["fi-0042","ap2:1551","offers-main"]}'
    )
    approved = write_manifest(a_manifest(notice="fi-2026-ä", approved_by="eyJ"), "2.0").decode()
    assert approved == written.removesuffix("}") + ',"approved_by":"eyJ"}'


@pytest.mark.requirement("R-38")
def test_what_a_minor_version_adds_is_passed_over_and_another_major_version_is_refused() -> None:
    data = write_manifest(a_manifest(), "2.0")
    assert read_manifest(data[:-1] + b',"colour":"red"}') == a_manifest()
    with pytest.raises(Refused, match="v is not 1"):
        read_manifest(data.replace(b'"v":1', b'"v":2'))


def test_a_notice_or_an_approval_that_is_no_text_is_none() -> None:
    data = write_manifest(a_manifest(), "2.0").replace(
        b'"notice":"fi-2026-03"', b'"notice":7,"approved_by":[]'
    )

    assert read_manifest(data) == a_manifest(notice="")
    assert read_manifest(data.replace(b'"notice":7,"approved_by":[],', b"")) == a_manifest(
        notice=""
    )


def test_a_manifest_of_the_longest_size_is_read_and_one_byte_more_is_refused() -> None:
    longest = write_manifest(a_manifest(), "2.0").ljust(MAX_BYTES)

    assert read_manifest(longest) == a_manifest()
    with pytest.raises(Refused, match="not a JSON object"):
        read_manifest(longest + b" ")


REPLACEMENTS = {
    "deltas to another list": (b"[88206,88213]", b"[88206,88212]", "deltas are not the last"),
    "deltas from after the list": (b"[88206,88213]", b"[88214,88213]", "deltas are not the last"),
    "deltas of before the base": (b"[88206,88213]", b"[88200,88213]", "deltas are not the last"),
    "deltas in words": (b"[88206,88213]", b'"88206"', "deltas are not the last"),
    "no deltas": (b"[88206,88213]", b"null", "deltas are not the last"),
    "too many deltas": (
        b'"seq":88200,"shards":["all"]},"deltas":[88206',
        b'"seq":88112,"shards":["all"]},"deltas":[88113',
        "deltas are not the last",
    ),
    "a base of a later list": (
        b'"seq":88200,"shards":["all"]},"deltas":[88206,88213]',
        b'"seq":88214,"shards":["all"]},"deltas":null',
        "deltas are not the last",
    ),
    "no base": (b'"base":{', b'"basis":{', "names no base"),
    "a base without a number": (b'"seq":88200', b'"seq":null', "base.seq is not a whole number"),
    "shards that are no list": (b'["all"]', b'"all"', "base.shards"),
    "all and a part": (b'"shards":["all"]', b'"shards":["all","00"]', "base.shards"),
    "shards that do not ascend": (b'["all"]', b'["40","00"]', "base.shards"),
    "a shard twice": (b'["all"]', b'["00","00"]', "base.shards"),
    "a path": (b'"shards":["all"]', b'"shards":["../x"]', "base.shards"),
    "three windows": (b'"windows":[27396,27397]', b'"windows":[1,2,3]', "windows are at most"),
    "a window in words": (
        b'"windows":[27396,27397]',
        b'"windows":["now"]',
        "windows is not a whole number",
    ),
    "a word with a zero": (b'"words":["fi-0042"', b'"words":["\\u0000"', "words is not a list"),
    "words that are a text": (
        b'"words":["fi-0042","ap2:1551","offers-main"]',
        b'"words":"abc"',
        "words is not a list",
    ),
    "words that are missing": (b'"words"', b'"wards"', "words is not a list"),
    "an epoch that is true": (b'"epoch":3', b'"epoch":true', "epoch is not a whole number"),
    "an epoch below zero": (b'"epoch":3', b'"epoch":-1', "epoch is not a whole number"),
    "an epoch too large for JSON": (
        b'"epoch":3',
        f'"epoch":{1 << 53}'.encode(),
        "epoch is not a whole number",
    ),
    "no JSON": (b"{", b"[", "manifest is not a JSON object"),
}


@pytest.mark.parametrize("what", REPLACEMENTS)
def test_a_manifest_that_does_not_fit_is_refused_with_the_field(what: str) -> None:
    old, new, reason = REPLACEMENTS[what]
    data = write_manifest(a_manifest(), "2.0")
    assert old in data
    with pytest.raises(Refused, match=reason):
        read_manifest(data.replace(old, new, 1))


@pytest.mark.parametrize(
    "data", [b"[]", b"7", b"null", b"[" * 100_000], ids=["list", "number", "null", "too deep"]
)
def test_what_is_no_object_is_no_manifest(data: bytes) -> None:
    with pytest.raises(Refused, match="not a JSON object"):
        read_manifest(data)


def test_a_manifest_with_more_words_than_records_can_number_is_refused() -> None:
    with pytest.raises(Refused, match="words"):
        read_manifest(write_manifest(a_manifest(words=("a",) * (MAX_WORDS + 1)), "2.0"))


def test_the_deltas_from_what_is_held_are_known_or_else_the_base_is_needed() -> None:
    manifest = a_manifest()
    assert manifest.steps_after(88_213) == ()
    assert manifest.steps_after(88_211) == (DeltaStep(88_211, 88_212), DeltaStep(88_212, 88_213))
    assert [step.since for step in manifest.steps_after(88_205) or ()] == [*range(88_205, 88_213)]
    whole = (DeltaStep(88_200, 88_213),)
    assert manifest.steps_after(88_204) == manifest.steps_after(88_200) == whole
    assert manifest.steps_after_base() == whole
    assert manifest.steps_after(88_199) is manifest.steps_after(88_214) is None
    assert a_manifest(base_seq=88_213, first_delta=0).steps_after_base() == ()
