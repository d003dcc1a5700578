"""Fits the radio of the simulated shop to phones on real bodies (docs/recordings.md#bodies).

Two steps, because they answer two questions:

1. *How does the residual move?* Half the mean square difference of successive packets is fading;
   the rate at which the rest loses its memory, still and walking, is shadowing; what is common to
   one transmitter is the phone. A gateway is one receiver, so what is common to one receiver is
   taken out.
2. *How strong, how wide?* Maximum likelihood of level, exponent, spread and the receiver's edge, of
   what was *heard*: weak packets are missing from the data, and a fit that forgets them sees a path
   loss that is too flat.

In the data there is a body at either end, in the shop only at one: the fit folds two body losses,
the shop draws one. Orientation is not in the data, so the body loss is not identified
(`body_profile`): 0 to 12 dB explain it equally well, given how alike the packets of one burst are.
It is set, not fitted: `BODY_DB`.

The fit uses the queue and the movement, people who stand and walk as in a shop; the seated lunch is
shown beside.
"""

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scripts.entrybench.radio import EDGE_WIDTH_DB, Floats, Radio, rice_density, rice_k_of

BODIES: Final = Path(__file__).parents[3] / "shared" / "data" / "bodies"
FITTED: Final = ("scenario04-queue", "scenario06-movement")
SHOWN: Final = ("scenario01-lunch",)
BODY_DB: Final = 10.0
"""Between a phone that faces the gateway and one behind its carrier; within what the data
allows.
"""
WALKING_M_PER_S: Final = 1.4
"""Turns the correlation time of the movement scenario into a way."""
BURST_S: Final = 6.0
"""The phones listened for some 4 s every 4 minutes: lags below this are inside one burst."""
GRID_DB: Final = np.arange(-60.0, 60.5, 0.5)


@dataclass(frozen=True, slots=True)
class Heard:
    """Readings with a known distance, in the order of time."""

    scenario: str
    at_s: Floats
    rssi_dbm: Floats
    distance_m: Floats
    receiver: NDArray[np.int64]
    transmitter: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Fit:
    radio: Radio
    """Of the shop: one body, one receiver that is no phone."""
    level_1m_dbm: float
    """Of the data: bodies and pockets at both ends."""
    spread_db: float
    """Of the normal part in the data: phones at both ends and shadowing."""
    receivers_db: float
    """Standard deviation between receivers, which a shop with one gateway does not have."""

    def percentiles_dbm(
        self, distance_m: float, percents: tuple[float, ...] = (10, 50, 90)
    ) -> Floats:
        """What the model says of phones at this distance, both on bodies, as far as they are
        heard.
        """
        density = spread_density(self.radio.body_db, self.radio.rice_k, self.spread_db)
        level = self.level_1m_dbm - 10 * self.radio.exponent * np.log10(max(distance_m, 0.3))
        heard = density * _chance(level + GRID_DB, self.radio.edge_dbm)
        return np.asarray(
            np.interp(np.array(percents) / 100, np.cumsum(heard) / heard.sum(), level + GRID_DB)
        )


def load(scenario: str) -> Heard:
    connection = sqlite3.connect(f"file:{BODIES / scenario}.sqlite?mode=ro&immutable=1", uri=True)
    rows = connection.execute(
        "select timestamp, rssi, ground_truth_distance, receiver_id, transmitter_id from results"
        " where ground_truth_distance > 0 order by timestamp, db_id"
    ).fetchall()
    connection.close()
    at, rssi, distance, receiver, transmitter = zip(*rows, strict=True)
    ids = [np.array([int(i) for i in column]) for column in (receiver, transmitter)]
    return Heard(scenario, np.array(at), np.array(rssi, float), np.array(distance), *ids)


def fit(scenarios: tuple[str, ...] = FITTED) -> Fit:
    """The constants; deterministic, a second or two."""
    heard = [load(scenario) for scenario in scenarios]
    distance = np.concatenate([h.distance_m for h in heard])
    rssi = np.concatenate([h.rssi_dbm for h in heard])
    slope, level = np.polyfit(np.log10(distance), rssi, 1)
    residuals = [h.rssi_dbm - level - slope * np.log10(h.distance_m) for h in heard]

    fading_variance = _weighted(
        [_fading_variance(h, r) for h, r in zip(heard, residuals, strict=True)], heard
    )
    rice_k = rice_k_of(fading_variance)
    level, exponent, spread, edge = most_likely(distance, rssi, BODY_DB, rice_k)

    splits = [_between(h, r) for h, r in zip(heard, residuals, strict=True)]
    # What was not heard made the data narrower than the air: the parts are widened as the whole is.
    whole = np.sqrt(spread**2 + 2 * BODY_DB**2 / 8 + fading_variance)
    wider = float(whole / np.std(np.concatenate(residuals)))
    receivers, transmitters = (wider * _weighted([s[i] for s in splits], heard) for i in (0, 1))
    shadow = float(np.sqrt(max(spread**2 - receivers**2 - transmitters**2, 1.0)))
    times = {h.scenario: _correlation_s(h, r) for h, r in zip(heard, residuals, strict=True)}
    radio = Radio(
        level_1m_dbm=level + BODY_DB / 2,  # one body less between phone and gateway
        exponent=exponent,
        phone_db=transmitters,
        shadow_db=shadow,
        shadow_m=times[scenarios[-1]] * WALKING_M_PER_S,
        shadow_s=times[scenarios[0]],
        body_db=BODY_DB,
        rice_k=rice_k,
        edge_dbm=edge,
    )
    return Fit(radio, level, spread, receivers)


def body_profile(body_dbs: tuple[float, ...] = (0, 4, 8, 10, 12, 16)) -> dict[float, float]:
    """How much less likely each body loss is than the best, in log likelihood of *independent*
    packets.
    """
    heard = [load(scenario) for scenario in FITTED]
    distance = np.concatenate([h.distance_m for h in heard])
    rssi = np.concatenate([h.rssi_dbm for h in heard])
    found = {
        body: _unlikely(distance, rssi, body, 3.0, most_likely(distance, rssi, body, 3.0))
        for body in body_dbs
    }
    return {body: value - min(found.values()) for body, value in found.items()}


def most_likely(
    distance_m: Floats, rssi_dbm: Floats, body_db: float, rice_k: float
) -> tuple[float, ...]:
    """Level at 1 m, exponent, spread and edge that make the heard readings most likely."""

    def unlikely(x: Floats) -> float:
        return _unlikely(distance_m, rssi_dbm, body_db, rice_k, (x[0], x[1], abs(x[2]) + 0.5, x[3]))

    x = _least(unlikely, np.array([-82.0, 1.7, 6.0, -97.0]), np.array([1.0, 0.2, 0.7, 0.7]))
    return float(x[0]), float(x[1]), float(abs(x[2]) + 0.5), float(x[3])


def spread_density(body_db: float, rice_k: float, spread_db: float) -> Floats:
    """Probability per cell of GRID_DB of all that spreads a reading: normal part, fading, a body at
    either end.
    """
    density = np.exp(-(GRID_DB**2) / 2 / spread_db**2)
    density = np.convolve(density, rice_density(rice_k, GRID_DB), "same")
    if body_db > 0:
        losses = -body_db / 2 * np.cos(np.linspace(0, np.pi, 2001))
        body, _ = np.histogram(losses, np.append(GRID_DB - 0.25, GRID_DB[-1] + 0.25))
        density = np.convolve(np.convolve(density, body, "same"), body, "same")
    return np.asarray(density / density.sum())


def _chance(rssi_dbm: Floats, edge_dbm: float) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip((rssi_dbm - edge_dbm) / EDGE_WIDTH_DB, -40, 40))))


def _unlikely(
    distance_m: Floats, rssi_dbm: Floats, body_db: float, rice_k: float, x: tuple[float, ...]
) -> float:
    """−log likelihood of readings, given that they were heard."""
    level, exponent, spread, edge = x
    density = spread_density(body_db, rice_k, spread)
    mean = level - 10 * exponent * np.log10(np.maximum(distance_m, 0.3))
    seen = np.interp(rssi_dbm - mean, GRID_DB, density)
    means = np.arange(-140.0, -20.0, 0.5)
    heard = _chance(means[:, None] + GRID_DB, edge) @ density
    likely = np.maximum(seen, 1e-12) * _chance(rssi_dbm, edge) / np.interp(mean, means, heard)
    return float(-np.sum(np.log(likely)))


def _links(heard: Heard) -> Iterator[NDArray[np.int64]]:
    link = heard.receiver * 1000 + heard.transmitter
    for one in np.unique(link):
        yield np.flatnonzero(link == one)


def _fading_variance(heard: Heard, residual: Floats) -> float:
    """Half the mean square difference of packets within 0.35 s: no shadow moves that fast."""
    differences = []
    for rows in _links(heard):
        near = np.diff(heard.at_s[rows]) < 0.35
        differences.append(np.diff(residual[rows])[near])
    return float(np.mean(np.concatenate(differences) ** 2) / 2)


def _correlation_s(heard: Heard, residual: Floats) -> float:
    """Time constant of c0 + c1·exp(−lag/τ), least squares over the lags inside a burst; c0 from the
    long lags.
    """
    lags, products = [], []
    for rows in _links(heard):
        at, value = heard.at_s[rows], residual[rows]
        first, second = np.triu_indices(len(rows), 1)
        lags.append(at[second] - at[first])
        products.append(value[first] * value[second])
    lag, product = np.concatenate(lags), np.concatenate(products)
    lasting = float(np.mean(product[lag > 60]))
    near = lag < BURST_S
    edges = np.arange(0.0, BURST_S, 0.4)
    bins = np.digitize(lag[near], edges)
    middles = np.array([lag[near][bins == b].mean() for b in np.unique(bins)])
    means = np.array([product[near][bins == b].mean() for b in np.unique(bins)]) - lasting
    counts = np.array([np.sum(bins == b) for b in np.unique(bins)])

    def misfit(tau: float) -> float:
        shape = np.exp(-middles / tau)
        height = np.sum(counts * shape * means) / np.sum(counts * shape**2)
        return float(np.sum(counts * (means - height * shape) ** 2))

    return float(min(np.geomspace(0.3, 60, 200), key=misfit))


def _between(heard: Heard, residual: Floats) -> tuple[float, float]:
    """Standard deviation between receivers and between transmitters, each freed of the other (least
    squares).
    """
    receivers, r = np.unique(heard.receiver, return_inverse=True)
    transmitters, t = np.unique(heard.transmitter, return_inverse=True)
    of_receiver, of_transmitter = np.zeros(len(receivers)), np.zeros(len(transmitters))
    for _ in range(30):
        of_receiver = np.bincount(r, residual - of_transmitter[t]) / np.bincount(r)
        of_transmitter = np.bincount(t, residual - of_receiver[r]) / np.bincount(t)
    return float(np.std(of_receiver)), float(np.std(of_transmitter))


def _weighted(values: list[float], heard: list[Heard]) -> float:
    return float(np.average(values, weights=[len(h.at_s) for h in heard]))


def _least(function: Callable[[Floats], float], start: Floats, steps: Floats) -> Floats:
    """Where a smooth function is least: Nelder and Mead, Computer Journal 7 (1965) 308."""
    points = [start, *(start + np.eye(len(start))[i] * steps[i] for i in range(len(start)))]
    values = [function(p) for p in points]
    for _ in range(300):
        order = np.argsort(values)
        points, values = [points[i] for i in order], [values[i] for i in order]
        if values[-1] - values[0] < 0.01:
            break
        centre = np.mean(points[:-1], axis=0)
        tried = centre + (centre - points[-1])
        value = function(tried)
        if value < values[0]:
            further = centre + 2 * (centre - points[-1])
            if (again := function(further)) < value:
                tried, value = further, again
        elif value >= values[-2]:
            tried = centre + (points[-1] - centre) / 2
            value = function(tried)
            if value >= values[-1]:
                points = [points[0] + (p - points[0]) / 2 for p in points]
                values = [function(p) for p in points]
                continue
        points[-1], values[-1] = tried, value
    return np.asarray(points[int(np.argmin(values))])
