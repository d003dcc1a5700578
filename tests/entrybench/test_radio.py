"""The air of the simulated shop: each part as its formula says, and the whole as the recorded
bodies.
"""

from dataclasses import replace

import numpy as np
import pytest

from scripts.entrybench import bodies, radio
from scripts.entrybench.bodies import Fit
from tests.entrybench.air import AIR

recorded = pytest.mark.skipif(
    not bodies.BODIES.exists(), reason="the recordings are not beside this checkout"
)


@pytest.fixture(scope="module")
def fitted() -> Fit:
    return bodies.fit()


def test_ten_times_as_far_is_ten_exponents_weaker() -> None:
    assert radio.mean_dbm(AIR, np.array([1.0, 10.0])).tolist() == [-70, -90]


def test_a_body_between_costs_the_whole_body_loss() -> None:
    facing, behind = radio.body_loss_db(AIR, np.array([1.0, -1.0]))

    assert behind - facing == AIR.body_db


def test_fading_has_no_mean_and_the_spread_of_its_k() -> None:
    fading = radio.fading_db(3, 200_000, np.random.default_rng(1))

    assert abs(fading.mean()) < 0.05
    assert np.var(fading) == pytest.approx(radio.rice_variance_db2(3), rel=0.03)


def test_fading_without_a_direct_path_spreads_as_rayleigh() -> None:
    assert radio.rice_variance_db2(0) == pytest.approx(31, abs=1.5)


def test_k_is_found_from_its_spread() -> None:
    assert radio.rice_k_of(radio.rice_variance_db2(4)) == pytest.approx(4, rel=0.01)


def test_shadowing_forgets_with_the_way_walked() -> None:
    rng = np.random.default_rng(2)
    still_air = replace(AIR, shadow_s=1e9)
    pairs = np.array(
        [
            radio.shadowing_db(still_air, np.array([0.0, 2.0]), np.array([0.0, 1.0]), rng)
            for _ in range(20_000)
        ]
    )

    assert np.corrcoef(pairs.T)[0, 1] == pytest.approx(np.exp(-1), abs=0.02)
    assert np.std(pairs) == pytest.approx(AIR.shadow_db, rel=0.02)


def test_half_is_heard_at_the_edge_and_none_far_below() -> None:
    rng = np.random.default_rng(3)

    assert radio.is_heard(AIR, np.full(10_000, -97.0), rng).mean() == pytest.approx(0.5, abs=0.02)
    assert not radio.is_heard(AIR, np.full(1000, -115.0), rng).any()


@recorded
def test_the_fit_stands_where_the_recorded_bodies_are(fitted: Fit) -> None:
    """Median within 3 dB, 10th and 90th percentile within 5, wherever there are 100 readings."""
    for scenario in bodies.FITTED:
        heard = bodies.load(scenario)
        for low, high in ((0.5, 1), (1.5, 2), (2, 3), (3, 4), (4, 5), (5, 6), (6, 8)):
            rows = (heard.distance_m >= low) & (heard.distance_m < high)
            if rows.sum() < 100:
                continue
            data = np.percentile(heard.rssi_dbm[rows], [10, 50, 90])
            model = fitted.percentiles_dbm(float(np.median(heard.distance_m[rows])))
            assert abs(model - data) == pytest.approx([0, 0, 0], abs=5), (scenario, low)
            assert abs(model[1] - data[1]) <= 3, (scenario, low)


@recorded
def test_the_fit_is_the_same_every_time(fitted: Fit) -> None:
    assert bodies.fit() == fitted


@recorded
def test_a_fit_that_forgets_what_was_not_heard_is_flatter(fitted: Fit) -> None:
    heard = [bodies.load(scenario) for scenario in bodies.FITTED]
    distance = np.concatenate([h.distance_m for h in heard])
    naive = -np.polyfit(np.log10(distance), np.concatenate([h.rssi_dbm for h in heard]), 1)[0] / 10

    assert fitted.radio.exponent > naive + 0.4


def test_the_likelihood_finds_what_made_the_readings() -> None:
    rng = np.random.default_rng(4)
    distance = rng.uniform(0.5, 10, 6000)
    normal = 5 * rng.standard_normal(6000)
    body = sum(radio.body_loss_db(AIR, np.cos(rng.uniform(0, np.pi, 6000))) for _ in range(2))
    level = radio.mean_dbm(replace(AIR, level_1m_dbm=-80, exponent=1.8), distance)
    rssi = level + normal + body + radio.fading_db(3, 6000, rng)
    heard = radio.is_heard(AIR, rssi, rng)

    found = bodies.most_likely(distance[heard], np.round(rssi[heard]), 10, 3)

    assert found == pytest.approx((-80, 1.8, 5, -97), abs=0.6)
