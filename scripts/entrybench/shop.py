"""The simulated shop: who walks where, what stands between, and when phones advertise.

                     flat │                 shop 10 × 12 m                 │
                          │                                               │
        x = -5.3 … -10    │            ◎ gateway, 2.4 m high               │
                          │                                               │
     party wall WALL_DB ──┤                                               │
                          └── front, glass_db ────┤ door ├── front ───────┘  y = 0: the line
                                         queue, look in, turn round
           ────── passers-by and window-shoppers, 1–3 m from the glass ──────►

The radio is `bodies.fit`; all else here is assumed. The shares of the kinds decide much: who looks
in at the open door and turns round is as strong as who comes in. So figures are told of all
outsiders and of pure walk-pasts, and the breakdown by kind lets anyone weigh another mix.

Losses of the walls: ITU-R P.2040-3 (2023) at 2.4 GHz: two sheets of plain glass about 3 dB, a brick
wall about 8 dB. Coated glass differs widely, so that a world says what its front takes: low-E 17 dB
at 0.7 and 25 dB at 3.5 GHz (Ranplan), about 30 dB at 0.8 to 6 GHz (Pilkington Optitherm, Macquarie
University 2008). The door stands open.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from scripts.entrybench.radio import Floats

Place = tuple[float, float]
MISSED_BY_ONE: Final = 0.05
"""Packets that one adapter misses and another need not."""
HEIGHT_M: Final = 1.4
"""Gateway above phone: 2.4 m less a pocket or a hand at 1 m."""
HALF_WIDTH_M: Final = 5.0
DEPTH_M: Final = 12.0
HALF_DOOR_M: Final = 0.7
GLASS_DB: Final = 3.0
WALL_DB: Final = 8.0
WAVE_M: Final = 0.123
INTERVALS_S: Final = (0.1, 0.26, 0.5, 1.0)
"""Android's low-latency, balanced and low-power advertising are 100, 250 and 1,000 ms; iOS is near
260 ms.
"""
INTERVAL_SHARES: Final = (0.2, 0.4, 0.2, 0.2)
ADV_DELAY_S: Final = 0.01
"""Pseudo-random 0–10 ms added to each interval (Bluetooth Core 5.4, vol 6, part B, 4.4.2.2.1)."""
LOST: Final = (0.05, 0.4)
"""Packets lost to collisions and to the scanner changing channels, whatever their strength: differs
by phone.
"""
PAUSING: Final = 0.15
"""Share of phones that now and then stop advertising."""
PAUSE_S: Final = (20.0, 240.0)
BETWEEN_PAUSES_S: Final = 120.0
FLAT_S: Final = (180.0, 900.0)

OUTSIDERS: Final = {"passer": 0.8, "window": 0.1, "queue": 0.03, "doorway": 0.03, "flat": 0.04}
INSIDERS: Final = {"customer": 0.85, "errand": 0.15}

Chance = np.random.Generator


@dataclass(frozen=True, slots=True)
class Walk:
    """A path: where someone is at which time, straight lines between."""

    at_s: Floats
    x_m: Floats
    y_m: Floats


class _Path:
    """Puts a walk together from legs and stops."""

    def __init__(self, x: float, y: float) -> None:
        self._points = [(0.0, x, y)]

    def walk(self, x: float, y: float, speed: float) -> "_Path":
        at, x0, y0 = self._points[-1]
        self._points.append((at + max(np.hypot(x - x0, y - y0) / speed, 0.05), x, y))
        return self

    def stay(self, seconds: float) -> "_Path":
        at, x, y = self._points[-1]
        self._points.append((at + seconds, x, y))
        return self

    @property
    def now_s(self) -> float:
        return self._points[-1][0]

    def done(self) -> Walk:
        at, x, y = np.array(self._points).T
        return Walk(at, x, y)


def speed_m_per_s(rng: Chance) -> float:
    """Strollers, walkers and people in a hurry."""
    return float(np.clip(rng.lognormal(np.log(1.2), 0.3), 0.4, 2.5))


def passer(rng: Chance) -> Walk:
    side, y = rng.choice([-1, 1]), -rng.uniform(1, 3)
    return _Path(side * 20, y).walk(-side * 20, y, speed_m_per_s(rng)).done()


def window(rng: Chance) -> Walk:
    """Stops at the window once or twice, for seconds to a minute."""
    side, y, speed = rng.choice([-1, 1]), -rng.uniform(1, 3), speed_m_per_s(rng)
    path = _Path(side * 20, y)
    for x in side * np.sort(rng.uniform(-HALF_WIDTH_M, HALF_WIDTH_M, rng.integers(1, 3)))[::-1]:
        path.walk(float(x), -rng.uniform(1, 3), speed).stay(_seconds(rng, 12, 0.8, 3, 90))
    return path.walk(-side * 20, y, speed).done()


def queue(rng: Chance) -> Walk:
    """Waits before the door, steps nearer, gives up."""
    side, speed = rng.choice([-1, 1]), speed_m_per_s(rng)
    path = _Path(side * 20, -2.5)
    for step in range(int(rng.integers(2, 6))):
        path.walk(side * rng.uniform(0, 1), -max(4.0 - step, 1.0) + rng.uniform(-0.2, 0.2), 0.8)
        path.stay(_seconds(rng, 15, 0.6, 4, 60))
    return path.walk(-side * 20, -2.5, speed).done()


def doorway(rng: Chance) -> Walk:
    """Comes up to the door, looks in from just outside, turns round."""
    side, speed = rng.choice([-1, 1]), speed_m_per_s(rng)
    path = (
        _Path(side * 20, -rng.uniform(1.5, 3))
        .walk(0, -2, speed)
        .walk(rng.uniform(-0.4, 0.4), -0.5, 0.9)
    )
    return (
        path.stay(_seconds(rng, 4, 0.6, 1, 20)).walk(0, -2, 0.9).walk(-side * 20, -2, speed).done()
    )


def flat(rng: Chance) -> Walk:
    """Lives next door: sits, now and then walks about."""
    x, y = -rng.uniform(HALF_WIDTH_M + 0.5, HALF_WIDTH_M + 5), rng.uniform(0.5, 10)
    path, end = _Path(x, y), rng.uniform(*FLAT_S)
    while path.now_s < end:
        path.stay(_seconds(rng, 60, 1.0, 5, 400))
        path.walk(-rng.uniform(HALF_WIDTH_M + 0.5, HALF_WIDTH_M + 5), rng.uniform(0.5, 10), 0.8)
    return path.done()


def customer(rng: Chance) -> Walk:
    return _visit(rng, _seconds(rng, 300, 0.7, 60, 1500))


def errand(rng: Chance) -> Walk:
    return _visit(rng, _seconds(rng, 50, 0.4, 20, 120))


def _visit(rng: Chance, stay_s: float) -> Walk:
    side, speed = rng.choice([-1, 1]), speed_m_per_s(rng)
    path = (
        _Path(side * 20, -rng.uniform(1, 3))
        .walk(0, -1.2, speed)
        .walk(rng.uniform(-0.4, 0.4), 0.0, min(speed, 1.3))
    )
    crossed, inside = path.now_s, min(speed, rng.uniform(0.6, 1.2))
    path.walk(rng.uniform(-0.8, 0.8), 1.5, inside)
    while path.now_s < crossed + stay_s:
        path.walk(
            rng.uniform(-HALF_WIDTH_M + 0.4, HALF_WIDTH_M - 0.4),
            rng.uniform(1.0, DEPTH_M - 0.4),
            inside,
        )
        path.stay(_seconds(rng, 10, 0.9, 1, 120))
    path.walk(rng.uniform(-0.4, 0.4), 0.6, inside).walk(0.0, -0.3, inside)
    return path.walk(-side * 20, -rng.uniform(1, 3), speed).done()


WALKS: Final[dict[str, Callable[[Chance], Walk]]] = {
    "passer": passer,
    "window": window,
    "queue": queue,
    "doorway": doorway,
    "flat": flat,
    "customer": customer,
    "errand": errand,
}


def advertised_s(end_s: float, rng: Chance) -> Floats:
    """When packets reach the antenna: interval and advDelay, less the lost ones and the pauses."""
    interval = rng.choice(INTERVALS_S, p=INTERVAL_SHARES)
    count = int(end_s / interval) + 1
    at = (
        rng.uniform(0, interval)
        + np.cumsum(interval + rng.uniform(0, ADV_DELAY_S, count))
        - interval
    )
    at = at[(at < end_s) & (rng.random(count) >= rng.uniform(*LOST))]
    if rng.random() < PAUSING:
        start = rng.exponential(BETWEEN_PAUSES_S)
        while start < end_s:
            length = rng.uniform(*PAUSE_S)
            at = at[(at < start) | (at > start + length)]
            start += length + rng.exponential(BETWEEN_PAUSES_S)
    return np.asarray(at)


def walls_db(
    x: Floats, y: Floats, gateway: tuple[float, float], glass_db: float = GLASS_DB
) -> Floats:
    """Loss of what stands between: the front (glass, or past the edge of the open door) and the
    party wall.
    """
    outside = (y < 0) != (gateway[1] < 0)
    near, far = np.maximum(np.abs(y), 0.05), max(abs(gateway[1]), 0.05)
    through = x + (gateway[0] - x) * near / (near + far)
    beyond = np.abs(through) - HALF_DOOR_M
    front = np.where(outside, np.minimum(_edge_db(beyond, near, far), glass_db), 0.0)
    return front + np.where((np.abs(x) > HALF_WIDTH_M) & (y > 0), WALL_DB, 0.0)


def _edge_db(beyond_m: Floats, near_m: Floats, far_m: float) -> Floats:
    """Loss past one edge of the doorway: a knife edge, ITU-R P.526-15 (31); 6 dB at the edge, none
    well inside.
    """
    v = beyond_m * np.sqrt(2 * (near_m + far_m) / (WAVE_M * near_m * far_m))
    loss = 6.9 + 20 * np.log10(np.sqrt((v - 0.1) ** 2 + 1) + v - 0.1)
    return np.where(v > -0.78, loss, 0.0)


def crossings_s(walk: Walk) -> tuple[float, float]:
    """When the line y = 0 is crossed inward, and at last outward."""
    inside = np.flatnonzero(walk.y_m > 0)
    first, last = int(inside[0]), int(inside[-1])
    return _at_line(walk, first - 1), _at_line(walk, last)


def _at_line(walk: Walk, i: int) -> float:
    y0, y1 = walk.y_m[i], walk.y_m[i + 1]
    return float(walk.at_s[i] + (walk.at_s[i + 1] - walk.at_s[i]) * (0 - y0) / (y1 - y0))


def heading(walk: Walk, at: Floats, rng: Chance) -> Floats:
    """The way of the leg; who stands turns to some side and sways."""
    legs = np.clip(np.searchsorted(walk.at_s, at, "right") - 1, 0, len(walk.at_s) - 2)
    dx, dy = np.diff(walk.x_m), np.diff(walk.y_m)
    heading = np.where(
        np.hypot(dx, dy) > 0.01, np.arctan2(dy, dx), rng.uniform(0, 2 * np.pi, len(dx))
    )
    return np.asarray(heading[legs])


def _seconds(rng: Chance, median: float, spread: float, least: float, most: float) -> float:
    return float(np.clip(rng.lognormal(np.log(median), spread), least, most))
