"""Walks with a test phone: what was done, and what each antenna heard of the phone meanwhile."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

from presence.core.place import Place


class Walked(StrEnum):
    """What was done during a recording, as far as a rule can be right or wrong about it."""

    PAST = "past"
    WINDOW = "window"
    LOOKIN = "lookin"
    """Looks in at the open door, from just outside: the hardest of those who do not come in."""
    IN = "in"


STAYED_OUT: Final = (Walked.PAST, Walked.WINDOW, Walked.LOOKIN)


class WalkReading(NamedTuple):
    at_s: float
    rssi_dbm: int
    place: Place = Place.INSIDE
    """Where the antenna hangs that heard it."""
    antenna: str = ""


@dataclass(frozen=True, slots=True)
class Trial:
    """One walk of one phone: what was heard of it, oldest first, and when the walk began."""

    kind: Walked
    began_s: float
    readings: tuple[WalkReading, ...]
    phone: int = 1
    """Which of the test phones that were carried, from 1."""
    places: Mapping[str, Place] = field(default_factory=dict)
    """Of all antennas that could have heard it: one that heard nothing tells something, too."""
