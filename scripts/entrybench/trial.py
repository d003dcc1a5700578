"""Runs every rule over many people at once, and counts: false enters, missed entries, how soon,
flaps.

A rule with one threshold is run once for *all* its thresholds: whoever's score reaches a threshold
first does so where the score is the highest so far, and only those moments are kept
(`rules.records`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import inf
from multiprocessing import get_context
from typing import Final

import numpy as np

from scripts.entrybench import rules, shop
from scripts.entrybench.episodes import Episode
from scripts.entrybench.radio import Floats, Radio
from scripts.entrybench.rules import Heard
from scripts.entrybench.shop import Antennas

CHUNK: Final = 500
NEVER_DB_S: Final = 1e9
BUBBLES_FLOORS_DBM: Final = tuple(float(x) for x in range(-100, -66, 2))


@dataclass(frozen=True, slots=True)
class OurRule:
    """The entry settings that the bench turns; the rest as `EntrySettings` has it."""

    enter_rssi_dbm: float
    evidence_db_s: float
    with_door: bool = False
    """Whether the second adapter is there; not a setting of section `entry` but of `radio`."""
    exit_rssi_dbm: float = -95.0
    window_s: float = 15.0
    min_sightings: int = 4
    min_duration_s: float = 2.0
    absence_s: float = 300.0
    reentry_cooldown_s: float = 900.0


Records = list[tuple[float, float]]
Scorer = Callable[[Heard], Records]


@dataclass(frozen=True, slots=True)
class Tried:
    """What of ours is tried beside the others: levels, each for all evidence at once, and whole
    rules.
    """

    enter_one_dbm: tuple[float, ...]
    enter_two_dbm: tuple[float, ...]
    machines: Mapping[str, OurRule] = field(default_factory=dict)
    others: tuple[str, ...] = (
        "first packet",
        "8 in a row",
        "ESPresense",
        "Kalman",
        "Kalman, nearest of 2",
    )


def scorers(tried: Tried) -> dict[str, Scorer]:
    """Every rule with a threshold, by name; ours once for each `enter_rssi_dbm`, with one adapter
    and with two.

    `Tried.machines` are ours with all their settings: their score is 1 as soon as they say
    `Entered`.
    """
    others: dict[str, Scorer] = {
        "first packet": partial(_of_levels, rules.raw),
        "8 in a row": _of_bubbles,
        "ESPresense": partial(_of_levels, rules.tukey_mean),
        "Kalman": partial(_of_levels, rules.kalman),
        "Kalman, nearest of 2": _of_nearest,
    }
    found = {name: others[name] for name in tried.others}
    for level in tried.enter_one_dbm:
        found[ours_name(level, 1)] = partial(_of_ours, OurRule(level, NEVER_DB_S))
    for level in tried.enter_two_dbm:
        found[ours_name(level, 2)] = partial(_of_ours, OurRule(level, NEVER_DB_S, with_door=True))
    for name, rule in tried.machines.items():
        found[name] = partial(_of_machine, rule)
    return found


def ours_name(enter_dbm: float, adapters: int) -> str:
    return f"ours, {adapters} adapter{'s' * (adapters > 1)}, {enter_dbm:g} dBm"


def _of_levels(
    smooth: Callable[[Sequence[float], Sequence[float]], list[float]], heard: Heard
) -> Records:
    inside = heard.inside()
    return rules.records(zip(inside.at_s, smooth(inside.at_s, inside.rssi_dbm), strict=True))


def _of_nearest(heard: Heard) -> Records:
    return rules.records(zip(*rules.nearest_of_two(heard), strict=True))


def _of_bubbles(heard: Heard) -> Records:
    inside, found = heard.inside(), []
    for floor in BUBBLES_FLOORS_DBM:
        intervals = rules.happy_bubbles(inside, floor)
        if not intervals:
            break  # what a lower floor did not let in, a higher does not
        found.append((intervals[0][0], floor))
    return found


def _of_ours(rule: OurRule, heard: Heard) -> Records:
    return rules.records(rules.evidence(heard, rule, with_door=rule.with_door))


def _of_machine(rule: OurRule, heard: Heard) -> Records:
    return [(since_s, 1.0) for since_s, _ in rules.ours(heard, rule, with_door=rule.with_door)[:1]]


@dataclass(slots=True)
class Outcomes:
    """What became of many episodes under many rules."""

    kinds: list[str] = field(default_factory=list)
    highest: dict[str, list[float]] = field(default_factory=dict)
    """Of those who stayed outside: the highest score of each."""
    entries: dict[str, list[Records]] = field(default_factory=dict)
    """Of those who entered: records, their times from the crossing on."""
    entry_kinds: list[str] = field(default_factory=list)

    def add(self, other: "Outcomes") -> None:
        self.kinds += other.kinds
        self.entry_kinds += other.entry_kinds
        for name, scores in other.highest.items():
            self.highest.setdefault(name, []).extend(scores)
        for name, found in other.entries.items():
            self.entries.setdefault(name, []).extend(found)

    @property
    def names(self) -> list[str]:
        return list(self.highest or self.entries)

    def false_per_1000(self, name: str, threshold: float) -> float:
        scores = np.array(self.highest[name])
        return float(1000 * np.mean(scores >= threshold)) if len(scores) else 0.0

    def false_by_kind(self, name: str, threshold: float) -> dict[str, tuple[int, int]]:
        """For each kind of outsider: how many were let in, of how many."""
        wrong = np.array(self.highest[name]) >= threshold
        kinds = np.array(self.kinds)
        return {
            str(kind): (int(wrong[kinds == kind].sum()), int((kinds == kind).sum()))
            for kind in np.unique(kinds)
        }

    def delays_s(self, name: str, threshold: float) -> Floats:
        """From the crossing to the enter, inf where missed."""
        return np.array([rules.first_s(found, threshold) for found in self.entries[name]])

    def threshold_for(self, name: str, most_per_1000: float) -> float:
        """The lowest threshold with at most so many false enters."""
        scores = np.sort(np.array(self.highest[name]))[::-1]
        allowed = int(most_per_1000 * len(scores) / 1000)
        return float(np.nextafter(scores[allowed], inf)) if allowed < len(scores) else -inf


@dataclass(frozen=True, slots=True)
class Score:
    """One row of the table."""

    false_per_1000: float
    found: float
    median_s: float
    p90_s: float
    early: float
    """Share of the entries that were told before the line was crossed."""

    @property
    def missed_percent(self) -> float:
        return 100 * (1 - self.found)


def score(outcomes: Outcomes, name: str, threshold: float) -> Score:
    delays = outcomes.delays_s(name, threshold)
    return Score(
        outcomes.false_per_1000(name, threshold),
        float(np.mean(np.isfinite(delays))),
        percentile(delays, 50),
        percentile(delays, 90),
        float(np.mean(delays < 0)),
    )


def percentile(delays_s: Floats, percent: float) -> float:
    """Of all entries, those missed at the end: a rule that misses half of them has no median."""
    return float(np.sort(delays_s)[min(int(len(delays_s) * percent / 100), len(delays_s) - 1)])


def curve(outcomes: Outcomes, name: str, points: int = 60) -> list[tuple[float, Score]]:
    """Threshold and score from the strictest to the loosest, even in the logarithm of the false
    enters.
    """
    scores = np.sort(np.array(outcomes.highest[name]))[::-1]
    ranks = np.unique(np.geomspace(1, len(scores), points).astype(int)) - 1
    thresholds = sorted({float(t) for t in scores[ranks]}, reverse=True)
    return [(t, score(outcomes, name, t)) for t in thresholds if np.isfinite(t)]


def false_at(outcomes: Outcomes, name: str, median_s: float) -> float:
    """The fewest false enters per 1,000 with which this rule is as quick; inf where it never is."""
    quick = [s.false_per_1000 for _, s in curve(outcomes, name, 200) if s.median_s <= median_s]
    return min(quick, default=inf)


def judge(episodes: Sequence[Episode], scoring: dict[str, Scorer]) -> Outcomes:
    outcomes = Outcomes()
    for episode in episodes:
        entered_s, left_s = episode.entered_at_s, episode.left_at_s
        heard = Heard.of(episode, inf if left_s is None else left_s)
        (outcomes.kinds if entered_s is None else outcomes.entry_kinds).append(episode.kind)
        for name, records_of in scoring.items():
            found = records_of(heard)
            if entered_s is None:
                outcomes.highest.setdefault(name, []).append(found[-1][1] if found else -inf)
            else:
                since = [(at_s - entered_s, value) for at_s, value in found]
                outcomes.entries.setdefault(name, []).append(since)
    return outcomes


@dataclass(frozen=True, slots=True)
class Task:
    """A chunk of people and what to try on them; picklable, so that either core takes one."""

    shares: dict[str, float]
    count: int
    seed: int
    radio: Radio
    tried: Tried
    antennas: Antennas = shop.ADVISED


def run(tasks: Sequence[Task], workers: int) -> Outcomes:
    """All chunks, in their order whoever was first: the same seeds give the same figures on any
    machine.
    """
    total = Outcomes()
    with get_context("fork").Pool(workers) as pool:
        for outcomes in pool.imap(_one, tasks):
            total.add(outcomes)
    return total


def tasks(
    shares: dict[str, float],
    count: int,
    seed: int,
    radio: Radio,
    tried: Tried,
    *,
    antennas: Antennas = shop.ADVISED,
) -> list[Task]:
    """As many chunks as it takes; each has its own seed."""
    sizes = [CHUNK] * (count // CHUNK) + ([count % CHUNK] if count % CHUNK else [])
    return [
        Task(shares, size, seed * 100_000 + i, radio, tried, antennas)
        for i, size in enumerate(sizes)
    ]


def _one(task: Task) -> Outcomes:
    people = shop.episodes(task.shares, task.count, task.radio, task.seed, task.antennas)
    return judge(people, scorers(task.tried))


def flaps(episode: Episode, intervals: Sequence[rules.Interval]) -> int:
    """How often a rule lost a visitor who was inside, and found them again."""
    left_s = inf if episode.left_at_s is None else episode.left_at_s
    inside = [since for since, _ in intervals if since <= left_s]
    return max(len(inside) - 1, 0)
