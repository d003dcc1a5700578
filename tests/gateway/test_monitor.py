"""What an operator sees of a running gateway, and what nobody sees (R-23, R-24, R-66)."""

import json
import re
from dataclasses import replace

import pytest

from presence.core.consent.freshness import Freshness
from presence.core.consent.model import Purpose
from presence.core.event.cloudevent import EventType
from presence.core.operations.metrics import families
from presence.core.operations.radio_health import Condition
from presence.core.operations.snapshot import Alarm, RadioState
from presence.core.operations.status import as_json, as_lines, next_steps
from presence.core.place import Place
from presence.core.recognition.challenge import RejectReason
from presence.core.recognition.doubt import Doubt
from presence.edges.host.metrics import Exposition
from presence.edges.host.status_socket import status_answer
from presence.errors import RadioFault
from presence.telemetry import (
    CATALOGUE,
    AuditFailed,
    BrokerDuplicate,
    ClockJumped,
    ConsentFrozen,
    ConsentGrew,
    ConsentMemoryLost,
    ConsentRolledBack,
    OperationalEvent,
    RestrictionApplied,
    RestrictionRefused,
)
from scripts.stores.customers import pairwise_key
from tests.support.builders import (
    ANNA,
    OFFERS,
    PICK_UP,
    advertisement,
    approach,
    consent,
    moment,
    outgoing,
    rules,
    stranger,
)
from tests.support.operational_events import some
from tests.support.paths import ROOT
from tests.support.watched import FakeAdapterNow, Watched

NAMES_OF_THE_REQUIREMENTS = (
    "presence_build_info",
    "presence_armed",
    "presence_list_age_seconds",
    "presence_list_entries",
    "presence_list_freshness",
    "presence_sync_refresh_total",
    "presence_sync_last_success_timestamp_seconds",
    "presence_adverts_dropped_total",
    "presence_events_published_total",
    "presence_outbox_items",
    "presence_mqtt_connected",
    "presence_mqtt_reason_total",
    "presence_scan_gap_seconds",
    "presence_adapter_up",
    "presence_key_window_end_timestamp_seconds",
    "presence_disk_free_bytes",
)
"""§6.1, without four: docs/operations.md says why."""


def scrape(watched: Watched) -> dict[str, float]:
    """Series → value, as Prometheus reads them."""
    exposition = Exposition()
    exposition.snapshot = watched.monitor.look()
    lines = [line for line in exposition.text().decode().splitlines() if not line.startswith("#")]
    return {series: float(value) for series, _, value in (line.rpartition(" ") for line in lines)}


@pytest.mark.requirement("R-66")
async def test_ten_thousand_advertisements_bring_no_new_series() -> None:
    watched = Watched()
    before = scrape(watched)

    await watched.hears([*(stranger(n) for n in range(10_000)), *approach()])

    assert watched.gateway.pipeline.counts["heard"] == 10_008
    assert scrape(watched).keys() == before.keys()


@pytest.mark.requirement("R-66")
async def test_no_trouble_of_any_kind_brings_a_new_series() -> None:
    watched = Watched()
    before = scrape(watched)
    for condition in Condition:
        watched.radio.condition = condition
        for code in (0x87, 0x42, 0xFF):
            watched.publisher.counters.refused[code] += 1
        for event in CATALOGUE.values():
            watched.telemetry.emit(some(event))
        watched.clock.pass_s(4000)
        watched.monitor.look()
        assert scrape(watched).keys() == before.keys()


def test_the_names_are_those_of_the_requirements() -> None:
    told = {family.full_name for family in families(Watched().monitor.look())}

    assert set(NAMES_OF_THE_REQUIREMENTS) <= told
    assert all(re.fullmatch(r"presence_[a-z_]+", name) for name in told)


def test_every_metric_is_described_for_the_operator() -> None:
    page = (ROOT / "docs" / "operations.md").read_text()

    assert [
        f.full_name for f in families(Watched().monitor.look()) if f"`{f.full_name}" not in page
    ] == []


STAY_S = 360
AUDIENCES = (OFFERS, PICK_UP, *(replace(OFFERS, name=f"offers-{n}") for n in range(6)))


def exported(watched: Watched) -> bytes:
    """Every byte that leaves the process: the scrape, `presence status --json`, and what systemd
    shows.
    """
    exposition = Exposition()
    exposition.snapshot = snapshot = watched.monitor.look()
    return b"\n".join(
        (exposition.text(), status_answer(snapshot), watched.gateway.status_line().encode())
    )


async def an_hour(*, customer: bool) -> list[bytes]:
    """A shop with eight audiences in which nobody is, or one customer for six minutes; looked at
    every ten seconds.
    """
    given = rules(audiences=AUDIENCES)
    keys = {audience.name: pairwise_key(ANNA, audience.name) for audience in AUDIENCES}
    purposes = frozenset({Purpose.PRESENCE, Purpose.OFFERS, Purpose.SERVICE})
    watched = Watched(rules=given, listed=consent(pairwise_keys=keys, purposes=purposes))
    (bell,) = watched.bells
    await watched.hears(())
    shown = []
    for second in range(0, 2 * 3600, 10):
        if customer and second < STAY_S:
            watched.radio.condition = Condition.WELL
            for n in range(10):
                watched.gateway.pipeline.receive(advertisement(at=watched.clock.now().later(n)))
            bell.counters.links, bell.counters.sent_away = second // 30, second // 60
            watched.gateway.pipeline.receive(RejectReason.LATE)
            await refuse_half(watched)
        elif second >= STAY_S:
            watched.radio.condition = Condition.QUIET
        watched.pass_s(10)
        shown.append(exported(watched))
    if customer:
        assert watched.gateway.pipeline.counts["recognised"] == STAY_S
        assert watched.gateway.pipeline.counts["entered"] == 1
        assert watched.gateway.pipeline.counts["left"] == 1
        assert watched.gateway.pipeline.published == 4
    return shown


async def refuse_half(watched: Watched) -> None:
    """Nobody hears the eight events of the visit at first; then the broker takes four of them, and
    refuses the others.
    """
    pipeline = watched.gateway.pipeline
    for number, waiting in enumerate(tuple(pipeline.outbox.pending)):
        pipeline.release([waiting], watched.clock.now())
        pipeline.unheard(waiting, again=False)
        if number % 2:
            watched.publisher.counters.refused[0x87] += 1
            watched.publisher.counters.refused_events[0x87] += 1
            pipeline.refused(waiting, 0x87)
        pipeline.acknowledge(waiting, published=not number % 2)


@pytest.mark.requirement("R-23", "R-24", "T-14", "T-16")
async def test_one_customer_for_six_minutes_changes_no_exported_byte_against_an_empty_hour() -> (
    None
):
    nobody, one = await an_hour(customer=False), await an_hour(customer=True)

    assert [
        n for n, (empty, busy) in enumerate(zip(nobody, one, strict=True)) if empty != busy
    ] == []
    assert nobody[0] != nobody[-1], "time passes, and shows"


def hour_of(people: int, watched: Watched, *, heard: bool) -> list[list[str]]:
    """To whom nobody listens, by `presence status`: as they have come and gone, and when the hour
    is over.
    """
    pipeline = watched.gateway.pipeline
    for ref in (bytes([number]) * 8 for number in range(people)):
        for type_ in (EventType.ENTERED, EventType.LEFT):
            waiting = outgoing(type=type_, ref=ref)
            if heard:
                pipeline.acknowledge(waiting, published=True)
            else:
                pipeline.unheard(waiting, again=False)
    told = [nobody_listens_to(watched)]
    watched.clock.pass_s(3600)
    return [*told, nobody_listens_to(watched)]


def nobody_listens_to(watched: Watched) -> list[str]:
    snapshot = watched.monitor.look()
    status = as_json(snapshot)
    names: list[str] = status["broker"]["nobody_listens_to"]
    steps = [step for step in next_steps(snapshot) if step.startswith("nobody listens to")]
    assert [f"nobody listens to {name}" for name in names] == [s.partition(":")[0] for s in steps]
    assert status["well"] is False or not names
    for audience in snapshot.unheard:
        series = f'presence_audience_unheard{{audience="{audience}"}}'
        assert scrape(watched)[series] == (audience in names)
    return names


@pytest.mark.requirement("R-23", "R-51")
async def test_an_engine_that_is_gone_shows_with_the_fifth_person_of_a_quiet_shop() -> None:
    watched = Watched(rules=rules(audiences=(OFFERS, PICK_UP)))
    watched.monitor.look()

    assert hour_of(3, watched, heard=False) == [[], []]
    assert hour_of(3, watched, heard=False) == [[], ["offers-main"]]
    assert as_json(watched.monitor.look())["hourly"]["unheard"] == 0

    # The engine is back: nobody may see that from one customer's visit, either.
    assert hour_of(3, watched, heard=True) == [["offers-main"], ["offers-main"]]
    assert hour_of(3, watched, heard=True) == [["offers-main"], []]


@pytest.mark.requirement("R-51")
async def test_an_engine_that_restarts_now_and_then_is_not_taken_for_gone() -> None:
    watched = Watched()
    watched.monitor.look()

    for heard in (False, True) * 4:
        assert hour_of(3, watched, heard=heard) == [[], []]


@pytest.mark.requirement("R-23")
async def test_customers_are_counted_by_persons_and_five_of_them_show_when_the_hour_is_over() -> (
    None
):
    watched = Watched()
    people = [bytes([n]) * 8 for n in range(1, 8)]
    watched.monitor.look()
    await watched.hears(
        (heard for ref in people for heard in approach(ref=ref)),
        listed=[consent(ref=ref) for ref in people],
    )

    assert as_json(watched.monitor.look())["hourly"]["recognised"] == 0
    watched.clock.pass_s(3600)
    hourly = as_json(watched.monitor.look())["hourly"]
    assert (hourly["recognised"], hourly["entered"], hourly["published"], hourly["left"]) == (
        5,
        5,
        5,
        0,
    )
    assert "heard" not in hourly


@pytest.mark.requirement("R-23", "T-01")
async def test_people_who_are_held_back_are_counted_by_the_sign_when_the_hour_is_over() -> None:
    watched = Watched()
    people = [bytes([n]) * 8 for n in range(1, 8)]
    watched.monitor.look()
    await watched.hears(
        (
            advertisement(ref=ref, at=moment(5 * n), address=address)
            for ref in people
            for n, address in enumerate((b"phone.", b"other.") * 3)
        ),
        listed=[consent(ref=ref) for ref in people],
    )
    watched.clock.pass_s(3600)
    snapshot = watched.monitor.look()

    assert {why: n for why, n in snapshot.held_back.items() if n} == {Doubt.ADDRESSES: 5}
    assert as_json(snapshot)["hourly"]["held_back"] == 5
    (family,) = [f for f in families(snapshot) if f.full_name == "presence_held_back_total"]
    assert dict(family.samples)[(("reason", "addresses"),)] == 5


@pytest.mark.requirement("R-23", "T-14")
async def test_what_systemd_shows_to_everybody_counts_no_customer() -> None:
    watched = Watched()
    await watched.hears(())
    before = watched.gateway.status_line()
    await watched.hears(approach())

    assert watched.gateway.status_line() == before == "list fresh, 1 entry"


async def test_the_list_the_radio_and_the_broker_are_seen_as_they_are() -> None:
    watched = Watched()
    assert watched.monitor.look().freshness is Freshness.BOOT
    await watched.hears(())
    watched.radio.condition = Condition.DEAF
    watched.publisher.is_connected, watched.publisher.trouble = False, "refused: look at the broker"
    watched.monitor.look()
    watched.pass_s(600)

    snapshot = watched.monitor.look()

    assert (snapshot.freshness, snapshot.list_seq, snapshot.list_age_s) == (Freshness.AGING, 7, 630)
    assert snapshot.next_step
    assert (snapshot.radios[0].state, snapshot.radios[0].gap_s) == (RadioState.DEAF, 600)
    assert (snapshot.broker_connected, snapshot.broker_trouble) == (
        False,
        "refused: look at the broker",
    )
    assert snapshot.key_window_end_utc_s is not None
    assert 0 < snapshot.key_window_end_utc_s - snapshot.at.utc_s < 2 * 65_536


async def test_an_antenna_is_seen_in_its_place_with_the_adapter_that_serves_it_today() -> None:
    watched = Watched(rules=rules(places={"hci0": Place.OUTSIDE}))
    [away] = watched.monitor.look().radios
    watched.radio.serves = FakeAdapterNow(name="hci4", address="00:1A:7D:DA:71:13")
    [found] = watched.monitor.look().radios

    assert (away.place, away.hci, away.address) == (Place.OUTSIDE, "", "")
    assert (found.adapter, found.hci, found.address) == ("hci0", "hci4", "00:1A:7D:DA:71:13")


async def test_why_no_scan_runs_is_told_in_our_words() -> None:
    watched = Watched()
    watched.radio.condition = Condition.AWAY
    watched.radio.trouble = RadioFault.BLOCKED.value
    watched.clock.pass_s(3000)

    steps = next_steps(watched.monitor.look())

    assert any("blocked by rfkill" in step for step in steps)


async def test_a_gateway_that_is_disarmed_rests_and_is_not_deaf() -> None:
    watched = Watched(armed=False)
    watched.radio.condition = Condition.AWAY

    watched.clock.pass_s(3000)
    snapshot = watched.monitor.look()

    assert (snapshot.armed, snapshot.radios[0].state, snapshot.radios[0].gap_s) == (
        False,
        RadioState.RESTING,
        0,
    )


async def test_refusals_of_events_are_told_by_the_hour_and_others_at_once() -> None:
    watched = Watched()
    watched.monitor.look()
    counters = watched.publisher.counters
    counters.refused[0x87] += 7
    counters.refused_events[0x87] += 6
    for number in range(6):
        watched.gateway.pipeline.refused(outgoing(ref=bytes([number]) * 8), 0x87)

    assert watched.monitor.look().broker_codes == {0x87: 1}
    watched.clock.pass_s(3600)
    assert watched.monitor.look().broker_codes == {0x87: 6}


@pytest.mark.parametrize(
    ("event", "alarm"),
    [
        (ConsentFrozen, Alarm.FROZEN),
        (ConsentRolledBack, Alarm.ROLLBACK),
        (ConsentGrew, Alarm.GROWTH),
        (ConsentMemoryLost, Alarm.MEMORY),
        (BrokerDuplicate, Alarm.DUPLICATE),
        (ClockJumped, Alarm.CLOCK),
        (AuditFailed, Alarm.AUDIT),
    ],
)
def test_an_alarm_is_counted_by_its_reason(event: type[OperationalEvent], alarm: Alarm) -> None:
    watched = Watched()
    watched.telemetry.emit(some(event))

    assert watched.monitor.look().alarms == {alarm: 1}


@pytest.mark.requirement("R-23", "R-66")
async def test_answers_to_the_doorbell_are_counted_by_the_hour_and_its_state_is_told_at_once() -> (
    None
):
    watched = Watched()
    before = scrape(watched)
    (bell,) = watched.bells
    bell.trouble, bell.counters.outages = "hci1 is off: power it on", 1
    bell.counters.links, bell.counters.sent_away = 223, 99
    for _ in range(110):
        watched.gateway.pipeline.receive(RejectReason.MALFORMED)
    watched.gateway.pipeline.receive(RejectReason.LATE)

    at_once = scrape(watched)
    changed = {
        series
        for series, value in at_once.items()
        if "doorbell" in series and value != before[series]
    }
    assert changed == {
        'presence_doorbell_ringing{adapter="hci1"}',
        'presence_doorbell_outages_total{adapter="hci1"}',
    }
    assert "doorbell hci1: hci1 is off: power it on" in next_steps(watched.monitor.look())

    watched.clock.pass_s(3600)
    told = {
        series: value for series, value in scrape(watched).items() if "doorbell" in series and value
    }
    assert scrape(watched).keys() == before.keys()
    assert told == {
        'presence_doorbell_outages_total{adapter="hci1"}': 1,
        "presence_doorbell_links_total": 200,
        'presence_doorbell_answers_total{result="malformed"}': 100,
    }
    assert (
        "does NOT ring; hourly: answers accepted 0, worth nothing 100; connections 200, sent away 0"
        in "\n".join(as_lines(as_json(watched.monitor.look())))
    )


async def test_a_gateway_without_a_doorbell_has_no_word_of_it_in_its_status() -> None:
    watched = Watched()
    watched.bells.clear()
    watched.watch()

    status = as_json(watched.monitor.look())

    assert status["doorbell"] is None
    assert "bell" not in "\n".join(as_lines(status))
    assert 'presence_doorbell_answers_total{result="accepted"}' in scrape(watched)


@pytest.mark.requirement("R-23")
def test_one_customers_withdrawal_is_in_no_metric_and_a_forged_notice_at_once() -> None:
    watched = Watched()
    applied, refused = (
        f'presence_sync_refresh_total{{plane="b",result="{word}"}}'
        for word in ("applied", "refused")
    )
    scrape(watched)
    for event in (RestrictionApplied, RestrictionRefused):
        watched.telemetry.emit(some(event))
    assert (scrape(watched)[applied], scrape(watched)[refused]) == (0, 1)
    watched.clock.pass_s(3600)
    assert scrape(watched)[applied] == 0
    for _ in range(6):
        watched.telemetry.emit(some(RestrictionApplied))
    watched.clock.pass_s(3600)
    assert scrape(watched)[applied] == 5


async def test_a_card_that_went_read_only_is_told_until_it_is_healed() -> None:
    watched = Watched()
    told = []
    for watched.read_only in (False, True, False):
        status = as_json(watched.monitor.look())
        steps = [step for step in status["next_steps"] if "read-only" in step]
        told.append(
            (status["state_read_only"], scrape(watched)["presence_state_read_only"], len(steps))
        )
    assert told == [(False, 0.0, 0), (True, 1.0, 1), (False, 0.0, 0)]


async def test_the_status_of_a_gateway_with_a_large_disk_can_be_read() -> None:
    watched = Watched()
    await watched.hears(())
    watched.free_bytes = 500_107_862_016
    watched.publisher.is_connected, watched.publisher.trouble = False, "lost 4A:11:22:33:44:F5"

    status = json.loads(status_answer(watched.monitor.look()))

    assert status["disk_free_bytes"] == 500_107_862_016
    assert "4A:11" not in json.dumps(status)
