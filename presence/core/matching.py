"""From an advertisement to the subject it belongs to, or nobody.

1. An identifier counts only in its own slot, or in a neighbouring one within 120 s of the boundary: a recording is
   dead when its slot is over (T-01).
2. An identifier that two subjects claim belongs to nobody.
3. Nothing of an advertisement that belongs to nobody is kept; the counters of the engine say how many there were.
"""

from collections.abc import Iterable
from enum import Enum, auto
from typing import Final

from presence.core.advertising import Advertisement
from presence.core.beacons import FORMATS, Format
from presence.core.identifiers import SlotTable, WindowKey, slot_at, slots_to_accept


class Nobody(Enum):
    """Why an advertisement belongs to no subject."""

    OTHER_FORMAT = auto()
    """Not one of our formats: nearly everything on air."""
    UNKNOWN = auto()
    """Our format, but no identifier of the list: another chain's customer, or a phone outside its slot."""
    AMBIGUOUS = auto()
    """Two subjects claim the identifier."""


TABLES_AHEAD: Final = (-1, 0, 1)
"""The slots for which tables are held: the last, this and the next, which is ready before it starts."""


class Matcher:
    """Holds the identifiers that are on air around now."""

    def __init__(self, formats: tuple[Format, ...] = FORMATS) -> None:
        self._formats = formats
        self._keys: tuple[WindowKey, ...] = ()
        self._tables: dict[int, SlotTable] = {}
        self._accepted: tuple[SlotTable, ...] = ()
        self._accepted_from_s = self._accepted_until_s = 0.0

    def change_keys(self, keys: Iterable[WindowKey], utc_s: float) -> None:
        """A new list: all tables are made anew."""
        self._keys = tuple(keys)
        self._tables.clear()
        self.advance(utc_s)

    def advance(self, utc_s: float) -> None:
        """Make the tables of the slots around now that are missing; drop those of slots long over."""
        now = slot_at(utc_s)
        wanted = [now + offset for offset in TABLES_AHEAD]
        self._tables = {slot: self._tables.get(slot) or SlotTable.build(slot, self._keys) for slot in wanted}
        self._accepted_until_s = 0.0

    def match(self, advertisement: Advertisement) -> bytes | Nobody:
        """The ref (8 bytes) of the subject who sent it, or why there is none."""
        for identify in self._formats:
            identifier = identify(advertisement)
            if identifier is not None:
                return self._whose(identifier, advertisement.at.utc_s)
        return Nobody.OTHER_FORMAT

    def _whose(self, identifier: bytes, utc_s: float) -> bytes | Nobody:
        if not self._accepted_from_s <= utc_s < self._accepted_until_s:
            self._accept(utc_s)
        nobody = Nobody.UNKNOWN
        found: bytes | None = None
        for table in self._accepted:
            ref = table.refs.get(identifier)
            if ref is not None and found is not None and ref != found:
                return Nobody.AMBIGUOUS
            if ref is not None:
                found = ref
            elif identifier in table.ambiguous:
                nobody = Nobody.AMBIGUOUS
        return found if found is not None and nobody is Nobody.UNKNOWN else nobody

    def _accept(self, utc_s: float) -> None:
        """Choose the tables for the second around `utc_s`: boundaries lie on whole seconds."""
        slots = tuple(slots_to_accept(utc_s))
        if any(slot not in self._tables for slot in slots):
            self.advance(utc_s)
        self._accepted = tuple(self._tables[slot] for slot in slots)
        self._accepted_from_s = float(int(utc_s))
        self._accepted_until_s = self._accepted_from_s + 1.0
