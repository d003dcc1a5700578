"""A reader that a machine made of the schemas of 1.0, as engines of others have one, reads a later
minor as it reads 1.0.

It is no validator: it decodes into typed records, and has a place for what 1.0 names alone.
"""

import copy
import json
from typing import Annotated, Any, Literal

import msgspec
import pytest

from presence.contract import schema
from tests.support.paths import ROOT

KINDS = ("entered", "left", "withdrawn")


def generated(of: dict[str, Any]) -> Any:
    """The type that a schema describes."""
    if "$ref" in of:
        return generated(schema(of["$ref"]))
    if "const" in of or "enum" in of:
        return Literal[tuple(of.get("enum", [of.get("const")]))]
    match of["type"]:
        case "object":
            fields = [
                (name, generated(inner))
                if name in of["required"]
                else (name, generated(inner) | msgspec.UnsetType, msgspec.UNSET)
                for name, inner in of["properties"].items()
            ]
            return msgspec.defstruct(of["title"], fields, kw_only=True)
        case "array":
            return list[generated(of["items"])]  # type: ignore[misc]
        case "integer":
            return Annotated[int, msgspec.Meta(ge=of.get("minimum"))]
        case "string":
            return Annotated[str, msgspec.Meta(pattern=of.get("pattern"))]
    raise NotImplementedError(of["type"])


def golden(kind: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(
        (ROOT / "tests" / "vectors" / f"event-{kind}.json").read_bytes()
    )
    return event


def reader(kind: str) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(generated(schema(f"urn:presence:schema:{kind}-event-1.0")))


@pytest.mark.requirement("R-57")
@pytest.mark.parametrize("kind", KINDS)
def test_a_generated_reader_of_1_0_reads_a_1_1_with_new_members_as_it_reads_a_1_0(
    kind: str,
) -> None:
    event = golden(kind)
    later = copy.deepcopy(event) | {
        "dataschema": f"urn:presence:schema:{kind}-1.1",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "partitionkey": event["subject"],
    }
    later["data"] |= {"language": "fi", "basket": {"size": 3}}
    if "consent" in later["data"]:
        later["data"]["consent"]["scheme"] = [1, None]

    read = reader(kind)
    first, second = read.decode(json.dumps(event)), read.decode(json.dumps(later))

    assert msgspec.to_builtins(first) == event
    assert second == msgspec.structs.replace(first, dataschema=later["dataschema"])


@pytest.mark.requirement("R-57")
@pytest.mark.parametrize("kind", KINDS)
def test_the_generated_reader_reads_nothing_that_lacks_a_member_or_is_of_a_v2(kind: str) -> None:
    event = golden(kind)
    later = {"dataschema": f"urn:presence:schema:{kind}-2.0"}
    changes: list[dict[str, Any]] = [later, {"data": {}}, {"id": 7}]
    for change in changes:
        with pytest.raises(msgspec.ValidationError):
            reader(kind).decode(json.dumps(event | change))
