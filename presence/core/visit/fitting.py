"""Fits a door: the few numbers that a rule which tells sides takes from the walks there.

    walks ─► side: the lead that is neither in nor out, how near is near
          ─► candidates: each near with each threshold; the dial is the lead ─► calibration ─► best

The tables of such a rule hold for all doors. What a door sets of it are these numbers, and margins
are those of `presence.core.visit.calibration`: counted, these phones, any phone. A phone's loudness
falls out of the lead, so what phones differ by is small on that dial; it does not fall out of the
door's peak, so a phone that was not carried may be missed for not being near enough.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist, fmean
from typing import Final, NamedTuple

from presence.core.visit.calibration import (
    PHONES_SPREAD_DB,
    Assessment,
    Candidate,
    entered_after_s,
    pooled_spread,
    suggest,
)
from presence.core.visit.evidence import EntryRule
from presence.core.visit.side import Pairing, Side, door_peak_dbm, measure_side
from presence.core.visit.walks import Trial, Walked

LOWEST_LEAD_DB: Final = -40.0
HIGHEST_LEAD_DB: Final = 40.0
"""No lead is beyond: an antenna that is silent counts as at its floor."""
LEADS_SPREAD_DB: Final = 1.5
"""What the lead of one pair differs by between phones: assumed, a third of what strength does
(PHONES_SPREAD_DB), for polarisation and pattern do not fall out. Two phones of a walk that differ
by more raise it.
"""
FAR_SHARE: Final = 0.05
"""Of phones that were not carried, one in twenty may not be near enough where the second `near` is
tried.
"""
_NORMAL: Final = NormalDist()


class DoorNumbers(NamedTuple):
    """What a door sets of a rule."""

    side_offset_db: float
    """The lead that is neither in nor out."""
    near_dbm: float
    """Who never was this loud at the door has not come through it."""
    threshold: float
    """Of the rule's score, in its own unit."""


Finds = Callable[[DoorNumbers, Trial], float | None]
"""A rule: seconds from the beginning of a walk to the entry that it finds in it."""


def finds_with(rule_of: Callable[[DoorNumbers], EntryRule]) -> Finds:
    """Of a rule of presence.core.visit.visits that takes a door's numbers."""
    return lambda numbers, trial: entered_after_s(rule_of(numbers), trial)


@dataclass(frozen=True, slots=True)
class FittedDoor:
    numbers: DoorNumbers
    side: Side
    assessment: Assessment
    """With the margins of these numbers."""


def fit_door(
    trials: Sequence[Trial], pair: Pairing, finds: Finds, thresholds: Sequence[float]
) -> FittedDoor | None:
    """The best of what was tried; None where the side cannot be measured."""
    side = measure_side(trials, pair)
    if side is None:
        return None
    tried = dict(_candidates(trials, side, finds, thresholds))
    chosen, assessment = suggest(tried, trials)
    numbers = tried[chosen]._replace(side_offset_db=assessment.dial_db)
    return FittedDoor(numbers, side, assessment)


def _candidates(
    trials: Sequence[Trial], side: Side, finds: Finds, thresholds: Sequence[float]
) -> Iterator[tuple[Candidate, DoorNumbers]]:
    """The least evidence first: of candidates that cost the same, the quickest is taken."""
    spread_db = leads_spread_db(side)
    for near_dbm, below in _nears(trials, side):
        for threshold in thresholds:
            numbers = DoorNumbers(side.offset_db, near_dbm, threshold)
            yield (
                Candidate(
                    _with_offset(finds, numbers),
                    low_db=LOWEST_LEAD_DB,
                    high_db=HIGHEST_LEAD_DB,
                    phones_spread_db=spread_db,
                    missed_anyway=below,
                ),
                numbers,
            )


def _with_offset(finds: Finds, numbers: DoorNumbers) -> Callable[[float, Trial], float | None]:
    return lambda offset_db, trial: finds(numbers._replace(side_offset_db=offset_db), trial)


def _nears(trials: Sequence[Trial], side: Side) -> Iterator[tuple[float, float]]:
    """Each with the share of phones that were not carried and stay below: that of these phones, and
    a lower one for the others' sake.
    """
    yield side.near_dbm, side.any_phone_below_near
    peaks = [
        peak
        for trial in trials
        if trial.kind is Walked.IN and (peak := door_peak_dbm(trial.readings)) is not None
    ]
    spread, _ = pooled_spread([peaks])
    varies_db = sqrt(spread**2 * (1 + 1 / len(peaks)) + PHONES_SPREAD_DB**2)
    lower_dbm = fmean(peaks) + _NORMAL.inv_cdf(FAR_SHARE) * varies_db
    if lower_dbm < side.near_dbm:
        yield lower_dbm, FAR_SHARE


def leads_spread_db(side: Side) -> float:
    """Standard deviation of a phone's lead at this door, as far as it is known."""
    sides = list(side.by_phone_db.values())
    shown_db = abs(sides[0] - sides[1]) / sqrt(2) if len(sides) == 2 else 0.0
    return max(LEADS_SPREAD_DB, shown_db)
