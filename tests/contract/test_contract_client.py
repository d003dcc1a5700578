"""The client for engines of others reads what gateways write, and judges as the schemas do."""

import asyncio
import copy
import json
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence import contract
from presence.contract import (
    ConsentReference,
    EnteredData,
    EnteredEvent,
    LeftData,
    LeftEvent,
    NotInContract,
    SubjectTable,
    WithdrawnData,
    WithdrawnEvent,
    faults,
    read_customers,
    read_event,
    read_time,
    schema,
    schema_ids,
    subject,
)
from presence.contract.schemas import ID_PREFIX
from presence.core.event.cloudevent import STABLE_DAY, subject_of_day
from tests.support import contract as judged
from tests.support.brokers import mosquitto, needs_mosquitto
from tests.support.mqtt_parts import an_event, message, new_publisher, running
from tests.support.paths import ROOT

VECTORS = ROOT / "tests" / "vectors"
KINDS = ("entered", "left", "withdrawn")
GOLDEN = {kind: json.loads((VECTORS / f"event-{kind}.json").read_bytes()) for kind in KINDS}
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
CLASSES: dict[str, type] = {
    "entered-event-1.0": EnteredEvent,
    "left-event-1.0": LeftEvent,
    "withdrawn-event-1.0": WithdrawnEvent,
    "entered-1.0": EnteredData,
    "left-1.0": LeftData,
    "withdrawn-1.0": WithdrawnData,
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_golden_event_is_read_into_its_type(kind: str) -> None:
    payload = (VECTORS / f"event-{kind}.json").read_bytes()
    event = read_event(payload)
    assert type(event) is CLASSES[f"{kind}-event-1.0"]
    assert event.key == (GOLDEN[kind]["source"], GOLDEN[kind]["id"])
    assert (event.extensions, event.dataschema) == ({}, GOLDEN[kind]["dataschema"])
    assert read_event(payload.ljust(2048)) == event, "padded (events.pad_to_bytes)"


def test_an_entered_event_says_what_was_written() -> None:
    event = read_event(json.dumps(GOLDEN["entered"]))
    assert event.time == datetime(2026, 11, 23, 14, 5, tzinfo=UTC)
    assert event.data == EnteredData(
        audience="offers-main",
        store="fi-0042",
        purposes=("offers",),
        allow=("ap2:1285", "ap2:1551"),
        valid_until=datetime(2026, 11, 23, 14, 35, tzinfo=UTC),
        consent=ConsentReference(7, "fi-2026-03"),
        assurance="broadcast",
    )


def test_a_withdrawn_event_names_the_key_of_the_entered_one() -> None:
    taken_back, entered = (read_event(json.dumps(GOLDEN[k])) for k in ("withdrawn", "entered"))
    assert isinstance(taken_back, WithdrawnEvent)
    assert taken_back.entered_key == entered.key


@pytest.mark.parametrize("name", CLASSES)
def test_a_type_has_the_title_and_the_fields_of_its_schema(name: str) -> None:
    described = schema(ID_PREFIX + name)
    implied = {"specversion", "type", "datacontenttype"} if "event" in name else set()
    assert described["title"] == CLASSES[name].__name__
    own = {each.name for each in fields(CLASSES[name])} - {"extensions"}
    assert own == described["properties"].keys() - implied
    assert set(described["required"]) == described["properties"].keys(), "and all are required"


def test_what_a_later_minor_and_a_mediator_add_is_no_obstacle() -> None:
    event = copy.deepcopy(GOLDEN["entered"])
    event["dataschema"] = "urn:presence:schema:entered-1.7"
    event["data"]["language"] = event["data"]["consent"]["language"] = "fi"
    event["traceparent"] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    event["time"] = "2026-11-23T16:05:00.000+02:00"
    read = read_event(json.dumps(event))
    original = read_event(json.dumps(GOLDEN["entered"]))
    assert (read.data, read.time) == (original.data, original.time)
    assert read.extensions == {"traceparent": event["traceparent"]}


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe\xff",
        b"[" * 60_000,
        b" " * (1 << 17),
        b'{"type":["x"]}',
    ],
)
def test_what_is_no_event_is_not_read(payload: bytes) -> None:
    with pytest.raises(NotInContract):
        read_event(payload)


@pytest.mark.requirement("R-28")
@pytest.mark.parametrize(
    "change",
    [
        {"type": "presence.entered.v2"},
        {"subject": "anna@example.com"},
        {"time": "2026-02-30T14:05:00Z"},
        {"time": "9999-12-31T23:59:59-23:59"},
        {"data_base64": "aGVq"},
    ],
)
def test_a_wrong_event_is_refused_without_a_word_of_it(change: dict[str, str]) -> None:
    with pytest.raises(NotInContract) as refused:
        read_event(json.dumps(GOLDEN["entered"] | change))
    assert not any(value in str(refused.value) for value in change.values())


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("2026-11-23T14:05:00Z", "2026-11-23T14:05:00+00:00"),
        ("2026-11-23t14:05:00.000z", "2026-11-23T14:05:00+00:00"),
        ("2026-11-23T16:05:00.123456789+02:00", "2026-11-23T14:05:00.123456+00:00"),
        ("2026-12-31T23:59:60Z", "2027-01-01T00:00:00+00:00"),
        ("2026-12-31T23:59:60.5Z", "2027-01-01T00:00:00.500000+00:00"),
    ],
)
def test_a_time_is_read_in_every_spelling(text: str, wanted: str) -> None:
    assert read_time(text).isoformat() == wanted


# ---------------------------------------------------------------- as jsonschema judges


def places(value: Any) -> list[list[str | int]]:
    """The path of every value inside."""
    inner: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    return [[]] + [[key, *path] for key, each in inner for path in places(each)]


VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-2, 2)
    | st.sampled_from([1.0, 0.5, "", "x", "offers", "ap2:1285", "1.0", "p_" + "a" * 22, "a\n"])
    | st.just([])
    | st.just(["offers", "offers"])
    | st.just({})
)


@given(st.sampled_from(judged.schema_names()), st.data())
def test_the_contract_judges_as_jsonschema_does(name: str, data: st.DataObject) -> None:
    value = copy.deepcopy(data.draw(st.sampled_from(judged.schema(name)["examples"])))
    for _ in range(data.draw(st.integers(0, 3))):
        path = data.draw(st.sampled_from(places(value)))
        if not path:
            continue
        holder = value
        for step in path[:-1]:
            holder = holder[step]
        if data.draw(st.booleans()):
            del holder[path[-1]]
        else:
            holder[path[-1]] = copy.deepcopy(data.draw(VALUES))
    wanted = judged.problems(value, name, judged.as_it_is)
    assert bool(faults(value, ID_PREFIX + name)) == bool(wanted)


def test_a_line_feed_behind_a_name_is_a_fault() -> None:
    event = GOLDEN["entered"] | {"id": GOLDEN["entered"]["id"] + "\n"}
    assert faults(event, f"{ID_PREFIX}entered-event-1.0") == ["$.id: pattern"]


def test_the_ids_lead_to_the_schemas_and_no_other_id_to_any() -> None:
    assert [each.removeprefix(ID_PREFIX) for each in schema_ids()] == list(judged.schema_names())
    assert all(schema(each)["$id"] == each for each in schema_ids())
    with pytest.raises(KeyError):
        schema(f"{ID_PREFIX}../contract/entered-1.0")


# ---------------------------------------------------------------- subjects


@pytest.mark.requirement("R-22")
@given(st.binary(min_size=16, max_size=16), st.dates().map(str) | st.just(STABLE_DAY.decode()))
def test_a_subject_is_that_of_the_gateway(key: bytes, day: str) -> None:
    assert subject(key, day) == subject_of_day(key, day.encode())


@pytest.mark.requirement("R-22")
def test_a_table_knows_its_customers_yesterday_today_tomorrow_and_for_good() -> None:
    keys = read_customers(['{"customer": "Anna", "pairwise_key": "' + "a1" * 16 + '"}', "\n"])
    table = SubjectTable(keys)
    known = ("2026-11-22", "2026-11-23", "2026-11-24", "stable")
    assert {table.customer(subject(keys["Anna"], day), NOON) for day in known} == {"Anna"}
    assert table.customer(subject(keys["Anna"], "2026-11-21"), NOON) is None
    assert table.customer(subject(bytes(16), "2026-11-23"), NOON) is None
    later = NOON.replace(day=25)
    assert table.customer(subject(keys["Anna"], "2026-11-23"), later) is None
    assert table.customer(subject(keys["Anna"], "2026-11-26"), later) == "Anna"


# ---------------------------------------------------------------- for others


def test_it_works_where_nothing_but_its_folder_and_the_schemas_is_installed(tmp_path: Path) -> None:
    """Without site-packages: whatever of the daemon it needed would be missing."""
    package = tmp_path / "presence"
    package.mkdir()
    (package / "__init__.py").touch()
    for folder in ("contract", "schemas"):
        (package / folder).symlink_to(ROOT / "presence" / folder)
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from presence.contract import read_event\n"
        "print(read_event(sys.stdin.read()).data.audience)"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program],
        input=an_event(), capture_output=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == b"offers-main"


def test_everything_that_it_offers_is_there() -> None:
    assert all(hasattr(contract, name) for name in contract.__all__)


# ---------------------------------------------------------------- the example


TYPESCRIPT = ROOT / "clients" / "typescript"
BUILT = TYPESCRIPT / "dist" / "example" / "engine.js"
PYTHON_ENGINE = (sys.executable, str(ROOT / "scripts" / "example_engine.py"))
not_built = pytest.mark.skipif(
    not BUILT.exists() or shutil.which("node") is None,
    reason="not run on this machine: scripts/contract builds the client in TypeScript (node, npm)",
)
ENGINES = [
    pytest.param(PYTHON_ENGINE, id="python"),
    pytest.param(("node", str(BUILT)), id="typescript", marks=not_built),
]


@pytest.mark.parametrize(
    ("language", "example"),
    [
        ("python", ROOT / "scripts" / "example_engine.py"),
        ("ts", TYPESCRIPT / "example" / "engine.ts"),
    ],
)
def test_the_guide_shows_the_examples_as_they_are(language: str, example: Path) -> None:
    guide = (ROOT / "docs" / "offer-engine.md").read_text(encoding="utf-8")
    text = example.read_text(encoding="utf-8")
    assert f"```{language}\n{text}```\n" in guide
    assert "An engine in fifty lines" in guide
    assert len([line for line in text.splitlines() if line.strip()]) <= 50


def test_the_schemas_of_the_client_in_typescript_are_those_of_the_package() -> None:
    """Also where there is no node; `scripts/contract --write` makes them anew."""
    written = (TYPESCRIPT / "src" / "schemas.ts").read_text(encoding="utf-8")
    _, _, value = written.partition(" = ")
    assert json.loads(value.rstrip().rstrip(";")) == {each: schema(each) for each in schema_ids()}


@needs_mosquitto
@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
async def test_the_example_engine_acts_once_and_only_where_it_may(
    tmp_path: Path, engine: tuple[str, str]
) -> None:
    """Copies, a withdrawal before its entered, strangers, nonsense; and an event that came while
    the engine was away.
    """
    customers = tmp_path / "customers.jsonl"
    customers.write_text(json.dumps({"customer": "Dana", "pairwise_key": bytes(16).hex()}))
    day = datetime.now(UTC).date().isoformat()
    mine, theirs = subject(bytes(16), day), subject(bytes(range(16)), day)
    async with mosquitto(tmp_path) as broker, running(new_publisher(broker.port)) as publisher:

        async def say(payload: bytes) -> None:
            await publisher.publish(message(payload=payload))

        async with example_engine(engine, broker.port, customers) as said:
            for payload in (
                now_entered("a", theirs), now_entered("b", mine), now_entered("b", mine),
                now_taken_back("c"), now_entered("c", mine), now_entered("d", mine, allow=[]),
                now_entered("e", mine, valid_until=EARLIER), now_entered("f", mine),
            ):  # fmt: skip
                await say(payload)
            wanted = {"to": "Dana", "about": "ap2:1285"}
            assert [json.loads(await said()), json.loads(await said())] == [wanted, wanted]
        await say(now_entered("g", mine, allow=["ap2:1551"]))
        async with example_engine(engine, broker.port, customers) as said:
            first = json.loads(await said())
            if first == wanted:  # killed before its PUBACK went out: at least once, says the guide
                first = json.loads(await said())
            assert first == {"to": "Dana", "about": "ap2:1551"}


EARLIER = "2026-11-23T14:05:00Z"


def now_entered(number: str, subject_: str, **data: Any) -> bytes:
    event = copy.deepcopy(GOLDEN["entered"])
    now = datetime.now(UTC).replace(microsecond=0)
    until = (now + timedelta(minutes=5)).isoformat().replace("+00:00", "Z")
    event |= {"id": number * 26, "subject": subject_}
    event |= {"time": now.strftime("%Y-%m-%dT%H:%M:00Z")}
    event["data"] |= {"valid_until": until, **data}
    return json.dumps(event).encode()


def now_taken_back(number: str) -> bytes:
    event = copy.deepcopy(GOLDEN["withdrawn"])
    event["data"]["entered_id"] = number * 26
    return json.dumps(event).encode()


@asynccontextmanager
async def example_engine(
    program: tuple[str, str], port: int, customers: Path
) -> AsyncIterator[Callable[[], Awaitable[bytes]]]:
    """The example as a process that has subscribed; gives its lines."""
    engine = await asyncio.create_subprocess_exec(
        *program, "acme", "fi-0042", "offers-main", customers, str(port),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert engine.stdout is not None
    assert engine.stderr is not None
    lines = engine.stdout
    try:
        assert await asyncio.wait_for(engine.stderr.readline(), 60) == b"listening\n"
        yield lambda: asyncio.wait_for(lines.readline(), 60)
    finally:
        engine.kill()
        await engine.wait()
