"""Replay guard: is it the phone that is heard, or a recording of it? Nothing tells which of two is
the phone, so in doubt neither counts, and the phone may prove itself at the bell.

A phone changes its address now and then, and the identifier changes with every slot; both go
forward only:

    slot 5: A A A A B B B │ slot 6: C C C …        one address after another: a phone

    slot 5: A A x A                                to and fro: suspect
    slot 5: A x1 A x2 …                            the same, with a new address each time
    slot 5: x1 x2 x3 x4 x5                         more addresses than a phone uses in a slot
    slot 6: C C, then slot 5's identifier          back to an older slot: suspect
    −95 −50 −52 −94 −51                            two phones under one address: suspect

Rules:
1. A sighting under an address that was left, or of a slot that was left, is suspect. Two antennas
   may hand over a change a moment late: within OVERLAP_S of the change the old address is no proof
   of a replay, but until then neither address counts. A phone does not change twice within APART_S.
2. More than MAX_ADDRESSES addresses in a slot are suspect.
3. So are strengths that swing, at one antenna, by more than fading and bodies do, and more packets
   than a phone sends (presence.core.recognition.swings): a recording may use the phone's own
   address.
4. Suspect means: no broadcast counts, neither the phone's nor the other's, until SUSPECT_S have
   passed without another of these signs, or the slot is over. To keep a customer from being
   recognised costs an attacker a packet every minute, and a phone that answers at the bell is
   recognised all the same (presence.core.engine: answers are not asked here).
5. A frame with a tick (presence.core.recognition.ticks) counts only with a good seal, and not after
   one of a later tick. One that is old, forged or stripped of its tick is a recording for sure: it
   does not count, and it makes nobody suspect. Stripped: without a tick, and of a phone of which a
   good seal was heard in this slot or the one before, or whose consent says that its app sends them
   always (`Flag.TICKS`). Who strips the tick of a phone that this gateway has not heard, and whose
   consent says nothing, is not noticed.
6. State exists for subjects with a consent in force only, in a fixed amount for each and for each
   antenna, and is dropped two slots later. A flood under new addresses reaches MAX_ADDRESSES and
   adds nothing more. Above MAX_SUBJECTS, which no shop holds, subjects not yet known are held back:
   a flood of recorded identifiers does not push out those who are known.

One identity key on two phones looks the same as a replay: every phone needs an enrolment of its
own. A satellite does not say under which address it heard somebody: rules 1 and 2 are blind there.
"""

from collections.abc import Callable
from math import inf
from typing import Final

from presence.core.encoding import EID_BYTES
from presence.core.recognition import ticks
from presence.core.recognition.advertisement import Advertisement, address_bytes
from presence.core.recognition.doubt import Doubt
from presence.core.recognition.identifiers import window_of_slot
from presence.core.recognition.swings import BURST, SWING_DB, Swings

MAX_ADDRESSES: Final = 4
"""In one slot (17 min): the change with the slot, a change of the system's own (every 15 min), two
restarts.
"""
OVERLAP_S: Final = 3.0
"""Longer than the intake queue holds an advertisement, shorter than a replay is of use."""
APART_S: Final = 10.0
"""A phone keeps an address for minutes, but for a restart of Bluetooth or of the app."""
SUSPECT_S: Final = 60.0
"""A phone at the edge of hearing (−103 dBm, four packets a second) comes through every 12 s
(scripts/entrybench): a recording beside it is noticed again before the minute is over.
"""
MAX_SUBJECTS: Final = 65_536


class _Trail:
    """What one subject was heard under in the newest slot."""

    __slots__ = (
        "address",
        "antenna",
        "changed_at_s",
        "ear",
        "ears",
        "left",
        "sealed",
        "sealed_until_s",
        "slot",
        "slot_since_s",
        "spelt",
        "suspect",
        "suspect_until_s",
        "ticked",
    )

    def __init__(self, slot: int, spelt: bytes | str, now_s: float) -> None:
        self.slot = slot
        self.slot_since_s = now_s
        self.address = address_bytes(spelt)
        """The newest; empty while only satellites have heard it."""
        self.spelt = spelt
        """The same as it was heard last, so that it need not be converted to be compared."""
        self.changed_at_s = -inf
        self.left: tuple[bytes, ...] = ()
        self.ears: dict[str, Swings] = {}
        """By antenna."""
        self.antenna = ""
        self.ear: Swings | None = None
        """Which heard it last, so that it need not be looked for."""
        self.suspect: Doubt | None = None
        """The last sign, and until when it counts."""
        self.suspect_until_s = -inf
        self.ticked = False
        """A good seal was heard in this slot or the one before."""
        self.sealed: bytes | None = None
        """The last one that was verified, and until when (UTC) it counts."""
        self.sealed_until_s = 0.0

    def doubt(self, why: Doubt, now_s: float, for_s: float = SUSPECT_S) -> None:
        if self.suspect_until_s <= now_s + for_s:
            self.suspect = why
            self.suspect_until_s = now_s + for_s

    def turn_to(self, antenna: str, rssi_dbm: int, now_s: float) -> Swings:
        """What this antenna hears, which is another than heard it last."""
        ear = self.ears.get(antenna)
        if ear is None:
            ear = self.ears[antenna] = Swings(rssi_dbm, now_s)
        self.antenna, self.ear = antenna, ear
        return ear

    def heard_s(self) -> float:
        """When it was heard last, with a strength."""
        return max((ear.heard_s for ear in self.ears.values()), default=-inf)

    def has_later_seal(self, slot: int, sealed: bytes) -> bool:
        """Whether a good seal of a later tick was heard: ticks go forward only."""
        if self.sealed is None:
            return False
        return (slot, sealed[EID_BYTES]) < (self.slot, self.sealed[EID_BYTES])

    def change_address(self, spelt: bytes | str, now_s: float) -> None:
        """Rules 1 and 2."""
        address = address_bytes(spelt)
        if address == self.address or not self.address:
            self.address, self.spelt = address, spelt
            return
        if not address:  # of a satellite, which says none
            return
        since_s = now_s - self.changed_at_s
        back = address in self.left
        if back and since_s <= OVERLAP_S:
            self.doubt(Doubt.ADDRESSES, now_s, OVERLAP_S - since_s)
            return
        if back or since_s < APART_S or len(self.left) + 2 > MAX_ADDRESSES:
            self.doubt(Doubt.ADDRESSES, now_s)
        others = [each for each in (*self.left, self.address) if each != address]
        self.left = tuple(others[1 - MAX_ADDRESSES :])
        self.address, self.spelt = address, spelt
        self.changed_at_s = now_s


WindowKeyOf = Callable[[bytes, int, bytes], bytes | None]
"""From ref, slot and identifier to the window key, where it is held."""


class ReplayGuard:
    """Says of each sighting whether it may be a replay. One task owns it."""

    def __init__(
        self,
        window_key: WindowKeyOf = lambda _ref, _slot, _eid: None,
        *,
        max_subjects: int = MAX_SUBJECTS,
    ) -> None:
        self._window_key = window_key
        self._trails: dict[bytes, _Trail] = {}
        self._suspects: dict[bytes, int] = {}
        """Ref → slot of whom signs were heard here since `take_suspects` was asked."""
        self._tick_keys: dict[bytes, tuple[int, bytes]] = {}
        """Ref → window, and the key of its seals: made when the first seal came."""
        self._max_subjects = max_subjects
        self._slot = -1

    def __len__(self) -> int:
        """Subjects of whom something is held."""
        return len(self.refs())

    def __contains__(self, ref: bytes) -> bool:
        return ref in self._trails or ref in self._tick_keys

    def refs(self) -> set[bytes]:
        return self._trails.keys() | self._tick_keys.keys()

    def doubt(
        self, ref: bytes, slot: int, sealed: bytes | None, heard: Advertisement
    ) -> Doubt | None:
        """Take in one sighting of a subject with a consent in force: why it must not count, or
        None. `sealed`: the identifier with its seal, if it has one.
        """
        at, address, rssi_dbm, _, _, antenna = heard
        trail = self._trails.get(ref)
        if (
            trail is None
            or trail.slot != slot
            or trail.spelt != address
            or trail.sealed != sealed
            or (sealed is not None and at.utc_s >= trail.sealed_until_s)
        ):
            followed = self._follow(trail, ref, slot, sealed, heard)
            if isinstance(followed, Doubt):
                return followed
            trail = followed
        now_s = at.monotonic_s
        if rssi_dbm is not None:
            ear = trail.ear
            if ear is None or trail.antenna != antenna:
                ear = trail.turn_to(antenna, rssi_dbm, now_s)
            step_db = rssi_dbm - ear.rssi_dbm
            ear.rssi_dbm = rssi_dbm
            ear.packets += 1
            if not -SWING_DB < step_db < SWING_DB or ear.packets == BURST:
                why = ear.judge(step_db, now_s)
                if why is not None:
                    trail.doubt(why, now_s)
            ear.heard_s = now_s
        return None if trail.suspect is None else self._still(trail, ref, now_s)

    def _still(self, trail: _Trail, ref: bytes, now_s: float) -> Doubt | None:
        """Whether it is suspect as yet."""
        left_s = trail.suspect_until_s - now_s
        if left_s <= 0:
            trail.suspect = None
        elif left_s > OVERLAP_S and trail.suspect is not Doubt.PEER:
            self._suspects[ref] = trail.slot
        return trail.suspect

    def take_suspects(self) -> dict[bytes, int]:
        """Ref → slot of who was suspect by what was heard here, since this was asked last."""
        suspects, self._suspects = self._suspects, {}
        return suspects

    def doubt_by_peer(self, ref: bytes, now_s: float) -> bool:
        """Another gateway of the store heard signs; whether that is news here."""
        trail = self._trails.get(ref)
        if trail is None:
            return False
        news = now_s >= trail.suspect_until_s
        trail.doubt(Doubt.PEER, now_s)
        return news

    def heard_under(self, ref: bytes) -> tuple[int, tuple[bytes, ...]] | None:
        """Slot and addresses, the newest first; None where the subject was heard under none."""
        trail = self._trails.get(ref)
        if trail is None or not trail.address:
            return None
        return trail.slot, (trail.address, *trail.left)

    def heard_since(self, monotonic_s: float) -> list[tuple[bytes, int]]:
        """Ref and slot of who was heard since then."""
        return [
            (ref, trail.slot)
            for ref, trail in self._trails.items()
            if trail.heard_s() >= monotonic_s
        ]

    def advance(self, slot: int) -> None:
        """Forget what was heard in slots that do not count now; `slot` is the present one."""
        if slot == self._slot:
            return
        self._slot = slot
        near = range(slot - 1, slot + 2)  # a clock set back must not leave anybody suspect for days
        self._trails = {ref: trail for ref, trail in self._trails.items() if trail.slot in near}
        self._suspects = {ref: of for ref, of in self._suspects.items() if ref in self._trails}
        self._tick_keys = {ref: key for ref, key in self._tick_keys.items() if ref in self._trails}

    def forget(self, ref: bytes) -> None:
        """The consent is no longer in force."""
        self._trails.pop(ref, None)
        self._suspects.pop(ref, None)
        self._tick_keys.pop(ref, None)

    def forget_keys(self) -> None:
        """The window keys were replaced."""
        self._tick_keys.clear()

    def _follow(
        self,
        trail: _Trail | None,
        ref: bytes,
        slot: int,
        sealed: bytes | None,
        heard: Advertisement,
    ) -> _Trail | Doubt:
        """The trail with slot, address and seal as they are now; or why this is none of the
        phone's.
        """
        now_s = heard.at.monotonic_s
        until_s = 0.0
        if sealed is None:
            if trail is not None and trail.ticked:  # rule 5: stripped
                return Doubt.NO_TICK
        elif trail is None or sealed != trail.sealed or heard.at.utc_s >= trail.sealed_until_s:
            if trail is not None and trail.has_later_seal(slot, sealed):
                return Doubt.OLD_TICK
            verdict = self._judge_seal(ref, slot, sealed, heard.at.utc_s)
            if isinstance(verdict, Doubt):
                return verdict
            until_s = verdict
        if trail is None and len(self._trails) >= self._max_subjects:  # rule 6
            return Doubt.CROWDED
        # Anew with each slot, also after a sign: to disturb again, an attacker must have heard this
        # identifier. And anew with the first good seal: what was heard without one says nothing.
        if trail is None or slot > trail.slot or (until_s and not trail.ticked):
            trail = self._trails[ref] = _Trail(slot, heard.address, now_s)
        elif slot < trail.slot:
            if now_s - trail.slot_since_s > OVERLAP_S:  # rule 1: a slot that was left
                trail.doubt(Doubt.ADDRESSES, now_s)
        else:
            trail.change_address(heard.address, now_s)
        if until_s:
            trail.sealed, trail.sealed_until_s, trail.ticked = sealed, until_s, True
        return trail

    def _judge_seal(self, ref: bytes, slot: int, sealed: bytes, utc_s: float) -> float | Doubt:
        """Until when (UTC) it counts, or why it does not (rule 5)."""
        eid, seal = sealed[:EID_BYTES], sealed[EID_BYTES:]
        until_s = ticks.counts_until_s(seal, slot, utc_s)
        if not until_s:
            return Doubt.OLD_TICK
        key = self._tick_key(ref, slot, eid)
        if key is None or not ticks.is_genuine(seal, key, slot):
            return Doubt.FORGED_TICK
        return until_s

    def _tick_key(self, ref: bytes, slot: int, eid: bytes) -> bytes | None:
        window = window_of_slot(slot)
        known = self._tick_keys.get(ref)
        if known is not None and known[0] == window:
            return known[1]
        window_key = self._window_key(ref, slot, eid)
        if window_key is None or len(self._tick_keys) >= self._max_subjects:
            return None
        key = ticks.tick_key(window_key)
        self._tick_keys[ref] = window, key
        return key
