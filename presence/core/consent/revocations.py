"""What notices took away, in front of the list until the list says so itself: rights only shrink
(R-34, R-41).

    notice ──apply──► held rows ──narrowed(consent)──► the consent without what was taken, or None
    new list ─settle─► rows that it has caught up with are let go

1. A row holds for entries up to its version. Only plane A, with a higher version, is out of its
   reach.
2. It is let go once the list is as new as the notice says (`list_seq`) and the entry is gone, or
   speaks for itself: has a higher version, or this very one (but an entry that should be gone, or
   should be objected to, stays restricted).
3. Rows for one version are joined: whichever order they come in, and however often, the same is
   taken away. Those that another key signed stay apart.
4. What a stolen key took away is lifted when the signed list says that it was stolen (`revoked` in
   notices.jwks), and nothing else: a version beyond every other denies until then.
5. Memory is bounded, whoever signs: so many refs that the list does not know, and so many versions
   of one ref (beyond it the lowest is taken into the next one, which denies more and never less).

They are kept through a restart (ports.RestrictionStore), so that nothing of it comes back with the
power.
"""

from collections.abc import Collection, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar, overload

from presence.core.consent.model import Consent
from presence.core.consent.revocation import Narrowing, Notice

D = TypeVar("D")

MOST_UNLISTED: Final = 10_000
"""Refs that no entry of the list in force has: of entries that come with the next one, or
invented.
"""
MOST_VERSIONS: Final = 8
"""Of one ref and key: so often is an entry changed between two lists."""


@dataclass(frozen=True, slots=True)
class Restriction:
    """What is taken from entries of one ref up to one version, until list number `list_seq` at
    least.
    """

    taken: Narrowing
    list_seq: int
    kid: str = ""
    """Of the key that signed it; empty where it was stored before keys were told apart."""

    @property
    def key(self) -> tuple[bytes, int, str]:
        return self.taken.ref, self.taken.version, self.kid

    def joined(self, other: "Restriction") -> "Restriction":
        one, two = self.taken, other.taken
        taken = Narrowing(
            one.ref,
            one.version,
            removed=one.removed or two.removed,
            objected=one.objected or two.objected,
            paused_until_s=max(one.paused_until_s, two.paused_until_s),
            categories=one.categories | two.categories,
            purposes=one.purposes | two.purposes,
        )
        return Restriction(taken, max(self.list_seq, other.list_seq), self.kid)

    def is_said_by(self, consent: Consent | None, list_seq: int) -> bool:
        """Whether the list with this entry has caught up (rule 2)."""
        if list_seq < self.list_seq:
            return False
        if consent is None or consent.version > self.taken.version:
            return True
        same = consent.version == self.taken.version
        return same and not self.taken.removed and (consent.objected or not self.taken.objected)


@dataclass(frozen=True, slots=True)
class Applied:
    """What a notice changed of what is held."""

    new: tuple[Restriction, ...] = ()
    """To be stored."""
    gone: tuple[Restriction, ...] = field(default=(), repr=False)
    """To be removed from the store, before `new` is stored: taken into a row of a higher
    version.
    """
    left_out: int = 0
    """Rows that there was no room for: only the list takes these away."""


class Restrictions:
    """All that notices took away and the list does not say yet."""

    def __init__(self, held: Iterable[Restriction] = ()) -> None:
        self._by_ref: dict[bytes, dict[tuple[int, str], Restriction]] = {}
        for restriction in held:
            self._hold(restriction)

    def __len__(self) -> int:
        return sum(map(len, self._by_ref.values()))

    def __iter__(self) -> Iterator[Restriction]:
        return (
            restriction for several in self._by_ref.values() for restriction in several.values()
        )

    def __repr__(self) -> str:
        return f"Restrictions({len(self)})"

    def apply(self, notice: Notice, listed: Container[bytes] = ()) -> Applied:
        """Take in a notice; nothing is new where all of it was held before. `listed`: refs of the
        list in force.
        """
        new: dict[tuple[bytes, int, str], Restriction] = {}
        gone: list[Restriction] = []
        unlisted = left_out = 0
        for row in notice.rows:
            if row.ref not in self._by_ref and row.ref not in listed:
                unlisted = unlisted or sum(ref not in listed for ref in self._by_ref)
                if unlisted >= MOST_UNLISTED:
                    left_out += 1
                    continue
                unlisted += 1
            held = self._hold(Restriction(row, notice.list_seq, notice.kid))
            if held is not None:
                new[held.key] = held
            lowest = self._join_lowest(row.ref, notice.kid)
            if lowest is not None:
                low, joined = lowest
                new.pop(low.key, None)
                gone.append(
                    low
                )  # also where this notice made it: an older state of it may be stored
                if joined is not None:
                    new[joined.key] = joined
        return Applied(tuple(new.values()), tuple(gone), left_out)

    def lift(self, kids: Collection[str]) -> tuple[Restriction, ...]:
        """Let go of what these keys alone have said, and of what nobody knows who signed: the list
        says it by now.

        Answers with what was let go, to be removed from the store.
        """
        gone = tuple(each for each in self if each.kid in kids or not each.kid)
        for restriction in gone:
            self._let_go(restriction)
        return gone

    def narrowed(self, consent: Consent) -> Consent | None:
        """The consent without what was taken from it; None where it was withdrawn."""
        several = self._by_ref.get(consent.ref)
        if several is None:
            return consent
        narrowed: Consent | None = consent
        for (version, _), restriction in several.items():
            if consent.version <= version and narrowed is not None:
                narrowed = _take(narrowed, restriction.taken)
        return narrowed

    def settle(
        self,
        consents: Mapping[bytes, Consent],
        list_seq: int,
        *,
        among: Iterable[Restriction] | None = None,
    ) -> tuple[Restriction, ...]:
        """Let go of what this list says by itself; what was let go, to be removed from the
        store.
        """
        held = self if among is None else among
        gone = tuple(
            each for each in held if each.is_said_by(consents.get(each.taken.ref), list_seq)
        )
        for restriction in gone:
            self._let_go(restriction)
        return gone

    def _let_go(self, restriction: Restriction) -> None:
        ref, version, kid = restriction.key
        several = self._by_ref[ref]
        del several[version, kid]
        if not several:
            del self._by_ref[ref]

    def _hold(self, restriction: Restriction) -> Restriction | None:
        ref, version, kid = restriction.key
        several = self._by_ref.setdefault(ref, {})
        before = several.get((version, kid))
        held = restriction if before is None else before.joined(restriction)
        several[version, kid] = held
        return None if held == before else held

    def _join_lowest(self, ref: bytes, kid: str) -> tuple[Restriction, Restriction | None] | None:
        """Rule 5: what was taken into the next version, and that one where it changed; None where
        there is room.
        """
        several = self._by_ref[ref]
        versions = sorted(version for version, signer in several if signer == kid)
        if len(versions) <= MOST_VERSIONS:
            return None
        low, higher = several.pop((versions[0], kid)), several[versions[1], kid]
        joined = several[versions[1], kid] = higher.joined(low)
        return low, None if joined == higher else joined


class Restricted(Mapping[bytes, Consent]):
    """The consents of a list as notices left them: the only view of them that the gate has."""

    def __init__(self, consents: Mapping[bytes, Consent], restrictions: Restrictions) -> None:
        self._consents = consents
        self._restrictions = restrictions

    @overload
    def get(self, key: bytes) -> Consent | None: ...
    @overload
    def get(self, key: bytes, default: Consent | D) -> Consent | D: ...
    def get(self, key: bytes, default: object = None) -> object:
        consent = self._consents.get(key)
        if consent is not None:
            consent = self._restrictions.narrowed(consent)
        return default if consent is None else consent

    def __getitem__(self, ref: bytes) -> Consent:
        consent = self.get(ref)
        if consent is None:
            raise KeyError("no consent of this ref")
        return consent

    def __contains__(self, ref: object) -> bool:
        return isinstance(ref, bytes) and self.get(ref) is not None

    def __iter__(self) -> Iterator[bytes]:
        return (ref for ref in self._consents if ref in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _take(consent: Consent, taken: Narrowing) -> Consent | None:
    if taken.removed:
        return None
    return replace(
        consent,
        objected=consent.objected or taken.objected,
        paused_until_s=max(consent.paused_until_s, taken.paused_until_s),
        refused_categories=consent.refused_categories | taken.categories,
        purposes=consent.purposes - taken.purposes,
    )
