"""The schemas of the contract, found by their ids, and what they have against a value.

A validator for the few words of JSON Schema 2020-12 that these schemas use, so that an engine needs
no library for it; a schema with any other word raises, and tests compare every answer with
jsonschema's. The schemas are open: a later minor and extensions of CloudEvents have no fault.
"""

import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from importlib.resources import files
from typing import Any, Final

ID_PREFIX: Final = "urn:presence:schema:"
"""Before the name of a file; no URL, so that nobody looks one up for each event."""


class NotInContract(ValueError):
    """A message that is none of the contract, or not as its schema wants it. The text names the
    place in it, never a value: an event is personal data.
    """


def schema_ids() -> tuple[str, ...]:
    """The ids of all schemas, such as `urn:presence:schema:entered-1.0`."""
    names = sorted(file.name for file in files("presence").joinpath("schemas").iterdir())
    return tuple(ID_PREFIX + name.removesuffix(".json") for name in names)


@cache
def schema(schema_id: str) -> dict[str, Any]:
    """The schema of that id (not to be changed). Raises KeyError where there is none."""
    if schema_id not in schema_ids():
        raise KeyError(schema_id)
    file = files("presence").joinpath("schemas", f"{schema_id.removeprefix(ID_PREFIX)}.json")
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def faults(value: object, schema_id: str) -> list[str]:
    """What the schema has against the value, each with its place (`$.data.allow[0]: pattern`)."""
    return list(_faults(value, schema(schema_id), "$"))


def _faults(value: object, rules: dict[str, Any] | bool, place: str) -> Iterator[str]:
    if isinstance(rules, bool):
        if not rules:
            yield f"{place}: false schema"
        return
    for word, rule in rules.items():
        if word in _WORDS:
            if not _WORDS[word](value, rule):
                yield f"{place}: {word}"
        elif word == "$ref":
            yield from _faults(value, schema(rule), place)
        elif word == "if":
            branch = "else" if any(_faults(value, rule, place)) else "then"
            yield from _faults(value, rules.get(branch, True), place)
        elif word in ("properties", "items"):
            yield from _faults_inside(value, word, rule, place)
        elif word not in _SAYS_NOTHING:
            raise NotImplementedError(f"the word {word} of JSON Schema")


def _faults_inside(value: object, word: str, rule: dict[str, Any], place: str) -> Iterator[str]:
    if word == "properties" and isinstance(value, dict):
        for name in rule.keys() & value.keys():
            yield from _faults(value[name], rule[name], f"{place}.{name}")
    if word == "items" and isinstance(value, list):
        for number, item in enumerate(value):
            yield from _faults(item, rule, f"{place}[{number}]")


def _is_of(value: object, kind: str) -> bool:
    if kind == "integer":  # 7.0 is one (JSON Schema 2020-12, 4.2.1), true is none
        number = isinstance(value, int) and not isinstance(value, bool)
        return number or (isinstance(value, float) and value.is_integer())
    return isinstance(value, {"object": dict, "array": list, "string": str, "boolean": bool}[kind])


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _matches(text: object, pattern: str) -> bool:
    # In ECMA 262 `$` is the end; in Python also before a line feed at the end.
    return not isinstance(text, str) or bool(re.search(re.sub(r"\$$", r"\\Z", pattern), text))


_WORDS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "type": _is_of,
    "const": lambda value, wanted: type(value) is type(wanted) and value == wanted,
    "enum": lambda value, wanted: isinstance(value, str) and value in wanted,
    "pattern": _matches,
    "propertyNames": lambda value, rule: (
        not isinstance(value, dict) or all(_matches(name, rule["pattern"]) for name in value)
    ),
    "required": lambda value, names: not isinstance(value, dict) or value.keys() >= set(names),
    "dependentRequired": lambda value, rule: (
        not isinstance(value, dict)
        or all(value.keys() >= set(rule[name]) for name in rule.keys() & value.keys())
    ),
    "minimum": lambda value, least: not _number(value) or value >= least,
    "minLength": lambda value, least: not isinstance(value, str) or len(value) >= least,
    "minItems": lambda value, least: not isinstance(value, list) or len(value) >= least,
    "uniqueItems": lambda value, _: (
        not isinstance(value, list)
        or len({json.dumps(item, sort_keys=True) for item in value}) == len(value)
    ),
}
_SAYS_NOTHING: Final = {
    "$schema", "$id", "title", "description", "examples", "format",
    "then", "else",  # judged with `if`
}  # fmt: skip
