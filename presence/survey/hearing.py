"""Advertisements become a number of strangers and the readings of the test phone, in the moment
they are heard.

Rules, because a tool for technicians is where such promises are usually broken:

1. Only consents with the flag `test` are looked for. Customers are strangers here, counted with all
   the others.
2. Of a stranger one number grows by one. Nothing of an advertisement outlives the call that brought
   it.
3. Whether repeats arrive is judged by the test phone alone. To see that two advertisements of a
   stranger are the same, something of the first would have to be kept until the second; a salted
   hash kept for seconds is still an identifier kept for seconds (WP 216, §4: pseudonymous, not
   anonymous). The test phone answers the question better anyway, because its owner knows how often
   it sends.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Final

from presence.core.consent.list_json import ConsentList, Entry, ListHeader
from presence.core.consent.model import Flag
from presence.core.engine import IndexedList
from presence.core.place import Place
from presence.core.recognition.advertisement import Advertisement
from presence.core.recognition.beacons import rpa
from presence.core.recognition.beacons.rpa import Resolver
from presence.core.recognition.identifiers import WindowKey, window_at
from presence.core.recognition.key_ring import KeyRing
from presence.core.recognition.loudness import loudness_db
from presence.core.recognition.matcher import Match, Matcher
from presence.core.rules import Rules
from presence.core.timestamps import Moment
from presence.core.visit.walks import WalkReading

REPEAT_S: Final = 2.0
"""Phones send one to ten times a second; what comes within this of the last is a repeat."""
READY_S: Final = 60.0


def only_test_phones(consents: ConsentList) -> ConsentList:
    """The list without its customers."""
    kept = {
        ref: entry for ref, entry in consents.entries.items() if Flag.TEST in entry.consent.flags
    }
    return replace(consents, entries=kept)


def test_phones_of(header: ListHeader, indexed: IndexedList) -> ConsentList:
    """The test phones of a prepared list, with their keys. All of its keys are erased: nobody
    else's is needed.
    """
    entries = {}
    for consent in indexed.consents.values():
        if Flag.TEST in consent.flags:
            held = (
                (window, indexed.keys.key(consent.ref, window)) for window in indexed.keys.windows
            )
            entries[consent.ref] = Entry(
                consent, tuple(WindowKey(consent.ref, w, key) for w, key in held if key)
            )
    indexed.keys.erase()
    return ConsentList(header, entries)


def without_keys(consents: ConsentList, utc_s: float) -> int:
    """How many entries cannot be recognised now, because the list has no key for this window."""
    window = window_at(utc_s)
    return sum(
        all(key.window != window for key in entry.keys) for entry in consents.entries.values()
    )


@dataclass(slots=True)
class Heard:
    """What came during one act."""

    began_s: float
    strangers: int = 0
    phones: dict[bytes, list[WalkReading]] = field(default_factory=dict, repr=False)
    """By ref: of test phones only."""
    unknown_strength: int = 0
    formats: set[str] = field(default_factory=set)
    adapters: set[str] = field(default_factory=set)
    longest_gap_s: float = 0.0
    """Between any two advertisements, of whomever."""
    last_s: float | None = None
    on_air: int | None = None
    """All that the controller reported, where that could be counted."""

    @property
    def number(self) -> int:
        return self.strangers + self.unknown_strength + sum(map(len, self.phones.values()))

    @property
    def readings(self) -> tuple[WalkReading, ...]:
        """Of the test phone that was heard most often."""
        most: list[WalkReading] = []
        for readings in self.phones.values():
            most = readings if len(readings) > len(most) else most
        return tuple(most)

    @property
    def repeats(self) -> int:
        return repeats_of(at_best_antenna(self.readings))


def at_best_antenna(readings: Sequence[WalkReading]) -> list[WalkReading]:
    """Of the antenna that heard most: a packet that three antennas heard is one packet."""
    by_antenna: dict[str, list[WalkReading]] = {}
    for reading in readings:
        by_antenna.setdefault(reading.antenna, []).append(reading)
    return max(by_antenna.values(), key=len, default=[])


def repeats_of(readings: Sequence[WalkReading]) -> int:
    """Of one antenna."""
    return sum(b.at_s - a.at_s <= REPEAT_S for a, b in pairwise(readings))


def longest_gap_s(readings: Sequence[WalkReading]) -> float:
    """Of one antenna."""
    return max((b.at_s - a.at_s for a, b in pairwise(readings)), default=0.0)


class TestPhones:
    """Tells test phones from everybody else."""

    __test__ = False  # not for pytest

    def __init__(self, consents: ConsentList, rules: Rules, now: Moment) -> None:
        self.consents = only_test_phones(consents)
        self._formats = rules.formats
        self.places = rules.places
        self._reference_tx_dbm = rules.reference_tx_dbm
        irks = {ref: irk for ref, irk in rules.irks.items() if ref in self.consents.entries}
        self._matcher = Matcher[object](rules.formats, Resolver(irks))
        self._matcher.change_keys(
            KeyRing.from_keys(k for e in self.consents.entries.values() for k in e.keys)
        )
        self._ready_until_s = 0.0
        self.advance(now.utc_s)

    def __len__(self) -> int:
        return len(self.consents.entries)

    def advance(self, utc_s: float) -> None:
        """Make the identifiers ready that are on air around now."""
        self._matcher.complete(utc_s)
        self._ready_until_s = utc_s + READY_S

    def hear(self, advertisement: Advertisement, heard: Heard) -> None:
        """Count a stranger, or note a reading of a test phone."""
        at_s, utc_s = advertisement.at
        if not self._ready_until_s - READY_S <= utc_s < self._ready_until_s:
            self.advance(utc_s)
        if heard.last_s is not None:
            heard.longest_gap_s = max(heard.longest_gap_s, at_s - heard.last_s)
        heard.last_s = at_s
        heard.adapters.add(advertisement.antenna or "default")
        match = self._matcher.match(advertisement)
        if not isinstance(match, Match):
            heard.strangers += 1
            return
        heard.formats.add(self._format_of(advertisement))
        if advertisement.rssi_dbm is None:
            heard.unknown_strength += 1
        else:
            place = self.places.get(advertisement.antenna, Place.INSIDE)
            rssi_dbm = advertisement.rssi_dbm - self._loudness_db(match.ref, advertisement)
            reading = WalkReading(at_s, rssi_dbm, place, advertisement.antenna)
            heard.phones.setdefault(match.ref, []).append(reading)

    def _loudness_db(self, ref: bytes, advertisement: Advertisement) -> int:
        """As the gateway takes it off: what is found here holds for its reference phone."""
        listed_db = self.consents.entries[ref].consent.loudness_db
        said_dbm = self._matcher.power_dbm(advertisement)
        return loudness_db(listed_db, said_dbm, self._reference_tx_dbm)

    def _format_of(self, advertisement: Advertisement) -> str:
        """In which of our formats a test phone sends: the one that identifies it, and otherwise its
        address does.
        """
        matching = (each for each in self._formats if each.identify(advertisement) is not None)
        return next((each.name for each in matching), rpa.NAME)
