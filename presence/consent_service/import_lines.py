"""Lines of a consent platform's export: what one customer decided on one purpose or category, and
when.

    subject,purpose,value,timestamp,notice,expiry,identity_key,stores,explicit,flags,loudness_db
    c-1,presence,given,2026-03-01,fi-2026-03,2027-03-01,000102…0f,fi-0042,,,4
    c-1,ap2:1551,given,2026-03-01,fi-2026-03,2026-09-01,,,,,

The same names in JSON Lines. Every other column is dropped, unread (R-33). A reason names the
column, never its value.
"""

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final

import msgspec

from presence.consent_service.judged import JudgedOnce
from presence.consent_service.vocabulary import (
    MAX_NOTICE_CHARS,
    PURPOSES,
    is_category,
    is_notice,
    is_store,
)
from presence.core.consent.entry_rules import (
    LATEST_S,
    LOUDNESS_STEP_DB,
    LOUDNESS_WORDS,
    MAX_LOUDNESS_DB,
)
from presence.core.consent.model import Flag, Purpose
from presence.core.encoding import KEY_BYTES

COLUMNS: Final = (
    "subject",
    "purpose",
    "value",
    "timestamp",
    "notice",
    "expiry",
    "identity_key",
    "stores",
    "explicit",
    "flags",
    "loudness_db",
)
MANDATORY: Final = COLUMNS[:4]
OF_THE_CUSTOMER: Final = ("subject", "timestamp", "expiry", "identity_key")
OF_MANY: Final = tuple(name for name in COLUMNS if name not in OF_THE_CUSTOMER)
"""What `LineWords` says: the same few things over and over."""
DELIMITERS: Final = (";", "\t", ",")
MAX_LINE_CHARS: Final = 65_536
MAX_SUBJECT_CHARS: Final = 256
MOST_TIME_CHARS: Final = 80
"""Of both times of a line; longer ones are read each time: they may be as long as a line."""
LOUDNESSES: Final = {str(n): n for n in range(0, MAX_LOUDNESS_DB + 1, LOUDNESS_STEP_DB)}
_FLAGS: Final = frozenset(Flag)
_BETWEEN: Final = "\0"
"""No word can hold it."""
_KEY: Final = re.compile(r"[0-9A-Fa-f]{32}")
_SECONDS: Final = re.compile(r"\d{1,10}(\.\d+)?")


class Value(StrEnum):
    GIVEN = "given"
    NOT_GIVEN = "not_given"
    OBJECTED = "objected"


WORDS: Final = {
    **dict.fromkeys(("given", "granted", "yes", "true", "1"), Value.GIVEN),
    **dict.fromkeys(("not_given", "refused", "withdrawn", "no", "false", "0"), Value.NOT_GIVEN),
    "objected": Value.OBJECTED,
}


class BadLine(ValueError):
    """Why a line cannot be used. `subject`: of whom it speaks, where that much can be read."""

    def __init__(self, reason: str, subject: str = "", *, objects: bool = False) -> None:
        super().__init__(reason)
        self.subject = subject
        self.objects = objects
        """It says `objected`, whatever else of it cannot be read."""


class LineWords(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a line says beside whose it is and when: an export has the same few over and over."""

    purpose: str
    """A word of Purpose, or a category."""
    value: Value
    notice: str
    """Empty: the line does not say."""
    stores: tuple[str, ...]
    """`*`: the whole chain. Empty: the store or group of the list."""
    explicit: bool
    flags: frozenset[Flag]
    loudness_db: int | None
    """None: the line does not say."""
    is_purpose: bool
    text: str
    """The columns that say it, for `words_of`."""


class Line(msgspec.Struct, frozen=True, array_like=True, gc=False):
    subject: str
    said: LineWords
    decided_s: float
    until_s: float | None
    identity_key: bytes

    def __repr__(self) -> str:
        """Without the customer."""
        return f"Line({self.said!r})"

    @property
    def purpose(self) -> str:
        return self.said.purpose

    @property
    def value(self) -> Value:
        return self.said.value


class Row(msgspec.Struct, frozen=True, gc=False):
    """A line as it stands in the file: of a column that it does not have, an empty text."""

    of_customer: tuple[str, ...]
    """The columns OF_THE_CUSTOMER."""
    of_many: tuple[str, ...]
    """And those OF_MANY."""
    names: tuple[str, ...]
    """All that it names, also what is not taken."""
    is_longer: bool = False
    """It has more columns than the first line names."""

    def __repr__(self) -> str:
        """Without the customer."""
        return f"Row({self.names!r})"


Columns = Mapping[str, Any]


def row_of(said: Columns) -> Row:
    """Of the columns of a line by their names."""
    of_customer, of_many = (
        tuple([_text(said.get(name)) for name in some]) for some in (OF_THE_CUSTOMER, OF_MANY)
    )
    return Row(of_customer, of_many, tuple(said))


def rows_of_csv(text: Iterable[str], delimiter: str = ",") -> Iterator[tuple[int, Row]]:
    """Every line, by its number; a first line of names is expected. Raises BadLine where there is
    none.
    """
    reader = csv.reader(text, skipinitialspace=True, delimiter=delimiter)
    names = _names(next(reader, []))
    width = len(names)
    places = {name: place for place, name in enumerate(names)}  # of a name twice, the last
    customer, many = (
        # What is in no place stands behind the last, where each line has an empty text.
        itemgetter(*[places.get(name, width) for name in some])
        for some in (OF_THE_CUSTOMER, OF_MANY)
    )
    while True:
        try:
            for row in reader:
                if len(row) == width:
                    row.append("")
                    yield reader.line_num, Row(customer(row), many(row), names)
                elif row:
                    full = [*row[:width], *[""] * (width + 1 - min(len(row), width))]
                    named, is_longer = names[: len(row)], any(map(_text, row[width:]))
                    yield reader.line_num, Row(customer(full), many(full), named, is_longer)
        except csv.Error:
            yield reader.line_num, row_of({})
        else:
            return


def _names(names: list[str]) -> tuple[str, ...]:
    """Raises BadLine."""
    if missing := set(MANDATORY) - set(names):
        if len(names) == 1 and (
            other := next((each for each in DELIMITERS if each in names[0]), None)
        ):
            raise BadLine(f"separated by {other!r}? use commas, or --delimiter {other!r}")
        raise BadLine(f"the first line names the columns; {', '.join(sorted(missing))} missing")
    if twice := sorted({name for name in names if name in COLUMNS and names.count(name) > 1}):
        raise BadLine(f"the first line names {', '.join(twice)} twice")
    return tuple(names)


def rows_of_json_lines(text: Iterable[str]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(text, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line) if len(line) <= MAX_LINE_CHARS else None
        except (ValueError, RecursionError):
            row = None
        yield number, row if isinstance(row, dict) else {}


def parse_line(row: Row | Columns) -> Line:
    """Raises BadLine."""
    if not isinstance(row, Row):
        row = row_of(row)
    said = _said[row.of_many]
    if said is not None and not row.is_longer:
        subject, decided, until, key = map(str.strip, row.of_customer)
        if (
            0 < len(subject) <= MAX_SUBJECT_CHARS
            and subject.isprintable()
            and (until or said.value is not Value.GIVEN or not said.is_purpose)
        ):
            is_short = len(decided) + len(until) <= MOST_TIME_CHARS
            time_of = _kept_time if is_short else parse_time
            try:
                until_s = time_of(until) if until else None
                identity_key = parse_identity_key(key) if key else b""
                return Line(subject, said, time_of(decided), until_s, identity_key)
            except ValueError:
                pass  # told below, with whatever else is wrong
    return _slowly(row)


def _slowly(row: Row) -> Line:
    """Raises BadLine with all that is wrong; the line where there is nothing."""
    values = map(str.strip, (*row.of_customer, *row.of_many))
    said = dict(zip((*OF_THE_CUSTOMER, *OF_MANY), values, strict=True))
    problems = _problems(said)
    if row.is_longer:
        problems.append("more columns than the first line names")
    if problems:
        objects = WORDS.get(said["value"].lower()) is Value.OBJECTED
        raise BadLine("; ".join(problems), said["subject"], objects=objects)
    return parse_line(said)


def _read_words(columns: tuple[str, ...]) -> LineWords | None:
    """Of the columns OF_MANY; None where one of them cannot be read."""
    texts = [*map(_text, columns)]
    purpose, value, notice, stores, explicit, flags, loudness_db = texts
    known, several = WORDS.get(value.lower()), _several(flags)
    if (
        known is None
        or not (purpose in PURPOSES or is_category(purpose))
        or not (not notice or is_notice(notice))
        or not _are_stores(_several(stores))
        or not _is_answer(explicit)
        or not _FLAGS.issuperset(several)
        or not (not loudness_db or loudness_db in LOUDNESSES)
    ):
        return None
    return LineWords(
        purpose,
        known,
        notice,
        _several(stores),
        WORDS.get(explicit.lower()) is Value.GIVEN,
        frozenset(map(Flag, several)),
        LOUDNESSES.get(loudness_db),
        purpose in PURPOSES,
        _BETWEEN.join(texts),
    )


def _words_again(text: str) -> LineWords:
    said = _said[tuple(text.split(_BETWEEN))]
    if said is None:
        raise ValueError("not the words of a line")
    return said


_said: Final = JudgedOnce(_read_words)
words_of: Final = JudgedOnce(_words_again)
"""Of `LineWords.text`. Raises ValueError."""


def _are_stores(stores: tuple[str, ...]) -> bool:
    return stores == ("*",) or all(map(is_store, stores))


def _is_answer(word: str) -> bool:
    return word.lower() in ("", *WORDS) and WORDS.get(word.lower()) is not Value.OBJECTED


def parse_time(text: str) -> float:
    """UTC seconds of a date, of a date and time, or of a number of seconds. Raises ValueError."""
    if (text.isdecimal() and len(text) <= 10) or _SECONDS.fullmatch(text):
        seconds = float(text)
    else:
        when = datetime.fromisoformat(text)
        seconds = (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    if not 0 <= seconds < LATEST_S:
        raise ValueError("not between 1970 and 2106")
    return seconds


_kept_time = lru_cache(maxsize=4096)(parse_time)
"""An export has many times over and over, and asks twice for most."""


def parse_identity_key(text: str) -> bytes:
    """16 bytes from 32 hex digits. Raises ValueError."""
    key = bytes.fromhex(text)
    if len(text) != 2 * KEY_BYTES or len(key) != KEY_BYTES:  # it passes over spaces
        raise ValueError("not 32 hex digits")
    return key


def _problems(said: Mapping[str, str]) -> list[str]:
    """All that is wrong with a line. Names columns, and never a value."""
    missing = [name for name in MANDATORY if not said[name]]
    problems = [f"{', '.join(missing)} missing, or the line is damaged"] if missing else []
    subject, purpose, value = said["subject"], said["purpose"], WORDS.get(said["value"].lower())
    if len(subject) > MAX_SUBJECT_CHARS or not subject.isprintable():
        problems.append(
            f"subject is longer than {MAX_SUBJECT_CHARS}, or holds what cannot be printed"
        )
    if purpose and purpose not in PURPOSES and not is_category(purpose):
        problems.append(
            f"purpose is neither a category such as ap2:1551 nor one of {', '.join(Purpose)}"
        )
    if said["value"] and value is None:
        problems.append("value is none of given, not_given and objected")
    problems += [
        f"{column} is not a time such as 2026-03-01, 2026-03-01T12:00:00Z or UTC seconds"
        for column in ("timestamp", "expiry")
        if said[column] and not _is_time(said[column])
    ]
    if value is Value.GIVEN and not said["expiry"] and purpose in PURPOSES:
        problems.append("expiry missing: an agreement without an end is none")
    if said["notice"] and not is_notice(said["notice"]):
        problems.append(f"notice is no version of at most {MAX_NOTICE_CHARS} printable characters")
    if not _are_stores(_several(said["stores"])):
        problems.append("stores is neither * nor a list of stores such as fi-0042;fi-0043")
    if said["flags"] and not _FLAGS.issuperset(_several(said["flags"])):
        problems.append(f"flags holds a word that is none of {', '.join(Flag)}")
    if not _is_answer(said["explicit"]):
        problems.append("explicit is neither yes nor no")
    if said["identity_key"] and not _KEY.fullmatch(said["identity_key"]):
        problems.append("identity_key is not 32 hex digits")
    if said["loudness_db"] and said["loudness_db"] not in LOUDNESSES:
        problems.append(f"loudness_db is not {LOUDNESS_WORDS}")
    return problems


def _several(text: str) -> tuple[str, ...]:
    if not text:
        return ()
    return tuple(word for word in re.split(r"[;\s]+", text) if word)


def _text(value: object) -> str:
    """As CSV would have it; a list (stores, flags) becomes words."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return " ".join(map(_text, value))
    return str(value).strip()


def _is_time(text: str) -> bool:
    try:
        parse_time(text)
    except ValueError:
        return False
    return True
