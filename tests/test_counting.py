import pytest

from presence.counting import counted


@pytest.mark.parametrize(
    ("number", "said"),
    [(0, "0 entries"), (1, "1 entry"), (2, "2 entries"), (12_345, "12,345 entries")],
)
def test_one_is_one_and_all_else_are_many(number: int, said: str) -> None:
    assert counted(number, "entry", "entries") == said


def test_most_words_only_get_an_s() -> None:
    assert (counted(1, "line"), counted(3, "line")) == ("1 line", "3 lines")
