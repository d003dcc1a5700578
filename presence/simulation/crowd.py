"""Strangers: who they are and where they go. None of them asked for anything, so nothing may be
known of them.
"""

from collections.abc import Iterator
from random import Random
from typing import Final

from presence.simulation.broadcasts import KINDS, StrangerBroadcast
from presence.simulation.phones import Phone
from presence.simulation.walks import STREET_END_M, WALKING_M_S, Spot, Walk, passing, visiting

INTERVALS_S: Final = (0.15, 0.27, 0.4, 0.7, 1.02)
PASS_S: Final = 2 * STREET_END_M / WALKING_M_S
SHARE_INSIDE: Final = 0.25
SHARE_AT_THE_WINDOW: Final = 0.1


def crowd(count: int, *, seed: int, seconds: float) -> Iterator[Phone]:
    """So many devices of all kinds in turn: most pass by, some stop at the window, some come in and
    buy.
    """
    chance = Random(f"{seed}/crowd")
    kinds = list(KINDS)
    for number in range(count):
        life_s = chance.choice((20.0, 600.0, 900.0))
        yield Phone(
            name=f"stranger {number}",
            walk=_walk(chance, seconds),
            broadcast=StrangerBroadcast(
                kinds[number % len(kinds)], life_s, chance.uniform(0, life_s)
            ),
            interval_s=chance.choice(INTERVALS_S),
            power_dbm=chance.uniform(-73, -60),
        )


def _walk(chance: Random, seconds: float) -> Walk:
    fate = chance.random()
    left, then_left = chance.random() < 0.5, chance.random() < 0.5
    if fate < SHARE_INSIDE:
        stops = [
            (Spot(chance.uniform(-5, 5), chance.uniform(0.6, 7)), chance.uniform(3, 15))
            for _ in range(3)
        ]
        return visiting(chance.uniform(-10, seconds), stops, from_left=left, then_left=then_left)
    if fate < SHARE_INSIDE + SHARE_AT_THE_WINDOW:
        stops = [(Spot(chance.uniform(2, 5), chance.uniform(-2, -1)), chance.uniform(3, 12))]
        return visiting(chance.uniform(0, seconds), stops, from_left=left, then_left=then_left)
    return passing(
        chance.uniform(-PASS_S, seconds - PASS_S / 2),
        y_m=chance.uniform(-3.8, -1.2),
        rightwards=left,
        pace_m_s=WALKING_M_S * chance.uniform(0.8, 1.2),
    )
