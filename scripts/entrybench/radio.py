"""How strong a phone on a body is heard: path loss, shadowing, body, fading, and what the receiver
misses.

    rssi = level_1m − 10·n·log10(d) − walls + phone + shadowing − body + fading
    heard with P(rssi)

* *phone*: each phone, pocket and case by itself, constant for one person; normal.
* *shadowing*: shelves and people between; normal, correlated as exp(−way/shadow_m − time/shadow_s)
  (Gudmundson, Electronics Letters 27 (1991) 2145; the time term is other people moving).
* *body*: the carrier's own, (1 − cos of the angle between the phone's side and the gateway) / 2 of
  `body_db`.
* *fading*: Rician, anew for every packet, because successive packets come on another of three
  channels.
* the receiver's edge: heard with the probability 1 / (1 + exp(−(rssi − edge_dbm) / EDGE_WIDTH_DB)).

The numbers come from `bodies.fit`. Body and fading are shifted to a mean of 0 dB here, so that
`level_1m_dbm` is the mean at one metre whatever their spread.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

EDGE_WIDTH_DB: Final = 1.5
"""From all heard to none within about 6 dB: packet error rates of BLE receivers fall that
steeply.
"""


@dataclass(frozen=True, slots=True)
class Radio:
    level_1m_dbm: float
    exponent: float
    phone_db: float
    """Standard deviation between phones (with their pockets)."""
    shadow_db: float
    shadow_m: float
    shadow_s: float
    body_db: float
    rice_k: float
    """Power of the direct path over that of the echoes."""
    edge_dbm: float


def mean_dbm(radio: Radio, distance_m: Floats) -> Floats:
    """Mean level at a distance; nearer than 0.3 m counts as 0.3 m, as antennas and arms do not get
    closer.
    """
    level = radio.level_1m_dbm - 10 * radio.exponent * np.log10(np.maximum(distance_m, 0.3))
    return np.asarray(level)


def body_loss_db(radio: Radio, cosine: Floats) -> Floats:
    """Loss by the carrier's body, less its mean: from −body/2 (phone faces us) to +body/2 (body
    between).
    """
    return np.asarray(-radio.body_db / 2 * cosine)


def fading_db(rice_k: float, count: int, rng: np.random.Generator) -> Floats:
    """Rician fading of independent packets, less its mean."""
    line = np.sqrt(rice_k / (rice_k + 1))
    echo = np.sqrt(0.5 / (rice_k + 1))
    power = (line + echo * rng.standard_normal(count)) ** 2 + (
        echo * rng.standard_normal(count)
    ) ** 2
    return np.asarray(10 * np.log10(np.maximum(power, 1e-6)) - rice_mean_db(rice_k))


def rice_mean_db(rice_k: float) -> float:
    return float(_rice_moments(rice_k)[0])


def rice_variance_db2(rice_k: float) -> float:
    return float(_rice_moments(rice_k)[1])


def shadowing_db(radio: Radio, way_m: Floats, at_s: Floats, rng: np.random.Generator) -> Floats:
    """Shadowing along a walk; `way_m` is the length walked up to each time."""
    if len(at_s) == 0:
        return np.zeros(0)
    kept = np.exp(-np.abs(np.diff(way_m)) / radio.shadow_m - np.diff(at_s) / radio.shadow_s)
    fresh = np.sqrt(np.maximum(1 - kept**2, 0)) * rng.standard_normal(len(kept))
    value = rng.standard_normal()
    values = [value]
    for keep, new in zip(kept.tolist(), fresh.tolist(), strict=True):
        value = keep * value + new
        values.append(value)
    return radio.shadow_db * np.array(values)


def is_heard(radio: Radio, rssi_dbm: Floats, rng: np.random.Generator) -> NDArray[np.bool_]:
    chance = 1 / (1 + np.exp(-np.clip((rssi_dbm - radio.edge_dbm) / EDGE_WIDTH_DB, -40, 40)))
    return rng.random(np.shape(rssi_dbm)) < chance


def rice_k_of(variance_db2: float) -> float:
    """The K factor whose fading has this variance in dB²; Rayleigh (K = 0) has 31."""
    low, high = 0.0, 30.0
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if rice_variance_db2(middle) > variance_db2 else (low, middle)
    return (low + high) / 2


def rice_density(rice_k: float, db: Floats) -> Floats:
    """Probability per cell of a dB grid, of fading less its mean."""
    density = _rice_in_db(rice_k, db + rice_mean_db(rice_k))
    return np.asarray(density / np.sum(density))


def _rice_moments(rice_k: float) -> tuple[float, float]:
    """Mean and variance of Rician power in dB, by the sum over its density."""
    db = np.arange(-80.0, 20.0, 0.02)
    density = _rice_in_db(rice_k, db)
    mean = np.sum(density * db) / np.sum(density)
    return float(mean), float(np.sum(density * (db - mean) ** 2) / np.sum(density))


def _rice_in_db(rice_k: float, db: Floats) -> Floats:
    """Density of Rician power of mean 1, over decibels, up to a factor."""
    power = 10 ** (db / 10)
    argument = 2 * np.sqrt(rice_k * (rice_k + 1) * power)
    # I0 grows like exp(argument): its logarithm stays finite, and the exponential of the sum does
    bessel = np.log(np.i0(np.minimum(argument, 700))) + np.maximum(argument - 700, 0)
    return np.asarray(np.exp(bessel - rice_k - (rice_k + 1) * power) * power)
