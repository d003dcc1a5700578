"""What many customers of an import say alike, judged once, and what each of them says beside that:
times and a key.

    the lines' words ─► Alike ──┐
    times, id, key ─────────────┴─► OneOfMany ─► a Wish
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from presence.consent_service.import_lines import Value, words_of
from presence.consent_service.imported_lines import Staged
from presence.consent_service.judged import JudgedOnce
from presence.consent_service.vocabulary import PURPOSE_OF
from presence.consent_service.wishes import Wish
from presence.core.consent.model import TEST_AUDIENCE, Flag, Purpose, Scope


@dataclass(frozen=True, slots=True, eq=False)
class Alike:
    """What all customers agree to whose lines differ in times and keys alone."""

    purposes: frozenset[Purpose]
    categories: tuple[str, ...]
    explicit: frozenset[str]
    refused: frozenset[str]
    flags: frozenset[Flag]
    scope: Scope
    audiences: tuple[str, ...]
    loudness_db: int | None
    notice: str
    line_of: Mapping[str, int]
    """Purpose or category → the place of its line."""
    presence: int
    """The place of the line that gives `presence`."""
    of_purposes: tuple[int, ...]
    """And of all that give a purpose."""
    of_categories: tuple[int, ...]
    """And of those that give a category, as `categories` has them."""


class OneOfMany(msgspec.Struct, frozen=True, gc=False):
    """What one customer agrees to. Times are UTC seconds, those of lines in their places."""

    alike: Alike
    ref: bytes
    id: str
    decided_s: Sequence[float]
    until_s: Sequence[float | None]
    identity_key: bytes
    start_s: float
    """The newest decision on a purpose."""
    end_s: float
    """The earliest expiry of one."""

    def __repr__(self) -> str:
        """Without the customer."""
        return "OneOfMany(…)"

    def categories(self) -> dict[str, float | None]:
        """Those that are not over before the agreement begins, and until when."""
        alike, start_s = self.alike, self.start_s
        found: dict[str, float | None] = {}
        for category, place in zip(alike.categories, alike.of_categories, strict=True):
            until_s = self.until_s[place]
            if not until_s or until_s > start_s:
                found[category] = until_s
        return found

    def over_categories(self, now_s: float) -> int:
        """How many of these are over by now."""
        over = 0
        for place in self.alike.of_categories:
            until_s = self.until_s[place]
            if until_s is not None and until_s <= now_s and (not until_s or until_s > self.start_s):
                over += 1
        return over

    def wish(self) -> Wish:
        alike = self.alike
        return Wish(
            id=self.id,
            purposes=alike.purposes,
            not_before_s=self.start_s,
            not_after_s=self.end_s,
            scope=alike.scope,
            categories=self.categories(),
            explicit=alike.explicit,
            refused=alike.refused,
            flags=alike.flags,
            audiences=alike.audiences,
            identity_key=self.identity_key,
            loudness_db=alike.loudness_db,
            decided_s=max(self.decided_s),
            said_s={word: self.decided_s[place] for word, place in alike.line_of.items()},
            notice=alike.notice,
        )


class Alikes:
    """Of one import: for which store or stores its list is, and who may be told what for."""

    def __init__(self, group: str, audiences: Mapping[str, Purpose]) -> None:
        self._group, self._audiences = group, audiences
        self._alike = JudgedOnce(self._of_words)

    def one_of(self, ref: bytes, subject: str, lines: Collection[Staged]) -> OneOfMany | None:
        """What these lines of theirs come to; None where they do not agree to being recognised, or
        say a word twice.
        """
        if not lines:
            return None
        _, words, decided_s, until_s, keys = zip(*lines, strict=True)
        alike = self._alike[words]
        if alike is None:
            return None
        return OneOfMany(
            alike,
            ref,
            subject,
            decided_s,
            until_s,
            next(filter(None, keys), b""),
            start_s=max([decided_s[place] for place in alike.of_purposes]),
            end_s=min([until_s[place] or 0.0 for place in alike.of_purposes]),
        )

    def _of_words(self, words: tuple[str, ...]) -> Alike | None:
        every = [words_of[each] for each in words]
        line_of = {said.purpose: place for place, said in enumerate(every)}
        presence = line_of.get(Purpose.PRESENCE)
        if (
            presence is None
            or every[presence].value is not Value.GIVEN
            or len(line_of) < len(every)
        ):
            return None
        given = [said for said in every if said.value is Value.GIVEN]
        purposes = frozenset([PURPOSE_OF[said.purpose] for said in given if said.is_purpose])
        flags = frozenset[Flag]().union(*[said.flags for said in every])
        if every[presence].explicit:
            flags |= {Flag.EXPLICIT}
        categories = tuple([said.purpose for said in given if not said.is_purpose])
        return Alike(
            purposes=purposes,
            categories=categories,
            explicit=frozenset(
                [said.purpose for said in given if said.explicit and not said.is_purpose]
            ),
            refused=frozenset([said.purpose for said in every if said.value is Value.NOT_GIVEN]),
            flags=flags,
            scope=_scope_of(every[presence].stores or (self._group,)),
            audiences=audiences_of(purposes, flags, self._audiences),
            # Of two the larger: it only takes away.
            loudness_db=max(
                [said.loudness_db for said in every if said.loudness_db is not None], default=None
            ),
            notice=every[presence].notice,
            line_of=line_of,
            presence=presence,
            of_purposes=tuple([line_of[purpose] for purpose in purposes]),
            of_categories=tuple([line_of[category] for category in categories]),
        )


def _scope_of(stores: tuple[str, ...]) -> Scope:
    return Scope(frozenset(), chain_wide=True) if stores == ("*",) else Scope(frozenset(stores))


def audiences_of(
    purposes: Collection[Purpose], flags: Collection[Flag], audiences: Mapping[str, Purpose]
) -> tuple[str, ...]:
    """Those whose purpose was agreed to; of a test phone only the technician's."""
    if Flag.TEST in flags:
        return (TEST_AUDIENCE,)
    return tuple(sorted([name for name, purpose in audiences.items() if purpose in purposes]))
