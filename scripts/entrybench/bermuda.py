"""Bermuda's way to an area, written from what agittins/bermuda publishes (see `rivals`).

Distances only compare, so they stay in the units that the attenuation of 3 gives from level 0 dBm.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import inf, log10
from typing import Final

import numpy as np

from scripts.entrybench.radio import Floats

UPDATE_S: Final = 1.05
SAMPLES: Final = 20
ATTENUATION: Final = 3.0
REFERENCE_DBM: Final = -55.0
MAX_M_PER_S: Final = 3.0
TIMEOUT_S: Final = 30.0
MAX_AGE_S: Final = 10.0
"""An older advertisement cannot win an area."""
HISTORY: Final = 10
NEARER: Final = 0.18
"""Of half the difference over the sum; 0.15 once it was nearer for three looks."""
NEARER_FOR_LONG: Final = 0.15


class Scanner:
    """One scanner's advertisement of one phone."""

    def __init__(self) -> None:
        self.stamps: list[float] = []
        self.readings_m: list[float] = []
        self.by_interval_m: list[float] = []
        self.distance_m = inf
        self._is_new = False

    def hear(self, at_s: float, rssi_dbm: float) -> None:
        self.stamps.insert(0, at_s)
        self.readings_m.insert(0, float(10 ** ((REFERENCE_DBM - rssi_dbm) / 10 / ATTENUATION)))
        del self.stamps[HISTORY:], self.readings_m[HISTORY:]
        self._is_new = True

    def update(self, now_s: float) -> None:
        """One look of the coordinator, every UPDATE_S."""
        is_new, self._is_new = self._is_new, False
        if not self.stamps:
            return
        raw_m = self.readings_m[0]
        if self.distance_m == inf and is_new:
            self.distance_m, self.by_interval_m = raw_m, [raw_m]
            return
        if not is_new and self.stamps[0] < now_s - TIMEOUT_S:
            self.distance_m, self.by_interval_m = inf, []
            return
        flees = self._fastest_m_per_s() > MAX_M_PER_S
        kept = self.by_interval_m[0] if flees and self.by_interval_m else raw_m
        self.by_interval_m = [kept, *self.by_interval_m][:SAMPLES]
        total, least = 0.0, raw_m
        for distance_m in self.by_interval_m:
            least = min(least, distance_m)
            total += least
        self.distance_m = min(raw_m, total / len(self.by_interval_m))

    def _fastest_m_per_s(self) -> float:
        """Away from us, from any of the readings before to the last one."""
        if len(self.stamps) < 2:
            return 0.0
        found = [
            (self.readings_m[0] - distance_m) / (self.stamps[0] - at_s)
            for at_s, distance_m in zip(self.stamps[1:], self.readings_m[1:], strict=True)
            if self.stamps[0] > at_s
        ]
        if not found:
            return 0.0
        return found[0] if found[0] < 0 else max(found)


def beats(challenger: Scanner, incumbent: Scanner) -> bool:
    """Whether the area changes hands."""
    if incumbent.distance_m == inf:
        return True
    if incumbent.distance_m < challenger.distance_m:
        return False
    apart = (incumbent.distance_m - challenger.distance_m) / 2
    share = apart / (incumbent.distance_m + challenger.distance_m)
    if len(challenger.by_interval_m) > 3 and max(challenger.by_interval_m[:5]) < min(
        incumbent.by_interval_m[:5]
    ):
        return share > NEARER_FOR_LONG
    return share >= NEARER


def bermuda(at_s: Floats, rssi_dbm: Floats, of_shop: Sequence[bool]) -> Floats:
    """The level that the shop's distance stands for, −inf where the area is another or unknown."""
    scanners = [Scanner() for _ in of_shop]
    score, area = np.full(len(at_s), -inf), -1
    looks = np.arange(at_s[0] + UPDATE_S, at_s[-1] + 2 * UPDATE_S, UPDATE_S)
    rows = np.searchsorted(at_s, np.concatenate([[-inf], looks]), "right")
    for now_s, (first, end) in zip(looks.tolist(), pairwise(rows.tolist()), strict=True):
        for antenna, scanner in enumerate(scanners):
            for row in range(first, end):
                if rssi_dbm[row, antenna] == rssi_dbm[row, antenna]:  # not NaN
                    scanner.hear(float(at_s[row]), float(rssi_dbm[row, antenna]))
            scanner.update(now_s)
        area = _area(scanners, area, now_s)
        later = int(np.searchsorted(at_s, now_s))
        if area >= 0 and of_shop[area] and later < len(at_s):
            distance_m = scanners[area].distance_m
            level = -inf if distance_m == inf else REFERENCE_DBM - 30 * log10(distance_m)
            score[later] = max(score[later], level)
    return score


def _area(scanners: Sequence[Scanner], area: int, now_s: float) -> int:
    for number, scanner in enumerate(scanners):
        if number == area or scanner.distance_m == inf:
            continue
        if scanner.stamps[0] < now_s - MAX_AGE_S:
            continue
        if area < 0 or beats(scanner, scanners[area]):
            area = number
    return area
