"""Which number stands under which name: the series of Prometheus, made from a Snapshot
(docs/operations.md#metrics).

1. Every value of every label is known before the start (R-66): a series is there from the first
   scrape, with 0, and no other ever comes. Labels are `state`, `result`, `reason`, `plane`, `type`,
   `code`, `adapter`, `satellite`, `version`, `quantile`, `kind`, `limit`, `direction`, and `le` of
   a histogram.
2. Names: prefix `presence_`, base units, `_total` for what only grows.
3. A number that is not known is left out of the list of values, not of the series: it is NaN.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from presence.core.consent.freshness import Freshness
from presence.core.operations.entry_report import DIRECTIONS, EntryReport
from presence.core.operations.radio_steps import RecoveryStep
from presence.core.operations.snapshot import (
    ANSWERS,
    BROKER_CODES,
    Alarm,
    RadioState,
    SatelliteState,
    Snapshot,
)
from presence.core.recognition.doubt import Doubt
from presence.core.recognition.satellite_message import SatelliteRefusal
from presence.core.visit.crossings import CounterRefusal
from presence.core.visit.entry_figures import BOUNDS_S

PLANES: Final = ("a", "b")
RESULTS: Final = ("applied", "refused")
EVENT_TYPES: Final = ("entered", "left", "withdrawn")
LOST: Final = ("blocked", "expired", "dropped", "refused")
"""Why an event was not published, as the counts name it."""

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Family:
    name: str
    """Without `_total`, which a counter's samples get."""
    kind: Literal["gauge", "counter", "histogram"]
    """A histogram's samples are its buckets, each with all that lies under it, and the last with
    `+Inf`. None has a sum: one delay more would show in it.
    """
    meaning: str
    samples: tuple[tuple[Labels, float], ...]

    @property
    def full_name(self) -> str:
        return f"{self.name}_total" if self.kind == "counter" else self.name


def families(snapshot: Snapshot) -> Iterator[Family]:
    """All of them, always, in one order."""
    yield Family(
        "presence_build_info",
        "gauge",
        "1; the version is in the label",
        (((("version", snapshot.version),), 1.0),),
    )
    yield _one(
        "presence_taken_timestamp_seconds", "when these numbers were taken", snapshot.at.utc_s
    )
    yield _one(
        "presence_start_timestamp_seconds", "when this gateway started", snapshot.started_utc_s
    )
    yield _one(
        "presence_armed", "1 while the notice is current and scanning is allowed", snapshot.armed
    )
    yield _one("presence_open", "1 in opening hours", snapshot.open)
    yield from _of_the_list(snapshot)
    yield from _of_the_radio(snapshot)
    yield from _of_the_satellites(snapshot)
    yield from _of_the_doorbell(snapshot)
    yield from _of_the_broker(snapshot)
    yield from _of_the_entries(snapshot.entry)
    yield _one(
        "presence_clock_synchronised",
        "1 while the kernel says that something disciplines it",
        snapshot.clock_synchronised,
    )
    yield from _of_the_machine(snapshot)
    yield Family(
        "presence_alarms", "counter", "what a person must look into",
        tuple(((("reason", alarm.value),), snapshot.alarms.get(alarm, 0)) for alarm in Alarm),
    )  # fmt: skip


def _of_the_machine(snapshot: Snapshot) -> Iterator[Family]:
    """Its disks, and whether the door was calibrated."""
    yield _one(
        "presence_disk_free_bytes", "room where storage.state_dir is", snapshot.disk_free_bytes
    )
    yield _one(
        "presence_calibrated",
        "1 while a walk has shown that the entry settings fit the door",
        not snapshot.calibration.doubt,
    )
    yield _one(
        "presence_state_read_only",
        "1 while the disk of storage.state_dir is read-only",
        snapshot.state_read_only,
    )
    yield _one(
        "presence_storage_failing", "1 while the state cannot be stored", snapshot.storage_failing
    )


def _of_the_list(snapshot: Snapshot) -> Iterator[Family]:
    yield Family("presence_list_freshness", "gauge", "1 at the state that holds",
                 _one_hot("state", Freshness, snapshot.freshness))  # fmt: skip
    yield _one("presence_list_age_seconds", "age of the list in force", snapshot.list_age_s)
    yield _one(
        "presence_list_entries", "consents in the list, rounded to 100", snapshot.list_entries
    )
    yield _one(
        "presence_key_window_end_timestamp_seconds",
        "when the last window of our keys is over",
        snapshot.key_window_end_utc_s,
    )
    yield _one(
        "presence_sync_last_success_timestamp_seconds",
        "when a list was last proven",
        snapshot.list_proven_utc_s,
    )
    yield Family(
        "presence_sync_refresh",
        "counter",
        "lists taken in, and looks that failed (plane a: lists, b: revocations)",
        tuple(
            ((("plane", plane), ("result", result)), snapshot.refreshes.get(f"{plane}.{result}", 0))
            for plane in PLANES
            for result in RESULTS
        ),
    )


def _of_the_radio(snapshot: Snapshot) -> Iterator[Family]:
    radios = snapshot.radios
    yield Family(
        "presence_adapter_up",
        "gauge",
        "1 while the adapter listens, or rests as it should",
        tuple(((("adapter", r.adapter),), float(r.gap_s == 0)) for r in radios),
    )
    yield Family("presence_adapter_state", "gauge", "1 at the state that holds", tuple(
        ((("adapter", r.adapter), *labels), value) for r in radios for labels, value in
        _one_hot("state", RadioState, r.state)
    ))  # fmt: skip
    yield Family(
        "presence_scan_gap_seconds",
        "gauge",
        "how long the adapter has not been able to hear",
        tuple(((("adapter", r.adapter),), r.gap_s) for r in radios),
    )
    yield Family(
        "presence_radio_recovery",
        "counter",
        "steps taken to bring a deaf radio back",
        tuple(
            ((("adapter", r.adapter), ("reason", step.value)), r.steps.get(step, 0))
            for r in radios
            for step in RecoveryStep
        ),
    )
    yield Family(
        "presence_adverts_dropped",
        "counter",
        "advertisements that were lost in the machine",
        (((("reason", "overflow"),), snapshot.overflowed),),
    )
    yield Family(
        "presence_held_back",
        "counter",
        "people whose advertisements may have been a replay, by the hour and rounded to 5",
        tuple(((("reason", why.value),), snapshot.held_back.get(why, 0)) for why in Doubt),
    )


def _of_the_satellites(snapshot: Snapshot) -> Iterator[Family]:
    well = (SatelliteState.HEARD, SatelliteState.RESTING)
    yield Family(
        "presence_satellite_up",
        "gauge",
        "1 while the satellite is heard, or rests as it should",
        tuple(((("satellite", s.name),), float(s.state in well)) for s in snapshot.satellites),
    )
    yield Family(
        "presence_satellite_ignored",
        "counter",
        "messages of the satellite, or in its name, that were not taken",
        tuple(
            ((("satellite", s.name), ("reason", why.value)), s.ignored.get(why, 0))
            for s in snapshot.satellites
            for why in SatelliteRefusal
        ),
    )


def _of_the_doorbell(snapshot: Snapshot) -> Iterator[Family]:
    bells = () if snapshot.doorbell is None else snapshot.doorbell.bells
    hourly = {} if snapshot.doorbell is None else snapshot.doorbell.hourly
    yield Family(
        "presence_doorbell_ringing",
        "gauge",
        "1 while the bell is on air",
        tuple(((("adapter", bell.adapter),), float(not bell.trouble)) for bell in bells),
    )
    yield Family(
        "presence_doorbell_outages",
        "counter",
        "times that the bell went off air by itself",
        tuple(((("adapter", bell.adapter),), bell.outages) for bell in bells),
    )
    for name, meaning in (
        ("links", "connections of anybody"),
        ("sent_away", "connections that we ended"),
    ):
        yield Family(
            f"presence_doorbell_{name}",
            "counter",
            f"{meaning}, by the hour and rounded to 100",
            (((), hourly.get(name, 0)),),
        )
    meaning = (
        "what answers were worth, by the hour: accepted in people, rounded to 5; the rest to 100"
    )
    yield Family("presence_doorbell_answers", "counter", meaning, tuple(
        ((("result", result),), hourly.get(result, 0)) for result in ANSWERS
    ))  # fmt: skip


def _of_the_broker(snapshot: Snapshot) -> Iterator[Family]:
    meaning = "people of whom events were decided, by the hour and rounded to 5"
    yield Family("presence_events_decided", "counter", meaning, tuple(
        ((("type", kind),), snapshot.hourly.get(kind, 0)) for kind in EVENT_TYPES
    ))  # fmt: skip
    results = ("published", *LOST)
    meaning = "people whose events were published or lost, by the hour and rounded to 5"
    yield Family("presence_events_published", "counter", meaning, tuple(
        ((("result", result),), snapshot.hourly.get(result, 0)) for result in results
    ))  # fmt: skip
    meaning = "people whose events found nobody subscribed at first, by the hour and rounded to 5"
    yield Family("presence_events_unheard", "counter", meaning, (
        ((), snapshot.hourly.get("unheard", 0)),
    ))  # fmt: skip
    yield Family(
        "presence_audience_unheard",
        "gauge",
        "1 from five people on of whom nobody heard, until five were heard; by the hour",
        tuple(((("audience", name),), float(deaf)) for name, deaf in snapshot.unheard.items()),
    )
    yield _one(
        "presence_outbox_items",
        "people whose events wait, as of the last full hour, rounded to 5",
        snapshot.outbox,
    )
    yield _one("presence_mqtt_connected", "1 while the broker is there", snapshot.broker_connected)
    codes = [
        *((f"0x{code:02X}", snapshot.broker_codes.get(code, 0)) for code in BROKER_CODES),
        ("other", sum(n for code, n in snapshot.broker_codes.items() if code not in BROKER_CODES)),
    ]
    yield Family(
        "presence_mqtt_reason",
        "counter",
        "refusals by the broker: connection, subscription, state; those of events by the hour",
        tuple(((("code", code),), n) for code, n in codes),
    )


ENTRY_COUNTS: Final = {
    "counted": ("entered", "entries that the figures of the door are about"),
    "late": ("late", "entries found a minute or more after the door's peak, or without one"),
    "suspect": ("suspect", "entries after which nobody was heard inside for longer than 20 s"),
    "judged": ("judged", "entries at whose second the counter at the door was looked at"),
    "contradicted": ("contradicted", "of these, entries at whose second nobody crossed inward"),
}


def _of_the_entries(entry: EntryReport) -> Iterator[Family]:
    """By the day and rounded to 5; a day with fewer than 30 adds nothing."""
    bounds = (*map(str, map(float, BOUNDS_S)), "+Inf")
    yield Family(
        "presence_entry_delay_seconds",
        "histogram",
        "seconds from the strongest moment at the door to the entry, by the day",
        tuple(((("le", bound),), n) for bound, n in zip(bounds, entry.delay_totals, strict=True)),
    )
    for name, (count, meaning) in ENTRY_COUNTS.items():
        yield Family(
            f"presence_entry_{name}",
            "counter",
            f"{meaning}, by the day and rounded to 5",
            (((), entry.totals[count]),),
        )
    yield Family(
        "presence_entry_delay_quantile_seconds",
        "gauge",
        "of the last day: what this share of the delays does not exceed, rounded up to a bucket",
        tuple(
            ((("quantile", str(share)),), math.nan if delay is None else delay.at_most_s)
            for share, delay in entry.delays.items()
        ),
    )
    yield from _of_the_walks(entry)
    yield from _of_the_counter(entry)


def _of_the_walks(entry: EntryReport) -> Iterator[Family]:
    yield Family(
        "presence_entry_test_walks",
        "gauge",
        "walks with the shop's test phone in the last 30 days",
        tuple(((("kind", kind.value),), share.walks) for kind, share in entry.walks.items()),
    )
    yield Family(
        "presence_entry_test_wrong_ratio",
        "gauge",
        "share of them that were answered wrong, at least and at most (95 %)",
        tuple(
            ((("kind", kind.value), ("limit", limit)), math.nan if value is None else value)
            for kind, share in entry.walks.items()
            for limit, value in (("low", share.low), ("high", share.high))
        ),
    )


def _of_the_counter(entry: EntryReport) -> Iterator[Family]:
    yield Family(
        "presence_entry_crossings",
        "counter",
        "people who crossed the door's counter, by the day and rounded to 5",
        tuple(((("direction", way),), entry.totals[way]) for way in DIRECTIONS),
    )
    counters = () if entry.counter is None else (entry.counter,)
    yield Family(
        "presence_counter_alive",
        "gauge",
        "1 while the people counter tells something once a minute",
        tuple(((), float(counter.alive)) for counter in counters),
    )
    yield Family(
        "presence_counter_refused",
        "counter",
        "messages of the people counter without effect, by the hour and rounded to 5",
        tuple(
            ((("reason", why.value),), counter.refused.get(why, 0))
            for counter in counters
            for why in CounterRefusal
        ),
    )


def _one(name: str, meaning: str, value: float | None) -> Family:
    return Family(name, "gauge", meaning, (((), math.nan if value is None else float(value)),))


def _one_hot(
    label: str, words: type[Freshness] | type[RadioState], holds: str
) -> tuple[tuple[Labels, float], ...]:
    return tuple((((label, word.value),), float(word.value == holds)) for word in words)
