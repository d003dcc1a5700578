"""The audit log on disk: what goes in, what never does, and what happens when the disk is full or
somebody meddles.
"""

import asyncio
import contextlib
import errno
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from presence.cli import main
from presence.edges.host import audit
from presence.edges.host.audit import AuditLog
from presence.edges.host.audit_files import BEFORE_NAME, FILE_NAME, HEAD_NAME, lines_of, look_at
from presence.telemetry import CATALOGUE, ClockJumped, ConsentApplied, ConsentGrew, TechnicianAsked
from tests.support.fakes import FakeClock, RecordingTelemetry
from tests.support.operational_events import some


def applied(seq: int = 7) -> ConsentApplied:
    return ConsentApplied(list="acme/fi-0042", seq=seq, entries=120, digest="ab" * 32)


@contextlib.asynccontextmanager
async def running(
    folder: Path, **changes: Any
) -> AsyncIterator[tuple[AuditLog, RecordingTelemetry]]:
    telemetry = RecordingTelemetry()
    log = AuditLog(folder, FakeClock(), emit=telemetry.emit, **changes)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(log.run())
        await asyncio.sleep(0)
        yield log, telemetry
        await asyncio.sleep(0.05)
        task.cancel()


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for _, line in lines_of(folder)]


@pytest.mark.requirement("R-68")
async def test_what_was_decided_about_the_gateway_is_recorded_in_a_chain(tmp_path: Path) -> None:
    async with running(tmp_path) as (log, telemetry):
        log.note(applied())
        log.note(ClockJumped(seconds=-3600, next_step="look"))
        log.note(TechnicianAsked(what="metrics", uid=1000))
    first, second, third = records(tmp_path)

    assert {k: first[k] for k in ("n", "what", "list", "seq", "entries", "digest")} == {
        "n": 1, "what": "list.applied", **applied().fields(), "digest": "ab" * 32,
    }  # fmt: skip
    assert (second["what"], second["seconds"], "next_step" in second) == (
        "clock.jumped",
        -3600,
        False,
    )
    assert (third["what"], third["asked"], third["uid"]) == ("technician.asked", "metrics", 1000)
    assert look_at(tmp_path).problem == ""
    assert telemetry.events == []
    assert [os.lstat(tmp_path / name).st_mode & 0o777 for name in (FILE_NAME, HEAD_NAME)] == [
        0o600,
        0o600,
    ]


@pytest.mark.requirement("R-68", "T-19")
async def test_a_list_that_was_refused_as_it_grew_is_recorded_with_its_entries(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as (log, _):
        log.note(ConsentGrew(seq=7, entries=900, next_step="look"))
    [record] = records(tmp_path)
    assert (record["what"], record["seq"], record["entries"]) == ("alarm.growth", 7, 900)


@pytest.mark.requirement("T-14")
async def test_what_happens_to_customers_is_never_recorded(tmp_path: Path) -> None:
    async with running(tmp_path) as (log, _):
        for event in CATALOGUE.values():
            if event.audited is None:
                log.note(some(event))
        log.note(some(ConsentApplied, entries={"mZ3kQ0a1Bc8": 1}))

    [record] = records(tmp_path)
    assert "mZ3kQ0a1Bc8" not in json.dumps(record)


async def test_the_chain_goes_on_after_a_restart_and_what_did_not_change_is_not_told_again(
    tmp_path: Path,
) -> None:
    for digest in ("one", "one", "two"):
        async with running(tmp_path) as (log, _):
            log.record("config.applied", {"digest": digest})
            log.record("armed", {"armed": True})

    assert [(r["n"], r.get("digest")) for r in records(tmp_path)] == [
        (1, "one"),
        (2, None),
        (3, "two"),
    ]
    assert look_at(tmp_path).problem == ""


async def test_a_root_that_is_trusted_newly_is_recorded_once(tmp_path: Path) -> None:
    for version in (1, 1, 2):
        async with running(tmp_path) as (log, _):
            log.note(some(ConsentApplied, root_version=version))

    assert [r["version"] for r in records(tmp_path) if r["what"] == "root.trusted"] == [1, 2]


async def test_half_a_line_left_by_a_crash_is_no_break(tmp_path: Path) -> None:
    async with running(tmp_path) as (log, _):
        log.note(applied())
    with (tmp_path / FILE_NAME).open("ab") as file:
        file.write(b'{"n":2,"at"')
    async with running(tmp_path) as (log, telemetry):
        log.note(applied())

    assert [record["n"] for record in records(tmp_path)] == [1, 2]
    assert (look_at(tmp_path).problem, telemetry.events) == ("", [])


@pytest.mark.requirement("R-68")
async def test_a_break_is_told_at_the_start_recorded_once_and_stays_visible(tmp_path: Path) -> None:
    async with running(tmp_path) as (log, _):
        for seq in range(3):
            log.note(applied(seq))
    lines = (tmp_path / FILE_NAME).read_bytes().splitlines(keepends=True)
    (tmp_path / FILE_NAME).write_bytes(b"".join(lines[:-1]))
    for _ in range(2):
        async with running(tmp_path) as (log, telemetry):
            log.note(applied())

        assert telemetry.names() == ["audit.failed"]
    assert [record["what"] for record in records(tmp_path)].count("audit.broken") == 1
    assert "missing at the end" in look_at(tmp_path).problem


async def test_a_full_disk_is_told_once_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = audit.append_whole

    def full(_path: Path, _line: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(audit, "append_whole", full)
    async with running(tmp_path, retry_s=0.05) as (log, telemetry):
        log.note(applied())
        await asyncio.sleep(0.2)
        log.note(applied(8))
        monkeypatch.setattr(audit, "append_whole", append)
        await asyncio.sleep(0.2)

    assert telemetry.names() == ["audit.failed", "audit.recovered"]
    assert [record["seq"] for record in records(tmp_path)] == [7, 8]


async def test_a_large_log_is_turned_over_and_the_chain_runs_through(tmp_path: Path) -> None:
    async with running(tmp_path, file_max=1500) as (log, telemetry):
        for seq in range(40):
            log.note(applied(seq))

    kept = records(tmp_path)
    assert (tmp_path / BEFORE_NAME).exists()
    assert kept[0]["n"] > 1
    assert kept[-1]["n"] == 40
    assert (look_at(tmp_path).problem, telemetry.events) == ("", [])
    (tmp_path / BEFORE_NAME).unlink()
    assert "missing at the beginning" in look_at(tmp_path).problem


@pytest.mark.requirement("R-68")
async def test_verify_says_whole_names_the_broken_line_and_knows_a_noted_head(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with running(tmp_path) as (log, _):
        for seq in range(3):
            log.note(applied(seq))
    verify = ["audit", "verify", "--state-dir", str(tmp_path)]

    assert main(["audit", "verify", "--state-dir", str(tmp_path / "nothing")]) == 1
    assert "MISSING" in capsys.readouterr().out, "nothing is not whole: somebody may have erased it"
    assert main([*verify, "--json"]) == 0
    head = json.loads(capsys.readouterr().out)["head"]
    assert main([*verify, "--head", head]) == 0
    assert main([*verify, "--head", f"2:{'0' * 64}"]) == 1
    assert "line 2: not the line of the noted head" in capsys.readouterr().out
    text = (tmp_path / FILE_NAME).read_text()
    (tmp_path / FILE_NAME).write_text(text.replace('"seq":1', '"seq":9'))
    assert main(verify) == 1
    assert f"{tmp_path / FILE_NAME} line 3: number 3 does not follow" in capsys.readouterr().out
    assert main(["audit", "show", "--json", "--state-dir", str(tmp_path)]) == 0
    assert '"seq":9' in capsys.readouterr().out
