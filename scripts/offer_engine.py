#!/usr/bin/env python3
"""The reference offer engine: hears who entered, knows its own customers, answers with one offer.

Copy it and put your own decision in place of `Engine._offer`; keep the rest, for these are the
rules of the topic:

  1. You know your customers and nobody else: `subject` changes every day (UTC day on which the
     visit began), and you compute it from the pairwise key that the consent service gave you for
     each customer:
         subject = "p_" + base64url(HMAC-SHA256(key, content)[:16]), no padding
         content = b"presence subject v1\\0" + b"2026-11-23"
     For customers who granted profiling, b"stable" stands in place of the day. Keep that table to
     yourself.
  2. Events come at least once: drop what you have had, by (source, id).
  3. Never act after `valid_until`, whatever the broker, a bridge or your own queue did to the
     message's expiry.
  4. Answer for a purpose that the event names, and offer only what `allow` names. It is what this
     customer agreed to, now, for this shop. A word of service is no offer, and has no category.
  5. `presence.withdrawn.v1` takes an entered event back (data.entered_id): stop, and cancel what
     you have offered.
  6. Keep nothing about a visit longer than an hour. That is why the cap below counts within the
     hour only.
  7. Be away for a moment and miss nothing: a client id that stays, a session of two minutes (as
     long as an event lives), no clean start. And look at the answers to your own messages: an offer
     that the broker did not take, or had nobody to give to, is sent again until `valid_until`.

Subscribed: presence/v1/{chain}/{store}/evt/{audience}
Answers:    presence/v1/{chain}/{store}/offer/{audience}

With --group several instances share the load; each hears what the others offered, so copies are
answered once and any of them can cancel. Copies handled at the very same instant still make two
messages, of one `offer_id`: whoever sends offers to phones sends each offer_id once. More:
docs/offer-engine.md. Try it: `presence demo`, `scripts/dev-broker`.
"""

import argparse
import base64
import hashlib
import hmac
import json
import math
import signal
import sys
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from datetime import time as clock
from pathlib import Path
from queue import SimpleQueue
from typing import Any
from zoneinfo import ZoneInfo

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

# Categories of the IAB Ad Product Taxonomy 2.0: Vehicles, Lawn and Garden, Footwear.
OFFERS = {
    "ap2:1551": "A free wheel change this week",
    "ap2:1285": "Tulip bulbs, two bags for the price of one",
    "ap2:1070": "20 % off winter boots, today",
}
KEPT_S, FORGET_EVERY_S, KEPT_MAX = 3500, 30, 100_000  # together less than an hour (T-26)
SESSION_S = 120  # as long as an event lives: what the broker keeps longer is of no use
RECONNECT_MAX_S = 10  # well within the session
AGAIN_EVERY_S = 5
NOBODY = 0x10  # no matching subscribers (MQTT 5.0, 2.4)
FOR_GOOD = (0x87, 0x90, 0x95, 0x99)  # denied, bad topic, too large, bad payload: not sent again


def subject(pairwise_key: bytes, day: bytes) -> str:
    digest = hmac.digest(pairwise_key, b"presence subject v1\0" + day, "sha256")[:16]
    return "p_" + base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def parse_time(text: str) -> float:
    """Any spelling of RFC 3339: who passes an event on may write another one than the gateway."""
    upper = text.upper()
    leap = upper[16:19] == ":60"  # a leap second: the one after :59
    moment = datetime.fromisoformat(f"{upper[:17]}59{upper[19:]}" if leap else upper)
    if moment.tzinfo is None:
        raise ValueError("a time without its zone")
    return moment.timestamp() + leap


@dataclass(frozen=True)
class Manners:
    """What the law leaves to you, and a good host does anyway."""

    per_hour: int = 3
    """To one customer at most; 0: nothing at all."""
    cool_down_s: float = 600
    """After an offer the customer is left alone so long. Two gateways that cannot hear each other
    may tell one visit under two ids, where it began at the border of two id periods: this drops the
    second.
    """
    quiet: tuple[clock, clock] = (clock(), clock())
    """From and to: what would come then is not sent, nor sent later."""
    zone: tzinfo = UTC
    stop: str = (
        "Switch this kind of message off in the shop's app, or say so at the desk; no "
        "reason is needed."
    )

    def is_quiet(self, now: float) -> bool:
        at, (first, last) = datetime.fromtimestamp(now, self.zone).time(), self.quiet
        return first <= at < last if first <= last else not last <= at < first


MANNERS = Manners()


@dataclass
class Known:
    """What is remembered of an event, for KEPT_S at most."""

    since: float
    customer: str | None = None
    offer: dict[str, Any] | None = None
    taken_back: str = ""


class Engine:
    """Decides; knows neither MQTT nor the clock. `handle` and `learn` answer with what is to be
    published.
    """

    def __init__(
        self,
        customers: Mapping[str, bytes],
        offers: Mapping[str, str],
        manners: Manners = MANNERS,
        service: str = "",
    ) -> None:
        """`customers`: any name of your own → pairwise key. `offers`: category → text. `service`:
        what is said to who asked to be served; nothing where it is empty.
        """
        self.counts: Counter[str] = Counter()
        self._customers, self._offers, self._manners = customers, offers, manners
        self._service = service
        self._table: dict[str, str] = {}
        self._table_day = ""
        self._known: OrderedDict[tuple[str, str], Known] = OrderedDict()
        self._offered: Counter[str] = Counter()
        self._last_offer: dict[str, float] = {}

    def handle(self, event: Any, now: float) -> list[dict[str, Any]]:
        """`now`: seconds since 1970. Whatever is no event of ours is counted as malformed."""
        self.forget(now)
        try:
            answers, outcome = self._answer(event, now)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
            answers, outcome = [], "malformed"
        self.counts[outcome] += 1
        return answers

    def learn(self, offer: Any, now: float) -> list[dict[str, Any]]:
        """What another instance offered or cancelled is as if we had; where we know better, it is
        cancelled.
        """
        try:
            key = (str(offer["in_answer_to"]["source"]), str(offer["in_answer_to"]["id"]))
            parse_time(offer["valid_until"])
            known = self._remember(key, now)
            if offer.get("cancelled"):
                known.offer, known.taken_back = None, str(offer["reason"])
            elif known.taken_back:  # the withdrawal was given to us, the event to them
                self.counts["cancelled"] += 1
                return [cancelled(offer, known.taken_back)]
            else:
                self._made(known, offer, self.customer(offer["subject"], now))
        except (KeyError, TypeError, ValueError, AttributeError):
            self.counts["malformed"] += 1
        return []

    def forget(self, now: float) -> None:
        """To be called now and then, also when no event comes."""
        while self._known and (
            len(self._known) > KEPT_MAX
            or abs(now - next(iter(self._known.values())).since) > KEPT_S
        ):
            name = self._known.popitem(last=False)[1].customer
            if name is not None:
                self._offered[name] -= 1
                if not self._offered[name]:
                    del self._offered[name], self._last_offer[name]

    def customer(self, subject_: str, now: float) -> str | None:
        """Your own name for the subject of an event; it never leaves this process."""
        today = datetime.fromtimestamp(now, UTC).date()
        if self._table_day != today.isoformat():
            self._table_day = today.isoformat()
            # Yesterday's visits may still go on; tomorrow's begin with a gateway whose clock is a
            # little ahead.
            days = [(today + timedelta(days=n)).isoformat().encode() for n in (-1, 0, 1)] + [
                b"stable"
            ]
            self._table = {
                subject(key, day): name for name, key in self._customers.items() for day in days
            }
        return self._table.get(subject_)

    def _answer(self, event: Any, now: float) -> tuple[list[dict[str, Any]], str]:
        key, data = (str(event["source"]), str(event["id"])), event["data"]
        if key in self._known:
            return [], "duplicate"
        known = self._remember(key, now)
        if event["type"] == "presence.withdrawn.v1":
            entered = self._remember(
                (key[0], str(data["entered_id"])), now
            )  # or it comes after its withdrawal
            entered.taken_back = str(data.get("reason", "unspecified"))
            offer, entered.offer = entered.offer, None
            return (
                ([cancelled(offer, entered.taken_back)], "cancelled")
                if offer
                else ([], "withdrawn")
            )
        if event["type"] != "presence.entered.v1":
            return [], "other"
        if now >= min(parse_time(data["valid_until"]), parse_time(event["time"]) + KEPT_S):
            return [], "too_late"
        name = self.customer(event["subject"], now)
        if name is None:
            return [], "unknown_subject"
        if self._manners.is_quiet(now):
            return [], "quiet"
        if self._offered[name] >= self._manners.per_hour:
            return [], "enough"
        if now - self._last_offer.get(name, -math.inf) < self._manners.cool_down_s:
            return [], "too_soon"
        offer = self._offer(event)
        if offer is None:
            return [], "nothing_to_offer"
        self._made(known, offer, name)
        return [offer], "offered"

    def _offer(self, event: Mapping[str, Any]) -> dict[str, Any] | None:
        """Your decision stands here. This one takes the first category that it has a text for, and
        then the one thing that it has to say for `service`.
        """
        data = event["data"]
        allowed = data["allow"] if "offers" in data["purposes"] else []
        category = next((c for c in allowed if c in self._offers), None)
        if category is not None:
            about = {"purpose": "offers", "category": category, "text": self._offers[category]}
            agreed = f"you agreed to offers about {category}"
        elif "service" in data["purposes"] and self._service:
            about = {"purpose": "service", "text": self._service}
            agreed = "you agreed to be served"
        else:
            return None
        # The same from each instance, and again after a restart: the sender knows a copy by it.
        name = hashlib.sha256(f"{event['source']}\0{event['id']}".encode()).hexdigest()[:20]
        return {
            "offer_id": f"o_{name}",
            "in_answer_to": {"source": event["source"], "id": event["id"]},
            "subject": event["subject"],
            **about,
            "why": f"{agreed} under notice {data['consent']['notice']}, and came in; "
            f"we may answer to that until {data['valid_until']}",
            "stop": self._manners.stop,
            "valid_until": data["valid_until"],
        }

    def _made(self, known: Known, offer: dict[str, Any], name: str | None) -> None:
        if name is not None and known.customer is None:
            known.offer, known.customer = offer, name
            self._offered[name] += 1
            self._last_offer[name] = known.since

    def _remember(self, key: tuple[str, str], now: float) -> Known:
        return self._known.setdefault(key, Known(now))


def cancelled(offer: Mapping[str, Any], reason: str) -> dict[str, Any]:
    return {**offer, "text": "", "cancelled": True, "reason": reason}


class Service:
    """The engine on a broker, until SIGTERM or Ctrl-C. paho reconnects by itself."""

    def __init__(self, engine: Engine, options: argparse.Namespace) -> None:
        self._engine, self._options, self._v5 = engine, options, options.protocol == "5"
        self._lock, self._done = threading.Lock(), threading.Event()
        base = f"presence/v1/{options.chain}/{options.store}"
        share = f"$share/{options.group}/" if options.group else ""
        self._events, self._offers = (
            f"{share}{base}/evt/{options.audience}",
            f"{base}/offer/{options.audience}",
        )
        self._unanswered: dict[int, tuple[str, Mapping[str, Any]]] = {}
        """Offers and their topics, by packet id, until the broker's PUBACK."""
        self._again: dict[str, tuple[str, Mapping[str, Any]]] = {}
        """By offer_id: what the broker did not take, or had nobody to give to."""
        self._answers: SimpleQueue[tuple[int, Any]] = SimpleQueue()
        """Packet ids and the broker's reasons, until somebody looks."""
        version = mqtt.MQTTv5 if self._v5 else mqtt.MQTTv311
        self._client = client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id_of(options),
            # 3.1.1 knows no session that ends by itself, and one that never ends keeps events.
            clean_session=None if self._v5 else True,
            protocol=version,
        )
        client.reconnect_delay_set(max_delay=RECONNECT_MAX_S)
        if options.tls_ca:
            client.tls_set(
                ca_certs=str(options.tls_ca), certfile=options.tls_cert, keyfile=options.tls_key
            )
        client.on_connect, client.on_connect_fail = self._on_connect, self._on_connect_fail
        client.on_subscribe, client.on_message = self._on_subscribe, self._on_message
        client.on_publish = self._on_publish

    def run(self) -> int:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stop())
        for work, every_s in (
            (self.keep_forgetting, FORGET_EVERY_S),
            (self.keep_asking, AGAIN_EVERY_S),
        ):
            threading.Thread(target=work, args=(every_s,), daemon=True).start()
        self._client.connect_async(
            self._options.host, self._options.port, keepalive=20, **self._session()
        )
        self._client.loop_forever(retry_first_connection=True)
        self._done.set()
        with self._lock:
            self._take_answers()
        print(json.dumps(dict(self._engine.counts)), file=sys.stderr)
        return 0

    def stop(self) -> None:
        """From a signal, too: it may come while this very thread holds a lock of the client."""
        threading.Thread(target=self._client.disconnect, daemon=True).start()

    def keep_forgetting(self, every_s: float) -> None:
        while not self._done.wait(every_s):
            with self._lock:
                self._engine.forget(time.time())

    def keep_asking(self, every_s: float) -> None:
        while not self._done.wait(every_s):
            with self._lock:
                self._take_answers()
                again, self._again, now = self._again, {}, time.time()
                for topic, offer in again.values():
                    if now < parse_time(offer["valid_until"]):
                        self._send(topic, offer, now)

    def _session(self) -> dict[str, Any]:
        """The broker keeps what comes while we are away. Not in a group: there another instance can
        have it.
        """
        if not self._v5:
            return {}
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = 0 if self._options.group else SESSION_S
        return {"clean_start": False, "properties": properties}

    def _on_connect(
        self, client: mqtt.Client, _data: Any, _flags: Any, reason: Any, _properties: Any
    ) -> None:
        if reason.is_failure:
            print(
                f"the broker refuses us: {reason} (--protocol 3.1.1 where it is old)",
                file=sys.stderr,
            )
            return
        client.subscribe(self._events, qos=1)
        if self._options.group:  # what the other instances offer, and not what we do
            client.subscribe(self._offers, options=SubscribeOptions(qos=1, noLocal=True))

    def _on_connect_fail(self, _client: mqtt.Client, _data: Any) -> None:
        print(
            f"no connection to {self._options.host}:{self._options.port} yet (broker? --tls-ca?)",
            file=sys.stderr,
        )

    def _on_subscribe(
        self, _client: mqtt.Client, _data: Any, _mid: int, reasons: list[Any], _properties: Any
    ) -> None:
        print(
            f"{'refused' if reasons[0].is_failure else 'listening'}: {self._events}",
            file=sys.stderr,
        )

    def _on_message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        try:
            body = json.loads(message.payload)
        except (ValueError, RecursionError):
            body = None  # counted as malformed
        now, is_event = time.time(), "/evt/" in message.topic
        with self._lock:
            answers = (self._engine.handle if is_event else self._engine.learn)(body, now)
            for offer in answers:
                self._publish(message.topic.replace("/evt/", "/offer/"), offer, now)

    def _on_publish(
        self, _client: mqtt.Client, _data: Any, mid: int, reason: Any, _properties: Any
    ) -> None:
        """paho holds a lock meanwhile that `publish` waits for: to wait here for one that is held
        while something is sent is to wait for ever.
        """
        self._answers.put((mid, reason))

    def _take_answers(self) -> None:
        while not self._answers.empty():
            mid, reason = self._answers.get()
            topic, offer = self._unanswered.pop(mid, ("", {}))
            if not offer or reason.value == 0:
                continue
            outcome = "offer_unheard" if reason.value == NOBODY else "offer_refused"
            self._engine.counts[outcome] += 1
            if self._engine.counts[outcome] == 1:
                print(f"{outcome}: {reason} (told once): {topic}", file=sys.stderr)
            if reason.value not in FOR_GOOD:
                self._again[offer["offer_id"]] = topic, offer

    def _send(self, topic: str, offer: Mapping[str, Any], now: float) -> None:
        """In place of what was said of this offer before: a cancellation is the last word."""
        self._take_answers()
        name = offer["offer_id"]
        self._again.pop(name, None)
        for mid in [mid for mid, (_, o) in self._unanswered.items() if o["offer_id"] == name]:
            del self._unanswered[mid]
        properties = None
        if self._v5:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.ContentType = "application/json"
            properties.PayloadFormatIndicator = 1
            properties.MessageExpiryInterval = max(1, int(parse_time(offer["valid_until"]) - now))
        info = self._client.publish(
            topic, json.dumps(offer, ensure_ascii=False).encode(), qos=1, properties=properties
        )
        self._unanswered[info.mid] = topic, offer

    def _publish(self, topic: str, offer: Mapping[str, Any], now: float) -> None:
        self._send(topic, offer, now)
        name = self._engine.customer(offer["subject"], now)
        line = (
            f"{name}: {'cancelled' if offer.get('cancelled') else offer['text']} "
            f"({offer.get('category', 'service')})"
        )
        print(
            json.dumps({"customer": name, **offer}, ensure_ascii=False)
            if self._options.json
            else line,
            flush=True,
        )


def client_id_of(options: argparse.Namespace) -> str:
    """The same at each start, or the broker would not know whose session it is."""
    store = "all" if options.store == "+" else options.store
    return options.client_id or f"offer-engine-{options.chain}-{store}-{options.audience}"


def read_customers(path: Path) -> dict[str, bytes]:
    lines = [
        json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()
    ]
    return {str(line["customer"]): bytes.fromhex(line["pairwise_key"]) for line in lines}


def hours(text: str) -> tuple[clock, clock]:
    first, last = map(clock.fromisoformat, text.split("-"))
    return first, last


def parse_options(
    arguments: list[str] | None,
) -> tuple[argparse.ArgumentParser, argparse.Namespace]:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    _add_broker(parser)
    _add_audience(parser)
    _add_manners(parser)
    return parser, parser.parse_args(arguments)


def _add_broker(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="of the broker (default: %(default)s)")
    add(
        "--port",
        default=1883,
        type=int,
        help="of the broker (default: %(default)s; with TLS often 8883)",
    )
    add(
        "--protocol",
        default="5",
        choices=["5", "3.1.1"],
        help="MQTT version (default: %(default)s)",
    )
    add("--tls-ca", metavar="FILE", help="the authority that signed the broker; switches TLS on")
    add("--tls-cert", metavar="FILE", help="our certificate, where the broker wants one")
    add("--tls-key", metavar="FILE", help="its key")


def _add_audience(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--chain", required=True, help="as in the gateway's store.chain")
    add(
        "--store",
        required=True,
        help="as in the gateway's store.store; + for all stores of the chain",
    )
    add("--audience", required=True, help="your name among the gateway's audiences")
    add("--group", metavar="NAME", help="share the load with other instances of this name (MQTT 5)")
    add(
        "--client-id",
        metavar="ID",
        help="at the broker; each instance of a group needs its own "
        "(default: offer-engine-CHAIN-STORE-AUDIENCE)",
    )
    add(
        "--customers",
        type=Path,
        metavar="FILE",
        help='lines of {"customer": "any", "pairwise_key": "<hex>"}',
    )
    add(
        "--offers", type=Path, metavar="FILE", help='JSON: {"ap2:1551": "the text of the offer", …}'
    )
    add(
        "--service",
        default="",
        metavar="TEXT",
        help="said to who asked to be served (purpose service; default: nothing)",
    )


def _add_manners(parser: argparse.ArgumentParser) -> None:
    """How often, when, and how an offer is shown."""
    add = parser.add_argument
    add(
        "--per-hour",
        type=int,
        default=3,
        metavar="N",
        help="offers to a customer at most (default: %(default)s)",
    )
    add(
        "--cool-down",
        type=float,
        default=600,
        metavar="S",
        help="seconds between two of them (default: %(default)s)",
    )
    add(
        "--quiet",
        type=hours,
        default=MANNERS.quiet,
        metavar="HOURS",
        help="no offers then, such as 21:00-09:00",
    )
    add(
        "--time-zone",
        type=ZoneInfo,
        default=UTC,
        metavar="ZONE",
        help="of --quiet, e.g. Europe/Helsinki",
    )
    add(
        "--json",
        action="store_true",
        help="print offers as JSON lines, with your name of the customer",
    )


def main(arguments: list[str] | None = None) -> int:
    parser, options = parse_options(arguments)
    if options.group and options.protocol != "5":
        parser.error("--group needs MQTT 5")
    if options.group and not options.client_id:
        parser.error("--group needs --client-id, another one for each instance")
    try:
        customers = read_customers(options.customers) if options.customers else {}
        offers = (
            json.loads(options.offers.read_text(encoding="utf-8")) if options.offers else OFFERS
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        parser.error(f"a file cannot be used: {error!r}")
    manners = Manners(options.per_hour, options.cool_down, options.quiet, options.time_zone)
    return Service(Engine(customers, offers, manners, options.service), options).run()


if __name__ == "__main__":
    sys.exit(main())
