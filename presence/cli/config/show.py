"""`presence config show`: what is in force, and where each value is from."""

import argparse
import json
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from presence.cli.command import print_lines
from presence.config.effective import REQUIRED, EffectiveSetting, Origin, effective
from presence.config.reading import load_with_lines
from presence.config.settings import Settings

NAME_WIDTH, VALUE_WIDTH = 29, 25


def start(options: argparse.Namespace) -> int:
    settings, lines = load_with_lines(options.config, Settings)
    shown = [each for each in effective(settings, lines) if each.differs or not options.diff]
    if options.json:
        print(json.dumps(as_json(options.config, shown), ensure_ascii=False))
    else:
        print(f"# {options.config}")
        print_lines("\n".join(as_lines(shown)))
    return 0


def as_json(path: Path, shown: Sequence[EffectiveSetting]) -> dict[str, Any]:
    return {"file": str(path), "settings": [each.as_dict() for each in shown]}


def as_lines(shown: Sequence[EffectiveSetting]) -> Iterator[str]:
    """A heading for each section; name, value and origin in columns, where they fit."""
    for section, settings in groupby(shown, key=_section):
        yield ""
        yield section
        for each in settings:
            name = each.path.rpartition(".")[2]
            yield from _columns(f"  {name} ".ljust(NAME_WIDTH), _value(each), _origin(each))


def _section(each: EffectiveSetting) -> str:
    return each.path.rpartition(".")[0] or each.path


def _columns(name: str, value: str, origin: str) -> Iterator[str]:
    if len(name + value) < NAME_WIDTH + VALUE_WIDTH:
        yield f"{name}{value} ".ljust(NAME_WIDTH + VALUE_WIDTH) + origin
        return
    yield f"{name}{value}   {origin}"


def _value(each: EffectiveSetting) -> str:
    if each.secret:
        return "given, not shown" if each.given else "-"
    if each.value is None:
        return "-"
    return f"{_word(each.value)} {each.unit}".rstrip()


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list):
        return ", ".join(map(_word, value)) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{key} {item}" for key, item in value.items()) or "none"
    return str(value)


def _origin(each: EffectiveSetting) -> str:
    place = f"line {each.line}" if each.line else ""
    if each.origin is Origin.ENVIRONMENT:
        place += ", $CREDENTIALS_DIRECTORY"
    if each.origin in (Origin.DEFAULT, Origin.SETUP):
        return each.origin.value
    if each.secret or each.default in (REQUIRED, None) or not each.differs:
        return place
    return f"{place} (default {_word(each.default)})"
