"""From an advertisement to the subject it belongs to, or nobody.

1. An identifier counts only in its own slot, or in a neighbouring one within 120 s of the boundary:
   a recording is dead when its slot is over (T-01).
2. An identifier that two subjects claim belongs to nobody.
3. Nothing of an advertisement that belongs to nobody is kept, not even that nobody knows it; the
   counters of the engine say how many there were.
4. A phone repeats its frame until the slot is over, or the tick. What its user found out of a
   frame may be kept with it, and comes instead of a match: it follows from these bytes alone, and
   from the tables that count. When others count, it is forgotten. Room is bounded: one identifier
   can be sent under 256 powers; what is full begins anew.

    keys ──► wanted(now): this slot, last or next ──► build_table, off the event loop ──► install
                                                                                            │
    advertisement ──► format ──► identifier ──► the tables that count at this second ◄──────┘

A table stays in use until its successor is there: after a new list those who left it are still
found, and the gate refuses them; those who came are found once their tables are built. No moment is
without tables.
"""

from collections.abc import Callable
from enum import Enum, auto
from typing import Any, Final, Generic, NamedTuple, TypeVar

from presence.core.encoding import EID_BYTES
from presence.core.recognition.advertisement import Advertisement
from presence.core.recognition.beacons import FORMATS, Format
from presence.core.recognition.beacons.rpa import Resolver
from presence.core.recognition.identifiers import (
    SLOT_S,
    WINDOW_S,
    slot_at,
    slots_to_accept,
    window_of_slot,
)
from presence.core.recognition.key_ring import KeyRing
from presence.core.recognition.slot_table import Claim, SlotTable, build_table


class Nobody(Enum):
    """Why an advertisement belongs to no subject."""

    OTHER_FORMAT = auto()
    """Not one of our formats: nearly everything on air."""
    UNKNOWN = auto()
    """Our format, but no identifier of the list: another chain's, or a phone outside its slot."""
    AMBIGUOUS = auto()
    """Two subjects claim the identifier."""


class Match(NamedTuple):
    ref: bytes
    """8 bytes."""
    slot: int | None
    """In which the identifier is on air; None for R1, whose addresses change with no slot."""
    sealed: bytes | None = None
    """The identifier with the seal that came behind it (presence.core.recognition.ticks)."""


AHEAD_S: Final = SLOT_S / 2
"""How long before it starts the next slot's table is wanted: minutes before it counts, and so late
that no more than two tables are held at a time.
"""


def slots_wanted(utc_s: float) -> tuple[int, ...]:
    """The slots for which tables are held now, most urgent first: this, and the last while it
    counts, or the next.
    """
    slot = slot_at(utc_s)
    if slot_at(utc_s + AHEAD_S) > slot:
        return slot, slot + 1
    return tuple(slots_to_accept(utc_s))


OTHER_FORMAT: Final = Nobody.OTHER_FORMAT
UNKNOWN: Final = Nobody.UNKNOWN
KEPT: Final = 16_384
"""Frames of one format: more than customers are in one shop at a time, in some 4 MB."""

Kept = TypeVar("Kept")
Place = tuple[Any, bool, Callable[[bytes], bytes | None], dict[bytes, Any]]
"""Of a format: where its frame stands, whether that is service data, how it is read, and what is
kept.
"""


class Matcher(Generic[Kept]):
    """Holds the identifiers that are on air around now; `Kept` is what its user knows of a frame,
    if it keeps anything.
    """

    def __init__(
        self, formats: tuple[Format, ...] = FORMATS, resolver: Resolver | None = None
    ) -> None:
        self._formats = formats
        self._places: tuple[Place, ...] = tuple(
            (each.place, isinstance(each.place, str), each.identifier_in, {}) for each in formats
        )
        self._resolver = resolver
        self._ring = KeyRing()
        self._tables: dict[int, SlotTable] = {}
        self._current: set[int] = set()
        """Slots whose table was built from the present ring."""
        self._accepted: tuple[tuple[memoryview, int, SlotTable], ...] = ()
        """The tables that count now, each with its filter."""
        self._accepted_from_s = self._accepted_until_s = 0.0

    def change_keys(self, ring: KeyRing) -> None:
        """A new list: its tables are wanted. The keys of the old one are erased (R-12), unless they
        are the new one's, too.
        """
        if ring is not self._ring:
            self._ring.erase(but=ring)
        self._ring = ring
        self._current.clear()

    def forget(self) -> None:
        """Erase every key, and drop the tables made from them."""
        self.change_keys(KeyRing())
        self._tables = {}
        self._accepted = ()
        self._accepted_until_s = 0.0
        self.forget_kept()

    def wanted(self, utc_s: float) -> tuple[list[int], KeyRing]:
        """The slots whose tables are missing, most urgent first, and the keys to build from."""
        slots = slots_wanted(utc_s)
        return [slot for slot in slots if slot not in self._current], self._ring

    def keys_end_s(self) -> float:
        """When the last window whose keys are held ends (UTC); 0 where none are: blind already."""
        windows = self._ring.windows
        return float((windows[-1] + 1) * WINDOW_S) if windows else 0.0

    def table(self, slot: int) -> SlotTable | None:
        """The one in use, from which another can be made."""
        return self._tables.get(slot)

    def install(self, table: SlotTable, ring: KeyRing) -> None:
        """Put a table in place, unless the keys it was built from were replaced meanwhile."""
        if ring is self._ring:
            self._tables[table.slot] = table
            self._current.add(table.slot)
            self._accepted_until_s = 0.0

    def advance(self, utc_s: float) -> None:
        """Drop the tables of slots that are over, and erase the keys of windows that are.

        Keys go only where those of a later window are held: a clock that jumps ahead for a moment
        erases nothing.
        """
        wanted = slots_wanted(utc_s)
        if any(slot not in wanted for slot in self._tables):
            self._tables = {slot: table for slot, table in self._tables.items() if slot in wanted}
            self._current &= self._tables.keys()
            self._accepted_until_s = 0.0
        present, windows = window_of_slot(slot_at(utc_s) - 1), self._ring.windows
        if present in windows and present != windows[0]:
            self._ring = self._ring.since(present)
        self._accept(utc_s)  # also where nobody is heard: what was kept goes with its tables

    def complete(self, utc_s: float) -> None:
        """Build here and now what is wanted: for small lists, and where nobody waits."""
        self.advance(utc_s)
        slots, ring = self.wanted(utc_s)
        for slot in slots:
            self.install(build_table(slot, ring, self.table(slot)), ring)

    def match(self, advertisement: Advertisement) -> Kept | Match | Nobody:
        """The subject it belongs to, and in which slot; what was kept of its frame, if anything;
        or why it is nobody's.
        """
        at, _, _, service_data, manufacturer_data, _ = advertisement
        if not self._accepted_from_s <= at.utc_s < self._accepted_until_s:
            self._accept(at.utc_s)
        for place, is_uuid, identifier_in, kept in self._places:
            frame = service_data.get(place) if is_uuid else manufacturer_data.get(place)
            if frame is None:
                continue
            known: Kept | None = kept.get(frame)
            if known is not None:
                return known
            identifier = identifier_in(frame)
            if identifier is not None:
                return self._owner(identifier)
        # Last: an address that is not ours costs one AES for each key of a test phone.
        if (
            self._resolver is not None
            and (ref := self._resolver.resolve(advertisement)) is not None
        ):
            return Match(ref, None)
        return OTHER_FORMAT

    def keep(self, advertisement: Advertisement, what: Kept) -> None:
        """`match` is to answer with this whenever this frame comes again, as long as the same
        tables count (rule 4).
        """
        for each, (_, _, _, kept) in zip(self._formats, self._places, strict=True):
            frame = each.frame(advertisement)
            if frame is not None and each.identifier_in(frame) is not None:
                if len(kept) >= KEPT:
                    kept.clear()
                kept[frame] = what
                return

    @property
    def kept(self) -> int:
        """How many frames."""
        return sum(len(kept) for _, _, _, kept in self._places)

    def forget_kept(self) -> None:
        for _, _, _, kept in self._places:
            kept.clear()

    def power_dbm(self, advertisement: Advertisement) -> int | None:
        """The power that the phone says it sends with, as received at 0 m, in the first format that
        has a word for it.
        """
        for each in self._formats:
            power_dbm = each.power_dbm(advertisement)
            if power_dbm is not None:
                return power_dbm
        return None

    def window_key(self, ref: bytes, slot: int, identifier: bytes) -> bytes | None:
        """The key from which this identifier was made, where it is still held."""
        table = self._tables.get(slot)
        # The table may be older than the keys (a new list): then the row is somebody else's.
        row = -1 if table is None else table.row(identifier)
        return self._ring.key(ref, window_of_slot(slot), row=row)

    def whose(self, identifier: bytes, utc_s: float) -> Match | Nobody:
        """The subject that may use this identifier in the second around `utc_s`."""
        if not self._accepted_from_s <= utc_s < self._accepted_until_s:
            self._accept(utc_s)
        return self._owner(identifier)

    def _owner(self, identifier: bytes) -> Match | Nobody:
        """By the tables that count now; `identifier` with its seal, if it has one."""
        number = int.from_bytes(identifier[:EID_BYTES], "big")
        match: Match | None = None
        for bits, shift, table in self._accepted:
            prefix = number >> shift
            if not bits[prefix >> 3] >> (prefix & 7) & 1:
                continue
            ref = table.owner(number)
            if ref is None:
                continue
            # Rule 2, also between two slots: around a boundary two tables count.
            if ref is Claim.AMBIGUOUS or (match is not None and match.ref != ref):
                return Nobody.AMBIGUOUS
            sealed = identifier if len(identifier) > EID_BYTES else None
            match = Match(ref, table.slot, sealed)
        return match or UNKNOWN

    def _accept(self, utc_s: float) -> None:
        """Choose the tables for the second around `utc_s`: boundaries lie on whole seconds."""
        slots = slots_to_accept(utc_s)
        tables = [self._tables[slot] for slot in slots if slot in self._tables]
        if tables != [table for _, _, table in self._accepted]:
            self._accepted = tuple((table.bits, table.shift, table) for table in tables)
            self.forget_kept()
        self._accepted_from_s = float(int(utc_s))
        self._accepted_until_s = self._accepted_from_s + 1.0
