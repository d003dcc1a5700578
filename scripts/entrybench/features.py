"""What a detector may know after each packet: numbers of the past only, for any antennas.

Levels of each antenna over 0.4 to 10 s, with silence as the floor; how much was heard; the peaks so
far and how long ago; for each two antennas their difference over 1 to 10 s, its extremes and Page
sums; and how long somebody is there at all. Antennas stand deepest first, so that a difference is
large inside.
"""

from dataclasses import dataclass
from itertools import combinations
from math import inf
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scripts.entrybench.crowd import FLOOR_DBM, Crowd, Rows
from scripts.entrybench.radio import Floats

LEVELS_S: Final = np.array([0.4, 1.0, 3.0, 10.0, 30.0])
FAST: Final = 1
"""Index of the level over 1 s: peaks are its peaks, as a single packet fades 10 dB up."""
HEARD_S: Final = 3.0
ABOVE_DBM: Final = np.array([-86.0, -80.0, -74.0, -68.0])
"""Page sums of one antenna's level: what of it is above these."""
LEADS_DB: Final = np.array([-10.0, -5.0, 0.0, 5.0])
"""Page sums of a difference: what of it is above these."""
MOST_DB: Final = 12.0
"""A reading counts no further off than this."""
MOST_S: Final = 1.0
FORGET_DB_PER_S: Final = 0.3
AGE_S: Final = 300.0

Features = NDArray[np.float32]


@dataclass(slots=True)
class _State:
    """One row per person."""

    levels: Floats
    """(N, L, A)"""
    heard: Floats
    peak: Floats
    peak_at: Floats
    fading_peak: Floats
    above: Floats
    """(N, A, 4): Page sums of levels."""
    lead: Floats
    """(N, D, 4): Page sums of differences."""
    most: Floats
    """(N, D): the largest difference so far, forgotten slowly; with its time, and the smallest."""
    most_at: Floats
    least: Floats
    at_peak: Floats
    """(N, D): the differences when the outermost antenna had its peak."""
    first_s: Floats
    packets: Floats
    pace_s: Floats

    @classmethod
    def new(cls, people: int, antennas: int, pairs: int) -> "_State":
        def full(*shape: int, value: float = 0.0) -> Floats:
            return np.full((people, *shape), value)

        return cls(
            levels=full(len(LEVELS_S), antennas, value=FLOOR_DBM),
            heard=full(antennas),
            peak=full(antennas, value=-inf),
            peak_at=full(antennas),
            fading_peak=full(antennas, value=-inf),
            above=full(antennas, len(ABOVE_DBM)),
            lead=full(pairs, len(LEADS_DB)),
            most=full(pairs, value=-inf),
            most_at=full(pairs),
            least=full(pairs, value=inf),
            at_peak=full(pairs),
            first_s=full(),
            packets=full(),
            pace_s=full(value=0.5),
        )


def pairs_of(antennas: int) -> list[tuple[int, int]]:
    return list(combinations(range(antennas), 2))


def features(crowd: Crowd) -> Features:
    """(M, F), in the order of the crowd's packets."""
    readings = crowd.filled_dbm()
    antennas = readings.shape[1]
    deep, out = (np.array([p[i] for p in pairs_of(antennas)], int) for i in (0, 1))
    gaps = crowd.gaps_s()
    state = _State.new(len(crowd.length), antennas, len(deep))
    found: Features | None = None
    for rows in crowd.steps():
        row = _step(state, crowd.at_s[rows], readings[rows], gaps[rows], (deep, out))
        if found is None:
            found = np.empty((len(crowd.at_s), row.shape[1]), np.float32)
        found[rows] = row
    return np.empty((0, 0), np.float32) if found is None else found


def _step(
    state: _State, now: Floats, reading: Floats, gap: Floats, pairs: tuple[Rows, Rows]
) -> Floats:
    n = len(now)
    _levels(state, n, reading, gap)
    differences = state.levels[:n][:, :, pairs[0]] - state.levels[:n][:, :, pairs[1]]
    _peaks(state, n, now, np.where(np.isinf(gap), 0.0, gap), differences[:, FAST])
    _sums(state, n, reading, np.minimum(np.where(np.isinf(gap), 0.3, gap), MOST_S), pairs)
    state.packets[:n] += 1
    state.first_s[:n] = np.where(np.isinf(gap), now, state.first_s[:n])
    known = np.where(np.isinf(gap), 0.5, np.minimum(gap, 5.0))
    state.pace_s[:n] += 0.2 * (known - state.pace_s[:n])
    return _row(state, now, known, differences)


def _row(state: _State, now: Floats, gap: Floats, differences: Floats) -> Floats:
    """(n, F)"""
    n = len(now)
    fast = state.levels[:n, FAST]
    age = np.minimum(now[:, None] - state.peak_at[:n], AGE_S)
    return np.hstack(
        [
            state.levels[:n].reshape(n, -1),
            fast - state.levels[:n, 3],
            state.heard[:n],
            state.peak[:n],
            age,
            fast - state.peak[:n],
            state.fading_peak[:n],
            state.above[:n].reshape(n, -1),
            differences[:, :4].reshape(n, -1),
            state.lead[:n].reshape(n, -1),
            state.most[:n],
            np.minimum(now[:, None] - state.most_at[:n], AGE_S),
            differences[:, FAST] - state.least[:n],
            differences[:, FAST] - state.at_peak[:n],
            fast.mean(axis=1, keepdims=True),
            fast.max(axis=1, keepdims=True),
            np.column_stack(
                [
                    np.minimum(now - state.first_s[:n], AGE_S),
                    gap,
                    np.minimum(state.packets[:n], 1000.0),
                    state.pace_s[:n],
                ]
            ),
        ]
    )


def _levels(state: _State, n: int, reading: Floats, gap: Floats) -> None:
    first = np.isinf(gap)
    weight = 1 - np.exp(-np.where(first, 1e9, gap)[:, None] / LEVELS_S)
    levels = state.levels[:n]
    levels += weight[:, :, None] * (reading[:, None, :] - levels)
    heard = 1 - np.exp(-np.where(first, 1e9, gap) / HEARD_S)
    state.heard[:n] += heard[:, None] * ((reading > FLOOR_DBM) - state.heard[:n])


def _peaks(state: _State, n: int, now: Floats, gap: Floats, difference: Floats) -> None:
    fast = state.levels[:n, FAST]
    higher = fast > state.peak[:n]
    state.at_peak[:n] = np.where(higher[:, -1:], difference, state.at_peak[:n])
    state.peak_at[:n] = np.where(higher, now[:, None], state.peak_at[:n])
    np.maximum(state.peak[:n], fast, out=state.peak[:n])
    np.maximum(
        state.fading_peak[:n] - FORGET_DB_PER_S * gap[:, None], fast, out=state.fading_peak[:n]
    )
    larger = difference > state.most[:n]
    state.most_at[:n] = np.where(larger, now[:, None], state.most_at[:n])
    np.maximum(state.most[:n], difference, out=state.most[:n])
    np.minimum(state.least[:n], difference, out=state.least[:n])


def _sums(state: _State, n: int, reading: Floats, credit: Floats, pairs: tuple[Rows, Rows]) -> None:
    """Page's: never under 0."""
    over = np.clip(reading[:, :, None] - ABOVE_DBM, -MOST_DB, MOST_DB)
    np.maximum(state.above[:n] + over * credit[:, None, None], 0, out=state.above[:n])
    lead = reading[:, pairs[0]] - reading[:, pairs[1]]
    over = np.clip(lead[:, :, None] - LEADS_DB, -MOST_DB, MOST_DB)
    np.maximum(state.lead[:n] + over * credit[:, None, None], 0, out=state.lead[:n])
