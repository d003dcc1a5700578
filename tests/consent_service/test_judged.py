"""What is judged once is bounded, in answers and in characters, and never another answer."""

from hypothesis import given
from hypothesis import strategies as st

from presence.consent_service.judged import LONGEST_CHARS, JudgedOnce, chars_of


@given(st.lists(st.tuples(st.text(max_size=6), st.frozensets(st.text(max_size=3), max_size=2))))
def test_an_answer_is_the_same_the_first_time_and_later_and_room_is_bounded(
    asked: list[tuple[str, frozenset[str]]],
) -> None:
    judged = JudgedOnce(repr, most=3, most_chars=20)
    for each in asked:
        assert judged[each] == judged[each] == repr(each)
        assert len(judged) <= 3
        assert sum(map(chars_of, judged)) <= 20


def test_what_is_long_is_judged_each_time() -> None:
    judged = JudgedOnce(len)
    assert judged["x" * (LONGEST_CHARS + 1)] == LONGEST_CHARS + 1
    assert judged["x" * LONGEST_CHARS] == LONGEST_CHARS
    assert len(judged) == 1


def test_thousands_of_long_lists_of_stores_hold_a_few_megabytes() -> None:
    judged = JudgedOnce(len)
    for number in range(5000):
        assert judged[f"{number:04d}" * 1000] == 4000
    assert sum(map(chars_of, judged)) <= 1 << 20
