"""The door of the simulated shop: how strong a phone is that walks as `presence scan-test` asks.

The gateway hangs 3 m behind the window, lower than it should, so everybody is heard well: at the
shipped threshold those who stand outside are taken in, and only the walks show that this door needs
another one (tests/survey/test_door_in_the_machine.py).
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Final

FADING_DB: Final = 3.0
"""How much a phone in a pocket varies from one advertisement to the next (docs/entry.md)."""
INSIDE_DBM: Final = -50
OUTSIDE_DBM: Final = -70
"""Of customers who stand still: the second is an entry at the shipped threshold, and none at this
door's.
"""
LINE: Final = 130
"""Of what was said the end: what is asked for now, and not what was found before."""

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
    "told apart": _between((0, -45)),
    "at the window": _between((0, -74), (15, -74)),
    "past the shop": _between((0, -85), (5, -71), (10, -85)),
    "do not cross": _between((0, -86), (8, -74), (11, -69), (15, -72)),
    "far corner": _between(
        (0, -86), (8, -75), (10, -64), (13, -50), (18, -46), (24, -54), (30, -48)
    ),
    "Go out": _between((0, -50), (4, -67), (10, -85)),
    "and stay": _between((0, -86), (8, -75), (10, -64), (13, -50), (18, -46)),
}
"""What the tool asks for, in its own words."""


def strength_asked(said: str) -> Strength:
    """Of the walk that the end of what was said asks for; raises ValueError for none, or two."""
    line = " ".join(said.split())[-LINE:]
    (strength,) = (walk for words, walk in WALKS.items() if words in line)
    return strength
