"""Who is behind, and who is held back."""

from presence.core.consent.list_lag import TRIES, Heads
from tests.support.builders import START_S
from tests.support.revocations import head


def test_without_a_head_nobody_is_behind() -> None:
    heads = Heads()
    for _ in range(5):
        heads.looked(0, 0)
    assert not heads.behind(0, 0)
    assert not heads.frozen


def test_a_look_that_brings_what_the_head_says_ends_it() -> None:
    heads = Heads()
    assert heads.heard(head(list_seq=8))
    for _ in range(TRIES):
        assert not heads.frozen
        heads.looked(40, 7)
    assert heads.frozen
    heads.looked(40, 8)
    assert not heads.frozen


def test_an_older_head_is_no_news_and_the_same_one_again_is_none_the_worse() -> None:
    heads = Heads()
    assert heads.heard(head())
    assert heads.heard(head())
    assert not heads.heard(head(issued_s=int(START_S) - 1, list_seq=99))
    assert not heads.behind(40, 7)


def test_a_plain_file_has_no_timestamp_to_be_behind_with() -> None:
    heads = Heads()
    heads.heard(head(timestamp_version=4711))
    assert [heads.behind(version, 7) for version in (0, 1, 4710, 4711)] == [
        False,
        True,
        True,
        False,
    ]


def test_what_a_thief_said_is_forgotten_with_all_that_was_counted_against_it() -> None:
    heads = Heads()
    heads.heard(head(list_seq=9, issued_s=int(START_S)))
    for _ in range(TRIES):
        heads.looked(40, 7)
    heads.forget()
    assert (heads.newest, heads.frozen, heads.behind(1, 1)) == (None, False, False)
    assert heads.heard(head(list_seq=8, issued_s=int(START_S) - 60))  # older than the thief's
    heads.looked(40, 7)
    assert not heads.frozen  # counted from nought


def test_a_look_that_keeps_up_begins_the_count_at_nought() -> None:
    heads = Heads()
    heads.heard(head(timestamp_version=40, list_seq=7))
    for version in (39, 40, 39):
        heads.looked(version, 7)
    assert not heads.frozen
