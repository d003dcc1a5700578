"""How many customers one doorbell can take, on paper: rings at random, phones that collide, links
that take their time.

A simulation of the air alone, and a hard one: phones that answer the same advertisement all fail (a
real radio often lets the louder one through), each at once (a phone in a pocket does not hear every
advertisement, so fewer meet), and whoever finds all links taken has failed too. A phone tries again
as scripts/app_emulator/doorbell.py does. docs/doorbell.md has what a virtual machine measured
beside it.
"""

import heapq
import random
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple

from scripts.app_emulator.doorbell import ATTEMPTS, pause_of
from scripts.benchmarks.figure import Figure

RINGS = 80.0
"""A minute: 40 customers who answer twice."""
HOURS = 20.0
INTERVAL_S = 0.15
LINK_S = 0.5
"""Some ten exchanges, one every 30 to 50 ms."""
TOGETHER_S = 2.0
"""A group comes through the door within so many seconds."""


@dataclass(frozen=True)
class Door:
    rings: float = RINGS
    group: int = 1
    """So many come together."""
    interval_s: float = INTERVAL_S
    link_s: float = LINK_S
    links: int = 3
    attempts: int = ATTEMPTS


class Outcome(NamedTuple):
    lost: float
    """Share of rings that were never answered."""
    again: float
    """Share that needed more than one attempt."""
    median_s: float
    p99_s: float


def rung(door: Door, *, hours: float = HOURS, seed: int = 1) -> Outcome:
    """Each ring from the moment when a phone wants to answer to the end of its link."""
    chance = random.Random(seed)
    waiting = list(_comers(door, hours * 3600, chance))
    rings = len(waiting)
    heapq.heapify(waiting)
    links: list[float] = []
    took_s: list[float] = []
    lost = again = 0
    while waiting:
        number = int(waiting[0][0] // door.interval_s) + 1
        now_s = number * door.interval_s
        answering = []
        while waiting and waiting[0][0] < now_s:
            answering.append(heapq.heappop(waiting))
        while links and links[0] <= now_s:
            heapq.heappop(links)
        if len(answering) == 1 and len(links) < door.links:
            heapq.heappush(links, now_s + door.link_s)
            took_s.append(now_s + door.link_s - answering[0][1])
            continue
        for _, came_s, attempt in answering:
            again += attempt == 1
            if attempt == door.attempts:
                lost += 1
            else:
                heapq.heappush(
                    waiting, (now_s + pause_of(attempt, chance.uniform), came_s, attempt + 1)
                )
    took_s.sort()
    return Outcome(lost / rings, again / rings, median(took_s), took_s[int(0.99 * len(took_s))])


def _comers(
    door: Door, until_s: float, chance: random.Random
) -> Iterator[tuple[float, float, int]]:
    """When each first answers, twice, and the number of the attempt."""
    now_s = 0.0
    while (now_s := now_s + chance.expovariate(door.rings / 60 / door.group)) < until_s:
        for _ in range(door.group):
            came_s = now_s + (chance.uniform(0, TOGETHER_S) if door.group > 1 else 0)
            yield came_s, came_s, 1


def figures() -> Iterator[Figure]:
    doors = {
        "40_customers": Door(),
        "groups_of_3": Door(group=3),
        "groups_of_10": Door(group=10),
        "links_of_1s": Door(link_s=1.0),
        "one_link": Door(links=1),
        "interval_100ms": Door(interval_s=0.1),
        "80_customers": Door(rings=2 * RINGS),
        "three_attempts": Door(attempts=3),
    }
    for name, door in doors.items():
        lost, again, median_s, p99_s = rung(door)
        note = (
            f"answered after {median_s:.2f} s, p99 {p99_s:.1f} s; {again:.0%} needed a second "
            "attempt"
        )
        yield Figure(f"bell.{name}.lost", round(100 * lost, 2), "% of rings", note=note)
