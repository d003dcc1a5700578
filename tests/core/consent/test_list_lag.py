"""Who is behind, and who is held back."""

from presence.core.consent.list_lag import TRIES, ListLag
from tests.support.builders import START_S
from tests.support.revocations import head


def test_without_a_head_nobody_is_behind() -> None:
    lag = ListLag()
    for _ in range(5):
        lag.record_poll(0, 0)
    assert not lag.behind(0, 0)
    assert not lag.frozen


def test_a_look_that_brings_what_the_head_says_ends_it() -> None:
    lag = ListLag()
    assert lag.heard(head(list_seq=8))
    for _ in range(TRIES):
        assert not lag.frozen
        lag.record_poll(40, 7)
    assert lag.frozen
    lag.record_poll(40, 8)
    assert not lag.frozen


def test_an_older_head_is_no_news_and_the_same_one_again_is_none_the_worse() -> None:
    lag = ListLag()
    assert lag.heard(head())
    assert lag.heard(head())
    assert not lag.heard(head(issued_s=int(START_S) - 1, list_seq=99))
    assert not lag.behind(40, 7)


def test_a_plain_file_has_no_timestamp_to_be_behind_with() -> None:
    lag = ListLag()
    lag.heard(head(timestamp_version=4711))
    assert [lag.behind(version, 7) for version in (0, 1, 4710, 4711)] == [
        False,
        True,
        True,
        False,
    ]


def test_what_a_thief_said_is_forgotten_with_all_that_was_counted_against_it() -> None:
    lag = ListLag()
    lag.heard(head(list_seq=9, issued_s=int(START_S)))
    for _ in range(TRIES):
        lag.record_poll(40, 7)
    lag.forget()
    assert (lag.newest, lag.frozen, lag.behind(1, 1)) == (None, False, False)
    assert lag.heard(head(list_seq=8, issued_s=int(START_S) - 60))  # older than the thief's
    lag.record_poll(40, 7)
    assert not lag.frozen  # counted from nought


def test_a_look_that_keeps_up_begins_the_count_at_nought() -> None:
    lag = ListLag()
    lag.heard(head(timestamp_version=40, list_seq=7))
    for version in (39, 40, 39):
        lag.record_poll(version, 7)
    assert not lag.frozen
