"""The settings of `presence satellite`: a small file of its own, on the satellite;
`config/satellite.yaml` shows them.
"""
# ruff: noqa: RUF009  (`setting` is a field specifier, see presence.config.settings)

from dataclasses import dataclass, field
from pathlib import Path

from presence.config.fields import Section, setting
from presence.config.reading import load
from presence.config.settings import (
    ADAPTER,
    ADAPTER_REMEDY,
    KEY_FILE,
    NAME,
    NAME_REMEDY,
    PREFIX,
    PREFIX_REMEDY,
    LogSettings,
    MqttSettings,
    RadioMode,
)


@dataclass(frozen=True, kw_only=True)
class StationSettings(Section):
    chain: str = setting(pattern=NAME, remedy=NAME_REMEDY, example="acme")
    store: str = setting(pattern=NAME, remedy=NAME_REMEDY, example="fi-0042")
    name: str = setting(pattern=NAME, remedy=NAME_REMEDY, example="pavement")
    key_file: Path = setting(
        pattern=KEY_FILE,
        remedy="name a file with 64 hex digits, the same as at its gateway",
        example="/etc/presence/satellite.key",
        secret=True,
    )
    runtime_dir: Path = setting(default=Path("/run/presence-satellite"))


@dataclass(frozen=True, kw_only=True)
class EarSettings(Section):
    mode: RadioMode = setting(default=RadioMode.AUTO)
    adapter: str | None = setting(
        default=None,
        pattern=ADAPTER,
        remedy=f"{ADAPTER_REMEDY}; or leave it out for the first",
        example='"00:1A:7D:DA:71:13"',
    )
    ibeacon_prefix: str | None = setting(
        default=None,
        pattern=PREFIX,
        remedy=PREFIX_REMEDY,
        example='"5072657365636531"',
    )
    silence_min: float = setting(default=30, minimum=5, maximum=240)


@dataclass(frozen=True, kw_only=True)
class SatelliteSettings(Section):
    """The whole file of a satellite."""

    satellite: StationSettings = field()
    mqtt: MqttSettings = field()
    radio: EarSettings = field(default_factory=EarSettings)
    log: LogSettings = field(default_factory=LogSettings)


def load_satellite_settings(path: Path) -> SatelliteSettings:
    """Read and check the file of a satellite. Raises ConfigurationError with all that is wrong."""
    return load(path, SatelliteSettings)
