"""What a day without bluetoothd showed: the real kernel's user channel, helper and daemon as
installed, over a virtual controller (guest/user_channel_day.py).
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.system.days import Day

DAY_S = 3600
SPARE_S = 15.0
"""R-61: events flow again within so long after the part is back."""
ENTRY_S = 10.0
"""The customer has to be heard for the time of the entry rule as well."""


@pytest.fixture(scope="session")
def alone(folder: Callable[[str], Path]) -> Day:
    """One start of the machine, all scenarios."""
    return Day("user_channel_day.py", folder, DAY_S, first=("install", "start")).play()


def back_s(alone: Day, scenario: str, what: str = "event_after_s") -> float:
    """Without the helper's starts, which are the emulator's (guest/user_channel_day.py)."""
    return alone.seconds(scenario, what) - alone.seconds(scenario, "helpers_s")


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
    assert alone.seconds("start", "entered_s") <= SPARE_S + ENTRY_S


@pytest.mark.requirement("R-61")
@pytest.mark.parametrize("scenario", ["hardware_error", "hang", "replug", "legacy"])
def test_after_a_fault_of_the_controller_customers_are_greeted_again(
    alone: Day, scenario: str
) -> None:
    told = alone.facts(scenario)
    assert told["restarts"] == 0
    assert back_s(alone, scenario) <= SPARE_S + ENTRY_S


@pytest.mark.requirement("R-02", "R-62")
def test_in_a_crowd_of_strangers_every_customer_is_found(alone: Day) -> None:
    told = alone.facts("crowd")
    assert told["entered"] == 20
    assert told["found_within"]


@pytest.mark.requirement("R-19")
def test_the_controller_scans_no_longer_when_the_gateway_has_stopped(alone: Day) -> None:
    """The kernel only closes it: the scan has to be ended by us."""
    assert alone.seconds("taken", "scan_ended_s") <= 1


def test_an_adapter_that_another_program_has_is_told_with_the_next_step_and_used_when_free(
    alone: Day,
) -> None:
    told = alone.facts("taken")
    ((reason, next_step),) = told["failed"]
    assert "EUSERS" in reason
    assert "another program" in next_step
    assert back_s(alone, "taken", "scanning_after_s") <= SPARE_S


def test_an_adapter_that_bluetoothd_has_switched_on_is_taken_from_it(alone: Day) -> None:
    told = alone.facts("beside_bluetoothd")
    assert "hci" not in told["adapters_of_bluetoothd"]
