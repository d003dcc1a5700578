"""How long to wait before the list is asked for again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.core.consent.polling import CAP_S, MIN_POLL_S, asked_pause_s, pause_s

CHANCES = st.floats(0, 1, exclude_max=True)


@given(st.floats(1, 600), st.integers(0, 10_000), CHANCES)
def test_a_pause_is_never_none_and_never_longer_than_ten_minutes(
    every_s: float, errors: int, chance: float
) -> None:
    assert MIN_POLL_S <= pause_s(every_s, errors, chance) <= CAP_S


@given(st.integers(0, 100), CHANCES)
def test_errors_never_make_a_pause_shorter(errors: int, chance: float) -> None:
    assert pause_s(60, errors, chance) <= pause_s(60, errors + 1, chance)


@pytest.mark.requirement("R-46")
def test_gateways_that_failed_often_spread_over_ten_minutes() -> None:
    pauses = [pause_s(60, 8, n / 1000) for n in range(1000)]
    assert max(pauses) > 0.99 * CAP_S
    assert 0.45 * CAP_S < sum(pauses) / len(pauses) < 0.55 * CAP_S


def test_all_being_well_the_list_is_looked_at_as_often_as_set() -> None:
    pauses = [pause_s(60, 0, n / 1000) for n in range(1000)]
    assert 59 < sum(pauses) / len(pauses) < 61


def test_what_a_notice_asks_for_is_spread_over_seconds() -> None:
    assert asked_pause_s(0) == 0
    assert asked_pause_s(0.999) < 5
