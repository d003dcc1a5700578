"""Counts, thresholds and intervals of the entry bench."""

from math import inf

import numpy as np
import pytest

from scripts.entrybench import trial
from scripts.entrybench.crowd import Crowd
from scripts.entrybench.phones import Phone
from scripts.entrybench.trial import Outcomes
from scripts.entrybench.world import Episode

PHONE = Phone("hand", 0, 0, 1, ahead=True)


def outcomes() -> Outcomes:
    return Outcomes(
        kinds=["passer", "passer", "doorway", "passer"],
        highest={"x": [-90, -80, -60, -70]},
        entries={"x": [[(-5.0, -85.0), (3.0, -65.0)], [(2.0, -85.0)]]},
    )


def test_false_enters_are_counted_of_all_and_of_walk_pasts() -> None:
    assert outcomes().false_enters("x", -70) == (2, 4)
    assert outcomes().false_enters("x", -70, "passer") == (1, 3)
    assert outcomes().false_by_kind("x", -70) == {"doorway": (1, 1), "passer": (1, 3)}


def test_a_threshold_lets_in_as_many_as_are_allowed() -> None:
    threshold = outcomes().threshold_for("x", 250)

    assert outcomes().false_enters("x", threshold) == (1, 4)


def test_delays_count_from_the_line_and_who_is_missed_is_never() -> None:
    assert outcomes().delays_s("x", -70).tolist() == [3, inf]
    told = trial.tally(outcomes(), "x", -70)
    assert (told.found, told.entries, told.found_percent) == (1, 2, 50)


def test_the_score_of_a_crowd_is_each_ones_own() -> None:
    at, nowhere = np.arange(3.0), np.full((3, 1), -70.0)
    crowd = Crowd.of(
        [
            Episode("passer", at, nowhere, None, None, PHONE),
            Episode("customer", at[:2], nowhere[:2], 0.5, 1.5, PHONE),
        ]
    )
    found = trial.judge([crowd], {"x": lambda _: np.array([1.0, 3.0, 2.0, 5.0, 6.0])})

    assert found.highest == {"x": [3.0]}
    assert found.entries == {"x": [[(-0.5, 5.0), (0.5, 6.0)]]}


def test_only_the_highest_so_far_is_kept() -> None:
    found = trial.records(np.arange(4.0), np.array([-90.0, -80, -85, -70]))

    assert found == [(0, -90.0), (1, -80.0), (3, -70.0)]
    assert [trial.first_s(found, t) for t in (-95, -80, -79, -60)] == [0, 1, 3, inf]


def test_the_exact_interval_is_that_of_the_tables() -> None:
    """Clopper and Pearson's for 10 of 10,000, 0 of 100 and 95 of 100, as R's `binom.test` says."""
    assert trial.clopper_pearson(10, 10_000) == pytest.approx((0.00047965, 0.00183831), rel=1e-4)
    assert trial.clopper_pearson(0, 100) == pytest.approx((0, 0.03621669), rel=1e-4)
    assert trial.clopper_pearson(95, 100) == pytest.approx((0.88716515, 0.98356801), rel=1e-4)


def test_the_interval_of_a_median_holds_it_nineteen_times_in_twenty() -> None:
    rng = np.random.default_rng(1)
    held = [
        low <= 0 <= high
        for low, high in (
            trial.quantile_within(rng.standard_normal(101), 0.5) for _ in range(2_000)
        )
    ]

    assert np.mean(held) == pytest.approx(0.95, abs=0.02)


def test_a_rule_that_misses_half_has_no_median() -> None:
    assert trial.quantile(np.array([1.0, inf, inf]), 0.5) == inf


def test_a_rule_that_is_never_so_quick_has_no_false_enters_to_compare() -> None:
    assert trial.false_at(outcomes(), "x", -60) == inf
