"""What any number of antennas hears: each term as its formula says."""

from dataclasses import replace

import numpy as np
import pytest

from presence.core.place import Place
from scripts.entrybench import antennas, phones, radio, shop, walks, world
from scripts.entrybench.antennas import SET_UPS, Antenna, SetUp
from scripts.entrybench.world import World
from tests.entrybench.air import AIR

recorded = pytest.mark.skipif(
    not walks.WALKS.exists(), reason="the recordings are not beside this checkout"
)
AHEAD = np.array([0.9]), np.array([1000.0])
BEHIND = np.array([0.9]), np.array([-1000.0])
BESIDE = np.array([1000.9]), np.array([0.2])


def test_front_less_back_is_the_front_to_back() -> None:
    inner, _ = antennas.back_to_back(10)

    ahead, behind, beside = (inner.gain_db(*at, 1.4)[0] for at in (AHEAD, BEHIND, BESIDE))
    assert ahead - behind == pytest.approx(10, abs=0.01)
    assert beside == pytest.approx(0, abs=0.01)


def test_straight_below_an_antenna_there_is_no_front() -> None:
    inner, _ = antennas.back_to_back(10)

    assert inner.gain_db(np.array([0.9]), np.array([0.2]), 1.4)[0] == 0


def test_only_the_pair_hangs_together() -> None:
    set_up = SET_UPS["pair 10 dB + gateway"]

    names = [[set_up.antennas[i].name for i in pair] for pair in set_up.together()]
    assert names == [["door", "outside"]]


def test_shadowing_is_shared_within_a_pair_and_with_nobody_else() -> None:
    still = replace(AIR, shadow_s=1e-9)
    place = World(still, SET_UPS["pair 10 dB + gateway"])
    at = np.arange(20_000.0)
    shadows = world._shadowing_db(place, at, at, at, np.random.default_rng(1))

    correlation = np.corrcoef(shadows.T)
    assert correlation[1, 2] == pytest.approx(antennas.SHARED, abs=0.02)
    assert abs(correlation[0, 1:]).max() < 0.03
    assert np.std(shadows, axis=0) == pytest.approx([AIR.shadow_db] * 3, rel=0.03)


def test_glass_is_between_the_street_and_the_gateway_but_not_in_the_open_door() -> None:
    coated = shop.walls_db(np.array([4.0, 0.0]), np.array([-2.0, -0.5]), (1.0, 8.0), 30)

    assert coated[0] > 15
    assert coated[1] == 0


def test_a_louder_phone_is_as_much_louder_at_every_antenna() -> None:
    def levels(louder_db: float) -> np.ndarray:
        place = World(AIR, SET_UPS["gateway + door"], louder_db=louder_db)
        walk = shop.passer(np.random.default_rng(3))
        phone = phones.Phone("hand", 0, 0, 1, ahead=True)
        at = np.linspace(0, 10, 50)
        return world.readings_dbm(place, walk, at, phone, np.random.default_rng(4))

    assert levels(16) - levels(0) == pytest.approx(16)


def test_carried_ways_and_models_spread_as_the_recorded_phones_did() -> None:
    rng = np.random.default_rng(5)
    levels = [phones.draw(phones.MIXED, 3.4, rng).level_db for _ in range(20_000)]

    assert np.std(levels) == pytest.approx(3.4, rel=0.02)
    assert np.mean(levels) == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize(("model_db", "told_db"), [(-6.0, 0), (1.9, 0), (2.1, 4), (9.0, 8)])
def test_the_list_tells_of_louder_models_only_and_in_steps(model_db: float, told_db: int) -> None:
    assert phones.told_loudness_db(phones.Phone("hand", model_db, 0, 1, ahead=True)) == told_db


def test_told_loudness_lowers_every_reading_of_a_loud_model() -> None:
    place = World(AIR, SET_UPS["gateway"], phones=phones.WIDER)
    told = replace(place, loudness_told=True)

    for one, other in zip(
        *(list(world.people({"passer": 1.0}, 20, of, 10)) for of in (place, told)), strict=True
    ):
        lower = np.unique(one.rssi_dbm - other.rssi_dbm)
        assert lower.tolist() == [phones.told_loudness_db(one.phone)]


def test_silence_is_seen_and_a_packet_that_nobody_heard_is_not_there() -> None:
    found = list(world.people(shop.OUTSIDERS, 50, World(AIR, SET_UPS["gateway + door"]), 6))
    readings = np.concatenate([e.rssi_dbm for e in found])

    assert np.isnan(readings).any()
    assert not np.isnan(readings).all(axis=1).any()


def test_nobody_is_watched_longer_than_the_world_says() -> None:
    place = World(AIR, SET_UPS["gateway"], watched_s=30)

    for entry in world.people(shop.INSIDERS, 20, place, 7):
        assert entry.entered_at_s is not None
        assert entry.at_s[-1] <= entry.entered_at_s + 30


def test_the_same_seed_gives_the_same_episodes_and_the_same_walks_elsewhere() -> None:
    one, other = (
        list(world.people(shop.INSIDERS, 10, World(AIR, SET_UPS["gateway"]), 8)) for _ in range(2)
    )
    elsewhere = list(world.people(shop.INSIDERS, 10, World(AIR, SET_UPS["pair 6 dB"]), 8))

    for a, b, c in zip(one, other, elsewhere, strict=True):
        assert np.array_equal(a.rssi_dbm, b.rssi_dbm, equal_nan=True)
        assert (a.entered_at_s, a.phone) == (c.entered_at_s, c.phone)


def test_two_antennas_alike_hear_alike_on_average() -> None:
    twice = SetUp("twice", (Antenna("a", Place.INSIDE, 1, 8), Antenna("b", Place.INSIDE, -1, 8)))
    found = list(world.people(shop.INSIDERS, 60, World(replace(AIR, edge_dbm=-200), twice), 9))

    a, b = np.nanmean(np.concatenate([e.rssi_dbm for e in found]), axis=0)
    assert a == pytest.approx(b, abs=1)


def test_edge_and_fading_take_a_reading_of_any_shape() -> None:
    assert radio.is_heard(AIR, np.full((4, 3), 0.0), np.random.default_rng(1)).shape == (4, 3)


@recorded
def test_recorded_receivers_are_shadowed_independently() -> None:
    correlation, pairs = walks.shadowing_correlation()
    near, near_pairs = walks.shadowing_correlation(5)

    assert pairs == 24_918
    assert abs(correlation) < 0.01
    assert near_pairs > 1_000
    assert near < 0.1
