"""Runs rules over many people at once, and counts: false enters, missed entries, how soon.

A rule with one threshold is run once for *all* its thresholds: where a score reaches a threshold
first, it is the highest so far, and only those moments are kept.

Every share has its exact 95 % interval (Clopper and Pearson, Biometrika 26 (1934) 404), every
median and p90 that of its order statistics.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, isfinite, lgamma, log
from typing import Final, NamedTuple

import numpy as np

from scripts.entrybench.crowd import Crowd, Score
from scripts.entrybench.radio import Floats

PASSER: Final = "passer"
EARLY_S: Final = -1.0
"""A second before the line is no error that anyone sees."""
SOON_S: Final = 8.0
CONFIDENCE: Final = 0.95

Records = list[tuple[float, float]]
"""Time after the line and score, wherever the score is the highest so far."""


class Interval(NamedTuple):
    low: float
    high: float


@dataclass(slots=True)
class Outcomes:
    """What became of many people under many rules."""

    kinds: list[str] = field(default_factory=list)
    """Of those who stayed outside."""
    highest: dict[str, list[float]] = field(default_factory=dict)
    """By rule: the highest score of each of them."""
    entries: dict[str, list[Records]] = field(default_factory=dict)
    """By rule: of those who came in."""

    def add(self, other: "Outcomes") -> None:
        self.kinds += other.kinds
        for rule, scores in other.highest.items():
            self.highest.setdefault(rule, []).extend(scores)
        for rule, found in other.entries.items():
            self.entries.setdefault(rule, []).extend(found)

    def threshold_for(self, rule: str, most_per_1000: float, kind: str | None = None) -> float:
        """The lowest threshold with at most so many false enters among all, or those of a kind."""
        scores = np.sort(self._of(rule, kind))[::-1]
        allowed = int(most_per_1000 * len(scores) / 1000)
        return float(np.nextafter(scores[allowed], inf)) if allowed < len(scores) else -inf

    def false_enters(self, rule: str, threshold: float, kind: str | None = None) -> tuple[int, int]:
        """How many were let in, of how many."""
        scores = self._of(rule, kind)
        return int(np.sum(scores >= threshold)), len(scores)

    def false_by_kind(self, rule: str, threshold: float) -> dict[str, tuple[int, int]]:
        return {kind: self.false_enters(rule, threshold, kind) for kind in sorted(set(self.kinds))}

    def delays_s(self, rule: str, threshold: float) -> Floats:
        """From the crossing to the enter, inf where missed."""
        return np.array([first_s(found, threshold) for found in self.entries[rule]])

    def _of(self, rule: str, kind: str | None) -> Floats:
        scores = np.array(self.highest[rule])
        return scores if kind is None else scores[np.array(self.kinds) == kind]


def judge(crowds: Iterable[Crowd], rules: Mapping[str, Score]) -> Outcomes:
    outcomes = Outcomes()
    for crowd in crowds:
        outcomes.kinds += [str(kind) for kind in crowd.kinds[~crowd.is_entry]]
        for rule, score in rules.items():
            _add(outcomes, rule, crowd, score(crowd))
    return outcomes


def _add(outcomes: Outcomes, rule: str, crowd: Crowd, scores: Floats) -> None:
    highest = outcomes.highest.setdefault(rule, [])
    entries = outcomes.entries.setdefault(rule, [])
    for i, (start, length) in enumerate(zip(crowd.start, crowd.length, strict=True)):
        of_person = scores[start : start + length]
        if not crowd.is_entry[i]:
            highest.append(float(of_person.max(initial=-inf)))
            continue
        at = crowd.at_s[start : start + length]
        there = at < crowd.left_s[i]
        entries.append(records(at[there] - crowd.entered_s[i], of_person[there]))


def records(at_s: Floats, scores: Floats) -> Records:
    """Where the score is higher than ever before: a threshold is passed first at one of these."""
    before = np.concatenate([[-inf], np.maximum.accumulate(scores)[:-1]])
    higher = scores > before if len(scores) else np.zeros(0, bool)
    return list(zip(at_s[higher].tolist(), scores[higher].tolist(), strict=True))


def first_s(found: Sequence[tuple[float, float]], threshold: float) -> float:
    """When the score first reached the threshold; inf if never."""
    i = bisect_left([score for _, score in found], threshold)
    return found[i][0] if i < len(found) else inf


@dataclass(frozen=True, slots=True)
class Tally:
    """One rule at one threshold: a row of a table."""

    threshold: float
    false: int
    outsiders: int
    false_passers: int
    passers: int
    found: int
    entries: int
    median_s: float
    median_within_s: Interval
    p90_s: float
    p90_within_s: Interval
    soon: float
    """Share found within SOON_S of the line."""
    early: float
    """Share told more than a second before the line."""

    @property
    def false_per_1000(self) -> float:
        return 1000 * self.false / self.outsiders

    @property
    def false_within(self) -> Interval:
        low, high = clopper_pearson(self.false, self.outsiders)
        return Interval(1000 * low, 1000 * high)

    @property
    def passers_per_1000(self) -> float:
        return 1000 * self.false_passers / max(self.passers, 1)

    @property
    def passers_within(self) -> Interval:
        low, high = clopper_pearson(self.false_passers, max(self.passers, 1))
        return Interval(1000 * low, 1000 * high)

    @property
    def found_percent(self) -> float:
        return 100 * self.found / self.entries

    @property
    def found_within(self) -> Interval:
        low, high = clopper_pearson(self.found, self.entries)
        return Interval(100 * low, 100 * high)


def tally(outcomes: Outcomes, rule: str, threshold: float) -> Tally:
    delays = outcomes.delays_s(rule, threshold)
    false, outsiders = outcomes.false_enters(rule, threshold)
    false_passers, passers = outcomes.false_enters(rule, threshold, PASSER)
    return Tally(
        threshold,
        false,
        outsiders,
        false_passers,
        passers,
        int(np.sum(np.isfinite(delays))),
        len(delays),
        quantile(delays, 0.5),
        quantile_within(delays, 0.5),
        quantile(delays, 0.9),
        quantile_within(delays, 0.9),
        float(np.mean(delays <= SOON_S)),
        float(np.mean(delays < EARLY_S)),
    )


def quantile(delays_s: Floats, share: float) -> float:
    """Of all entries, those missed at the end: a rule that misses half of them has no median."""
    return float(np.sort(delays_s)[min(int(len(delays_s) * share), len(delays_s) - 1)])


def quantile_within(delays_s: Floats, share: float) -> Interval:
    """Of its order statistics, by the normal approximation to their ranks."""
    ordered, count = np.sort(delays_s), len(delays_s)
    reach = 1.96 * (count * share * (1 - share)) ** 0.5
    low, high = int(count * share - reach), int(np.ceil(count * share + reach))
    return Interval(float(ordered[max(low, 0)]), float(ordered[min(high, count - 1)]))


def clopper_pearson(hits: int, count: int, confidence: float = CONFIDENCE) -> Interval:
    """The exact interval of a share."""
    tail = (1 - confidence) / 2
    low = 0.0 if hits == 0 else _share_where(lambda p: 1 - _at_most(hits - 1, count, p), tail)
    high = (
        1.0
        if hits == count
        else 1 - _share_where(lambda q: 1 - _at_most(count - hits - 1, count, q), tail)
    )
    return Interval(low, high)


def _share_where(rising: Callable[[float], float], value: float) -> float:
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < value else (low, middle)
    return (low + high) / 2


def _at_most(most: int, count: int, share: float) -> float:
    """P(X ≤ most) of a binomial."""
    if share <= 0 or most >= count:
        return 1.0
    if share >= 1:
        return 0.0
    k = np.arange(most + 1)
    ways = lgamma(count + 1) - np.array([lgamma(i + 1) + lgamma(count - i + 1) for i in k])
    return float(np.sum(np.exp(ways + k * log(share) + (count - k) * log(1 - share))))


def curve(outcomes: Outcomes, rule: str, points: int = 60) -> list[Tally]:
    """From the strictest threshold to the loosest, even in the logarithm of the false enters."""
    scores = np.sort(np.array(outcomes.highest[rule]))[::-1]
    ranks = np.unique(np.geomspace(1, len(scores), points).astype(int)) - 1
    thresholds = sorted({float(t) for t in scores[ranks] if isfinite(t)}, reverse=True)
    return [tally(outcomes, rule, t) for t in thresholds]


def false_at(outcomes: Outcomes, rule: str, median_s: float) -> float:
    """The fewest false enters per 1,000 with which this rule is as quick; inf where it never is."""
    quick = [t.false_per_1000 for t in curve(outcomes, rule, 200) if t.median_s <= median_s]
    return min(quick, default=inf)
