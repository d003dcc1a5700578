"""What is made from the definition of the settings: docs/settings.md, the JSON Schemas, and
config/minimal.yaml.

Types, units, defaults and limits are those of `presence.config.settings`; the words are the
comments of config/presence.yaml and config/satellite.yaml. Each stands once.
"""

import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, fields
from datetime import date
from enum import StrEnum
from itertools import takewhile
from pathlib import Path
from types import NoneType
from typing import Any, Final, get_args, get_origin, get_type_hints

import yaml

from presence.config import Settings
from presence.config.fields import Section
from presence.config.first_file import Answers, first_file
from presence.config.satellite import SatelliteSettings
from presence.config.wording import is_required, section_in
from presence.core.visit.opening_hours import WEEKDAYS
from tests.support.paths import ROOT
from tests.support.shown_settings import SWITCHED_OFF, Shown, facts, lines_of_keys, unit_of

PAGE: Final = ROOT / "docs" / "settings.md"
MINIMAL: Final = ROOT / "config" / "minimal.yaml"
SCHEMAS: Final = ROOT / "presence" / "config"
PRIVACY: Final = "Privacy: "
_HEADING: Final = re.compile(r"# -{20,} ")


@dataclass(frozen=True)
class Words:
    """What a commented file says of a setting or a section."""

    title: str = ""
    """Of a section: what stands in its line of dashes."""
    about: str = ""
    privacy: str = ""

    @property
    def all(self) -> str:
        return " ".join(filter(None, (self.about, self.privacy and f"{PRIVACY}{self.privacy}")))


def pages() -> dict[Path, str]:
    """Every file that is made here, as it should be."""
    gateway = words_of("presence.yaml", Settings)
    satellite = gateway | words_of("satellite.yaml", SatelliteSettings)
    return {
        PAGE: settings_page(gateway, satellite),
        MINIMAL: minimal_file(),
        SCHEMAS / "presence.schema.json": _text(schema(Settings, gateway)),
        SCHEMAS / "satellite.schema.json": _text(schema(SatelliteSettings, satellite)),
    }


def words_of(name: str, whole: type[Section]) -> dict[str, Words]:
    """Path of a setting or a section → what is said of it."""
    text = SWITCHED_OFF.sub(r"\1", (ROOT / "config" / name).read_text(encoding="utf-8"))
    lines = text.splitlines()
    sections = set(_sections(whole, ""))
    found = {}
    for path, at in lines_of_keys(text).items():
        above = takewhile(lambda line: line.strip().startswith("#"), reversed(lines[:at]))
        comments = [line.strip() for line in above][::-1]
        title = ""
        if comments and _HEADING.match(comments[0]):
            title = comments.pop(0).partition(": ")[2]
        if path not in sections and comments:
            comments.pop()  # the line of facts
        about, _, privacy = " ".join(
            word for line in comments for word in line.lstrip("# ").split()
        ).partition(PRIVACY)
        found[path] = Words(title, about.strip(), privacy)
    return found


def _sections(section: type[Section], path: str) -> Iterator[str]:
    for name, wanted in get_type_hints(section).items():
        inner = section_in(wanted)
        if inner is not None:
            yield f"{path}{name}"
            yield from _sections(inner, f"{path}{name}.")


# ---------------------------------------------------------------- docs/settings.md

HEAD: Final = """\
# Settings
Made by `scripts/pages` from the definition of the settings and the comments of the example files;
a test holds it.

A gateway has one file, `/etc/presence/presence.yaml`, unless `--config` or `PRESENCE_CONFIG` names
another. `presence config init` writes the first one, [minimal.yaml](../config/minimal.yaml) is the
smallest that is taken, and [presence.yaml](../config/presence.yaml) shows every setting. `presence
config show` says what is in force and where each value is from, `presence check` whether all is in
place. An editor with the YAML language server checks and explains the file by the schema that its
first line names (`presence config schema` prints it).

A setting that is not *required* may be left out. A relative path starts from the folder of the
file. A secret has a file of its own. The unit is in the name. `[]` marks a list: each of its
entries has these keys.

{privacy}
"""
PRIVACY_HEAD: Final = """\
## What touches privacy
The settings that bear on what is heard, who is recognised, how long, and who is told:
"""
SATELLITE_HEAD: Final = """\
# Settings of a satellite
`presence satellite` has a small file of its own, `/etc/presence/satellite.yaml`
([satellite.yaml](../config/satellite.yaml), [satellites.md](satellites.md)). Its `mqtt` and `log`
are those of a gateway.
"""


def settings_page(gateway: Mapping[str, Words], satellite: Mapping[str, Words]) -> str:
    marked = [
        f"* [`{path}`](#{re.sub(r'[^a-z0-9_]', '', path)}): {gateway[key].privacy}"
        for path, key, _ in _all(Settings, "")
        if gateway[key].privacy
    ]
    own = [name for name in get_type_hints(SatelliteSettings) if name not in ("mqtt", "log")]
    return "\n".join(
        (
            HEAD.format(privacy="\n".join((PRIVACY_HEAD, *marked))),
            *_entries(Settings, gateway, get_type_hints(Settings)),
            SATELLITE_HEAD,
            *_entries(SatelliteSettings, satellite, own),
        )
    )


def _entries(whole: type[Section], words: Mapping[str, Words], sections: Any) -> Iterator[str]:
    for name in sections:
        yield f"## {name}: {words[name].title}"
        yield from _paragraph(words[name].about)
        for path, key, kind in _all(whole, ""):
            if re.match(rf"{name}(\[\])?\.", path):
                yield f"### `{path}`"
                yield f"{kind}\n"
                yield from _paragraph(words[key].about)
                if words[key].privacy:
                    yield from _paragraph(f"**Privacy**: {words[key].privacy}")


def _paragraph(text: str) -> Iterator[str]:
    if text:
        yield textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False) + "\n"


def _all(section: type[Section], path: str) -> Iterator[tuple[str, str, str]]:
    """Of each setting and section: its path with `[]` behind what is a list, its path in the
    words, and its facts.
    """
    types = get_type_hints(section)
    for field in fields(section):  # type: ignore[arg-type]  # each section is a dataclass
        wanted, name = types[field.name], f"{path}{field.name}"
        inner = section_in(wanted)
        if inner is None:
            shown = Shown(name, wanted, field)
            yield name, name.replace("[]", ""), facts(shown).removeprefix("# ")
            continue
        is_list = get_origin(wanted) is list
        need = "required" if is_required(field) else "optional"
        kind = f"{'list of groups' if is_list else 'group'} · {need}"
        yield name, name.replace("[]", ""), kind
        yield from _all(inner, f"{name}{'[]' if is_list else ''}.")


# ---------------------------------------------------------------- the schemas


def schema(whole: type[Section], words: Mapping[str, Words]) -> dict[str, Any]:
    """JSON Schema of a file, as far as JSON Schema can say what the reader checks."""
    name = "presence" if whole is Settings else "satellite"
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"https://presence.example/{name}.schema.json",
        "title": f"Settings of a {'gateway' if whole is Settings else 'satellite'} of presence",
        "$comment": "Made by scripts/pages from presence.config.settings and config/*.yaml.",
        **_object(whole, "", words),
        "$defs": {
            "line": {
                "$comment": "a text of one line",
                "minLength": 1,
                "not": {"type": "string", "pattern": r"[\u0000-\u001f\u007f-\u009f\u2028\u2029]"},
            }
        },
    }


def _object(section: type[Section], path: str, words: Mapping[str, Words]) -> dict[str, Any]:
    """A section; with nothing below its key it is all defaults, unless some have none."""
    types = get_type_hints(section)
    properties, required = {}, []
    for field in fields(section):  # type: ignore[arg-type]  # each section is a dataclass
        properties[field.name] = _value(types[field.name], field, f"{path}{field.name}", words)
        if is_required(field):
            required.append(field.name)
    needs = {"required": required} if required else {}
    return {
        "type": "object" if required else ["object", "null"],
        "properties": properties,
        **needs,
        "additionalProperties": False,
    }


def _value(wanted: Any, field: Field[Any], path: str, words: Mapping[str, Words]) -> dict[str, Any]:
    said = words.get(path, Words())
    about = {"description": " ".join(filter(None, (said.title and f"{said.title}.", said.all)))}
    inner = section_in(wanted)
    if inner is not None:
        body = _object(inner, f"{path}.", words)
        if get_origin(wanted) is list:
            kind: Any = "array" if field.default_factory is MISSING else ["array", "null"]
            return {**about, "type": kind, "items": body}
        if NoneType in get_args(wanted):
            body["type"] = ["object", "null"]
        return about | body
    return about | _unit(field) | _plain(wanted, field) | _default(field)


def _unit(field: Field[Any]) -> dict[str, Any]:
    unit = unit_of(field.name)
    return {"x-unit": unit} if unit else {}


def _default(field: Field[Any]) -> dict[str, Any]:
    default = field.default_factory() if field.default_factory is not MISSING else field.default
    if default is MISSING or default is None:
        example = field.metadata["example"]
        return {"examples": [_json(yaml.safe_load(example))]} if example else {}
    return {"default": _json(default)}


def _plain(wanted: Any, field: Field[Any]) -> dict[str, Any]:
    if get_origin(wanted) is list:
        return {"type": "array", "items": _text_of(field.metadata["each"])}
    if get_origin(wanted) is dict:
        return {
            "type": "object",
            "propertyNames": {"enum": list(WEEKDAYS)},
            "additionalProperties": _text_of(field.metadata["each"]),
        }
    optional = NoneType in get_args(wanted)
    if optional:
        wanted = next(each for each in get_args(wanted) if each is not NoneType)
    body = _scalar(wanted, field)
    if optional and "type" in body:
        body["type"] = [body["type"], "null"]
    elif optional:
        body["enum"].append(None)
    return body


def _scalar(wanted: Any, field: Field[Any]) -> dict[str, Any]:
    if issubclass(wanted, StrEnum):
        words = [str(each) for each in wanted]
        others = [yaml.safe_load(word) for word in words]  # `protocol: 5` is a number to YAML
        return {"enum": [*words, *(each for each in others if not isinstance(each, str))]}
    if wanted in (int, float):
        limits = {key: field.metadata[key] for key in ("minimum", "maximum")}
        kind = "integer" if wanted is int else "number"
        return {"type": kind, **{key: value for key, value in limits.items() if value is not None}}
    if wanted is bool:
        return {"type": "boolean"}
    if wanted is date:
        return {"type": "string", "format": "date", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}
    return _text_of(field.metadata["pattern"])


def _text_of(pattern: str | None) -> dict[str, Any]:
    body: dict[str, Any] = {"type": "string", "allOf": [{"$ref": "#/$defs/line"}]}
    return body | ({"pattern": f"^(?:{pattern})$"} if pattern else {})


def _json(value: Any) -> Any:
    if isinstance(value, StrEnum):
        return value.value
    return str(value) if isinstance(value, Path | date) else value


def _text(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


# ---------------------------------------------------------------- config/minimal.yaml


def minimal_file() -> str:
    answers = Answers(
        chain="acme",
        store="fi-0042",
        gateway="door-1",
        key_file="store.key",
        controller="Acme Oy",
        dpo_contact="privacy@acme.example",
        notice="fi-2026-03",
        review_by=date(2027, 3, 1),
        audience="offers-main",
        campaigns=["ap2:1551"],
    )
    about = "The smallest file that is taken:\n# `presence config init` writes yours."
    return first_file(answers, schema="../presence/config/presence.schema.json", about=about)
