"""A Snapshot in an operator's words: the state of each part, and what to do next. Nothing in it is
about a person.
"""

import math
from collections.abc import Iterator
from typing import Any, Final

from presence.core.consent.freshness import PUBLISHING, Freshness
from presence.core.operations.entry_report import DIRECTIONS, JUDGED, DelayBounds, EntryReport
from presence.core.operations.hourly import ENTRIES_STEP
from presence.core.operations.snapshot import (
    ANSWERS,
    Alarm,
    DoorbellState,
    Radio,
    RadioState,
    SatelliteState,
    SatelliteStatus,
    Snapshot,
)
from presence.core.recognition.satellite_message import SatelliteRefusal
from presence.core.timestamps import rfc3339

LITTLE_ROOM_BYTES: Final = 200_000_000
COUNTER_GRACE_S: Final = 900.0
"""A counter is taken for alive after ten minutes; it may come up with us."""
LEFT_ALONE: Final = (Freshness.STALE, Freshness.DEAD)
LIST_MORE: Final = "`presence check` says what is in the way"
BLIND_SOON_S: Final = 7200.0
"""With two windows at hand, keys for 18 hours and more are held: two are left when the service has
long been silent.
"""

PATH_STEP: Final = "heard over D-Bus, not as radio.path wants it: `presence check`, `radio path`"
RADIO_STEPS: Final = {
    RadioState.AWAY: "see `radio.failed` in the journal, then `presence check`",
    RadioState.DEAF: "the gateway revives it step by step: see `radio.recovering` in the journal",
    RadioState.HIDING: "repeats of advertisements are hidden: `presence check`, question `repeats`",
    RadioState.SPENT: (
        "hold a phone near; not heard: pull the adapter out and put it back; then `presence check`"
    ),
}
SATELLITE_STEP: Final = (
    "nothing comes from it: look whether it has power, network and its radio; see `satellite.lost` "
    "and `satellite.ignored` in the journal"
)
UNHEARD_STEP: Final = (
    "start its offer engine (docs/offer-engine.md, The broker); this line goes on the full hour "
    "after five people were heard, or with a restart"
)
CALIBRATE: Final = "walk it with a test phone, `sudo presence scan-test --steps phone,walk --apply`"
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
        step = f"list: {snapshot.next_step}"
        steps.append(f"{step} ({LIST_MORE})" if snapshot.freshness in LEFT_ALONE else step)
    if snapshot.freshness in PUBLISHING and _is_blind_soon(snapshot):
        steps.append(
            "keys: the last window is nearly over: ask the consent service for the next one's keys"
        )
    steps += _antenna_steps(snapshot)
    bells = () if snapshot.doorbell is None else snapshot.doorbell.bells
    steps += [f"doorbell {bell.adapter}: {bell.trouble}" for bell in bells if bell.trouble]
    if not snapshot.broker_connected:
        steps.append(f"broker: {snapshot.broker_trouble or 'not connected yet'}")
    steps += [f"nobody listens to {audience}: {UNHEARD_STEP}" for audience in _unheard(snapshot)]
    door = snapshot.calibration
    if door.doubt or door.reminder:
        steps.append(f"door: {door.doubt or door.reminder}: {CALIBRATE}")
    steps += _counter_steps(snapshot)
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


def _antenna_steps(snapshot: Snapshot) -> Iterator[str]:
    for radio in snapshot.radios:
        if radio.gap_s:
            yield f"radio {radio.adapter}: {_radio_step(radio)}"
        if radio.path_trouble:
            yield f"radio {radio.adapter}: {PATH_STEP} ({radio.path_trouble})"
    for satellite in snapshot.satellites:
        if satellite.state is SatelliteState.LOST:
            yield f"satellite {satellite.name}: {SATELLITE_STEP}"


def _radio_step(radio: Radio) -> str:
    if radio.state is RadioState.AWAY and radio.trouble:
        return f"{radio.trouble}; more: `radio.failed` in the journal"
    return RADIO_STEPS[radio.state]


def _counter_steps(snapshot: Snapshot) -> Iterator[str]:
    counter = snapshot.entry.counter
    runs_s = snapshot.at.utc_s - snapshot.started_utc_s
    if counter is not None and not counter.alive and runs_s > COUNTER_GRACE_S:
        yield (
            "counter: the people counter does not tell something each minute: look at it, at its "
            "clock and at the broker's access list (docs/entry-figures.md)"
        )


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


def _unheard(snapshot: Snapshot) -> list[str]:
    return [audience for audience, deaf in snapshot.unheard.items() if deaf]


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
        "radios": [_radio_as_json(radio) for radio in snapshot.radios],
        "satellites": [_satellite_as_json(each) for each in snapshot.satellites],
        "doorbell": None if snapshot.doorbell is None else _doorbell_as_json(snapshot.doorbell),
        "broker": _broker_as_json(snapshot),
        "outbox_hourly": snapshot.outbox,
        "hourly": dict(snapshot.hourly),
        "overflowed": snapshot.overflowed,
        "clock_synchronised": snapshot.clock_synchronised,
        "clock_trouble": snapshot.clock_trouble,
        "disk_free_bytes": snapshot.disk_free_bytes,
        "entry": _entry_as_json(snapshot.entry),
        "calibrated": not snapshot.calibration.doubt,
        "calibrated_until": snapshot.calibration.valid_until or None,
        "state_read_only": snapshot.state_read_only,
        "storage_failing": snapshot.storage_failing,
        "alarms": {alarm.value: snapshot.alarms.get(alarm, 0) for alarm in Alarm},
    }


def _broker_as_json(snapshot: Snapshot) -> dict[str, Any]:
    return {
        "connected": snapshot.broker_connected,
        "trouble": snapshot.broker_trouble,
        "nobody_listens_to": _unheard(snapshot),
    }


def _radio_as_json(radio: Radio) -> dict[str, Any]:
    return {
        "adapter": radio.adapter,
        "place": radio.place.value,
        "hci": radio.hci,
        "address": radio.address,
        "path": radio.path,
        "state": radio.state.value,
        "gap_s": round(radio.gap_s),
    }


def _satellite_as_json(satellite: SatelliteStatus) -> dict[str, Any]:
    return {
        "satellite": satellite.name,
        "place": satellite.place.value,
        "state": satellite.state.value,
        "gap_s": round(satellite.gap_s),
        "ignored": {why.value: satellite.ignored.get(why, 0) for why in SatelliteRefusal},
    }


def _doorbell_as_json(doorbell: DoorbellState) -> dict[str, Any]:
    hourly = doorbell.hourly
    return {
        "bells": [
            {"adapter": bell.adapter, "ringing": not bell.trouble, "outages": bell.outages}
            for bell in doorbell.bells
        ],
        "links_hourly": hourly.get("links", 0),
        "sent_away_hourly": hourly.get("sent_away", 0),
        "answers_hourly": {str(result): hourly.get(result, 0) for result in ANSWERS},
    }


def _entry_as_json(entry: EntryReport) -> dict[str, Any]:
    """null is "unknown"; a delay is between two bounds, of which the upper may be open."""
    counts = entry.counts
    return {
        "day": None if entry.day is None else entry.day.isoformat(),
        "counted": counts["entered"],
        "late": counts["late"],
        "suspect": counts["suspect"],
        "delay_median_s": _delay_as_json(entry.delays[0.5]),
        "delay_p90_s": _delay_as_json(entry.delays[0.9]),
        "test_walks": {
            kind.value: {
                "walks": share.walks,
                "wrong": share.wrong,
                "wrong_share": None
                if share.low is None or share.high is None
                else [round(share.low, 3), round(share.high, 3)],
            }
            for kind, share in entry.walks.items()
        },
        "counter": None
        if entry.counter is None
        else {
            "alive": entry.counter.alive,
            **{name: counts[name] for name in (*DIRECTIONS, *JUDGED)},
            "refused_hourly": {why.value: n for why, n in entry.counter.refused.items()},
        },
    }


def _delay_as_json(delay: DelayBounds | None) -> list[float | None] | None:
    if delay is None:
        return None
    return [delay.above_s, None if delay.at_most_s == math.inf else delay.at_most_s]


def _entry_lines(entry: dict[str, Any]) -> Iterator[str]:
    if entry["counted"] is None:
        day = entry["day"] or "no day is over yet"
        yield f"  entries {day}: figures unknown (fewer than 30 entries in a day)"
    else:
        yield (
            f"  entries {entry['day']}: {entry['counted']}, after the door's peak by "
            f"{_delay_in_words(entry['delay_median_s'])} (median), "
            f"{_delay_in_words(entry['delay_p90_s'])} (p90); "
            f"late {entry['late']}, suspect {entry['suspect']}"
        )
    walked = [
        f"{kind} {walk['wrong']} of {walk['walks']} wrong ({_share_in_words(walk['wrong_share'])})"
        for kind, walk in entry["test_walks"].items()
        if walk["walks"]
    ]
    if walked:
        yield f"  walks   of 30 days: {', '.join(walked)}"
    if counter := entry["counter"]:
        alive = "tells each minute" if counter["alive"] else "is silent"
        yield (
            f"  counter {alive}; that day in {_known(counter['in'])}, "
            f"out {_known(counter['out'])}; entries judged {_known(counter['judged'])}, "
            f"contradicted {_known(counter['contradicted'])}"
        )


def _delay_in_words(delay: list[float | None] | None) -> str:
    if delay is None:
        return "unknown"
    above_s, at_most_s = delay
    return f"over {above_s:g} s" if at_most_s is None else f"{above_s:g}–{at_most_s:g} s"


def _share_in_words(share: list[float] | None) -> str:
    return "too few to say" if share is None else f"{share[0]:.0%} to {share[1]:.0%}"


def _known(count: int | None) -> str:
    return "unknown" if count is None else str(count)


def _shown(radio: dict[str, Any]) -> str:
    """`usb:1-1.4 (door, hci1, 00:1A:7D:DA:71:13)`."""
    names = [radio["hci"], radio["address"]]
    if radio["state"] == RadioState.AWAY and not radio["hci"]:  # one that rests was not looked for
        names = ["not found"]
    also = [name for name in names if name and name.upper() != radio["adapter"].upper()]
    return f"{radio['adapter']} ({', '.join([radio['place'], *also])})"


def _hearing_lines(status: dict[str, Any]) -> Iterator[str]:
    for radio in status["radios"]:
        gap = f", for {radio['gap_s']} s" if radio["gap_s"] else ""
        by = ", past D-Bus" if radio["path"] not in ("", "bluez") else ""
        yield f"  radio   {_shown(radio)} {radio['state']}{by}{gap}"
    for each in status["satellites"]:
        gap = f", for {each['gap_s']} s" if each["gap_s"] else ""
        yield f"  away    {each['satellite']} ({each['place']}) {each['state']}{gap}"


def as_lines(status: dict[str, Any]) -> list[str]:
    """The same for a person at a terminal."""
    list_, hourly = status["list"], status["hourly"]
    number = list_["entries_rounded"]
    age = "never proven" if list_["age_s"] is None else f"{list_['age_s']} s old"
    armed = "armed" if status["armed"] else "DISARMED"
    lines = [
        f"presence {status['version']}, running since {status['since']}; {armed}, shop "
        + ("open" if status["open"] else "closed"),
        (
            f"  list    {list_['freshness']}, number {list_['seq']}, {age}, "
            + (f"about {number} entries" if number else f"fewer than {ENTRIES_STEP} entries")
        ),
        f"  keys    until {list_['keys_until'] or 'unknown'}",
    ]
    lines += _hearing_lines(status)
    if doorbell := status["doorbell"]:
        answers, bells = doorbell["answers_hourly"], doorbell["bells"]
        rings = (f"{b['adapter']} {'rings' if b['ringing'] else 'does NOT ring'}" for b in bells)
        lines.append(
            f"  bell    {', '.join(rings)}; "
            "hourly: answers accepted "
            f"{answers['accepted']}, worth nothing {sum(answers.values()) - answers['accepted']}; "
            f"connections {doorbell['links_hourly']}, sent away {doorbell['sent_away_hourly']}"
        )
    lines.append(f"  broker  {'connected' if status['broker']['connected'] else 'NOT connected'}")
    lines.append(
        f"  people  entered {hourly['entered']}, told of {hourly['published']}, waiting "
        f"{status['outbox_hourly']} "
        "(up to the last full hour, each hour rounded to 5)"
    )
    if status["calibrated"] and status["calibrated_until"]:
        lines.append(f"  door    calibrated, valid until {status['calibrated_until']}")
    lines += _entry_lines(status["entry"])
    lines += [f"  → {step}" for step in status["next_steps"]] or ["  all is well"]
    return lines
