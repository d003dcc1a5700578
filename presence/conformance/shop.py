"""The shop that the kit plays: events as gateways write them, with the core's own encoding, ids and
subjects.
"""

import json
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final

from presence.core.event.cloudevent import (
    STABLE_DAY,
    Assurance,
    Event,
    EventType,
    WithdrawnReason,
    encode,
    entered_data,
    event_id,
    subject_of_day,
    topic,
    utc_day,
)
from presence.core.site import Site

DAY_S: Final = 86_400
VALID_S: Final = 1800
BEGAN_S: Final = 30
OFFERS: Final = "offers"
SERVICE: Final = "service"
NOTICE: Final = "engine-test"
LIST_SEQ: Final = 1
MINOR: Final = re.compile(r"1\.0\b")
"""Of a `dataschema`."""


@dataclass(frozen=True, slots=True)
class Told:
    """One event as it is sent."""

    type: str
    id: str
    payload: bytes = field(repr=False)
    allow: tuple[str, ...] = ()
    purpose: str = ""
    subject: str = field(default="", repr=False)

    def rewritten(self, change: Callable[[dict[str, Any]], None]) -> "Told":
        """The same after `change` had its JSON object."""
        body = json.loads(self.payload)
        change(body)
        payload = json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
        return replace(self, type=str(body["type"]), payload=payload)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayedVisit:
    """What is particular about a visit."""

    began_s: float = BEGAN_S
    """Before now."""
    valid_s: float = VALID_S - BEGAN_S
    """From now on; below 0 it is over."""
    day: int | None = None
    """Its subject is not of the day on which it began, but of so many days from now."""
    stable: bool = False
    """Its subject is that of a customer who agreed to profiling."""
    purpose: str | None = None
    """Another one than the audience's."""
    allow: tuple[str, ...] | None = None
    pad_to_bytes: int = 0


ORDINARY: Final = PlayedVisit()


class Shop:
    """Tells visits to one audience; no two have one id."""

    def __init__(
        self, site: Site, audience: str, allow: tuple[str, ...], purpose: str = OFFERS
    ) -> None:
        """`allow` counts for offers; events for `service` allow no category."""
        self.site, self.audience, self.purpose = site, audience, purpose
        self.allow = allow if purpose == OFFERS else ()
        self.source = f"urn:presence:{site.chain}:{site.store}"
        self.events_topic = topic(site, audience)
        self.offers_topic = f"presence/v1/{site.chain}/{site.store}/offer/{audience}"
        self._store_key = secrets.token_bytes(32)
        self._count = 0

    def entered(self, pairwise_key: bytes, now_s: float, how: PlayedVisit = ORDINARY) -> Told:
        allowed = self.allow if how.allow is None else how.allow
        purpose = how.purpose or self.purpose
        began_s = now_s - how.began_s
        named_s = began_s if how.day is None else now_s + how.day * DAY_S
        data = entered_data(
            purpose,
            allowed,
            now_s + how.valid_s,
            list_seq=LIST_SEQ,
            notice=NOTICE,
            assurance=Assurance.BROADCAST,
        )
        day = STABLE_DAY if how.stable else utc_day(named_s)
        subject = subject_of_day(pairwise_key, day)
        told = self._told(EventType.ENTERED, subject, began_s, data)
        padded = told.payload.ljust(how.pad_to_bytes)
        return replace(told, payload=padded, allow=allowed, purpose=purpose)

    def withdrawn(self, entered: Told, now_s: float) -> Told:
        data = {"entered_id": entered.id, "reason": WithdrawnReason.WITHDRAWN.value}
        return self._told(EventType.WITHDRAWN, entered.subject, now_s, data)

    def left(self, entered: Told, now_s: float) -> Told:
        return self._told(EventType.LEFT, entered.subject, now_s, {"entered_id": entered.id})

    def _told(self, kind: EventType, subject: str, occurred_s: float, data: dict[str, Any]) -> Told:
        self._count += 1
        name = event_id(self._store_key, kind, self.audience, b"engine-test", self._count)
        event = Event(kind, name, subject, self.audience, occurred_s, data)
        return Told(kind.value, name, encode(event, self.site), subject=subject)


def of_a_newer_minor(body: dict[str, Any]) -> None:
    """As a gateway of next year tells it, passed on by somebody who traces."""
    body["dataschema"] = MINOR.sub("1.1", body["dataschema"])
    body["data"]["language"] = "fi"
    body["data"]["consent"]["scope"] = {"since": "2026-11"}
    body["traceparent"] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def with_times_of_an_sdk(body: dict[str, Any]) -> None:
    """The same moments as other libraries spell them (RFC 3339 §5.6)."""
    body["time"] = body["time"].replace("Z", ".000Z")
    body["data"]["valid_until"] = body["data"]["valid_until"].replace("Z", "+00:00")
