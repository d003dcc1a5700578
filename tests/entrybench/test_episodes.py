"""Who entered and who did not is geometry, known before any reading is looked at."""

import numpy as np
import pytest

from scripts.entrybench import contest, shop, trial, walks
from scripts.entrybench.episodes import true_entry
from scripts.entrybench.radio import Radio
from scripts.entrybench.trial import OurRule, Tried
from tests.entrybench.air import AIR

recorded = pytest.mark.skipif(
    not walks.WALKS.exists(), reason="the recordings are not beside this checkout"
)
SECONDS = np.arange(20.0)


def test_five_seconds_inside_are_an_entry_at_the_crossing() -> None:
    assert true_entry(SECONDS, (SECONDS >= 7) & (SECONDS < 12)) == (7, 12)


def test_to_dip_in_is_no_entry() -> None:
    assert true_entry(SECONDS, (SECONDS >= 7) & (SECONDS < 11)) is None


def test_the_second_try_counts_when_the_first_was_short() -> None:
    assert true_entry(SECONDS, ((SECONDS >= 2) & (SECONDS < 4)) | (SECONDS >= 10)) == (10, 19)


@pytest.mark.parametrize("kind", sorted(shop.OUTSIDERS))
def test_outsiders_never_come_in(kind: str) -> None:
    for seed in range(30):
        walk = shop.WALKS[kind](np.random.default_rng(seed))
        at = np.linspace(0, walk.at_s[-1], 500)
        x, y = np.interp(at, walk.at_s, walk.x_m), np.interp(at, walk.at_s, walk.y_m)
        assert not np.any((y > 0) & (np.abs(x) < shop.HALF_WIDTH_M))


@pytest.mark.parametrize("kind", sorted(shop.INSIDERS))
def test_insiders_cross_the_line_through_the_door_and_stay(kind: str) -> None:
    for seed in range(30):
        walk = shop.WALKS[kind](np.random.default_rng(seed))
        entered_s, left_s = shop.crossings_s(walk)
        assert left_s - entered_s >= 20
        assert np.interp(entered_s, walk.at_s, walk.y_m) == pytest.approx(0, abs=1e-6)
        assert abs(np.interp(entered_s, walk.at_s, walk.x_m)) < shop.HALF_DOOR_M


@pytest.mark.parametrize("kind", ["passer", "window"])
def test_passers_by_keep_one_to_three_metres_from_the_glass(kind: str) -> None:
    for seed in range(30):
        walk = shop.WALKS[kind](np.random.default_rng(seed))
        assert np.all((walk.y_m <= -1) & (walk.y_m >= -3))


def test_glass_costs_less_than_it_would_through_the_open_door_nothing() -> None:
    x, y = np.array([0.0, 4.0, 0.0]), np.array([-2.0, -2.0, 4.0])

    assert shop.walls_db(x, y, (0.0, 8.0)).tolist() == [0, shop.GLASS_DB, 0]


def test_the_flat_is_behind_a_wall() -> None:
    assert shop.walls_db(np.array([-7.0]), np.array([4.0]), shop.ADVISED.gateway).tolist() == [
        shop.WALL_DB
    ]


def test_advertisements_keep_the_interval_and_its_random_delay() -> None:
    gaps = np.concatenate(
        [np.diff(shop.advertised_s(60, np.random.default_rng(seed))) for seed in range(40)]
    )

    assert gaps.min() >= min(shop.INTERVALS_S)
    assert len(np.unique(np.round(gaps, 4))) > 100


def test_the_same_seed_gives_the_same_people() -> None:
    one, other = (shop.episodes(shop.OUTSIDERS, 100, AIR, 7) for _ in range(2))

    assert all(
        a.kind == b.kind
        and np.array_equal(a.at_s, b.at_s)
        and np.array_equal(a.rssi_dbm, b.rssi_dbm)
        for a, b in zip(one, other, strict=True)
    )


def test_the_figures_do_not_depend_on_how_many_work() -> None:
    tried = Tried((-80.0,), (), {})
    work = trial.tasks({"passer": 1.0}, 1001, 9, AIR, tried)

    assert trial.run(work, 1).highest == trial.run(work, 2).highest


def test_outcomes_count_false_enters_and_delays() -> None:
    outcomes = trial.Outcomes(
        kinds=["passer"] * 4,
        highest={"x": [-90, -80, -70, -60]},
        entry_kinds=["customer"] * 2,
        entries={"x": [[(-5.0, -85.0), (3.0, -65.0)], [(2.0, -85.0)]]},
    )

    assert outcomes.false_per_1000("x", -70) == 500
    assert outcomes.delays_s("x", -70).tolist() == [3, np.inf]
    assert outcomes.threshold_for("x", 250) == pytest.approx(-70)
    assert outcomes.false_per_1000("x", outcomes.threshold_for("x", 250)) == 250
    assert trial.score(outcomes, "x", -70).found == 0.5


def test_losing_a_visitor_and_finding_them_again_is_a_flap() -> None:
    [visitor] = shop.episodes({"customer": 1.0}, 1, AIR, 3)
    assert visitor.left_at_s is not None

    assert trial.flaps(visitor, [(0, 1), (2, 3), (visitor.left_at_s + 60, 1e9)]) == 1
    assert trial.flaps(visitor, []) == 0


def test_a_whole_machine_scores_one_when_it_says_entered() -> None:
    quiet: Radio = AIR
    people = shop.episodes({"customer": 1.0}, 4, quiet, 5)
    outcomes = trial.judge(people, trial.scorers(Tried((), (), {"ours": OurRule(-85, 5)})))

    assert np.isfinite(outcomes.delays_s("ours", 1.0)).any()


@recorded
def test_the_recorded_halves_share_no_walk() -> None:
    assert not set(walks.TRAINING) & set(walks.TESTING)
    assert {e.trace for e in walks.episodes(walks.TESTING)} == set(walks.TESTING)


@recorded
def test_recorded_walk_pasts_never_come_within_the_radius() -> None:
    for episode in walks.episodes(walks.TRAINING):
        assert (episode.closest_m > walks.RADIUS_M) == (not episode.is_entry)


@recorded
@pytest.mark.requirement("R-19", "R-20", "T-25")
def test_what_three_walks_taught_lets_nobody_in_who_walks_past_on_the_three_others() -> None:
    result = contest.recorded()

    for rule in (contest.OURS_ONE, contest.OURS_TWO):
        assert result.row(rule).testing.false_per_1000 == 0
    assert len(result.testing.kinds) == 59, "as docs/entry.md says"
