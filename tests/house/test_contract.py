"""The contract: frozen schemas, open for readers and closed for what we write; an AsyncAPI document
that is true and whole; documents whose examples hold.
"""

import copy
import hashlib
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
from presence.core.consent.jws import MAX_MESSAGE_BYTES
from presence.core.consent.revocation import (
    read_head,
    read_revocation,
    topic_of_head,
    topic_of_revocations,
)
from presence.core.event import cloudevent
from presence.core.event.cloudevent import CONTENT_TYPE, Assurance, EventType, WithdrawnReason
from presence.core.event.peer_message import EXPIRY_S as PEER_EXPIRY_S
from presence.core.event.peer_message import (
    PeerMessage,
    PeerMessageKind,
    decode_peer_message,
    topic_of_peers,
)
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
from tests.support.builders import SITE, START_S, STORE_KEY
from tests.support.contract import (
    EVENT,
    OFFER,
    SCHEMA_URN,
    STATE,
    BreaksTheContract,
    as_it_is,
    check,
    problems,
    schema,
    schema_names,
    written,
)
from tests.support.fake_satellite import PAVEMENT, PAVEMENT_KEY
from tests.support.fakes import FakePublisher
from tests.support.mqtt_parts import EVENTS, an_event, message, new_publisher, running, state_of
from tests.support.mqtt_parts import STATE as STATE_TOPIC
from tests.support.paths import ROOT
from tests.support.revocations import KEYS, LIST

VECTORS = ROOT / "tests" / "vectors"
KINDS = ("entered", "left", "withdrawn")
ASYNCAPI_FILE = ROOT / "docs" / "asyncapi.yaml"
WORDS_ONLY = ("description", "examples", "$comment")
"""What a schema may say otherwise without being another one. (Titles name generated types.)"""


def objects(value: Any) -> Iterator[dict[str, Any]]:
    """Every schema of an object, at any depth."""
    if isinstance(value, dict):
        if value.get("type") == "object":
            yield value
        for inner in value.values():
            yield from objects(inner)


def types(value: Any) -> Iterator[dict[str, Any]]:
    """Every schema of which a generator makes a type of its own: objects and enumerations."""
    if isinstance(value, dict):
        if value.get("type") == "object" or "enum" in value:
            yield value
        for inner in value.values():
            yield from types(inner)


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
        elif inner != newer[key]:
            found.append(f"{path}.{key} was {inner!r} and is {newer[key]!r}")
    if not path.endswith("properties"):
        found += [f"{path}.{key} is new" for key in newer if key not in older]
    return found


DIGESTS = {
    line.split()[1].removesuffix(".json"): line.split()[0]
    for line in (VECTORS / "schemas.sha256").read_text(encoding="utf-8").splitlines()
}
"""As `sha256sum` writes them, in the folder of the schemas."""
FROZEN: dict[str, Any] = json.loads((VECTORS / "schemas.json").read_text(encoding="utf-8"))


# ---------------------------------------------------------------- the schemas


@pytest.mark.parametrize("name", schema_names())
def test_a_schema_is_a_schema_of_the_draft_that_it_names(name: str) -> None:
    assert schema(name)["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema(name)["$id"] == f"{SCHEMA_URN}{name}"
    Draft202012Validator.check_schema(schema(name))


@pytest.mark.requirement("R-21", "T-18")
@pytest.mark.parametrize("name", schema_names())
def test_every_object_is_open_to_readers_and_closed_to_what_we_write(name: str) -> None:
    for each in objects(schema(name)):
        assert not {"additionalProperties", "unevaluatedProperties"} & each.keys()
        assert set(each["required"]) <= set(each["properties"])
    for each in objects(written(schema(name))):
        assert each["unevaluatedProperties"] is False


@pytest.mark.parametrize("name", schema_names())
def test_every_object_and_every_enumeration_has_a_name_for_generated_code(name: str) -> None:
    titles = [each["title"] for each in types(schema(name))]
    assert all(re.fullmatch(r"([A-Z][a-z]+)+", title) for title in titles)
    assert len(set(titles)) == len(titles)


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
        in (schema(f"{kind}-event-1.0")["description"])
    )
    assert "No payment, no access" in DOCUMENT["info"]["description"].replace("\n", " ")


@pytest.mark.requirement("R-29")
def test_there_is_a_schema_for_each_event_its_answer_and_the_state_and_no_other() -> None:
    envelopes = {f"{kind}-event" for kind in KINDS}
    names = {name.rpartition("-")[0] for name in schema_names()}
    assert names == {*KINDS, *envelopes, "offer", "state"}
    assert {kind.split(".")[1] for kind in EventType} == set(KINDS)


def test_the_enumerations_are_those_of_the_code() -> None:
    reasons = schema("withdrawn-1.0")["properties"]["reason"]["enum"]
    assert set(reasons) == set(WithdrawnReason)
    assert schema("offer-1.0")["properties"]["reason"]["enum"] == reasons
    assert set(schema("entered-1.0")["properties"]["assurance"]["enum"]) == set(Assurance)
    assert set(Freshness) <= set(schema("state-1.0")["properties"]["freshness"]["enum"])


@pytest.mark.parametrize("name", schema_names())
def test_the_examples_of_a_schema_are_valid(name: str) -> None:
    assert schema(name)["examples"]
    for example in schema(name)["examples"]:
        assert problems(example, name) == problems(example, name, as_it_is) == []


@pytest.mark.requirement("R-57", "R-21")
@pytest.mark.parametrize("kind", KINDS)
def test_the_golden_events_are_valid(kind: str) -> None:
    golden = (VECTORS / f"event-{kind}.json").read_bytes()
    check(EVENTS, golden)
    event = json.loads(golden)
    assert problems(event, f"{kind}-event-1.0", as_it_is) == []
    assert event["dataschema"] == schema(f"{kind}-1.0")["$id"], "it names the schema of data"
    assert problems(event["data"], f"{kind}-1.0", as_it_is) == []


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


# ---------------------------------------------------------------- readers: what they must take

SPELLINGS = [
    "2026-11-23T14:05:00Z", "2026-11-23T14:05:00.000Z", "2026-11-23T14:05:00.123456789Z",
    "2026-11-23T16:05:00+02:00", "2026-11-23T14:05:00-00:00", "2026-11-23t14:05:00z",
]  # fmt: skip
EXTENSIONS = {
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "partitionkey": "p_xjcVKc5w07Djo4pEbCUcXQ",
    "sequence": 7,
    "sampled": True,
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_reader_takes_a_time_in_any_spelling_of_rfc_3339(spelling: str) -> None:
    event = json.loads(an_event())
    event["time"] = event["data"]["valid_until"] = spelling
    assert problems(event, "entered-event-1.0", as_it_is) == []


@pytest.mark.parametrize(
    "other", ["2026-11-23T14:05Z", "2026-11-23 14:05:00Z", "2026-11-23T14:05:00", "now", 7]
)
def test_a_reader_takes_nothing_else_for_a_time(other: object) -> None:
    event = json.loads(an_event()) | {"time": other}
    assert problems(event, "entered-event-1.0", as_it_is)


@pytest.mark.parametrize("kind", KINDS)
def test_a_reader_takes_the_extensions_of_cloudevents_and_no_other_attribute(kind: str) -> None:
    event = json.loads((VECTORS / f"event-{kind}.json").read_bytes())
    assert problems({**event, **EXTENSIONS}, f"{kind}-event-1.0", as_it_is) == []
    for name in ("data_base64", "Traceparent", "trace-parent"):
        assert problems({**event, name: "x"}, f"{kind}-event-1.0", as_it_is), name


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=4,
)


@pytest.mark.requirement("R-57")
@given(st.sampled_from(KINDS), st.integers(0, 99), st.data())
def test_a_reader_of_1_0_takes_every_later_minor(
    kind: str, minor: int, data: st.DataObject
) -> None:
    """A later minor is what the gate lets in (test_the_gate_…): optional fields of any name and
    value, at any depth.
    """
    event = json.loads((VECTORS / f"event-{kind}.json").read_bytes())
    event["dataschema"] = f"urn:presence:schema:{kind}-1.{minor}"
    for place in (event["data"], event["data"].get("consent", {})):
        more = data.draw(st.dictionaries(st.text(min_size=1), JSON_VALUES, max_size=3))
        place.update({name: value for name, value in more.items() if name not in place})
    assert problems(event, f"{kind}-event-1.0", as_it_is) == []
    assert problems(event["data"], f"{kind}-1.0", as_it_is) == []


@pytest.mark.requirement("R-57")
@pytest.mark.parametrize("other", ["left-1.0", "entered-2.0", "entered-1.x", "entered-1.01", "x"])
def test_a_reader_of_1_0_takes_no_other_schema(other: str) -> None:
    event = json.loads(an_event()) | {"dataschema": f"urn:presence:schema:{other}"}
    assert problems(event, "entered-event-1.0", as_it_is)


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
    """To add a field of data: a new minor (entered-1.1.json, and its name as dataschema). Freeze it
    too: add its promise to tests/vectors/schemas.json. To remove one: a v2 type.
    """
    assert {name: promise(schema(name)) for name in schema_names()} == FROZEN


@pytest.mark.requirement("R-57")
@pytest.mark.parametrize("name", schema_names())
def test_the_file_of_a_schema_is_to_the_byte_the_one_that_was_given_out(name: str) -> None:
    """1.0 is frozen since 2026-11-30. Engines and registries hold a copy under its id, and many of
    those refuse another text under one id: so no word of it is mended either.
    """
    file = files("presence").joinpath("schemas", f"{name}.json").read_bytes()
    assert hashlib.sha256(file).hexdigest() == DIGESTS.get(name), (
        f"{name}.json is frozen: put it back. What must be added is a new minor: a file of its own "
        "beside it (-1.1.json: optional fields, nothing else), its id and dataschema, its line in "
        "tests/vectors/schemas.sha256 and its promise in schemas.json, the code that writes it, "
        "and a decision record. What must be taken away or changed is a v2 type."
    )


@pytest.mark.requirement("R-57")
def test_a_new_minor_takes_nothing_away_and_demands_nothing_more() -> None:
    for name in schema_names():
        kind, _, minor = name.rpartition(".")
        assert int(minor) == 0 or breaks(FROZEN[f"{kind}.{int(minor) - 1}"], FROZEN[name]) == []


def _add_optional(new: dict[str, Any]) -> None:
    new["properties"]["language"] = {"type": "string"}


def _remove(new: dict[str, Any]) -> None:
    del new["properties"]["allow"]


def _demand(new: dict[str, Any]) -> None:
    _add_optional(new)
    new["required"].append("language")


def _loosen(new: dict[str, Any]) -> None:
    new["required"].remove("allow")


def _change(new: dict[str, Any]) -> None:
    new["properties"]["store"]["pattern"] = ".*"


def _close(new: dict[str, Any]) -> None:
    new["additionalProperties"] = False


@pytest.mark.requirement("R-57")
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_add_optional, None),
        (_remove, "allow is gone"),
        (_demand, "language is required now"),
        (_loosen, "allow is not required any more"),
        (_change, "pattern was"),
        (_close, "additionalProperties is new"),
    ],
)
def test_the_gate_lets_optional_fields_in_and_nothing_else(
    change: Callable[[dict[str, Any]], None], words: str | None
) -> None:
    new = copy.deepcopy(FROZEN["entered-1.0"])
    new["$id"] = "urn:presence:schema:entered-1.1"
    change(new)
    found = breaks(FROZEN["entered-1.0"], new)
    assert found == [] if words is None else any(words in each for each in found), found


# ---------------------------------------------------------------- docs/asyncapi.yaml

Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # in C: each worker reads it as it begins
DOCUMENT: dict[str, Any] = yaml.load(ASYNCAPI_FILE.read_text(encoding="utf-8"), Loader)  # noqa: S506


def resolve(value: Any) -> Any:
    """The document without references; raises where one leads out of the file, or nowhere."""
    if isinstance(value, dict) and "$ref" in value:
        assert value.keys() <= {"$ref", "description"}
        file, _, pointer = value["$ref"].partition("#")
        assert file == "", "one file, whole by itself"
        found: Any = DOCUMENT
        for step in pointer.split("/")[1:]:
            found = found[step]
        return resolve(found)
    if isinstance(value, dict):
        return {key: resolve(inner) for key, inner in value.items()}
    return [resolve(inner) for inner in value] if isinstance(value, list) else value


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
    assert addresses["peers"].format(**names) == topic_of_peers(SITE)
    assert OFFER.fullmatch(addresses["offers"].format(**names))
    group = {"chain": "acme", "group": "fi-0042"}
    assert addresses["revocations"].format(**group) == topic_of_revocations(LIST)
    assert addresses["heads"].format(**group) == topic_of_head(LIST)
    plane_b = {"revocations", "heads"}
    theirs = {"events", "state", "offers", "peers", "counter", "nonce", "heard"}
    assert addresses.keys() == theirs | plane_b
    for channel in RESOLVED["channels"].values():
        assert set(re.findall(r"{(\w+)}", channel["address"])) == channel["parameters"].keys()
        for parameter in channel["parameters"].values():
            assert all(
                re.fullmatch(r"[a-z0-9-]{1,32}", example) for example in parameter["examples"]
            )


def test_every_topic_of_the_access_list_is_a_channel() -> None:
    """So whatever anybody may say on a store's broker is in the contract."""
    lines = (ROOT / "config" / "mosquitto" / "acl").read_text(encoding="utf-8").splitlines()
    topics = {line.split()[-1] for line in lines if line.startswith("topic ")}
    patterns = [
        re.sub(r"{\w+}", "[a-z0-9+-]+", channel["address"])
        for channel in RESOLVED["channels"].values()
    ]
    assert topics
    for topic in topics:
        assert any(re.fullmatch(pattern, topic) for pattern in patterns), topic


SCHEMA_OF = {**{kind: f"{kind}-event-1.0" for kind in KINDS}, "state": "state-1.0"} | {
    "offer": "offer-1.0"
}
"""Message of the document → schema of the package."""


def test_every_message_of_the_code_is_in_the_document_with_its_own_schema() -> None:
    messages = DOCUMENT["components"]["messages"]
    others = {"crossed", "nonce", "heard", "seen", "revocation", "head"}
    assert messages.keys() == SCHEMA_OF.keys() | others
    assert {messages[kind]["name"] for kind in KINDS} == set(EventType)
    for name, of in SCHEMA_OF.items():
        title = messages[name]["payload"]["$ref"].rpartition("/")[2]
        assert DOCUMENT["components"]["schemas"][title]["x-schema-id"] == schema(of)["$id"]
    assert set(RESOLVED["channels"]["events"]["messages"]) == set(KINDS)


@pytest.mark.parametrize("name", SCHEMA_OF)
def test_every_example_of_the_document_is_valid(name: str) -> None:
    examples = RESOLVED["components"]["messages"][name]["examples"]
    assert examples
    for example in examples:
        assert problems(example["payload"], SCHEMA_OF[name]) == []
        assert problems(example["payload"], SCHEMA_OF[name], as_it_is) == []


def test_what_gateways_say_to_one_another_is_that_of_the_code() -> None:
    seen = RESOLVED["components"]["messages"]["seen"]
    assert seen["payload"]["properties"]["said"]["enum"] == list(PeerMessageKind)
    for example in seen["examples"]:
        payload = json.dumps(example["payload"]).encode()
        assert isinstance(decode_peer_message(payload, STORE_KEY, SITE, START_S), PeerMessage)
        assert Draft202012Validator(seen["payload"]).is_valid(example["payload"])
    told = RESOLVED["operations"]["tellPeers"]["bindings"]["mqtt"]
    assert told["messageExpiryInterval"] == PEER_EXPIRY_S


def test_what_the_consent_service_says_is_signed_as_the_code_wants_it() -> None:
    messages = RESOLVED["components"]["messages"]
    (taken,) = messages["revocation"]["examples"]
    assert read_revocation(taken["payload"].encode(), keys=KEYS, list_name=LIST).rows
    (newest,) = messages["head"]["examples"]
    assert read_head(newest["payload"].encode(), keys=KEYS, list_name=LIST, now_s=START_S)
    for said in (taken, newest):
        assert Draft202012Validator(messages["head"]["payload"]).is_valid(said["payload"])
    assert messages["head"]["payload"]["maxLength"] == MAX_MESSAGE_BYTES


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


def test_the_offer_in_the_guide_is_valid() -> None:
    text = (ROOT / "docs" / "offer-engine.md").read_text(encoding="utf-8")
    shown = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", text, re.DOTALL)]
    (offer,) = (value for value in shown if "offer_id" in value)
    assert problems(offer, "offer-1.0") == []
