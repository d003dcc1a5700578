"""Many people at once: their packets in one array, so that a rule runs on all of them in step.

Step t is everyone's packet t. People stand in the order of their lengths, longest first: who still
has a packet t are the first so many, and the state of a rule is a row per person. That makes numpy
as quick as a compiled loop, and no rule needs one.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import inf
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scripts.entrybench.phones import told_loudness_db
from scripts.entrybench.radio import Floats
from scripts.entrybench.world import Episode

Rows = NDArray[np.int64]
FLOOR_DBM: Final = -100.0
"""What a packet counts as that another antenna heard and this one did not: 3 dB under the edge."""
AT_A_TIME: Final = 2_500


@dataclass(frozen=True, slots=True)
class Crowd:
    kinds: NDArray[np.str_]
    """(N,), people in the order of their lengths, longest first."""
    entered_s: Floats
    """(N,), NaN for who stayed outside."""
    left_s: Floats
    """(N,), inf for who stayed outside."""
    start: Rows
    """(N,): the row of each person's first packet; their packets follow one another."""
    length: Rows
    """(N,)"""
    at_s: Floats
    """(M,): all packets of all people."""
    rssi_dbm: Floats
    """(M, A), NaN where not heard."""
    told_db: Floats
    """(N,): how loud the list may say that its model is."""

    @classmethod
    def of(cls, episodes: Sequence[Episode]) -> "Crowd":
        people = sorted(episodes, key=lambda e: -len(e.at_s))
        length = np.array([len(e.at_s) for e in people])
        return cls(
            np.array([e.kind for e in people]),
            np.array([np.nan if e.entered_at_s is None else e.entered_at_s for e in people]),
            np.array([inf if e.left_at_s is None else e.left_at_s for e in people]),
            np.cumsum(length) - length,
            length,
            np.concatenate([e.at_s for e in people]),
            np.concatenate([e.rssi_dbm for e in people]),
            np.array([float(told_loudness_db(e.phone)) for e in people]),
        )

    @property
    def is_entry(self) -> NDArray[np.bool_]:
        return ~np.isnan(self.entered_s)

    @property
    def person(self) -> Rows:
        """(M,): whose packet."""
        return np.repeat(np.arange(len(self.length)), self.length)

    def filled_dbm(self) -> Floats:
        """(M, A): silence as a reading at the floor."""
        return np.where(np.isnan(self.rssi_dbm), FLOOR_DBM, self.rssi_dbm)

    def steps(self) -> Iterator[Rows]:
        """For each step the rows of the packets of the first so many people."""
        ending = np.sort(self.length)
        for t in range(int(self.length.max(initial=0))):
            still = len(ending) - int(np.searchsorted(ending, t, "right"))
            yield self.start[:still] + t

    def gaps_s(self) -> Floats:
        """(M,): since the person's packet before; inf for the first."""
        gaps = np.diff(self.at_s, prepend=-inf)
        gaps[self.start[self.length > 0]] = inf
        return gaps


def crowds(episodes: Iterator[Episode], at_a_time: int = AT_A_TIME) -> Iterator[Crowd]:
    """The same people in groups that fit into memory."""
    waiting: list[Episode] = []
    for episode in episodes:
        waiting.append(episode)
        if len(waiting) == at_a_time:
            yield Crowd.of(waiting)
            waiting = []
    if waiting:
        yield Crowd.of(waiting)


Score = Callable[[Crowd], Floats]
"""A rule with one threshold: crowd to (M,) scores, each from what was heard up to then."""
