"""The side of the door: what tells somebody who came in from one who looks in at the open door.

    lead = smoothed level of the inner antenna − smoothed level of the outer one
    side = median lead of who came in − median lead of who looks in, in dB

Two antennas at the door, back to back, hear the same phone, pocket and body over the same distance;
all of that falls out of the lead, and what remains is on which side of the front the phone is. So
this one number says what a door is worth, whatever rule decides in the end.

Rules that are easy to get wrong:

1. Silence is evidence. An antenna that hears nothing of a phone while another one does counts as at
   the floor of its hearing.
2. Of a walk in, the lead counts from ARRIVED_S on, and of a look in its last LOOKS_S: before, it is
   the walk to the door.
3. Walks count alike, however often a phone advertises: the median of each walk first.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import pi, sqrt
from statistics import NormalDist, median
from typing import Final, NamedTuple

from presence.core.place import Place
from presence.core.visit.antennas import tables_of
from presence.core.visit.calibration import LIMIT, SURE, pooled_spread
from presence.core.visit.door_score import FAST_S, DoorSide
from presence.core.visit.evidence import SMOOTHING_S, SmoothedStrength
from presence.core.visit.walks import Trial, Walked, WalkReading

FLOOR_DBM: Final = -97.0
"""Half of the packets this weak are lost: fitted to the recordings of phones on bodies, −97.1 dBm
(scripts/entrybench/bodies.py).
"""
SILENT_S: Final = 3.0
"""The slowest phones send once a second, and two packets of five are lost at the worst."""
ARRIVED_S: Final = 10.0
"""Eight seconds to the door, and one or two more."""
LOOKS_S: Final = 5.0
"""A look in is recorded for 15 s, eight of them on the way to the door."""
_NORMAL: Final = NormalDist()
_MEDIAN: Final = sqrt(pi / 2)
"""Standard error of the median of a normal sample, over that of its mean."""


class Pairing(NamedTuple):
    """Whose levels are compared."""

    inner: Place
    outer: Place


class Lead(NamedTuple):
    at_s: float
    lead_db: float


@dataclass(frozen=True, slots=True)
class Side:
    """What the walks at a door say of its two sides."""

    pairing: Pairing
    side_db: float
    uncertain_db: float
    """95 % sure that the true one is not lower than `side_db` by more than this."""
    lead_db: Mapping[Walked, float]
    """Median over the walks of each kind."""
    by_phone_db: Mapping[int, float]
    """The side by each phone alone."""
    offset_db: float
    """The lead that is neither in nor out: midway between looking in and being in."""
    near_dbm: float
    """The strongest moment at the door of who comes in: the median over the walks in."""

    @property
    def error_db(self) -> float:
        """The standard error of `side_db`."""
        return self.uncertain_db / _NORMAL.inv_cdf(LIMIT)

    @property
    def surely_at_least_db(self) -> float:
        """For looks before the last walk (SURE)."""
        return self.side_db - _NORMAL.inv_cdf(SURE) * self.error_db

    @property
    def surely_at_most_db(self) -> float:
        return self.side_db + _NORMAL.inv_cdf(SURE) * self.error_db


def pairing(places: Collection[Place]) -> Pairing | None:
    """Which of these places tell the side; None where there is only one."""
    found = tables_of(places)
    if found is None:
        return None
    place_of = {side: place for place, side in found[0].items()}
    return Pairing(place_of[DoorSide.INNER], place_of[DoorSide.OUTER])


class _Levels:
    """What each antenna hears of one phone, smoothed over so many seconds."""

    def __init__(self, over_s: float = SMOOTHING_S) -> None:
        self._over_s = over_s
        self._places: dict[tuple[Place, str], SmoothedStrength] = {}

    def hear(self, reading: WalkReading) -> float:
        key = (reading.place, reading.antenna)
        level = self._places.setdefault(key, SmoothedStrength())
        level.hear(reading.rssi_dbm, reading.at_s, self._over_s)
        return level.level_dbm

    def at(self, place: Place, now_s: float) -> float:
        """Of the antenna there that hears it loudest now (rule 1)."""
        return max(
            (
                level.level_dbm
                for (hung, _), level in self._places.items()
                if hung is place and now_s - level.at_s <= SILENT_S
            ),
            default=FLOOR_DBM,
        )


def leads(readings: Sequence[WalkReading], pair: Pairing) -> Iterator[Lead]:
    """The lead at each reading of one of the two places, from when both could have been heard."""
    levels, waiting, began_s = _Levels(), set(pair), None
    for reading in readings:
        levels.hear(reading)
        if reading.place not in pair:
            continue
        began_s = reading.at_s if began_s is None else began_s
        waiting.discard(reading.place)
        if not waiting or reading.at_s - began_s > SILENT_S:
            lead_db = levels.at(pair.inner, reading.at_s) - levels.at(pair.outer, reading.at_s)
            yield Lead(reading.at_s, lead_db)


def door_peak_dbm(readings: Sequence[WalkReading]) -> float | None:
    """The strongest moment at the door, or outside of it, over FAST_S as the score has it; None
    where no antenna there heard it.
    """
    levels = _Levels(FAST_S)
    at_door = [levels.hear(reading) for reading in readings if reading.place is not Place.INSIDE]
    return max(at_door, default=None)


def lead_of(trial: Trial, pair: Pairing) -> float | None:
    """The median of a walk (rule 2); None where it was not heard."""
    from_s = trial.began_s
    if trial.kind is Walked.IN:
        from_s += ARRIVED_S
    elif trial.kind is Walked.LOOKIN and trial.readings:
        from_s = max(from_s, trial.readings[-1].at_s - LOOKS_S)
    counted = [lead.lead_db for lead in leads(trial.readings, pair) if lead.at_s >= from_s]
    return median(counted) if counted else None


def measure_side(trials: Sequence[Trial], pair: Pairing) -> Side | None:
    """None without a walk in that was heard, also at the door, and a heard look in."""
    by_kind: dict[Walked, list[tuple[int, float]]] = {}
    for trial in trials:
        of_walk = lead_of(trial, pair)
        if of_walk is not None:
            by_kind.setdefault(trial.kind, []).append((trial.phone, of_walk))
    came_in, looked_in = by_kind.get(Walked.IN), by_kind.get(Walked.LOOKIN)
    peaks = [
        peak
        for trial in trials
        if trial.kind is Walked.IN and (peak := door_peak_dbm(trial.readings)) is not None
    ]
    if not came_in or not looked_in or not peaks:
        return None
    lead_db = {
        kind: median(lead for _, lead in by_kind[kind]) for kind in Walked if kind in by_kind
    }
    of_each = {
        phone: _median_of(came_in, phone) - _median_of(looked_in, phone)
        for phone in sorted({phone for phone, _ in came_in} & {phone for phone, _ in looked_in})
    }
    return Side(
        pairing=pair,
        side_db=lead_db[Walked.IN] - lead_db[Walked.LOOKIN],
        uncertain_db=uncertain_db(came_in, looked_in),
        lead_db=lead_db,
        by_phone_db=of_each,
        offset_db=(lead_db[Walked.IN] + lead_db[Walked.LOOKIN]) / 2,
        near_dbm=median(peaks),
    )


def _median_of(leads_db: Sequence[tuple[int, float]], phone: int) -> float:
    return median(lead for number, lead in leads_db if number == phone)


def uncertain_db(*kinds: Sequence[tuple[int, float]]) -> float:
    spread, _ = pooled_spread([lead for _, lead in leads_db] for leads_db in kinds)
    several = sqrt(sum(1 / len(leads_db) for leads_db in kinds))
    return _NORMAL.inv_cdf(LIMIT) * _MEDIAN * spread * several
