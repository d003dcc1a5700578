"""The figures as one tree of plain values: what JSON keeps, and tables and pictures are made of."""

from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any, Final

from scripts.entrybench import contest
from scripts.entrybench.bodies import Fit
from scripts.entrybench.contest import NEAR_OPTIMUM, OURS, Played, Row
from scripts.entrybench.trial import Interval, Tally

Tree = dict[str, Any]
CURVES: Final = 24
"""Points of a curve that are kept."""


@dataclass(frozen=True, slots=True)
class Run:
    """Which code, which people."""

    date: str
    commit: str
    testing_seed: int
    quick: bool


def tree(run: Run, fit: Fit, correlation: float, shops: list[Played], walks: Played) -> Tree:
    return {
        "run": asdict(run)
        | {
            "training_seed": contest.TRAINING_SEED,
            "most_per_1000": (contest.QUICK if run.quick else contest.FULL).most_per_1000,
        },
        "radio": {name: _number(value) for name, value in asdict(fit.radio).items()},
        "shadowing_correlation": _number(correlation),
        "shops": {played.name: _played(played) for played in shops},
        "walks": _played(walks),
    }


def gone_on(earlier: Tree, found: Tree) -> Tree:
    """A run that was ended early, and what was played of it later, to the same people."""
    which = earlier["run"] | {"gone_on": {key: found["run"][key] for key in ("date", "commit")}}
    return earlier | {"run": which, "shops": earlier["shops"] | found["shops"]}


def _played(played: Played) -> Tree:
    found: Tree = {"rules": {rule: _row(row) for rule, row in played.rows.items()}}
    if played.fewer is not None:
        found["fewer"] = {
            name: _number(value) if isinstance(value, float) else value
            for name, value in (asdict(played.fewer) | {"times": played.fewer.times}).items()
        }
    if NEAR_OPTIMUM in played.rows and OURS in played.rows:
        found["times_the_optimum"] = _number(played.times_the_optimum)
    return found


def _row(row: Row) -> Tree:
    step = max(len(row.curve) // CURVES, 1)
    return {
        "fresh": _tally(row.fresh),
        "even": _tally(row.even),
        "even_passers": _tally(row.even_passers),
        "shipped": _tally(row.shipped),
        "kinds": {kind: list(found) for kind, found in row.kinds.items()},
        "curve": [[_number(x) for x in point] for point in row.curve[::step]],
    }


def _tally(tally: Tally | None) -> Tree | None:
    if tally is None:
        return None
    return {
        "false_per_1000": _number(tally.false_per_1000),
        "false": [tally.false, tally.outsiders],
        "false_within": _interval(tally.false_within),
        "passers_per_1000": _number(tally.passers_per_1000),
        "passers": [tally.false_passers, tally.passers],
        "passers_within": _interval(tally.passers_within),
        "found_percent": _number(tally.found_percent),
        "entries": tally.entries,
        "found_within": _interval(tally.found_within),
        "median_s": _number(tally.median_s),
        "median_within_s": _interval(tally.median_within_s),
        "p90_s": _number(tally.p90_s),
        "p90_within_s": _interval(tally.p90_within_s),
        "soon": _number(tally.soon),
        "early": _number(tally.early),
        "threshold": _number(tally.threshold),
    }


def _interval(interval: Interval) -> list[float | None]:
    return [_number(interval.low), _number(interval.high)]


def _number(value: float) -> float | None:
    """None: never, or without a bound."""
    return round(value, 3) if isfinite(value) and abs(value) < 1e8 else None
