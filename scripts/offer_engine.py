#!/usr/bin/env python3
"""The reference offer engine: hears who entered, knows its own customers, answers with one offer.

Copy it and put your own decision in place of `Engine._offer`; keep the rest, for these are the rules of the topic:

  1. You know your customers and nobody else: `subject` changes every day (UTC day on which the visit began), and you
     compute it from the pairwise key that the consent service gave you for each customer:
         subject = "p_" + base64url(HMAC-SHA256(key, b"presence subject v1\\0" + b"2026-11-23")[:16])   no padding
     For customers who granted profiling, b"stable" stands in place of the day. Keep that table to yourself.
  2. Events come at least once: drop what you have had, by (source, id).
  3. Never act after `valid_until`, whatever the broker, a bridge or your own queue did to the message's expiry.
  4. Offer only what `allow` names. It is what this customer agreed to, now, for this shop.
  5. `presence.withdrawn.v1` takes an entered event back (data.entered_id): stop, and cancel what you have offered.

Subscribed: presence/v1/{chain}/{store}/evt/{audience}     answers: presence/v1/{chain}/{store}/offer/{audience}

try it:   presence demo                       a shop, a broker and this engine on your own machine
or:       python3 scripts/offer_engine.py --chain acme --store fi-0042 --audience offers-main \\
              --customers customers.jsonl --offers offers.json
"""

import argparse
import base64
import hashlib
import hmac
import json
import signal
import sys
import time
from collections import Counter, OrderedDict
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

OFFERS = {"ap2:1551": "Today's coffee is on us with any sandwich", "ap2:1123": "20 % off winter boots, this week"}
STOP = "Switch this kind of message off in the shop's app, or say so at the desk; no reason is needed."
REMEMBERED_S, REMEMBERED_MAX = 3600, 10_000


def subject(pairwise_key: bytes, day: bytes) -> str:
    digest = hmac.digest(pairwise_key, b"presence subject v1\0" + day, "sha256")[:16]
    return "p_" + base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def parse_time(text: str) -> float:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time without its zone")
    return moment.timestamp()


class Engine:
    """Decides; knows neither MQTT nor the clock. `handle` answers with what is to be published."""

    def __init__(self, customers: Mapping[str, bytes], offers: Mapping[str, str], *, stop: str = STOP) -> None:
        """`customers`: any name of your own → pairwise key. `offers`: category → text."""
        self.counts: Counter[str] = Counter()
        self._customers, self._offers, self._stop = customers, offers, stop
        self._table: dict[str, str] = {}
        self._table_day = ""
        self._had: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._made: OrderedDict[tuple[str, str], dict[str, Any]] = OrderedDict()

    def handle(self, event: Any, now: float) -> list[dict[str, Any]]:
        """`now`: seconds since 1970. Whatever is no event of ours is counted as malformed."""
        self._forget(now)
        try:
            answers, outcome = self._answer(event, now)
        except (KeyError, TypeError, ValueError, AttributeError):
            answers, outcome = [], "malformed"
        self.counts[outcome] += 1
        return answers

    def customer(self, subject_: str, now: float) -> str | None:
        """Your own name for the subject of an event; it never leaves this process."""
        today = datetime.fromtimestamp(now, UTC).date()
        if self._table_day != today.isoformat():
            self._table_day = today.isoformat()
            days = (self._table_day, (today - timedelta(days=1)).isoformat(), "stable")
            self._table = {subject(k, day.encode()): name for name, k in self._customers.items() for day in days}
        return self._table.get(subject_)

    def _answer(self, event: Any, now: float) -> tuple[list[dict[str, Any]], str]:
        key, data = (str(event["source"]), str(event["id"])), event["data"]
        if key in self._had:
            return [], "duplicate"
        self._remember(key, now)
        if event["type"] == "presence.withdrawn.v1":
            entered = (key[0], str(data["entered_id"]))
            self._remember(entered, now)  # should the entered event come after its withdrawal
            offer = self._made.pop(entered, None)
            if offer is None:
                return [], "withdrawn"
            return [{**offer, "text": "", "cancelled": True, "reason": data.get("reason", "unspecified")}], "cancelled"
        if event["type"] != "presence.entered.v1":
            return [], "other"
        if now >= parse_time(data["valid_until"]):
            return [], "too_late"
        if self.customer(event["subject"], now) is None:
            return [], "unknown_subject"
        offer = self._offer(event)
        if offer is None:
            return [], "nothing_to_offer"
        self._made[key] = offer
        return [offer], "offered"

    def _offer(self, event: Mapping[str, Any]) -> dict[str, Any] | None:
        """Your decision stands here. This one takes the first category that it has a text for."""
        data = event["data"]
        category = next((c for c in data["allow"] if c in self._offers), None) if "offers" in data["purposes"] else None
        if category is None:
            return None
        name = hashlib.sha256(f"{event['source']}\0{event['id']}\0{category}".encode()).hexdigest()[:20]
        return {
            "offer_id": f"o_{name}",
            "in_answer_to": {"source": event["source"], "id": event["id"]},
            "subject": event["subject"],
            "category": category,
            "text": self._offers[category],
            "why": f"you agreed to messages about {category} under notice {data['consent']['notice']}, "
            f"until {data['valid_until']}",
            "stop": self._stop,
            "valid_until": data["valid_until"],
        }

    def _remember(self, key: tuple[str, str], now: float) -> None:
        self._had[key] = now
        self._had.move_to_end(key)

    def _forget(self, now: float) -> None:
        while self._had and (len(self._had) > REMEMBERED_MAX or now - next(iter(self._had.values())) > REMEMBERED_S):
            forgotten, _when = self._had.popitem(last=False)
            self._made.pop(forgotten, None)


def publish(client: mqtt.Client, topic: str, offer: Mapping[str, Any], now: float, *, v5: bool) -> None:
    properties = None
    if v5:
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        properties.ContentType = "application/json"
        properties.PayloadFormatIndicator = 1
        properties.MessageExpiryInterval = max(1, int(parse_time(offer["valid_until"]) - now))
    client.publish(topic, json.dumps(offer, ensure_ascii=False).encode(), qos=1, properties=properties)


def serve(engine: Engine, options: argparse.Namespace) -> int:
    """Until SIGTERM or Ctrl-C. paho reconnects by itself; a thing that is withdrawn meanwhile is too late anyway."""
    v5 = options.protocol == "5"
    base = f"presence/v1/{options.chain}/{options.store}"
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5 if v5 else mqtt.MQTTv311)
    if options.tls_ca:
        client.tls_set(ca_certs=str(options.tls_ca))

    def on_connect(client: mqtt.Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            print(f"the broker refuses us: {reason} (--protocol 3.1.1 where it is old)", file=sys.stderr)
            return
        client.subscribe(f"{base}/evt/{options.audience}", qos=1)

    def on_connect_fail(_client: mqtt.Client, _data: Any) -> None:
        print(f"no connection to {options.host}:{options.port} yet (broker? --tls-ca?)", file=sys.stderr)

    def on_subscribe(_client: mqtt.Client, _data: Any, _mid: int, reasons: list[Any], _properties: Any) -> None:
        print(f"{'refused' if reasons[0].is_failure else 'listening'}: {base}/evt/{options.audience}", file=sys.stderr)

    def on_message(client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        try:
            event = json.loads(message.payload)
        except (ValueError, RecursionError):
            event = None  # counted as malformed
        now = time.time()
        for offer in engine.handle(event, now):
            publish(client, f"{base}/offer/{options.audience}", offer, now, v5=v5)
            name = engine.customer(offer["subject"], now)
            line = f"{name}: {'cancelled' if offer.get('cancelled') else offer['text']} ({offer['category']})"
            print(json.dumps({"customer": name, **offer}, ensure_ascii=False) if options.json else line, flush=True)

    client.on_connect, client.on_connect_fail = on_connect, on_connect_fail
    client.on_subscribe, client.on_message = on_subscribe, on_message
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: client.disconnect())
    client.connect_async(options.host, options.port, keepalive=20)
    client.loop_forever(retry_first_connection=True)
    print(json.dumps(dict(engine.counts)), file=sys.stderr)
    return 0


def read_customers(path: Path) -> dict[str, bytes]:
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    return {str(line["customer"]): bytes.fromhex(line["pairwise_key"]) for line in lines}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1", help="of the broker (default: %(default)s)")
    parser.add_argument(
        "--port", default=1883, type=int, help="of the broker (default: %(default)s; with TLS often 8883)"
    )
    parser.add_argument("--protocol", default="5", choices=["5", "3.1.1"], help="MQTT version (default: %(default)s)")
    parser.add_argument(
        "--tls-ca", type=Path, metavar="FILE", help="the authority that signed the broker; switches TLS on"
    )
    parser.add_argument("--chain", required=True, help="as in the gateway's store.chain")
    parser.add_argument("--store", required=True, help="as in the gateway's store.store")
    parser.add_argument("--audience", required=True, help="your name among the gateway's audiences")
    parser.add_argument(
        "--customers", type=Path, metavar="FILE", help='lines of {"customer": "any", "pairwise_key": "<hex>"}'
    )
    parser.add_argument("--offers", type=Path, metavar="FILE", help='JSON: {"ap2:1551": "the text of the offer", …}')
    parser.add_argument(
        "--json", action="store_true", help="print offers as JSON lines, with your name of the customer"
    )
    options = parser.parse_args(arguments)
    try:
        customers = read_customers(options.customers) if options.customers else {}
        offers = json.loads(options.offers.read_text(encoding="utf-8")) if options.offers else OFFERS
    except (OSError, ValueError, KeyError, TypeError) as error:
        parser.error(f"a file cannot be used: {error!r}")
    return serve(Engine(customers, offers), options)


if __name__ == "__main__":
    sys.exit(main())
