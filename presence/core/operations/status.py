"""An Overview in an operator's words: what stands how, and what to do next. Nothing in it is about
a person.
"""

from collections.abc import Iterator
from typing import Any, Final

from presence.core.consent.freshness import PUBLISHING
from presence.core.operations.snapshot import ANSWERS, Alarm, DoorbellState, Overview, RadioState
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


def next_steps(seen: Overview) -> list[str]:
    """What a person should do, most urgent first; empty where all is well."""
    steps = []
    if not seen.armed:
        steps.append(
            "disarmed: review the notice at the door, then set notice.id and notice.review_by"
        )
    if seen.next_step:
        steps.append(f"list: {seen.next_step}")
    if seen.freshness in PUBLISHING and _is_blind_soon(seen):
        steps.append(
            "keys: the last window is nearly over: ask the consent service for the next one's keys"
        )
    steps += [
        f"radio {radio.adapter}: {RADIO_STEPS[radio.state]}" for radio in seen.radios if radio.gap_s
    ]
    if seen.bell is not None and seen.bell.trouble:
        steps.append(f"doorbell {seen.bell.adapter}: {seen.bell.trouble}")
    if not seen.broker_connected:
        steps.append(f"broker: {seen.broker_trouble or 'not connected yet'}")
    if seen.calibration:
        steps.append(f"door: {seen.calibration}: {CALIBRATE}")
    steps += _storage_steps(seen)
    if not seen.clock_synchronised:
        steps.append(f"clock: {seen.clock_trouble or '`timedatectl set-ntp true`'}")
    if seen.overflowed:
        steps.append(
            "overflow: more advertisements came than could be looked at: docs/operations.md"
        )
    steps += [f"alarm {alarm}: {ALARM_STEPS[alarm]}" for alarm in Alarm if seen.alarms.get(alarm)]
    return steps


def _storage_steps(seen: Overview) -> Iterator[str]:
    if seen.state_read_only:
        yield (
            "storage: the disk of storage.state_dir is read-only: `dmesg` says why; replace a "
            "worn card, then restart: until then a restart would fail, and withdrawals are not "
            "kept over one"
        )
    if seen.storage_failing:
        yield (
            "storage: see `storage.failed` in the journal: make room, or give the folder back to us"
        )
    if seen.disk_free_bytes is not None and seen.disk_free_bytes < LITTLE_ROOM_BYTES:
        yield "disk: little room is left where storage.state_dir is: make room"


def _is_blind_soon(seen: Overview) -> bool:
    end_s = seen.key_window_end_utc_s
    return end_s is not None and end_s - seen.at.utc_s < BLIND_SOON_S


def as_json(seen: Overview) -> dict[str, Any]:
    """For `presence status --json`; keys are added, never changed."""
    steps = next_steps(seen)
    end_s = seen.key_window_end_utc_s
    return {
        "v": 1,
        "version": seen.version,
        "at": rfc3339(seen.at.utc_s),
        "since": rfc3339(seen.started_utc_s),
        "well": not steps,
        "next_steps": steps,
        "armed": seen.armed,
        "open": seen.open,
        "list": {
            "freshness": seen.freshness.value,
            "seq": seen.list_seq,
            "age_s": None if seen.list_age_s is None else round(seen.list_age_s),
            "entries_rounded": seen.list_entries,
            "keys_until": None if end_s is None else rfc3339(end_s),
        },
        "radios": [
            {"adapter": radio.adapter, "state": radio.state.value, "gap_s": round(radio.gap_s)}
            for radio in seen.radios
        ],
        "doorbell": None if seen.bell is None else _bell_as_json(seen.bell),
        "broker": {"connected": seen.broker_connected, "trouble": seen.broker_trouble},
        "outbox_hourly": seen.outbox,
        "hourly": dict(seen.hourly),
        "overflowed": seen.overflowed,
        "clock_synchronised": seen.clock_synchronised,
        "clock_trouble": seen.clock_trouble,
        "disk_free_bytes": seen.disk_free_bytes,
        "calibrated": not seen.calibration,
        "state_read_only": seen.state_read_only,
        "storage_failing": seen.storage_failing,
        "alarms": {alarm.value: seen.alarms.get(alarm, 0) for alarm in Alarm},
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
