"""What is said to an operator: each trouble with its next step, and nothing where all is well."""

import json
from dataclasses import replace
from typing import Any

import pytest

from presence.core.consent.freshness import NEXT_STEP, Freshness
from presence.core.operations.entry_report import (
    TOTALS,
    CounterReport,
    WalkShare,
)
from presence.core.operations.snapshot import (
    Alarm,
    DoorStanding,
    Radio,
    RadioState,
)
from presence.core.operations.status import as_json, as_lines, next_steps
from presence.core.place import Place
from presence.core.visit.crossings import CounterRefusal
from presence.core.visit.walks import Walked
from tests.support.builders import START_S
from tests.support.status_answers import STICK, WELL, a_report


def test_where_all_is_well_nothing_is_to_be_done() -> None:
    status = as_json(WELL)

    assert (status["well"], status["next_steps"]) == (True, [])
    assert as_lines(status)[-1].strip() == "all is well"


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        ({"armed": False}, "notice.review_by"),
        *(
            ({"freshness": state, "next_step": NEXT_STEP[state]}, f"{NEXT_STEP[state]} (`presence")
            for state in (Freshness.STALE, Freshness.DEAD)
        ),
        ({"key_window_end_utc_s": START_S + 7000}, "next one's keys"),
        ({"key_window_end_utc_s": 0.0}, "next one's keys"),
        *(
            ({"radios": (Radio("hci1", state, 70),)}, "radio hci1")
            for state in list(RadioState)[2:]
        ),
        (
            {"broker_connected": False, "broker_trouble": "not authorized: mend the access list"},
            "mend the access",
        ),
        (
            {"unheard": {"offers-main": True, "pick-up": False}},
            "nobody listens to offers-main: start its offer engine",
        ),
        (
            {"radios": (Radio("hci1", RadioState.LISTENING, 0, path_trouble="bind: EPERM"),)},
            "radio hci1: heard over D-Bus, not as radio.path wants it",
        ),
        (
            {"radios": (Radio("hci1", RadioState.AWAY, 70, trouble="it is blocked"),)},
            "radio hci1: it is blocked; more: `radio.failed` in the journal",
        ),
        ({"storage_failing": True}, "make room"),
        (
            {"calibration": DoorStanding(doubt="never calibrated")},
            "door: never calibrated: walk it with a test phone",
        ),
        (
            {"calibration": DoorStanding(reminder="the calibration ends on 2026-12-01")},
            "door: the calibration ends on 2026-12-01: walk it with a test phone",
        ),
        ({"disk_free_bytes": 1000}, "make room"),
        ({"state_read_only": True}, "read-only"),
        ({"clock_synchronised": False}, "timedatectl"),
        (
            {"clock_synchronised": False, "clock_trouble": "the sandbox forbids adjtimex"},
            "the sandbox forbids",
        ),
        ({"overflowed": 3}, "overflow"),
        *(({"alarms": {alarm: 1}}, f"alarm {alarm}") for alarm in Alarm),
    ],
)
def test_each_trouble_is_said_with_its_next_step(trouble: dict[str, Any], words: str) -> None:
    status = as_json(replace(WELL, **trouble))

    assert not status["well"]
    [step] = status["next_steps"]
    assert words in step
    assert f"  → {step}" in as_lines(status)


def test_until_when_the_calibration_holds_is_said_as_long_as_it_does() -> None:
    holds = as_json(replace(WELL, calibration=DoorStanding(valid_until="2027-11-23")))
    assert (holds["calibrated"], holds["calibrated_until"]) == (True, "2027-11-23")
    assert "  door    calibrated, valid until 2027-11-23" in as_lines(holds)
    over = DoorStanding(doubt="valid until 2026-11-23: that is past", valid_until="2026-11-23")
    past = as_json(replace(WELL, calibration=over))
    assert not past["calibrated"]
    assert not any("calibrated, valid" in line for line in as_lines(past))
    assert any("that is past" in line for line in as_lines(past))


def test_before_the_first_list_the_lines_can_be_written_too() -> None:
    unknown = replace(
        WELL, freshness=Freshness.BOOT, next_step="x", list_age_s=None, list_proven_utc_s=None,
        key_window_end_utc_s=None, disk_free_bytes=None, radios=(),
    )  # fmt: skip

    assert "never proven" in "\n".join(as_lines(json.loads(json.dumps(as_json(unknown)))))
    assert next_steps(unknown) == ["list: x"]


@pytest.mark.parametrize(
    ("radio", "line"),
    [
        (Radio("default", RadioState.LISTENING, 0, hci="hci0", address=STICK),
         f"default (inside, hci0, {STICK}) listening"),
        (Radio(STICK.lower(), RadioState.LISTENING, 0, place=Place.OUTSIDE, hci="hci1",
               address=STICK),
         f"{STICK.lower()} (outside, hci1) listening"),
        (Radio("hci0", RadioState.RESTING, 0, place=Place.DOOR, hci="hci0"), "hci0 (door) resting"),
        (Radio("usb:1-1.4", RadioState.AWAY, 70.2, place=Place.DOOR),
         "usb:1-1.4 (door, not found) away, for 70 s"),
        (Radio("usb:1-1.4", RadioState.RESTING, 0), "usb:1-1.4 (inside) resting"),
        (Radio("hci0", RadioState.LISTENING, 0, path="bluez"), "hci0 (inside) listening"),
        (Radio("hci0", RadioState.LISTENING, 0, path="kernel"),
         "hci0 (inside) listening, past D-Bus"),
    ],
)  # fmt: skip
def test_each_antenna_is_shown_with_its_place_and_the_adapter_that_serves_it_today(
    radio: Radio, line: str
) -> None:
    status = as_json(replace(WELL, radios=(radio,)))

    assert f"  radio   {line}" in as_lines(status)
    [shown] = status["radios"]
    assert (shown["adapter"], shown["place"]) == (radio.adapter, radio.place)
    assert (shown["hci"], shown["address"]) == (radio.hci, radio.address)
    assert shown["path"] == radio.path


# ---------------------------------------------------------------- the door's figures


def test_the_figures_of_the_last_day_are_said_between_their_bounds() -> None:
    status = as_json(replace(WELL, entry=a_report()))

    lines = "\n".join(as_lines(status))
    assert "2026-11-22: 45, after the door's peak by 4–5 s (median), over 300 s (p90)" in lines
    assert "late 0, suspect 5" in lines
    assert "past 0 of 26 wrong (0% to 13%), in 1 of 25 wrong (0% to 20%)" in lines
    assert "counter" not in lines
    entry = status["entry"]
    assert (entry["delay_median_s"], entry["delay_p90_s"]) == ([4, 5], [300, None])
    assert (entry["counted"], entry["counter"]) == (45, None)
    assert entry["test_walks"]["in"] == {"walks": 25, "wrong": 1, "wrong_share": [0.001, 0.204]}
    json.dumps(status, allow_nan=False)


def test_what_is_unknown_is_said_to_be() -> None:
    few = a_report(counts=dict.fromkeys(TOTALS), walks={Walked.IN: WalkShare(3, 1)})
    counter = CounterReport(alive=False, refused={CounterRefusal.COPY: 5})

    assert "no day is over yet: figures unknown" in "\n".join(as_lines(as_json(WELL)))
    lines = "\n".join(as_lines(as_json(replace(WELL, entry=replace(few, counter=counter)))))
    assert "2026-11-22: figures unknown (fewer than 30 entries in a day)" in lines
    assert "in 1 of 3 wrong (too few to say)" in lines
    assert "counter is silent; that day in unknown, out unknown" in lines


def test_a_day_without_an_antenna_at_the_door_has_no_delay() -> None:
    report = a_report(delays={0.5: None, 0.9: None})

    lines = "\n".join(as_lines(as_json(replace(WELL, entry=report))))

    assert "by unknown (median), unknown (p90)" in lines


@pytest.mark.parametrize(("entries", "said"), [(1200, "about 1200"), (0, "fewer than 100")])
def test_a_list_that_is_rounded_to_nothing_is_not_said_to_be_empty(entries: int, said: str) -> None:
    (line,) = (
        line
        for line in as_lines(as_json(replace(WELL, list_entries=entries)))
        if line.startswith("  list ")
    )
    assert line.endswith(f"{said} entries")
