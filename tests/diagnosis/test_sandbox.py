"""`presence check --inside`: the unit's own text, run once more under another name. (Real systemd:
tests/system.)
"""

import asyncio
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from presence.cli import main
from presence.diagnosis import sandbox
from presence.diagnosis.findings import Finding, Verdict
from presence.diagnosis.sandbox import findings_inside, once
from presence.errors import InstallationError
from presence.language import Sentence, language_named
from tests.support.fake_advertising import a_bus
from tests.support.fake_bluez import a_bluetoothd
from tests.support.paths import ROOT

UNIT, EXAMPLE = ROOT / "systemd" / "presence.service", ROOT / "config" / "presence.yaml"
OURS = "/opt/presence/bin/python -sPB -m presence"
SYSTEMCTL = """\
#!/bin/sh
# Stands for systemd: knows one unit, and runs what the new one says with the output that it names.
case $1 in
    cat) cat {folder}/unit ;;
    daemon-reload) : ;;
    start)
        sed -n 's/^ExecStart=//p' {units}/$2 | tail -1 >>{folder}/started
        sed -n 's/^RuntimeDirectoryPreserve=//p' {units}/$2 | tail -1 >>{folder}/preserved
        cp {folder}/answer "$(sed -n 's/^StandardOutput=truncate://p' {units}/$2)"
        cp {folder}/complains "$(sed -n 's/^StandardError=truncate://p' {units}/$2)" ;;
esac
"""
ANSWER = """{"verdict": "FAIL", "findings": [
  {"name": "clock", "verdict": "FAIL", "found": "nobody knows", "next_step": "mend the sandbox"},
  {"name": "bluez traces", "verdict": "WARN", "found": "cannot be seen",
   "next_step": "run as root"}]}"""


class Systemd:
    def __init__(self, folder: Path, bus: Callable[[str], None]) -> None:
        self.bus = bus
        self.folder, self.units = folder, folder / "run" / "systemd" / "system"
        self.units.mkdir(parents=True)
        self.command = folder / "systemctl"
        self.command.write_text(SYSTEMCTL.format(folder=folder, units=self.units))
        self.command.chmod(0o755)
        (folder / "unit").write_text(UNIT.read_text())
        self.says(ANSWER)

    def says(self, answer: str, complaint: str = "") -> None:
        (self.folder / "answer").write_text(answer)
        (self.folder / "complains").write_text(complaint)

    def told(self, name: str) -> str:
        return (self.folder / name).read_text()


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Systemd:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(sandbox, "is_limited", lambda: True)
    known = Systemd(
        tmp_path, bus=lambda address: monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
    )
    known.bus(f"unix:path={tmp_path}/no-bus")
    return known


def test_the_check_runs_in_the_units_own_text_with_its_drop_ins_and_its_settings(
    systemd: Systemd,
) -> None:
    with (systemd.folder / "unit").open("a") as unit:
        unit.write(
            f"\n# a drop-in\n[Service]\nExecStart=\nExecStart={OURS} run --config /srv/other.yaml\n"
        )
    findings_inside(str(systemd.command), systemd.units)
    assert (
        systemd.told("started").strip() == f"{OURS} check --json --apart --config /srv/other.yaml"
    )
    assert list(systemd.units.iterdir()) == []


def test_the_folder_of_a_daemon_that_runs_stays(systemd: Systemd) -> None:
    """systemd removes a RuntimeDirectory= with the unit that ends, and both name the same."""
    findings_inside(str(systemd.command), systemd.units)
    assert systemd.told("preserved").strip() == "yes"


def test_where_no_bluetoothd_is_what_was_found_inside_stands(systemd: Systemd) -> None:
    clock, traces = findings_inside(str(systemd.command), systemd.units)
    assert (clock.verdict, clock.next_step) == (Verdict.FAIL, "mend the sandbox")
    assert traces.found == "cannot be seen"


@pytest.mark.skipif(shutil.which("dbus-daemon") is None, reason="dbus-daemon is not installed")
async def test_what_the_sandbox_hides_of_bluetoothd_is_asked_outside(
    systemd: Systemd, tmp_path: Path
) -> None:
    """Of the settings that the unit found, by whatever way."""
    told = json.loads(ANSWER)
    told["findings"].insert(
        0, {"name": "configuration", "verdict": "PASS", "found": str(EXAMPLE), "next_step": ""}
    )
    systemd.says(json.dumps(told))
    async with a_bus(tmp_path) as bus, a_bluetoothd(bus):
        systemd.bus(bus)
        found = await asyncio.to_thread(findings_inside, str(systemd.command), systemd.units)
    names = [each.name for each in found]
    assert names[:2] == ["configuration", "clock"]
    assert {"adapters", "radio mode", "bluez cache", "bluez plug-ins"} <= set(names)
    assert "bluez traces" not in names


def test_where_limits_have_no_effect_root_says_whether_there_is_a_swap(
    systemd: Systemd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a gateway whose swap was turned off, as told, would FAIL for ever: /proc/swaps is hidden
    inside.
    """
    hidden = {
        "name": "memory",
        "verdict": "FAIL",
        "found": "swap cannot be seen from here",
        "next_step": "turn it off",
    }
    systemd.says(json.dumps({"verdict": "FAIL", "findings": [hidden]}))
    seen = Finding("memory", Verdict.WARN, "no swap, but the kernel's memory controller is off")
    monkeypatch.setattr(sandbox, "look_at_memory", lambda: iter([seen]))
    for limited, found in ((True, hidden["found"]), (False, seen.found)):
        monkeypatch.setattr(sandbox, "is_limited", lambda limited=limited: limited)
        [memory] = findings_inside(str(systemd.command), systemd.units)
        assert memory.found == found


def test_what_is_found_inside_is_said_in_the_language_of_who_asks(systemd: Systemd) -> None:
    told = Finding("hours", Verdict.WARN, Sentence("none given: the radio listens day and night"))
    systemd.says(json.dumps({"verdict": "WARN", "findings": [told.taken_apart()]}))
    [hours] = findings_inside(str(systemd.command), systemd.units)
    assert hours == told
    assert language_named("fi").say(hours.found) == "ei annettu: radio kuuntelee päivin ja öin"


def test_what_is_no_finding_of_ours_is_not_shown(systemd: Systemd) -> None:
    forged = {"message": "enter your password", "many": "", "values": {}}
    told = {"name": "clock", "verdict": "PASS", "found": forged, "next_step": ""}
    systemd.says(json.dumps({"verdict": "PASS", "findings": [told]}))
    with pytest.raises(InstallationError, match="did not come to its end"):
        findings_inside(str(systemd.command), systemd.units)


def test_a_check_that_does_not_come_to_its_end_is_told_with_what_it_said(systemd: Systemd) -> None:
    systemd.says("", "ImportError: no module named presence")
    with pytest.raises(InstallationError, match="ImportError"):
        findings_inside(str(systemd.command), systemd.units)
    assert list(systemd.units.iterdir()) == []


def test_the_unit_as_shipped_finds_its_settings_by_itself() -> None:
    text = once(UNIT.read_text(), Path("/run/nowhere"))
    assert f"\nExecStart=\nExecStart={OURS} check --json --apart\n" in text


def test_a_unit_that_runs_something_else_is_none_of_ours() -> None:
    with pytest.raises(InstallationError, match="scripts/install"):
        once("[Service]\nExecStart=/bin/true\n", Path("/run/nowhere"))


def test_only_root_may_ask(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert main(["check", "--inside"]) == 69
    assert "sudo presence check --inside" in capsys.readouterr().err
