"""Two clocks, never mixed; and what leaves the shop is cut to the minute."""

import pytest

from presence.core.timestamps import Moment, duration, rfc3339, rfc3339_minute
from tests.support.builders import START_S


def test_later_moves_both_clocks() -> None:
    assert Moment(10.0, 1000.0).later(2.5) == Moment(12.5, 1002.5)


def test_a_time_is_cut_to_the_second_and_not_rounded() -> None:
    assert rfc3339(START_S + 0.999) == "2026-11-23T14:05:07Z"


@pytest.mark.requirement("R-21")
def test_a_published_time_is_cut_to_the_minute_and_not_rounded() -> None:
    assert rfc3339_minute(START_S + 52.9) == "2026-11-23T14:05:00Z"


def test_a_time_is_utc_whatever_the_zone_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Pacific/Auckland")

    assert rfc3339(START_S) == "2026-11-23T14:05:07Z"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (1, "1 second"),
        (10, "10 seconds"),
        (0.5, "0.5 seconds"),
        (60, "1 minute"),
        (90, "1.5 minutes"),
        (900, "15 minutes"),
        (7200, "2 hours"),
        (396 * 86_400, "396 days"),
    ],
)
def test_a_duration_is_told_in_the_largest_unit_that_fits(seconds: float, said: str) -> None:
    assert duration(seconds) == said
