"""`presence engine-test` at the command line: what it prints, its JSON, and its exit codes."""

import asyncio
import json
import sys
from pathlib import Path

import jsonschema
import pytest

from presence.cli import main
from presence.cli.engine_test import show
from presence.conformance import rules
from presence.conformance.customers import make_customers
from presence.conformance.run import Judged, NotJudged, RunOutcome
from presence.diagnosis.findings import Verdict
from presence.simulation.local_broker import LocalBroker, free_port
from tests.support.brokers import needs_mosquitto
from tests.support.paths import ROOT

SCHEMA = json.loads((ROOT / "docs" / "engine-test.schema.json").read_text())
GOLDEN = ROOT / "tests" / "vectors" / "engine-test.json"
OUTCOME = RunOutcome(
    topic="presence/v1/acme/fi-0042/evt/offers-main",
    seconds=12.34,
    cases=[
        Judged("plain", Verdict.PASS, rules.FORM, "an event is answered"),
        Judged("late", Verdict.WARN, rules.VALID, "an event that came late was not answered"),
        Judged("copies", Verdict.FAIL, rules.ONCE, "one event was answered 3 times"),
    ],
    not_played=[NotJudged("cut", "it needs --listen PORT")],
)
WHERE = ("--chain=acme", "--store=fi-0042", "--audience=offers-main")


@pytest.fixture
def customers(tmp_path: Path) -> str:
    make_customers(tmp_path / "customers.jsonl")
    return f"--customers={tmp_path / 'customers.jsonl'}"


def test_the_json_is_the_golden_one_and_as_the_schema_has_it() -> None:
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    assert OUTCOME.as_dict() == golden
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(golden, SCHEMA)


@pytest.mark.parametrize(
    "change", [{"customer": "Anna"}, {"verdict": "GOOD"}, {"cases": []}, {"not_played": [{}]}]
)
def test_the_schema_lets_nothing_else_through(change: dict[str, object]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(OUTCOME.as_dict() | change, SCHEMA)


def test_a_broken_rule_is_quoted_below_the_case(capsys: pytest.CaptureFixture[str]) -> None:
    for said in (*OUTCOME.cases, *OUTCOME.not_played):
        show(said, sys.stdout)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "PASS  plain            an event is answered"
    assert lines[-2].strip() == f"→ {rules.ONCE}"
    assert lines[-1] == "-     cut              not played: it needs --listen PORT"


def test_customers_are_made_and_not_made_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["engine-test", f"--make-customers={tmp_path / 'customers.jsonl'}"]
    assert (main(command), main(command)) == (0, 69)
    assert "file exists" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--store=b", "--audience=c"), "--chain and --store: are missing"),
        (("--chain=a", "--store=b"), "--audience: is missing"),
        ((*WHERE, "--tls-cert=x.pem"), "--tls-ca: is missing"),
        ((*WHERE, "--config=presence.yaml"), "--chain: stands in --config already"),
        ((*WHERE, "--cases=quiet"), "it needs --quiet HOURS"),
        ((*WHERE, "--quiet=00:00-24:00", "--cases=copies"), "run the kit outside them"),
        ((*WHERE, "--quiet=21:00-09:00", "--time-zone=Narnia"), "--time-zone: Narnia is none"),
    ],
)
def test_options_that_cannot_be_used_are_named(
    options: tuple[str, ...], complaint: str, customers: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["engine-test", customers, *options]) == 64
    assert complaint in capsys.readouterr().err


def test_a_file_for_the_broker_that_cannot_be_used_is_named_as_in_a_configuration(
    customers: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["engine-test", customers, *WHERE, "--tls-ca=/nowhere.pem"]) == 78
    assert "/nowhere.pem cannot be used" in capsys.readouterr().err


@pytest.mark.parametrize(
    "option",
    [
        "--cases=none",
        "--allow=cars",
        "--listen=0",
        "--listen=door",
        "--quiet=25:00-09:00",
        "--quiet=21-9",
        "--patience=0",
        "--audience=Anna Smith",
    ],
)
def test_options_of_the_wrong_shape_are_refused(option: str, customers: str) -> None:
    with pytest.raises(SystemExit) as ending:
        main(["engine-test", customers, *WHERE, option])
    assert ending.value.code == 64


def test_without_a_broker_nothing_could_be_tested(
    customers: str, capsys: pytest.CaptureFixture[str]
) -> None:
    port = free_port()
    assert main(["engine-test", customers, *WHERE, f"--port={port}"]) == 69
    said = capsys.readouterr()
    assert f"broker 127.0.0.1:{port}: " in said.err
    assert "17 of 18 cases on presence/v1/acme/fi-0042/evt/offers-main: about " in said.out


@needs_mosquitto
async def test_without_an_engine_nothing_could_be_tested_and_it_says_where_to_look(
    customers: str,
) -> None:
    async with LocalBroker.start("mosquitto") as broker:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "presence", "engine-test", customers, *WHERE),
            *("--patience=0.2", "--json", f"--port={broker.port}"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=ROOT,
        )
        out, err = await process.communicate()
    assert (process.returncode, out) == (69, b"")
    assert b"does the engine run, and hear that topic?" in err
    assert b"nobody is subscribed to it, says the broker (0x10)" in err
