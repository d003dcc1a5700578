"""What the bell's series is worth: the people of the bench answer at bells which hang where the
antennas of a set-up do, and the gateway's own score judges what they answer.

    python -m scripts.entrybench.answers        some 3 minutes

In a hard way: everybody outside has opted in, and answers once a second from a random moment of
the walk on, for as long as a bell is heard. Of who comes in a third is asked before the door; the
others are asked first somewhere within, where there is no approach to tell of
(`presence.core.visit.door_tables.DoorTables.of_answers`). A bell that was not measured says
nothing.
"""

from collections.abc import Mapping, Sequence
from math import inf
from multiprocessing import get_context
from statistics import median
from typing import Final, NamedTuple

import numpy as np

from presence.core.visit.antennas import hung
from presence.core.visit.door_score import DoorScore
from scripts.entrybench import antennas as a
from scripts.entrybench import bodies, ours, shop
from scripts.entrybench.antennas import SetUp
from scripts.entrybench.earlier import LATER_S
from scripts.entrybench.world import Episode, World, person

SEED: Final = 6_001
PEOPLE: Final = {
    "passer": 2000, "window": 750, "queue": 500, "doorway": 750, "flat": 1000,
    "customer": 750, "errand": 150,
}  # fmt: skip
"""The kinds in numbers of their own, weighted back to their shares."""
EVERY_S: Final = 0.95
"""A series holds one reading a second of each bell."""
ASKED_OUTSIDE: Final = 1 / 3
BEFORE_S: Final = 10.0
WITHIN_S: Final = 60.0


class Told(NamedTuple):
    """Of one person."""

    kind: str
    asked_within: bool
    after_s: float
    """From being asked, or from the line, to the entry; infinite without one."""


def entered_s(episode: Episode, set_up: SetUp, from_s: float) -> float:
    """When this person has entered by answers from there on, at bells of a calibrated door."""
    rule = ours.settings(score=ours.calibrated_threshold(set_up) or ours.NEVER)
    bells, score, asked_s = hung(set_up.places, (), rule, answers=True), DoorScore(), -inf
    if bells.sided is None:
        raise ValueError(f"{set_up.name}: bells in one place tell no sides")
    ears = [bells.ears[antenna.name] for antenna in set_up.antennas]
    for at_s, packet in zip(episode.at_s.tolist(), episode.rssi_dbm.tolist(), strict=True):
        if at_s < from_s or at_s < asked_s + EVERY_S:
            continue
        asked_s = at_s
        for number, reading in enumerate(packet):
            if reading != reading:  # noqa: PLR0124  # NaN: this bell was not measured
                continue
            heard_s = at_s + number * LATER_S
            if (
                score.hear(bells.sided, ears[number], reading, heard_s, answered=True)
                and score.points >= bells.sided.numbers.threshold
                and score.packets >= rule.min_sightings
                and at_s - score.began_s >= rule.min_duration_s
            ):
                return float(at_s)
    return inf


def told(order: tuple[str, World, int]) -> list[Told]:
    kind, world, seed = order
    found = []
    for child in np.random.default_rng(seed).spawn(PEOPLE[kind]):
        rng = np.random.default_rng(child)
        episode = person(kind, world, rng)
        line_s = episode.entered_at_s
        if line_s is None:
            from_s = rng.uniform(0, max(episode.at_s, default=0.0))
        elif rng.random() < ASKED_OUTSIDE:
            from_s = line_s - BEFORE_S
        else:
            from_s = line_s + rng.uniform(0, WITHIN_S)
        within = line_s is not None and from_s >= line_s
        since_s = max(from_s, line_s or 0.0)
        found.append(Told(kind, within, entered_s(episode, world.set_up, from_s) - since_s))
    return found


def false_per_1000(found: Mapping[str, Sequence[Told]]) -> float:
    return sum(
        1000 * share * sum(each.after_s < inf for each in found[kind]) / len(found[kind])
        for kind, share in shop.OUTSIDERS.items()
    )


def share_and_median(found: Sequence[Told]) -> str:
    after_s = [each.after_s for each in found]
    share = sum(each < inf for each in after_s) / len(after_s)
    return f"{100 * share:.0f} %, {median(after_s):.0f} s"


def main() -> None:
    radio = bodies.fit().radio
    print("| bells | false enters per 1,000 | asked before the door | first asked within |")
    print("|---|---:|---:|---:|")
    with get_context("fork").Pool() as pool:
        for set_up in (a.PAIR_10_GATEWAY, a.PAIR_10, a.AS_SHIPPED):
            world = World(radio, set_up)
            orders = [(kind, world, SEED + number) for number, kind in enumerate(PEOPLE)]
            found = dict(zip(PEOPLE, pool.map(told, orders, chunksize=1), strict=True))
            came_in = [each for kind in shop.INSIDERS for each in found[kind]]
            within = [each for each in came_in if each.asked_within]
            before = [each for each in came_in if not each.asked_within]
            print(
                f"| {set_up.name} | {false_per_1000(found):.1f} | {share_and_median(before)} "
                f"| {share_and_median(within)} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
