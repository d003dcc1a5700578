"""A messy export of some thousand lines, seeded, comes to what it came to before imports were made
faster: every message, every revocation, and the register to the last entry.

`python -m tests.consent_service.test_import_golden` writes it anew: only where a rule changes.
"""

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from presence.consent_service.import_lines import rows_of_csv, rows_of_json_lines
from presence.consent_service.importing import import_rows
from presence.consent_service.service import ConsentService
from presence.core.consent.model import Purpose
from presence.core.consent.revocation import Revocation
from tests.support.builders import START_S
from tests.support.consent_services import DAY_S, Clock, a_service
from tests.support.imports import register_of, said_of

GOLDEN = Path(__file__).with_name("import-golden.json")
AUDIENCES = {"offers-main": Purpose.OFFERS, "collect": Purpose.SERVICE, "front": Purpose.PRESENCE}
NAMES = (
    "subject,purpose,value,timestamp,notice,expiry,identity_key,stores,explicit,flags,loudness_db"
)
CUSTOMERS = 1200
PURPOSES = ("offers", "service", "profiling", "visit_end", "measurement")
CATEGORIES = ("ap2:1551", "ap2:1552", "ap2:1285", "ap2:1001", "ap2:1576", "own:shoes")
Row = dict[str, str]


def a_time(chance: random.Random, first_day: int, last_day: int) -> str:
    """In any of the spellings that are taken."""
    seconds = int(START_S) + chance.randrange(first_day * 86_400, last_day * 86_400)
    day = seconds // 86_400 * 86_400
    dates = (day - int(START_S) // 86_400 * 86_400) // 86_400
    return chance.choice(
        (f"{seconds}", f"{seconds}.5", f"{day}", f" {seconds} ", _date(dates), _date(dates))
    )


def _date(days: int) -> str:
    return (datetime.fromtimestamp(START_S, UTC) + timedelta(days=days)).date().isoformat()


def lines_of(chance: random.Random, number: int, first_day: int, last_day: int) -> Iterator[Row]:
    """Of one customer; now and then with two lines for one word, a refusal, or a mistake."""
    subject = f"customer-{number}" if number % 17 else f"Kund Nº {number}"
    key = sha256(f"key {number}".encode()).hexdigest()[:32]
    if chance.random() < 0.02:
        key = sha256(f"key {number - 1}".encode()).hexdigest()[:32]
    said, until = a_time(chance, first_day, last_day), a_time(chance, 30, 300)
    whole = {"subject": subject, "timestamp": said, "expiry": until, "notice": "fi-2026-03"}
    yield {
        **whole,
        "purpose": "presence",
        "value": "given" if chance.random() < 0.93 else "no",
        "identity_key": key if chance.random() < 0.97 else "",
        "stores": chance.choice(("", "", "", "fi-0042", "*", "fi-0042;fi-0043")),
        "explicit": "yes" if chance.random() < 0.1 else "",
        "flags": chance.choice(("",) * 9 + ("test", "no_profiling", "ticks;explicit")),
        "loudness_db": chance.choice(("", "", "", "0", "4", "28")),
    }
    for word in chance.sample((*PURPOSES, *CATEGORIES), chance.randrange(4)):
        value = chance.choice(("given",) * 6 + ("granted", "refused", "0"))
        one = {**whole, "purpose": word, "value": value}
        if chance.random() < 0.3:
            one |= {"timestamp": a_time(chance, first_day, last_day)}
        if chance.random() < 0.3:
            one |= {"expiry": a_time(chance, -5, 200)}
        yield one | {"explicit": chance.choice(("", "", "yes")), "notice": ""}
        if chance.random() < 0.1:
            again = {"timestamp": a_time(chance, first_day, last_day)}
            yield {**one, **again, "value": chance.choice(("no", "given"))}
    if chance.random() < 0.01:
        yield {**whole, "purpose": "offers", "value": "objected"}


MISTAKES: tuple[Row, ...] = (
    {"timestamp": "yesterday"}, {"timestamp": ""}, {"timestamp": "2031-01-01"},
    {"expiry": "2026-13-01"}, {"expiry": ""}, {"expiry": "2029-01-01"}, {"expiry": "99999999999"},
    {"value": "perhaps"}, {"value": ""}, {"purpose": "shopping"}, {"purpose": "AP2:1551"},
    {"identity_key": "0bad"}, {"identity_key": "0" * 31 + "g"}, {"identity_key": "00 " * 10 + "00"},
    {"subject": ""}, {"subject": "a\x07"}, {"subject": "x" * 257}, {"stores": "Shop!"},
    {"stores": "*;fi-0042"}, {"explicit": "maybe"}, {"flags": "vip"}, {"loudness_db": "3"},
    {"notice": "n" * 65}, {"value": "objected", "timestamp": "?"}, {"purpose": "", "value": "x"},
)  # fmt: skip


def export_of(seed: int, first_day: int, last_day: int) -> list[Row]:
    chance = random.Random(seed)
    rows = [
        row
        for number in chance.sample(range(CUSTOMERS), CUSTOMERS * 4 // 5)
        for row in lines_of(chance, number, first_day, last_day)
    ]
    for row in chance.sample(rows, len(rows) // 25):
        row.update(chance.choice(MISTAKES))
    for _ in range(200):  # lines of a customer do not always stand together
        one, other = chance.randrange(len(rows)), chance.randrange(len(rows))
        rows[one], rows[other] = rows[other], rows[one]
    return rows


def csv_of(rows: list[Row]) -> list[str]:
    names = [*NAMES.split(","), "email"]
    lines = [",".join(names)]
    for number, row in enumerate(rows):
        values = [row.get(name, "") for name in names]
        full = ",".join([*values[:-1], "someone@example.org"])
        lines.append(full + (",more" if number % 199 == 0 else "," if number % 97 == 0 else ""))
        if number % 311 == 0:
            lines += ["", f"customer-{number},presence", "\0"]
    return [f"{line}\n" for line in lines]


def json_lines_of(rows: list[Row]) -> list[str]:
    """Some values as JSON has them, and not as CSV."""
    lines = []
    for number, row in enumerate(rows):
        said: dict[str, Any] = dict(row)
        if row["timestamp"].isdigit():
            said["timestamp"] = int(row["timestamp"])
        if row["value"] in ("given", "no") and number % 2:
            said["value"] = row["value"] == "given"
        if row.get("stores") == "fi-0042;fi-0043":
            said["stores"] = ["fi-0042", "fi-0043"]
        lines.append(json.dumps(said) if number % 301 else "{oops")
    return lines


def played(folder: Path) -> dict[str, Any]:
    """Two exports, with what customers decide between them, and a third one."""
    clock = Clock()
    service = a_service(folder, clock, audiences=AUDIENCES, service_key=bytes(range(32)))
    found: dict[str, Any] = {}

    def take(name: str, rows: Any) -> None:
        revocations: list[Revocation] = []
        done = import_rows(service, rows, audiences=AUDIENCES, told=revocations.append)
        found[name] = {"said": said_of(done, revocations), "register": register_of(service)}

    take("first", rows_of_csv(csv_of(export_of(1, -30, 0))))
    service.publish(approver=service.approver())
    clock.now_s += 2 * DAY_S
    for number in range(0, CUSTOMERS, 7):
        name = f"customer-{number}"
        if service.knows(name):
            decide(service, name, number // 7)
    take("second", rows_of_json_lines(json_lines_of(export_of(2, -20, 4))))
    service.publish(approver=service.approver())
    clock.now_s += DAY_S
    take("third", rows_of_csv(csv_of(export_of(3, -10, 3))))
    service.close()
    return found


def decide(service: ConsentService, name: str, kind: int) -> None:
    if kind % 6 == 0:
        service.withdraw(name)
    elif kind % 6 == 1:
        service.narrow(name, categories=["ap2:1551"], purposes=[Purpose.OFFERS])
    elif kind % 6 == 2:
        service.pause(name, START_S + 9 * DAY_S)
    elif kind % 6 == 3:
        service.narrow(name, purposes=[Purpose.PRESENCE])
    elif kind % 6 == 4:
        service.object(name)
    else:
        service.narrow(name, categories=["ap2:1285"])


def test_a_messy_export_comes_to_what_it_always_came_to(tmp_path: Path) -> None:
    found = json.loads(json.dumps(played(tmp_path)))
    expected = json.loads(GOLDEN.read_text(encoding="utf-8"))
    for name, export in expected.items():
        assert found[name]["said"] == export["said"], name
        assert found[name]["register"] == export["register"], name


if __name__ == "__main__":
    with TemporaryDirectory() as _folder:
        GOLDEN.write_text(json.dumps(played(Path(_folder)), indent=1) + "\n", encoding="utf-8")
