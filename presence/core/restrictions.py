"""What notices took away, in front of the list until the list says so itself: rights only shrink (R-34, R-41).

    notice ──apply──► held rows ──narrowed(consent)──► the consent without what was taken, or None
    new list ─settle─► rows that it has caught up with are let go

1. A row holds for entries up to its version. Only plane A, with a higher version, is out of its reach.
2. It is let go once the list is as new as the notice says (`list_seq`) and the entry is gone, or speaks for itself: has
   a higher version, or this very one (but an entry that should be gone, or should be objected to, stays restricted).
3. Rows for one version are joined: whichever order they come in, and however often, the same is taken away.

They are kept through a restart (ports.RestrictionStore), so that nothing of it comes back with the power.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar, overload

from presence.core.consent import Consent
from presence.core.notices import Narrowing, Notice

D = TypeVar("D")


@dataclass(frozen=True, slots=True)
class Restriction:
    """What is taken from entries of one ref up to one version, until list number `list_seq` at least."""

    taken: Narrowing
    list_seq: int

    @property
    def key(self) -> tuple[bytes, int]:
        return self.taken.ref, self.taken.version

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
        return Restriction(taken, max(self.list_seq, other.list_seq))

    def is_said_by(self, consent: Consent | None, list_seq: int) -> bool:
        """Whether the list with this entry has caught up (rule 2)."""
        if list_seq < self.list_seq:
            return False
        if consent is None or consent.version > self.taken.version:
            return True
        same = consent.version == self.taken.version
        return same and not self.taken.removed and (consent.objected or not self.taken.objected)


class Restrictions:
    """All that notices took away and the list does not say yet."""

    def __init__(self, held: Iterable[Restriction] = ()) -> None:
        self._by_ref: dict[bytes, dict[int, Restriction]] = {}
        for restriction in held:
            self._hold(restriction)

    def __len__(self) -> int:
        return sum(map(len, self._by_ref.values()))

    def __iter__(self) -> Iterator[Restriction]:
        return (restriction for several in self._by_ref.values() for restriction in several.values())

    def __repr__(self) -> str:
        return f"Restrictions({len(self)})"

    def apply(self, notice: Notice) -> tuple[Restriction, ...]:
        """Take in a notice; what is held anew, to be stored. Nothing, where all of it was held before."""
        new = (self._hold(Restriction(row, notice.list_seq)) for row in notice.rows)
        return tuple(restriction for restriction in new if restriction is not None)

    def narrowed(self, consent: Consent) -> Consent | None:
        """The consent without what was taken from it; None where it was withdrawn."""
        several = self._by_ref.get(consent.ref)
        if several is None:
            return consent
        narrowed: Consent | None = consent
        for version, restriction in several.items():
            if consent.version <= version and narrowed is not None:
                narrowed = _take(narrowed, restriction.taken)
        return narrowed

    def settle(
        self, consents: Mapping[bytes, Consent], list_seq: int, *, among: Iterable[Restriction] | None = None
    ) -> tuple[Restriction, ...]:
        """Let go of what this list says by itself; what was let go, to be removed from the store."""
        held = self if among is None else among
        gone = tuple(each for each in held if each.is_said_by(consents.get(each.taken.ref), list_seq))
        for restriction in gone:
            ref, version = restriction.key
            several = self._by_ref[ref]
            del several[version]
            if not several:
                del self._by_ref[ref]
        return gone

    def _hold(self, restriction: Restriction) -> Restriction | None:
        ref, version = restriction.key
        several = self._by_ref.setdefault(ref, {})
        before = several.get(version)
        held = restriction if before is None else before.joined(restriction)
        several[version] = held
        return None if held == before else held


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
