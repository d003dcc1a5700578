"""A Snapshot in an operator's words: what stands how, and what to do next. Nothing in it is about
a person.
"""

from collections.abc import Iterator
from typing import Any, Final

from presence.core.consent.freshness import PUBLISHING
from presence.core.operations.snapshot import ANSWERS, Alarm, DoorbellState, RadioState, Snapshot
from presence.core.timestamps import rfc3339

LITTLE_ROOM_BYTES: Final = 200_000_000
BLIND_SOON_S: Final = 7200.0
"""With two windows at hand, keys for 18 hours and more are held: two are left when the service has
long been silent.
"""

RADIO_STEPS: Final = {
    RadioState.AWAY: "see `radio.failed` in the journal, then `presence check`",
    RadioState.DEAF: "it is being helped step by step; `journalctl` says how far: radio.recovering",
    RadioState.HIDING: "repeats of advertisements are hidden: `presence check`, question `repeats`",
    RadioState.SPENT: (
        "hold a phone near; not heard: pull the adapter out and put it back; then `presence check`"
    ),
}
CALIBRATE: Final = (
    "walk it with a test phone, `sudo presence scan-test --config FILE --steps phone,walk --apply`"
)
ALARM_STEPS: Final = {
    Alarm.FROZEN: "somebody keeps a newer list from us: look at the way to the consent service",
    Alarm.ROLLBACK: (
        "somebody brought back an old list: ask the consent service, and look for tampering"
    ),
    Alarm.GROWTH: (
        "the list grew by more than a fifth: ask the consent service where so many new "
        "customers come from"
    ),
    Alarm.MEMORY: (
        "a file that protects from older lists was damaged or emptied: find out by whom or what"
    ),
    Alarm.DUPLICATE: "another gateway uses our name at the broker: give each its own store.gateway",
    Alarm.CLOCK: "the clock jumped: `timedatectl`; after a start without a clock this is normal",
    Alarm.AUDIT: "`presence audit verify` names the line; make room on the disk if it is full",
}


def next_steps(snapshot: Snapshot) -> list[str]:
    """What a person should do, most urgent first; empty where all is well."""
    steps = []
    if not snapshot.armed:
        steps.append(
            "disarmed: review the notice at the door, then set notice.id and notice.review_by"
        )
    if snapshot.next_step:
        steps.append(f"list: {snapshot.next_step}")
    if snapshot.freshness in PUBLISHING and _is_blind_soon(snapshot):
        steps.append(
            "keys: the last window is nearly over: ask the consent service for the next one's keys"
        )
    steps += [
        f"radio {radio.adapter}: {RADIO_STEPS[radio.state]}"
        for radio in snapshot.radios
        if radio.gap_s
    ]
    if snapshot.bell is not None and snapshot.bell.trouble:
        steps.append(f"doorbell {snapshot.bell.adapter}: {snapshot.bell.trouble}")
    if not snapshot.broker_connected:
        steps.append(f"broker: {snapshot.broker_trouble or 'not connected yet'}")
    if snapshot.calibration:
        steps.append(f"door: {snapshot.calibration}: {CALIBRATE}")
    steps += _storage_steps(snapshot)
    if not snapshot.clock_synchronised:
        steps.append(f"clock: {snapshot.clock_trouble or '`timedatectl set-ntp true`'}")
    if snapshot.overflowed:
        steps.append(
            "overflow: more advertisements came than could be looked at: docs/operations.md"
        )
    steps += [
        f"alarm {alarm}: {ALARM_STEPS[alarm]}" for alarm in Alarm if snapshot.alarms.get(alarm)
    ]
    return steps


def _storage_steps(snapshot: Snapshot) -> Iterator[str]:
    if snapshot.state_read_only:
        yield (
            "storage: the disk of storage.state_dir is read-only: `dmesg` says why; replace a "
            "worn card, then restart: until then a restart would fail, and withdrawals are not "
            "kept over one"
        )
    if snapshot.storage_failing:
        yield (
            "storage: see `storage.failed` in the journal: make room, or give the folder back to us"
        )
    if snapshot.disk_free_bytes is not None and snapshot.disk_free_bytes < LITTLE_ROOM_BYTES:
        yield "disk: little room is left where storage.state_dir is: make room"


def _is_blind_soon(snapshot: Snapshot) -> bool:
    end_s = snapshot.key_window_end_utc_s
    return end_s is not None and end_s - snapshot.at.utc_s < BLIND_SOON_S


def as_json(snapshot: Snapshot) -> dict[str, Any]:
    """For `presence status --json`; keys are added, never changed."""
    steps = next_steps(snapshot)
    end_s = snapshot.key_window_end_utc_s
    return {
        "v": 1,
        "version": snapshot.version,
        "at": rfc3339(snapshot.at.utc_s),
        "since": rfc3339(snapshot.started_utc_s),
        "well": not steps,
        "next_steps": steps,
        "armed": snapshot.armed,
        "open": snapshot.open,
        "list": {
            "freshness": snapshot.freshness.value,
            "seq": snapshot.list_seq,
            "age_s": None if snapshot.list_age_s is None else round(snapshot.list_age_s),
            "entries_rounded": snapshot.list_entries,
            "keys_until": None if end_s is None else rfc3339(end_s),
        },
        "radios": [
            {"adapter": radio.adapter, "state": radio.state.value, "gap_s": round(radio.gap_s)}
            for radio in snapshot.radios
        ],
        "doorbell": None if snapshot.bell is None else _bell_as_json(snapshot.bell),
        "broker": {"connected": snapshot.broker_connected, "trouble": snapshot.broker_trouble},
        "outbox_hourly": snapshot.outbox,
        "hourly": dict(snapshot.hourly),
        "overflowed": snapshot.overflowed,
        "clock_synchronised": snapshot.clock_synchronised,
        "clock_trouble": snapshot.clock_trouble,
        "disk_free_bytes": snapshot.disk_free_bytes,
        "calibrated": not snapshot.calibration,
        "state_read_only": snapshot.state_read_only,
        "storage_failing": snapshot.storage_failing,
        "alarms": {alarm.value: snapshot.alarms.get(alarm, 0) for alarm in Alarm},
    }


def _bell_as_json(bell: DoorbellState) -> dict[str, Any]:
    return {
        "adapter": bell.adapter,
        "ringing": not bell.trouble,
        "outages": bell.outages,
        "links_hourly": bell.hourly.get("links", 0),
        "sent_away_hourly": bell.hourly.get("sent_away", 0),
        "answers_hourly": {str(result): bell.hourly.get(result, 0) for result in ANSWERS},
    }


def as_lines(status: dict[str, Any]) -> list[str]:
    """The same for a person at a terminal."""
    list_, hourly = status["list"], status["hourly"]
    age = "never proven" if list_["age_s"] is None else f"{list_['age_s']} s old"
    armed = "armed" if status["armed"] else "DISARMED"
    lines = [
        f"presence {status['version']}, running since {status['since']}; {armed}, shop "
        + ("open" if status["open"] else "closed"),
        (
            f"  list    {list_['freshness']}, number {list_['seq']}, {age}, about "
            f"{list_['entries_rounded']} entries"
        ),
        f"  keys    until {list_['keys_until'] or 'unknown'}",
    ]
    for radio in status["radios"]:
        gap = f", for {radio['gap_s']} s" if radio["gap_s"] else ""
        lines.append(f"  radio   {radio['adapter']} {radio['state']}{gap}")
    if bell := status["doorbell"]:
        answers = bell["answers_hourly"]
        lines.append(
            f"  bell    {bell['adapter']} {'rings' if bell['ringing'] else 'does NOT ring'}; "
            "hourly: answers accepted "
            f"{answers['accepted']}, worth nothing {sum(answers.values()) - answers['accepted']}; "
            f"connections {bell['links_hourly']}, sent away {bell['sent_away_hourly']}"
        )
    lines.append(f"  broker  {'connected' if status['broker']['connected'] else 'NOT connected'}")
    lines.append(
        f"  people  entered {hourly['entered']}, told of {hourly['published']}, waiting "
        f"{status['outbox_hourly']} "
        "(up to the last full hour, each hour rounded to 5)"
    )
    lines += [f"  → {step}" for step in status["next_steps"]] or ["  all is well"]
    return lines
