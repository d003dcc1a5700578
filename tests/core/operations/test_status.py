"""What is said to an operator: each trouble with its next step, and nothing where all is well."""

import json
from dataclasses import replace
from typing import Any

import pytest

from presence.core.consent.freshness import NEXT_STEP, Freshness
from presence.core.operations.snapshot import (
    HOURLY,
    Alarm,
    DoorStanding,
    Radio,
    RadioState,
    Snapshot,
)
from presence.core.operations.status import as_json, as_lines, next_steps
from tests.support.builders import START_S, moment

WELL = Snapshot(
    at=moment(),
    version="1.2.3",
    started_utc_s=START_S - 60,
    armed=True,
    open=True,
    freshness=Freshness.FRESH,
    next_step="",
    list_seq=7,
    list_entries=1200,
    list_age_s=31.4,
    list_proven_utc_s=START_S - 5,
    key_window_end_utc_s=START_S + 90_000,
    refreshes={},
    radios=(Radio("hci0", RadioState.LISTENING, 0),),
    broker_connected=True,
    broker_trouble="",
    broker_codes={},
    hourly=dict.fromkeys(HOURLY, 0),
    outbox=0,
    overflowed=0,
    clock_synchronised=True,
    disk_free_bytes=9_000_000_000,
    storage_failing=False,
    alarms={},
)


def test_where_all_is_well_nothing_is_to_be_done() -> None:
    status = as_json(WELL)

    assert (status["well"], status["next_steps"]) == (True, [])
    assert as_lines(status)[-1].strip() == "all is well"


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        ({"armed": False}, "notice.review_by"),
        ({"freshness": Freshness.STALE, "next_step": NEXT_STEP[Freshness.STALE]}, "newer list"),
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


def test_before_the_first_list_the_lines_can_be_written_too() -> None:
    unknown = replace(
        WELL, freshness=Freshness.BOOT, next_step="x", list_age_s=None, list_proven_utc_s=None,
        key_window_end_utc_s=None, disk_free_bytes=None, radios=(),
    )  # fmt: skip

    assert "never proven" in "\n".join(as_lines(json.loads(json.dumps(as_json(unknown)))))
    assert next_steps(unknown) == ["list: x"]
