"""Encodings and lengths of all rooms: base64url in one spelling, JSON without doubles, sizes."""

import binascii
import json
from base64 import b32encode, urlsafe_b64decode, urlsafe_b64encode
from typing import Final

REF_BYTES: Final = 8
"""Of a reference: whom an entry of a list speaks of."""
KEY_BYTES: Final = 16
"""Of an identity key, a window key and a pairwise key."""
EID_BYTES: Final = 8
"""Of an ephemeral identifier, on air."""
SEAL_BYTES: Final = 10
"""Of what a phone may seal it with (presence.core.recognition.ticks)."""


class NameTwice(ValueError):
    """Of the two values the second might give back what the first took away."""


def opaque_text(digest: bytes) -> str:
    """26 characters of lower-case base32: the first 130 bits of a digest."""
    # 20 bytes are 32 characters; base64.b32encode is slow.
    return b32encode(digest[:20])[:26].decode().lower()


def encode_base64url(data: bytes) -> str:
    """Without padding (RFC 7515, section 2)."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def decode_base64url(text: str | bytes) -> bytes:
    """Raises ValueError where it is not the one spelling without padding."""
    ascii_text = text.encode() if isinstance(text, str) else text
    try:
        data = urlsafe_b64decode(ascii_text + b"=" * (-len(ascii_text) % 4))
    except binascii.Error:
        raise ValueError("not base64url") from None
    if encode_base64url(data).encode() != ascii_text:
        raise ValueError("not the one spelling of base64url")
    return data


def strict_json(text: str | bytes) -> object:
    """Raises ValueError; NameTwice where a name stands twice in one object."""
    try:
        return json.loads(text, object_pairs_hook=_no_name_twice)
    except RecursionError:
        raise ValueError("too deep") from None


def _no_name_twice(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise NameTwice("a name twice in one object")
    return value
