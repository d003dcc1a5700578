"""What every message in every test has to be: of the closed schema of its topic, and at home where
it was published.

`FakePublisher`, `brokers.listener` and `builders.send_all` pass everything through `check`, so that
a message that the contract does not know fails whichever test first saw it.
"""

import json
import re
from functools import cache
from importlib.resources import files
from typing import Any, Final

from jsonschema import Draft202012Validator

SCHEMA_URN: Final = "urn:presence:schema:"
NAME: Final = "[a-z0-9-]{1,32}"
EVENT: Final = re.compile(
    rf"presence/v1/(?P<chain>{NAME})/(?P<store>{NAME})/evt/(?P<audience>{NAME})"
)
STATE: Final = re.compile(rf"presence/v1/{NAME}/{NAME}/gw/{NAME}/state")
OURS: Final = re.compile(r"presence/v1/.*/(evt|gw)/.*")
"""What only this contract may speak on; other topics (peers, offers, control) are other
contracts.
"""


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


@cache
def _validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(schema(name))


def problems(value: object, name: str) -> list[str]:
    """What the schema of that name has against the value."""
    return [f"{error.json_path}: {error.message}" for error in _validator(name).iter_errors(value)]


def check_event(value: Any) -> dict[str, Any]:
    """An event by the schema that it names itself; raises BreaksTheContract."""
    name = (
        str(value.get("dataschema", "")).removeprefix(SCHEMA_URN) if isinstance(value, dict) else ""
    )
    if name not in schema_names() or name.startswith("state"):
        raise BreaksTheContract(f"names no schema of ours: {value}")
    if found := problems(value, name):
        raise BreaksTheContract(f"{name}: {found}: {value}")
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
