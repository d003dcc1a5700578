"""So many at once, so many a second, and no more whatever the clock does."""

from hypothesis import given
from hypothesis import strategies as st

from presence.core.budget import Budget


def test_what_was_used_up_comes_back_with_the_seconds() -> None:
    budget = Budget(each_s=2, at_once=3)
    assert [budget.take(10.0) for _ in range(5)] == [True, True, True, False, False]
    assert [budget.take(10.5), budget.take(10.5)] == [True, False]
    assert [budget.take(1000.0) for _ in range(5)] == [True, True, True, False, False]


@given(st.lists(st.floats(0, 3), max_size=200))
def test_never_more_than_the_budget_of_the_time_that_passed(steps_s: list[float]) -> None:
    budget, now_s, taken = Budget(each_s=2, at_once=3), 100.0, 0
    for step_s in steps_s:
        now_s += step_s
        taken += budget.take(now_s)
    assert taken <= 3 + 2 * (now_s - 100.0) + 1e-6
