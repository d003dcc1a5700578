"""What a customer agrees to, made into an entry that every gateway will believe."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, NamedTuple

import msgspec

from presence.consent_service.vocabulary import (
    AHEAD_S,
    PURPOSES,
    is_notice,
    is_store,
    no_categories,
)
from presence.core.consent.entry_rules import LOUDNESS_WORDS, is_loudness
from presence.core.consent.model import Consent, Flag, Grant, Purpose, Scope
from presence.core.encoding import KEY_BYTES
from presence.errors import ConsentServiceError

MAX_SPAN_S: Final = 396 * 86_400
"""13 months: what gateways believe at most (R-07)."""


class Wish(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What somebody agrees to. Times are UTC seconds; a category's end of None is the consent's
    own.
    """

    id: str
    """The consent platform's own name for this agreement on this device."""
    purposes: frozenset[Purpose]
    not_before_s: float
    not_after_s: float
    scope: Scope
    categories: Mapping[str, float | None] = {}
    explicit: frozenset[str] = frozenset()
    """Of the categories: those to which the customer agreed explicitly, one by one."""
    refused: frozenset[str] = frozenset()
    """Categories, and purposes that the customer was asked for and did not give."""
    flags: frozenset[Flag] = frozenset()
    audiences: tuple[str, ...] = ()
    person: str = ""
    """Several devices of one person have one pairwise key; where empty, `id`."""
    identity_key: bytes = b""
    """16 bytes; where empty, one is made."""
    loudness_db: int | None = None
    """Of the model of phone (`Consent.loudness_db`); None: as registered, or 0."""
    decided_s: float | None = None
    """When the customer said so; None: now. What they said later than this stands."""
    said_s: Mapping[str, float] = {}
    """Of a category or purpose that the customer decided on by itself: when. Only so is given again
    what they took away (narrowed, fulfilled, refused): that it stands in an agreement that is
    renewed is not enough.
    """

    notice: str = ""
    """The version of the notice that the customer was shown; empty: the one of that time."""

    def __repr__(self) -> str:
        """Without the customer."""
        return "Wish(…)"


def without(wish: Wish, words: frozenset[str]) -> Wish:
    """The wish as if it did not name these categories and purposes, but refused the categories."""
    if not words:
        return wish
    return msgspec.structs.replace(
        wish,
        purposes=wish.purposes - words,
        categories={
            category: until_s
            for category, until_s in wish.categories.items()
            if category not in words
        },
        refused=wish.refused | words,
    )


class WishWords(NamedTuple):
    """What a wish says beside whose it is and when."""

    purposes: frozenset[Purpose]
    stores: frozenset[str]
    chain_wide: bool
    categories: frozenset[str]
    explicit: frozenset[str]
    refused: frozenset[str]


def words_of_wish(wish: Wish) -> WishWords:
    return WishWords(
        wish.purposes,
        wish.scope.stores,
        wish.scope.chain_wide,
        frozenset(wish.categories),
        wish.explicit,
        wish.refused,
    )


def check(wish: Wish, word_problems: Callable[[WishWords], Iterable[str]], now_s: float) -> None:
    """As every gateway will check the entry, and more. `word_problems`: as below. Raises
    ConsentServiceError with all that is wrong.
    """
    if problems := list(_problems(wish, word_problems, now_s)):
        raise ConsentServiceError("; ".join(problems))


def _problems(
    wish: Wish, word_problems: Callable[[WishWords], Iterable[str]], now_s: float
) -> Iterator[str]:
    start_s, end_s = math.floor(wish.not_before_s), math.floor(wish.not_after_s)
    if not 0 <= start_s < end_s:
        yield "the end does not lie after the start"
    elif end_s - start_s > MAX_SPAN_S:
        yield "longer than 13 months: no gateway would believe it; ask the customer again in time"
    elif end_s <= now_s:
        yield "the agreement is over already"
    if wish.decided_s is not None and wish.decided_s > now_s + AHEAD_S:
        yield "decided in the future: is it local time without its offset?"
    yield from word_problems(words_of_wish(wish))
    for until_s in wish.categories.values():
        if until_s is not None and math.floor(until_s) <= start_s:
            yield "a category ends before the agreement begins"
            break
    if wish.notice and not is_notice(wish.notice):
        yield "the notice is a version such as fi-2026-03"
    if wish.identity_key and len(wish.identity_key) != KEY_BYTES:
        yield f"an identity key has {KEY_BYTES} bytes, 32 hex digits"
    if wish.loudness_db is not None and not is_loudness(wish.loudness_db):
        yield f"loudness is {LOUDNESS_WORDS}"


def word_problems(words: WishWords, is_sensitive: Callable[[str], bool]) -> tuple[str, ...]:
    """What is wrong whatever the times are. `is_sensitive`: whether a category lies on or below the
    deny list.
    """
    purposes, stores, chain_wide, categories, explicit, refused = words
    problems: list[str] = []
    if not chain_wide and not stores:
        problems.append("no store: name one, or say that the agreement holds in the whole chain")
    problems += [
        f"{store[:40]!r} is no store such as fi-0042"
        for store in sorted(stores)
        if not is_store(store)
    ]
    if Purpose.PRESENCE not in purposes:
        problems.append("without the purpose `presence` nobody is recognised")
    problems += no_categories(refused.union(categories) - PURPOSES)
    if both := refused.intersection([*categories, *purposes]):
        problems.append(f"{', '.join(sorted(both))}: given and refused at once")
    if unasked := {*filter(is_sensitive, categories)} - explicit:
        problems.append(
            f"{', '.join(sorted(unasked))}: sensitive, so the customer must agree explicitly "
            "to each"
        )
    return tuple(problems)


def consent_of(
    wish: Wish,
    ref: bytes,
    version: int,
    pairwise_keys: Mapping[str, bytes],
    *,
    paused_until_s: float,
    loudness_db: int,
) -> Consent:
    """The entry of a wish that was checked."""
    start_s, end_s = math.floor(wish.not_before_s), math.floor(wish.not_after_s)
    grants = tuple(
        [
            Grant(
                category,
                start_s,
                min(end_s, math.floor(until_s)) if until_s else end_s,
                category in wish.explicit,
            )
            for category, until_s in sorted(wish.categories.items())
        ]
    )
    return Consent(
        ref=ref,
        version=version,
        purposes=wish.purposes,
        not_before_s=start_s,
        not_after_s=end_s,
        scope=wish.scope,
        grants=grants,
        refused_categories=wish.refused - PURPOSES,
        pairwise_keys=pairwise_keys,
        flags=wish.flags,
        paused_until_s=paused_until_s,
        loudness_db=loudness_db,
    )
