"""Fits the tables of the door's score.

    python -m scripts.entrybench.fitter [SET-UP …]

What is fitted is what the gateway runs: each person's packets go through `DoorScore` itself, with
tables that write down what they are asked (so there is no second copy of the signs), and boosted
stumps then say how much each sign is worth. A stump asks one sign, so their sum is a table a sign;
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

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from multiprocessing import get_context
from textwrap import wrap
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from presence.cli.command import Parser
from presence.core.visit.antennas import SETS
from presence.core.visit.door_score import DoorEar, DoorNumbers, DoorScore, SidedRule
from presence.core.visit.door_tables import DeepTables, DoorTables
from scripts.entrybench import antennas as a
from scripts.entrybench import bodies, shop
from scripts.entrybench.antennas import SetUp
from scripts.entrybench.earlier import LATER_S
from scripts.entrybench.radio import Floats, Radio
from scripts.entrybench.world import Episode, World, person

SEED: Final = 4_001
LEARNED: Final = {
    "passer": 6500, "window": 2000, "queue": 1200, "doorway": 1800, "flat": 600,
    "customer": 1600, "errand": 280,
}  # fmt: skip
"""People drawn of each kind. Fewer passers are learned by heart: the tail is made of them."""
FEWER: Final = {
    "passer": 3500, "window": 1500, "queue": 800, "doorway": 1200, "flat": 300,
    "customer": 800, "errand": 140,
}  # fmt: skip
OPEN_FRONT_DB: Final = 0.0
WATCHED_S: Final = 120.0
NEAR_DBM: Final = -62.0
"""As `entry.near_dbm` is delivered: some 3 dB below the typical peak of the simulated phones
(`DoorTables.peak_db`).
"""
RATE_PER_1000: Final = 1.0
PROMPT_S: Final = 2.5
"""Delays count as log(1 + delay / PROMPT_S)."""
MIN_PACKETS: Final = 4
"""As the rule asks (`entry.min_sightings`)."""
EARLY_S: Final = 20.0
LATER_ONE_OF: Final = 5
"""Of the packets of who came in longer ago, so many are passed over for one that is kept."""
PER_OUTSIDER: Final = 40
"""Packets kept of each: the most suspicious ones."""
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
    "deterministic": True,
    "force_row_wise": True,
    "verbose": -1,
}
NAMES: Final = DoorTables._fields[: DoorTables._fields.index("deep")]
"""Of the signs; those of the antenna deep inside follow."""
STEPS: Final = {"lead": 2, "lead_sum": 4, "fast_sum": 4, "level_sum": 6}
OTHER_STEP: Final = 3
"""Between the values of a table, in its unit."""
FROM_ZERO: Final = ("lead_sum", "fast_sum", "level_sum")
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


class Learned(NamedTuple):
    """A shop that tables are fitted in, and on whom."""

    set_up: SetUp
    glass_db: float = shop.GLASS_DB
    people: Mapping[str, int] = MappingProxyType(LEARNED)

    def __str__(self) -> str:
        return f"{self.set_up.name}, front {self.glass_db:g} dB"


class Drawn(NamedTuple):
    """A set-up that tables are fitted for, in the shops in which they are to hold."""

    name: str
    shops: tuple[Learned, ...]
    tail: float
    """T: how far into the tail the worst outsiders are looked for, in log odds."""
    rounds: int
    seeds: tuple[int, ...] = (1, 2)
    """Of the fits that are averaged: what one of them learns by heart counts half."""
    unasked: tuple[str, ...] = ()


FITTED: Final = {
    each.name: each
    for each in (
        Drawn(
            "PAIR",
            (
                Learned(a.PAIR_10),
                Learned(a.PAIR_6, people=FEWER),
                Learned(a.PAIR_10, OPEN_FRONT_DB, FEWER),
            ),
            tail=1.0,
            rounds=500,
        ),
        Drawn(
            "PAIR_AND_INSIDE",
            (
                Learned(a.PAIR_10_GATEWAY),
                Learned(a.PAIR_6_GATEWAY),
                Learned(a.PAIR_10_GATEWAY, OPEN_FRONT_DB, FEWER),
            ),
            tail=1.0,
            rounds=500,
        ),
        Drawn(
            "INSIDE_AND_DOOR",
            (Learned(a.AS_SHIPPED), Learned(a.AS_SHIPPED, OPEN_FRONT_DB, FEWER)),
            tail=0.7,
            rounds=300,
            seeds=(1,),
            unasked=("turn",),
        ),
    )
}
"""Of open fronts too: rules that know glass alone let in who passes in a hall
(docs/entry.md#on-recorded-walks).
"""


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
    sides, tables = next(each for each in SETS if each[0].keys() <= set(set_up.places.values()))
    asked: list[float] = []
    table: Any = _Asked(asked)
    deep = None if tables.deep is None else DeepTables(table, table, table)
    recording = DoorTables(**dict.fromkeys(NAMES, table), deep=deep)
    ears = [
        DoorEar(sides[antenna.place], 1 << number) for number, antenna in enumerate(set_up.antennas)
    ]
    rule = SidedRule(DoorNumbers(offset_db, NEAR_DBM, inf), recording, sum(ear.bit for ear in ears))
    score, at, rows = DoorScore(), [], []
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


def lessons(
    world: World, people: Mapping[str, int], offset_db: float, seed: int, workers: int
) -> Lessons:
    shares = {**shop.OUTSIDERS, **shop.INSIDERS}
    parts = 4
    orders = [
        (kind, count // parts, world, offset_db, seed + 100 * number + part)
        for number, (kind, count) in enumerate(people.items())
        for part in range(parts)
    ]
    with get_context("fork").Pool(workers) as pool:
        drawn = [
            (at, signs, is_entry, 1000 * shares[order[0]] / (parts * order[1]))
            for order, found in zip(orders, pool.imap(_of_kind, orders), strict=True)
            for at, signs, is_entry in found
        ]
    length = np.array([len(at) for at, _, _, _ in drawn])
    return Lessons(
        np.concatenate([signs for _, signs, _, _ in drawn]),
        np.cumsum(length) - length,
        np.concatenate([at for at, _, _, _ in drawn]),
        np.array([weight for _, _, _, weight in drawn]),
        np.array([is_entry for _, _, is_entry, _ in drawn]),
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


def stumps(worlds: Sequence[Lessons], tail: float, rounds: int, seed: int) -> Any:
    import lightgbm  # noqa: PLC0415  # of the group `bench`, and not needed but here

    signs = np.concatenate([world.signs for world in worlds])
    data = lightgbm.Dataset(signs, np.zeros(len(signs)), free_raw_data=True)
    loss = _Loss(worlds, tail)
    return lightgbm.train(
        {
            **PARAMETERS,
            "seed": seed,
            "objective": loss,
            "monotone_constraints": [1] * signs.shape[1],
        },
        data,
        num_boost_round=rounds,
    )


def fit(worlds: Sequence[Lessons], tail: float, rounds: int, seed: int) -> Any:
    """A first, quick fit says which packets of the outsiders are suspicious; the second learns from
    these.
    """
    rng = np.random.default_rng(SEED)
    first = stumps([kept(w, rng.random(len(w.at_s))) for w in worlds], tail, rounds // 6, seed)
    hard = [kept(w, first.predict(w.signs, num_threads=1)) for w in worlds]
    return stumps(hard, tail, rounds, seed)


class Fitted(NamedTuple):
    """A table: its lowest quantity, the step between its values, and these."""

    low: int
    step: int
    values: tuple[float, ...]


def tables(boosters: Sequence[Any], names: Sequence[str]) -> dict[str, Fitted]:
    """The stumps of each sign, added up, smoothed over a step, and the mean over the fits. A sign
    that no stump asks has a table of one value, 0.
    """
    found: dict[int, list[tuple[float, float]]] = {}
    for tree in (each for booster in boosters for each in booster.dump_model()["tree_info"]):
        root = tree["tree_structure"]
        if "split_feature" in root:
            by = root["right_child"]["leaf_value"] - root["left_child"]["leaf_value"]
            split = root["threshold"], by / len(boosters)
            found.setdefault(int(root["split_feature"]), []).append(split)
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
    yield f"{name}: Final = DoorTables("
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


def fitted_source(drawn: Drawn, radio: Radio, workers: int) -> Iterator[str]:
    places = set(drawn.shops[0].set_up.places.values())
    offset_db = next(tables for sides, tables in SETS if sides.keys() <= places).offset_db
    worlds = []
    for each in drawn.shops:
        world = World(radio, each.set_up, each.glass_db, watched_s=WATCHED_S)
        worlds.append(lessons(world, each.people, offset_db, SEED, workers))
        print(f"{each}: {len(worlds[-1].at_s)} packets", file=sys.stderr, flush=True)
        for sign in drawn.unasked:
            worlds[-1].signs[:, NAMES.index(sign)] = 0
    signs = [*NAMES, *(f"deep.{sign}" for sign in DeepTables._fields)]
    boosters = [fit(worlds, drawn.tail, drawn.rounds, seed) for seed in drawn.seeds]
    fitted = tables(boosters, signs[: worlds[0].signs.shape[1]])
    yield from source(drawn.name, fitted, offset_db)


def main() -> int:
    parser = Parser(
        prog="python -m scripts.entrybench.fitter",
        description="Fit the tables of the door's score.",
    )
    names = ", ".join(FITTED)
    parser.add_argument("set_ups", nargs="*", metavar="SET-UP", help=f"of {names}; default: all")
    parser.add_argument("--workers", type=int, default=2, metavar="N")
    options = parser.parse_args()
    if unknown := set(options.set_ups) - set(FITTED):
        parser.error(f"no set-up {', '.join(sorted(unknown))}: there are {names}")
    radio, began_s = bodies.fit().radio, time.monotonic()
    for name in options.set_ups or FITTED:
        print("\n".join(fitted_source(FITTED[name], radio, options.workers)), flush=True)
    print(f"{time.monotonic() - began_s:.0f} s", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
