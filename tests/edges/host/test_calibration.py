"""Whether the door was calibrated, as it is set now: the record of `scan-test --apply`."""

from dataclasses import replace
from pathlib import Path

import pytest

from presence.config import Settings, load_settings
from presence.edges.host import calibration
from tests.support.shops import Shop

AT_S = 1_795_442_707.0


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(Shop(tmp_path / "shop", 1883).open([]).config)


def test_a_door_is_doubted_until_a_walk_of_it_was_applied(settings: Settings) -> None:
    assert "never calibrated" in calibration.doubt(settings)
    calibration.record(settings, "PASS", "enter at -83 dBm", AT_S)
    assert calibration.doubt(settings) == ""
    kept = calibration.read(settings)
    assert kept is not None
    assert (kept.at, kept.verdict, kept.found) == (
        "2026-11-23T14:05:07Z",
        "PASS",
        "enter at -83 dBm",
    )


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda s: replace(s, entry=replace(s.entry, enter_rssi_dbm=-70)), "entry.enter_rssi_dbm"),
        (lambda s: replace(s, entry=replace(s.entry, absence_s=400)), "entry.absence_s"),
        (lambda s: replace(s, radio=replace(s.radio, adapters=["hci1"])), "radio.adapters"),
        (
            lambda s: replace(s, radio=replace(s.radio, adapters=["hci1"], door_adapters=["hci1"])),
            "door_adapters",
        ),
    ],
)
def test_what_was_changed_since_the_walk_is_named(
    settings: Settings, change: object, named: str
) -> None:
    calibration.record(settings, "PASS", "", AT_S)
    changed = change(settings)  # type: ignore[operator]
    assert "changed since" in calibration.doubt(changed)
    assert "2026-11-23" in calibration.doubt(changed)
    assert named in calibration.doubt(changed)


def test_a_change_that_has_nothing_to_do_with_the_door_is_none(settings: Settings) -> None:
    calibration.record(settings, "PASS", "", AT_S)
    assert calibration.doubt(replace(settings, mqtt=replace(settings.mqtt, port=8883))) == ""


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[]", b'{"v": 1}', b'{"v": 2, "settings": {}}', b"\xff"]
)
def test_a_record_that_cannot_be_read_is_none(settings: Settings, text: bytes) -> None:
    calibration.record(settings, "PASS", "", AT_S)
    (settings.storage.state_dir / calibration.FILE_NAME).write_bytes(text)
    assert "never calibrated" in calibration.doubt(settings)


def test_a_record_that_root_writes_follows_no_link_and_is_readable_for_the_daemon(
    settings: Settings, tmp_path: Path
) -> None:
    state_dir, elsewhere = settings.storage.state_dir, tmp_path / "elsewhere"
    state_dir.mkdir()
    elsewhere.write_text("not ours")
    (state_dir / calibration.FILE_NAME).symlink_to(elsewhere)
    calibration.record(settings, "PASS", "", AT_S)
    assert elsewhere.read_text() == "not ours"
    assert (state_dir / calibration.FILE_NAME).stat().st_mode & 0o777 == 0o644
    assert sorted(path.name for path in state_dir.iterdir()) == [calibration.FILE_NAME]
