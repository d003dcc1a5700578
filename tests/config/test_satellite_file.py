"""`config/satellite.yaml` shows the settings of a satellite, and what its comments say is true."""

from pathlib import Path

import pytest

from presence.config.satellite import SatelliteSettings, load_satellite_settings
from presence.errors import ConfigurationError
from tests.support.paths import ROOT
from tests.support.shown_settings import (
    SWITCHED_OFF,
    Shown,
    facts,
    lines_of_keys,
    settings_of,
)

FILE = ROOT / "config" / "satellite.yaml"
IN_USE = SWITCHED_OFF.sub(r"\1", FILE.read_text(encoding="utf-8"))
LINES = lines_of_keys(IN_USE)
ALL = [each for each in settings_of(SatelliteSettings) if not each.path.startswith("log.")]
ITS_OWN = [each for each in ALL if not each.path.startswith("mqtt.")]


def test_the_file_loads_as_it_stands_and_with_every_setting_switched_on(tmp_path: Path) -> None:
    (tmp_path / "on.yaml").write_text(IN_USE)
    for file in (FILE, tmp_path / "on.yaml"):
        settings = load_satellite_settings(file)
        assert settings.satellite.name == "pavement"
        assert settings.mqtt.tls is not None


def test_the_file_shows_each_setting_of_its_own_and_no_unknown_one() -> None:
    known = {each.path for each in settings_of(SatelliteSettings)}
    sections = {path.rpartition(".")[0] for path in known}
    assert {each.path for each in ITS_OWN} <= LINES.keys()
    assert LINES.keys() - sections <= known


@pytest.mark.parametrize("setting", ALL, ids=lambda setting: setting.path)
def test_unit_default_and_limits_in_the_comment_are_those_of_the_code(setting: Shown) -> None:
    if setting.path in LINES:
        assert IN_USE.splitlines()[LINES[setting.path] - 1].strip() == facts(setting)


@pytest.mark.requirement("T-13")
def test_a_satellite_is_told_nothing_of_customers() -> None:
    words = " ".join(each.path for each in settings_of(SatelliteSettings))
    assert not {"consent", "irk", "audience", "store_key"} & set(words.replace(".", " ").split())


@pytest.mark.parametrize(
    ("good", "bad", "words"),
    [
        ("  name: pavement", "  name: Pavement!", "satellite.name: "),
        ("  chain: acme\n", "", "satellite.chain: is missing"),
        ("    ca_file: /etc/presence/broker-ca.pem\n", "", "mqtt.tls.ca_file: is missing"),
        ("satellite:\n", "store:\n", "store: is not a setting here: move it to `satellite`"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, good: str, bad: str, words: str) -> None:
    text = FILE.read_text()
    assert good in text
    file = tmp_path / "satellite.yaml"
    file.write_text(text.replace(good, bad, 1))
    with pytest.raises(ConfigurationError) as refusal:
        load_satellite_settings(file)
    assert words in str(refusal.value)
    assert f"{file}:" in str(refusal.value)


def test_an_empty_file_says_where_to_start(tmp_path: Path) -> None:
    (tmp_path / "satellite.yaml").write_text("")
    with pytest.raises(ConfigurationError, match=r"config/satellite\.yaml"):
        load_satellite_settings(tmp_path / "satellite.yaml")
