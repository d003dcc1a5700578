"""The tables of the door's score: how much each sign speaks for an entry, in points.

A table is a line of values over an even grid, straight in between and level beyond its ends. Every
one of them rises, so each can be read by itself: more lead, a longer lead, a nearer peak speak for
an entry, and nothing else does. They were fitted to simulated shops; how good they are,
docs/entry.md says.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple


class Table:
    """Points over one quantity."""

    __slots__ = ("_last", "_low", "values")

    def __init__(self, low: float, step: int, values: Sequence[float]) -> None:
        between = (
            here + (there - here) * part / step
            for here, there in pairwise(values)
            for part in range(step)
        )
        self.values = (*between, values[-1])
        """One for each whole dB, or dB·s, from the lowest on."""
        self._low = low - 0.5
        self._last = len(self.values) - 1

    def at(self, quantity: float) -> float:
        """The points; the nearest whole dB is near enough."""
        index = int(quantity - self._low) if quantity > self._low else 0
        return self.values[min(self._last, index)]


class DoorTables(NamedTuple):
    """What a set-up of antennas needs. Peaks are in dB above `near_dbm`, leads in dB over the
    `side_offset_db` of the door, sums in dB·s.
    """

    close_lead: Table
    """The lead, with half of what the weaker of the two peaks is above near."""
    fast_lead: Table
    """The lead within a step."""
    slow_lead: Table
    long_lead: Table
    """The lead over seconds: for phones that pause, or are weak."""
    long_level: Table
    """How loud the phone is within, over seconds."""
    lead_sum: Table
    """How long and how far it has led by more than SIDE_DB, since the phone was near."""
    here_sum: Table
    """The same of the fast lead by more than nothing, while the phone is still about here."""
    outer_peak: Table
    inner_peak: Table
    outer_drop: Table
    """By how much the outer antenna hears less than at its peak."""
    deep_sum: Table | None = None
    deep_lead: Table | None = None
    """The antenna deep inside over the stronger one at the door."""
    offset_db: float = 0.0
    """`side_offset_db` of a door that was not calibrated."""
    threshold: float = 0.0
    """The least that a calibrated door asks for: 0.8 false enters in 1,000 outsiders of the shop
    that the tables were fitted to.
    """
    unwalked: float = 0.0
    """What a door asks for that nobody has walked: fewer than 1 in 1,000 in the bench's shop, whose
    phones are carried in more ways (docs/entry.md).
    """


# fmt: off
PAIR: Final = DoorTables(
    close_lead=Table(-20, 4, (0, 2.06, 3.81, 4.55, 4.57, 4.95, 7.31, 9.17, 9.19, 9.21, 9.23)),
    lead_sum=Table(0, 6, (
        0, 3, 3.02, 3.04, 3.75, 4, 4.26, 4.44, 4.62, 4.63, 4.63, 4.64, 4.64, 4.66, 4.68,
        4.7, 4.72, 4.74, 4.76, 4.78, 4.8,
    )),
    here_sum=Table(0, 6, (
        0, 9.31, 12.46, 12.48, 12.5, 12.51, 12.52, 12.53, 12.54, 12.54, 12.55, 12.55, 12.56,
        12.56, 12.56, 12.57, 12.57, 12.57, 12.57, 12.58, 12.58,
    )),
    outer_peak=Table(-24, 6, (0, 4.1, 14.15, 15.3, 15.32, 15.34, 15.36)),
    inner_peak=Table(-24, 6, (0, 0.75, 0.77, 0.79, 0.81, 0.83, 1.38)),
    fast_lead=Table(-16, 4, (0, 0.38, 0.4, 0.57, 0.81, 1.89, 3.31, 3.72, 3.74)),
    slow_lead=Table(-15, 5, (0, 0.02, 1.79, 2.22, 2.24, 2.26, 7)),
    long_lead=Table(-12, 4, (0, 0.02, 0.04, 1.23, 1.25, 1.27, 1.29)),
    long_level=Table(-36, 6, (0, 0.57, 0.63, 0.65, 0.67, 0.69, 0.74)),
    outer_drop=Table(0, 5, (0, 0.02, 0.04, 0.06, 0.09, 0.11, 0.13, 0.15, 0.17)),
    offset_db=0,
    threshold=45.30,
    unwalked=51.2,
)

PAIR_AND_INSIDE: Final = DoorTables(
    close_lead=Table(-20, 4, (0, 0.85, 2.09, 3.87, 4.14, 4.24, 6.73, 9.49, 9.51, 9.82, 10.67)),
    lead_sum=Table(0, 6, (
        0, 2.3, 2.32, 2.34, 2.36, 2.37, 2.38, 2.39, 2.4, 2.41, 2.41, 2.42, 2.42, 2.42, 2.43,
        2.43, 2.43, 2.43, 2.44, 2.44, 2.44,
    )),
    here_sum=Table(0, 6, (
        0, 2.65, 6.54, 6.56, 6.58, 6.59, 6.6, 6.61, 6.62, 6.62, 6.63, 6.63, 6.64, 6.64,
        6.64, 6.65, 6.65, 6.65, 6.65, 6.66, 6.66,
    )),
    outer_peak=Table(-24, 6, (0, 2.77, 8.03, 9.35, 9.37, 9.39, 9.41)),
    inner_peak=Table(-24, 6, (0, 0.02, 0.04, 0.94, 4.34, 5.15, 5.24)),
    fast_lead=Table(-16, 4, (0, 0.02, 0.31, 0.33, 0.41, 0.43, 1.41, 3.1, 3.49)),
    slow_lead=Table(-15, 5, (0, 0.02, 0.22, 0.24, 1.84, 1.86, 1.89)),
    long_lead=Table(-12, 4, (0, 0.33, 0.57, 1.27, 1.29, 1.31, 1.49)),
    long_level=Table(-36, 6, (0, 0.38, 0.4, 0.42, 0.44, 0.46, 0.82)),
    outer_drop=Table(0, 5, (0, 0.02, 0.04, 0.06, 0.08, 0.1, 0.12, 0.14, 0.16)),
    deep_sum=Table(0, 6, (
        0, 0.02, 0.04, 0.06, 0.08, 0.09, 0.1, 0.11, 0.12, 0.12, 0.13, 0.14, 0.14, 0.14,
        0.15, 0.15, 0.15, 0.15, 0.16, 0.16, 0.16,
    )),
    deep_lead=Table(-30, 6, (0, 0.02, 0.04, 0.06, 0.08, 0.16, 1.51, 6.55)),
    offset_db=0,
    threshold=35.63,
    unwalked=40.3,
)

INSIDE_AND_DOOR: Final = DoorTables(
    close_lead=Table(-20, 4, (0, 1.17, 1.19, 1.21, 2.73, 3.22, 3.24, 5.25, 5.87, 5.9, 15.48)),
    lead_sum=Table(0, 6, (
        0, 1.29, 11.99, 12.01, 12.03, 12.04, 12.05, 12.06, 12.07, 12.08, 12.08, 12.09,
        12.09, 12.09, 12.1, 12.1, 12.1, 12.1, 12.11, 12.11, 12.11,
    )),
    here_sum=Table(0, 6, (
        0, 0.62, 1.05, 2.35, 2.37, 2.38, 2.39, 2.4, 2.41, 2.42, 2.42, 2.43, 2.43, 2.43,
        2.44, 2.44, 2.44, 2.44, 2.45, 2.45, 2.45,
    )),
    outer_peak=Table(-24, 6, (0, 0.9, 1.11, 7.58, 7.6, 7.62, 8.26)),
    inner_peak=Table(-24, 6, (0, 1.9, 2.96, 8.24, 10.93, 11.16, 17.76)),
    fast_lead=Table(-16, 4, (0, 0.02, 0.61, 0.97, 0.99, 1.81, 2.55, 2.58, 3.63)),
    slow_lead=Table(-15, 5, (0, 1.68, 1.7, 3.77, 5.63, 5.65, 7.14)),
    long_lead=Table(-12, 4, (0, 0.28, 1.41, 1.43, 1.45, 1.47, 6.59)),
    long_level=Table(-36, 6, (0, 0.63, 1.29, 1.31, 1.33, 1.35, 1.6)),
    outer_drop=Table(0, 5, (0, 0.09, 0.48, 0.57, 0.59, 0.61, 0.63, 0.8, 1.2)),
    offset_db=-8,
    threshold=61.89,
    unwalked=63.7,
)
# fmt: on
