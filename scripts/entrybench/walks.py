"""Episodes from the recorded walks (docs/recordings.md#walks): real readings, a real body, the true
position.

The geometry is fixed before any reading is looked at: a virtual gateway at one receiver, a virtual
door adapter at another 5–9 m away, and inside is within RADIUS_M of the gateway. Every such pair of
receivers and every walk is an episode: an entry if the walker begins outside, comes in and stays
for STAYS_S; a walk-past if they never come in. Who begins inside or only dips in is neither. The
hall has no walls, so this is a test of distance alone: harder than a shop, where the walk-past is
behind glass.

Six walks are six bodies on six days at best, however many pairs look at them; the halves are split
by walk.
"""

import csv
from collections import defaultdict
from dataclasses import dataclass
from itertools import combinations, permutations
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from presence.core.place import Place as Hung
from scripts.entrybench.antennas import Antenna, SetUp
from scripts.entrybench.phones import Phone
from scripts.entrybench.radio import Floats
from scripts.entrybench.world import Episode

WALKS: Final = Path(__file__).parents[3] / "shared" / "data" / "walks"
TRAINING: Final = ("straight_01", "straight_03", "rectangular_with_rotation")
TESTING: Final = ("straight_04", "rectangular_without_rotation", "zigzagging_without_rotation")
APART_M: Final = (5.0, 9.0)
"""Gateway and door adapter, as in a small shop."""

RADIUS_M: Final = 4.0
"""Half of what a walker covers between two receivers: some walks come in, some do not."""

STAYS_S: Final = 5.0
"""Who crosses the line and is inside for at least so long has entered
(docs/recordings.md#walks).
"""
ONE_PACKET_S: Final = 0.1
"""Receivers report one packet within some milliseconds; the beacon sends every 0.45 s."""
LEVEL_1M_DBM: Final = -62.0
"""What the app would declare: level at one metre on the training walks."""
SET_UP: Final = SetUp(
    "recorded walks",
    (Antenna("gateway", Hung.INSIDE, 0, 0), Antenna("door", Hung.DOOR, 0, 0)),
)
"""Whatever two receivers: only the places count for a rule."""
BEACON: Final = Phone("hand", 0.0, 0.0, 1.0, ahead=True)

Place = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Series:
    """What one receiver heard of one walk, and where the walker was."""

    at_s: Floats
    rssi_dbm: Floats
    x_m: Floats
    y_m: Floats


def receivers() -> dict[str, Place]:
    with (WALKS / "receivers.csv").open() as lines:
        return {
            row["receiver"]: (float(row["x_m"]), float(row["y_m"])) for row in csv.DictReader(lines)
        }


def load(walk: str) -> dict[str, Series]:
    rows: dict[str, list[tuple[float, ...]]] = defaultdict(list)
    with (WALKS / f"{walk}.csv").open() as lines:
        for row in csv.DictReader(lines):
            rows[row["receiver"]].append(
                tuple(float(row[k]) for k in ("t_s", "rssi_dbm", "x_m", "y_m"))
            )
    return {receiver: Series(*np.array(sorted(found)).T) for receiver, found in rows.items()}


def episodes(names: tuple[str, ...]) -> list[Episode]:
    places = receivers()
    pairs = [
        (one, other)
        for one, other in permutations(places, 2)
        if APART_M[0] <= np.hypot(*np.subtract(places[one], places[other])) <= APART_M[1]
    ]
    found = []
    for name in names:
        series = load(name)
        for gateway, door in pairs:
            episode = _episode(series[gateway], series[door], places[gateway])
            if episode is not None:
                found.append(episode)
    return found


def _episode(near: Series, far: Series, gateway: Place) -> Episode | None:
    at = np.concatenate([near.at_s, far.at_s])
    order = np.argsort(at, kind="stable")
    at = at[order]
    x, y = (np.concatenate([getattr(near, f), getattr(far, f)])[order] for f in ("x_m", "y_m"))
    inside = np.hypot(x - gateway[0], y - gateway[1]) <= RADIUS_M
    entry = true_entry(at, inside)
    if inside[0] or (entry is None and inside.any()):
        return None
    of = np.repeat([0, 1], [len(near.at_s), len(far.at_s)])[order]
    packet = np.cumsum(np.diff(at, prepend=-np.inf) > ONE_PACKET_S) - 1
    readings = np.full((packet[-1] + 1, 2), np.nan)
    readings[packet, of] = np.concatenate([near.rssi_dbm, far.rssi_dbm])[order]
    first = np.searchsorted(packet, np.arange(packet[-1] + 1))
    entered, left = entry or (None, None)
    kind = "passer" if entry is None else "entry"
    return Episode(kind, at[first], readings, entered, left, BEACON)


def true_entry(at_s: Floats, inside: NDArray[np.bool_]) -> tuple[float, float] | None:
    """First crossing after which the walker is inside for STAYS_S without a break, and the end of
    that stay.
    """
    edges = np.flatnonzero(np.diff(inside.astype(int)))
    starts = [0] if inside[0] else []
    starts += [int(i) + 1 for i in edges if inside[i + 1]]
    for start in starts:
        outside = np.flatnonzero(~inside[start:])
        end = start + int(outside[0]) if len(outside) else len(at_s) - 1
        if at_s[end] - at_s[start] >= STAYS_S:
            return float(at_s[start]), float(at_s[end])
    return None


def shadowing_correlation(nearer_than_m: float = np.inf) -> tuple[float, int]:
    """Between two receivers of the same walk: correlation of the residuals' means over 1 s, and of
    how many pairs. Freed of the path loss (one for all) and of each link's mean.
    """
    places, links = receivers(), []
    for name in TRAINING + TESTING:
        for receiver, series in load(name).items():
            x, y = places[receiver]
            way = np.log10(np.maximum(np.hypot(series.x_m - x, series.y_m - y), 1.0))
            links.append((name, receiver, series, way))
    slope, _ = np.polyfit(
        np.concatenate([way for *_, way in links]),
        np.concatenate([series.rssi_dbm for _, _, series, _ in links]),
        1,
    )
    seconds: dict[tuple[str, int], dict[str, float]] = defaultdict(dict)
    for name, receiver, series, way in links:
        residual = series.rssi_dbm - slope * way
        residual -= residual.mean()
        second = np.floor(series.at_s).astype(int)
        for s in np.unique(second):
            seconds[name, int(s)][receiver] = float(residual[second == s].mean())
    pairs = np.array(
        [
            (found[one], found[other])
            for found in seconds.values()
            for one, other in combinations(sorted(found), 2)
            if np.hypot(*np.subtract(places[one], places[other])) < nearer_than_m
        ]
    )
    both = np.concatenate([pairs, pairs[:, ::-1]])
    return float(np.corrcoef(both.T)[0, 1]), len(pairs)
