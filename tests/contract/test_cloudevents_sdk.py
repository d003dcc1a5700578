"""CloudEvents' own SDK for Python reads what gateways write, and what it writes again is still of
the contract. (That for JavaScript: clients/typescript, `scripts/contract`.)
"""

from pathlib import Path

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from cloudevents.core.bindings.kafka import to_binary_event
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from presence.contract import read_event
from presence.core.event.cloudevent import CONTENT_TYPE
from tests.support.contract import check
from tests.support.mqtt_parts import EVENTS
from tests.support.paths import ROOT

GOLDEN = sorted((ROOT / "tests" / "vectors").glob("event-*.json"))


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda path: path.stem)
@pytest.mark.parametrize("padded_to", [0, 2048])
def test_the_sdk_reads_a_golden_event_and_writes_it_again_as_one_of_ours(
    golden: Path, padded_to: int
) -> None:
    payload = golden.read_bytes()
    event = JSONFormat().read(CloudEvent, payload.ljust(padded_to))
    ours = read_event(payload)
    assert (event.get_source(), event.get_id()) == ours.key
    assert (event.get_time(), event.get_dataschema()) == (ours.time, ours.dataschema)
    again = JSONFormat().write(event)
    assert read_event(again) == ours
    check(EVENTS, again)


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda path: path.stem)
def test_the_sdk_knows_it_by_our_content_type(golden: Path) -> None:
    message = HTTPMessage({"content-type": CONTENT_TYPE}, golden.read_bytes())
    assert from_http_event(message, JSONFormat()).get_id() == read_event(golden.read_bytes()).id


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda path: path.stem)
def test_the_partition_key_of_its_kafka_binding_is_an_extension_that_readers_take(
    golden: Path,
) -> None:
    event = JSONFormat().read(CloudEvent, golden.read_bytes())
    attributes = {**event.get_attributes(), "partitionkey": event.get_subject()}
    keyed = CloudEvent(attributes, event.get_data())
    assert to_binary_event(keyed).key == event.get_subject()
    assert read_event(JSONFormat().write(keyed)).extensions == {"partitionkey": event.get_subject()}
