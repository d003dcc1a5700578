"""Fits a door: the few numbers that the rule of sides takes from the walks there.

    walks ─► side: the lead that is neither in nor out, the typical peak at the door
          ─► candidates: a threshold each; the dial is the lead ─► calibration ─► the best

The tables of the rule hold for all doors (`presence.core.visit.door_tables`). What a door sets of
it are three numbers:

1. `near_dbm` is measured and not chosen: by how much who came in here peaked above or below who
   comes in at the shops that the tables were fitted to. With a lower one they count people as near
   who are not.
2. `side_offset_db` is chosen: least mistakes on these walks. Never further than OFFSET_ROOM_DB
   below what is measured: by how much the middle between looking in and being in is another here.
3. The threshold is one of those that the caller allows.

The two bounds are there for the same reason. The tables were fitted to 1 false enter in 1,000; a
dozen walks past a door without a mistake still allow 22 in 100. So walks may make a rule stricter,
and must not buy speed with a rate that they cannot see.

Margins are those of `presence.core.visit.calibration`: counted, these phones, any phone. A phone's
loudness falls out of the lead, so what phones differ by is small on that dial; it does not fall out
of the peak, so for phones that were not carried `near_dbm` is a second dial.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import ceil, sqrt
from typing import Final

from presence.core.visit.calibration import (
    Assessment,
    Candidate,
    assess,
    entered_after_s,
    suggest,
)
from presence.core.visit.door_score import DoorNumbers
from presence.core.visit.door_tables import DoorTables
from presence.core.visit.evidence import EntryRule
from presence.core.visit.side import Pairing, Side, measure_side
from presence.core.visit.walks import Trial

LOWEST_LEAD_DB: Final = -40.0
HIGHEST_LEAD_DB: Final = 40.0
"""No lead is beyond: an antenna that is silent counts as at its floor."""
OFFSET_ROOM_DB: Final = 1.0
"""About what the middle of three rounds is uncertain by."""
LEADS_SPREAD_DB: Final = 1.5
"""What the lead of one pair differs by between phones: assumed, a third of what strength does
(PHONES_SPREAD_DB), for polarisation and pattern do not fall out. Two phones of a walk that differ
by more raise it.
"""

Finds = Callable[[DoorNumbers, Trial], float | None]
"""A rule: seconds from the beginning of a walk to the entry that it finds in it."""


def finds_with(rule_of: Callable[[DoorNumbers], EntryRule]) -> Finds:
    """Of the rule of presence.core.visit.visits, with a door's numbers."""
    return lambda numbers, trial: entered_after_s(rule_of(numbers), trial)


@dataclass(frozen=True, slots=True)
class FittedDoor:
    numbers: DoorNumbers
    side: Side
    assessment: Assessment
    """With the margins of these numbers."""


def of_walks(side: Side, tables: DoorTables, threshold: float) -> DoorNumbers:
    """What the walks show of this door, beside the shops that the tables were fitted to."""
    midway_db = min(tables.midway_db, tables.midway_per_db * max(side.side_db, 0.0))
    return DoorNumbers(
        round(side.offset_db - midway_db, 1),
        round(side.near_dbm - tables.peak_db, 1),
        threshold,
    )


def fit_door(
    trials: Sequence[Trial],
    pair: Pairing,
    finds: Finds,
    tables: DoorTables,
    thresholds: Sequence[float],
) -> FittedDoor | None:
    """The best of what was tried; None where the side cannot be measured. `thresholds`: the lowest
    first; of those that cost the same, the quickest is taken.
    """
    side = measure_side(trials, pair)
    if side is None:
        return None
    tried = {}
    for threshold in thresholds:
        numbers = of_walks(side, tables, threshold)
        tried[_of_lead(finds, numbers, side)] = numbers
    least_db = ceil(of_walks(side, tables, 0).side_offset_db - OFFSET_ROOM_DB)
    chosen, found = suggest(tried, trials, least_db=least_db)
    numbers = tried[chosen]._replace(side_offset_db=found.dial_db)
    return FittedDoor(numbers, side, _any_phone(found, finds, numbers, trials))


def assess_door(
    trials: Sequence[Trial], side: Side | None, finds: Finds, numbers: DoorNumbers
) -> Assessment:
    """What the rule would do with these numbers."""
    found = assess(_of_lead(finds, numbers, side), numbers.side_offset_db, trials)
    return _any_phone(found, finds, numbers, trials)


def _of_lead(finds: Finds, numbers: DoorNumbers, side: Side | None) -> Candidate:
    return Candidate(
        lambda db, trial: finds(numbers._replace(side_offset_db=db), trial),
        low_db=LOWEST_LEAD_DB,
        high_db=HIGHEST_LEAD_DB,
        phones_spread_db=LEADS_SPREAD_DB if side is None else leads_spread_db(side),
    )


def _any_phone(
    found: Assessment, finds: Finds, numbers: DoorNumbers, trials: Sequence[Trial]
) -> Assessment:
    """With what louder and weaker phones add: to the rule, they are those of a door with another
    near.
    """
    of_near = Candidate(lambda dbm, trial: finds(numbers._replace(near_dbm=dbm), trial))
    by_near = assess(of_near, numbers.near_dbm, trials).rates
    rates = {
        kind: replace(rate, any_phone=1 - (1 - rate.any_phone) * (1 - by_near[kind].any_phone))
        for kind, rate in found.rates.items()
    }
    return replace(found, rates=rates)


def leads_spread_db(side: Side) -> float:
    """Standard deviation of a phone's lead at this door, as far as it is known."""
    sides = list(side.by_phone_db.values())
    shown_db = abs(sides[0] - sides[1]) / sqrt(2) if len(sides) == 2 else 0.0
    return max(LEADS_SPREAD_DB, shown_db)
