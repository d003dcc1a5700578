"""How good any rule could be: gradient boosting on everything that can be known.

Trees that are trained to say "has crossed the line by now" after each packet; the score is the log
odds, and one threshold decides. What it reaches can be reached, so it is a lower bound on the
optimum. A particle filter on the true model, an independent check of the report that this bench
follows, came no nearer with gateway and door (24.7 s against 21.4 s).

LightGBM is of the group `bench` only and imported where it is used.
"""

from collections.abc import Iterable
from typing import Any, Final

import numpy as np

from scripts.entrybench.crowd import Crowd
from scripts.entrybench.features import Features, features
from scripts.entrybench.radio import Floats

SHARE: Final = 0.35
"""Of the packets that are learned from: the ones between say much the same."""
LEARNED_S: Final = 120.0
"""After the line; and who is about for longer is thinned out beyond."""
ROUNDS: Final = 300
PARAMETERS: Final[dict[str, Any]] = {
    "objective": "binary",
    "learning_rate": 0.06,
    "num_leaves": 48,
    "min_data_in_leaf": 150,
    "feature_fraction": 0.4,
    "bagging_fraction": 0.6,
    "bagging_freq": 1,
    "lambda_l2": 5.0,
    "max_bin": 127,
    "num_threads": 1,
    "seed": 1,
    "deterministic": True,
    "force_row_wise": True,
    "verbose": -1,
}


class Optimum:
    """A trained detector for one set-up in one world."""

    def __init__(self, booster: Any) -> None:
        self._booster = booster

    def score(self, crowd: Crowd) -> Floats:
        return np.asarray(self._booster.predict(features(crowd), raw_score=True, num_threads=1))


def train(crowds: Iterable[Crowd], seed: int, rounds: int = ROUNDS) -> Optimum:
    import lightgbm  # noqa: PLC0415  # of the group `bench`, and not needed but here

    rng = np.random.default_rng(seed)
    rows, targets, weights = [], [], []
    for crowd in crowds:
        row, target, weight = _lesson(crowd, rng)
        rows.append(row)
        targets.append(target)
        weights.append(weight)
    data = lightgbm.Dataset(
        np.concatenate(rows),
        np.concatenate(targets),
        weight=np.concatenate(weights),
        free_raw_data=True,
    )
    return Optimum(lightgbm.train(PARAMETERS, data, num_boost_round=rounds))


def _lesson(crowd: Crowd, rng: np.random.Generator) -> tuple[Features, Floats, Floats]:
    """Some of the packets, what is true at each, and how much each counts."""
    person = crowd.person
    since_s = crowd.at_s - crowd.entered_s[person]
    inside = (since_s >= 0) & (crowd.at_s < crowd.left_s[person])
    there_s = crowd.at_s - crowd.at_s[crowd.start[person]]
    share = SHARE * np.where(there_s > LEARNED_S, 0.2, 1.0)
    taken = (rng.random(len(person)) < share) & ~(since_s > LEARNED_S)
    counts = np.bincount(person[taken], minlength=len(crowd.length))
    weight = 1 / np.sqrt(np.maximum(counts[person[taken]], 1))
    return features(crowd)[taken], inside[taken].astype(float), weight
