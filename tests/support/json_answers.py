"""What commands print with `--json`, held to its schema (docs/*.schema.json)."""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from tests.support.paths import ROOT

VECTORS = ROOT / "tests" / "vectors"
Schema = dict[str, Any]


@cache
def schema(name: str, part: str = "") -> Schema:
    """`part`: one of its `$defs`, as of an action of `presence consents`."""
    found: Schema = json.loads((ROOT / "docs" / f"{name}.schema.json").read_text("utf-8"))
    Draft202012Validator.check_schema(found)
    return {**found["$defs"][part], "$defs": found["$defs"]} if part else found


def golden(name: str) -> Any:
    return json.loads((VECTORS / f"{name}.json").read_text("utf-8"))


def judged(name: str, answer: str | bytes | object, part: str = "") -> Any:
    """The answer, which is what its schema says, and has no name that it does not know."""
    value = json.loads(answer) if isinstance(answer, str | bytes) else answer
    rules = schema(name, part)
    Draft202012Validator(rules).validate(value)
    assert list(unexplained(rules, value, rules)) == []
    return value


def unexplained(schema: Schema, value: Any, root: Schema) -> Iterator[str]:
    """Names in the value that the schema has no word for."""
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema:
        several = [list(unexplained(each, value, root)) for each in schema["anyOf"]]
        yield from min(several, key=len)
    elif isinstance(value, list):
        for each in value:
            yield from unexplained(schema.get("items", {}), each, root)
    elif isinstance(value, dict):
        known, others = schema.get("properties", {}), schema.get("additionalProperties")
        for name, inner in value.items():
            if name in known or isinstance(others, dict):
                yield from unexplained(known.get(name, others), inner, root)
            elif others is not True:
                yield name
