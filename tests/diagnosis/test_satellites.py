"""`presence check`: is there a key for each satellite, and does nobody else read it?"""

from dataclasses import replace
from pathlib import Path

from presence.config import Settings, load_settings
from presence.config.settings import SatelliteAntenna
from presence.core.place import Place
from presence.diagnosis.findings import Verdict
from presence.diagnosis.satellites import look_at_satellites
from tests.support.paths import ROOT


def settings(*files: Path) -> Settings:
    satellites = [
        SatelliteAntenna(name=f"s{number}", place=Place.OUTSIDE, key_file=file)
        for number, file in enumerate(files)
    ]
    return replace(load_settings(ROOT / "config" / "presence.yaml"), satellites=satellites)


def test_without_satellites_nothing_is_asked() -> None:
    assert list(look_at_satellites(settings())) == []


def test_each_satellite_has_its_line_and_a_key_that_is_open_to_all_is_told(tmp_path: Path) -> None:
    files = [tmp_path / "a.key", tmp_path / "b.key"]
    for number, file in enumerate(files):
        file.write_text(f"{number}a" * 32)
        file.chmod(0o640 if number == 0 else 0o644)
    good, open_to_all = look_at_satellites(settings(*files))
    assert (good.verdict, good.found) == (
        Verdict.PASS,
        "s0, outside: is it heard? `presence status`",
    )
    assert open_to_all.verdict is Verdict.WARN
    assert open_to_all.next_step == f"chmod o= {files[1]}"


def test_a_key_that_is_missing_fails_and_says_how_to_make_one(tmp_path: Path) -> None:
    [finding] = look_at_satellites(settings(tmp_path / "a.key"))
    assert finding.verdict is Verdict.FAIL
    assert "satellites[0].key_file" in finding.next_step
    assert "openssl rand -hex 32" in finding.next_step
