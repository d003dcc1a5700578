"""What every message in every test has to be: of the schema of its topic, closed, and at home where
it was published.

The schemas in the package are for readers, and open: to extensions of CloudEvents, to a later
minor, to any spelling of a time. What we write is held to more (`written`): no field that the
schema does not name, and one spelling. So a new field fails whichever test first saw it, and is a
decision (R-21, T-18).

`FakePublisher`, `brokers.listener` and `builders.send_all` pass everything through `check`.
"""

import json
import re
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import Any, Final

from jsonschema import Draft202012Validator
from referencing import Registry, Resource

SCHEMA_URN: Final = "urn:presence:schema:"
NAME: Final = "[a-z0-9-]{1,32}"
MINUTE: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:00Z$"
SECOND: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$"
EVENT: Final = re.compile(
    rf"presence/v1/(?P<chain>{NAME})/(?P<store>{NAME})/evt/(?P<audience>{NAME})"
)
STATE: Final = re.compile(rf"presence/v1/{NAME}/{NAME}/gw/{NAME}/state")
OFFER: Final = re.compile(rf"presence/v1/{NAME}/{NAME}/offer/{NAME}")
OURS: Final = re.compile(r"presence/v1/.*/(evt|gw)/.*")
"""What gateways alone speak on by the schemas of the package; docs/asyncapi.yaml has all topics."""


class BreaksTheContract(AssertionError):
    """A message that no subscriber was promised."""


@cache
def schema_names() -> tuple[str, ...]:
    """`entered-1.0`, …: what lies in the package."""
    folder = files("presence").joinpath("schemas")
    return tuple(
        sorted(
            file.name.removesuffix(".json")
            for file in folder.iterdir()
            if file.name.endswith(".json")
        )
    )


@cache
def schema(name: str) -> dict[str, Any]:
    text = files("presence").joinpath("schemas", f"{name}.json").read_text(encoding="utf-8")
    value: dict[str, Any] = json.loads(text)
    return value


def written(value: dict[str, Any]) -> dict[str, Any]:
    """The schema as our own messages are held to it: closed, and with one spelling of a time. What
    it refers to is left to whoever judges that by its own schema.
    """
    result = {key: _written(inner) for key, inner in value.items() if key != "$ref"}
    if result.get("type") == "object":
        result["unevaluatedProperties"] = False
        for name, pattern in (("time", MINUTE), ("valid_until", SECOND)):
            if name in result["properties"]:
                result["properties"][name]["pattern"] = pattern
    return result


def _written(value: Any) -> Any:
    if isinstance(value, dict):
        return written(value)
    return [_written(inner) for inner in value] if isinstance(value, list) else value


@cache
def validator(
    name: str, of: Callable[[dict[str, Any]], dict[str, Any]] = written
) -> Draft202012Validator:
    """Of one schema with all that it refers to. `of` makes it stricter or looser."""
    return Draft202012Validator(of(schema(name)), registry=_registry(of))


@cache
def _registry(of: Callable[[dict[str, Any]], dict[str, Any]]) -> Registry[Any]:
    resources = (Resource.from_contents(of(schema(name))) for name in schema_names())
    return Registry().with_resources((each.id() or "", each) for each in resources)


def as_it_is(value: dict[str, Any]) -> dict[str, Any]:
    """The schema as a reader has it."""
    return value


def problems(
    value: object, name: str, of: Callable[[dict[str, Any]], dict[str, Any]] = written
) -> list[str]:
    """What the schema of that name has against the value; as a message of ours, or `as_it_is`."""
    found = validator(name, of).iter_errors(value)
    return [f"{error.json_path}: {error.message}" for error in found]


def check_event(value: Any) -> dict[str, Any]:
    """An event by the schema of its kind, and its data by the one that it names itself; raises
    BreaksTheContract.
    """
    urn = str(value.get("dataschema", "")) if isinstance(value, dict) else ""
    name, _, minor = urn.removeprefix(SCHEMA_URN).rpartition(".")
    envelope = f"{name.removesuffix('-1')}-event-1.0"
    if f"{name}.{minor}" not in schema_names() or envelope not in schema_names():
        raise BreaksTheContract(f"names no schema of ours: {value}")
    if found := problems(value, envelope) or problems(value["data"], f"{name}.{minor}"):
        raise BreaksTheContract(f"{envelope}: {found}: {value}")
    event: dict[str, Any] = value
    return event


def check(topic: str, payload: bytes, *, retained: bool = False) -> None:
    """One message as it was published; raises BreaksTheContract."""
    if not OURS.fullmatch(topic):
        return
    try:
        value = json.loads(payload)
    except ValueError as error:
        raise BreaksTheContract(f"{topic}: {error}: {payload[:200]!r}") from None
    if place := EVENT.fullmatch(topic):
        event = check_event(value)
        at_home = (
            f"urn:presence:{place['chain']}:{place['store']}",
            place["store"],
            place["audience"],
        )
        if (event["source"], event["data"]["store"], event["data"]["audience"]) != at_home:
            raise BreaksTheContract(f"{topic} is not where this event belongs: {event}")
        if retained:
            raise BreaksTheContract(f"{topic}: an event was retained")
    elif not STATE.fullmatch(topic):
        raise BreaksTheContract(f"{topic}: no such topic in the contract")
    elif found := problems(value, "state-1.0"):
        raise BreaksTheContract(f"{topic}: {found}: {value}")
