"""Compact JWS with Ed25519 and nothing else: how the consent service signs what it sends over a
broker.

    base64url({"alg":"EdDSA","kid":"r1","typ":"presence-revoke+jws"})
    . base64url(payload) . base64url(signature)

RFC 7515 and RFC 8037, without their choices:

1. The key decides, not the message: `alg` says EdDSA or Ed25519 (RFC 9864), all else is refused
   before any arithmetic.
2. The header holds alg, kid and typ, each once, and nothing else: no key, address or chain that
   came with the message.
3. A key is known by its `kid` from a set that was proven beforehand (JWK set, RFC 7517; a TUF
   target). The set may also name the `kid`s of keys that were stolen (`revoked`): what they signed
   never counted, and is to be forgotten.
4. Base64url in its one spelling, without padding: one signed text has one encoding.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeGuard

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from presence.core.encoding import decode_base64url, encode_base64url, strict_json

ALGORITHMS: Final = frozenset({"EdDSA", "Ed25519"})
MAX_MESSAGE_BYTES: Final = 64 * 1024
"""Bytes of a whole JWS; the gateway takes no longer MQTT packet."""
MAX_KEYS: Final = 16
MAX_KID_CHARS: Final = 64
MAX_REVOKED: Final = 64


class Unproven(StrEnum):
    """Why a message is not taken for the consent service's; a closed set, for counting."""

    MALFORMED = "malformed"
    UNSIGNED = "unsigned"
    """No signature, or by another kind of key than ours."""
    UNKNOWN_KEY = "unknown_key"
    FORGED = "forged"


class BadKeys(ValueError):
    """A set of keys that cannot be used; the message names the field and never a value."""


Keys = Mapping[str, Ed25519PublicKey]
"""By kid."""


@dataclass(frozen=True, slots=True)
class KeySet:
    """What a JWK set says. Invariant: no kid is both in `keys` and in `revoked`."""

    keys: Keys
    revoked: frozenset[str] = frozenset()
    """The kids of stolen keys; none of them is ever used again."""


def sign(payload: bytes, *, typ: str, kid: str, key: Ed25519PrivateKey) -> bytes:
    header = json.dumps({"alg": "EdDSA", "kid": kid, "typ": typ}, separators=(",", ":")).encode()
    content = f"{encode_base64url(header)}.{encode_base64url(payload)}".encode()
    return content + b"." + encode_base64url(key.sign(content)).encode()


def verify(message: bytes, *, typ: str, keys: Keys) -> bytes | Unproven:
    """The payload of a message that one of these keys signed, or why it is not."""
    parts = message.split(b".")
    if len(message) > MAX_MESSAGE_BYTES or len(parts) != 3:
        return Unproven.MALFORMED
    try:
        header = strict_json(decode_base64url(parts[0]))
        payload = decode_base64url(parts[1])
        signature = decode_base64url(parts[2])
    except ValueError:
        return Unproven.MALFORMED
    if (
        not isinstance(header, dict)
        or header.keys() != {"alg", "kid", "typ"}
        or header["typ"] != typ
    ):
        return Unproven.MALFORMED
    if header["alg"] not in list(ALGORITHMS) or not signature:
        return Unproven.UNSIGNED
    key = keys.get(header["kid"]) if isinstance(header["kid"], str) else None
    if key is None:
        return Unproven.UNKNOWN_KEY
    try:
        key.verify(signature, parts[0] + b"." + parts[1])
    except InvalidSignature:
        return Unproven.FORGED
    return payload


def kid_of(message: bytes) -> str:
    """Who signed a message that `verify` found good."""
    header: Any = strict_json(decode_base64url(message.split(b".", 1)[0]))
    return str(header["kid"])


def parse_keys(text: bytes) -> Keys:
    """The Ed25519 keys of a JWK set, by kid. Raises BadKeys."""
    return parse_key_set(text).keys


def parse_key_set(text: bytes) -> KeySet:
    """Keys of another kind than Ed25519 are passed over. Raises BadKeys."""
    try:
        value: Any = strict_json(text)
        several = value["keys"]
        revoked = value.get("revoked", [])
    except (ValueError, KeyError, TypeError, AttributeError):
        raise BadKeys(
            'not a JWK set: {"keys":[{"kty":"OKP","crv":"Ed25519","kid":…,"x":…}]}'
        ) from None
    if not isinstance(several, list) or len(several) > MAX_KEYS:
        raise BadKeys(f"keys is not a list of at most {MAX_KEYS}")
    keys: dict[str, Ed25519PublicKey] = {}
    for number, item in enumerate(several):
        if not isinstance(item, dict):
            raise BadKeys(f"keys[{number}] is not an object")
        if "d" in item:
            raise BadKeys(
                f"keys[{number}] holds a private key (d): it is burnt, make a new one and publish "
                "`x` alone"
            )
        if item.get("kty") != "OKP" or item.get("crv") != "Ed25519":
            continue
        kid = item.get("kid")
        if not _is_kid(kid) or kid in keys:
            raise BadKeys(f"keys[{number}]: kid is not a name of its own")
        try:
            keys[kid] = Ed25519PublicKey.from_public_bytes(decode_base64url(str(item.get("x"))))
        except ValueError:
            raise BadKeys(f"keys[{number}]: x is not 32 bytes in base64url") from None
    if not keys:
        raise BadKeys("keys holds no Ed25519 key")
    return KeySet(keys, _parse_revoked(revoked, keys))


def _parse_revoked(value: object, keys: Keys) -> frozenset[str]:
    if not isinstance(value, list) or len(value) > MAX_REVOKED or not all(map(_is_kid, value)):
        raise BadKeys(f"revoked is not a list of at most {MAX_REVOKED} kids")
    revoked = frozenset(value)
    if not revoked.isdisjoint(keys):  # to give back what it took, or to go on heeding it? Neither.
        raise BadKeys("revoked names the kid of a key that is given as valid")
    return revoked


def _is_kid(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and 0 < len(value) <= MAX_KID_CHARS


def encode_keys(keys: Keys, revoked: Iterable[str] = ()) -> bytes:
    """The JWK set that `parse_key_set` reads."""
    several = [
        {
            "kty": "OKP",
            "crv": "Ed25519",
            "alg": "EdDSA",
            "use": "sig",
            "kid": kid,
            "x": encode_base64url(key.public_bytes_raw()),
        }
        for kid, key in sorted(keys.items())
    ]
    stolen = sorted(set(revoked))
    return json.dumps(
        {"keys": several, **({"revoked": stolen} if stolen else {})}, separators=(",", ":")
    ).encode()
