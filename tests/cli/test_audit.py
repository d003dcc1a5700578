"""`presence audit show`: sentences for a person, lines for a program."""

import json
from pathlib import Path

import pytest

from presence.cli import main
from tests.support.audit_logs import write_audit_log
from tests.support.shops import Shop


def test_show_tells_each_record_in_a_sentence_in_the_shops_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = Shop(tmp_path, 1)
    shop.lay_out()
    shop.config.write_text(
        shop.config.read_text().replace(
            "gateway: gw-1", "gateway: gw-1, time_zone: Europe/Helsinki"
        )
    )
    write_audit_log(shop.folder / "state")
    assert main(["audit", "show", "--config", str(shop.config)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [
        "2026-11-23 16:05:07  The gateway started, version 1.2.",
        "2026-11-23 17:00:00  User 1000 of this machine asked for the metrics.",
    ]
    assert lines[2].endswith("line 3: this line cannot be read: `presence audit verify`")


def test_show_of_a_folder_alone_uses_the_machines_time_and_json_prints_the_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "UTC")
    write_audit_log(tmp_path / "state")
    show = ["audit", "show", "--state-dir", str(tmp_path / "state")]
    assert main([*show, "--json"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert json.loads(lines[1])["asked"] == "metrics"
    assert lines[2] == "not a line"
    assert main(show) == 0
    assert "The gateway started" in capsys.readouterr().out
    assert main(["audit", "show", "--state-dir", str(tmp_path)]) == 0
    assert "no audit log" in capsys.readouterr().out
