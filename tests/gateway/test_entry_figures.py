"""Figures of the entry decision in a whole gateway: from advertisements to every exported byte."""

from dataclasses import replace
from pathlib import Path

import pytest

from presence.core.consent.model import Flag
from presence.core.operations.status import as_json
from presence.core.place import Place
from presence.core.visit.entry_figures import BOUNDS_S, DayCounts, FiguresRule
from presence.core.visit.staff_walks import WalkAnswers
from presence.core.visit.walks import Walked
from presence.edges.host.metrics import Exposition
from presence.edges.host.status_socket import status_answer
from presence.edges.sqlite.store import RuntimeStore
from presence.gateway.pipeline import Pipeline
from presence.ports import Stored
from presence.telemetry import StorageBegunAnew
from tests.support.builders import (
    ANNA,
    BERIT,
    DAY_S,
    HOUR_S,
    START_S,
    DoorRule,
    a_list,
    advertisement,
    approach,
    consent,
    rules,
    window_keys,
)
from tests.support.fakes import MemoryStore, RecordingTelemetry
from tests.support.watched import Watched

TO_MIDNIGHT_S = DAY_S - START_S % DAY_S


WALK_S = len(list(approach()))


def today_of(watched: Watched) -> DayCounts:
    today = watched.gateway.pipeline.engine.figures.today
    assert today is not None
    return today


def come_in(watched: Watched, ref: bytes = ANNA) -> None:
    """Heard for seven seconds inside, as time passes."""
    for heard in approach(ref=ref):
        now = watched.clock.now()
        watched.gateway.pipeline.receive(advertisement(ref=ref, at=now, rssi_dbm=heard.rssi_dbm))
        watched.pass_s(1)


# ---------------------------------------------------------------- what counts


async def test_a_customer_who_enters_counts_and_one_who_is_gone_at_once_is_suspect() -> None:
    watched = Watched()
    await watched.hears(())
    come_in(watched)
    assert (today_of(watched).entered, today_of(watched).suspect) == (1, 0)

    watched.pass_s(400)

    assert (today_of(watched).entered, today_of(watched).suspect) == (1, 1)


async def test_one_who_stays_is_not_suspect() -> None:
    watched = Watched()
    await watched.hears(())
    for _ in range(10):
        come_in(watched)
    watched.pass_s(400)

    assert (today_of(watched).entered, today_of(watched).suspect) == (1, 0)


async def test_the_delay_counts_from_the_strongest_moment_outside() -> None:
    """Anna is loudest outside three seconds before she is inside."""
    pair = {"inner": Place.DOOR, "outer": Place.OUTSIDE}
    watched = Watched(rules=rules(entry=DoorRule(score=40), places=pair))
    await watched.hears(())
    pipeline = watched.gateway.pipeline
    for second in range(30):
        now = watched.clock.now()
        outer_dbm = -60 if second == 3 else -80
        for antenna, rssi_dbm in (("outer", outer_dbm), ("inner", -70), ("gateway", -60)):
            if antenna != "gateway" or second > 6:
                heard = advertisement(at=now, rssi_dbm=rssi_dbm)
                pipeline.receive(heard._replace(antenna=antenna))
        if today_of(watched).entered:
            break
        watched.pass_s(1)

    (bucket,) = (n for n, count in enumerate(today_of(watched).delays) if count)
    assert (0, *BOUNDS_S)[bucket] < second - 3 <= BOUNDS_S[bucket]
    assert today_of(watched).late == 0


# ---------------------------------------------------------------- the test phone

NOW = "14:05-14:15"
"""The afternoon of the builders is in it."""


def with_test_phone(kind: Walked) -> Watched:
    figures = FiguresRule(walks={kind: NOW})
    phone = consent(flags=frozenset({Flag.TEST}))
    return Watched(rules=rules(figures=figures), listed=phone)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [(Walked.PAST, WalkAnswers(0, 1)), (Walked.IN, WalkAnswers(1, 0))],
)
async def test_the_test_phone_that_enters_is_an_answer_and_no_customer(
    kind: Walked, expected: WalkAnswers
) -> None:
    watched = with_test_phone(kind)
    await watched.hears(())
    come_in(watched)
    watched.pass_s(1000)

    figures = watched.gateway.pipeline.engine.figures
    assert list(figures.walks.days.values()) == [{kind: expected}]
    assert (today_of(watched).entered, today_of(watched).suspect) == (0, 0)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [(Walked.PAST, WalkAnswers(1, 0)), (Walked.IN, WalkAnswers(0, 1))],
)
async def test_the_test_phone_that_is_heard_and_does_not_enter_is_an_answer_too(
    kind: Walked, expected: WalkAnswers
) -> None:
    watched = with_test_phone(kind)
    await watched.hears(())
    for _ in range(6):
        watched.gateway.pipeline.receive(advertisement(at=watched.clock.now(), rssi_dbm=-95))
        watched.pass_s(1)
    watched.pass_s(1000)

    figures = watched.gateway.pipeline.engine.figures
    assert list(figures.walks.days.values()) == [{kind: expected}]


async def test_a_customer_in_the_time_of_a_walk_is_no_answer() -> None:
    watched = Watched(rules=rules(figures=FiguresRule(walks={Walked.IN: NOW})))
    await watched.hears(())
    come_in(watched)
    watched.pass_s(1000)

    assert watched.gateway.pipeline.engine.figures.walks.days == {}


@pytest.mark.requirement("R-12")
async def test_a_test_phone_whose_consent_is_withdrawn_during_its_walk_is_no_answer() -> None:
    watched = with_test_phone(Walked.IN)
    await watched.hears(())
    come_in(watched)
    pipeline = watched.gateway.pipeline
    nobody_left = a_list(consent(ref=BERIT))
    pipeline.apply(nobody_left, pipeline.engine.admissions.standing, watched.clock.now())
    watched.pass_s(1000)

    assert pipeline.engine.figures.walks.days == {}


# ---------------------------------------------------------------- a restart


def restarted(watched: Watched, store: MemoryStore | RuntimeStore) -> Pipeline:
    return Pipeline(watched._rules, store, emit=watched.telemetry.emit)


async def test_a_restart_in_mid_day_goes_on_with_the_day() -> None:
    watched = Watched()
    await watched.hears(())
    come_in(watched)

    again = restarted(watched, watched.store).engine.figures

    assert again.today == today_of(watched)


async def test_of_a_day_whose_counts_cannot_be_read_nothing_is_told_and_that_is() -> None:
    telemetry = RecordingTelemetry()
    store = MemoryStore(Stored(figures='{"v":1,"today":7}'))

    pipeline = Pipeline(rules(), store, emit=telemetry.emit)

    assert pipeline.engine.figures.today is None
    assert "figures could not be read" in telemetry.of(StorageBegunAnew)[0].reason


@pytest.mark.requirement("R-18", "R-24")
def test_on_disk_the_figures_are_counts_and_no_reference(tmp_path: Path) -> None:
    watched = Watched()
    store = RuntimeStore(tmp_path)
    figures = watched.gateway.pipeline.engine.figures
    figures.advance(watched.clock.now())
    store.keep_figures(figures.kept())
    store.close()

    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b'"entered":0' in content
    assert ANNA not in content


# ---------------------------------------------------------------- what leaves


def exported(watched: Watched) -> bytes:
    exposition = Exposition()
    exposition.snapshot = snapshot = watched.monitor.look()
    return exposition.text() + status_answer(snapshot)


def renew(watched: Watched) -> None:
    """The list comes anew, with the keys of the hour."""
    now, list_sync = watched.clock.now(), watched.gateway.list_sync
    lease = list_sync.lease
    assert lease is not None
    header = replace(lease.header, published_at_s=now.utc_s, suppression_checked_at_s=now.utc_s)
    list_sync.lease = replace(lease, header=header, proven_at=now)
    pipeline = watched.gateway.pipeline
    keys = window_keys(ANNA, now.utc_s)
    pipeline.apply(a_list(consent(), keys=keys), list_sync.standing(now), now)
    pipeline.engine.matcher.complete(now.utc_s)


async def two_days(*, customer: bool) -> list[bytes]:
    """A shop in which nobody is, or one customer who comes in each hour of the day and stays
    shortly; looked at often.
    """
    watched = Watched(rules=rules(figures=FiguresRule(counter_window_s=5)))
    await watched.hears(())
    watched.pass_s(TO_MIDNIGHT_S)
    assert today_of(watched).entered == 0
    shown, entered = [], 0
    for hour in range(48):
        renew(watched)
        watched.pass_s(1)
        if customer and hour < 24:
            come_in(watched)
        else:
            watched.pass_s(WALK_S)
        for _ in range(4):
            watched.pass_s((HOUR_S - 1 - WALK_S) / 4)
            shown.append(exported(watched))
        entered = max(entered, today_of(watched).entered)
    if customer:
        assert entered > 20
    return shown


@pytest.mark.requirement("R-23", "R-24", "T-14", "T-16")
async def test_one_customer_who_comes_every_hour_of_a_day_changes_no_exported_byte() -> None:
    nobody, one = await two_days(customer=False), await two_days(customer=True)

    assert [n for n, (a, b) in enumerate(zip(nobody, one, strict=True)) if a != b] == []


async def test_a_day_of_many_is_told_when_it_is_over() -> None:
    people = [n.to_bytes(8, "big") for n in range(1, 43)]
    watched = Watched()
    await watched.hears((), listed=[consent(ref=ref) for ref in people])
    for ref in people:
        come_in(watched, ref)
    assert as_json(watched.monitor.look())["entry"]["counted"] is None

    watched.pass_s(TO_MIDNIGHT_S)

    entry = as_json(watched.monitor.look())["entry"]
    assert (entry["day"], entry["counted"]) == ("2026-11-23", 40)
