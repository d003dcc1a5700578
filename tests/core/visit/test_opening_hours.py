"""Local hours, margins, midnights and the two odd nights of the year."""

from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

import pytest

from presence.core.visit.opening_hours import OpeningHours

HELSINKI = ZoneInfo("Europe/Helsinki")
MONDAY = "2026-11-23"
TUESDAY = "2026-11-24"
SUNDAY = "2026-11-22"


def seconds(day: str, clock: str, zone: tzinfo = UTC) -> float:
    return datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=zone).timestamp()


def test_without_hours_the_shop_is_always_open() -> None:
    assert OpeningHours().open_at(seconds(MONDAY, "03:33"))


@pytest.mark.requirement("R-19")
@pytest.mark.parametrize(
    ("clock", "is_open"),
    [("08:59:59", False), ("09:00", True), ("20:59:59", True), ("21:00", False), ("00:00", False)],
)
def test_the_shop_is_open_from_the_first_minute_to_before_the_last(
    clock: str, is_open: bool
) -> None:
    assert OpeningHours({"mon": "09:00-21:00"}).open_at(seconds(MONDAY, clock)) is is_open


@pytest.mark.requirement("R-19")
def test_a_day_left_out_is_closed() -> None:
    assert not OpeningHours({"mon": "09:00-21:00"}).open_at(seconds(TUESDAY, "12:00"))


@pytest.mark.parametrize(
    ("clock", "is_open"),
    [("08:44:59", False), ("08:45", True), ("21:14:59", True), ("21:15", False)],
)
def test_the_margin_counts_before_and_after(clock: str, is_open: bool) -> None:
    assert (
        OpeningHours({"mon": "09:00-21:00"}, margin_min=15).open_at(seconds(MONDAY, clock))
        is is_open
    )


@pytest.mark.parametrize(
    ("day", "clock", "is_open"),
    [
        (MONDAY, "17:59", False),
        (MONDAY, "18:00", True),
        (TUESDAY, "01:59", True),
        (TUESDAY, "02:00", False),
        (MONDAY, "01:00", False),
    ],
)
def test_an_end_before_the_start_runs_past_midnight(day: str, clock: str, is_open: bool) -> None:
    assert OpeningHours({"mon": "18:00-02:00"}).open_at(seconds(day, clock)) is is_open


def test_the_night_from_sunday_to_monday_is_a_night_too() -> None:
    assert OpeningHours({"sun": "22:00-04:00"}).open_at(seconds(MONDAY, "03:00"))


@pytest.mark.parametrize(
    ("spell", "clock", "day", "is_open"),
    [
        ("00:10-12:00", "23:56", SUNDAY, True),
        ("00:10-12:00", "23:54", SUNDAY, False),
        ("12:00-24:00", "00:14", TUESDAY, True),
        ("12:00-24:00", "00:15", TUESDAY, False),
    ],
)
def test_the_margin_reaches_into_the_neighbouring_day(
    spell: str, clock: str, day: str, is_open: bool
) -> None:
    assert OpeningHours({"mon": spell}, margin_min=15).open_at(seconds(day, clock)) is is_open


def test_hours_are_local() -> None:
    hours = OpeningHours({"mon": "09:00-21:00"}, HELSINKI)

    assert hours.open_at(seconds(MONDAY, "09:00", HELSINKI))
    assert not hours.open_at(seconds(MONDAY, "09:00", HELSINKI) - 1)
    assert hours.open_at(seconds(MONDAY, "07:00", UTC))


@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25"], ids=["clocks forward", "clocks back"])
def test_hours_hold_on_the_days_when_the_clocks_change(day: str) -> None:
    hours = OpeningHours({"sun": "12:00-18:00"}, HELSINKI)

    assert not hours.open_at(seconds(day, "11:59", HELSINKI))
    assert hours.open_at(seconds(day, "12:00", HELSINKI))
    assert hours.open_at(seconds(day, "17:59", HELSINKI))
    assert not hours.open_at(seconds(day, "18:00", HELSINKI))


def test_one_spell_may_cover_the_whole_day() -> None:
    hours = OpeningHours({"mon": "00:00-24:00"})

    assert hours.open_at(seconds(MONDAY, "00:00"))
    assert hours.open_at(seconds(MONDAY, "23:59:59"))
    assert not hours.open_at(seconds(TUESDAY, "00:00"))
