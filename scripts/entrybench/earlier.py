"""Two rules to stand beside ours: the one before places, and the gate that was to be the floor.

*lead* is `presence.core.visit.evidence` of e49dc6c (docs/adr/0006-cusum-evidence.md): Page's
sum of the strength inside, with the lead over the strongest door antenna added. *gate* is the rule
that the report on entries proposed: near the door, and since then louder inside than outside, with
silence counted as a reading at the floor.

Both run in step over a crowd.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, Final

import numpy as np

from scripts.entrybench.antennas import SetUp
from scripts.entrybench.crowd import Crowd, Rows, Score
from scripts.entrybench.radio import Floats
from scripts.entrybench.rivals import of_shop
from scripts.entrybench.trial import judge

MAX_ABOVE_DB: Final = 10.0
MAX_BELOW_DB: Final = 8.0
MAX_STEP_DB: Final = 12.0
MAX_CREDIT_S: Final = 1.0
SMOOTHING_S: Final = 2.0
DOOR_FRESH_S: Final = 10.0
LEAD_DB: Final = (-20.0, 5.0)
WINDOW_S: Final = 15.0
MIN_SIGHTINGS: Final = 4
MIN_DURATION_S: Final = 2.0
LATER_S: Final = 0.001
"""Between the readings of one packet by two antennas."""
ENTER_DBM: Final = (-84.0, -81.0, -78.0, -75.0, -72.0, -69.0, -66.0, -63.0)
CAPPED_S: Final = 120.0
TUNED_PER_1000: Final = 0.5
"""What people to tune on may have, so that others stay within 1."""


class _Lead:
    """The state of everybody, a row each."""

    def __init__(self, people: int, antennas: int, enter_dbm: float, shop: Sequence[bool]) -> None:
        self.enter_dbm, self.shop = enter_dbm, shop
        self.level = np.zeros(people)
        self.at = np.full(people, -inf)
        self.doors = np.zeros((people, antennas))
        self.doors_at = np.full((people, antennas), -inf)
        self.evidence = np.zeros(people)
        self.began = np.zeros(people)
        self.sightings = np.zeros(people)
        self.heard = np.full(people, -inf)

    def step(self, now: Floats, readings: Floats) -> Floats:
        n = len(now)
        anew = now - self.heard[:n] > WINDOW_S
        self.at[:n][anew], self.evidence[:n][anew], self.sightings[:n][anew] = -inf, 0, 0
        self.doors_at[:n][anew] = -inf
        self.began[:n] = np.where(anew, now, self.began[:n])
        self.heard[:n] = now
        for antenna, in_shop in enumerate(self.shop):
            at, reading = now + antenna * LATER_S, readings[:, antenna]
            rows = np.flatnonzero(~np.isnan(reading))
            if not in_shop:
                doors, doors_at = self.doors[:n, antenna], self.doors_at[:n, antenna]
                _smooth(doors, doors_at, rows, reading[rows], at[rows])
            else:
                self._inside(rows, reading[rows], at[rows])
        enough = (self.sightings[:n] >= MIN_SIGHTINGS) & (
            self.at[:n] - self.began[:n] >= MIN_DURATION_S
        )
        return np.where(enough, self.evidence[:n], 0.0)

    def _inside(self, rows: Rows, reading: Floats, at: Floats) -> None:
        since = at - self.at[rows]
        _smooth(self.level, self.at, rows, reading, at)
        fresh = at[:, None] - self.doors_at[rows] <= DOOR_FRESH_S
        door = np.where(fresh, self.doors[rows], -inf).max(axis=1)
        lead = np.where(door == -inf, 0.0, np.clip(self.level[rows] - door, *LEAD_DB))
        above = np.clip(reading - self.enter_dbm + lead, -MAX_BELOW_DB, MAX_ABOVE_DB)
        credit = np.where(np.isinf(since), 0.0, np.minimum(since, MAX_CREDIT_S))
        evidence = self.evidence[rows] + above * credit
        gone = evidence <= 0
        self.evidence[rows] = np.where(gone, 0.0, evidence)
        self.began[rows] = np.where(gone, at, self.began[rows])
        self.sightings[rows] = np.where(gone, 0.0, self.sightings[rows] + 1)


def _smooth(level: Floats, last: Floats, rows: Rows, reading: Floats, at: Floats) -> None:
    since = at - last[rows]
    step = np.clip(reading - level[rows], -MAX_STEP_DB, MAX_STEP_DB)
    weight = 1 - np.exp(-np.where(np.isinf(since), 0.0, since) / SMOOTHING_S)
    level[rows] = np.where(np.isinf(since), reading, level[rows] + step * weight)
    last[rows] = at


def lead(enter_dbm: float, set_up: SetUp) -> Score:
    shop = of_shop(set_up)

    def score(crowd: Crowd) -> Floats:
        state = _Lead(len(crowd.length), len(shop), enter_dbm, shop)
        found = np.zeros(len(crowd.at_s))
        for rows in crowd.steps():
            found[rows] = state.step(crowd.at_s[rows], crowd.rssi_dbm[rows])
        return found

    return score


@dataclass(frozen=True, slots=True)
class Gate:
    """The constants of the report's rule, searched for at random."""

    tau_s: float
    forget_db_per_s: float
    slope: float
    centre: float
    low: float
    high: float
    near_dbm: float
    soft_db: float


def draw_gates(count: int, seed: int) -> Iterator[Gate]:
    rng = np.random.default_rng(seed)
    for _ in range(count):
        yield Gate(
            rng.uniform(0.4, 1.5),
            rng.choice([0.0, 0.1, 0.3, 1.0]),
            rng.uniform(0.5, 1.5),
            rng.uniform(-8.0, 6.0),
            rng.uniform(4.0, 14.0),
            rng.uniform(4.0, 14.0),
            rng.uniform(-75.0, -55.0),
            rng.uniform(1.0, 5.0),
        )


def gate(constants: Gate, set_up: SetUp) -> Score:
    shop = np.array(of_shop(set_up))
    g = constants

    def score(crowd: Crowd) -> Floats:
        readings, gaps, people = crowd.filled_dbm(), crowd.gaps_s(), len(crowd.length)
        inside, outside = readings[:, shop].mean(axis=1), readings[:, ~shop].max(axis=1)
        levels, peak, total = np.zeros((people, 2)), np.full(people, -inf), np.zeros(people)
        counted, found = np.zeros(people), np.zeros(len(crowd.at_s))
        for rows in crowd.steps():
            n, gap = len(rows), gaps[rows]
            first = np.isinf(gap)
            reading = np.column_stack([inside[rows], outside[rows]])
            step = np.clip(reading - levels[:n], -MAX_STEP_DB, MAX_STEP_DB)
            smoothed = levels[:n] + step * (1 - np.exp(-np.where(first, 0, gap) / g.tau_s))[:, None]
            levels[:n] = np.where(first[:, None], reading, smoothed)
            faded = peak[:n] - g.forget_db_per_s * np.where(first, 0, gap)
            peak[:n] = np.maximum(faded, levels[:n, 1])
            side = g.slope * (levels[:n, 0] - levels[:n, 1]) - g.centre
            side = np.clip(side, -g.low, g.high)
            came = 1 / (1 + np.exp(-np.clip((peak[:n] - g.near_dbm) / g.soft_db, -30, 30)))
            credit = np.where(first, 0, np.minimum(gap, MAX_CREDIT_S))
            total[:n] = np.maximum(total[:n] + np.where(side > 0, side * came, side) * credit, 0)
            counted[:n] = np.where(total[:n] > 0, counted[:n] + 1, 0)
            found[rows] = np.where(counted[:n] >= MIN_SIGHTINGS, total[:n], 0.0)
        return found

    return score


def best_of(
    rules: Mapping[Any, Score], crowds: Sequence[Crowd], most_per_1000: float = TUNED_PER_1000
) -> Any:
    """Which finds most, soonest, with so few false enters: the mean of the capped delays."""
    outcomes = judge(crowds, rules)

    def delay_s(rule: str) -> float:
        delays = outcomes.delays_s(rule, outcomes.threshold_for(rule, most_per_1000))
        return float(np.mean(np.clip(delays, -5, CAPPED_S)))

    return min(rules, key=delay_s)


def tuned(
    set_up: SetUp,
    crowds: Sequence[Crowd],
    gates: Iterable[Gate],
    levels_dbm: Sequence[float] = ENTER_DBM,
    most_per_1000: float = TUNED_PER_1000,
) -> dict[str, Score]:
    """Both, with what does best on these people; no gate where nothing hangs at the door."""
    found: dict[str, Score] = {}
    families: dict[str, dict[Any, Score]] = {
        "before places": {level: lead(level, set_up) for level in levels_dbm}
    }
    if not all(of_shop(set_up)):
        families["gate"] = {g: gate(g, set_up) for g in gates}
    for name, family in families.items():
        found[name] = family[best_of(family, crowds, most_per_1000)]
    return found
