"""What a day without bluetoothd showed: the real kernel's user channel, helper and daemon as
installed, over a virtual controller (guest/user_channel_day.py).
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.system.days import Day

DAY_S = 1500
SPARE_S = 15.0
"""R-61: events flow again within so long after the part is back."""
HELPER_S = 40.0
"""The helper is a Python that starts: a fifth of a second here, up to half a minute in an emulator
on a busy host. What it takes is in `opening_s`.
"""


@pytest.fixture(scope="session")
def alone(folder: Callable[[str], Path]) -> Day:
    """One start of the machine, all scenarios."""
    return Day("user_channel_day.py", folder, DAY_S, first=("install", "start")).play()


@pytest.mark.requirement("R-04", "R-59")
def test_without_bluetoothd_a_customer_is_greeted_and_the_scan_is_passive_all_of_the_time(
    alone: Day,
) -> None:
    told = alone.facts("start")
    assert not told["bluetooth"]
    assert told["event"] == "presence.entered.v1"
    scan = told["scan"]
    assert (scan["extended"], scan["active"], scan["hides_repeats"]) == (True, 0, 0)
    assert scan["listens"] == scan["of"]
    assert told["said"][0]["path"] == "user-channel"
    assert alone.seconds("start", "entered_s") <= SPARE_S


@pytest.mark.requirement("R-61")
def test_after_a_hardware_error_customers_are_greeted_at_once(alone: Day) -> None:
    told = alone.facts("hardware_error")
    assert told["restarts"] == 0
    assert alone.seconds("hardware_error", "event_after_s") <= SPARE_S


@pytest.mark.requirement("R-61")
@pytest.mark.parametrize("scenario", ["hang", "replug", "legacy"])
def test_after_a_controller_was_opened_anew_customers_are_greeted_again(
    alone: Day, scenario: str
) -> None:
    told = alone.facts(scenario)
    assert told["restarts"] == 0
    assert alone.seconds(scenario, "event_after_s") <= SPARE_S + HELPER_S


@pytest.mark.requirement("R-02", "R-62")
def test_in_a_crowd_of_strangers_every_customer_is_found(alone: Day) -> None:
    told = alone.facts("crowd")
    assert told["entered"] == 20
    assert alone.seconds("crowd", "found_in_the_flood_s") <= SPARE_S + HELPER_S


def test_an_adapter_that_another_program_has_is_told_with_the_next_step_and_used_when_free(
    alone: Day,
) -> None:
    told = alone.facts("taken")
    ((reason, next_step),) = told["failed"]
    assert "EUSERS" in reason
    assert "another program" in next_step
    assert alone.seconds("taken", "scanning_after_s") <= SPARE_S + HELPER_S


def test_an_adapter_that_bluetoothd_has_switched_on_is_taken_from_it(alone: Day) -> None:
    told = alone.facts("beside_bluetoothd")
    assert "hci" not in told["adapters_of_bluetoothd"]
