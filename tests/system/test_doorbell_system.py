"""What a day at the doorbell showed: a real bluetoothd rings, phones on a virtual air answer
(guest/doorbell_day.py).

How many strangers, rings and so on: PRESENCE_DOORBELL, as doorbell_day.py takes it, e.g.
`--strangers 1000`.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.system.days import Day
from tests.system.handed_over import ROOT

DAY_S = 1500
FULL_DAY_S = 5400
TRIAL = ROOT.parent / "shared" / "vm" / "doorbell" / "gw.py"
TRIAL_RATIO = 1.5
"""The issue's goal, from the first advertisement to the answer; measured in one machine, in
turns.
"""
ON_AIR = [0, "020104" + "1107102a8b0f6f3f3b9d0e4f3a7c521e0c5f"]
"""Connectable; flags, and the list of service UUIDs."""
COUNTED = {
    "twice": {"answered": 1, "entered": 1, "no_challenge": 1},
    "replayed": {"forged": 3},
    "replayed_own": {"forged": 3},
    "slot_before": {"unknown": 3},
    "other_store": {"forged": 3},
    "one_bit_of_eid": {"unknown": 3},
    "one_bit_of_mac": {"forged": 3},
    "oversize": {"malformed": 3},
    "oversize_512": {"malformed": 3},
    "empty": {"malformed": 3},
    "stranger": {"unknown": 3},
    "in_halves": {"malformed": 2},
    "permission_ended": {"refused": 1},
    "permission_withdrawn": {"unknown": 1},
    "in_pieces": {"answered": 1, "entered": 1},
}


@pytest.fixture(scope="session")
def bell(folder: Callable[[str], Path]) -> Day:
    """One start of the machine, all scenarios."""
    numbers = os.environ.get("PRESENCE_DOORBELL", "")
    return Day(
        "doorbell_day.py",
        lambda name: folder(name if name == "src" else f"doorbell-{name}"),
        FULL_DAY_S if numbers else DAY_S,
        first=("power_on",),
        only=lambda names: f"{numbers} --only {','.join(names)}",
        arguments=numbers,
        # bumble is in an environment of its own; to it come the packages of the daemon, for the
        # phones' side.
        python=(
            "PYTHONPATH={GUEST}:/src/checkout:$(echo "
            "/opt/presence/lib/python3*/site-packages) /opt/air/bin/python"
        ),
        bring=_bring_the_trial,
    ).play()


def _bring_the_trial(source: Path) -> None:
    if TRIAL.exists():
        (source / "trial").mkdir()
        shutil.copy2(TRIAL, source / "trial" / "gw.py")


def test_on_air_is_the_service_uuid_and_nothing_else(bell: Day) -> None:
    told = bell.facts("power_on")
    assert told["on_air"] == [ON_AIR]


def test_the_beacon_is_on_air_beside_the_doorbell_and_phones_answer_as_before(bell: Day) -> None:
    told = bell.facts("beacon")
    uuid = "0a6cb6b69b1f4d598f5e8a7a3b0d1c42"
    doorbell, beacon = told["on_air"]
    assert doorbell == ON_AIR
    assert beacon == [3, "0201041aff4c000215" + uuid + "002a0000c5"]


def test_a_phone_that_answers_enters_and_the_event_says_by_a_challenge(bell: Day) -> None:
    told = bell.facts("enters")
    assert told["assurance"] == ["challenge"]
    assert told["of_it_after_listening_s"]["p90"] <= 5


@pytest.mark.requirement("T-01")
def test_whatever_is_wrong_with_an_answer_is_counted_and_never_published(bell: Day) -> None:
    told = bell.facts("refused")
    assert told["published"] == 0
    assert {name: told["counted"][name] for name in COUNTED} == COUNTED
    assert sum(told["counted"]["one_bit"].values()) == 3
    assert "answered" not in told["counted"]["one_bit"]


def test_a_wrong_answer_looks_like_a_right_one_from_outside(bell: Day) -> None:
    told = bell.facts("refused")["write_s"]
    right = told.pop("right")
    assert (
        max(abs(each - right) for each in told.values()) <= 0.1
    )  # all of it is the machine's noise


def test_the_bell_rings_on_beside_one_who_says_nothing_and_who_is_sent_away(bell: Day) -> None:
    told = bell.facts("silent")
    assert told["rings_again_s"]["most"] <= 2
    assert told["another_entered_s"]["most"] <= 5
    assert told["sent_away_s"]["most"] <= 10
    assert told["reasons"] == [0x13]


def test_customers_are_recognised_while_six_silent_ones_come_again_and_again(bell: Day) -> None:
    told = bell.facts("besieged")
    assert told["entered"] == 15
    assert told["entered_s"]["p90"] <= 10


def test_of_two_and_of_three_phones_at_once_each_is_recognised(bell: Day) -> None:
    told = bell.facts("crowd")
    assert (told["2"]["answers"], told["3"]["answers"]) == (20, 30)


@pytest.mark.requirement("R-61")
def test_the_bell_is_back_when_bluetoothd_is(bell: Day) -> None:
    told = bell.facts("bluetoothd_restarted")
    assert told["restarts"] == 0
    assert max(told["restarted"]["entered_s"], told["killed"]["entered_s"]) <= 15


def test_a_stranger_sees_no_other_service_of_ours_and_cannot_pair(bell: Day) -> None:
    told = bell.facts("looked_at")
    ours = [uuid for uuid in told["services"] if not uuid.startswith("UUID-16:")]
    assert [uuid.lower() for uuid in ours] == ["5f0c1e52-7c3a-4f0e-9d3b-3f6f0f8b2a10"]
    assert {uuid[8:12] for uuid in told["services"] if uuid.startswith("UUID-16:")} == {
        "1800",
        "1801",
    }
    assert not told["pairing"].startswith("paired")


@pytest.mark.requirement("R-01", "R-03")
def test_strangers_who_connect_leave_no_trace_and_stop_nothing(bell: Day) -> None:
    told = bell.facts("strangers")
    assert told["strangers"] >= 50
    for when in ("at_once", "after_45_s"):
        assert told[when]["files"] == []
        assert told[when]["journal"] == []
        assert told[when]["metrics"] == []
        assert [path for path in told[when]["bluetooth"] if "/cache/" in path] == []
    assert told["after_45_s"]["dbus"] == []
    assert not told["mqtt"]
    assert told["metrics"] > 0
    assert len(told["heard_customer_entered_s"]) == len(told["answering_customer_entered_s"]) == 3
    assert told["kib"]["end"]["presence"] <= told["kib"]["begin"]["presence"] + 4096
    assert told["kib"]["end"]["bluetoothd"] <= told["kib"]["begin"]["bluetoothd"] + 4096
    assert told["restarts"] == 0


def test_no_ring_is_lost(bell: Day) -> None:
    told = bell.facts("rings")
    assert told["lost"] == 0
    assert told["events"] == told["distinct"]


def test_the_bell_keeps_up_with_the_trial(bell: Day) -> None:
    if not TRIAL.exists():
        pytest.skip("the trial's server is not beside the checkout (docs/recordings.md#trial)")
    assert bell.facts("beside_the_trial")["ratio"] <= TRIAL_RATIO
