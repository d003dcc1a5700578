"""What commands print with `--json`: as their schemas say it, and byte for byte as programs of
others read it today.
"""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from presence.cli import main
from presence.cli.parsers import parser
from presence.cli.subject_report import Holding, report_of
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
from presence.core.site import Site
from presence.core.visit.crossings import CounterRefusal
from presence.diagnosis.findings import Finding, Verdict
from presence.edges.host.audit_files import FILE_NAME
from scripts.app_emulator.__main__ import main as emulator
from scripts.app_emulator.__main__ import make_parser as emulators
from tests.support.builders import START_S, consent
from tests.support.command_line import commands_of
from tests.support.json_answers import golden, judged, schema
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


GOLDEN = (
    *("app-emulator-doorbell", "app-emulator-show", "audit-verify", "check", "demo"),
    *("incident-export", "replay", "scan-test", "status", "subject-report", "support-bundle"),
)
ANSWERS = {("audit",): (("audit-verify", ""), ("audit-show", ""))}
"""Of commands whose schema has not their own name."""


@pytest.mark.parametrize("name", GOLDEN)
def test_the_golden_answer_is_what_the_schema_says_and_has_no_name_that_it_does_not_know(
    name: str,
) -> None:
    judged(name, golden(name))


def schemas_of(words: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """The schema of what a command prints, and the part of it."""
    if words[0] == "consents":
        return (("consents", words[1]),)
    return ANSWERS.get(words, (("-".join(words), ""),))


def test_every_command_that_answers_in_json_has_a_schema_and_the_page_leads_to_it() -> None:
    everything = (
        *commands_of(parser()),
        *commands_of(emulators(), ("app-emulator",)),
    )
    asked = {
        words: command
        for words, command in everything
        if "--json" in command._option_string_actions
    }
    page = (ROOT / "docs" / "operations.md").read_text("utf-8").partition("## JSON")[2]
    page = page.partition("\n## ")[0]
    assert ("check",) in asked
    assert ("consents", "export") in asked
    assert ("app-emulator", "doorbell") in asked
    for words in asked:
        for name, part in schemas_of(words):
            assert schema(name, part)["title" if not part else "$defs"], words
            assert f"]({name}.schema.json)" in page, words


def test_no_command_prints_json_that_is_not_asked_for_by_name() -> None:
    """A command whose work writes JSON takes `--json`, or nobody finds its schema above."""
    taking = {
        command.get_default("work").partition(":")[0]
        for _, command in commands_of(parser())
        if "--json" in command._option_string_actions
    }
    shared = {"presence.cli.consents.options", "presence.cli.consents.bar"}
    printing = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in (ROOT / "presence" / "cli").rglob("*.py")
        if "print(json.dumps(" in path.read_text("utf-8").replace("\n", "").replace(" ", "")
        or "print(json.dumps(" in path.read_text("utf-8")
    }
    assert "presence.cli.check" in printing
    assert printing - taking - shared == set()


def test_a_gateways_status_is_the_golden_one() -> None:
    assert json.loads(json.dumps({"running": True, **as_json(FULL)})) == golden("status")


def test_no_gateway_is_a_status_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--socket", str(tmp_path / "status.sock"), "--json"]) == 3
    judged("status", capsys.readouterr().out)


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
    judged("audit-verify", capsys.readouterr().out)


def test_an_audit_log_is_shown_line_by_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line, _ = encode("armed", {"armed": True}, at="2026-11-23T14:05:07Z", after=ChainLink())
    (tmp_path / FILE_NAME).write_bytes(line)
    assert main(["audit", "show", "--state-dir", str(tmp_path), "--json"]) == 0
    assert judged("audit-show", capsys.readouterr().out)["what"] == "armed"


def test_what_the_list_says_of_a_reference_is_the_golden_answer() -> None:
    holding = Holding("acme/fi-0042", 7, consent(), False, ("signed-list.sqlite",))
    site = Site("acme", "fi-0042")
    assert json.loads(json.dumps(report_of(holding, site, now_s=START_S))) == golden(
        "subject-report"
    )
    none = replace(holding, consent=None)
    judged("subject-report", report_of(none, site, now_s=START_S))


def test_the_sample_is_replayed_as_the_golden_answer_says(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    samples = "docs/samples/walk.btsnoop", "--config", "docs/samples/presence.yaml"
    assert main(["replay", *samples, "--json"]) == 0
    speed = {"seconds": 0, "reports_per_second": 0}
    assert judged("replay", capsys.readouterr().out) | speed == golden("replay") | speed


def test_the_emulator_shows_the_golden_payload(capsys: pytest.CaptureFixture[str]) -> None:
    key = ["--identity-key", "000102030405060708090a0b0c0d0e0f", "--start", "1795442707"]
    assert emulator(["show", "--format", "E1", *key, "--json"]) == 0
    assert judged("app-emulator-show", capsys.readouterr().out) == golden("app-emulator-show")


def test_a_check_answers_in_the_form_of_its_schema(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = tmp_path / "presence.yaml"
    assert main(["check", "--config", str(missing), "--json"]) == 78
    answer = json.loads(capsys.readouterr().out)
    judged("check", answer)
    assert answer["findings"][0]["name"] == "configuration"
    assert Finding("clock", Verdict.PASS, "well").as_dict() == golden("check")["findings"][0]
