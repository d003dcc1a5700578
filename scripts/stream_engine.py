#!/usr/bin/env python3
"""One of several instances of a chain's engine that read RabbitMQ's stream instead of MQTT.

Each reads all of it and handles the subjects that are its own: copies and withdrawals come to the
memory that has their entry. Who begins (again) begins with what may still be valid; an offer made
twice has one `offer_id`. All other rules: offer_engine.py, beside this. Needs pika.
"""

import argparse
import json
import sys
import time
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pika  # type: ignore[import-not-found]
from offer_engine import OFFERS, Engine, read_customers  # type: ignore[import-not-found]

VALID = timedelta(seconds=120)  # events.expiry_s of the gateways
STREAM = {"x-queue-type": "stream", "x-max-age": "1h", "x-stream-max-segment-size-bytes": 500_000}


def consume(options: argparse.Namespace, engine: Engine) -> None:
    topic = f"presence.v1.{options.chain}.*.evt.{options.audience}"
    with pika.BlockingConnection([pika.URLParameters(url) for url in options.node]) as connection:
        channel = connection.channel()
        channel.queue_declare(topic, durable=True, arguments=STREAM)
        channel.queue_bind(topic, "amq.topic", topic)
        channel.basic_qos(prefetch_count=100)
        since = {"x-stream-offset": datetime.now(UTC) - VALID}
        for method, _, body in channel.consume(topic, arguments=since, inactivity_timeout=30):
            engine.forget(time.time())
            if method is None:
                continue
            event = json.loads(body)
            if zlib.crc32(event["subject"].encode()) % options.instances == options.instance:
                for offer in engine.handle(event, time.time()):
                    print(text := json.dumps(offer), flush=True)
                    to = method.routing_key.replace(".evt.", ".offer.")
                    channel.basic_publish("amq.topic", to, text)
            channel.basic_ack(method.delivery_tag)


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--chain", required=True)
parser.add_argument("--audience", required=True)
parser.add_argument("--node", action="append", required=True, help="amqp://…, once for each node")
parser.add_argument("--customers", type=Path, required=True, help="as offer_engine.py takes them")
parser.add_argument("--instance", type=int, default=0, help="this one's number, from 0")
parser.add_argument("--instances", type=int, default=1, help="how many there are")
if __name__ == "__main__":
    chosen = parser.parse_args()
    deciding = Engine(read_customers(chosen.customers), OFFERS)
    while True:
        try:
            consume(chosen, deciding)
        except (pika.exceptions.AMQPError, OSError) as error:
            print(f"again in a second: {error!r}", file=sys.stderr)
            time.sleep(1)
