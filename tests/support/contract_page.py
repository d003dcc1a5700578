"""docs/contract.md: docs/asyncapi.yaml for people who read rather than generate."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import yaml

from tests.support.paths import ROOT

PAGE: Final = ROOT / "docs" / "contract.md"
HEAD: Final = """\
# The contract
Made by `scripts/pages` from [asyncapi.yaml](asyncapi.yaml), which is the contract; a test holds
it. How to build an engine on it: [offer-engine.md](offer-engine.md).
"""
Json = Mapping[str, Any]


def contract_page(document: str) -> str:
    """The page of this AsyncAPI document."""
    whole = yaml.safe_load(document)
    lines = [HEAD, whole["info"]["description"].strip(), "", "## Topics", ""]
    lines += ["| topic | who says what | QoS | retained |", "|---|---|---|---|"]
    lines += [_topic(whole, operation) for operation in whole["operations"].values()]
    for name, channel in whole["channels"].items():
        lines += ["", f"## {name}", f"`{channel['address']}`", ""]
        lines.append(_cell(channel.get("description", "")))
        for message in channel["messages"]:
            lines += _message(whole, whole["components"]["messages"][message])
    return "\n".join(lines) + "\n"


def _topic(whole: Json, operation: Json) -> str:
    name = operation["channel"]["$ref"].rpartition("/")[2]
    mqtt = operation["bindings"]["mqtt"]
    address = whole["channels"][name]["address"]
    retained = "yes" if mqtt["retain"] else "no"
    return f"| [`{address}`](#{name}) | {operation['title']} | {mqtt['qos']} | {retained} |"


def _message(whole: Json, message: Json) -> Iterator[str]:
    yield from ("", f"### {message['title']}: `{message['name']}`")
    payload = _resolved(whole, message["payload"])
    if "description" in payload:
        yield _cell(payload["description"])
    yield from _fields(whole, payload)
    for example in message.get("examples", ())[:1]:
        value = example["payload"]
        shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=1)
        yield from ("", "```text" if isinstance(value, str) else "```json", shown, "```")


def _fields(whole: Json, payload: Json) -> Iterator[str]:
    rows = list(_rows(whole, payload, ""))
    if rows:
        yield from ("", "| field | what | |", "|---|---|---|", *rows)


def _rows(whole: Json, schema: Json, path: str) -> Iterator[str]:
    for name, inner in schema.get("properties", {}).items():
        field = _resolved(whole, inner)
        needed = "" if name in schema.get("required", ()) else "optional"
        about = _cell(inner.get("description", field.get("description", "")))
        yield f"| `{path}{name}` | {about} {_limits(field)} | {needed} |"
        yield from _rows(whole, field, f"{path}{name}.")


def _limits(field: Json) -> str:
    for key in ("const", "enum"):
        if key in field:
            values = field[key] if key == "enum" else [field[key]]
            return "(" + ", ".join(f"`{value}`" for value in values) + ")"
    return f"({field['format']})" if "format" in field else ""


def _resolved(whole: Json, value: Json) -> Json:
    if "$ref" not in value:
        return value
    found: Any = whole
    for step in value["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    return _resolved(whole, found)


def _cell(words: str) -> str:
    return " ".join(words.split()).replace("|", "\\|").replace("<", "&lt;")
