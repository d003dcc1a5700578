"""Every alert fires in the state that it is for, stays silent where all is well, and has its line
in the runbook.

A gateway of stand-ins is brought into the state; its own series, minute by minute, are what
`promtool` (of Debian's package prometheus) evaluates the shipped rules over.
"""

import json
import math
import re
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from presence.core.operations.radio_health import Condition
from presence.core.operations.snapshot import SatelliteState
from presence.core.recognition.satellite_message import SatelliteRefusal
from presence.core.visit.entry_figures import BOUNDS_S, UNKNOWN_BELOW, DayCounts, FiguresRule
from presence.core.visit.staff_walks import WalkAnswers
from presence.core.visit.walks import Walked
from presence.edges.host.metrics import Exposition
from presence.telemetry import (
    AuditFailed,
    BrokerDuplicate,
    ClockJumped,
    ConsentFrozen,
    ConsentGrew,
    ConsentMemoryLost,
    ConsentRolledBack,
    OperationalEvent,
    StorageFailed,
)
from tests.support.builders import START_S, outgoing, rules, stranger
from tests.support.operational_events import some
from tests.support.paths import ROOT
from tests.support.watched import FakeBell, Watched

RULES = ROOT / "config" / "prometheus" / "alerts.yaml"
ALERTS: dict[str, dict[str, Any]] = {
    rule["alert"]: rule
    for group in yaml.safe_load(RULES.read_text())["groups"]
    for rule in group["rules"]
}
MINUTES = 45
EVENTS = {
    "PresenceListFrozen": ConsentFrozen,
    "PresenceListRolledBack": ConsentRolledBack,
    "PresenceListGrew": ConsentGrew,
    "PresenceMemoryLost": ConsentMemoryLost,
    "PresenceDuplicate": BrokerDuplicate,
    "PresenceClockJumped": ClockJumped,
    "PresenceAudit": AuditFailed,
}

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="no promtool: apt install prometheus"
)

State = Callable[[Watched, int], None]
"""Changes the gateway at the beginning of a minute."""


def well(watched: Watched, minute: int) -> None:
    """The list is renewed in time, and the counter at the door tells that it lives."""
    without_counter(watched, minute)
    now = watched.clock.now()
    alive = {"t": int(now.utc_s), "in": 0, "out": 0}
    watched.gateway.pipeline.engine.figures.cross(json.dumps(alive).encode(), now)


def without_counter(watched: Watched, _minute: int) -> None:
    lease = watched.gateway.list_sync.lease
    assert lease is not None
    now = watched.clock.now()
    header = type(lease.header)(**{**_fields(lease.header), "published_at_s": now.utc_s})
    watched.gateway.list_sync.lease = type(lease)(header, now, lease.lease_s)


def _fields(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in type(value).__slots__}


def emitted(event: type[OperationalEvent]) -> State:
    def state(watched: Watched, minute: int) -> None:
        well(watched, minute)
        if minute == MINUTES - 10:
            watched.telemetry.emit(some(event))

    return state


def setting(**changes: object) -> State:
    def state(watched: Watched, minute: int) -> None:
        well(watched, minute)
        for name, value in changes.items():
            part, _, attribute = name.rpartition("__")
            setattr(getattr(watched, part) if part else watched, attribute, value)

    return state


def one_of_two_bells_silent(watched: Watched, minute: int) -> None:
    well(watched, minute)
    watched.bells[:] = [FakeBell(), FakeBell("hci2", trouble="the adapter is off")]


def unlisted(_watched: Watched, _minute: int) -> None:
    """No new list comes."""


def disarmed(watched: Watched, minute: int) -> None:
    well(watched, minute)
    if minute == 0:
        watched.armed = False
        watched.watch()


def keyless(watched: Watched, minute: int) -> None:
    well(watched, minute)
    watched.gateway.pipeline.engine.matcher.forget()


def denied(watched: Watched, minute: int) -> None:
    well(watched, minute)
    watched.publisher.counters.refused[0x87] += minute > MINUTES - 10


def unheard(watched: Watched, minute: int) -> None:
    """An hour is over in which one of two audiences had no listener."""
    well(watched, minute)
    if minute == MINUTES - 10:
        watched.monitor._people._released.update({"unheard": 20, "published": 20})


def unheard_by_threes(watched: Watched, minute: int) -> None:
    """Two hours with three customers each, and nobody to hear of them."""
    well(watched, minute)
    if minute in (MINUTES - 20, MINUTES - 10):
        for number in range(3):
            waiting = outgoing(ref=bytes([number]) * 8)
            watched.gateway.pipeline.unheard(waiting, again=False)
        watched.clock.pass_s(3600)
        well(watched, minute)


def flooded(watched: Watched, minute: int) -> None:
    well(watched, minute)
    for n in range(5000):
        watched.gateway.intake.hear(stranger(n))


def without_satellite(watched: Watched, minute: int) -> None:
    well(watched, minute)
    watched.satellite = replace(watched.satellite, state=SatelliteState.LOST, gap_s=minute * 60.0)


def spoken_for(why: SatelliteRefusal) -> State:
    def state(watched: Watched, minute: int) -> None:
        well(watched, minute)
        watched.satellite = replace(watched.satellite, ignored={why: max(0, minute - MINUTES + 10)})

    return state


def told(**counts: int) -> State:
    """A day with these counts is over in the last ten minutes."""

    def state(watched: Watched, minute: int) -> None:
        well(watched, minute)
        if minute == MINUTES - 10:
            day = DayCounts(date(2026, 11, 22), 0.0, **counts)
            watched.gateway.pipeline.engine.figures._closed.append(day)

    return state


def slower(watched: Watched, minute: int) -> None:
    """Found after 5 s for long, and then after 15 s."""
    well(watched, minute)
    figures = watched.gateway.pipeline.engine.figures
    figures.last = day = DayCounts(date(2026, 11, 22), 0.0)
    day.delays[BOUNDS_S.index(5 if minute < MINUTES - 10 else 15)] = UNKNOWN_BELOW


def walked(kind: Walked) -> State:
    def state(watched: Watched, minute: int) -> None:
        well(watched, minute)
        walks = watched.gateway.pipeline.engine.figures.walks
        walks.days[date(2026, 11, 22)] = {kind: WalkAnswers(right=25, wrong=5)}

    return state


def restarting(watched: Watched, minute: int) -> None:
    well(watched, minute)
    if minute % 8 == 0:
        watched.watch()


def full(watched: Watched, minute: int) -> None:
    well(watched, minute)
    if minute == 5:
        watched.telemetry.emit(some(StorageFailed))


STATES: dict[str, list[State | None]] = {
    "PresenceSilent": [None],
    "PresenceDisarmed": [disarmed],
    "PresenceNotPublishing": [unlisted],
    "PresenceKeysEnd": [keyless],
    "PresenceRadioAway": [setting(radio__condition=Condition.AWAY)],
    "PresenceRadioDeaf": [
        setting(radio__condition=c) for c in (Condition.DEAF, Condition.HIDING, Condition.SPENT)
    ],
    "PresenceSatelliteLost": [without_satellite],
    "PresenceSatelliteForged": [
        spoken_for(why)
        for why in (SatelliteRefusal.FORGED, SatelliteRefusal.COPY, SatelliteRefusal.OVER)
    ],
    "PresenceDoorbell": [one_of_two_bells_silent],
    "PresenceEntrySlow": [slower],
    "PresenceEntrySuspect": [
        told(entered=60, suspect=10),
        told(entered=60, judged=60, contradicted=10),
    ],
    "PresenceEntryTest": [walked(Walked.PAST), walked(Walked.IN)],
    "PresenceCounterSilent": [without_counter],
    "PresenceBrokerAway": [setting(publisher__is_connected=False)],
    "PresenceNotAuthorised": [denied],
    "PresenceNobodyListens": [unheard, unheard_by_threes],
    "PresenceClock": [setting(synchronised=False)],
    "PresenceDisk": [setting(free_bytes=1_000_000), full],
    "PresenceRestarts": [restarting],
    "PresenceOverflow": [flooded],
    **{alert: [emitted(event)] for alert, event in EVENTS.items()},
}


async def series(state: State | None) -> dict[str, list[float]]:
    """Series → its value in each minute. None: the gateway falls silent in the tenth minute, its
    file stays.
    """
    watched = Watched(rules=rules(figures=FiguresRule(counter_window_s=5)))
    await watched.hears(())
    values: dict[str, list[float]] = defaultdict(list)
    exposition = Exposition()
    for minute in range(MINUTES):
        if state is not None or minute < 10:
            (state or well)(watched, minute)
            watched.gateway._advance()
            exposition.snapshot = watched.monitor.look()
        for line in exposition.text().decode().splitlines():
            if not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                # promtool's clock begins in 1970
                since_s = START_S if "_timestamp_seconds" in name else 0.0
                values[name].append(float(value) - since_s)
        watched.clock.pass_s(60)
    return values


def fires(tmp_path: Path, recorded: dict[str, list[float]]) -> set[str]:
    """The alerts that fire in the last minute, as promtool evaluates the shipped rules."""
    wanted = [
        {
            "expr": f'count(ALERTS{{alertname="{alert}",alertstate="firing"}}) or vector(0)',
            "eval_time": f"{MINUTES - 1}m",
            "exp_samples": [{"labels": "{}", "value": -1}],
        }
        for alert in ALERTS
    ]
    inputs = [
        {"series": name, "values": " ".join("NaN" if math.isnan(v) else repr(v) for v in values)}
        for name, values in recorded.items()
    ]
    test = {"interval": "1m", "input_series": inputs, "promql_expr_test": wanted}
    file = tmp_path / "test.yaml"
    file.write_text(
        yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [test]})
    )
    said = subprocess.run(
        ["promtool", "test", "rules", file], capture_output=True, text=True, check=False
    )
    return set(_firing(said.stdout + said.stderr))


def _firing(said: str) -> Iterator[str]:
    """Each expectation is wrong on purpose, so that promtool says what it got."""
    found = re.findall(r'alertname=\\"(\w+)\\".*?got: \{\} (\S+)', said, flags=re.DOTALL)
    assert len(found) == len(ALERTS), said
    return (alert for alert, count in found if float(count) > 0)


def test_every_alert_has_a_state_that_makes_it_fire() -> None:
    assert STATES.keys() == ALERTS.keys()


@needs_promtool
@pytest.mark.requirement("R-69")
@pytest.mark.parametrize(
    ("alert", "state"), [(alert, state) for alert, states in STATES.items() for state in states]
)
async def test_an_alert_fires_in_the_state_that_it_is_for(
    tmp_path: Path, alert: str, state: State | None
) -> None:
    assert alert in fires(tmp_path, await series(state))


@needs_promtool
@pytest.mark.requirement("R-69")
async def test_where_all_is_well_no_alert_fires(tmp_path: Path) -> None:
    assert fires(tmp_path, await series(well)) == set()


@pytest.mark.requirement("R-69")
@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_has_its_line_in_the_runbook(alert: str) -> None:
    page = (ROOT / "docs" / "operations.md").read_text()

    assert ALERTS[alert]["annotations"]["runbook"] == f"docs/operations.md#{alert.lower()}"
    assert ALERTS[alert]["labels"]["severity"] in {"page", "ticket"}
    assert len(re.findall(rf"(?m)^### {alert}\n\S", page)) == 1


@pytest.mark.requirement("R-69")
async def test_an_alert_compares_series_that_the_gateway_tells() -> None:
    known = {name.partition("{")[0] for name in await series(well)}

    for rule in ALERTS.values():
        named = set(re.findall(r"presence_\w+", rule["expr"]))
        assert named
        assert named <= known


@needs_promtool
def test_the_rules_are_what_prometheus_takes() -> None:
    subprocess.run(["promtool", "check", "rules", RULES], check=True, capture_output=True)
