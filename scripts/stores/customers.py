"""Customers whose keys follow from their ref, and their entries in a plain consent list."""

from typing import Any, Final

from presence.core.encoding import encode_base64url
from presence.core.recognition.identifiers import WINDOW_S, WindowKey, window_at
from presence.simulation.identity_keys import window_key

AUDIENCE: Final = "offers-main"
DAY_S: Final = 86400


def identity_key(ref: bytes) -> bytes:
    """The key that stays on the phone of this subject."""
    return ref + ref[::-1]


def pairwise_key(ref: bytes, audience: str) -> bytes:
    """What the subject's daily pseudonyms for this audience are made with."""
    return (ref + audience.encode() * 2)[:16]


def window_keys(ref: bytes, around_s: float) -> tuple[WindowKey, ...]:
    """What a list holds: this window's key and the next."""
    window = window_at(around_s)
    return tuple(
        WindowKey(ref, w, window_key(identity_key(ref), w * WINDOW_S)) for w in (window, window + 1)
    )


def entry(ref: bytes, around_s: float) -> dict[str, Any]:
    """An entry that is in force at that time, in store fi-0042."""
    keys = [encode_base64url(key.key) for key in window_keys(ref, around_s)]
    return {
        "ref": encode_base64url(ref),
        "ver": 12,
        "win": {"start": window_at(around_s) * WINDOW_S, "len": WINDOW_S, "keys": keys},
        "pk": {AUDIENCE: encode_base64url(pairwise_key(ref, AUDIENCE))},
        "purposes": ["presence", "offers"],
        "flags": [],
        "nb": int(around_s - DAY_S),
        "na": int(around_s + 100 * DAY_S),
        "paused_until": 0,
        "scope": {"type": "store", "id": "fi-0042"},
        "grants": [["ap2:1551", 0]],
    }
