"""How near the strongest moment at the door is to the crossing of the line: what the delays of
docs/entry-figures.md, and the counter's window, rest on.

    python -m scripts.entrybench.peaks

People who come in, of the simulated shop; for each, the moment that the rule would name if it
decided so many seconds after the line.
"""

from collections.abc import Iterable, Sequence
from math import inf
from typing import Final

import numpy as np

from presence.config.settings import EntrySettings
from presence.core.visit.antennas import hung
from presence.core.visit.door_score import DoorScore
from scripts.entrybench import bodies
from scripts.entrybench.antennas import AS_SHIPPED, PAIR_6, PAIR_10, SetUp
from scripts.entrybench.radio import Floats
from scripts.entrybench.shop import INSIDERS
from scripts.entrybench.world import Episode, World, people

SEED: Final = 20_261_129
PEOPLE: Final = 400
DECIDED_S: Final = (4.0, 10.0, 30.0)
WITHIN_S: Final = (2.0, 5.0, 8.0, 10.0)


def errors_s(visitors: Iterable[Episode], set_up: SetUp, decided_s: float) -> Floats:
    """Peak less line, in seconds, of each who was heard by then."""
    errors = (error_s(each, set_up, decided_s) for each in visitors)
    return np.array([error for error in errors if error is not None])


def error_s(visitor: Episode, set_up: SetUp, decided_s: float) -> float | None:
    line_s = visitor.entered_at_s
    if line_s is None:
        raise ValueError("only who came in has crossed the line")
    antennas, score = hung(set_up.places, (), EntrySettings()), DoorScore()
    if antennas.sided is None:
        raise ValueError(f"{set_up.name}: antennas in one place know no peak")
    for row in np.flatnonzero(visitor.at_s <= line_s + decided_s):
        for column, antenna in enumerate(set_up.antennas):
            rssi_dbm = visitor.rssi_dbm[row, column]
            if not np.isnan(rssi_dbm):
                at_s = float(visitor.at_s[row])
                score.hear(antennas.sided, antennas.ears[antenna.name], float(rssi_dbm), at_s)
    return None if score.peak_s == -inf else score.peak_s - line_s


def line(set_up: SetUp, decided_s: float, errors: Floats) -> str:
    low, middle, high = np.percentile(errors, (5, 50, 95))
    within = ", ".join(f"{limit:g} s {np.mean(np.abs(errors) <= limit):.0%}" for limit in WITHIN_S)
    return (
        f"{set_up.name:16} decided {decided_s:2g} s after the line: peak {low:+.1f} "
        f"{middle:+.1f} {high:+.1f} s (5, 50, 95 %); within {within}"
    )


def table(set_ups: Sequence[SetUp], count: int) -> Iterable[str]:
    radio = bodies.fit().radio
    for set_up in set_ups:
        visitors = list(people(INSIDERS, count, World(radio, set_up), SEED))
        for decided_s in DECIDED_S:
            yield line(set_up, decided_s, errors_s(visitors, set_up, decided_s))


if __name__ == "__main__":
    for each in table((AS_SHIPPED, PAIR_6, PAIR_10), PEOPLE):
        print(each)
