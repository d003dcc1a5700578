"""Replay guard: one identifier under two addresses at once is a replay attack. Nothing tells which
of the two is the phone.

A phone changes its address now and then, and the identifier changes with every slot; both go
forward only:

    slot 5: A A A A B B B │ slot 6: C C C …        one address after another: a phone

    slot 5: A A x A                                to and fro: suspect
    slot 5: A x1 A x2 …                            the same, with a new address each time
    slot 5: x1 x2 x3 x4 x5                         more addresses than a phone uses in a slot
    slot 6: C C, then slot 5's identifier          back to an older slot: suspect

Rules:
1. A sighting under an address that was left, or of a slot that was left, is suspect. Two radios may
   hand over a change a moment late, so what arrives within OVERLAP_S of the change still belongs to
   the old address.
2. More than MAX_ADDRESSES addresses in a slot are suspect.
3. Suspect means held back: neither the phone's nor the other's sightings count until the slot is
   over. Nobody is better than the wrong one. The next slot starts anew: to disturb again, an
   attacker must have heard its identifier. (So a replayer in the shop can keep a customer from
   being recognised. They could as well jam the radio.)
4. State exists for subjects with a consent in force only, in a fixed amount for each, and is
   dropped two slots later. A flood under new addresses reaches MAX_ADDRESSES and adds nothing more.
   Above MAX_SUBJECTS, which no shop holds, subjects not yet known are held back: a flood of
   recorded identifiers does not push out those who are known.

One identity key on two phones looks the same as a replay: every phone needs an enrolment of its
own.
"""

from typing import Final

MAX_ADDRESSES: Final = 4
"""In one slot (17 min): the change with the slot, a change of the system's own (every 15 min), two
restarts.
"""
OVERLAP_S: Final = 3.0
"""Longer than the intake queue holds an advertisement, shorter than a replay is of use."""
MAX_SUBJECTS: Final = 65_536


class _Trail:
    """What one subject was heard under in the newest slot. `left` is empty and `address` None once
    suspect.
    """

    __slots__ = ("address", "changed_at_s", "left", "slot", "slot_since_s")

    def __init__(self, slot: int, address: bytes, now_s: float) -> None:
        self.slot = slot
        self.slot_since_s = now_s
        self.address: bytes | None = address
        self.changed_at_s = now_s
        self.left: tuple[bytes, ...] = ()


class ReplayGuard:
    """Says of each sighting whether it may be a replay. One task owns it."""

    def __init__(self, *, max_subjects: int = MAX_SUBJECTS) -> None:
        self._trails: dict[bytes, _Trail] = {}
        self._max_subjects = max_subjects
        self._slot = -1

    def __len__(self) -> int:
        """Subjects of whom something is held."""
        return len(self._trails)

    def is_replayed(self, ref: bytes, slot: int, address: bytes, monotonic_s: float) -> bool:
        """Take in one sighting of a subject with a consent in force; whether it must not count."""
        trail = self._trails.get(ref)
        if trail is None:
            if len(self._trails) >= self._max_subjects:  # rule 4
                return True
            self._trails[ref] = _Trail(slot, address, monotonic_s)
            return False
        if slot == trail.slot:
            return trail.address != address and self._changes_address(trail, address, monotonic_s)
        if slot > trail.slot:  # rule 3: a new slot starts anew, also after a suspicion
            self._trails[ref] = _Trail(slot, address, monotonic_s)
            return False
        if monotonic_s - trail.slot_since_s > OVERLAP_S:  # rule 1: a slot that was left
            _suspect(trail)
        return trail.address is None

    def __contains__(self, ref: bytes) -> bool:
        return ref in self._trails

    def refs(self) -> set[bytes]:
        return set(self._trails)

    def advance(self, slot: int) -> None:
        """Forget what was heard in slots that do not count now; `slot` is the present one."""
        if slot == self._slot:
            return
        self._slot = slot
        near = range(slot - 1, slot + 2)  # a clock set back must not leave anybody suspect for days
        self._trails = {ref: trail for ref, trail in self._trails.items() if trail.slot in near}

    def forget(self, ref: bytes) -> None:
        """The consent is no longer in force."""
        self._trails.pop(ref, None)

    @staticmethod
    def _changes_address(trail: _Trail, address: bytes, now_s: float) -> bool:
        if trail.address is None:
            return True
        # Rule 1: an address that was left. Within OVERLAP_S it still counts, and changes nothing.
        if address in trail.left:
            if now_s - trail.changed_at_s > OVERLAP_S:
                _suspect(trail)
        elif len(trail.left) + 2 > MAX_ADDRESSES:  # rule 2: those left, the last one, this one
            _suspect(trail)
        else:
            trail.left = (*trail.left, trail.address)
            trail.address = address
            trail.changed_at_s = now_s
        return trail.address is None


def _suspect(trail: _Trail) -> None:
    trail.address = None
    trail.left = ()
