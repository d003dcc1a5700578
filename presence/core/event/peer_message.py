"""What the gateways of one store say to one another about an event or a replay: an opaque name,
sealed with the store's key.

    presence/v1/{chain}/{store}/peer/seen   QoS 1, not retained, some seconds of life, never bridged
    {"said":"claim","visit":"…26…","told":"…26…","gateway":"door-1","at":1795442707,"mac":"…22…"}

1. `visit` is HMAC(store key, event id): neither ref, subject nor audience. To join it with the
   event, a reader would need the store's key. Of a doubt it names a subject for the length of a
   slot.
2. A message without a good MAC is nothing: neither a broker nor its other clients can silence an
   event by it.
3. `at` is sealed too and must be close to now, so that a recorded message has no effect (replay).
4. The object is closed: any other key, type or length makes it malformed (R-21, R-54).
"""

import hmac
import json
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from presence.core.encoding import encode_base64url, opaque_text
from presence.core.site import Site

EXPIRY_S: Final = 10
"""At the broker: a gateway that would hear it later decides without it."""
SKEW_S: Final = 30.0
"""How far the clocks of two gateways may lie apart; a clock that is not synchronised publishes
nothing anyway.
"""
MAX_MESSAGE_BYTES: Final = 512
"""Bytes; ours have about 160."""

_NAME: Final = re.compile(r"[a-z0-9-]{1,32}")
_OPAQUE: Final = re.compile(r"[a-z2-7]{26}")
_MAC: Final = re.compile(r"[A-Za-z0-9_-]{22}")


class PeerMessageKind(StrEnum):
    CLAIM = "claim"
    """I am about to send it, unless somebody says that it was sent."""
    SENT = "told"
    """It was sent, under the name in `sent_as`."""
    STILL_PRESENT = "here"
    """The visit that you are about to end goes on where I am."""
    DOUBT = "doubt"
    """What you hear of somebody may be a replay (presence.core.event.shared_doubt)."""


class IgnoreReason(StrEnum):
    """Why a message of the topic is not taken; a closed set, for counting."""

    MALFORMED = "malformed"
    FORGED = "forged"
    OLD = "old"
    COPY = "copy"
    """Genuine, and heard before: the broker's second delivery, or somebody plays it back."""


@dataclass(frozen=True, slots=True)
class PeerMessage:
    kind: PeerMessageKind
    visit: str
    sent_as: str
    """The name under which it was sent: another one than `visit` where the visit began in another
    bucket. Of the claim of an entry: whom it was heard of, and under which address.
    """
    gateway: str
    at_s: int


def topic_of_peers(site: Site) -> str:
    return f"presence/v1/{site.chain}/{site.store}/peer/seen"


def opaque_name(store_key: bytes, event_id: str) -> str:
    """26 characters of lower-case base32 that only gateways of this store can make from an event's
    id.
    """
    return opaque_text(hmac.digest(store_key, b"presence seen v1\0" + event_id.encode(), "sha256"))


def encode_peer_message(message: PeerMessage, store_key: bytes, site: Site) -> bytes:
    body = {
        "said": message.kind.value,
        "visit": message.visit,
        "told": message.sent_as,
        "gateway": message.gateway,
        "at": message.at_s,
        "mac": _mac(message, store_key, site),
    }
    return json.dumps(body, separators=(",", ":")).encode()


def decode_peer_message(
    payload: bytes, store_key: bytes, site: Site, now_utc_s: float
) -> PeerMessage | IgnoreReason:
    """The message, or why it is none."""
    try:
        body: Any = json.loads(payload) if len(payload) <= MAX_MESSAGE_BYTES else None
    except (ValueError, RecursionError):
        body = None
    message = _parsed(body)
    if message is None:
        return IgnoreReason.MALFORMED
    if not hmac.compare_digest(_mac(message, store_key, site), body["mac"]):
        return IgnoreReason.FORGED
    return message if abs(now_utc_s - message.at_s) <= SKEW_S else IgnoreReason.OLD


def _parsed(body: Any) -> PeerMessage | None:
    if not isinstance(body, dict) or body.keys() != {
        "said",
        "visit",
        "told",
        "gateway",
        "at",
        "mac",
    }:
        return None
    patterns = {"visit": _OPAQUE, "told": _OPAQUE, "gateway": _NAME, "mac": _MAC}
    if not all(
        isinstance(body[key], str) and pattern.fullmatch(body[key])
        for key, pattern in patterns.items()
    ):
        return None
    if type(body["at"]) is not int or body["said"] not in list(PeerMessageKind):
        return None
    return PeerMessage(
        PeerMessageKind(body["said"]), body["visit"], body["told"], body["gateway"], body["at"]
    )


def _mac(message: PeerMessage, store_key: bytes, site: Site) -> str:
    words = (
        "presence seen mac v1",
        site.chain,
        site.store,
        message.kind,
        message.visit,
        message.sent_as,
        message.gateway,
    )
    content = "\0".join((*words, str(message.at_s))).encode()
    return encode_base64url(hmac.digest(store_key, content, "sha256")[:16])
