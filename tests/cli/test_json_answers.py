"""What commands print with `--json`: as their schemas say it, and byte for byte as programs of
others read it today.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from presence.cli import main
from presence.core.operations.audit_chain import ChainLink, encode
from presence.core.operations.entry_report import CounterReport
from presence.core.operations.snapshot import (
    BellState,
    DoorbellState,
    Radio,
    RadioState,
    SatelliteState,
    SatelliteStatus,
)
from presence.core.operations.status import as_json
from presence.core.place import Place
from presence.core.recognition.satellite_message import SatelliteRefusal
from presence.core.visit.crossings import CounterRefusal
from presence.diagnosis.findings import Finding, Verdict
from presence.edges.host.audit import FILE_NAME
from tests.support.paths import ROOT
from tests.support.status_answers import STICK, WELL, a_report

FULL = replace(
    WELL,
    radios=(
        Radio("hci0", RadioState.LISTENING, 0, hci="hci0", address=STICK, path="kernel"),
        Radio("usb:1-1.4", RadioState.AWAY, 70.2, place=Place.DOOR),
    ),
    satellites=(
        SatelliteStatus("back", Place.INSIDE, SatelliteState.LOST, 99, {SatelliteRefusal.STALE: 2}),
    ),
    doorbell=DoorbellState(bells=(BellState("hci1", "", 0),)),
    entry=a_report(counter=CounterReport(alive=True, refused={CounterRefusal.COPY: 5})),
)


VECTORS = ROOT / "tests" / "vectors"


def schema(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / "docs" / f"{name}.schema.json").read_text("utf-8"))
    Draft202012Validator.check_schema(found)
    return found


def golden(name: str) -> Any:
    return json.loads((VECTORS / f"{name}.json").read_text("utf-8"))


def unexplained(schema: dict[str, Any], value: Any, root: dict[str, Any]) -> Iterator[str]:
    """Names in the value that the schema has no word for."""
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
    if isinstance(value, list):
        for each in value:
            yield from unexplained(schema.get("items", {}), each, root)
    elif isinstance(value, dict):
        known, others = schema.get("properties", {}), schema.get("additionalProperties")
        for name, inner in value.items():
            if name in known or isinstance(others, dict):
                yield from unexplained(known.get(name, others), inner, root)
            else:
                yield name


@pytest.mark.parametrize("name", ["status", "check", "audit-verify"])
def test_the_golden_answer_is_what_the_schema_says_and_has_no_name_that_it_does_not_know(
    name: str,
) -> None:
    Draft202012Validator(schema(name)).validate(golden(name))
    assert list(unexplained(schema(name), golden(name), schema(name))) == []


def test_a_gateways_status_is_the_golden_one() -> None:
    assert json.loads(json.dumps({"running": True, **as_json(FULL)})) == golden("status")


def test_no_gateway_is_a_status_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--socket", str(tmp_path / "status.sock"), "--json"]) == 3
    Draft202012Validator(schema("status")).validate(json.loads(capsys.readouterr().out))


def test_an_audit_log_is_verified_as_the_golden_answer_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line, _ = encode(
        "gateway.started", {"version": "1.2"}, at="2026-11-23T14:05:07Z", after=ChainLink()
    )
    log = tmp_path / FILE_NAME
    log.write_bytes(line)
    verify = ["audit", "verify", "--state-dir", str(tmp_path), "--json"]
    assert main(verify) == 0
    assert json.loads(capsys.readouterr().out) == golden("audit-verify")
    log.write_bytes(line + b"not a line\n")
    assert main(verify) == 1
    Draft202012Validator(schema("audit-verify")).validate(json.loads(capsys.readouterr().out))


def test_a_check_answers_in_the_form_of_its_schema(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = tmp_path / "presence.yaml"
    assert main(["check", "--config", str(missing), "--json"]) == 78
    answer = json.loads(capsys.readouterr().out)
    Draft202012Validator(schema("check")).validate(answer)
    assert answer["findings"][0]["name"] == "configuration"
    assert Finding("clock", Verdict.PASS, "well").as_dict() == golden("check")["findings"][0]
