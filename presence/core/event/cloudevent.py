"""The JSON that we publish: structured CloudEvents 1.0, closed where we write
(docs/design.md#event, R-21, R-22).

An event tells an audience as little as lets it help: nothing in it joins two days or two audiences.

* `source` is the store and `id` follows from its content, so every gateway of a store gives one
  visit the same pair. The id is made for one audience: two engines that compare ids learn nothing
  (R-22).
* `subject` is made from the audience's own pairwise key and the UTC day on which the visit began.
* `time` is cut to the minute. There is no strength, gateway, zone, duration, ref or version.
* Padded events are all of one size: else a watcher of encrypted traffic could tell kinds and
  interests (T-16). Spaces after a JSON text belong to no value (RFC 8259 §2), so the schema
  stays what it is.
"""

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from presence.core.consent.gate import Reason
from presence.core.consent.model import Consent
from presence.core.encoding import encode_base64url, opaque_text
from presence.core.site import Site
from presence.core.timestamps import rfc3339, rfc3339_minute

CONTENT_TYPE: Final = "application/cloudevents+json; charset=utf-8"
STABLE_DAY: Final = b"stable"
_compact: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


class EventType(StrEnum):
    ENTERED = "presence.entered.v1"
    LEFT = "presence.left.v1"
    WITHDRAWN = "presence.withdrawn.v1"


class WithdrawnReason(StrEnum):
    """Why an `entered` must not be acted on any longer; a closed enumeration of the schema."""

    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    OBJECTED = "objected"
    PAUSED = "paused"
    UNSPECIFIED = "unspecified"

    @classmethod
    def of(cls, reason: Reason) -> "WithdrawnReason":
        """What an audience learns of the gate's reason."""
        told = {Reason.UNKNOWN: cls.WITHDRAWN, Reason.EXPIRED: cls.EXPIRED}
        told |= {Reason.OBJECTED: cls.OBJECTED, Reason.PAUSED: cls.PAUSED}
        return told.get(reason, cls.UNSPECIFIED)


class Assurance(StrEnum):
    """How the gateway knows; a closed enumeration of the schema."""

    BROADCAST = "broadcast"
    """It heard the identifier, which can be recorded and played back while its slot lasts."""
    CHALLENGE = "challenge"
    """All strengths that made the entry stood in the phone's own answers to this gateway's
    challenges (presence.core.recognition.challenge): no broadcast had a part in it.
    """


@dataclass(frozen=True, slots=True)
class Event:
    """One event for one audience, with all that a message needs."""

    type: EventType
    id: str
    subject: str = field(repr=False)
    audience: str
    occurred_s: float
    data: Mapping[str, Any] = field(default_factory=dict)


def event_id(store_key: bytes, kind: EventType, audience: str, ref: bytes, bucket: int) -> str:
    """26 characters of lower-case base32 (130 bits) that every gateway of the store computes alike.

    `bucket` numbers the stretch of time in which the visit began (see `visit_bucket`).
    """
    content = b"\0".join(
        (b"presence event v1", kind.encode(), audience.encode(), ref, str(bucket).encode())
    )
    return opaque_text(hmac.digest(store_key, content, "sha256"))


def visit_bucket(entered_s: float, bucket_s: float) -> int:
    """Two visits of one subject never share a bucket while `bucket_s` is at most the cooldown."""
    return int(entered_s // bucket_s)


def subject_of_day(pairwise_key: bytes, day: bytes) -> str:
    """`p_` and 22 characters of base64url (128 bits). `day` is `YYYY-MM-DD` in UTC, or `STABLE_DAY`
    where the customer granted `profiling`. The audience computes the same from its copy of the key.
    """
    digest = hmac.digest(pairwise_key, b"presence subject v1\0" + day, "sha256")[:16]
    return "p_" + encode_base64url(digest)


def subjects_of(consent: Consent | None, audience: str, day: str) -> tuple[str, ...]:
    """The subjects under which an entry of this day may be announced, first the one to be used."""
    key = consent.pairwise_keys.get(audience) if consent else None
    if consent is None or key is None:
        return ()
    of_the_day = subject_of_day(key, day.encode())
    return (subject_of_day(key, STABLE_DAY), of_the_day) if consent.profiled else (of_the_day,)


def utc_day(utc_s: float) -> bytes:
    return rfc3339(utc_s)[:10].encode()


def topic(site: Site, audience: str) -> str:
    return f"presence/v1/{site.chain}/{site.store}/evt/{audience}"


def encode(event: Event, site: Site, *, pad_to_bytes: int = 0) -> bytes:
    """The event as compact JSON, UTF-8, with spaces behind it up to `pad_to_bytes`."""
    kind = event.type.split(".")[1]
    body = {
        "specversion": "1.0",
        "type": event.type.value,
        "source": f"urn:presence:{site.chain}:{site.store}",
        "id": event.id,
        "subject": event.subject,
        "time": rfc3339_minute(event.occurred_s),
        "datacontenttype": "application/json",
        "dataschema": f"urn:presence:schema:{kind}-1.0",
        "data": {"audience": event.audience, "store": site.store, **event.data},
    }
    return _compact(body).encode().ljust(pad_to_bytes)


def largest_bytes(
    site: Site, audience: str, purpose: str, categories: tuple[str, ...], notice: str
) -> int:
    """How long an event for this audience can be: an `entered` with all its categories, of a list
    of 16 digits.
    """
    data = entered_data(
        purpose, categories, 0, list_seq=10**15, notice=notice, assurance=Assurance.BROADCAST
    )
    return len(encode(Event(EventType.ENTERED, "x" * 26, "p_" + "x" * 22, audience, 0, data), site))


def entered_data(
    purpose: str,
    categories: tuple[str, ...],
    valid_until_s: float,
    *,
    list_seq: int,
    notice: str,
    assurance: Assurance,
) -> dict[str, Any]:
    return {
        "purposes": [purpose],
        "allow": list(categories),
        "valid_until": rfc3339(valid_until_s),
        "consent": {"list_seq": list_seq, "notice": notice},
        "assurance": assurance.value,
    }
