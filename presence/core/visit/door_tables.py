"""The tables of the door's score: how much each sign speaks for an entry, in points.

A table is a line of values over an even grid, straight in between and level beyond its ends. Every
one of them rises, so each can be read by itself: more lead, a longer lead, a nearer peak speak for
an entry, and nothing else does. They were fitted to simulated shops; how good they are,
docs/entry.md says.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple

HALF: Final = 0.499_999
"""Just less, so that what is midway but for how it was rounded always counts as the lower one."""


class Table:
    """Points over one quantity."""

    __slots__ = ("_low", "_most", "_size", "values")

    def __init__(self, low: float, step: int, values: Sequence[float]) -> None:
        between = (
            here + (there - here) * part / step
            for here, there in pairwise(values)
            for part in range(step)
        )
        self.values = (*between, values[-1])
        """One for each whole dB, dB·s or second, from the lowest on."""
        self._low = low - HALF
        self._size = len(self.values)
        self._most = values[-1]

    def no_less_than(self, share: float) -> "Table":
        """The same, but for at least this share of its most, whatever is asked."""
        least = share * self._most
        return Table(self._low + HALF, 1, [max(each, least) for each in self.values])

    def at(self, quantity: float) -> float:
        """The points; the nearest whole one is near enough."""
        above = quantity - self._low
        if above <= 0:
            return self.values[0]
        return self.values[int(above)] if above < self._size else self._most


class DeepTables(NamedTuple):
    """What the antenna deep inside adds."""

    level: Table
    lead: Table
    """Over the outer one."""
    rise: Table
    """How much louder it is than over half a minute: who lives next door is always as loud."""


class DoorTables(NamedTuple):
    """What a set-up of antennas needs. Peaks and levels are in dB above `near_dbm`, leads in dB
    over the `side_offset_db` of the door, sums in dB·s.
    """

    lead: Table
    """Of the inner antenna over the outer one, within a step."""
    lead_sum: Table
    """How long and how far it has led by more than SIDE_DB, since the phone was near."""
    fast_sum: Table
    """The same within a step and by more than FAST_SIDE_DB, while the phone is still about here."""
    long_lead: Table
    """Over seconds: for phones that pause, or are weak."""
    inner_peak: Table
    outer_peak: Table
    since_peak: Table
    """Seconds, below zero: a peak long ago speaks less."""
    turn: Table
    """By how much the lead has grown since the outer peak: whatever phone and body add to it."""
    outer_drop: Table
    """By how much the outer antenna hears less than at its peak."""
    level_sum: Table
    """How long and how far the phone has been louder within than ABOUT_DB below near."""
    rise: Table
    """How much louder it is there than over half a minute."""
    deep: DeepTables | None = None
    offset_db: float = 0.0
    """`side_offset_db` of a door that was not calibrated."""
    midway_db: float = 0.0
    """So far above `side_offset_db` lies the lead midway between looking in and being in, as walks
    show it in the shops that the tables were fitted to (scripts/entrybench/sides.py); but no more
    than
    """
    midway_per_db: float = 0.0
    """for each dB of the side, so that a thin one buys no speed."""
    peak_db: float = 0.0
    """So far above `near_dbm` lies the median peak of who comes in there."""
    threshold: float = 0.0
    """The least that a calibrated door asks for: at most 1 false enter in 1,000 outsiders of the
    bench's shop with the antennas that need most.
    """
    unwalked: float = 0.0
    """What a door asks for that nobody has walked (docs/entry.md)."""

    def of_answers(self) -> "DoorTables":
        """Those by which answers at the bell are judged. A phone that the bell has woken within has
        no approach to tell of: what has changed since then counts NO_APPROACH at least.
        """
        deep = self.deep
        return self._replace(
            turn=self.turn.no_less_than(NO_APPROACH),
            rise=self.rise.no_less_than(NO_APPROACH),
            deep=deep and deep._replace(rise=deep.rise.no_less_than(NO_APPROACH)),
        )


NO_APPROACH: Final = 0.6
"""Of the most that a sign of change gives. As many as 1 in 1,000 outsiders would enter by their
answers with a little more, and far fewer of who is first asked within with less
(scripts/entrybench/answers.py, docs/entry.md#answers-at-the-bell).
"""


# fmt: off
# scripts/entrybench/fitter.py
PAIR: Final = DoorTables(
    lead=Table(2, 2, (0, 0.78, 1.77, 3.12, 3.62, 3.82, 3.82, 3.89, 4.45, 4.5)),
    lead_sum=Table(8, 4, (
        0, 0.02, 1.32, 3.6, 3.6, 3.6, 3.6, 8.36, 10.27, 10.27, 10.27, 10.27, 10.27, 10.27, 10.27,
        10.27, 10.27, 10.27, 10.27, 10.27, 10.27, 10.27, 10.27, 10.27, 10.27, 13.38, 13.9,
    )),
    fast_sum=Table(0, 4, (0, 1.43, 2.46, 3.47, 4.82, 10.06, 12.7, 15.08, 15.12)),
    long_lead=Table(-9, 3, (0, 0.98, 2.44, 3.38, 3.4, 3.4, 4.38, 7.26)),
    inner_peak=Table(-12, 3, (0, 0.09, 1.37, 2.78, 4.93, 7.04, 7.15)),
    outer_peak=Table(-21, 3, (0, 0.09, 3.49, 7.4, 11.15, 15.66, 16.98, 17.01, 17.02)),
    since_peak=Table(-114, 3, (
        0, 0.44, 1.54, 1.54, 1.54, 2.37, 5.26, 5.82, 6.21, 6.44, 6.46, 6.46, 7.66, 8.43, 8.84, 9.22,
        9.38, 9.38, 10.02, 10.17, 10.2, 10.2, 10.2, 10.2, 10.46, 10.47, 10.47, 10.47, 10.47, 10.47,
        10.47, 10.47, 10.47, 10.47, 10.47, 10.84, 11.54, 14.93, 18.55, 20.4,
    )),
    turn=Table(-3, 3, (0, 0.73, 2.2, 4.78, 6.75, 7.71, 7.97, 10.4, 11.2, 11.2, 11.52, 11.58)),
    outer_drop=Table(0, 3, (0, 0.26, 0.56, 1.74, 2.28, 3.98, 5.54, 7.79, 9.58, 10.76, 11.42)),
    level_sum=Table(36, 6, (0, 0.34, 1.76)),
    rise=Table(-6, 3, (0, 0.82, 4.02, 6.9, 9.1, 12.72, 15.39, 17.38, 18.36, 19.16, 20.56, 20.8)),
    offset_db=0,
    midway_db=2.7,
    midway_per_db=0.2,
    peak_db=3.0,
    threshold=85,
    unwalked=85,
)

PAIR_AND_INSIDE: Final = DoorTables(
    lead=Table(2, 2, (0, 0.99, 1.36, 2.28, 2.93)),
    lead_sum=Table(0, 4, (
        0, 0.27, 0.27, 0.27, 0.3, 0.31, 0.34, 0.36, 0.36, 0.36, 1.72, 7.44, 7.44, 8.82, 12.29,
    )),
    fast_sum=Table(0, 4, (0, 2.02, 3.28, 4.97, 6.46, 8.02, 8.98, 9.55, 9.64, 9.73)),
    long_lead=Table(-9, 3, (0, 0.57, 2.49, 4.41, 7.3, 7.72)),
    inner_peak=Table(-12, 3, (0, 0.06, 0.79, 1.18, 4.96, 6.26, 7.35, 7.62)),
    outer_peak=Table(-21, 3, (0, 1.25, 10.42, 13.99, 18.3, 23.14, 24.62, 24.78)),
    since_peak=Table(-141, 3, (
        0, 0.18, 0.92, 0.92, 0.92, 0.92, 0.92, 0.92, 1.18, 2.53, 3.64, 3.98, 4, 4, 4.1, 4.31, 4.31,
        4.31, 4.31, 4.36, 4.56, 4.56, 4.56, 4.56, 4.56, 4.56, 4.56, 4.56, 7.75, 11.8, 15.24, 18.49,
        18.49, 18.49, 18.49, 18.49, 18.49, 18.49, 18.58, 18.99, 19.06, 19.28, 20.81, 21.43, 21.72,
        22.8, 24.99, 27.93, 28.74,
    )),
    turn=Table(-3, 3, (0, 0.92, 4.33, 5.48, 6.16, 6.97, 9.15, 9.96, 10.39)),
    outer_drop=Table(3, 3, (0, 0.51, 1.38, 2.41, 2.86, 3.28, 4.84, 5.28, 6.08)),
    level_sum=Table(0, 6, (0,)),
    rise=Table(-6, 3, (0, 0.72, 2.18, 5.04, 7.06, 7.32, 9.2, 11.51, 11.51, 11.98, 12.43, 12.46)),
    deep=DeepTables(
        level=Table(-12, 3, (0, 1.19, 2.59, 2.76, 2.96)),
        lead=Table(-2, 2, (
            0, 0.04, 0.04, 0.12, 1.23, 2.4, 3.32, 3.88, 4.34, 8.52, 10.73, 13.68, 19.05, 19.36,
        )),
        rise=Table(-9, 3, (0, 0.54, 1.85, 3.68, 5.6, 6.85, 8.32, 10.87, 11.58)),
    ),
    offset_db=0,
    midway_db=2.7,
    midway_per_db=0.2,
    peak_db=3.0,
    threshold=101,
    unwalked=104,
)

INSIDE_AND_DOOR: Final = DoorTables(
    lead=Table(12, 2, (0, 2.35, 2.77)),
    lead_sum=Table(24, 4, (
        0, 0.08, 0.4, 0.41, 0.41, 0.41, 0.76, 0.84, 0.84, 0.84, 0.84, 0.84, 0.84, 0.84, 3.55, 3.83,
        3.83, 3.83, 3.83, 3.83, 3.83, 3.83, 3.83, 3.83, 3.83, 3.83, 3.83, 3.83, 4.14, 4.36, 4.75,
        5.04,
    )),
    fast_sum=Table(0, 4, (0,)),
    long_lead=Table(3, 3, (0, 0.6, 3.47, 6.6, 7.28, 10.73, 12.21)),
    inner_peak=Table(-3, 3, (0, 6.88, 11.12)),
    outer_peak=Table(-21, 3, (0, 0.24, 2.84, 5.79, 8.56, 10.06, 10.2)),
    since_peak=Table(-120, 3, (
        0, 1.83, 3.5, 3.5, 4.16, 4.87, 4.87, 5.53, 5.68, 5.82, 6.1, 6.46, 8.63, 8.64, 8.89, 9.06,
        9.63, 9.63, 9.63, 9.63, 9.63, 9.63, 9.63, 9.63, 9.63, 9.63, 9.63, 9.63, 9.63, 9.63, 9.63,
        9.63, 9.63, 9.63, 9.63, 9.68, 9.81, 9.81, 9.81, 9.81, 13.59, 17.02,
    )),
    turn=Table(0, 3, (0,)),
    outer_drop=Table(-3, 3, (0, 0.23, 4.08, 5.45, 6.36, 9.11, 9.2)),
    level_sum=Table(0, 6, (0,)),
    rise=Table(-9, 3, (0, 0.32, 1.72, 3.4, 6.65, 7.75, 9.56, 9.56, 10.74, 12.3)),
    offset_db=-8,
    midway_db=7.9,
    midway_per_db=2,
    peak_db=0.5,
    threshold=50.5,
    unwalked=52,
)

# fmt: on
