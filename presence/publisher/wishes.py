"""What a customer agrees to, made into an entry that every gateway will believe."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from presence.core.consent import Consent, Flag, Grant, Purpose, Scope
from presence.core.taxonomy import is_sensitive
from presence.errors import ConsentServiceError

MAX_SPAN_S: Final = 396 * 86_400
"""13 months: what gateways believe at most (R-07)."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody agrees to. Times are UTC seconds; a category's end of None is the consent's own."""

    id: str = field(repr=False)
    """The consent platform's own name for this agreement on this device."""
    purposes: frozenset[Purpose]
    not_before_s: float
    not_after_s: float
    scope: Scope
    categories: Mapping[str, float | None] = field(default_factory=dict)
    explicit: frozenset[str] = frozenset()
    """Of the categories: those to which the customer agreed explicitly, one by one."""
    refused: frozenset[str] = frozenset()
    """Categories, and purposes that the customer was asked for and did not give."""
    flags: frozenset[Flag] = frozenset()
    audiences: tuple[str, ...] = ()
    person: str = field(default="", repr=False)
    """Several devices of one person have one pairwise key; where empty, `id`."""
    identity_key: bytes = field(default=b"", repr=False)
    """16 bytes; where empty, one is made."""
    decided_s: float | None = None
    """When the customer said so; None: now. What they said later than this stands."""
    said_s: Mapping[str, float] = field(default_factory=dict)
    """Of a category or purpose that the customer decided on by itself: when. Only so is given again what they took
    away (narrowed, fulfilled, refused): that it stands in an agreement that is renewed is not enough."""


def without(wish: Wish, words: frozenset[str]) -> Wish:
    """The wish as if it did not name these categories and purposes, but refused the categories."""
    return replace(
        wish,
        purposes=wish.purposes - words,
        categories={category: until_s for category, until_s in wish.categories.items() if category not in words},
        refused=wish.refused | words,
    )


def consent_of(wish: Wish, ref: bytes, version: int, pairwise_keys: Mapping[str, bytes]) -> Consent:
    """The entry, checked as every gateway will check it. Raises ConsentServiceError, naming the field."""
    start_s, end_s = math.floor(wish.not_before_s), math.floor(wish.not_after_s)
    if not 0 <= start_s < end_s:
        raise ConsentServiceError("the end does not lie after the start")
    if end_s - start_s > MAX_SPAN_S:
        raise ConsentServiceError("longer than 13 months: no gateway would believe it; ask the customer again in time")
    if not wish.scope.chain_wide and not wish.scope.stores:
        raise ConsentServiceError("no store: name one, or say that the agreement holds in the whole chain")
    if Purpose.PRESENCE not in wish.purposes:
        raise ConsentServiceError("without the purpose `presence` nobody is recognised")
    unasked = {each for each in wish.categories if is_sensitive(each, {})} - wish.explicit
    if unasked:
        raise ConsentServiceError(
            f"{', '.join(sorted(unasked))}: sensitive, so the customer must agree explicitly to each"
        )
    grants = tuple(
        Grant(category, start_s, min(end_s, math.floor(until_s or end_s)), category in wish.explicit)
        for category, until_s in sorted(wish.categories.items())
    )
    if any(grant.not_after_s <= start_s for grant in grants):
        raise ConsentServiceError("a category ends before the agreement begins")
    return Consent(
        ref=ref,
        version=version,
        purposes=wish.purposes,
        not_before_s=start_s,
        not_after_s=end_s,
        scope=wish.scope,
        grants=grants,
        refused_categories=wish.refused - frozenset(Purpose),
        pairwise_keys=pairwise_keys,
        flags=wish.flags,
    )
