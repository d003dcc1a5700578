"""Calibration: which threshold fits this door, from a few walks, and how sure that is.

    walks ─► critical threshold of each ─► margin to a threshold ─► error rates, limits ─► the best

The *critical threshold* of a walk is the highest one at which the rule of
`presence.core.visit.visits`, run over what was recorded, finds an entry in it. Above it a walk-past
is passed over and an entry is missed. The distance between a threshold and it is the walk's
*margin*, in dB: negative where the rule was wrong about this walk. Which number of a rule is that
threshold, its *dial*, a `Candidate` says.

How sure? A handful of walks shows little, and three different answers are given and not mixed:

1. *Counted*: wrong walks of all, with the exact upper limit (Clopper and Pearson, 1934). None wrong
   of 6 still allows 39 %.
2. *This phone*: margins vary like a normal distribution, so how far they lie from zero tells more
   than that none crossed it. The spread is pooled over kinds of walk, and with few walks leans on a
   prior. The limit is the usual one for a proportion under a normal curve: var(z) ≈ 1/n + z²/2f
   (Hahn and Meeker, Statistical Intervals, §4.5).
3. *Any phone*: the same with the spread between phones on top, which one test phone cannot show.

All limits are one-sided, 95 %; but those of `counted_between` are to both sides.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import comb, inf, sqrt
from statistics import NormalDist, fmean, median
from typing import Final

from presence.core.place import Place
from presence.core.timestamps import Moment
from presence.core.visit.evidence import EntryRule, SmoothedStrength
from presence.core.visit.visits import Entered, Sighting, Visits
from presence.core.visit.walks import STAYED_OUT, Trial, Walked, WalkReading

LIMIT: Final = 0.95
SURE: Final = 0.995
"""The limit of a look before the last walk: stricter, for each look may err."""
STEP_DB: Final = 0.5
LOWEST_DBM: Final = -110.0
HIGHEST_DBM: Final = -20.0
MAX_MARGIN_DB: Final = 15.0
"""A walk that was not heard at all is no more certain than one that kept so far away from the
threshold.
"""
PRIOR_SPREAD_DB: Final = 3.0
PRIOR_WEIGHT: Final = 4
"""What one phone's walks vary by, before any was walked: counts as so many walks."""
PHONES_SPREAD_DB: Final = 4.5
"""Standard deviation of the mean strength between pairs of phones on bodies at 1–4 m: 4.1–4.5 dB
over 194 pairs of the recordings DP-3T/bt-measurements exp34 (queue and lunch).
"""
COST_OF_FALSE: Final = 5.0
"""More people pass a door than come in, and a greeting in the street is worse than none in the
shop.
"""
SLOWER_BY_S: Final = 1.0
CHEAPER_BY: Final = 0.01
"""A candidate must cost so much less before somebody has to wait a second longer for it."""
MIN_GAP_DB: Final = 5.0
MAX_GAP_DB: Final = 15.0

_NORMAL: Final = NormalDist()
_NOBODY: Final = b"a walk"


@dataclass(frozen=True, slots=True)
class Rate:
    """How often the rule is wrong about one kind of walk. Shares from 0 to 1."""

    wrong: int
    walks: int
    counted_at_most: float
    expected: float
    at_most: float
    any_phone: float
    surely_at_most: float = 1.0
    """The same at SURE."""


@dataclass(frozen=True, slots=True)
class Assessment:
    """What a rule would do at this door."""

    dial_db: float
    rates: dict[Walked, Rate]
    found_after_s: tuple[float, ...]
    """Of each walk in that was found: seconds from its beginning to the entry, ascending."""

    @property
    def cost(self) -> float:
        """Mean share of false entries, dear, and of missed ones. Kinds that nobody walked count
        nothing.
        """
        false = [self.rates[kind].expected for kind in STAYED_OUT if kind in self.rates]
        missed = self.rates[Walked.IN].expected if Walked.IN in self.rates else 0.0
        return (COST_OF_FALSE * fmean(false) if false else 0.0) + missed

    @property
    def median_s(self) -> float:
        return median(self.found_after_s) if self.found_after_s else inf


def entered_after_s(rule: EntryRule, trial: Trial) -> float | None:
    """Seconds from the beginning of the walk to the entry that the rule finds in it, or None."""
    heard = {(each.antenna, each.place) for each in trial.readings} | set(trial.places.items())
    visits = Visits(rule, places={_name(*each): each[1] for each in heard})
    for at_s, rssi_dbm, place, antenna in trial.readings:
        sighting = Sighting(Moment(at_s, at_s), _NOBODY, rssi_dbm, _name(antenna, place))
        if any(isinstance(event, Entered) for event in visits.observe(sighting)):
            return at_s - trial.began_s
    return None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A rule but for one number of it, in dB, of which a higher one finds fewer: its *dial*."""

    finds: Callable[[float, Trial], float | None]
    """With the dial at so many dB: seconds from the beginning of a walk to the entry that the rule
    finds in it.
    """
    low_db: float = LOWEST_DBM
    high_db: float = HIGHEST_DBM
    phones_spread_db: float = PHONES_SPREAD_DB
    """What phones differ by on this dial."""


def candidate_of(rule_at: Callable[[float], EntryRule]) -> Candidate:
    """The rule of presence.core.visit.visits; its dial is `enter_rssi_dbm`."""
    return Candidate(lambda dial_db, trial: entered_after_s(rule_at(dial_db), trial))


def critical_db(candidate: Candidate, trial: Trial) -> float:
    """The highest dial, on a grid of 0.5 dB, that finds an entry; the lowest where none does."""
    low, high = 0, round((candidate.high_db - candidate.low_db) / STEP_DB)
    while low < high:
        middle = (low + high + 1) // 2
        if candidate.finds(candidate.low_db + middle * STEP_DB, trial) is None:
            high = middle - 1
        else:
            low = middle
    return candidate.low_db + low * STEP_DB


def assess(candidate: Candidate, dial_db: float, trials: Sequence[Trial]) -> Assessment:
    """What this rule would do, in numbers."""
    criticals = [critical_db(candidate, trial) for trial in trials]
    return _assess(candidate, dial_db, trials, criticals)


def suggest(
    candidates: Iterable[Candidate], trials: Sequence[Trial], *, least_db: float = -inf
) -> tuple[Candidate, Assessment]:
    """The best candidate with its best dial; needs a candidate, and walks outside and in.

    Of candidates that cost about the same, the quickest. No dial below `least_db`, a whole
    number, is taken.
    """
    best: tuple[Candidate, Assessment] | None = None
    for candidate in candidates:
        criticals = [critical_db(candidate, trial) for trial in trials]
        low, high = max(least_db, min(criticals)), max(least_db, *criticals)
        grid = [low + n for n in range(int(max(1.0, high - low)) + 1)]
        assessed = [_assess(candidate, float(round(db)), trials, criticals) for db in grid]
        chosen = min(assessed, key=lambda one: one.cost)
        if best is None or is_better(chosen, best[1]):
            best = candidate, chosen
    if best is None:
        raise ValueError("no candidate to choose from")
    return best


def is_better(one: Assessment, other: Assessment) -> bool:
    """Cheaper by enough, or as cheap and quicker."""
    if one.cost < other.cost - CHEAPER_BY:
        return True
    return one.cost < other.cost + CHEAPER_BY and one.median_s < other.median_s - SLOWER_BY_S


def suggest_exit(
    enter_dbm: float,
    stays: Iterable[Sequence[WalkReading]],
    window_s: float,
    within: Place = Place.INSIDE,
) -> float:
    """`exit_rssi_dbm`: below nearly all that was smoothed inside, 5–15 dB below the entry."""
    strengths = sorted(dbm for stay in stays for dbm in smoothed_over(stay, window_s, within))
    weakest = strengths[len(strengths) // 100] - 1 if strengths else enter_dbm
    return float(round(min(enter_dbm - MIN_GAP_DB, max(enter_dbm - MAX_GAP_DB, weakest))))


def smoothed_over(
    readings: Sequence[WalkReading], window_s: float, within: Place = Place.INSIDE
) -> list[float]:
    """The strength that the rule compares with `exit_rssi_dbm` at each reading of the innermost
    antenna, from the third on.
    """
    strengths: list[float] = []
    level = SmoothedStrength()
    for at_s, rssi_dbm, place, _ in readings:
        if place is not within:
            continue
        if at_s - level.at_s > window_s:
            level = SmoothedStrength()
        level.hear(rssi_dbm, at_s)
        strengths.append(level.level_dbm)
    return strengths[2:]


def counted_between(wrong: int, walks: int) -> tuple[float, float]:
    """The exact limits of the true share to both sides, which hold together at LIMIT."""
    one_side = (1 + LIMIT) / 2
    below = 1 - counted_at_most(walks - wrong, walks, limit=one_side)
    return below, counted_at_most(wrong, walks, limit=one_side)


def counted_at_most(wrong: int, walks: int, *, limit: float = LIMIT) -> float:
    """The exact upper limit of the true share, where `wrong` of `walks` were."""
    if wrong >= walks:
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(40):
        share = (low + high) / 2
        so_few = sum(
            comb(walks, n) * share**n * (1 - share) ** (walks - n) for n in range(wrong + 1)
        )
        low, high = (share, high) if so_few > 1 - limit else (low, share)
    return high


def _name(antenna: str, place: Place) -> str:
    """One antenna may have hung in two places, as long as it is not the same walk."""
    return f"{place}/{antenna}"


def _assess(
    candidate: Candidate, dial_db: float, trials: Sequence[Trial], criticals: Sequence[float]
) -> Assessment:
    margins: dict[Walked, list[float]] = {}
    for trial, critical in zip(trials, criticals, strict=True):
        margin = critical - dial_db if trial.kind is Walked.IN else dial_db - critical - STEP_DB
        margins.setdefault(trial.kind, []).append(max(-MAX_MARGIN_DB, min(MAX_MARGIN_DB, margin)))
    spread, freedom = pooled_spread(margins.values())
    rates = {
        kind: _rate(margins[kind], spread, freedom, candidate.phones_spread_db)
        for kind in Walked
        if kind in margins
    }
    after = (candidate.finds(dial_db, trial) for trial in trials if trial.kind is Walked.IN)
    return Assessment(
        dial_db, rates, tuple(sorted(seconds for seconds in after if seconds is not None))
    )


def pooled_spread(groups: Iterable[Sequence[float]]) -> tuple[float, int]:
    """The standard deviation within the kinds of walk together with the prior, and its degrees of
    freedom.
    """
    squares, freedom = PRIOR_WEIGHT * PRIOR_SPREAD_DB**2, PRIOR_WEIGHT
    for group in groups:
        mean = fmean(group)
        squares += sum((margin - mean) ** 2 for margin in group)
        freedom += len(group) - 1
    return sqrt(squares / freedom), freedom


def _rate(margins: Sequence[float], spread: float, freedom: int, phones_spread_db: float) -> Rate:
    n, mean = len(margins), fmean(margins)
    wrong = sum(margin < 0 for margin in margins)
    z = mean / spread
    error = sqrt(1 / n + z * z / (2 * freedom))
    return Rate(
        wrong=wrong,
        walks=n,
        counted_at_most=counted_at_most(wrong, n),
        expected=_NORMAL.cdf(-mean / (spread * sqrt(1 + 1 / n))),
        at_most=_NORMAL.cdf(_NORMAL.inv_cdf(LIMIT) * error - z),
        surely_at_most=_NORMAL.cdf(_NORMAL.inv_cdf(SURE) * error - z),
        any_phone=_NORMAL.cdf(-mean / sqrt(spread**2 * (1 + 1 / n) + phones_spread_db**2)),
    )
