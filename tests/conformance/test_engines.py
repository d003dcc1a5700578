"""The kit against real engines on a real broker: the reference passes, and who breaks one rule
fails for that one.
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from presence.config.settings import MqttSettings
from presence.conformance.customers import make_customers, read_customers
from presence.conformance.rules import ONCE
from presence.conformance.run import RunPlan, play_all
from presence.conformance.shop import Shop
from presence.core.site import Site
from presence.simulation.local_broker import LocalBroker, free_port
from tests.support.brokers import needs_mosquitto
from tests.support.paths import ROOT

SCHEMA = json.loads((ROOT / "docs" / "engine-test.schema.json").read_text())
WHOLE_PLAN = {"copies", "withdrawn-first", "expired", "replayed", "foreign", "minor", "cut"}

Broken = set[tuple[str, str]]
"""Case and rule."""


def quiet_now() -> str:
    now = datetime.now(UTC)
    return f"{now - timedelta(hours=1):%H:%M}-{now + timedelta(hours=1):%H:%M}"


@asynccontextmanager
async def engine(fault: str, customers: Path, *options: str) -> AsyncIterator[None]:
    """A process of its own; it listens when the block is entered."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.broken_engines", fault, "--audience=offers-main"),
        *("--chain=acme", f"--customers={customers}", *options),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONWARNINGS": "error"},
    )
    assert process.stderr is not None
    try:
        yield
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


async def judged(
    port: int, customers: Path, number: int, fault: str, *, quiet: str = "", service: str = ""
) -> dict[str, Any]:
    """One engine in a store of its own, connected through the kit's wire."""
    wire, waits = free_port(), asyncio.Event()
    plan = RunPlan(
        mqtt=MqttSettings(port=port),
        shop=Shop(
            Site("acme", f"fi-{number:04}"),
            "offers-main",
            ("ap2:1551",),
            "service" if service else "offers",
        ),
        customers=read_customers(customers),
        listen=("127.0.0.1", wire),
        quiet=bool(quiet),
        patience_s=3 if quiet else 8,
    )

    def say(said: object) -> None:
        if isinstance(said, str):  # its only word: it waits for the engine
            waits.set()

    options = [f"--port={wire}", f"--store=fi-{number:04}", f"--service={service}"]
    if quiet:
        options.append(f"--quiet={quiet}")
    async with asyncio.TaskGroup() as tasks:
        run = tasks.create_task(play_all(plan, say))
        await waits.wait()
        async with engine(fault, customers, *options):
            return (await run).as_dict()


def failed(report: dict[str, Any]) -> Broken:
    return {(case["name"], case["rule"]) for case in report["cases"] if case["verdict"] != "PASS"}


@pytest.fixture
def customers(tmp_path: Path) -> Path:
    make_customers(tmp_path / "customers.jsonl")
    return tmp_path / "customers.jsonl"


FOUND: dict[str, Broken] = {
    "none": set(),
    "acts-on-copies": {("copies", "E-3"), ("reconnect", "E-3")},
    "forgets-withdrawals": {("withdrawn-first", "E-4")},
    "ignores-validity": {("expired", "E-2")},
    "knows-no-date": {("replayed", "E-2")},
    "takes-strangers": {("foreign", "E-9")},
    "dies-of-new-minors": {("minor", "E-10")},
    "no-word-of-stopping": {("form", "E-6")},
    "loses-its-session": {("cut", "E-11")},
}


@needs_mosquitto
@pytest.mark.slow
@pytest.mark.requirement("R-55", "R-53", "R-58")
async def test_the_reference_passes_and_each_broken_engine_fails_for_its_reason(
    customers: Path,
) -> None:
    async with LocalBroker.start("mosquitto") as broker:
        reports = await asyncio.gather(
            *(judged(broker.port, customers, n, fault) for n, fault in enumerate(FOUND))
        )
    said = dict(zip(FOUND, reports, strict=True))
    assert {fault: failed(report) for fault, report in said.items()} == FOUND, said
    assert {fault: report["verdict"] for fault, report in said.items()} == {
        fault: "FAIL" if broken else "PASS" for fault, broken in FOUND.items()
    }
    for report in reports:
        jsonschema.validate(report, SCHEMA)
        assert {case["name"] for case in report["cases"]} >= WHOLE_PLAN


@needs_mosquitto
@pytest.mark.slow
@pytest.mark.requirement("R-05", "R-55")
async def test_an_engine_that_serves_passes_and_one_that_advertises_instead_fails(
    customers: Path,
) -> None:
    async with LocalBroker.start("mosquitto") as broker:
        serves, advertises = await asyncio.gather(
            *(
                judged(broker.port, customers, n, fault, service="Your parcel is ready")
                for n, fault in enumerate(("none", "advertises-to-all"))
            )
        )
    assert (serves["verdict"], failed(serves)) == ("PASS", set()), serves
    assert failed(advertises) == {("form", "E-1")}


@needs_mosquitto
@pytest.mark.slow
async def test_in_quiet_hours_only_they_are_tested_and_who_speaks_then_fails(
    customers: Path,
) -> None:
    async with LocalBroker.start("mosquitto") as broker:
        polite, rude = await asyncio.gather(
            *(
                judged(broker.port, customers, n, fault, quiet=quiet_now())
                for n, fault in enumerate(("none", "knows-no-quiet-hours"))
            )
        )
    assert (polite["verdict"], failed(polite)) == ("PASS", set())
    assert failed(rude) == {("quiet", "E-7")}
    assert [case["name"] for case in polite["cases"]] == ["quiet"]
    assert "run the kit outside them" in polite["not_played"][0]["why"]


@needs_mosquitto
@pytest.mark.slow
async def test_the_command_says_each_verdict_and_ends_by_the_worst_and_names_no_customer(
    customers: Path,
) -> None:
    async with LocalBroker.start("mosquitto") as broker:
        options = (f"--port={broker.port}", "--store=fi-0042")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "presence", "engine-test", "--audience=offers-main"),
            *("--chain=acme", f"--customers={customers}", "--json", *options),
            *("--patience=20", "--cases=plain,copies,expired"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=ROOT,
        )
        async with engine("acts-on-copies", customers, *options):
            out, err = await process.communicate()
    assert process.returncode == 2
    report = json.loads(out)
    jsonschema.validate(report, SCHEMA)
    assert failed(report) == {("copies", "E-3")}
    lines = err.decode().splitlines()
    assert lines[0].startswith("3 of 18 cases on presence/v1/acme/fi-0042/evt/offers-main: about ")
    assert [line.split()[:2] for line in lines if line[:4] in ("PASS", "FAIL")] == [
        [case["verdict"], case["name"]] for case in report["cases"]
    ]
    assert any(line.strip() == f"→ {ONCE}" for line in lines)
    assert "engine-test-" not in err.decode() + out.decode()
