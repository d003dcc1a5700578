#!/usr/bin/env python3
"""An offer engine in fifty lines: example_engine.py CHAIN STORE AUDIENCE CUSTOMERS [PORT]"""

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from presence.contract import (
    EnteredEvent,
    NotInContract,
    SubjectTable,
    WithdrawnEvent,
    read_customers,
    read_event,
)

chain, store, audience, customers, *port = sys.argv[1:]
table = SubjectTable(read_customers(Path(customers).read_text().splitlines()))
topic = f"presence/v1/{chain}/{store}/evt/{audience}"
seen: dict[tuple[str, str], datetime] = {}  # E-3, E-4 and E-5: copies, withdrawn, and an hour


def on_message(_client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
    now = datetime.now(UTC)
    for key in [key for key, since in seen.items() if now - since > timedelta(minutes=58)]:
        del seen[key]
    try:
        event = read_event(message.payload)
    except NotInContract as broken:
        print(f"passed over: {broken}", file=sys.stderr)
        return
    is_copy = event.key in seen
    seen[event.key] = seen.get(event.key, now)
    if isinstance(event, WithdrawnEvent):
        seen.setdefault(event.entered_key, now)  # and cancel what you offered
    elif isinstance(event, EnteredEvent) and not is_copy and now < event.data.valid_until:
        customer = table.customer(event.subject, now)
        if customer and "offers" in event.data.purposes and event.data.allow:
            print(json.dumps({"to": customer, "about": event.data.allow[0]}), flush=True)


session = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
session.SessionExpiryInterval = 120  # a restart loses nothing: an event lives no longer
client = mqtt.Client(CallbackAPIVersion.VERSION2, f"engine-{audience}", protocol=mqtt.MQTTv5)
client.on_connect = lambda c, *_: c.subscribe(topic, qos=1)
client.on_subscribe = lambda *_: print("listening", file=sys.stderr)
client.on_message = on_message
server = "127.0.0.1", int(port[0] if port else 1883)
client.connect_async(*server, clean_start=False, properties=session)
client.loop_forever(retry_first_connection=True)  # E-11: also where the broker is not there yet
