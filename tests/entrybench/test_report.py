"""docs/entry.md says what the bench found: what stands between its marks is made from
its figures.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.entrybench import report
from scripts.entrybench.__main__ import KEPT, PAGE, PICTURES, this_run
from scripts.entrybench.contest import GOALS, NEAR_OPTIMUM, OURS
from scripts.entrybench.figures import Tree
from tests.support.paths import ROOT


def a_tally(**changed: object) -> Tree:
    return {
        "false_per_1000": 0.5,
        "false_within": [0.2, 0.9],
        "found_percent": 98.4,
        "found_within": [97.0, 99.0],
        "median_s": 3.2,
        "median_within_s": [3.0, 3.5],
        "p90_s": 8.0,
        "p90_within_s": [7.0, None],
        "passers_per_1000": 0.0,
        "passers_within": [0.0, 0.3],
    } | changed


def a_shop(times_the_optimum: float = 1.1, **changed: object) -> Tree:
    return {
        "rules": {OURS: {"fresh": a_tally(**changed)}, NEAR_OPTIMUM: {"even": a_tally()}},
        "times_the_optimum": times_the_optimum,
    }


PAIR = next(iter(GOALS))


def test_a_set_up_that_reaches_all_misses_nothing() -> None:
    assert report.missed(a_shop(), PAIR) == []


@pytest.mark.parametrize(
    ("changed", "missed"),
    [
        ({"false_per_1000": 1.1}, "false enters MISSED"),
        ({"found_percent": 97.9}, "found MISSED"),
        ({"median_s": 4.1}, "median MISSED"),
        ({"median_s": None}, "median MISSED"),
        ({"p90_s": None}, "p90 MISSED"),
        ({"times_the_optimum": 1.4}, "1.3× the near-optimum MISSED"),
    ],
)
def test_each_goal_that_is_missed_is_named(changed: Tree, missed: str) -> None:
    assert report.missed(a_shop(**changed), PAIR) == [missed]


def test_only_what_stands_between_marks_is_made_anew() -> None:
    page = "before\n<!-- bench: run -->\nold\n<!-- bench ends -->\nafter\n"
    figures = {
        "run": {
            "date": "2026-11-29",
            "commit": "abc",
            "testing_seed": 7,
            "training_seed": 17,
            "quick": False,
        },
        "shadowing_correlation": -0.001,
        "shops": {PAIR: a_shop(false=[1, 6_000], entries=500)},
    }

    assert report.MARKED.sub(lambda mark: mark["name"], page) == "before\nrunafter\n"
    assert "seed 7" in report.run(figures)
    assert "6,000 outsiders and 500 who come in" in report.run(figures)


def test_who_is_told_of_follows_from_date_and_commit_unless_it_is_said() -> None:
    one, again, said = (
        this_run(None, quick=True),
        this_run(None, quick=True),
        this_run(3, quick=True),
    )

    assert one.testing_seed == again.testing_seed
    assert said.testing_seed == 3
    assert re.match(r"[0-9a-f]{12}", one.commit)


def test_the_page_says_what_was_found_and_nothing_before_it_was() -> None:
    page = PAGE.read_text(encoding="utf-8")
    marks = list(report.MARKED.finditer(page))

    assert [mark["name"] for mark in marks] == list(report.BLOCKS)
    if KEPT.exists():
        figures = json.loads(KEPT.read_text(encoding="utf-8"))
        assert not figures["run"]["quick"]
        assert report.filled(page, figures) == page
    else:
        assert report.MARKED.sub(lambda mark: mark[1] + mark[3], page) == page


def test_the_figures_of_a_run_that_was_ended_make_its_tables_without_another_run(
    tmp_path: Path,
) -> None:
    pytest.importorskip("matplotlib")
    if not KEPT.exists():
        pytest.skip("no run of this rule was kept yet")
    command = [sys.executable, "-m", "scripts.entrybench", "--from", KEPT, "--out", tmp_path]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert report.goals(json.loads(KEPT.read_text())) in (tmp_path / "entry.md").read_text()


def test_pictures_are_small_enough_for_the_page() -> None:
    found = list(PICTURES.glob("entry-*.png"))
    assert found
    for picture in found:
        assert picture.stat().st_size < 60_000
