"""What a wish becomes: an entry, less what the customer took away and did not give again.

Rules 3 and 4 of presence.consent_service.decisions; nothing is read or written here.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final, NamedTuple

import msgspec

from presence.consent_service.registered import Registered, State
from presence.consent_service.rights import EVERYTHING, PAUSE, Taken, still_taken
from presence.consent_service.wishes import Wish, consent_of, without
from presence.core.consent.model import Consent, Purpose
from presence.core.consent.revocation import Revocation, RevokedRights
from presence.core.encoding import encode_base64url
from presence.errors import ConsentServiceError

NOTHING: Final[frozenset[str]] = frozenset()


class Added(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    ref: bytes
    version: int
    identity_key: bytes
    """For the customer's phone, and nobody else."""
    pairwise_keys: Mapping[str, bytes]
    """For each audience its own."""
    stays: frozenset[str] = frozenset()
    """Categories and purposes of the wish that the customer took away before, and that stay
    away.
    """
    paused: bool = False
    lost: tuple[RevokedRights, ...] = ()
    """What the entry before gave and this one does not."""
    revocations: tuple[Revocation, ...] = ()
    """They say it to gateways at once."""
    doubts: tuple[str, ...] = ()
    """What will have no effect, or looks like a mistake."""

    def __repr__(self) -> str:
        """Without the keys."""
        return f"Added({ref_text(self.ref)}, version {self.version})"


class Agreed(NamedTuple):
    consent: Consent
    given: frozenset[str]
    """Categories and purposes of the wish."""
    stays: frozenset[str]
    """Of these, what stays away."""


def refuse_late(wish: Wish, known: Registered | None) -> None:
    """Raise where what is known of this customer forbids to add anything."""
    if known is None:
        return
    if known.state is State.OBJECTED:
        raise ConsentServiceError(
            "this id objected, and an objection is for ever: nothing can be added"
        )
    if wish.identity_key and known.identity_key not in (b"", wish.identity_key):
        raise ConsentServiceError(
            "this id has another identity key: withdraw it first, then add it anew"
        )
    if wish.decided_s is None:
        return
    if wish.decided_s < known.decided_s or (
        known.state is State.GONE and wish.decided_s == known.decided_s
    ):
        raise ConsentServiceError("older than what this customer decided last: that stands")


def agree(
    wish: Wish,
    ref: bytes,
    keys: Mapping[str, bytes],
    taken: Mapping[str, Taken],
    known: Registered | None,
    *,
    audiences: Mapping[str, Purpose],
    now_s: float,
) -> Agreed:
    """`known`: what is registered of this customer, whose phone stays as loud as it was where the
    wish does not say. Raises ConsentServiceError where `presence` itself was taken away later.
    """
    given = wish.purposes.union(wish.categories)
    stays = still_taken(given, wish.said_s, taken) if taken else NOTHING
    if Purpose.PRESENCE in stays:
        raise ConsentServiceError(
            "the customer took `presence` away later than it was given: that stands"
        )
    kept = frozenset(taken) - given - {PAUSE, EVERYTHING} | stays if taken else NOTHING
    if stays:
        keys = {name: key for name, key in keys.items() if audiences.get(name) not in stays}
    paused_until_s = taken[PAUSE].until_s if PAUSE in taken else 0.0
    before = None if known is None else known.consent
    loudness_db = wish.loudness_db
    if loudness_db is None:
        loudness_db = 0 if before is None else before.loudness_db
    version = 1 if known is None else known.version + 1
    consent = consent_of(
        without(wish, kept),
        ref,
        version,
        keys,
        paused_until_s=paused_until_s if paused_until_s > now_s else 0.0,
        loudness_db=loudness_db,
    )
    return Agreed(consent, given, stays)


def ref_text(ref: bytes) -> str:
    """As it stands in JSON: 11 characters of base64url."""
    return encode_base64url(ref)


def narrowed(consent: Consent, categories: frozenset[str], purposes: frozenset[Purpose]) -> Consent:
    """The entry less these; such a category is refused from now on."""
    return replace(
        consent,
        grants=tuple(grant for grant in consent.grants if grant.category not in categories),
        refused_categories=consent.refused_categories | categories,
        purposes=consent.purposes - purposes,
    )
