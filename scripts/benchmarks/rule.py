"""Cost of the entry rule alone for one reading of somebody who approaches, by how antennas hang.

A hundred phones outside, four packets a second each, heard by every antenna as one hears who stands
at the window: nobody enters, so each reading is judged. Time is the processor's, of this thread.
"""

import itertools
from collections.abc import Callable, Iterator
from random import Random
from typing import Final

from presence.config.settings import EntrySettings
from presence.core.place import Place
from presence.core.visit.visits import Sighting, Visits
from scripts.benchmarks import subjects
from scripts.benchmarks.figure import ROUNDS, SLICE, Figure, interleaved_ns

GOAL_NS: Final = 1_000
"""docs/design.md#performance."""
PHONES: Final = 100
PACKETS_A_SECOND: Final = 4
SPREAD_DB: Final = 4
HUNG: Final = {
    "one_place": {"gateway": (Place.INSIDE, -88)},
    "gateway_and_door": {"gateway": (Place.INSIDE, -92), "door": (Place.DOOR, -84)},
    "pair": {"inner": (Place.DOOR, -88), "outer": (Place.OUTSIDE, -78)},
    "pair_and_gateway": {
        "inner": (Place.DOOR, -88),
        "outer": (Place.OUTSIDE, -78),
        "gateway": (Place.INSIDE, -92),
    },
}
"""Antenna to its place and what it hears of somebody at the window, in dBm."""


def figures() -> Iterator[Figure]:
    cases = {name: _judging(antennas) for name, antennas in HUNG.items()}
    for name, value in interleaved_ns(cases).items():
        yield Figure(f"rule.{name}", round(value), "ns/reading", GOAL_NS, note="of who approaches")


def _judging(antennas: dict[str, tuple[Place, int]]) -> Callable[[], int]:
    visits = Visits(EntrySettings(), places={name: place for name, (place, _) in antennas.items()})
    made = _heard(antennas)
    slices = iter([list(itertools.islice(made, SLICE)) for _ in range(ROUNDS)])

    def run() -> int:
        for sighting in next(slices):
            if visits.observe(sighting):
                raise SystemExit("the benchmark is wrong: somebody at the window came in")
        return SLICE

    return run


def _heard(antennas: dict[str, tuple[Place, int]]) -> Iterator[Sighting]:
    chance = Random(17)
    for packet in itertools.count():
        at = subjects.NOW.later(packet / (PHONES * PACKETS_A_SECOND))
        ref = (packet % PHONES).to_bytes(8, "big")
        for name, (_, rssi_dbm) in antennas.items():
            yield Sighting(at, ref, round(chance.gauss(rssi_dbm, SPREAD_DB)), name)
