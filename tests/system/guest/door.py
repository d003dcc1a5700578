"""The door of the simulated shop: how strong a phone is that walks as `presence scan-test` asks.

The gateway hangs 3 m behind the window, lower than it should, and phones are loud, so everybody is
heard well: at the shipped threshold those who stand outside are taken in, and only the walks show
that this door needs another one (tests/survey/test_door_in_the_machine.py).
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Final

FADING_DB: Final = 3.0
"""How much a phone in a pocket varies from one advertisement to the next (docs/entry.md)."""
INSIDE_DBM: Final = -42
OUTSIDE_DBM: Final = -62
"""Of customers who stand still: the second is an entry at the shipped threshold, and none at this
door's.
"""
Strength = Callable[[float], float]
"""Takes the seconds since the act began; in dBm."""


def _between(*points: tuple[float, float]) -> Strength:
    """Straight lines between (second, dBm)."""

    def strength(passed_s: float) -> float:
        for (from_s, from_dbm), (to_s, to_dbm) in pairwise(points):
            if passed_s <= to_s:
                share = (passed_s - from_s) / (to_s - from_s)
                return from_dbm + (to_dbm - from_dbm) * max(0.0, share)
        return points[-1][1]

    return strength


WALKS: Final = {
    "told apart": _between((0, -37)),
    "at the window": _between((0, -66), (15, -66)),
    "past the shop": _between((0, -77), (5, -63), (10, -77), (15, -63), (20, -77)),
    "do not cross": _between((0, -78), (8, -66), (11, -61), (15, -64)),
    "far corner": _between(
        *((0, -78), (8, -67), (10, -56), (13, -42), (18, -38), (24, -46), (30, -40)),
        *((34, -59), (40, -77)),
    ),
    "and stay": _between((0, -78), (8, -67), (10, -56), (13, -42), (18, -38)),
}
"""What the tool asks for, in its own words; each until the last bell of it."""


def strength_asked(said: str) -> Strength:
    """Of the walk that was asked for last; raises ValueError where none was."""
    text = " ".join(said.split())
    place, words = max((text.rfind(words), words) for words in WALKS)
    if place < 0:
        raise ValueError(f"no walk that this technician knows: {text[-200:]}")
    return WALKS[words]
