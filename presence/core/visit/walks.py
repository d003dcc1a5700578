"""Walks with a test phone: what was done, and what was heard of the phone meanwhile."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class Walked(StrEnum):
    """What was done during a recording."""

    PAST = "past"
    WINDOW = "window"
    IN = "in"


class WalkReading(NamedTuple):
    at_s: float
    rssi_dbm: int
    at_door: bool = False
    """Heard by an adapter at the door, not inside."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One walk: what was heard of the test phone, oldest first, and when it began."""

    kind: Walked
    began_s: float
    readings: tuple[WalkReading, ...]
