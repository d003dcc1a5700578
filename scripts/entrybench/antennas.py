"""Which antennas hang where in the simulated shop, and which way they look.

The pattern of an antenna with a front and a back: half its front-to-back above the mean in front,
half below behind, and the cosine between, as a small patch before a metal plate has it to a first
order (assumed; the front-to-back meant is what is left in the shop, echoes included, which is less
than a data sheet's). An antenna in the open is the same to all sides.
"""

from dataclasses import dataclass
from itertools import combinations
from math import hypot, pi
from typing import Final, NamedTuple

import numpy as np

from presence.core.place import Place
from scripts.entrybench.radio import Floats

INWARD: Final = pi / 2
STREETWARD: Final = -pi / 2
"""Directions in the plan: x along the front, y inward from the line."""
TOGETHER_M: Final = 1.0
"""Antennas nearer than this share most of their shadowing; at 1 m and more none, as the recorded
walks show (`walks.shadowing_correlation`).
"""
SHARED: Final = 0.7
"""Share of the variance of the shadowing that is common to a back-to-back pair: assumed. No
recording has two antennas 0.5 m apart; all of it common would make the pair better.
"""


@dataclass(frozen=True, slots=True)
class Antenna:
    name: str
    place: Place
    x_m: float
    y_m: float
    facing_rad: float | None = None
    """Where its front looks; None: the same to all sides."""
    front_to_back_db: float = 0.0

    def gain_db(self, x_m: Floats, y_m: Floats, height_m: float) -> Floats:
        """Towards someone at (x, y), `height_m` below: from −half to +half of the
        front-to-back.
        """
        if self.facing_rad is None:
            return np.zeros(len(x_m))
        dx, dy = x_m - self.x_m, y_m - self.y_m
        ahead = dx * np.cos(self.facing_rad) + dy * np.sin(self.facing_rad)
        cosine = ahead / np.sqrt(dx**2 + dy**2 + height_m**2)
        return np.asarray(self.front_to_back_db / 2 * cosine)


class SetUp(NamedTuple):
    """What a shop hangs up, by the name that tables and pictures give it."""

    name: str
    antennas: tuple[Antenna, ...]

    @property
    def places(self) -> dict[str, Place]:
        """Antenna name to its place, as `Rules.places` wants it."""
        return {antenna.name: antenna.place for antenna in self.antennas}

    def together(self) -> list[tuple[int, int]]:
        """Pairs of antennas that share most of their shadowing."""
        return [
            (i, j)
            for (i, one), (j, other) in combinations(enumerate(self.antennas), 2)
            if hypot(one.x_m - other.x_m, one.y_m - other.y_m) < TOGETHER_M
        ]


GATEWAY: Final = Antenna("gateway", Place.INSIDE, 1.0, 8.0)
"""docs/technician.md: by the till, deep in the shop, where a customer comes near and a passer-by
cannot.
"""
MIDDLE: Final = Antenna("middle", Place.INSIDE, -1.0, 4.0)
AT_DOOR: Final = Antenna("door", Place.DOOR, 0.9, 0.2)
"""Beside the door, on the inner side of the front."""
OUT_FRONT: Final = Antenna("outside", Place.OUTSIDE, 0.9, -0.3)
"""The same spot on the outer side, turned nowhere."""


def back_to_back(front_to_back_db: float) -> tuple[Antenna, Antenna]:
    """The recommended pair at the door: one looks in, one at the street."""
    return (
        Antenna("door", Place.DOOR, 0.9, 0.2, INWARD, front_to_back_db),
        Antenna("outside", Place.OUTSIDE, 0.9, -0.3, STREETWARD, front_to_back_db),
    )


ONE: Final = SetUp("gateway", (GATEWAY,))
AS_SHIPPED: Final = SetUp("gateway + door", (GATEWAY, AT_DOOR))
THREE_OMNI: Final = SetUp("gateway + door + outside, omni", (GATEWAY, AT_DOOR, OUT_FRONT))
FOUR_OMNI: Final = SetUp("four, omni", (GATEWAY, MIDDLE, AT_DOOR, OUT_FRONT))
PAIR_6: Final = SetUp("pair 6 dB", back_to_back(6))
PAIR_10: Final = SetUp("pair 10 dB", back_to_back(10))
PAIR_6_GATEWAY: Final = SetUp("pair 6 dB + gateway", (GATEWAY, *back_to_back(6)))
PAIR_10_GATEWAY: Final = SetUp("pair 10 dB + gateway", (GATEWAY, *back_to_back(10)))
FOUR_PAIR_10: Final = SetUp("four with the pair 10 dB", (GATEWAY, MIDDLE, *back_to_back(10)))

SET_UPS: Final = {
    set_up.name: set_up
    for set_up in (
        ONE,
        AS_SHIPPED,
        THREE_OMNI,
        FOUR_OMNI,
        PAIR_6,
        PAIR_10,
        PAIR_6_GATEWAY,
        PAIR_10_GATEWAY,
        FOUR_PAIR_10,
    )
}
