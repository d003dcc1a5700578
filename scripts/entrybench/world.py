"""What any number of antennas hears of each person, packet by packet, silence included.

    mean at the distance − walls + pattern + phone + shadowing − body + fading

Phone and body are one for all antennas: they fall out of a difference. Shadowing is each antenna's
own, but for antennas within TOGETHER_M, which share SHARED of it. Fading is anew for every packet
and antenna. One collision loses a packet for all; each antenna misses MISSED_BY_ONE beside.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from scripts.entrybench import phones, shop
from scripts.entrybench import radio as air
from scripts.entrybench.antennas import SHARED, Antenna, SetUp
from scripts.entrybench.phones import MIXED, Phone, Phones
from scripts.entrybench.radio import Floats, Radio
from scripts.entrybench.shop import HEIGHT_M, MISSED_BY_ONE, Chance, Walk

WATCHED_S: Final = 240.0
"""Who is not found so long after the line is missed: packets after that are not made."""
LOUDER_DB: Final = 16.0
"""The recorded phones traced contacts at Android's LOW, −15 dBm (microG GmsCore, `TX_POWER_LOW`);
an app that advertises for itself may have HIGH, +1 dBm (AOSP `AdvertisingSetParameters`).
"""


@dataclass(frozen=True, slots=True)
class World:
    radio: Radio
    set_up: SetUp
    glass_db: float = shop.GLASS_DB
    """Of the front; the door stands open. Open front 0, plain double glass 3, low-E 17, 25, 30."""
    louder_db: float = LOUDER_DB
    phones: Phones = MIXED
    missed_by_one: float = MISSED_BY_ONE
    watched_s: float = WATCHED_S
    loudness_told: bool = False
    """Whether the list says how loud a model is: readings are lowered by it."""


@dataclass(frozen=True, slots=True)
class Episode:
    """One person; P packets that at least one of A antennas heard."""

    kind: str
    at_s: Floats
    """(P,)"""
    rssi_dbm: Floats
    """(P, A): whole dBm; NaN where this antenna did not hear the packet."""
    entered_at_s: float | None
    """When the line was crossed, or None: stayed outside."""
    left_at_s: float | None
    phone: Phone = field(repr=False)

    @property
    def is_entry(self) -> bool:
        return self.entered_at_s is not None


def people(shares: dict[str, float], count: int, world: World, seed: int) -> Iterator[Episode]:
    """`count` people in the given shares; the same seed gives the same people on any set-up."""
    rng = np.random.default_rng(seed)
    kinds = [kind for kind, share in shares.items() for _ in range(round(share * count))]
    for kind, child in zip(kinds, rng.spawn(len(kinds)), strict=True):
        yield person(kind, world, np.random.default_rng(child))


def person(kind: str, world: World, rng: Chance) -> Episode:
    walk = shop.WALKS[kind](rng)
    entered, left = shop.crossings_s(walk) if kind in shop.INSIDERS else (None, None)
    at = shop.advertised_s(float(walk.at_s[-1]), rng)
    if entered is not None:
        at = at[at <= entered + world.watched_s]
    phone = phones.draw(world.phones, world.radio.phone_db, rng)
    rssi = readings_dbm(world, walk, at, phone, rng)
    heard = air.is_heard(world.radio, rssi, rng) & (rng.random(rssi.shape) >= world.missed_by_one)
    told_db = phones.told_loudness_db(phone) if world.loudness_told else 0
    readings = np.where(heard, np.round(rssi) - told_db, np.nan)
    kept = heard.any(axis=1)
    return Episode(kind, at[kept], readings[kept], entered, left, phone)


def readings_dbm(world: World, walk: Walk, at: Floats, phone: Phone, rng: Chance) -> Floats:
    """(P, A): the packets, were they all heard."""
    x, y = np.interp(at, walk.at_s, walk.x_m), np.interp(at, walk.at_s, walk.y_m)
    facing = phones.facing_rad(phone, shop.heading(walk, at, rng), rng)
    antennas = world.set_up.antennas
    levels = np.column_stack(
        [_level_dbm(world, antenna, (x, y), facing, phone) for antenna in antennas]
    )
    fading = air.fading_db(world.radio.rice_k, levels.size, rng).reshape(levels.shape)
    return np.asarray(levels + _shadowing_db(world, x, y, at, rng) + fading)


def _level_dbm(
    world: World, antenna: Antenna, where: tuple[Floats, Floats], facing: Floats, phone: Phone
) -> Floats:
    """What place, body and phone make of it."""
    x, y = where
    dx, dy = antenna.x_m - x, antenna.y_m - y
    flat_m = np.hypot(dx, dy)
    distance_m = np.hypot(flat_m, HEIGHT_M)
    towards = np.cos(np.arctan2(dy, dx) - facing) * flat_m / distance_m
    return np.asarray(
        air.mean_dbm(world.radio, distance_m)
        - shop.walls_db(x, y, (antenna.x_m, antenna.y_m), world.glass_db)
        + antenna.gain_db(x, y, HEIGHT_M)
        + phone.level_db
        + world.louder_db
        - phone.body * air.body_loss_db(world.radio, towards)
    )


def _shadowing_db(world: World, x: Floats, y: Floats, at: Floats, rng: Chance) -> Floats:
    """(P, A): independent, but for the antennas that hang together."""
    way_m = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x), np.diff(y)))])[: len(at)]
    own = [air.shadowing_db(world.radio, way_m, at, rng) for _ in world.set_up.antennas]
    for i, j in world.set_up.together():
        common = air.shadowing_db(world.radio, way_m, at, rng)
        for k in (i, j):
            own[k] = np.sqrt(SHARED) * common + np.sqrt(1 - SHARED) * own[k]
    return np.column_stack(own)
