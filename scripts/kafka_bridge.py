#!/usr/bin/env python3
"""Carries events of a chain from MQTT to Kafka: key = subject, nothing over an hour old, no copies.

A message is acknowledged to the MQTT broker once Kafka has it; the session keeps what comes
meanwhile. What is past its `valid_until` is dropped, Kafka would keep it. Needs confluent-kafka.
"""

import argparse
import json
import sys
import time
from typing import Any

import paho.mqtt.client as mqtt
from confluent_kafka import KafkaException, Producer  # type: ignore[import-not-found]
from confluent_kafka.admin import (  # type: ignore[import-not-found]
    AdminClient,
    ConfigResource,
    NewTopic,
)
from offer_engine import KEPT_S, SESSION_S, parse_time  # type: ignore[import-not-found]
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

# A segment goes as a whole, once its newest record is old enough, and within the 5 minutes of
# log.retention.check.interval.ms and the one of file.delete.delay.ms: 40 + 10 + 5 + 1 < 60.
KEPT = {"cleanup.policy": "delete", "retention.ms": "2400000", "segment.ms": "600000"}


def make_topic(servers: str, topic: str, partitions: int, replicas: int) -> None:
    """Raises SystemExit where a topic of that name keeps its records longer."""
    admin = AdminClient({"bootstrap.servers": servers})
    made = admin.create_topics([NewTopic(topic, partitions, replicas, config=KEPT)])[topic]
    if made.exception() is None:
        return
    (found,) = admin.describe_configs([ConfigResource("topic", topic)]).values()
    other = {name: found.result()[name].value for name in KEPT} != KEPT
    if other:
        sys.exit(f"{topic} is there, and not with {KEPT}")


def _client(options: argparse.Namespace) -> mqtt.Client:
    client = mqtt.Client(
        CallbackAPIVersion.VERSION2,
        f"kafka-bridge-{options.chain}-{options.audience}",
        protocol=mqtt.MQTTv5,
        manual_ack=True,
    )
    events = f"presence/v1/{options.chain}/+/evt/{options.audience}"
    client.on_connect = lambda c, *_: c.subscribe(events, qos=1)
    client.on_subscribe = lambda *_: print("listening", file=sys.stderr, flush=True)
    return client


def _session() -> Any:
    session = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    session.SessionExpiryInterval = SESSION_S
    return session


def bridge(options: argparse.Namespace) -> None:
    topic = f"presence.v1.{options.chain}.evt.{options.audience}"
    make_topic(options.kafka, topic, options.partitions, options.replicas)
    producer = Producer({"bootstrap.servers": options.kafka, "enable.idempotence": True})
    sent: dict[tuple[str, str], float] = {}

    def on_message(client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        now = time.time()
        for old in [key for key, at in sent.items() if now - at > KEPT_S]:
            del sent[old]
        try:
            event = json.loads(message.payload)
            key, to = (str(event["source"]), str(event["id"])), str(event["subject"])
            until = event["data"].get("valid_until")
            over = until is not None and parse_time(until) <= now
        except (ValueError, KeyError, TypeError, AttributeError):
            over = True  # no event of ours
        if over or key in sent:
            client.ack(message.mid, message.qos)
            return

        def stored(error: object, _record: object) -> None:
            if error:
                sys.exit(f"Kafka did not take an event: {error}")  # the MQTT broker has it still
            sent[key] = now
            client.ack(message.mid, message.qos)

        producer.produce(topic, message.payload, key=to, on_delivery=stored)

    client = _client(options)
    client.on_message = on_message
    client.connect(options.host, options.port, clean_start=False, properties=_session())
    while client.loop(timeout=0.05) == mqtt.MQTT_ERR_SUCCESS:
        producer.poll(0)
    sys.exit("the MQTT broker is away: start again, the session waits")


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--chain", required=True)
parser.add_argument("--audience", required=True)
parser.add_argument("--host", default="127.0.0.1", help="of the MQTT broker")
parser.add_argument("--port", default=1883, type=int, help="of the MQTT broker")
parser.add_argument("--kafka", required=True, help="HOST:PORT,… of its servers")
parser.add_argument("--partitions", default=12, type=int)
parser.add_argument("--replicas", default=3, type=int)
if __name__ == "__main__":
    try:
        bridge(parser.parse_args())
    except (KafkaException, OSError) as error:
        sys.exit(f"{error}")
