"""The settings of what an operator sees: metrics, and who may ask for the status."""
# ruff: noqa: RUF009  (`setting` is a field specifier, see presence.config.settings)

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from presence.config.fields import Section, setting


class MetricsExport(StrEnum):
    NONE = "none"
    TEXTFILE = "textfile"
    LOOPBACK = "loopback"


@dataclass(frozen=True, kw_only=True)
class MetricsSettings(Section):
    export: MetricsExport = setting(default=MetricsExport.NONE)
    textfile: Path = setting(default=Path("/var/lib/prometheus/node-exporter/presence.prom"))
    port: int = setting(default=9464, minimum=1024, maximum=65_535)
    interval_s: int = setting(default=15, minimum=1, maximum=300)


@dataclass(frozen=True, kw_only=True)
class StatusSettings(Section):
    group: str | None = setting(
        default=None,
        pattern=r"[a-z_][a-z0-9_-]{0,31}",
        remedy="name a group of this machine, of which presence's user is a member",
        example="presence-tech",
    )
