"""What a customer's change takes away, and what they took away before: the same for every command.

Compared are the entry before and the entry after; the difference is what a signed revocation says
at once. A revocation can say `narrow`, `pause`, `rm` and `object`. Where less was left that none of
them can say (a shorter end, fewer stores), the old entry as a whole is taken away until the list
brings the new one.

What lies further ahead than any gateway believes a list (MAX_LEASE_S) needs no revocation:
before it comes, the gateway has a newer list, or is silent. So an end that moves from June to May
is left to the list.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from presence.core.consent.model import Consent, Flag, Grant, Purpose
from presence.core.consent.revocation import MAX_ROWS, RevokedRights

MAX_LEASE_S: Final = 3600.0
"""What `consent.lease_s` allows at most."""
MAX_WORDS: Final = 100
"""Of one row: a revocation is at most 64 kB."""
MAX_BYTES: Final = 32_768
"""Of a revocation's rows: a third comes on top by base64."""
EVERYTHING: Final = "*"
"""Taken by a withdrawal: whatever was given before it is over."""
PAUSE: Final = "pause"


@dataclass(frozen=True, slots=True)
class Taken:
    """One word that the customer took away."""

    decided_s: float
    until_s: float = 0.0
    """Of a pause."""


def rights_lost(
    before: Consent, after: Consent, audiences: Mapping[str, Purpose], now_s: float
) -> tuple[RevokedRights, ...]:
    """What a revocation must say of this change; nothing, where nothing is taken away soon.

    `audiences`: whose pairwise key needs which purpose.
    """
    if _lost_as_a_whole(before, after, audiences, now_s):
        return (RevokedRights(before.ref, before.version, removed=True),)
    rows: list[RevokedRights] = []
    categories = sorted(_categories_lost(before, after, now_s))
    for start in range(0, len(categories), MAX_WORDS):
        some = frozenset(categories[start : start + MAX_WORDS])
        rows.append(RevokedRights(after.ref, after.version, categories=some))
    purposes = before.purposes - after.purposes
    if purposes:
        rows.append(RevokedRights(after.ref, after.version, purposes=purposes))
    if after.paused_until_s > before.paused_until_s:
        rows.append(RevokedRights(after.ref, after.version, paused_until_s=after.paused_until_s))
    return tuple(rows)


def _lost_as_a_whole(
    before: Consent, after: Consent, audiences: Mapping[str, Purpose], now_s: float
) -> bool:
    """Whether something is lost that no other row can say."""
    soon_s = now_s + MAX_LEASE_S
    dropped = before.purposes - after.purposes
    return (
        after.not_before_s > max(before.not_before_s, now_s)
        or after.not_after_s < min(before.not_after_s, soon_s)
        or not (
            after.scope.chain_wide
            or (before.scope.stores <= after.scope.stores and not before.scope.chain_wide)
        )
        or (Flag.EXPLICIT in before.flags and Flag.EXPLICIT not in after.flags)
        or (Flag.NO_PROFILING in after.flags and Flag.NO_PROFILING not in before.flags)
        or (Flag.TEST in before.flags) != (Flag.TEST in after.flags)
        or any(
            after.pairwise_keys.get(audience) != key and audiences.get(audience) not in dropped
            for audience, key in before.pairwise_keys.items()
        )
    )


def _categories_lost(before: Consent, after: Consent, now_s: float) -> Iterator[str]:
    yield from after.refused_categories - before.refused_categories
    for grant in before.grants:
        if not any(_covers(other, grant, now_s) for other in after.grants):
            yield grant.category


def _covers(new: Grant, old: Grant, now_s: float) -> bool:
    return (
        new.category == old.category
        and new.not_before_s <= max(old.not_before_s, now_s)
        and new.not_after_s >= min(old.not_after_s, now_s + MAX_LEASE_S)
        and new.explicit >= old.explicit
    )


def in_revocations(rows: Iterable[RevokedRights]) -> Iterator[tuple[RevokedRights, ...]]:
    """Rows by the revocation, none of them longer than gateways take."""
    some: list[RevokedRights] = []
    size = 0
    for row in rows:
        length = _length(row)
        if some and (len(some) == MAX_ROWS or size + length > MAX_BYTES):
            yield tuple(some)
            some, size = [], 0
        some.append(row)
        size += length
    if some:
        yield tuple(some)


def _length(row: RevokedRights) -> int:
    """At most, in JSON."""
    words: Sequence[str] = (*row.categories, *row.purposes)
    return 48 + sum(len(word) + 12 for word in words)


def still_taken(
    words: Iterable[str], said_s: Mapping[str, float], taken: Mapping[str, Taken]
) -> frozenset[str]:
    """Of these words those that the customer took away and did not give again since.

    `said_s`: when the customer decided on a word by itself. Only that is giving it again; that the
    word stands in an agreement that is renewed is not.
    """
    return frozenset(word for word in words if _is_taken(word, said_s.get(word), taken))


def _is_taken(word: str, said_s: float | None, taken: Mapping[str, Taken]) -> bool:
    one, everything = taken.get(word), taken.get(EVERYTHING)
    if one is not None and (said_s is None or said_s <= one.decided_s):
        return True
    return everything is not None and said_s is not None and said_s <= everything.decided_s
