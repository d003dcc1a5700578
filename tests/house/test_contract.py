"""The contract: closed schemas that are frozen, an AsyncAPI document that is true, documents whose
examples hold.
"""

import copy
import json
import re
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from presence.core.consent.freshness import Freshness
from presence.core.event import cloudevent
from presence.core.event.cloudevent import CONTENT_TYPE, EventType, WithdrawnReason
from presence.core.recognition.satellite_message import (
    HEAD_BYTES,
    MAC_BYTES,
    MAX_HEARD_BYTES,
    NONCE_BYTES,
    SatelliteMessage,
    decode_heard,
    decode_nonce,
    topic_of_heard,
    topic_of_nonce,
)
from presence.core.visit.crossings import decode_crossing, topic_of_counter
from tests.support.brokers import listener, mosquitto, needs_mosquitto
from tests.support.builders import SITE
from tests.support.contract import (
    EVENT,
    SCHEMA_URN,
    STATE,
    BreaksTheContract,
    check,
    problems,
    schema,
    schema_names,
)
from tests.support.fake_satellite import PAVEMENT, PAVEMENT_KEY
from tests.support.fakes import FakePublisher
from tests.support.mqtt_parts import EVENTS, an_event, message, new_publisher, running, state_of
from tests.support.mqtt_parts import STATE as STATE_TOPIC
from tests.support.paths import ROOT

VECTORS = ROOT / "tests" / "vectors"
KINDS = ("entered", "left", "withdrawn")
ASYNCAPI_FILE = ROOT / "docs" / "asyncapi.yaml"
WORDS_ONLY = ("title", "description", "examples", "$comment")
"""What a schema may say otherwise without being another one."""


def objects(value: Any) -> Iterator[dict[str, Any]]:
    """Every schema of an object, at any depth."""
    if isinstance(value, dict):
        if value.get("type") == "object":
            yield value
        for inner in value.values():
            yield from objects(inner)


def promise(value: Any, *, names: bool = False) -> Any:
    """A schema without its words: what a subscriber may rely on. `names`: the keys are names of
    properties.
    """
    if isinstance(value, dict):
        kept = {key: inner for key, inner in value.items() if names or key not in WORDS_ONLY}
        return {
            key: promise(inner, names=key == "properties" and not names)
            for key, inner in kept.items()
        }
    return value


def breaks(older: Any, newer: Any, path: str = "$") -> list[str]:
    """What a newer minor of a schema may not do: take away, change, or demand more. (It may name
    itself anew.)
    """
    found = []
    for key, inner in older.items():
        if path == "$" and key == "$id":
            continue
        if key not in newer:
            found.append(f"{path}.{key} is gone")
        elif key == "required":
            found += [f"{path}.{name} is required now" for name in newer[key] if name not in inner]
            found += [
                f"{path}.{name} is not required any more"
                for name in inner
                if name not in newer[key]
            ]
        elif isinstance(inner, dict) and isinstance(newer[key], dict):
            found += breaks(inner, newer[key], f"{path}.{key}")
        elif inner != newer[key] and not path.endswith(".dataschema"):
            found.append(f"{path}.{key} was {inner!r} and is {newer[key]!r}")
    if not path.endswith("properties"):
        found += [f"{path}.{key} is new" for key in newer if key not in older]
    return found


FROZEN: dict[str, Any] = json.loads((VECTORS / "schemas.json").read_text(encoding="utf-8"))


# ---------------------------------------------------------------- the schemas


@pytest.mark.parametrize("name", schema_names())
def test_a_schema_is_a_schema_of_the_draft_that_it_names(name: str) -> None:
    assert schema(name)["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema(name)["$id"] == f"{SCHEMA_URN}{name}"
    Draft202012Validator.check_schema(schema(name))


@pytest.mark.requirement("R-21", "T-18")
@pytest.mark.parametrize("name", schema_names())
def test_every_object_of_a_schema_is_closed(name: str) -> None:
    for each in objects(schema(name)):
        assert each["additionalProperties"] is False
        assert each["unevaluatedProperties"] is False
        assert set(each["required"]) <= set(each["properties"])


@pytest.mark.parametrize("name", schema_names())
def test_every_field_is_described_in_a_sentence(name: str) -> None:
    for each in objects(schema(name)):
        for field, described in each["properties"].items():
            assert re.search(r"\w+ \w+.*\.$", described["description"]), field


@pytest.mark.requirement("T-02")
@pytest.mark.parametrize("kind", KINDS)
def test_the_schema_says_that_no_payment_and_no_access_may_rest_on_an_event(kind: str) -> None:
    assert (
        "No payment, no access, no price and nothing sensitive may rest on this event"
        in (schema(f"{kind}-1.0")["description"])
    )
    assert "No payment, no access" in DOCUMENT["info"]["description"].replace("\n", " ")


@pytest.mark.requirement("R-29")
def test_there_is_a_schema_for_each_event_and_for_the_state_and_no_other() -> None:
    assert {name.rpartition("-")[0] for name in schema_names()} == {*KINDS, "state"}
    assert {kind.split(".")[1] for kind in EventType} == set(KINDS)


def test_the_enumerations_are_those_of_the_code() -> None:
    reasons = schema("withdrawn-1.0")["properties"]["data"]["properties"]["reason"]["enum"]
    assert set(reasons) == set(WithdrawnReason)
    assert set(Freshness) <= set(schema("state-1.0")["properties"]["freshness"]["enum"])


@pytest.mark.parametrize("name", schema_names())
def test_the_examples_of_a_schema_are_valid(name: str) -> None:
    assert schema(name)["examples"]
    for example in schema(name)["examples"]:
        assert problems(example, name) == []


@pytest.mark.requirement("R-57", "R-21")
@pytest.mark.parametrize("kind", KINDS)
def test_the_golden_events_are_valid(kind: str) -> None:
    check(EVENTS, (VECTORS / f"event-{kind}.json").read_bytes())


@pytest.mark.requirement("R-03", "R-21", "R-24", "T-18")
@pytest.mark.parametrize(
    ("where", "extra"),
    [
        ("data", {"rssi_dbm": -60}),
        ("data", {"zone": "shoes"}),
        ("data", {"gateway": "door-1"}),
        ("data", {"dwell_s": 300}),
        ("data", {"visits": 4}),
        ("data", {"name": "Anna"}),
        ("consent", {"ref": "oaKjpKWmp6g"}),
        ("consent", {"ver": 12}),
        ("event", {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}),
        ("event", {"time": "2026-11-23T14:05:07Z"}),
        ("event", {"subject": "anna@example.com"}),
        ("event", {"source": "urn:presence:acme:fi-0042:door-1"}),
        ("data", {"valid_until": "2026-11-23 14:35"}),
        ("data", {"allow": ["cars"]}),
        ("data", {"allow": ["ap2:1551", "ap2:1551"]}),
        ("data", {"purposes": ["profiling"]}),
        ("consent", {"list_seq": "7"}),
        ("consent", {"notice": "Anna was told"}),
    ],
)
def test_a_wrong_event_is_noticed(where: str, extra: dict[str, Any]) -> None:
    event = json.loads(an_event())
    {"event": event, "data": event["data"], "consent": event["data"]["consent"]}[where].update(
        extra
    )
    with pytest.raises(BreaksTheContract):
        check(EVENTS, json.dumps(event).encode())


@pytest.mark.requirement("R-48")
@pytest.mark.parametrize(
    ("topic", "payload", "retained"),
    [
        (EVENTS, b"{", False),
        (EVENTS, b"[]", False),
        (EVENTS, json.dumps(state_of("online")).encode(), False),
        (EVENTS, an_event(), True),
        (EVENTS.replace("offers-main", "pick-up"), an_event(), False),
        (EVENTS.replace("fi-0042", "se-0007"), an_event(), False),
        (EVENTS + "/anna", an_event(), False),
        (STATE_TOPIC, json.dumps({**state_of("online"), "customers": 1}).encode(), True),
        (STATE_TOPIC.replace("state", "mood"), json.dumps(state_of("online")).encode(), True),
    ],
)
def test_what_is_not_at_home_on_its_topic_is_noticed(
    topic: str, payload: bytes, retained: bool
) -> None:
    with pytest.raises(BreaksTheContract):
        check(topic, payload, retained=retained)


async def test_the_fake_publisher_takes_no_message_that_breaks_the_contract() -> None:
    with pytest.raises(BreaksTheContract):
        await FakePublisher().publish(message(payload=b"{}"))


@needs_mosquitto
async def test_a_listener_tells_at_its_end_what_broke_the_contract(tmp_path: Path) -> None:
    async with mosquitto(tmp_path) as broker, running(new_publisher(broker.port)) as publisher:
        with pytest.raises(BreaksTheContract, match="names no schema"):  # noqa: PT012 - raised at the block's end
            async with listener(broker.port, EVENTS) as heard:
                await publisher.publish(message(payload=b"{}"))
                await heard.get()


def test_schemas_are_found_as_package_data() -> None:
    folder = files("presence").joinpath("schemas")
    assert {file.name for file in folder.iterdir()} == {f"{name}.json" for name in schema_names()}


# ---------------------------------------------------------------- frozen: R-57


@pytest.mark.requirement("R-57")
def test_a_schema_that_was_given_out_is_never_changed() -> None:
    """To add a field: a new minor (entered-1.1.json, and its name as dataschema). Then freeze it
    too: add its promise to tests/vectors/schemas.json. To remove one: a v2 type.
    """
    assert {name: promise(schema(name)) for name in schema_names()} == FROZEN


@pytest.mark.requirement("R-57")
def test_a_new_minor_takes_nothing_away_and_demands_nothing_more() -> None:
    for name in schema_names():
        kind, _, minor = name.rpartition(".")
        assert int(minor) == 0 or breaks(FROZEN[f"{kind}.{int(minor) - 1}"], FROZEN[name]) == []


def _add_optional(new: dict[str, Any]) -> None:
    new["properties"]["data"]["properties"]["language"] = {"type": "string"}


def _remove(new: dict[str, Any]) -> None:
    del new["properties"]["data"]["properties"]["allow"]


def _demand(new: dict[str, Any]) -> None:
    _add_optional(new)
    new["properties"]["data"]["required"].append("language")


def _loosen(new: dict[str, Any]) -> None:
    new["properties"]["data"]["required"].remove("allow")


def _change(new: dict[str, Any]) -> None:
    new["properties"]["time"]["pattern"] = ".*"


def _open(new: dict[str, Any]) -> None:
    new["properties"]["data"]["additionalProperties"] = True


@pytest.mark.requirement("R-57")
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_add_optional, None),
        (_remove, "allow is gone"),
        (_demand, "language is required now"),
        (_loosen, "allow is not required any more"),
        (_change, "pattern was"),
        (_open, "additionalProperties was False"),
    ],
)
def test_the_gate_lets_optional_fields_in_and_nothing_else(
    change: Callable[[dict[str, Any]], None], words: str | None
) -> None:
    new = copy.deepcopy(FROZEN["entered-1.0"])
    new["$id"] = new["properties"]["dataschema"]["const"] = "urn:presence:schema:entered-1.1"
    change(new)
    found = breaks(FROZEN["entered-1.0"], new)
    assert found == [] if words is None else any(words in each for each in found), found


# ---------------------------------------------------------------- docs/asyncapi.yaml

DOCUMENT: dict[str, Any] = yaml.safe_load(ASYNCAPI_FILE.read_text(encoding="utf-8"))


def resolve(value: Any, base: Path = ASYNCAPI_FILE) -> Any:
    """The document without references; raises where one leads nowhere."""
    if isinstance(value, dict) and "$ref" in value:
        assert value.keys() == {"$ref"}
        file, _, pointer = value["$ref"].partition("#")
        target = base if not file else (base.parent / file).resolve()
        found: Any = (
            DOCUMENT if target == ASYNCAPI_FILE else json.loads(target.read_text(encoding="utf-8"))
        )
        for step in pointer.split("/")[1:]:
            found = found[step]
        return resolve(found, target)
    if isinstance(value, dict):
        return {key: resolve(inner, base) for key, inner in value.items()}
    return [resolve(inner, base) for inner in value] if isinstance(value, list) else value


RESOLVED: dict[str, Any] = resolve(DOCUMENT)


def test_the_channels_are_the_topics_of_the_code() -> None:
    addresses = {name: channel["address"] for name, channel in RESOLVED["channels"].items()}
    names = {
        "chain": SITE.chain,
        "store": SITE.store,
        "audience": "offers-main",
        "gateway": "door-1",
    }
    assert addresses["events"].format(**names) == cloudevent.topic(SITE, "offers-main") == EVENTS
    assert addresses["state"].format(**names) == STATE_TOPIC
    assert EVENT.fullmatch(addresses["events"].format(**names))
    assert STATE.fullmatch(addresses["state"].format(**names))
    counter = addresses["counter"].format(**names, door="main")
    assert counter == topic_of_counter(SITE.chain, SITE.store, "main")
    names["satellite"] = PAVEMENT
    assert addresses["nonce"].format(**names) == topic_of_nonce(SITE, PAVEMENT)
    assert addresses["heard"].format(**names) == topic_of_heard(SITE, PAVEMENT)
    assert addresses.keys() == {"events", "state", "counter", "nonce", "heard"}
    for channel in RESOLVED["channels"].values():
        assert set(re.findall(r"{(\w+)}", channel["address"])) == channel["parameters"].keys()
        for parameter in channel["parameters"].values():
            assert all(
                re.fullmatch(r"[a-z0-9-]{1,32}", example) for example in parameter["examples"]
            )


def test_every_message_of_the_code_is_in_the_document_with_its_own_schema() -> None:
    messages = RESOLVED["components"]["messages"]
    others = {"crossed", "nonce", "heard"}
    ours = {name: described for name, described in messages.items() if name not in others}
    assert {message["name"] for message in ours.values()} == set(EventType) | {"state"}
    for name, described in ours.items():
        assert described["payload"] == schema(f"{name}-1.0")
    assert set(RESOLVED["channels"]["events"]["messages"]) == set(KINDS)


@pytest.mark.parametrize("name", [*KINDS, "state"])
def test_every_example_of_the_document_is_valid(name: str) -> None:
    examples = RESOLVED["components"]["messages"][name]["examples"]
    assert examples
    assert [problems(example["payload"], f"{name}-1.0") for example in examples] == [[]] * len(
        examples
    )


def test_what_a_satellite_says_and_is_asked_is_that_of_the_code() -> None:
    messages, operations = RESOLVED["components"]["messages"], RESOLVED["operations"]
    heard, nonce = messages["heard"], messages["nonce"]
    for example in heard["x-examples-in-hex"]:
        payload = bytes.fromhex(example)
        assert isinstance(decode_heard(payload, PAVEMENT_KEY, SITE, PAVEMENT), SatelliteMessage)
    shortest, longest = heard["payload"]["minLength"], heard["payload"]["maxLength"]
    assert (shortest, longest) == (HEAD_BYTES + MAC_BYTES, MAX_HEARD_BYTES)
    assert all(decode_nonce(bytes.fromhex(each)) for each in nonce["x-examples-in-hex"])
    assert nonce["payload"]["maxLength"] == nonce["payload"]["minLength"] == 1 + NONCE_BYTES
    for name in ("askSatellite", "hearSatellite"):
        binding = operations[name]["bindings"]["mqtt"]
        assert (binding["qos"], binding["retain"]) == (0, False)


CROSSED = RESOLVED["components"]["messages"]["crossed"]


def test_every_example_of_a_crossing_is_taken() -> None:
    for example in CROSSED["examples"]:
        assert decode_crossing(json.dumps(example["payload"]).encode())


NUMBERS = st.integers(-2, 1 << 41) | st.integers(0, 120) | st.booleans() | st.floats() | st.text()


@given(st.dictionaries(st.sampled_from(["t", "in", "out", "name"]), NUMBERS))
def test_a_crossing_is_taken_where_its_schema_allows_it_and_not_otherwise(
    value: dict[str, Any],
) -> None:
    """JSON Schema calls 1.0 an integer; a counter that sends one is refused all the same."""
    taken = decode_crossing(json.dumps(value).encode()) is not None
    allowed = Draft202012Validator(CROSSED["payload"]).is_valid(value)

    assert taken == (allowed and not any(isinstance(each, float) for each in value.values()))


@pytest.mark.requirement("R-48")
def test_content_type_quality_retention_and_expiry_are_those_of_the_code() -> None:
    visits, state = (
        RESOLVED["operations"][name]["bindings"]["mqtt"] for name in ("tellVisits", "tellState")
    )
    assert (visits["qos"], visits["retain"], visits["messageExpiryInterval"]) == (1, False, 120)
    assert (state["qos"], state["retain"]) == (1, True)
    for kind in KINDS:
        assert RESOLVED["components"]["messages"][kind]["traits"][0]["contentType"] == CONTENT_TYPE
    assert RESOLVED["components"]["messages"]["state"]["contentType"] == "application/json"


# ---------------------------------------------------------------- the documents


@pytest.mark.parametrize("document", ["README.md", "docs/offer-engine.md"])
def test_the_events_in_the_documents_are_valid(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    shown = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", text, re.DOTALL)]
    found = [event for event in shown if "specversion" in event]
    assert found
    for event in found:
        check(
            f"presence/v1/acme/fi-0042/evt/{event['data']['audience']}", json.dumps(event).encode()
        )
