"""The gate: the only way from a sighting to an event. Fail closed: doubt is refusal.

Rules, each with the requirement that asks for it:

1. A consent speaks for `not_before_s <= now < not_after_s`, and so does every grant in it (R-06,
   R-35).
2. No purpose implies another: an event needs `presence` *and* the purpose of its audience (R-05).
3. An objection beats every purpose and has no end (R-10). A pause suspends without deleting (R-11).
4. A sensitive store needs the flag `explicit`; a sensitive category needs it on its own grant
   (R-15).
5. A grant on a category covers its children; a refusal on it or on any ancestor wins over every
   grant. A category whose place neither the built-in taxonomy nor the list's knows is never named:
   its ancestors may be refused.
6. An audience hears of a category only while it runs a campaign for it (`Audience.campaigns`).
7. Doubt is refusal: whatever is unknown, unreadable or not provably fresh is Denied with its
   reason.

Times are UTC seconds. Nothing here reads a clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from presence.core.consent.model import TEST_AUDIENCE, Audience, Consent, Flag, Purpose
from presence.core.consent.taxonomy import SENSITIVE_CATEGORIES, is_known, lineage
from presence.core.site import Site

SUPPRESSION_LIST_MAX_AGE_S: Final = 24 * 3600
"""Robinson lists and the chain's own block list must have been applied within a day (R-30)."""

CLOCK_TOLERANCE_S: Final = 5
"""Two machines' clocks may differ by so much; what claims to come from further ahead is doubted."""


class Reason(StrEnum):
    """Why the gate said no. A closed set: these words stand in metrics and logs."""

    UNKNOWN = "unknown"
    NOT_YET_VALID = "not_yet_valid"
    EXPIRED = "expired"
    PAUSED = "paused"
    OBJECTED = "objected"
    OUT_OF_SCOPE = "out_of_scope"
    NOT_EXPLICIT = "not_explicit"
    NO_PRESENCE = "no_presence"
    NO_PURPOSE = "no_purpose"
    NO_CATEGORY = "no_category"
    NO_PAIRWISE_KEY = "no_pairwise_key"
    TEST_ONLY = "test_only"
    LIST_STALE = "list_stale"
    CLOSED = "closed"
    SUPPRESSION_STALE = "suppression_stale"


@dataclass(frozen=True, slots=True)
class ListStanding:
    """What the gate must know of the list as a whole."""

    publishing: bool
    """False until the list is proven (BOOT), when its lease is over or the clock is doubted."""
    seq: int = 0
    suppression_checked_at_s: float = 0.0
    parents: Mapping[str, str] = field(default_factory=dict)
    """The list's own taxonomy, category → parent; `presence.core.consent.taxonomy` is built in."""

    def suppression_applied(self, now_s: float) -> bool:
        """Whether the opt-out registers were applied within a day."""
        age_s = now_s - self.suppression_checked_at_s
        return -CLOCK_TOLERANCE_S <= age_s <= SUPPRESSION_LIST_MAX_AGE_S


@dataclass(frozen=True, slots=True)
class Allowed:
    """The event may go out, with these categories, until then."""

    categories: tuple[str, ...]
    until_s: float


@dataclass(frozen=True, slots=True)
class Denied:
    reason: Reason


Decision = Allowed | Denied


def believed(standing: ListStanding) -> Denied | None:
    """The first of the gate's two questions: may the list be believed?"""
    return None if standing.publishing else Denied(Reason.LIST_STALE)


def permitted(consent: Consent | None, site: Site, now_s: float) -> Denied | None:
    """The second: what does this person allow? Why they may not be recognised here now, or None."""
    if consent is None:
        return Denied(Reason.UNKNOWN)
    # Before everything that ends or begins: an objection beats all of it (rule 3).
    if consent.objected:
        return Denied(Reason.OBJECTED)
    if now_s < consent.not_before_s:
        return Denied(Reason.NOT_YET_VALID)
    if now_s >= consent.not_after_s:
        return Denied(Reason.EXPIRED)
    if now_s < consent.paused_until_s:
        return Denied(Reason.PAUSED)
    if not consent.scope.covers(site.store):
        return Denied(Reason.OUT_OF_SCOPE)
    if Purpose.PRESENCE not in consent.purposes:
        return Denied(Reason.NO_PRESENCE)
    if site.sensitive and Flag.EXPLICIT not in consent.flags:  # rule 4
        return Denied(Reason.NOT_EXPLICIT)
    return None


def permitted_to(
    consent: Consent | None, audience: Audience, site: Site, standing: ListStanding, now_s: float
) -> Decision:
    """What this person allows an audience, whether or not the list may be believed."""
    denied = permitted(consent, site, now_s)
    if denied is not None or consent is None:
        return denied or Denied(Reason.UNKNOWN)
    return allowed_to(consent, audience, standing, now_s)


def allowed_to(
    consent: Consent, audience: Audience, standing: ListStanding, now_s: float
) -> Decision:
    """What somebody who may be recognised here allows an audience."""
    # Both ways: a technician's phone is no customer, and no technician hears of customers.
    if (Flag.TEST in consent.flags) != (audience.name == TEST_AUDIENCE):
        return Denied(Reason.TEST_ONLY)
    if audience.purpose not in consent.purposes:
        return Denied(Reason.NO_PURPOSE)
    # Without it there is no subject that this audience alone could know.
    if audience.name not in consent.pairwise_keys:
        return Denied(Reason.NO_PAIRWISE_KEY)
    # A service message carries no category, and waits for no opt-out register.
    if audience.purpose is not Purpose.OFFERS:
        return Allowed((), consent.not_after_s)
    if not standing.suppression_applied(now_s):
        return Denied(Reason.SUPPRESSION_STALE)
    return _decide_offers(consent, audience, standing.parents, now_s)


def _decide_offers(
    consent: Consent, audience: Audience, parents: Mapping[str, str], now_s: float
) -> Decision:
    if Flag.NO_PROFILING in consent.flags:
        return Denied(Reason.NO_CATEGORY)
    allowed: list[str] = []
    until_s = consent.not_after_s
    for category in sorted(audience.campaigns):
        end_s = _granted_until(consent, category, parents, now_s)
        if end_s is not None:
            allowed.append(category)
            until_s = min(until_s, end_s)
    return Allowed(tuple(allowed), until_s) if allowed else Denied(Reason.NO_CATEGORY)


def _granted_until(
    consent: Consent, category: str, parents: Mapping[str, str], now_s: float
) -> float | None:
    """When the longest grant that covers the category ends; None without one, or where a refusal
    stands or may stand.
    """
    if not is_known(category, parents):  # rule 5: an ancestor that we do not know may be refused
        return None
    line = tuple(lineage(category, parents))
    if not consent.refused_categories.isdisjoint(line):
        return None
    sensitive = not SENSITIVE_CATEGORIES.isdisjoint(line)
    ends_s = [
        grant.not_after_s
        for grant in consent.grants
        if grant.in_force(now_s)
        and grant.category in line
        # Rule 4: a sensitive category needs a grant of its own, not its parent's.
        and (not sensitive or (grant.explicit and grant.category == category))
    ]
    return max(ends_s, default=None)
