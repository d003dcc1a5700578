"""Which settings a commented example file shows, and what must stand above each of them."""

import re
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields
from datetime import date
from enum import StrEnum
from pathlib import Path
from types import NoneType
from typing import Any, NamedTuple, get_args, get_origin, get_type_hints

import yaml

from presence.config.fields import Section
from presence.config.wording import section_in

SWITCHED_OFF = re.compile(r"(?m)^( +)#(?! \S|$)")
UNITS = {
    "_db_s": "dB·s",
    "_ms": "milliseconds",
    "_s": "seconds",
    "_min": "minutes",
    "_days": "days",
    "_bytes": "bytes",
    "_dbm": "dBm",
    "_db": "dB",
}


class Shown(NamedTuple):
    """One setting of the dataclasses: `audiences.name`, its type and its field."""

    path: str
    wanted: Any
    field: Field[Any]


def settings_of(section: type[Section], path: str = "") -> Iterator[Shown]:
    types = get_type_hints(section)
    for field in fields(section):  # type: ignore[arg-type]  # each section is a dataclass
        inner = section_in(types[field.name])
        if inner is None:
            yield Shown(f"{path}{field.name}", types[field.name], field)
        else:
            yield from settings_of(inner, f"{path}{field.name}.")


def lines_of_keys(text: str) -> dict[str, int]:
    """Each setting's dotted path → the index of its line; of a list the first item counts."""
    found: dict[str, int] = {}

    def visit(node: yaml.Node, path: str) -> None:
        if isinstance(node, yaml.SequenceNode):
            for item in node.value:
                visit(item, path)
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                found.setdefault(f"{path}{key.value}", key.start_mark.line)
                visit(value, f"{path}{key.value}.")

    root = yaml.compose(text, Loader=yaml.SafeLoader)
    assert root is not None
    visit(root, "")
    return found


def facts(setting: Shown) -> str:
    """The line that must stand above a setting."""
    metadata = setting.field.metadata
    parts = [kind_of(setting), default_of(setting.field)]
    if metadata["minimum"] is not None:
        parts.append(f"{metadata['minimum']} to {metadata['maximum']}")
    return "# " + " · ".join(parts)


def kind_of(setting: Shown) -> str:
    wanted = next(
        (each for each in get_args(setting.wanted) if NoneType in get_args(setting.wanted)),
        setting.wanted,
    )
    unit = unit_of(setting.field.name)
    if get_origin(wanted) in (list, dict):
        return "list" if get_origin(wanted) is list else "table"
    if issubclass(wanted, StrEnum):
        return f"one of {', '.join(wanted)}"
    if wanted is int:
        return f"whole {unit or 'number'}"
    return (
        unit
        or {bool: "true or false", str: "text", Path: "path", date: "date", float: "number"}[wanted]
    )


def unit_of(name: str) -> str | None:
    """The unit in words, of a name that has one."""
    return next((unit for suffix, unit in UNITS.items() if name.endswith(suffix)), None)


def default_of(field: Field[Any]) -> str:
    if field.default_factory is not MISSING:
        return f"default {field.default_factory()}"
    if field.default is MISSING:
        return "required"
    if field.default is None:
        return "optional"
    return (
        "default "
        f"{str(field.default).lower() if isinstance(field.default, bool) else field.default}"
    )
