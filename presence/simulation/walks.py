"""Where a person is: waypoints with times, straight lines at an even pace between them.

The plan, in metres (the gateway hangs above the counter, 1.5 m behind the door):

         y  │            inside: y ≥ 0
         ▲  │       G (0, 1.5)
    ─────┼──┴──────── door (0, 0) ────────  the front, y = 0
         │     pavement before the window: −4 ≤ y < 0, |x| ≤ 6
         └──► x        street
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from math import hypot
from typing import Final, NamedTuple

WALKING_M_S: Final = 1.3
"""Pedestrians on a pavement: 1.2–1.4 m/s."""
WINDOW_M: Final = 6.0
"""Half the width of the shop window."""
STREET_END_M: Final = 24.0
"""Beyond this a phone in a pocket is not heard any more."""


class Spot(NamedTuple):
    x_m: float
    y_m: float


class Position(StrEnum):
    AWAY = "away"
    STREET = "street"
    WINDOW = "window"
    INSIDE = "inside"


def place_of(spot: Spot | None) -> Position:
    if spot is None:
        return Position.AWAY
    if spot.y_m >= 0:
        return Position.INSIDE
    return Position.WINDOW if spot.y_m >= -4 and abs(spot.x_m) <= WINDOW_M else Position.STREET


@dataclass(frozen=True, slots=True)
class Walk:
    """Seconds and spots, ascending. Before the first and after the last the person is away."""

    steps: tuple[tuple[float, Spot], ...]

    @property
    def begins_s(self) -> float:
        return self.steps[0][0]

    @property
    def ends_s(self) -> float:
        return self.steps[-1][0]

    def at(self, t_s: float) -> Spot | None:
        if not self.begins_s <= t_s < self.ends_s:
            return None
        after = bisect_right(self.steps, t_s, key=lambda step: step[0])
        (t0_s, start), (t1_s, end) = self.steps[after - 1], self.steps[after]
        share = (t_s - t0_s) / (t1_s - t0_s)
        return Spot(
            start.x_m + share * (end.x_m - start.x_m), start.y_m + share * (end.y_m - start.y_m)
        )


def passing(
    begins_s: float, *, y_m: float, rightwards: bool = True, pace_m_s: float = WALKING_M_S
) -> Walk:
    """Along the street, past the window, without a stop."""
    side = -1 if rightwards else 1
    length_s = 2 * STREET_END_M / pace_m_s
    return Walk(
        (
            (begins_s, Spot(side * STREET_END_M, y_m)),
            (begins_s + length_s, Spot(-side * STREET_END_M, y_m)),
        )
    )


def visiting(
    door_s: float, stops: Iterable[tuple[Spot, float]], *, from_left: bool = True, then_left: bool
) -> Walk:
    """Through the door at `door_s`, to each spot and a stay of some seconds there, and out again.

    A spot in the street makes it a stop at the window; whoever stops nowhere behind the door never
    goes through it.
    """
    chosen = list(stops)
    goes_in = any(spot.y_m >= 0 for spot, _ in chosen)
    door = [Spot(0.0, -0.3)] if goes_in else []
    before = [Spot(-STREET_END_M if from_left else STREET_END_M, -2.5), *door]
    after = [*door, Spot(-STREET_END_M if then_left else STREET_END_M, -2.5)]
    stays = [(spot, 0.0) for spot in before] + chosen + [(spot, 0.0) for spot in after]
    steps: list[tuple[float, Spot]] = [(0.0, before[0])]
    for (spot, _), (following, stay_s) in pairwise(stays):
        arrives_s = steps[-1][0] + max(
            0.1, hypot(following.x_m - spot.x_m, following.y_m - spot.y_m) / WALKING_M_S
        )
        steps.append((arrives_s, following))
        if stay_s:
            steps.append((arrives_s + stay_s, following))
    shift_s = door_s - steps[1][0]
    return Walk(tuple((t_s + shift_s, spot) for t_s, spot in steps))
