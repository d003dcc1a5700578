"""A gateway where all is well, and the figures of its last day at the door."""

import math
from datetime import date
from typing import Any

from presence.core.consent.freshness import Freshness
from presence.core.operations.entry_report import TOTALS, DelayBounds, EntryReport, WalkShare
from presence.core.operations.snapshot import HOURLY, Radio, RadioState, Snapshot
from presence.core.visit.walks import Walked
from tests.support.builders import START_S, moment

STICK = "00:1A:7D:DA:71:13"
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


def a_report(**changes: Any) -> EntryReport:
    counts = dict.fromkeys(TOTALS) | {"entered": 45, "late": 0, "suspect": 5}
    delays = {0.5: DelayBounds(4, 5), 0.9: DelayBounds(300, math.inf)}
    walks = {Walked.PAST: WalkShare(26, 0, 0.0, 0.132), Walked.IN: WalkShare(25, 1, 0.001, 0.204)}
    values = {"day": date(2026, 11, 22), "counts": counts, "delays": delays, "walks": walks}
    return EntryReport(**{**values, **changes})
