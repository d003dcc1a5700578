"""Effective consents: the list less what revocations took away, until it says so itself
(R-34, R-41).

    revocation ──apply──► held rows ──effective(consent)──► it without what was taken, or None
    new list ─settle─► rows that it has caught up with are let go

1. A row holds for entries up to its version. Only plane A, with a higher version, is out of its
   reach.
2. It is let go once the list is as new as the revocation says (`list_seq`) and the entry is gone,
   or speaks for itself: has a higher version, or this very one (but an entry that should be gone,
   or should be objected to, stays restricted).
3. Rows for one version are joined: whichever order they come in, and however often, the same is
   taken away. Those that another key signed stay apart.
4. What a stolen key took away is lifted when the signed list says that it was stolen (`revoked` in
   notices.jwks), and nothing else: a version beyond every other denies until then.
5. Memory is bounded against any signer: so many refs that the list does not know, and so many
   versions of one ref (beyond it the lowest is taken into the next one, which denies more and
   never less).

They are kept through a restart (ports.RevocationStore), so that nothing of it comes back with the
power.
"""

from collections.abc import Collection, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar, overload

from presence.core.consent.model import Consent
from presence.core.consent.revocation import Revocation, RevokedRights

D = TypeVar("D")

MAX_UNLISTED: Final = 10_000
"""Refs that no entry of the list in force has: they come with the next one, or are invented."""
MAX_VERSIONS: Final = 8
"""Of one ref and key: so often is an entry changed between two lists."""


@dataclass(frozen=True, slots=True)
class HeldRevocation:
    """What is taken from entries of one ref up to one version, at least until list `list_seq`."""

    taken: RevokedRights
    list_seq: int
    kid: str = ""
    """Of the key that signed it; empty where it was stored before keys were told apart."""

    @property
    def key(self) -> tuple[bytes, int, str]:
        return self.taken.ref, self.taken.version, self.kid

    def joined(self, other: "HeldRevocation") -> "HeldRevocation":
        one, two = self.taken, other.taken
        taken = RevokedRights(
            one.ref,
            one.version,
            removed=one.removed or two.removed,
            objected=one.objected or two.objected,
            paused_until_s=max(one.paused_until_s, two.paused_until_s),
            categories=one.categories | two.categories,
            purposes=one.purposes | two.purposes,
        )
        return HeldRevocation(taken, max(self.list_seq, other.list_seq), self.kid)

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
    """What a revocation changed of what is held."""

    new: tuple[HeldRevocation, ...] = ()
    """To be stored."""
    gone: tuple[HeldRevocation, ...] = field(default=(), repr=False)
    """To be removed from the store, before `new` is stored: taken into a row of a higher
    version.
    """
    left_out: int = 0
    """Rows that there was no room for: only the list takes these away."""


class Revocations:
    """All that revocations took away and the list does not say yet."""

    def __init__(self, held: Iterable[HeldRevocation] = ()) -> None:
        self._by_ref: dict[bytes, dict[tuple[int, str], HeldRevocation]] = {}
        for revocation in held:
            self._hold(revocation)

    def __len__(self) -> int:
        return sum(map(len, self._by_ref.values()))

    def __iter__(self) -> Iterator[HeldRevocation]:
        return (revocation for several in self._by_ref.values() for revocation in several.values())

    def __repr__(self) -> str:
        return f"Revocations({len(self)})"

    def apply(self, revocation: Revocation, listed: Container[bytes] = ()) -> Applied:
        """Take in a revocation; nothing is new where all of it was held before. `listed`: refs of
        the list in force.
        """
        new: dict[tuple[bytes, int, str], HeldRevocation] = {}
        gone: list[HeldRevocation] = []
        unlisted = left_out = 0
        for row in revocation.rows:
            # Rule 5: a thief who signs must not fill the memory with refs that nobody has.
            if row.ref not in self._by_ref and row.ref not in listed:
                # Counted once for all rows, and only where there is such a row.
                unlisted = unlisted or sum(ref not in listed for ref in self._by_ref)
                if unlisted >= MAX_UNLISTED:
                    left_out += 1
                    continue
                unlisted += 1
            held = self._hold(HeldRevocation(row, revocation.list_seq, revocation.kid))
            if held is not None:
                new[held.key] = held
            lowest = self._join_lowest(row.ref, revocation.kid)
            if lowest is not None:
                low, joined = lowest
                new.pop(low.key, None)
                # Also where this revocation made it: an older state of it may be stored.
                gone.append(low)
                if joined is not None:
                    new[joined.key] = joined
        return Applied(tuple(new.values()), tuple(gone), left_out)

    def lift(self, kids: Collection[str]) -> tuple[HeldRevocation, ...]:
        """Let go of what these keys alone have said, and of rows whose signer is unknown: the list
        says it by now.

        Answers with what was let go, to be removed from the store.
        """
        gone = tuple(each for each in self if each.kid in kids or not each.kid)
        for revocation in gone:
            self._let_go(revocation)
        return gone

    def effective(self, consent: Consent) -> Consent | None:
        """The consent without what was taken from it; None where it was withdrawn."""
        several = self._by_ref.get(consent.ref)
        if several is None:
            return consent
        effective: Consent | None = consent
        for (version, _), revocation in several.items():
            if consent.version <= version and effective is not None:  # rule 1
                effective = _take(effective, revocation.taken)
        return effective

    def settle(
        self,
        consents: Mapping[bytes, Consent],
        list_seq: int,
        *,
        among: Iterable[HeldRevocation] | None = None,
    ) -> tuple[HeldRevocation, ...]:
        """Let go of what this list says by itself; returns that, for removal from the store."""
        held = self if among is None else among
        gone = tuple(
            each for each in held if each.is_said_by(consents.get(each.taken.ref), list_seq)
        )
        for revocation in gone:
            self._let_go(revocation)
        return gone

    def _let_go(self, revocation: HeldRevocation) -> None:
        ref, version, kid = revocation.key
        several = self._by_ref[ref]
        del several[version, kid]
        if not several:
            del self._by_ref[ref]

    def _hold(self, revocation: HeldRevocation) -> HeldRevocation | None:
        ref, version, kid = revocation.key
        several = self._by_ref.setdefault(ref, {})
        before = several.get((version, kid))
        held = revocation if before is None else before.joined(revocation)
        several[version, kid] = held
        return None if held == before else held

    def _join_lowest(
        self, ref: bytes, kid: str
    ) -> tuple[HeldRevocation, HeldRevocation | None] | None:
        """Rule 5: what was taken into the next version, and that one where it changed; None where
        there is room.
        """
        several = self._by_ref[ref]
        versions = sorted(version for version, signer in several if signer == kid)
        if len(versions) <= MAX_VERSIONS:
            return None
        low, higher = several.pop((versions[0], kid)), several[versions[1], kid]
        joined = several[versions[1], kid] = higher.joined(low)
        return low, None if joined == higher else joined


class EffectiveConsents(Mapping[bytes, Consent]):
    """The consents of a list as revocations left them: the only view of them that the gate has."""

    def __init__(self, consents: Mapping[bytes, Consent], revocations: Revocations) -> None:
        self._consents = consents
        self._revocations = revocations

    @overload
    def get(self, key: bytes) -> Consent | None: ...
    @overload
    def get(self, key: bytes, default: Consent | D) -> Consent | D: ...
    def get(self, key: bytes, default: object = None) -> object:
        consent = self._consents.get(key)
        if consent is not None:
            consent = self._revocations.effective(consent)
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


def _take(consent: Consent, taken: RevokedRights) -> Consent | None:
    if taken.removed:
        return None
    return replace(
        consent,
        objected=consent.objected or taken.objected,
        paused_until_s=max(consent.paused_until_s, taken.paused_until_s),
        refused_categories=consent.refused_categories | taken.categories,
        purposes=consent.purposes - taken.purposes,
    )
