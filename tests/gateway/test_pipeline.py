"""The engine with its store: stored before sent, right though the disk is full, and the same after
a restart.
"""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.core.consent.gate import Denied, Reason
from presence.core.event.outbox import Step
from presence.core.recognition.advertisement import Advertisement
from presence.core.timestamps import Moment
from presence.gateway.pipeline import SAVE_HEARD_S, Intake, Pipeline
from presence.ports import OutgoingMessage, Stored
from presence.telemetry import StorageFailed
from tests.support.builders import (
    ANNA,
    BERIT,
    OFFERS,
    a_list,
    advertisement,
    approach,
    consent,
    moment,
    outgoing,
    rules,
    standing,
    stranger,
    visit,
)
from tests.support.fakes import MemoryStore, RecordingTelemetry
from tests.support.small import SmallPipeline


def a_pipeline(
    store: MemoryStore | None = None,
    *,
    telemetry: RecordingTelemetry | None = None,
    **changes: object,
) -> Pipeline:
    """A pipeline with a fresh list on which Anna stands."""
    pipeline = SmallPipeline(
        rules(**changes), store or MemoryStore(), emit=(telemetry or RecordingTelemetry()).emit
    )
    pipeline.apply(a_list(consent()), standing(), moment())
    return pipeline


def come_in(pipeline: Pipeline, start: Moment | None = None) -> None:
    for heard in approach(start):
        pipeline.receive(heard)


def message(pipeline: Pipeline, now: Moment) -> OutgoingMessage:
    [released] = pipeline.release([next(iter(pipeline.outbox.pending))], now)
    assert isinstance(released, OutgoingMessage)
    return released


# ---------------------------------------------------------------- what is stored, and when


def test_a_visit_and_its_event_are_stored_together() -> None:
    store = MemoryStore()
    pipeline = a_pipeline(store)

    come_in(pipeline)

    stored = store.load()
    assert stored.visits == (visit(entered_at=moment(7), heard_at=moment(7)),)
    assert stored.pending == tuple(pipeline.outbox.pending)


def test_a_fault_within_a_batch_takes_nothing_from_who_came_in_before_it() -> None:
    store = MemoryStore()
    pipeline = a_pipeline(store)

    def spoilt() -> Iterator[Advertisement]:
        yield from approach()
        raise RuntimeError("a fault of ours")

    with pytest.raises(RuntimeError):
        pipeline.receive_all(spoilt())

    assert [visit.ref for visit in store.load().visits] == [consent().ref]
    assert store.load().pending == tuple(pipeline.outbox.pending)


def test_an_event_is_stored_as_announced_before_it_is_sent() -> None:
    store = MemoryStore()
    pipeline = a_pipeline(store)
    come_in(pipeline)

    sent = message(pipeline, moment(8))

    assert [announced.event_id for announced in store.load().announcements] == [sent.event_id]


def test_an_acknowledged_event_leaves_the_store_and_stays_announced() -> None:
    store = MemoryStore()
    pipeline = a_pipeline(store)
    come_in(pipeline)
    [waiting] = pipeline.outbox.pending
    pipeline.release([waiting], moment(8))

    pipeline.acknowledge(waiting, published=True)

    assert (tuple(pipeline.outbox.pending), store.load().pending) == ((), ())
    assert len(store.load().announcements) == 1
    assert pipeline.counts["published"] == 1


def test_a_refused_event_leaves_the_store_and_is_not_counted_as_published() -> None:
    store = MemoryStore()
    pipeline = a_pipeline(store)
    come_in(pipeline)

    pipeline.acknowledge(next(iter(pipeline.outbox.pending)), published=False)

    assert store.load().pending == ()
    assert pipeline.counts["published"] == 0


@pytest.mark.requirement("R-06", "R-12")
def test_an_event_that_the_gate_stops_leaves_the_store() -> None:
    store = MemoryStore()
    pipeline = a_pipeline(store)
    come_in(pipeline)
    [waiting] = pipeline.outbox.pending
    pipeline.apply(a_list(consent(grants=())), standing(), moment(8))

    assert pipeline.release([waiting], moment(9)) == [Denied(Reason.NO_CATEGORY)]

    assert store.load().pending == ()


@pytest.mark.requirement("R-18", "R-49")
def test_an_event_that_expired_leaves_the_store() -> None:
    store = MemoryStore()
    pipeline = a_pipeline(store)
    come_in(pipeline)

    assert pipeline.release([next(iter(pipeline.outbox.pending))], moment(7 + 120)) == [None]

    assert store.load().pending == ()


@pytest.mark.requirement("R-08")
def test_an_event_that_waits_for_a_list_stays_in_the_store() -> None:
    store = MemoryStore()
    pipeline = a_pipeline(store)
    come_in(pipeline)
    pipeline.engine.admissions.trust(standing(publishing=False))

    assert pipeline.release([next(iter(pipeline.outbox.pending))], moment(8)) == [
        Denied(Reason.LIST_STALE)
    ]

    assert len(store.load().pending) == 1


@pytest.mark.requirement("R-08", "R-12")
def test_a_withdrawal_takes_visit_and_event_out_of_the_store() -> None:
    store = MemoryStore()
    pipeline = a_pipeline(store)
    come_in(pipeline)

    pipeline.apply(a_list(), standing(), moment(8))

    assert store.load() == Stored()


@pytest.mark.requirement("R-01")
def test_strangers_cause_no_write() -> None:
    store = MemoryStore()
    pipeline = a_pipeline(store)
    before = store.writes
    for number in range(1000):
        pipeline.receive(stranger(number))

    assert store.writes == before


def test_the_time_of_last_hearing_is_stored_now_and_then() -> None:
    store = MemoryStore()
    pipeline = a_pipeline(store)
    come_in(pipeline)
    pipeline.receive(advertisement(at=moment(60)))
    pipeline.advance(moment(60))
    pipeline.receive(advertisement(at=moment(61)))
    pipeline.advance(moment(61))
    assert store.load().visits[0].heard_at == moment(60)

    pipeline.advance(moment(60 + SAVE_HEARD_S))

    assert store.load().visits[0].heard_at == moment(61)


def test_a_tick_writes_nothing_where_nobody_was_heard() -> None:
    store = MemoryStore()
    pipeline = a_pipeline(store)
    for second in range(100):
        pipeline.advance(moment(second))
    assert store.writes == 0

    come_in(pipeline, moment(100))
    pipeline.release([next(iter(pipeline.outbox.pending))], moment(108))
    pipeline.advance(moment(108))
    before = store.writes
    for second in range(109, 160):
        pipeline.advance(moment(second))
    assert store.writes == before


def test_of_a_crowd_only_what_changed_is_written() -> None:
    """The rest of the store is not written anew: what was changed there by hand stays so."""
    store = MemoryStore()
    pipeline = SmallPipeline(rules(), store, emit=RecordingTelemetry().emit)
    pipeline.apply(a_list(consent(), consent(ref=BERIT)), standing(), moment())
    come_in(pipeline)
    for heard in approach(ref=BERIT):
        pipeline.receive(heard)
    store.commit(Step(saved=(visit(ref=BERIT, entered_at=moment(7), heard_at=moment(3)),)))

    for second in range(20, 40):
        pipeline.receive(advertisement(at=moment(second)))
        pipeline.advance(moment(second))

    stored = {each.ref: each.heard_at for each in store.load().visits}
    assert stored[BERIT] == moment(3)
    assert moment(39 - SAVE_HEARD_S).utc_s <= stored[ANNA].utc_s <= moment(39).utc_s


@pytest.mark.requirement("R-40")
def test_a_crash_loses_at_most_ten_seconds_of_the_last_hearing() -> None:
    refs = [bytes([n]) * 8 for n in range(40)]
    store = MemoryStore()
    pipeline = SmallPipeline(rules(), store, emit=RecordingTelemetry().emit)
    pipeline.apply(a_list(*(consent(ref=ref) for ref in refs)), standing(), moment())
    for ref in refs:
        for heard in approach(ref=ref):
            pipeline.receive(heard)
    for half in range(16, 200):
        now = moment(half / 2)
        for ref in refs:
            pipeline.receive(advertisement(ref=ref, at=now))
        pipeline.advance(now)
        if half > 2 * SAVE_HEARD_S + 16:
            oldest = min(each.heard_at.utc_s for each in store.load().visits)
            assert now.utc_s - oldest <= SAVE_HEARD_S


# ---------------------------------------------------------------- expiry and message


@pytest.mark.requirement("R-49", "R-58")
@pytest.mark.parametrize(
    ("now_s", "expiry_s"), [(7, 120), (8, 119), (66.5, 60), (126, 1), (126.9, 1)]
)
def test_the_expiry_is_what_is_left_at_the_hand_over(now_s: float, expiry_s: int) -> None:
    pipeline = a_pipeline()
    come_in(pipeline)

    assert message(pipeline, moment(now_s)).expiry_s == expiry_s


@pytest.mark.requirement("R-49")
def test_each_hand_over_counts_the_expiry_anew() -> None:
    pipeline = a_pipeline()
    come_in(pipeline)

    first, second = message(pipeline, moment(10)), message(pipeline, moment(100))

    assert (first.expiry_s, second.expiry_s) == (117, 27)
    assert replace(first, expiry_s=0) == replace(second, expiry_s=0)


def test_a_message_carries_topic_type_and_id_beside_the_payload() -> None:
    pipeline = a_pipeline()
    come_in(pipeline)

    sent = message(pipeline, moment(8))

    body = json.loads(sent.payload)
    assert sent.topic == f"presence/v1/acme/fi-0042/evt/{OFFERS.name}"
    assert (sent.event_type, sent.event_id) == (body["type"], body["id"])


# ---------------------------------------------------------------- restart


@pytest.mark.requirement("R-53")
def test_an_event_that_was_not_acknowledged_is_sent_again_after_a_restart_with_the_same_id() -> (
    None
):
    store = MemoryStore()
    before = a_pipeline(store)
    come_in(before)
    sent = message(before, moment(8))

    after = a_pipeline(store)

    assert message(after, moment(20)).payload == sent.payload


def test_nothing_is_sent_after_a_restart_before_the_list_is_proven_again() -> None:
    store = MemoryStore()
    come_in(a_pipeline(store))

    after = SmallPipeline(rules(), store, emit=RecordingTelemetry().emit)

    assert after.release([next(iter(after.outbox.pending))], moment(20)) == [
        Denied(Reason.LIST_STALE)
    ]


@pytest.mark.requirement("R-08", "R-09")
def test_a_withdrawal_while_the_gateway_was_down_is_told_after_the_restart() -> None:
    store = MemoryStore()
    before = a_pipeline(store)
    come_in(before)
    [waiting] = before.outbox.pending
    before.release([waiting], moment(8))
    before.acknowledge(waiting, published=True)

    after = SmallPipeline(rules(), store, emit=RecordingTelemetry().emit)
    after.apply(a_list(consent(ref=BERIT)), standing(), moment(60))

    assert json.loads(message(after, moment(60)).payload)["data"]["entered_id"] == waiting.id


@pytest.mark.requirement("R-09", "R-53")
def test_what_was_taken_back_before_the_process_was_killed_is_not_announced_again() -> None:
    """Agreed anew within the bucket of the first entry: it would have the id that readers know as
    withdrawn.
    """
    store = MemoryStore()
    before = a_pipeline(store)
    come_in(before)
    [waiting] = before.outbox.pending
    message(before, moment(8))
    before.acknowledge(waiting, published=True)
    before.apply(a_list(), standing(), moment(20))

    after = SmallPipeline(rules(), store, emit=RecordingTelemetry().emit)
    after.apply(a_list(consent(version=2)), standing(), moment(30))
    come_in(after, moment(31))

    assert [json.loads(message(after, moment(40)).payload)["type"]] == ["presence.withdrawn.v1"]
    assert [each.event_id for each in store.load().taken_back] == [waiting.id]
    after.advance(moment(921))
    assert store.load().taken_back == ()


async def test_an_outbox_that_was_not_empty_wakes_the_relay_after_a_restart() -> None:
    pipeline = SmallPipeline(
        rules(), MemoryStore(Stored(pending=(outgoing(),))), emit=RecordingTelemetry().emit
    )

    async with asyncio.timeout(1):
        await pipeline.queued.wait()


# ---------------------------------------------------------------- a full disk


@pytest.mark.requirement("T-20")
def test_a_full_disk_loses_no_event_and_is_told_once() -> None:
    store, telemetry = MemoryStore(), RecordingTelemetry()
    pipeline = a_pipeline(store, telemetry=telemetry)
    store.fill_up()

    come_in(pipeline)
    pipeline.advance(moment(8))
    pipeline.advance(moment(9))
    sent = message(pipeline, moment(10))
    pipeline.acknowledge(next(iter(pipeline.outbox.pending)), published=True)

    assert json.loads(sent.payload)["type"] == "presence.entered.v1"
    assert pipeline.counts["published"] == 1
    [failed] = telemetry.events
    assert isinstance(failed, StorageFailed)
    assert failed.what == "visits"


@pytest.mark.requirement("T-20")
def test_what_could_not_be_stored_is_stored_whole_once_there_is_room() -> None:
    store, telemetry = MemoryStore(), RecordingTelemetry()
    pipeline = a_pipeline(store, telemetry=telemetry)
    store.fill_up()
    come_in(pipeline)
    message(pipeline, moment(8))
    pipeline.advance(moment(9))
    store.make_room()

    pipeline.advance(moment(9.5))

    stored = store.load()
    assert [v.ref for v in stored.visits] == [ANNA]
    assert stored.pending == tuple(pipeline.outbox.pending)
    assert len(stored.announcements) == 1
    assert telemetry.names() == ["storage.failed", "storage.recovered"]


@pytest.mark.requirement("T-20", "R-12")
def test_a_withdrawal_on_a_full_disk_is_erased_once_there_is_room() -> None:
    store = MemoryStore()
    pipeline = a_pipeline(store)
    come_in(pipeline)
    store.fill_up()
    pipeline.apply(a_list(), standing(), moment(20))
    assert tuple(pipeline.outbox.pending) == ()
    store.make_room()

    pipeline.advance(moment(21))

    assert replace(store.load(), figures="") == Stored()


def test_a_second_failure_is_told_again() -> None:
    store, telemetry = MemoryStore(), RecordingTelemetry()
    pipeline = a_pipeline(store, telemetry=telemetry)
    come_in(pipeline)
    for second in (20, 40):
        store.fill_up()
        pipeline.receive(advertisement(at=moment(second - 1)))
        pipeline.advance(moment(second))
        store.make_room()
        pipeline.advance(moment(second + 1))

    assert telemetry.names() == ["storage.failed", "storage.recovered"] * 2


# ---------------------------------------------------------------- the intake


@pytest.mark.requirement("T-03", "T-04")
def test_a_full_intake_drops_the_oldest_and_counts_it() -> None:
    intake = Intake(10)
    for second in range(25):
        intake.hear(advertisement(at=moment(second)))

    assert [heard.at for heard in intake.take(100)] == [moment(second) for second in range(15, 25)]
    assert intake.dropped == 15


@given(st.lists(st.integers(0, 12), max_size=20), st.integers(1, 8))
def test_an_intake_gives_what_it_took_in_order(takes: list[int], length: int) -> None:
    intake, heard, given_back = Intake(length), 0, []
    for most in takes:
        for _ in range(3):
            intake.hear(advertisement(at=Moment(heard, heard), identifier=bytes(8)))
            heard += 1
        given_back += [advertisement.at.utc_s for advertisement in intake.take(most)]
    given_back += [advertisement.at.utc_s for advertisement in intake.take(length)]

    assert given_back == sorted(given_back)
    assert len(given_back) + intake.dropped == heard
    assert len(intake) == 0


@given(st.lists(st.integers(0, 12), max_size=8), st.integers(1, 8))
def test_a_batch_counts_as_its_advertisements_one_by_one(batches: list[int], length: int) -> None:
    at_once, single, heard = Intake(length), Intake(length), 0
    for size in batches:
        batch = [advertisement(at=moment(heard + n), identifier=bytes(8)) for n in range(size)]
        heard += size
        at_once.hear_all(batch)
        for each in batch:
            single.hear(each)

    assert at_once.dropped == single.dropped
    assert at_once.take(length) == single.take(length)


async def test_a_batch_wakes_whoever_waits() -> None:
    intake = Intake(10)
    asyncio.get_running_loop().call_soon(intake.hear_all, [advertisement(), advertisement()])

    async with asyncio.timeout(1):
        await intake.arrived(60)

    assert len(intake) == 2


async def test_who_never_stops_talking_leaves_a_turn_to_others() -> None:
    intake, turns = Intake(10), 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    for _ in range(100):
        intake.hear(advertisement())
        await intake.arrived(60)
    task.cancel()

    assert turns >= 99


async def test_the_time_is_over_while_advertisements_come_as_well() -> None:
    """One timer for many turns: the engine's clock moves on, however often it is woken."""
    intake, woken = Intake(10), 0
    async with asyncio.timeout(5):
        for _ in range(3):
            await intake.arrived(0.01)
            woken += 1
            intake.hear(advertisement())
            intake.take(1)

    assert woken == 3


async def test_an_intake_wakes_whoever_waits() -> None:
    intake = Intake(10)
    asyncio.get_running_loop().call_soon(intake.hear, advertisement())

    async with asyncio.timeout(1):
        await intake.arrived(60)

    assert len(intake) == 1


async def test_an_empty_intake_lets_go_after_the_time() -> None:
    intake = Intake(10)
    intake.hear(advertisement())
    intake.take(1)

    async with asyncio.timeout(1):
        await intake.arrived(0.01)

    assert len(intake) == 0


def test_a_step_without_changes_is_false() -> None:
    assert not Step()
    assert Step(forgotten=(ANNA,))
