"""Customers who agree alike are taken up together, and come to just what each of them would come to
by themselves: the same register, messages and revocations.
"""

import io
import shutil
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from presence.consent_service.import_lines import rows_of_csv
from presence.consent_service.importing import import_rows
from presence.consent_service.list_settings import Change
from presence.consent_service.service import ConsentService
from presence.core.consent.model import Purpose
from presence.core.consent.revocation import Revocation
from presence.core.timestamps import rfc3339
from tests.support.builders import START_S
from tests.support.consent_services import DAY_S, Clock, a_service
from tests.support.imports import register_of, said_of

AUDIENCES: Final = {"collect": Purpose.SERVICE, "front": Purpose.PRESENCE}
NAMES: Final = (
    "subject,purpose,value,timestamp,notice,expiry,identity_key,stores,explicit,flags,loudness_db"
)
CUSTOMERS: Final = [f"customer-{number}" for number in range(7)]
Row = dict[str, str]
Step = tuple[float, list[Row], list[tuple[str, str]]]


def day(number: float) -> str:
    return rfc3339(START_S + number * DAY_S)


PAST = (day(-2), f"{int(START_S) - 86_400}", day(-40)[:10], f" {int(START_S) - 86_400}.5 ")
LATER = (day(90), day(90), f"{int(START_S + 50 * DAY_S)}.9", day(200)[:10])
ODD: Final[dict[str, tuple[str, ...]]] = {
    "value": ("no", "no", "refused", "granted", "objected", "perhaps", ""),
    "timestamp": (*PAST, day(0.5), day(3), "yesterday", ""),
    "expiry": (*LATER, day(-1), day(-39), day(2.5), "0", "2031-01-01", "2026-13-01", ""),
    "notice": ("", "fi-2026-09", "n" * 65),
    "stores": ("fi-0042", "*", "fi-0042;fi-0043", "*;fi-0042", "Shop!"),
    "explicit": ("yes", "yes", "no", "maybe"),
    "flags": ("test", "no_profiling", "ticks;explicit", "vip"),
    "loudness_db": ("0", "4", "28", "3"),
    "identity_key": ("", "0bad", "0" * 31 + "g", "ab " * 10 + "ab", "AB" * 16),
    "purpose": ("shopping", "AP2:1551", ""),
    "subject": ("", " ", "a\x07", "x" * 257),
}


def key_of(name: str) -> str:
    return sha256(name.encode()).hexdigest()[:32]


@st.composite
def lines_of(draw: st.DrawFn) -> list[Row]:
    """Of one customer, most of them as nearly all customers' are."""
    name = draw(st.sampled_from(CUSTOMERS))
    words = draw(
        st.sampled_from(
            [
                ("presence", "ap2:1551"),
                ("presence", "offers", "ap2:1551"),
                ("ap2:1552", "presence", "service"),
                ("presence", "ap2:1001", "own:shoes"),
                ("offers",),
            ]
        )
    )
    said, until = draw(st.sampled_from(PAST)), draw(st.sampled_from(LATER))
    key = key_of(draw(st.sampled_from(CUSTOMERS)) if draw(st.integers(0, 9)) == 0 else name)
    clean = {"subject": name, "value": "given", "timestamp": said, "expiry": until}
    rows = [{**clean, "purpose": word, "notice": "fi-2026-03"} for word in words]
    rows[0]["identity_key"] = key
    for _ in range(draw(st.sampled_from((0, 0, 0, 0, 1, 2)))):
        column = draw(st.sampled_from([*ODD, *["value", "timestamp", "expiry"] * 2]))
        draw(st.sampled_from(rows))[column] = draw(st.sampled_from(ODD[column]))
    if draw(st.integers(0, 9)) == 0:
        rows.append(
            {**draw(st.sampled_from(rows)), "value": draw(st.sampled_from(("no", "given")))}
        )
    return rows


@st.composite
def exports(draw: st.DrawFn) -> list[Row]:
    rows = [row for rows in draw(st.lists(lines_of(), max_size=7)) for row in rows]
    return draw(st.permutations(rows)) if draw(st.integers(0, 4)) == 0 else rows


decisions = st.tuples(
    st.sampled_from(["withdraw", "object", "narrow", "pause", "resume"]), st.sampled_from(CUSTOMERS)
)
steps = st.tuples(st.sampled_from((0.0, 1.0)), exports(), st.lists(decisions, max_size=2))


def csv_of(rows: list[Row], *, marked: bool, end: str) -> bytes:
    names = NAMES.split(",")
    lines = [f"{NAMES},email"]
    for number, row in enumerate(rows):
        values = [row.get(name, "") for name in names]
        lines.append(",".join([*values, "someone@example.org"]) + (",more" if number == 40 else ""))
    return (b"\xef\xbb\xbf" if marked else b"") + "".join(line + end for line in lines).encode()


def decide(service: ConsentService, action: str, name: str) -> None:
    if not service.knows(name):
        return
    if action == "narrow":
        service.narrow(name, categories=["ap2:1551"], purposes=[Purpose.OFFERS])
    elif action == "pause":
        service.pause(name, START_S + 9 * DAY_S)
    else:
        getattr(service, action)(name)


@pytest.fixture(scope="module")
def begun() -> Iterator[Path]:
    """A list with an audience and a notice that were named while customers agreed."""
    with TemporaryDirectory() as folder:
        clock = Clock(START_S - 30 * DAY_S)
        service = a_service(Path(folder), clock, audiences=AUDIENCES, service_key=bytes(range(32)))
        service.change_settings(
            Change(
                notice="fi-2026-06",
                audiences={"offers-main": Purpose.OFFERS},
                since_s=START_S - 31 * DAY_S,
            )
        )
        service.close()
        yield Path(folder)


def played(begun: Path, some: list[Step], *, marked: bool, end: str, by_line: bool) -> list[Any]:
    found = []
    with TemporaryDirectory() as folder:
        shutil.copytree(begun, folder, dirs_exist_ok=True)
        clock, home = Clock(), Path(folder)
        service = ConsentService(home / "service", home / "repository", clock=clock)
        for days, rows, decided in some:
            clock.now_s += days * DAY_S
            content = io.BytesIO(csv_of(rows, marked=marked, end=end))
            text = io.TextIOWrapper(content, encoding="utf-8-sig", newline="")
            told: list[Revocation] = []
            done = import_rows(
                service,
                rows_of_csv(text),
                audiences=service.settings.audiences,
                told=told.append,
                by_line=by_line,
            )
            for action, name in decided:
                decide(service, action, name)
            found += [said_of(done, told), register_of(service), [*service.export()]]
        service.close()
    return found


CLEAN: Final[list[Row]] = [
    {"subject": name, "purpose": word, "value": "given", "timestamp": day(-2), "expiry": day(90)}
    | ({"identity_key": key_of(name)} if word == "presence" else {})
    for name in CUSTOMERS
    for word in ("presence", "ap2:1551")
]


@given(
    some=st.lists(steps, min_size=1, max_size=3),
    marked=st.booleans(),
    end=st.sampled_from(["\n", "\r\n"]),
)
@example(some=[(0.0, CLEAN, []), (1.0, CLEAN, [])], marked=True, end="\r\n")
def test_together_customers_come_to_what_they_come_to_one_by_one(
    begun: Path, some: list[Step], marked: bool, end: str
) -> None:
    together, by_line = (
        played(begun, some, marked=marked, end=end, by_line=by_line) for by_line in (False, True)
    )
    assert together == by_line
