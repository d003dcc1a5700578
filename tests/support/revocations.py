"""The consent service's side of plane B, for tests: a key, and revocations that it signed."""

from collections.abc import Mapping
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from presence.core.consent.revocation import (
    Head,
    Revocation,
    RevokedRights,
    sign_head,
    sign_revocation,
)
from tests.support.builders import ANNA, START_S

SIGNER: Final = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER: Final = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
KID: Final = "r1"
KEYS: Final[Mapping[str, Ed25519PublicKey]] = {KID: SIGNER.public_key()}
LIST: Final = "acme/fi-0042"


def removal(ref: bytes = ANNA, version: int = 2) -> RevokedRights:
    return RevokedRights(ref, version, removed=True)


def revocation(*rows: RevokedRights, **changes: Any) -> Revocation:
    """The first revocation of the list: Anna withdraws, which list number 8 will say too."""
    values: dict[str, Any] = {
        "list_name": LIST,
        "seq": 1,
        "previous": 0,
        "list_seq": 8,
        "issued_s": int(START_S),
        "rows": rows or (removal(),),
        **changes,
    }
    return Revocation(**values)


def head(**changes: Any) -> Head:
    values: dict[str, Any] = {
        "list_name": LIST,
        "timestamp_version": 40,
        "list_seq": 7,
        "revocation_seq": 0,
        "issued_s": int(START_S),
        **changes,
    }
    return Head(**values)


def signed(said: Revocation | Head, *, kid: str = KID, key: Ed25519PrivateKey = SIGNER) -> bytes:
    if isinstance(said, Revocation):
        return sign_revocation(said, kid=kid, key=key)
    return sign_head(said, kid=kid, key=key)
