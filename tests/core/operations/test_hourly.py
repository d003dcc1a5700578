"""Counts of customers leave the shop rounded, by the hour, and not at all where they are few (R-23,
T-16).
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.core.operations.hourly import HOUR_S, HourlyCounts, HourlyLevels, HourlyNews, rounded
from tests.support.builders import moment

LATER_S = float(HOUR_S)


@pytest.mark.requirement("R-23")
@pytest.mark.parametrize(
    ("count", "told"), [(0, 0), (1, 0), (4, 0), (5, 5), (7, 5), (8, 10), (12, 10), (13, 15)]
)
def test_a_count_is_rounded_to_five_and_hidden_below(count: int, told: int) -> None:
    assert rounded(count) == told


@pytest.mark.requirement("R-23", "T-16")
def test_nothing_changes_before_the_hour_is_over() -> None:
    counts = HourlyCounts()
    counts.release({"entered": 0}, moment())

    told = [counts.release({"entered": n}, moment(n * 10))["entered"] for n in range(1, 300)]

    assert set(told) == {0}
    assert counts.release({"entered": 300}, moment(LATER_S)) == {"entered": 300}


@pytest.mark.requirement("R-23")
def test_one_customer_in_an_hour_changes_nothing_whatever_came_before() -> None:
    counts = HourlyCounts()
    counts.release({"entered": 0}, moment())
    before = counts.release({"entered": 9}, moment(LATER_S))

    assert counts.release({"entered": 10}, moment(2 * LATER_S)) == before == {"entered": 10}


def test_a_clock_that_goes_back_releases_nothing() -> None:
    counts = HourlyCounts()
    counts.release({"entered": 0}, moment())

    assert counts.release({"entered": 50}, moment(-9 * LATER_S)) == {"entered": 0}
    assert counts.release({"entered": 50}, moment(-8 * LATER_S)) == {"entered": 50}


@pytest.mark.requirement("R-23")
def test_a_level_is_the_one_of_the_last_full_hour() -> None:
    levels = HourlyLevels()

    assert [
        levels.release(level, moment(at_s))
        for level, at_s in ((40, 0), (40, 60), (41, LATER_S), (0, 3700))
    ] == [
        0,
        0,
        40,
        40,
    ]


@pytest.mark.requirement("R-23")
def test_news_wait_for_the_border_of_an_hour_and_for_five_of_a_kind() -> None:
    news: HourlyNews[str] = HourlyNews()
    assert news.due(moment()) == {}
    for kind, count in (("few", 4), ("some", 7)):
        for _ in range(count):
            news.note(kind)

    assert news.due(moment(60)) == {}
    assert news.due(moment(LATER_S)) == {"some": 5}
    news.note("few")
    assert news.due(moment(LATER_S + 60)) == {}
    assert news.due(moment(2 * LATER_S)) == {"few": 5}
    assert news.due(moment(3 * LATER_S)) == {}


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 4000)), max_size=60))
def test_whatever_happens_only_multiples_of_five_are_told_and_they_never_fall(
    steps: list[tuple[int, int]],
) -> None:
    counts, total, at_s, last, hour = HourlyCounts(), 0, 0, 0, -1
    for more, seconds in steps:
        total, at_s = total + more, at_s + seconds
        now = moment(at_s)
        told = counts.release({"entered": total}, now)["entered"]
        assert told % 5 == 0
        assert told >= last
        assert told == last or int(now.utc_s // HOUR_S) > hour
        last, hour = told, int(now.utc_s // HOUR_S)
