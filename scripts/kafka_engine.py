#!/usr/bin/env python3
"""One of several instances of a chain's engine that read Kafka instead of MQTT: a consumer group.

The key is the subject, so copies and withdrawals come to the instance that has their entry. Who is
given a partition reads the last hour of it without a word, for the memory, and then goes on where
the one before had committed; an offer made twice has one `offer_id`. Rules: offer_engine.py, beside
this. Needs confluent-kafka.
"""

import argparse
import json
import time
from pathlib import Path

from confluent_kafka import (  # type: ignore[import-not-found]
    OFFSET_INVALID,
    Consumer,
    Producer,
    TopicPartition,
)
from offer_engine import KEPT_S, OFFERS, Engine, read_customers  # type: ignore[import-not-found]

Partitions = list[TopicPartition]


def consume(options: argparse.Namespace, engine: Engine) -> None:
    topic = f"presence.v1.{options.chain}.evt.{options.audience}"
    servers = {"bootstrap.servers": options.kafka}
    consumer = Consumer(
        servers
        | {"group.id": f"engine-{options.audience}", "enable.auto.commit": False}
        | {"auto.offset.reset": "earliest", "session.timeout.ms": options.session_ms}
    )
    producer = Producer(servers | {"enable.idempotence": True})
    new_from: dict[int, int] = {}

    def given(_consumer: Consumer, partitions: Partitions) -> None:
        since = int((time.time() - KEPT_S) * 1000)
        for each in consumer.committed(partitions, timeout=10):
            new_from[each.partition] = max(each.offset, 0)  # none yet: all of it is new
        wanted = [TopicPartition(topic, each.partition, since) for each in partitions]
        first = consumer.offsets_for_times(wanted, timeout=10)
        for each in first:  # where nothing is so new, from where the one before stopped
            none = each.offset < 0 or each.offset == OFFSET_INVALID
            each.offset = new_from[each.partition] if none else each.offset
        consumer.assign(first)

    consumer.subscribe([topic], on_assign=given)
    while True:
        record = consumer.poll(1.0)
        engine.forget(time.time())
        if record is None or record.error():
            continue
        is_new = record.offset() >= new_from[record.partition()]
        at = time.time() if is_new else record.timestamp()[1] / 1000
        offers = engine.handle(json.loads(record.value()), at)
        if is_new:
            for offer in offers:
                print(text := json.dumps(offer), flush=True)
                producer.produce(topic.replace(".evt.", ".offer."), text, key=offer["subject"])
            producer.flush()
            consumer.commit(record, asynchronous=False)


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--chain", required=True)
parser.add_argument("--audience", required=True)
parser.add_argument("--kafka", required=True, help="HOST:PORT,… of its servers")
parser.add_argument("--customers", type=Path, required=True, help="as offer_engine.py takes them")
parser.add_argument("--session-ms", type=int, default=10_000, help="until who died is replaced")
if __name__ == "__main__":
    chosen = parser.parse_args()
    consume(chosen, Engine(read_customers(chosen.customers), OFFERS))
