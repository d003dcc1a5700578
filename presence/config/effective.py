"""What is in force, setting by setting, and where each value is from.

A value that may be a secret, or is the way to one, leaves this module as "given" and never as what
it is.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass, replace
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from presence.config.antennas import FIRST_ADAPTER, places_in_use
from presence.config.fields import Section, unit
from presence.config.settings import Settings
from presence.config.walk import CREDENTIALS
from presence.core.place import Place
from presence.core.visit.antennas import door_numbers, tables_of

REQUIRED: Final = "required"
_IN_A_URL: Final = re.compile(r"(?<=://)[^/@\s]+(?=@)")
"""A user and a password in an address."""


class Origin(StrEnum):
    DEFAULT = "default"
    FILE = "file"
    SETUP = "set-up"
    """It follows from which antennas there are, and where they hang."""
    ENVIRONMENT = "environment"
    """The file says so, by a variable."""


@dataclass(frozen=True, slots=True)
class EffectiveSetting:
    """One setting as it is in force."""

    path: str
    """`audiences[0].name`"""
    value: Any
    """As JSON has it; None where it is left out, and for a secret."""
    default: Any
    """The same; REQUIRED where there is none."""
    origin: Origin
    line: int | None
    """Of the file, for what stands there."""
    secret: bool
    given: bool
    """Whether it has a value at all."""

    @property
    def differs(self) -> bool:
        """From the default, by what the file says."""
        if self.origin in (Origin.DEFAULT, Origin.SETUP):
            return False
        return self.given if self.secret else self.value != self.default

    @property
    def unit(self) -> str:
        return unit(self.path.rpartition(".")[2])

    def as_dict(self) -> dict[str, Any]:
        value = {"secret": True, "given": self.given} if self.secret else {"value": self.value}
        return {
            "path": self.path,
            **value,
            "default": self.default,
            "unit": self.unit,
            "origin": self.origin.value,
            "line": self.line,
        }


def effective(settings: Settings, lines: Mapping[str, int]) -> list[EffectiveSetting]:
    """Every setting in the order of their definition. `lines`: where the file has which path."""
    found = list(_of_section(settings, "", lines))
    derived = _of_setup(settings)
    return [
        replace(each, value=derived[each.path], origin=Origin.SETUP)
        if each.path in derived and each.line is None
        else each
        for each in found
    ]


def _of_setup(settings: Settings) -> dict[str, Any]:
    """Path → what a setting that is left out is, with antennas hung like these."""
    antennas = [{"adapter": FIRST_ADAPTER, "place": Place.INSIDE.value}]
    derived: dict[str, Any] = {"radio.antennas": antennas}
    tables = tables_of(places_in_use(settings))
    if tables is not None:
        numbers = door_numbers(tables[1], settings.entry)
        derived |= {
            "entry.side_offset_db": numbers.side_offset_db,
            "entry.score": numbers.threshold,
        }
    return derived


def _of_section(
    section: Section, path: str, lines: Mapping[str, int]
) -> Iterator[EffectiveSetting]:
    for field in fields(section):  # type: ignore[arg-type]  # each section is a dataclass
        yield from _of_value(getattr(section, field.name), field, f"{path}{field.name}", lines)


def _of_value(
    value: Any, field: Field[Any], path: str, lines: Mapping[str, int]
) -> Iterator[EffectiveSetting]:
    if is_dataclass(value):
        yield from _of_section(value, f"{path}.", lines)  # type: ignore[arg-type]
    elif isinstance(value, list) and value and is_dataclass(value[0]):
        for index, item in enumerate(value):
            yield from _of_section(item, f"{path}[{index}].", lines)
    else:
        yield _setting(value, field, path, lines)


def _setting(
    value: Any, field: Field[Any], path: str, lines: Mapping[str, int]
) -> EffectiveSetting:
    line, secret = lines.get(path), field.metadata.get("secret", False)
    return EffectiveSetting(
        path=path,
        value=None if secret else _plain(value),
        default=_plain(_default_of(field)),
        origin=_origin_of(value, line),
        line=line,
        secret=secret,
        given=value is not None,
    )


def _default_of(field: Field[Any]) -> Any:
    if field.default_factory is not MISSING:
        return field.default_factory()
    return REQUIRED if field.default is MISSING else field.default


def _origin_of(value: Any, line: int | None) -> Origin:
    if line is None:
        return Origin.DEFAULT
    folder = os.environ.get(CREDENTIALS.removeprefix("$"))
    from_there = folder and isinstance(value, Path) and value.is_relative_to(folder)
    return Origin.ENVIRONMENT if from_there else Origin.FILE


def _plain(value: Any) -> Any:
    """As JSON has it."""
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, Path | date):
        return str(value)
    if isinstance(value, str):
        return _IN_A_URL.sub("…", value)
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value
