"""Who is behind, and who is held back."""

import pytest

from presence.core.consent.list_lag import TRIES, ListLag
from tests.support.builders import START_S
from tests.support.revocations import head


def poll(lag: ListLag, timestamp_version: int, list_seq: int) -> None:
    lag.take_in(timestamp_version, list_seq)
    lag.record_poll()


def test_without_a_head_nobody_is_behind() -> None:
    lag = ListLag()
    for _ in range(5):
        poll(lag, 0, 0)
    assert not lag.behind
    assert not lag.frozen


def test_a_look_that_brings_what_the_head_says_ends_it() -> None:
    lag = ListLag()
    assert lag.heard(head(list_seq=8))
    for _ in range(TRIES):
        assert not lag.frozen
        poll(lag, 40, 7)
    assert lag.frozen
    poll(lag, 40, 8)
    assert not lag.frozen


def test_an_older_head_is_no_news_and_the_same_one_again_is_none_the_worse() -> None:
    lag = ListLag()
    lag.take_in(40, 7)
    assert lag.heard(head())
    assert lag.heard(head())
    assert not lag.heard(head(issued_s=int(START_S) - 1, list_seq=99))
    assert not lag.behind


@pytest.mark.parametrize(
    ("version", "behind"), [(0, False), (1, True), (4710, True), (4711, False)]
)
def test_a_plain_file_has_no_timestamp_to_be_behind_with(version: int, behind: bool) -> None:
    lag = ListLag()
    lag.heard(head(timestamp_version=4711))
    lag.take_in(version, 7)
    assert lag.behind is behind


def test_a_poll_that_brings_nothing_new_is_judged_by_what_was_taken_in_before() -> None:
    lag = ListLag()
    lag.take_in(40, 7)
    lag.heard(head(list_seq=8))
    for _ in range(TRIES):
        lag.record_poll()
    assert lag.frozen


def test_what_a_thief_said_is_forgotten_with_all_that_was_counted_against_it() -> None:
    lag = ListLag()
    lag.heard(head(list_seq=9, issued_s=int(START_S)))
    for _ in range(TRIES):
        poll(lag, 40, 7)
    lag.forget()
    assert (lag.newest, lag.frozen, lag.behind) == (None, False, False)
    assert lag.heard(head(list_seq=8, issued_s=int(START_S) - 60))  # older than the thief's
    poll(lag, 40, 7)
    assert not lag.frozen  # counted from nought


def test_a_look_that_keeps_up_begins_the_count_at_nought() -> None:
    lag = ListLag()
    lag.heard(head(timestamp_version=40, list_seq=7))
    for version in (39, 40, 39):
        poll(lag, version, 7)
    assert not lag.frozen
