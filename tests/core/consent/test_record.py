"""A consent as bytes: one consent has one encoding, and what is not one is refused."""

import math
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.core.consent.entry_rules import Refused
from presence.core.consent.model import Consent, Flag, Grant, Purpose, Scope
from presence.core.consent.record import (
    FLAGS,
    PURPOSES,
    Record,
    RecordForm,
    Words,
    check_record,
    decode_record,
    encode_record,
    record_version,
)
from tests.support.any_consents import consents
from tests.support.builders import ANNA, START_S, consent, grant

SPAN_S = 396 * 86_400.0
FROM_S, TO_S = consent().not_before_s, consent().not_after_s
WORDS = ["fi-0042", "ap2:1551", "ap2:1552", "offers-main", "ap2:1285"]
KEY = bytes(range(16))
START, END = 1_790_812_800, 1_806_537_600
FIELDS: dict[str, Any] = {
    "version": 12,
    "purposes": 3,
    "flags": 0,
    "from": START,
    "to": END,
    "pause": 0,
    "objected": False,
    "stores": [0],
    "grants": [[1, False, None, START + 1]],
    "refusals": [2, 4],
    "audiences": [[3, KEY]],
}


def spelt(**changes: Any) -> bytes:
    """A record as another platform writes it, by any MessagePack library."""
    assert changes.keys() <= {*FIELDS, "loudness"}
    return msgspec.msgpack.encode(list({**FIELDS, **changes}.values()))


def check(record: bytes) -> int:
    return check_record(record, len(WORDS), max_span_s=SPAN_S)


def test_what_another_platform_writes_is_read() -> None:
    assert check(spelt()) == record_version(spelt()) == 12
    assert decode_record(ANNA, spelt(), WORDS) == Consent(
        ref=ANNA,
        version=12,
        purposes=frozenset({Purpose.PRESENCE, Purpose.OFFERS}),
        not_before_s=START,
        not_after_s=END,
        scope=Scope(frozenset({"fi-0042"})),
        grants=(Grant("ap2:1551", START, START + 1),),
        refused_categories=frozenset({"ap2:1552", "ap2:1285"}),
        pairwise_keys={"offers-main": KEY},
    )
    assert encode_record(decode_record(ANNA, spelt(), WORDS), Words(WORDS)) == spelt()


@pytest.mark.parametrize("steps", range(1, 8))
def test_a_phone_that_is_louder_has_a_twelfth_field_and_no_other_record_has_one(steps: int) -> None:
    loud = spelt(loudness=steps)
    found = decode_record(ANNA, loud, WORDS)

    assert check(loud) == record_version(loud) == 12
    assert found == replace(decode_record(ANNA, spelt(), WORDS), loudness_db=4 * steps)
    assert encode_record(found, Words(WORDS)) == loud
    assert loud[1:] == spelt()[1:] + bytes([steps])


def test_a_gateway_of_before_the_twelfth_field_leaves_the_entry_out() -> None:
    """As it read: eleven fields by type, and nothing else (docs/consent-list.md)."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.msgpack.decode(spelt(loudness=1), type=Record)


@pytest.mark.parametrize("loudness_db", [-4, 1, 6, 32])
def test_a_loudness_between_two_steps_has_no_record(loudness_db: int) -> None:
    with pytest.raises(ValueError, match="a multiple of 4 from 0 to 28"):
        encode_record(consent(loudness_db=loudness_db), Words())


@given(st.sampled_from([{}, {"loudness": 1}]), st.data())
def test_a_damaged_record_is_refused_or_is_a_consent_within_its_limits(
    more: dict[str, int], data: st.DataObject
) -> None:
    damaged = bytearray(spelt(**more))
    damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        version = check(bytes(damaged))
    except Refused:
        return
    found = decode_record(ANNA, bytes(damaged), WORDS)
    assert version == found.version
    assert found.not_before_s < found.not_after_s <= found.not_before_s + SPAN_S
    assert encode_record(found, Words(WORDS)) == damaged
    assert found.loudness_db in range(0, 29, 4)


@given(st.binary(max_size=100))
def test_any_bytes_at_all_are_refused_in_words(data: bytes) -> None:
    with pytest.raises(Refused):
        check(data)


def float64(time_s: int) -> bytes:
    return msgspec.msgpack.encode(float(time_s))


WHOLE = spelt()
NOT_ONE = {
    "nothing": b"",
    "a byte": b"\x01",
    "cut short": WHOLE[:-1],
    "too long": WHOLE + b"\0",
    "a field that is no loudness": b"\x9c" + WHOLE[1:] + b"\xc0",
    "a loudness of the reference phone": spelt(loudness=0),
    "a loudness below it": spelt(loudness=-1),
    "a loudness of eight steps": spelt(loudness=8),
    "a loudness that is true": spelt(loudness=True),
    "a loudness longer than it must be": spelt(loudness=1)[:-1] + b"\xcc\x01",
    "two fields more": b"\x9d" + WHOLE[1:] + b"\x01\x01",
    "a field less": msgspec.msgpack.encode(list(FIELDS.values())[:-1]),
    "a map": msgspec.msgpack.encode(FIELDS),
    "too deep": b"\x91" * 100_000,
    "a number longer than it must be": WHOLE.replace(b"\x9b\x0c", b"\x9b\xcc\x0c"),
    "a time that is no whole number": WHOLE.replace(msgspec.msgpack.encode(START), float64(START)),
    "a time of which nobody lives to see the end": spelt(to=1 << 32),
    "a version below zero": spelt(version=-1),
    "a version too large for JSON": spelt(version=1 << 53),
    "a version that is true": spelt(version=True),
    "an unknown purpose": spelt(purposes=1 << 6),
    "an unknown flag": spelt(flags=1 << 4),
    "an objection that is a number": spelt(objected=1),
    "a store twice": spelt(stores=[0, 0]),
    "refusals in another order": spelt(refusals=[4, 2]),
    "an audience twice": spelt(audiences=[[3, KEY], [3, KEY]]),
    "a key of 15 bytes": spelt(audiences=[[3, KEY[:15]]]),
    "a key that is text": spelt(audiences=[[3, "k" * 16]]),
    "a store that no word is": spelt(stores=[5]),
    "a refusal that no word is": spelt(refusals=[5]),
    "an audience that no word is": spelt(audiences=[[5, KEY]]),
    "a category that no word is": spelt(grants=[[5, False, None, None]]),
    "a word in place of its number": spelt(stores=["fi-0042"]),
    "a grant that names the start of the consent": spelt(grants=[[1, False, START, None]]),
    "a grant that names the end of the consent": spelt(grants=[[1, False, None, END]]),
    "a grant with a field more": spelt(grants=[[1, False, None, None, None]]),
    "a grant without its end": spelt(grants=[[1, False, None]]),
}


@pytest.mark.parametrize("what", NOT_ONE)
def test_what_is_not_one_record_of_version_1_is_refused(what: str) -> None:
    with pytest.raises(Refused, match="version 1 does not know"):
        check(NOT_ONE[what])


@pytest.mark.requirement("R-07")
@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"to": START + 397 * 86_400}, "longer than"),
        ({"to": START, "grants": []}, "na does not lie"),
        ({"to": START - 1, "grants": []}, "na does not lie"),
        ({"stores": []}, "scope"),
        ({"grants": [[1, False, None, END + 1]]}, "a grant reaches"),
        ({"grants": [[1, False, START - 1, None]]}, "a grant reaches"),
    ],
    ids=["too long", "no span", "backwards", "no place", "a grant too long", "a grant too early"],
)
def test_an_entry_that_a_list_may_not_hold_is_refused(changed: dict[str, Any], why: str) -> None:
    with pytest.raises(Refused, match=why):
        check(spelt(**changed))


@pytest.mark.requirement("R-07")
def test_what_has_no_end_has_no_record() -> None:
    with pytest.raises(ValueError, match="without an end"):
        encode_record(consent(not_after_s=math.inf), Words())


def test_a_pairwise_key_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        encode_record(consent(pairwise_keys={"offers-main": bytes(15)}), Words())


def test_a_fraction_of_a_second_takes_away_and_never_gives() -> None:
    words = Words()
    record = encode_record(
        consent(
            not_before_s=FROM_S + 0.5,
            not_after_s=TO_S + 0.5,
            paused_until_s=START_S + 0.5,
            grants=(grant("ap2:1551", start_s=START_S + 0.5, end_s=START_S + 9.5),),
        ),
        words,
    )

    check_record(record, len(words.all), max_span_s=SPAN_S)
    found = decode_record(ANNA, record, words.all)
    assert (found.not_before_s, found.not_after_s) == (FROM_S + 1, TO_S)
    assert found.paused_until_s == START_S + 1
    assert found.grants == (Grant("ap2:1551", START_S + 1, START_S + 9),)


def test_the_numbers_of_purposes_and_flags_are_those_that_records_are_written_with() -> None:
    """New words go to the end: a record of yesterday must not grant something else today."""
    assert [str(p) for p in PURPOSES] == [
        "presence",
        "offers",
        "service",
        "visit_end",
        "profiling",
        "measurement",
    ]
    assert [str(f) for f in FLAGS] == ["explicit", "no_profiling", "test", "ticks"]
    assert set(PURPOSES) == set(Purpose)
    assert set(FLAGS) == set(Flag)


@given(consents(), st.data())
def test_a_form_writes_what_the_entry_itself_would_be(
    consent: Consent, data: st.DataObject
) -> None:
    """Of others who agreed alike: their own times and keys."""
    times = st.integers(0, (1 << 32) - 1)
    start_s, end_s = sorted(data.draw(st.lists(times, min_size=2, max_size=2, unique=True)))
    ends_s = [data.draw(st.integers(start_s, end_s)) for _ in consent.grants]
    keys = {name: data.draw(st.binary(min_size=16, max_size=16)) for name in consent.pairwise_keys}
    another = replace(
        consent,
        not_before_s=start_s,
        not_after_s=end_s,
        grants=tuple(
            replace(grant, not_before_s=start_s, not_after_s=until_s)
            for grant, until_s in zip(consent.grants, ends_s, strict=True)
        ),
        pairwise_keys=keys,
    )
    words = Words()
    form = RecordForm(consent, words)
    record = form.record(
        start_s,
        end_s,
        [until_s if until_s < end_s else None for until_s in ends_s],
        [keys[name] for name in form.audiences],
    )
    assert record == encode_record(another, words)
