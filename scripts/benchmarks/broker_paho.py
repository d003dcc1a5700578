"""paho's own publish loop, for `scripts/bench broker`: what a gateway is compared with.

    python -m scripts.benchmarks.broker_paho PORT EVENTS

One client with paho's defaults (20 messages under way, its network thread), MQTT 5 and QoS 1, that
publishes messages of an event's size and properties as fast as `publish` takes them; it has no
outbox, and asks nobody. Standard output: `ready`; after a line on standard input it begins; at the
end one JSON object: `began`, the id of each event with the moment before the first was published,
and `processor_s`, what they took.
"""

import json
import sys
import threading
import time

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from presence.core.event.cloudevent import CONTENT_TYPE

TOPIC = "presence/v1/bench-1/fi-0042/evt/offers-main"
PAYLOAD_BYTES = 462


def payload_of(event_id: str) -> bytes:
    head = f'{{"id":"{event_id}","data":"'
    return f'{head}{"x" * (PAYLOAD_BYTES - len(head) - 2)}"}}'.encode()


def properties_of(event_id: str) -> Properties:
    """Those of an event."""
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    properties.ContentType = CONTENT_TYPE
    properties.PayloadFormatIndicator = 1
    properties.UserProperty = [("type", "presence.entered.v1"), ("id", event_id)]
    properties.MessageExpiryInterval = 119
    return properties


def main(port: int, events: int) -> None:
    ids = [f"{number:026d}" for number in range(events)]
    up, over = threading.Event(), threading.Event()
    left = events
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)

    @client.connect_callback()
    def on_connect(*_: object) -> None:
        up.set()

    @client.publish_callback()
    def on_publish(*_: object) -> None:
        nonlocal left
        left -= 1
        if not left:
            over.set()

    client.connect("127.0.0.1", port)
    client.loop_start()
    up.wait()
    payloads = [payload_of(event_id) for event_id in ids]
    print("ready", flush=True)
    sys.stdin.readline()
    began, spent = time.time(), time.process_time()
    for event_id, payload in zip(ids, payloads, strict=True):
        client.publish(TOPIC, payload, 1, properties=properties_of(event_id))
    over.wait()
    spent = time.process_time() - spent
    client.disconnect()
    client.loop_stop()
    said = {"began": dict.fromkeys(ids, began), "processor_s": spent}
    print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
