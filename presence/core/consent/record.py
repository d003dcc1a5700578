"""One consent in some 45 bytes, and back again, without loss.

    purposes   1   bit n: the n-th word of PURPOSES
    marks      1   bits 0–2: FLAGS; 3 objected; 4 paused; 5 chain-wide; 6 exact: times are float64, else whole seconds
    version    v
    from, to   t t
    [pause]    t   where marked
    stores     v, then a name v each
    grants     v, then each: marks 1 (bit 0 explicit, 1 own start, 2 own end) · category v · [start t] · [end t]
    refusals   v, then a category v each
    audiences  v, then each: name v · pairwise key 16

v is a number of 7 bits a byte, low bits first, the high bit set where more follow. t is 4 bytes (FF
FF FF FF: no end), or 8 where the record is exact. Words (stores, categories, audiences) are numbers
of a side table that all records share. The order of PURPOSES and FLAGS is part of the format: new
words go to the end.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from struct import Struct
from typing import Final

from presence.core.consent.model import Consent, Flag, Grant, Purpose, Scope

PURPOSES: Final = (
    Purpose.PRESENCE,
    Purpose.OFFERS,
    Purpose.SERVICE,
    Purpose.VISIT_END,
    Purpose.PROFILING,
    Purpose.MEASUREMENT,
)
FLAGS: Final = (Flag.EXPLICIT, Flag.NO_PROFILING, Flag.TEST)
OBJECTED, PAUSED, CHAIN_WIDE, EXACT = 8, 16, 32, 64
EXPLICIT, OWN_START, OWN_END = 1, 2, 4
PAIRWISE_KEY_BYTES: Final = 16
FOREVER: Final = 0xFFFF_FFFF
MAX_NUMBER_BITS: Final = 56

Buffer = bytes | bytearray | memoryview

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

_WHOLE: Final = Struct("<I")
_EXACT: Final = Struct("<d")


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


def encode_record(consent: Consent, words: Words) -> bytes:
    """The consent without its ref. Raises ValueError where a pairwise key has not 16 bytes."""
    times = (consent.not_before_s, consent.not_after_s, consent.paused_until_s)
    exact = not all(map(_is_whole, times)) or not all(
        _is_whole(grant.not_before_s) and _is_whole(grant.not_after_s) for grant in consent.grants
    )
    record = bytearray(
        (
            _BITS_OF_PURPOSES[consent.purposes],
            _BITS_OF_FLAGS[consent.flags]
            | OBJECTED * consent.objected
            | PAUSED * (consent.paused_until_s != 0)
            | CHAIN_WIDE * consent.scope.chain_wide
            | EXACT * exact,
        )
    )
    _put_number(record, consent.version)
    _put_time(record, consent.not_before_s, exact=exact)
    _put_time(record, consent.not_after_s, exact=exact)
    if consent.paused_until_s:
        _put_time(record, consent.paused_until_s, exact=exact)
    _put_words(record, consent.scope.stores, words)
    _put_grants(record, consent, words, exact=exact)
    _put_words(record, consent.refused_categories, words)
    _put_number(record, len(consent.pairwise_keys))
    for audience, key in consent.pairwise_keys.items():
        if len(key) != PAIRWISE_KEY_BYTES:
            raise ValueError(f"a pairwise key has {PAIRWISE_KEY_BYTES} bytes")
        _put_number(record, words.number(audience))
        record += key
    return bytes(record)


def decode_record(ref: bytes, records: Buffer, start: int, words: Sequence[str]) -> Consent:
    """The consent of this ref whose record begins at `start`; `words` as when it was encoded, or
    more of them.
    """
    return _decode(ref, _Reader(records, start, words))


def decode_whole_record(ref: bytes, record: bytes, words: Sequence[str] | Words) -> Consent:
    """The consent of a record that stands alone and may be anybody's; nothing of it is passed over.

    `words`: where many records are read, Words once for all of them. Raises ValueError or
    IndexError where it is not exactly one record of version 1.
    """
    if not isinstance(words, Words):
        words = Words(words)
    reader = _Reader(record, 0, words.all)
    consent = _decode(ref, reader)
    if reader.at != len(record) or encode_record(consent, words) != record:
        raise ValueError("not one record, or another spelling of it")
    return consent


def _decode(ref: bytes, reader: "_Reader") -> Consent:
    purposes, marks = reader.byte(), reader.byte()
    reader.exact = bool(marks & EXACT)
    version = reader.number()
    not_before_s, not_after_s = reader.time(), reader.time()
    paused_until_s = reader.time() if marks & PAUSED else 0.0
    stores = frozenset(reader.several())
    grants = tuple(_grant(reader, not_before_s, not_after_s) for _ in range(reader.number()))
    refused = frozenset(reader.several())
    keys = {reader.word(): reader.take(PAIRWISE_KEY_BYTES) for _ in range(reader.number())}
    return Consent(
        ref=ref,
        version=version,
        purposes=_PURPOSES_OF[purposes],
        not_before_s=not_before_s,
        not_after_s=not_after_s,
        scope=Scope(stores, chain_wide=bool(marks & CHAIN_WIDE)),
        grants=grants,
        refused_categories=refused,
        pairwise_keys=keys,
        flags=_FLAGS_OF[marks & len(_FLAGS_OF) - 1],
        paused_until_s=paused_until_s,
        objected=bool(marks & OBJECTED),
    )


def record_version(records: Buffer, start: int) -> int:
    """The version of the consent whose record begins at `start`."""
    return _Reader(records, start + 2, ()).number()


def _grant(reader: "_Reader", not_before_s: float, not_after_s: float) -> Grant:
    marks = reader.byte()
    category = reader.word()
    start_s = reader.time() if marks & OWN_START else not_before_s
    end_s = reader.time() if marks & OWN_END else not_after_s
    return Grant(category, start_s, end_s, explicit=bool(marks & EXPLICIT))


class _Reader:
    """A place among the records."""

    __slots__ = ("_records", "_words", "at", "exact")

    def __init__(self, records: Buffer, start: int, words: Sequence[str]) -> None:
        self._records = records
        self._words = words
        self.at = start
        self.exact = False

    def byte(self) -> int:
        self.at += 1
        return self._records[self.at - 1]

    def take(self, length: int) -> bytes:
        self.at += length
        taken = bytes(self._records[self.at - length : self.at])
        if len(taken) != length:
            raise IndexError("the record is cut short")
        return taken

    def number(self) -> int:
        number = shift = 0
        while True:
            byte = self.byte()
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                return number
            shift += 7
            if shift > MAX_NUMBER_BITS:
                raise ValueError("a number without an end")

    def time(self) -> float:
        if self.exact:
            exact_s: float = _EXACT.unpack_from(self._records, self.at)[0]
            self.at += _EXACT.size
            return exact_s
        whole_s: int = _WHOLE.unpack_from(self._records, self.at)[0]
        self.at += _WHOLE.size
        return math.inf if whole_s == FOREVER else float(whole_s)

    def word(self) -> str:
        return self._words[self.number()]

    def several(self) -> Iterator[str]:
        return (self.word() for _ in range(self.number()))


def _is_whole(time_s: float) -> bool:
    return time_s == math.inf or (0 <= time_s < FOREVER and time_s == int(time_s))


def _put_number(record: bytearray, number: int) -> None:
    while number >= 0x80:
        record.append(number & 0x7F | 0x80)
        number >>= 7
    record.append(number)


def _put_time(record: bytearray, time_s: float, *, exact: bool) -> None:
    if exact:
        record += _EXACT.pack(time_s)
    else:
        record += _WHOLE.pack(FOREVER if time_s == math.inf else int(time_s))


def _put_words(record: bytearray, several: Iterable[str], words: Words) -> None:
    numbers = sorted(map(words.number, several))
    _put_number(record, len(numbers))
    for number in numbers:
        _put_number(record, number)


def _put_grants(record: bytearray, consent: Consent, words: Words, *, exact: bool) -> None:
    _put_number(record, len(consent.grants))
    for grant in consent.grants:
        own_start = grant.not_before_s != consent.not_before_s
        own_end = grant.not_after_s != consent.not_after_s
        record.append(EXPLICIT * grant.explicit | OWN_START * own_start | OWN_END * own_end)
        _put_number(record, words.number(grant.category))
        if own_start:
            _put_time(record, grant.not_before_s, exact=exact)
        if own_end:
            _put_time(record, grant.not_after_s, exact=exact)
