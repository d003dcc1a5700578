"""What the side that a technician measures at a door is worth: the same doors walked as `scan-test`
has them walked, and judged as the contest judges.

    python -m scripts.entrybench.sides        some 10 minutes

A plate's front-to-back is not the side: glass beside the door adds to it, for it stands between the
pair and who looks in from beside, and a person near the door is beside both antennas. So
`presence.survey.sides` says what a *measured* side is good for, and takes it from here.
"""

from typing import Final

import numpy as np

from presence.core.visit.door_tables import PAIR
from presence.core.visit.fitting import of_walks
from presence.core.visit.side import Side, measure_side, pairing
from presence.core.visit.walks import Trial, Walked, WalkReading
from scripts.entrybench import bodies, ours, shop
from scripts.entrybench.antennas import SetUp, back_to_back
from scripts.entrybench.contest import OURS
from scripts.entrybench.crowd import crowds
from scripts.entrybench.radio import Radio
from scripts.entrybench.trial import judge, tally
from scripts.entrybench.world import Episode, World, people

DOORS: Final = ((6.0, 0.0), (3.0, 3.0), (10.0, 0.0), (6.0, 3.0), (10.0, 3.0))
"""Front-to-back of each antenna of the pair, and loss of the glass, in dB."""
OUTSIDERS: Final = 3000
ENTRIES: Final = 300
BEFORE_S: Final = 9.5
IN_S: Final = 30.0
LOOKIN_S: Final = 6.0
"""As long as the walks of scan-test, as far as somebody who looks in stays."""


def door(radio: Radio, front_to_back_db: float, glass_db: float) -> World:
    return World(radio, SetUp("the pair", back_to_back(front_to_back_db)), glass_db=glass_db)


def side_of(world: World, walks: int = 60, seed: int = 5) -> Side:
    """The side that so many walks in, and as many looks in at the door, would show."""
    places = world.set_up.places
    found = [
        _trial(episode, kind, world)
        for kind, share in ((Walked.IN, "customer"), (Walked.LOOKIN, "doorway"))
        for episode in people({share: 1.0}, walks, world, seed)
    ]
    pair = pairing(places.values())
    side = measure_side(found, pair) if pair is not None else None
    if side is None:
        raise ValueError(f"{world.set_up.name}: nobody was heard")
    return side


def _trial(episode: Episode, kind: Walked, world: World) -> Trial:
    from_s, seconds = 0.0, IN_S
    if episode.entered_at_s is not None:
        from_s = episode.entered_at_s - BEFORE_S
    elif len(episode.at_s):  # around the strongest moment: in the doorway
        loudest = np.nan_to_num(episode.rssi_dbm, nan=-100.0).max(axis=1)
        middle = episode.at_s[int(np.argmax(np.convolve(loudest, np.ones(5), "same")))]
        from_s, seconds = float(middle) - LOOKIN_S / 2, LOOKIN_S
    readings = [
        WalkReading(float(at_s), int(dbm), antenna.place, antenna.name)
        for at_s, row in zip(episode.at_s, episode.rssi_dbm, strict=True)
        if from_s <= at_s <= from_s + seconds
        for antenna, dbm in zip(world.set_up.antennas, row, strict=True)
        if not np.isnan(dbm)
    ]
    return Trial(kind, from_s, tuple(readings))


def found_at(world: World, side: Side) -> tuple[float, float, float]:
    """False enters per 1,000, share found and their median delay, once the door is set as
    `scan-test` sets it.
    """
    offset_db, near_dbm, _ = of_walks(side, PAIR, 0)
    rule = ours.ours(
        ours.settings(side_offset_db=offset_db, near_dbm=near_dbm, score=ours.NEVER), world
    )
    passing = people(shop.OUTSIDERS, OUTSIDERS, world, 11)
    everybody = [*crowds(passing), *crowds(people(shop.INSIDERS, ENTRIES, world, 12))]
    outcomes, threshold = judge(everybody, {OURS: rule}), ours.calibrated_threshold(world.set_up)
    assert threshold is not None  # noqa: S101 - a pair tells the sides apart
    told = tally(outcomes, OURS, threshold)
    return told.false_per_1000, told.found_percent, told.median_s


def main() -> None:
    radio = bodies.fit().radio
    print("front-to-back  glass   side    false     found  median")
    for front_to_back_db, glass_db in DOORS:
        world = door(radio, front_to_back_db, glass_db)
        side = side_of(world)
        false_per_1000, found_percent, after_s = found_at(world, side)
        print(
            f"{front_to_back_db:10.0f} dB {glass_db:4.0f} dB {side.side_db:5.1f} dB "
            f"{false_per_1000:5.2f} ‰ {found_percent:5.1f} % {after_s:5.1f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
