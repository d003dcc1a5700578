"""Everyone's rule, written from its published description, on the same antennas.

Each has two rooms at most: the shop, and what is before it. The antennas of the shop are all that
do not hang outside, or, where none does, those inside: so a user would assign them. A score is how
strong somebody is in the shop, and one threshold stands for the setting that each rule has for it.
Distances become levels by the rule's own formula and the phone's level at one metre.

first packet, Home Assistant and AltBeacon
    home-assistant/core, `private_ble_device/device_tracker.py`; AltBeacon/android-beacon-library
    42e672e, `RegionMonitoringState.markInside`: there as soon as the shop hears an advertisement.
    Default: no threshold.
8 in a row, Happy Bubbles
    happy-bubbles/presence d1af725, `main.go`: once a second the station with most of the last 30
    readings; a change when it was the same 8 times more. Default: `rssi_min_threshold` off. It
    begins with 30 empty readings, which a station has to outvote: that is its code, and is kept.
ESPresense
    ESPresense/ESPresense a6f1105, `AdaptivePercentileRSSI.getMedianIQR` (15 s, Tukey fences), and
    Home Assistant's `mqtt_room`: the nearest station. Default: enter ≤ 2 m, absorption 2.7.
room-assistant
    mKeRix/room-assistant ed9a860, `bluetooth-low-energy.config.ts` (Kalman 0.008, 4), kalmanjs
    1.1.0, `room-presence-distance.sensor.ts`: the nearest instance. Default: no `maxDistance`.
Bermuda
    agittins/bermuda 1519ee0, `bermuda_advert.py`, and its coordinator's
    `_refresh_area_by_min_distance`: every 1.05 s a mean over the last 20, of which a farther one
    counts as the nearer one after it; readings that flee faster than 3 m/s do not count; the
    nearest scanner takes the area from the one before when it is nearer by enough. Default:
    `max_radius` 20 m, attenuation 3. Its scanners are taken as ESPHome's, which stamp what they
    hear.
"""

from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf, log10
from typing import Final

import numpy as np

from presence.core.place import Place
from scripts.entrybench.antennas import SetUp
from scripts.entrybench.bermuda import bermuda
from scripts.entrybench.crowd import Crowd, Score
from scripts.entrybench.radio import Floats

ANY: Final = -1e9
"""A threshold that every reading passes."""
TUKEY_WINDOW_S: Final = 15.0
ESPRESENSE_ABSORPTION: Final = 2.7
ESPRESENSE_ENTER_M: Final = 2.0
ESPRESENSE_AWAY_S: Final = 10.0
KALMAN_PROCESS: Final = 0.008
KALMAN_MEASUREMENT: Final = 4.0
ROOM_ASSISTANT_AWAY_S: Final = 60.0
BUBBLES_IN_A_ROW: Final = 8
BUBBLES_READINGS: Final = 30
BUBBLES_FLOORS_DBM: Final = tuple(float(x) for x in range(-100, -40, 4))
BERMUDA_RADIUS_M: Final = 20.0
BERMUDA_ATTENUATION: Final = 3.0

Rule = Callable[["Heard"], Floats]


@dataclass(frozen=True, slots=True)
class Heard:
    """One person's packets, and which antennas are of the shop."""

    at_s: Floats
    rssi_dbm: Floats
    """(P, A)"""
    of_shop: Sequence[bool]
    """(A,)"""


def of_shop(set_up: SetUp) -> list[bool]:
    places = [antenna.place for antenna in set_up.antennas]
    if Place.OUTSIDE in places:
        return [place is not Place.OUTSIDE for place in places]
    return [place is Place.INSIDE for place in places]


def rivals(set_up: SetUp) -> dict[str, Score]:
    rules: dict[str, Rule] = {
        "first packet": first_packet,
        "8 in a row": eight_in_a_row,
        "ESPresense": espresense,
        "room-assistant": room_assistant,
        "Bermuda": lambda heard: bermuda(heard.at_s, heard.rssi_dbm, heard.of_shop),
    }
    return {name: each_alone(rule, of_shop(set_up)) for name, rule in rules.items()}


def defaults(level_1m_dbm: float) -> dict[str, float]:
    """The threshold that each rule is published with."""
    return {
        "first packet": ANY,
        "8 in a row": BUBBLES_FLOORS_DBM[0],
        "ESPresense": level_1m_dbm - 10 * ESPRESENSE_ABSORPTION * log10(ESPRESENSE_ENTER_M),
        "room-assistant": ANY,
        "Bermuda": level_1m_dbm - 10 * BERMUDA_ATTENUATION * log10(BERMUDA_RADIUS_M),
    }


def each_alone(rule: Rule, shop: Sequence[bool]) -> Score:
    """A rule that is written for one person, on a crowd."""

    def score(crowd: Crowd) -> Floats:
        found = np.empty(len(crowd.at_s))
        for start, length in zip(crowd.start, crowd.length, strict=True):
            rows = slice(start, start + length)
            if length:
                found[rows] = rule(Heard(crowd.at_s[rows], crowd.rssi_dbm[rows], shop))
        return found

    return score


def first_packet(heard: Heard) -> Floats:
    shop = np.where(np.isnan(heard.rssi_dbm), -inf, heard.rssi_dbm)[:, np.array(heard.of_shop)]
    return np.asarray(shop.max(axis=1))


def espresense(heard: Heard) -> Floats:
    return nearest(heard, tukey_mean, ESPRESENSE_AWAY_S)


def room_assistant(heard: Heard) -> Floats:
    return nearest(heard, lambda _, rssi_dbm: kalman(rssi_dbm), ROOM_ASSISTANT_AWAY_S)


def nearest(
    heard: Heard, smooth: Callable[[list[float], list[float]], list[float]], away_s: float
) -> Floats:
    """The level at the shop's strongest antenna, or −inf where one outside is stronger."""
    count, antennas = heard.rssi_dbm.shape
    levels = np.full((count, antennas), -inf)
    for antenna in range(antennas):
        rows = np.flatnonzero(~np.isnan(heard.rssi_dbm[:, antenna]))
        if not len(rows):
            continue
        smoothed = smooth(heard.at_s[rows].tolist(), heard.rssi_dbm[rows, antenna].tolist())
        last = np.searchsorted(rows, np.arange(count), "right") - 1
        fresh = (last >= 0) & (heard.at_s - heard.at_s[rows[np.maximum(last, 0)]] <= away_s)
        levels[:, antenna] = np.where(fresh, np.array(smoothed)[np.maximum(last, 0)], -inf)
    shop = np.array(heard.of_shop)
    inside = levels[:, shop].max(axis=1)
    outside = levels[:, ~shop].max(axis=1, initial=-inf)
    return np.where(inside >= outside, inside, -inf)


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


def kalman(rssi_dbm: Sequence[float]) -> list[float]:
    """kalmanjs as room-assistant sets it up: one dimension, no control, time does not matter."""
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


def eight_in_a_row(heard: Heard) -> Floats:
    """The highest `rssi_min_threshold` with which it has said "shop" by then."""
    score = np.full(len(heard.at_s), -inf)
    for floor in BUBBLES_FLOORS_DBM:
        since_s = happy_bubbles(heard, floor)
        if since_s == inf:
            break  # what a lower floor did not let in, a higher does not
        score[heard.at_s >= since_s] = floor
    return score


def happy_bubbles(heard: Heard, least_dbm: float) -> float:
    """When eight looks in a row saw the shop's stations ahead; inf: never."""
    weights = 1.5 + 0.75 * (1 + heard.rssi_dbm / 100)
    recent: deque[tuple[int, float]] = deque([(-1, 2.25)] * BUBBLES_READINGS, BUBBLES_READINGS)
    votes, in_a_row, look_s = np.zeros(heard.rssi_dbm.shape[1] + 1), 0, float(heard.at_s[0])
    votes[-1] = 2.25 * BUBBLES_READINGS
    for now_s, readings, weighed in zip(
        heard.at_s.tolist(), heard.rssi_dbm.tolist(), weights.tolist(), strict=True
    ):
        while look_s < now_s:
            best = int(votes.argmax())
            in_a_row = in_a_row + 1 if best < len(votes) - 1 and heard.of_shop[best] else 0
            if in_a_row > BUBBLES_IN_A_ROW:
                return look_s
            look_s += 1.0
        for station, reading in enumerate(readings):
            if reading >= least_dbm:
                gone, weight = recent[0]
                votes[gone] -= weight
                recent.append((station, weighed[station]))
                votes[station] += weighed[station]
    return inf
