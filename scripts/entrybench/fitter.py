"""Fits the tables of the door's score.

    python -m scripts.entrybench.fitter [SET-UP …]
    python -m scripts.entrybench.fitter --judge 6000     what the tables as they stand are worth

What is fitted is what is run: each person's packets go through `CandidateScore` itself, with tables
that write down what they are asked (so there is no second copy of the signs), and boosted stumps
then say how much each sign is worth. A stump asks one sign, so their sum is a table a sign;
a monotone constraint makes it rise.

The loss is what a shop feels, and not whether single packets are told apart:

    delay of who comes in, at the threshold that one outsider in 1,000 reaches

A person counts by the highest score so far, since that is what a threshold meets first. The
threshold follows the outsiders' tail at each round, T·log(Σ w·exp(highest / T) / rate), so that
pulling entries up and pressing the worst outsiders down are one objective. The logarithm of the
delay counts: the second second matters more than the twentieth.

People who pass are easily told and many; those who linger at the door are rare and hard. So the
kinds are drawn in numbers of their own and weighted back to their shares.

LightGBM is of the group `bench` and imported where it is used.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf
from multiprocessing import get_context
from textwrap import wrap
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from presence.core.visit.door_score import DoorNumbers, DoorSide
from scripts.entrybench import antennas as a
from scripts.entrybench import bodies, shop, trial
from scripts.entrybench.antennas import SetUp
from scripts.entrybench.candidate import (
    TABLES,
    CandidateScore,
    CandidateTables,
    DeepTables,
    candidate,
    ears_of,
    rule_of,
)
from scripts.entrybench.crowd import crowds
from scripts.entrybench.earlier import LATER_S
from scripts.entrybench.radio import Floats
from scripts.entrybench.world import Episode, World, people, person

SEED: Final = 4_001
LEARNED: Final = {
    "passer": 2500, "window": 2000, "queue": 1500, "doorway": 1800, "flat": 350,
    "customer": 1700, "errand": 300,
}  # fmt: skip
"""People drawn of each kind."""
WATCHED_S: Final = 120.0
NEAR_DBM: Final = -62.0
"""The typical peak at the door of the simulated phones: what a calibration measures."""
RATE_PER_1000: Final = 1.0
TAIL: Final = 1.0
"""T: how far into the tail the worst outsiders are looked for, in points."""
PROMPT_S: Final = 2.5
"""Delays count as log(1 + delay / PROMPT_S)."""
MIN_PACKETS: Final = 4
"""As the rule asks (`entry.min_sightings`)."""
EARLY_S: Final = 20.0
LATER_ONE_OF: Final = 5
"""Of the packets of who came in longer ago, so many are passed over for one that is kept."""
PER_OUTSIDER: Final = 40
"""Packets kept of each: the most suspicious ones."""
ROUNDS: Final = 300
PARAMETERS: Final[dict[str, Any]] = {
    "learning_rate": 0.2,
    "num_leaves": 2,
    "min_data_in_leaf": 1,
    "min_sum_hessian_in_leaf": 40.0,
    "lambda_l2": 1.0,
    "feature_fraction": 0.6,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "max_bin": 127,
    "boost_from_average": False,
    "num_threads": 1,
    "seed": 1,
    "deterministic": True,
    "force_row_wise": True,
    "verbose": -1,
}
NAMES: Final = CandidateTables._fields[: CandidateTables._fields.index("deep")]
"""Of the signs; those of the antenna deep inside follow."""
STEPS: Final = {"lead": 2, "led": 1, "lead_sum": 4, "fast_sum": 4, "level_sum": 6}
OTHER_STEP: Final = 3
"""Between the values of a table, in its unit."""
FROM_ZERO: Final = ("lead_sum", "fast_sum", "level_sum", "led")
POINTS: Final = 3.0
"""Per unit of log odds, so that two digits are enough."""
Rows = NDArray[np.int64]
Signs = NDArray[np.float32]


class _Asked:
    """A table that writes down what it is asked."""

    def __init__(self, signs: list[float]) -> None:
        self._signs = signs

    def at(self, quantity: float) -> float:
        self._signs.append(quantity)
        return 0.0


class Drawn(NamedTuple):
    """A set-up that tables are fitted for, in the worlds in which they are to hold."""

    name: str
    set_ups: tuple[SetUp, ...]
    tail: float = TAIL


FITTED: Final = {
    each.name: each
    for each in (
        Drawn("PAIR", (a.PAIR_10, a.PAIR_6)),
        Drawn("PAIR_AND_INSIDE", (a.PAIR_10_GATEWAY, a.PAIR_6_GATEWAY)),
        Drawn("INSIDE_AND_DOOR", (a.AS_SHIPPED,), 0.7),
    )
}


@dataclass(frozen=True, slots=True)
class Lessons:
    """The packets of one world that are learned from, person after person."""

    signs: Signs
    """(M, F)"""
    start: Rows
    """(N,): where each person's packets begin."""
    at_s: Floats
    """(M,): after the line for who comes in."""
    weight: Floats
    """(N,): thousandths of all outsiders, or of all who come in."""
    is_entry: NDArray[np.bool_]
    """(N,)"""


def signs_of(episode: Episode, set_up: SetUp, offset_db: float) -> tuple[Floats, Signs]:
    """((P,), (P, F)): at each complete packet from MIN_PACKETS on, what the tables are asked."""
    ears = ears_of(set_up)
    asked: list[float] = []
    table: Any = _Asked(asked)
    deep = (
        DeepTables(table, table, table) if any(ear.side is DoorSide.DEEP for ear in ears) else None
    )
    recording = CandidateTables(**dict.fromkeys(NAMES, table), deep=deep)
    numbers = DoorNumbers(offset_db, NEAR_DBM, inf)
    rule = rule_of(numbers, recording, ears)
    score, at, rows = CandidateScore(), [], []
    for packet_s, packet in zip(episode.at_s.tolist(), episode.rssi_dbm.tolist(), strict=True):
        for number, reading in enumerate(packet):
            if reading != reading:  # noqa: PLR0124  # NaN: this antenna did not hear it
                continue
            asked.clear()
            is_new = score.hear(rule, ears[number], reading, packet_s + number * LATER_S)
            if is_new and asked and score.packets >= MIN_PACKETS:
                at.append(packet_s)
                rows.append(tuple(asked))
    width = len(NAMES) + (0 if deep is None else len(DeepTables._fields))
    return np.array(at), np.array(rows, np.float32).reshape(len(rows), width)


def _of_kind(order: tuple[str, int, World, float, int]) -> list[tuple[Floats, Signs, bool]]:
    """Time and signs of so many people; of who comes in, since the line."""
    kind, count, world, offset_db, seed = order
    found = []
    for child in np.random.default_rng(seed).spawn(count):
        episode = person(kind, world, np.random.default_rng(child))
        at, signs = signs_of(episode, world.set_up, offset_db)
        line_s, left_s = episode.entered_at_s, episode.left_at_s
        if line_s is not None and left_s is not None:
            kept = (at > line_s - 3) & (at < min(left_s, line_s + WATCHED_S))
            at, signs = at[kept] - line_s, signs[kept]
        if len(at):
            found.append((at, signs, line_s is not None))
    return found


def lessons(world: World, offset_db: float, seed: int, workers: int) -> Lessons:
    shares = {**shop.OUTSIDERS, **shop.INSIDERS}
    parts = 4
    orders = [
        (kind, count // parts, world, offset_db, seed + 100 * number + part)
        for number, (kind, count) in enumerate(LEARNED.items())
        for part in range(parts)
    ]
    with get_context("fork").Pool(workers) as pool:
        people = [
            (at, signs, is_entry, 1000 * shares[order[0]] / (parts * order[1]))
            for order, found in zip(orders, pool.imap(_of_kind, orders), strict=True)
            for at, signs, is_entry in found
        ]
    length = np.array([len(at) for at, _, _, _ in people])
    return Lessons(
        np.concatenate([signs for _, signs, _, _ in people]),
        np.cumsum(length) - length,
        np.concatenate([at for at, _, _, _ in people]),
        np.array([weight for _, _, _, weight in people]),
        np.array([is_entry for _, _, is_entry, _ in people]),
    )


def kept(lesson: Lessons, suspicion: Floats, most: int = PER_OUTSIDER) -> Lessons:
    """The packets of who comes in, fewer once they are long inside, and the most suspicious of each
    outsider, in their order.
    """
    length = np.diff(np.append(lesson.start, len(lesson.at_s)))
    whose = np.repeat(np.arange(len(length)), length)
    order = np.lexsort((-suspicion, whose))
    rank = np.empty(len(order), int)
    rank[order] = np.arange(len(order)) - lesson.start[whose[order]]
    number = np.arange(len(order)) - lesson.start[whose]
    early = lesson.at_s < EARLY_S
    rows = np.flatnonzero(
        np.where(lesson.is_entry[whose], early | (number % LATER_ONE_OF == 0), rank < most)
    )
    length = np.bincount(whose[rows], minlength=len(length))
    return Lessons(
        lesson.signs[rows],
        np.cumsum(length) - length,
        lesson.at_s[rows],
        lesson.weight,
        lesson.is_entry,
    )


class _Loss:
    """Gradient and curvature of the logarithm of the delay, in several worlds, each with a
    threshold of its own.
    """

    def __init__(self, worlds: Sequence[Lessons], tail: float) -> None:
        self._worlds = [_Paced.of(world) for world in worlds]
        self._tail = tail

    def __call__(self, scores: Floats, _: object) -> tuple[Floats, Floats]:
        gradient, curvature = np.zeros(len(scores)), np.full(len(scores), 1e-6)
        begin = 0
        for world in self._worlds:
            rows = slice(begin, begin + len(world.pace))
            world.add(scores[rows], self._tail, gradient[rows], curvature[rows])
            begin = rows.stop
        return gradient, curvature


@dataclass(frozen=True, slots=True)
class _Paced:
    lessons: Lessons
    whose: Rows
    pace: Floats
    """(M,): how much longer the logarithm of the delay becomes up to the next packet, times the
    weight; 0 for outsiders.
    """

    @classmethod
    def of(cls, lesson: Lessons) -> "_Paced":
        length = np.diff(np.append(lesson.start, len(lesson.at_s)))
        whose = np.repeat(np.arange(len(length)), length)
        until = np.append(lesson.at_s[1:], WATCHED_S)
        until[lesson.start + length - 1] = WATCHED_S
        delay = np.log1p(np.maximum(until, 0) / PROMPT_S)
        delay -= np.log1p(np.maximum(lesson.at_s, 0) / PROMPT_S)
        counts = lesson.is_entry[whose]
        return cls(lesson, whose, np.where(counts, np.maximum(delay, 0) * lesson.weight[whose], 0))

    def add(self, scores: Floats, tail: float, gradient: Floats, curvature: Floats) -> None:
        lesson, whose = self.lessons, self.whose
        highest = np.maximum.reduceat(scores, lesson.start)
        outside, weight = ~lesson.is_entry, lesson.weight
        top = highest[outside].max()
        pull = np.where(outside, weight * np.exp((highest - top) / tail), 0)
        threshold = top + tail * np.log(pull.sum() / RATE_PER_1000)
        # who comes in: what is not found yet is waited for by the highest score so far
        spread = 2 * (np.abs(scores).max() + 1)
        so_far = np.maximum.accumulate(scores + spread * whose) - spread * whose
        holds = np.maximum.accumulate(np.where(scores >= so_far - 1e-9, np.arange(len(scores)), 0))
        missed = 1 / (1 + np.exp(np.clip(so_far - threshold, -50, 50)))
        push = self.pace * missed
        gradient -= np.bincount(holds, push, len(scores))
        bend = self.pace * np.maximum(missed * (1 - missed), 0.03)
        curvature += np.bincount(holds, bend, len(scores))
        # every packet learns a little, or none but the first highest one ever would
        alone = 1 / (1 + np.exp(np.clip(scores - threshold, -50, 50)))
        gradient -= ASIDE * push * alone
        curvature += 0.1 * ASIDE * self.pace
        # the worst outsiders bear all of that
        share = np.exp(np.minimum(2 * (scores - highest[whose]), 0))
        share *= (pull / pull.sum())[whose] / np.add.reduceat(share, lesson.start)[whose]
        gradient += push.sum() * share
        curvature += push.sum() * share / tail


ASIDE: Final = 0.03


def stumps(worlds: Sequence[Lessons], tail: float, rounds: int) -> Any:
    import lightgbm  # noqa: PLC0415  # of the group `bench`, and not needed but here

    signs = np.concatenate([world.signs for world in worlds])
    data = lightgbm.Dataset(signs, np.zeros(len(signs)), free_raw_data=True)
    loss = _Loss(worlds, tail)
    return lightgbm.train(
        {**PARAMETERS, "objective": loss, "monotone_constraints": [1] * signs.shape[1]},
        data,
        num_boost_round=rounds,
    )


def fit(worlds: Sequence[Lessons], tail: float, rounds: int = ROUNDS) -> Any:
    """A first, quick fit says which packets of the outsiders are suspicious; the second learns from
    these.
    """
    rng = np.random.default_rng(SEED)
    first = stumps([kept(w, rng.random(len(w.at_s))) for w in worlds], tail, rounds // 6)
    hard = [kept(w, first.predict(w.signs, num_threads=1)) for w in worlds]
    return stumps(hard, tail, rounds)


class Fitted(NamedTuple):
    """A table: its lowest quantity, the step between its values, and these."""

    low: int
    step: int
    values: tuple[float, ...]


def tables(booster: Any, names: Sequence[str]) -> dict[str, Fitted]:
    """The stumps of each sign, added up and smoothed over a step. A sign that no stump asks has a
    table of one value, 0.
    """
    found: dict[int, list[tuple[float, float]]] = {}
    for tree in booster.dump_model()["tree_info"]:
        root = tree["tree_structure"]
        if "split_feature" in root:
            by = root["right_child"]["leaf_value"] - root["left_child"]["leaf_value"]
            found.setdefault(int(root["split_feature"]), []).append((root["threshold"], by))
    return {name: _table(name, found.get(number, [])) for number, name in enumerate(names)}


def _table(name: str, splits: Sequence[tuple[float, float]]) -> Fitted:
    name = name.removeprefix("deep.")
    step = STEPS.get(name, OTHER_STEP)
    rises = [(at, by) for at, by in splits if by > 0]
    if not rises:
        return Fitted(0, step, (0.0,))
    where, by = np.array(rises).T
    low = 0 if name in FROM_ZERO else int(np.floor(where.min() / step) - 1) * step
    high = int(np.ceil(where.max() / step) + 1) * step
    knots = np.arange(low, high + 1, step)
    around = knots[:, None] + np.linspace(-step / 2, step / 2, 21)
    values = (np.where(around[:, :, None] > where, by, 0).sum(axis=2)).mean(axis=1)
    if name in FROM_ZERO:
        values[0] = np.where(where < 0, by, 0).sum()
    points = np.round(POINTS * (values - values[0]), 2) + 0.0  # no -0.0
    first = int(np.flatnonzero(points > 0)[0]) - 1
    last = int(np.flatnonzero(points == points[-1])[0])
    return Fitted(low + first * step, step, tuple(points[first : last + 1].tolist()))


def source(name: str, fitted: dict[str, Fitted], offset_db: float) -> Iterator[str]:
    """As it stands in presence/core/visit/door_tables.py, but for the thresholds."""
    yield f"{name}: Final = CandidateTables("
    for sign in NAMES:
        yield from _lines(f"    {sign}=", fitted[sign])
    if any(sign.startswith("deep.") for sign in fitted):
        yield "    deep=DeepTables("
        for sign in DeepTables._fields:
            yield from _lines(f"        {sign}=", fitted[f"deep.{sign}"])
        yield "    ),"
    yield f"    offset_db={offset_db:g},"


def _lines(begin: str, table: Fitted) -> Iterator[str]:
    values = ", ".join(f"{value:g}" for value in table.values)
    line = f"{begin}Table({table.low}, {table.step}, ({values}{',' * (len(table.values) == 1)})),"
    if len(line) <= WIDTH:
        yield line
        return
    indent = " " * (len(begin) - len(begin.lstrip()))
    yield f"{begin}Table({table.low}, {table.step}, ("
    yield from wrap(
        f"{values},", WIDTH, initial_indent=f"{indent}    ", subsequent_indent=f"{indent}    "
    )
    yield f"{indent})),"


WIDTH: Final = 100


def judged(world: World, outsiders: int) -> str:
    """What the tables as they stand are worth, at the threshold that they have."""
    comers = max(outsiders // 12, 1)
    fresh = [
        *crowds(people(shop.OUTSIDERS, outsiders, world, JUDGED_SEED)),
        *crowds(people(shop.INSIDERS, comers, world, JUDGED_SEED + 1)),
    ]
    outcomes = trial.judge(fresh, {CANDIDATE: candidate(world.set_up)})
    threshold = TABLES[frozenset(world.set_up.places.values())].threshold
    told = trial.tally(outcomes, CANDIDATE, threshold)
    return (
        f"{world.set_up.name}: {told.false_per_1000:.2f} false enters per 1,000 of {outsiders}; of "
        f"{comers} found {told.found_percent:.1f} %, median {told.median_s:.1f} s, "
        f"p90 {told.p90_s:.1f} s"
    )


CANDIDATE: Final = "candidate"
JUDGED_SEED: Final = 9_001


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.entrybench.fitter",
        description="Fit the tables of the door's score.",
    )
    names = ", ".join(FITTED)
    parser.add_argument("set_ups", nargs="*", metavar="SET-UP", help=f"of {names}; default: all")
    parser.add_argument(
        "--judge", type=int, metavar="N", help="fit nothing: try the tables on N fresh outsiders"
    )
    parser.add_argument("--workers", type=int, default=2, metavar="N")
    options = parser.parse_args()
    if unknown := set(options.set_ups) - set(FITTED):
        parser.error(f"no set-up {', '.join(sorted(unknown))}: there are {names}")
    radio, began_s = bodies.fit().radio, time.monotonic()
    if options.judge is not None:
        for name in options.set_ups or FITTED:
            for set_up in FITTED[name].set_ups:
                print(judged(World(radio, set_up), options.judge), flush=True)
        return 0
    for name in options.set_ups or FITTED:
        drawn = FITTED[name]
        offset_db = TABLES[frozenset(drawn.set_ups[0].places.values())].offset_db
        worlds = []
        for set_up in drawn.set_ups:
            world = World(radio, set_up, watched_s=WATCHED_S)
            worlds.append(lessons(world, offset_db, SEED, options.workers))
            print(f"{set_up.name}: {len(worlds[-1].at_s)} packets", file=sys.stderr, flush=True)
        signs = [*NAMES, *(f"deep.{sign}" for sign in DeepTables._fields)]
        fitted = tables(fit(worlds, drawn.tail), signs[: worlds[0].signs.shape[1]])
        print("\n".join(source(name, fitted, offset_db)), flush=True)
    print(f"{time.monotonic() - began_s:.0f} s", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
