"""One consent as a MessagePack array of some 45 bytes, and back again (docs/consent-list.md has the
schema).

    [version, purposes, flags, not_before, not_after, paused_until, objected,
     stores or nil, [[category, explicit, start or nil, end or nil] …], [category …],
     [[audience, key] …], loudness]

1. Stores, categories and audiences are numbers of a side table of words that all records share.
2. Purposes and flags are bits, in the order of PURPOSES and FLAGS: new words go to the end.
3. Times are whole seconds. A fraction takes away and never gives: starts are rounded up, ends down,
   the end of a pause up.
4. One consent has one encoding. What does not encode to the same bytes again is refused: numbers in
   their shortest form, sets in ascending order, a grant's start or end only where it lies within
   the consent's.
5. Loudness, in steps of LOUDNESS_STEP_DB, stands only where it is not 0: a record of eleven fields
   is what it was before there was a twelfth.
"""

import math
from collections.abc import Iterable, Sequence
from operator import lt
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from presence.core.consent.entry_rules import (
    LATEST_S,
    LOUDNESS_STEP_DB,
    LOUDNESS_WORDS,
    MAX_LOUDNESS_DB,
    Refused,
    check_entry,
    is_loudness,
)
from presence.core.consent.model import Consent, Flag, Grant, Purpose, Scope
from presence.core.encoding import KEY_BYTES

PURPOSES: Final = (
    Purpose.PRESENCE,
    Purpose.OFFERS,
    Purpose.SERVICE,
    Purpose.VISIT_END,
    Purpose.PROFILING,
    Purpose.MEASUREMENT,
)
FLAGS: Final = (Flag.EXPLICIT, Flag.NO_PROFILING, Flag.TEST, Flag.TICKS)

UNREADABLE: Final = (msgspec.MsgspecError, ValueError, RecursionError)
"""What msgspec raises of bytes that may be anybody's: ValueError where a text is no UTF-8."""
Buffer = bytes | bytearray | memoryview
Count = Annotated[int, Meta(ge=0, lt=1 << 53)]
Seconds = Annotated[int, Meta(ge=0, lt=LATEST_S)]
Word = Annotated[int, Meta(ge=0)]
Key = Annotated[bytes, Meta(min_length=KEY_BYTES, max_length=KEY_BYTES)]


class GrantRow(msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True, gc=False):
    """A start or end of None is the consent's own."""

    category: Word
    explicit: bool
    start_s: Seconds | None
    end_s: Seconds | None


class Record(msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True, gc=False):
    """What the bytes say, by type; whether a list may say so, `check_record` judges."""

    version: Count
    purposes: Annotated[int, Meta(ge=0, lt=1 << len(PURPOSES))]
    flags: Annotated[int, Meta(ge=0, lt=1 << len(FLAGS))]
    not_before_s: Seconds
    not_after_s: Seconds
    paused_until_s: Seconds | None
    """0: not paused; None: until somebody ends it."""
    objected: bool
    stores: tuple[Word, ...] | None
    """None: the whole chain."""
    grants: tuple[GrantRow, ...]
    refused_categories: tuple[Word, ...]
    pairwise_keys: tuple[tuple[Word, Key], ...]


class LoudRecord(Record, array_like=True, forbid_unknown_fields=True, frozen=True, gc=False):
    """Of a phone that is louder than the reference phone."""

    steps: Annotated[int, Meta(ge=1, le=MAX_LOUDNESS_DB // LOUDNESS_STEP_DB)]


class _Version(msgspec.Struct, array_like=True, gc=False):
    """The first field of a record that was checked, without the rest."""

    version: int


_decode_quiet = msgspec.msgpack.Decoder(Record).decode
_decode_loud = msgspec.msgpack.Decoder(LoudRecord).decode
_LOUD: Final = b"\x9c"
"""An array of twelve."""
_decode_version = msgspec.msgpack.Decoder(_Version).decode
_encode = msgspec.msgpack.Encoder().encode

_PURPOSES_OF: Final = tuple(
    frozenset(purpose for n, purpose in enumerate(PURPOSES) if bits >> n & 1)
    for bits in range(1 << len(PURPOSES))
)
_FLAGS_OF: Final = tuple(
    frozenset(flag for n, flag in enumerate(FLAGS) if bits >> n & 1)
    for bits in range(1 << len(FLAGS))
)
_BITS_OF_PURPOSES: Final = {purposes: bits for bits, purposes in enumerate(_PURPOSES_OF)}
_BITS_OF_FLAGS: Final = {flags: bits for bits, flags in enumerate(_FLAGS_OF)}


class Words:
    """The side table: every word once. Grows only; a list has as many as its stores, categories and
    audiences.
    """

    def __init__(self, words: Iterable[str] = ()) -> None:
        self.all: list[str] = list(words)
        self._numbers = {word: number for number, word in enumerate(self.all)}

    def number(self, word: str) -> int:
        number = self._numbers.get(word)
        if number is None:
            number = self._numbers[word] = len(self.all)
            self.all.append(word)
        return number

    def numbers(self, words: frozenset[str]) -> tuple[int, ...]:
        return tuple(sorted([self.number(word) for word in words])) if words else ()


def encode_record(consent: Consent, words: Words) -> bytes:
    """The consent without its ref. Raises ValueError where a pairwise key has not 16 bytes, the
    consent no end, or its loudness no steps.
    """
    if [key for key in consent.pairwise_keys.values() if len(key) != KEY_BYTES]:
        raise ValueError(f"a pairwise key has {KEY_BYTES} bytes")
    if consent.not_after_s == math.inf:
        raise ValueError("a consent without an end is none (R-07)")
    if not is_loudness(consent.loudness_db):
        raise ValueError(f"loudness is {LOUDNESS_WORDS}")
    start_s, end_s = math.ceil(consent.not_before_s), math.floor(consent.not_after_s)
    paused_s = consent.paused_until_s
    fields = (  # in the order of a record
        consent.version,
        _BITS_OF_PURPOSES[consent.purposes],
        _BITS_OF_FLAGS[consent.flags],
        start_s,
        end_s,
        None if paused_s == math.inf else math.ceil(paused_s),
        consent.objected,
        None if consent.scope.chain_wide else words.numbers(consent.scope.stores),
        tuple([_row(grant, start_s, end_s, words) for grant in consent.grants]),
        words.numbers(consent.refused_categories),
        tuple(sorted([(words.number(name), key) for name, key in consent.pairwise_keys.items()])),
    )
    steps = consent.loudness_db // LOUDNESS_STEP_DB
    return _encode((*fields, steps) if steps else fields)


class RecordForm:
    """Records of consents that differ from this one in their ref, their keys, and the times of
    consent and grants alone.
    """

    def __init__(self, consent: Consent, words: Words) -> None:
        said = _decode(encode_record(consent, words))
        self._first = said.version, said.purposes, said.flags
        self._paused_and_objected = said.paused_until_s, said.objected, said.stores
        self._grants = [(grant.category, grant.explicit) for grant in said.grants]
        self._refused = said.refused_categories
        self._audiences = [number for number, _ in said.pairwise_keys]
        self._steps = (said.steps,) if isinstance(said, LoudRecord) else ()
        self.audiences = tuple([words.all[number] for number in self._audiences])
        """In the order of their keys."""

    def record(
        self, start_s: int, end_s: int, ends_s: Iterable[int | None], keys: Iterable[bytes]
    ) -> bytes:
        """`ends_s`: of the grants, None where that is the consent's own; `keys` of `audiences`."""
        grants = [
            (*grant, None, until_s) for grant, until_s in zip(self._grants, ends_s, strict=True)
        ]
        return _encode(
            (
                *self._first,
                start_s,
                end_s,
                *self._paused_and_objected,
                grants,
                self._refused,
                [*zip(self._audiences, keys, strict=True)],
                *self._steps,
            )
        )


def _row(
    grant: Grant, start_s: int, end_s: int, words: Words
) -> tuple[int, bool, int | None, int | None]:
    """In the order of a GrantRow."""
    return (
        words.number(grant.category),
        grant.explicit,
        math.ceil(grant.not_before_s) if grant.not_before_s > start_s else None,
        math.floor(grant.not_after_s) if grant.not_after_s < end_s else None,
    )


def _decode(record: Buffer) -> Record:
    """Raises one of UNREADABLE."""
    return _decode_loud(record) if record[:1] == _LOUD else _decode_quiet(record)


UNKNOWN: Final = "a record that version 1 does not know"


def check_record(record: Buffer, words: int, *, max_span_s: float) -> int:
    """Judge a record that may be anybody's; its version. Raises Refused, whose words hold no value
    of it.

    `words`: how many there are.
    """
    try:
        said = _decode(record)
    except UNREADABLE:
        raise Refused(UNKNOWN) from None
    if _encode(said) != record:
        raise Refused(UNKNOWN)
    start_s, end_s = said.not_before_s, said.not_after_s
    # What the types do not say: words that there are, sets in ascending order, and own times that
    # differ from the consent's. Each row of a list comes by here, so nothing is built on the way.
    for grant in said.grants:
        if grant.category >= words or grant.start_s == start_s or grant.end_s == end_s:
            raise Refused(UNKNOWN)
        if (grant.start_s is not None and grant.start_s < start_s) or (
            grant.end_s is not None and grant.end_s > end_s
        ):
            raise Refused("a grant reaches beyond its consent")
    for several in (said.stores or (), said.refused_categories):
        if several and (several[-1] >= words or not _ascends(several)):
            raise Refused(UNKNOWN)
    keys = said.pairwise_keys
    if keys and (keys[-1][0] >= words or not _ascends([word for word, _ in keys])):
        raise Refused(UNKNOWN)
    check_entry(start_s, end_s, somewhere=said.stores != (), max_span_s=max_span_s)
    return said.version


def _ascends(numbers: Sequence[int]) -> bool:
    return len(numbers) == 1 or all(map(lt, numbers, numbers[1:]))


def decode_record(ref: bytes, record: Buffer, words: Sequence[str]) -> Consent:
    """The consent of a record that was checked, or encoded here; `words` as then, or more of
    them.
    """
    said = _decode(record)
    start_s, end_s = said.not_before_s, said.not_after_s
    paused_s = said.paused_until_s
    return Consent(
        ref=ref,
        version=said.version,
        purposes=_PURPOSES_OF[said.purposes],
        not_before_s=start_s,
        not_after_s=end_s,
        scope=Scope(frozenset(words[n] for n in said.stores or ()), chain_wide=said.stores is None),
        grants=tuple(
            Grant(
                words[grant.category],
                start_s if grant.start_s is None else grant.start_s,
                end_s if grant.end_s is None else grant.end_s,
                grant.explicit,
            )
            for grant in said.grants
        ),
        refused_categories=frozenset(words[n] for n in said.refused_categories),
        pairwise_keys={words[n]: key for n, key in said.pairwise_keys},
        flags=_FLAGS_OF[said.flags],
        paused_until_s=math.inf if paused_s is None else paused_s,
        objected=said.objected,
        loudness_db=said.steps * LOUDNESS_STEP_DB if isinstance(said, LoudRecord) else 0,
    )


def record_version(record: Buffer) -> int:
    """The version of a record that was checked."""
    return _decode_version(record).version
