"""Everyone's rule, written from its published description; it says when an episode is a visit.

A rule of levels is a smoother (`raw`, `tukey_mean`, `kalman`: readings in, a level for each out)
and a gate (enter at or above one level, leave below another or after a silence). Distances are
turned into levels with the rule's own formula and the phone's calibrated level at one metre, which
is the best that an app can put on the air.

first packet, Home Assistant
    home-assistant/core, `private_ble_device/device_tracker.py`: home as soon as there is an
    advertisement; habluetooth `const.py`: away after 15 min unseen. Default: no threshold.
first packet, AltBeacon
    AltBeacon/android-beacon-library 42e672e, `RegionMonitoringState.markInside`,
    `DEFAULT_EXIT_PERIOD` 10 s. Default: no threshold.
8 in a row, Happy Bubbles
    happy-bubbles/presence d1af725, `main.go`: once a second the station with most of the last 30
    readings; a change when it was the same 8 times more. Default: `rssi_min_threshold` off.
ESPresense
    ESPresense/ESPresense a6f1105, `AdaptivePercentileRSSI.getMedianIQR` (15 s, Tukey fences),
    `shouldCount`, `defaults.h`. Default: enter ≤ 2 m, exit > 4 m, absorption 2.7, away after 10 s.
Kalman, room-assistant
    mKeRix/room-assistant ed9a860, `bluetooth-low-energy.config.ts` (0.008, 4), `tag.ts`, kalmanjs
    1.1.0. Default: no `maxDistance`; away after 60 s.
the same, two instances
    `room-presence-distance.sensor.ts`: the instance that is nearest. Default: no `maxDistance`.

The two of the first packet enter alike; the flaps in the table are AltBeacon's. Happy Bubbles
begins with 30 empty readings, which the station has to outvote first: that is its code, and is
kept.
"""

from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf, log10
from typing import Final

from presence.core.place import Place
from presence.core.timestamps import Moment
from presence.core.visit.evidence import EntryRule
from presence.core.visit.visits import Entered, Left, Sighting, Visits
from scripts.entrybench.episodes import Episode

Interval = tuple[float, float]
"""From when to when a rule said "inside"."""

NOBODY: Final = b"somebody"
DOOR: Final = "door"
TUKEY_WINDOW_S: Final = 15.0
ESPRESENSE_ABSORPTION: Final = 2.7
ESPRESENSE_ENTER_M: Final = 2.0
ESPRESENSE_EXIT_M: Final = 4.0
ESPRESENSE_AWAY_S: Final = 10.0
KALMAN_PROCESS: Final = 0.008
KALMAN_MEASUREMENT: Final = 4.0
ROOM_ASSISTANT_AWAY_S: Final = 60.0
ALTBEACON_AWAY_S: Final = 10.0
BUBBLES_IN_A_ROW: Final = 8
BUBBLES_READINGS: Final = 30
BUBBLES_SEEN_S: Final = 45.0
BUBBLES_LOOK_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Heard:
    """An episode as plain lists: rules are written for one reading after another."""

    at_s: list[float]
    rssi_dbm: list[int]
    at_door: list[bool]

    @classmethod
    def of(cls, episode: Episode, until_s: float = inf) -> "Heard":
        kept = episode.at_s <= until_s
        return cls(
            episode.at_s[kept].tolist(),
            episode.rssi_dbm[kept].astype(int).tolist(),
            episode.at_door[kept].tolist(),
        )

    def inside(self) -> "Heard":
        """What the adapter inside heard; the others' rules know no adapter at the door."""
        rows = [i for i, at_door in enumerate(self.at_door) if not at_door]
        return Heard(
            [self.at_s[i] for i in rows], [self.rssi_dbm[i] for i in rows], [False] * len(rows)
        )


# ---------------------------------------------------------------- smoothers


def raw(at_s: Sequence[float], rssi_dbm: Sequence[float]) -> list[float]:
    """Each reading by itself."""
    del at_s
    return list(rssi_dbm)


def tukey_mean(at_s: Sequence[float], rssi_dbm: Sequence[float]) -> list[float]:
    """ESPresense: mean of the readings of 15 s that lie within 1.5 interquartile ranges of the
    quartiles.
    """
    window: deque[tuple[float, float]] = deque()
    ordered: list[float] = []
    levels = []
    for now_s, reading in zip(at_s, rssi_dbm, strict=True):
        window.append((now_s, reading))
        insort(ordered, reading)
        while now_s - window[0][0] > TUKEY_WINDOW_S:
            del ordered[bisect_left(ordered, window.popleft()[1])]
        low, high = _quantile(ordered, 0.25), _quantile(ordered, 0.75)
        reach = 1.5 * (high - low)
        first, end = bisect_left(ordered, low - reach), bisect_right(ordered, high + reach)
        levels.append(sum(ordered[first:end]) / (end - first))
    return levels


def _quantile(ordered: list[float], share: float) -> float:
    """Interpolated between ranks, as `getMedianIQR` does."""
    position = share * (len(ordered) - 1)
    low = int(position)
    if low + 1 == len(ordered):
        return ordered[low]
    return ordered[low] + (ordered[low + 1] - ordered[low]) * (position - low)


def kalman(at_s: Sequence[float], rssi_dbm: Sequence[float]) -> list[float]:
    """kalmanjs as room-assistant sets it up: one dimension, no control, time does not matter."""
    del at_s
    levels, level, variance = [], 0.0, inf
    for reading in rssi_dbm:
        if variance == inf:
            level, variance = reading, KALMAN_MEASUREMENT
        else:
            expected = variance + KALMAN_PROCESS
            gain = expected / (expected + KALMAN_MEASUREMENT)
            level += gain * (reading - level)
            variance = expected - gain * expected
        levels.append(level)
    return levels


# ---------------------------------------------------------------- gates


def gate(
    at_s: Sequence[float],
    level_dbm: Sequence[float],
    enter_dbm: float,
    exit_dbm: float,
    away_s: float,
) -> list[Interval]:
    """In at `enter_dbm` or above; out below `exit_dbm`, or `away_s` after the last packet."""
    found: list[Interval] = []
    since: float | None = None
    last_s = -inf
    for now_s, level in zip(at_s, level_dbm, strict=True):
        if since is not None and now_s - last_s > away_s:
            found.append((since, last_s + away_s))
            since = None
        last_s = now_s
        if since is None and level >= enter_dbm:
            since = now_s
        elif since is not None and level < exit_dbm:
            found.append((since, now_s))
            since = None
    if since is not None:
        found.append((since, last_s + away_s))
    return found


def espresense_level_dbm(level_1m_dbm: float, distance_m: float) -> float:
    """The level that ESPresense takes for this distance: dist = 10 ^ ((level at 1 m − level) / (10
    · absorption)).
    """
    return level_1m_dbm - 10 * ESPRESENSE_ABSORPTION * log10(distance_m)


def room_assistant_distance_m(level_1m_dbm: float, level_dbm: float) -> float:
    """The curve of `tag.ts`, which AltBeacon published first."""
    ratio = level_dbm / level_1m_dbm
    return float(ratio**10 if ratio < 1 else 0.89976 * ratio**7.7095 + 0.111)


def nearest_of_two(heard: Heard) -> tuple[list[float], list[float]]:
    """room-assistant with an instance inside and one at the door: the level inside where it is the
    nearer one.
    """
    at_s, levels = [], []
    of_place = {
        place: [i for i, d in enumerate(heard.at_door) if d == place] for place in (False, True)
    }
    smooth: dict[int, float] = {}
    for rows in of_place.values():
        smooth |= zip(rows, kalman([], [heard.rssi_dbm[i] for i in rows]), strict=True)
    last = {False: (-inf, -inf), True: (-inf, -inf)}
    for i, now_s in enumerate(heard.at_s):
        last[heard.at_door[i]] = (now_s, smooth[i])
        (inside_s, inside), (door_s, door) = last[False], last[True]
        if now_s - inside_s < ROOM_ASSISTANT_AWAY_S:
            nearer = inside > door or now_s - door_s >= ROOM_ASSISTANT_AWAY_S
            at_s.append(now_s)
            levels.append(inside if nearer else -inf)
    return at_s, levels


def happy_bubbles(
    heard: Heard, least_dbm: float = -inf, in_a_row: int = BUBBLES_IN_A_ROW
) -> list[Interval]:
    """With one station there is one change in a phone's life: it never leaves, so it never comes
    again.
    """
    rows = [i for i, rssi in enumerate(heard.rssi_dbm) if rssi >= least_dbm]
    times = [heard.at_s[i] for i in rows]
    weights = [1.5 + 0.75 * (1 + heard.rssi_dbm[i] / 100) for i in rows]
    majority_s = inf
    recent: deque[float] = deque(maxlen=BUBBLES_READINGS)
    for now_s, weight in zip(times, weights, strict=True):
        recent.append(weight)
        if sum(recent) > 2.25 * (BUBBLES_READINGS - len(recent)):
            majority_s = now_s
            break
    if majority_s == inf:
        return []
    looks, last = -1, 0
    now_s = float(int(majority_s) + 1)
    while now_s <= times[-1] + BUBBLES_SEEN_S:
        last = bisect_right(times, now_s, last)
        if now_s - times[last - 1] <= BUBBLES_SEEN_S:
            looks += 1
            if looks == in_a_row:
                return [(now_s, inf)]
        now_s += BUBBLES_LOOK_S
    return []


# ---------------------------------------------------------------- ours


def ours(heard: Heard, rule: EntryRule, *, with_door: bool = False) -> list[Interval]:
    """The machine of `presence.core.visit.visits`, told the time every second as the daemon
    does.
    """
    visits, found, since = Visits(rule, places={DOOR: Place.DOOR}), [], None
    told_s = heard.at_s[0] if heard.at_s else 0.0
    for sighting in sightings(heard, with_door=with_door):
        now_s = sighting.at.monotonic_s
        events = []
        if now_s - told_s >= 1:
            events = visits.advance(sighting.at)
            told_s = now_s
        for event in events + visits.observe(sighting):
            if isinstance(event, Entered):
                since = event.at.monotonic_s
            elif isinstance(event, Left) and since is not None:
                found.append((since, now_s))
                since = None
    if since is not None:
        found.append((since, inf))
    return found


def evidence(
    heard: Heard, rule: EntryRule, *, with_door: bool = False
) -> Iterator[tuple[float, float]]:
    """The evidence after each sighting; the rule must ask for so much that nobody ever enters."""
    visits = Visits(rule, places={DOOR: Place.DOOR})
    for sighting in sightings(heard, with_door=with_door):
        visits.observe(sighting)
        yield sighting.at.monotonic_s, visits.evidence_db_s(NOBODY)


def sightings(heard: Heard, *, with_door: bool) -> Iterator[Sighting]:
    for now_s, rssi_dbm, at_door in zip(heard.at_s, heard.rssi_dbm, heard.at_door, strict=True):
        if with_door or not at_door:
            yield Sighting(Moment(now_s, now_s), NOBODY, rssi_dbm, DOOR if at_door else "inside")


# ---------------------------------------------------------------- sweeps


def records(points: Iterator[tuple[float, float]]) -> list[tuple[float, float]]:
    """(time, score) wherever the score is the highest so far: a threshold is passed first at one of
    these.
    """
    found, highest = [], -inf
    for now_s, score in points:
        if score > highest:
            highest = score
            found.append((now_s, score))
    return found


def first_s(found: Sequence[tuple[float, float]], threshold: float) -> float:
    """When the score first reached the threshold; inf if never."""
    i = bisect_left([score for _, score in found], threshold)
    return found[i][0] if i < len(found) else inf
