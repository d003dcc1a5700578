"""What the engine is given once, and again when the configuration changes."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from presence.core.consent.model import Audience
from presence.core.place import Place
from presence.core.recognition.beacons import FORMATS, Format
from presence.core.site import Site
from presence.core.visit.entry_figures import FiguresRule
from presence.core.visit.evidence import EntryRule
from presence.core.visit.opening_hours import OpeningHours


@dataclass(frozen=True, slots=True)
class Bell:
    """An adapter that rings. What a phone heard of it is what its antenna would have heard of the
    phone: the path is the same both ways.
    """

    antenna: str = ""
    """Its name."""
    offset_db: int = 0
    """Added, where the two do not send and hear alike."""
    place: Place = Place.INSIDE
    """Where it hangs. It rings, and hears no broadcast."""


@dataclass(frozen=True, kw_only=True)
class Rules:
    site: Site
    audiences: tuple[Audience, ...]
    notice: str
    """The version of the sign at the door."""
    store_key: bytes = field(repr=False)
    """Secret of the store, the same on each of its gateways: event ids are made with it."""
    entry: EntryRule
    places: Mapping[str, Place] = field(default_factory=dict)
    """Name of each antenna that listens → where it hangs; one that is not named is inside."""
    hours: OpeningHours = field(default_factory=OpeningHours)
    figures: FiguresRule = field(default_factory=FiguresRule)
    expiry_s: float = 120
    """How long an event waits in the outbox, and then at the broker, at most (R-18)."""
    valid_for_s: float = 1800
    """How long after the entry an audience may act, at most."""
    outbox_length: int = 256
    pad_to_bytes: int = 0
    """The one size of all events; 0: each as long as it is."""
    formats: tuple[Format, ...] = FORMATS
    reference_tx_dbm: int | None = -18
    """What the chain's reference phone says of its power, as received at 0 m; None: what phones say
    counts for nothing.
    """
    bells: Mapping[int, Bell] = field(default_factory=lambda: {0: Bell()})
    """Those of this gateway, by the number that their beacons say. What a phone heard of others of
    the store counts for nothing: nobody knows here where they hang.
    """
    irks: Mapping[bytes, bytes] = field(default_factory=dict, repr=False)
    """R1: ref → IRK of phones of staff and technicians; at most 1,000."""

    def audience(self, name: str) -> Audience | None:
        return next((audience for audience in self.audiences if audience.name == name), None)
