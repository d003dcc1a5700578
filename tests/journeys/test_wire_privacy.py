"""What can be learnt from the wire: by a broker, by two engines that compare notes, by a watcher
outside.
"""

import asyncio
import itertools
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from presence.config import parse_settings
from presence.config.rules import rules_of, site_of
from presence.core.consent.model import Audience, Purpose
from presence.core.event.cloudevent import (
    Assurance,
    Event,
    EventType,
    encode,
    entered_data,
    event_id,
    largest_bytes,
    subject_of_day,
    utc_day,
    visit_bucket,
)
from presence.core.recognition.advertisement import Advertisement
from presence.core.rules import Rules
from presence.errors import ConfigurationError
from presence.gateway.relay import Relay
from presence.ports import OnAdvertisement, OutgoingMessage
from tests.support.brokers import PUBLISH, FakeBroker, listener, mosquitto, needs_mosquitto
from tests.support.builders import (
    ANNA,
    BERIT,
    CARL,
    CARS,
    DAY_S,
    GARDEN,
    OFFERS,
    PICK_UP,
    SITE,
    START_S,
    STORE_KEY,
    a_list,
    an_engine,
    approach,
    consent,
    grant,
    moment,
    rules,
    send_all,
    standing,
    walk_in,
)
from tests.support.contract import check, problems
from tests.support.fakes import (
    FakeClock,
    FakeConsentSource,
    FakeNotifier,
    FakePublisher,
    MemoryStore,
    RecordingTelemetry,
)
from tests.support.joined import joined
from tests.support.mqtt_parts import new_publisher, running
from tests.support.settings_texts import MINIMAL
from tests.support.shops import Shop, entry
from tests.support.small import SmallPipeline

REFS = 10_000
AUDIENCES, DAYS = ("offers-main", "pick-up"), (START_S, START_S + DAY_S)
SAME_WHICHEVER_CUSTOMER = ("subject", "id")
"""The only fields of an event that depend on who it is."""


# ---------------------------------------------------------------- joined by nothing


@pytest.fixture(scope="module")
def captured() -> list[list[dict[str, Any]]]:
    """What a broker sees: for each of 10,000 customers the `entered` of two audiences on two days,
    as published.
    """
    chance = os.urandom(16 * len(AUDIENCES) * REFS)
    people = []
    for number in range(REFS):
        ref = number.to_bytes(8, "big")  # the worst refs: they differ in two bytes, and in order
        events = []
        for n, audience in enumerate(AUDIENCES):
            pairwise_key = chance[16 * (len(AUDIENCES) * number + n) :][:16]
            for at_s in DAYS:
                name = event_id(
                    STORE_KEY, EventType.ENTERED, audience, ref, visit_bucket(at_s, 900)
                )
                data = entered_data(
                    "offers",
                    (CARS,),
                    at_s + 1800,
                    list_seq=7,
                    notice="fi-2026-03",
                    assurance=Assurance.BROADCAST,
                )
                subject = subject_of_day(pairwise_key, utc_day(at_s))
                events.append(
                    json.loads(
                        encode(Event(EventType.ENTERED, name, subject, audience, at_s, data), SITE)
                    )
                )
        people.append(events)
    return people


@pytest.mark.requirement("R-22", "T-06", "T-17")
@pytest.mark.parametrize("field", SAME_WHICHEVER_CUSTOMER)
def test_no_value_stands_twice_in_ten_thousand_customers_two_audiences_and_two_days(
    captured: list[list[dict[str, Any]]], field: str
) -> None:
    values = [event[field] for events in captured for event in events]
    assert len(set(values)) == len(values) == 4 * REFS


Pairs = list[tuple[str, str]]


def beyond_chance(pairs: Pairs, alphabet: int, *, anywhere: bool) -> list[str]:
    """Where pairs of values agree in 1, 2 or 3 characters more or less often than chance has it, by
    six standard deviations: at their beginnings, or at the same place wherever that is.
    """
    found = []
    for length in (1, 2, 3):
        # The last character holds fewer bits than others, so it is left out.
        starts = range(len(pairs[0][0]) - length) if anywhere else range(1)
        agreed = sum(
            one[n : n + length] == other[n : n + length] for one, other in pairs for n in starts
        )
        expected = len(pairs) * len(starts) / alphabet**length
        if abs(agreed - expected) > 6 * expected**0.5 + 6:
            found.append(
                f"{agreed} of {len(pairs) * len(starts)} agree in {length}, expected {expected:.0f}"
            )
    return found


@pytest.mark.requirement("R-22", "T-06", "T-17")
@pytest.mark.parametrize(("field", "skip", "alphabet"), [("subject", 2, 64), ("id", 0, 32)])
@pytest.mark.parametrize("anywhere", [False, True])
def test_one_customers_values_agree_no_more_than_chance_has_it(
    captured: list[list[dict[str, Any]]], field: str, skip: int, alphabet: int, anywhere: bool
) -> None:
    """Six pairs of each customer: an audience on two days, two audiences on one day, and across."""
    pairs = [
        (one[field][skip:], other[field][skip:])
        for events in captured
        for one, other in itertools.combinations(events, 2)
    ]
    assert beyond_chance(pairs, alphabet, anywhere=anywhere) == []


@pytest.mark.requirement("R-22")
@pytest.mark.parametrize("anywhere", [False, True])
def test_the_same_measure_sees_one_customer_in_fifty_whose_subject_stays(
    captured: list[list[dict[str, Any]]], anywhere: bool
) -> None:
    """The counter-check: the pairs of two days, and among them those who agreed to profiling and
    keep a subject.
    """
    pairs = [(events[0]["subject"][2:], events[1]["subject"][2:]) for events in captured]
    assert beyond_chance(pairs, 64, anywhere=anywhere) == []
    stable = [(one, one) if n % 50 == 0 else (one, other) for n, (one, other) in enumerate(pairs)]
    assert beyond_chance(stable, 64, anywhere=anywhere) != []


@pytest.mark.requirement("R-22", "R-24", "T-06", "T-17")
def test_nothing_else_in_an_event_depends_on_who_it_is(
    captured: list[list[dict[str, Any]]],
) -> None:
    for n in range(len(AUDIENCES) * len(DAYS)):
        rest = {
            json.dumps(
                {
                    key: value
                    for key, value in events[n].items()
                    if key not in SAME_WHICHEVER_CUSTOMER
                }
            )
            for events in captured
        }
        assert len(rest) == 1


# ---------------------------------------------------------------- when

FULL_MINUTE_S = 53
"""So many seconds after START_S a new minute begins."""


@pytest.mark.requirement("R-21", "T-26")
def test_two_who_enter_in_one_minute_cannot_be_told_apart_by_any_time_in_their_events() -> None:
    """The whole message of an entry in any second of a minute is the same, byte for byte: id, time,
    valid_until.
    """
    messages = set()
    for second in range(60):
        engine = an_engine(consent())
        walk_in(
            engine, start=moment(FULL_MINUTE_S + second - 7)
        )  # the eighth advertisement decides
        [waiting] = engine.outbox.pending
        released = engine.dispatcher.release(waiting, moment(FULL_MINUTE_S + second + 1))
        assert isinstance(released, tuple)
        messages.add(encode(released[0], SITE))
    assert len(messages) == 1


@pytest.mark.requirement("R-21", "T-26")
def test_left_and_withdrawn_tell_no_second_either() -> None:
    engine = an_engine(
        consent(purposes=frozenset({Purpose.PRESENCE, Purpose.OFFERS, Purpose.VISIT_END}))
    )
    walk_in(engine)
    send_all(engine, moment(8))
    engine.advance(moment(417))
    [left] = send_all(engine, moment(417))
    engine.apply(a_list(), moment(431))
    times = [left["time"], *(event["time"] for event in send_all(engine, moment(431)))]
    assert all(time.endswith(":00Z") for time in times)


# ---------------------------------------------------------------- where


async def published(
    *refs: bytes, audiences: tuple[Audience, ...] = (OFFERS, PICK_UP), **changes: Any
) -> FakePublisher:
    """All that goes out of a shop in which these customers came in, left again, and one of them
    withdrew.
    """
    clock, publisher = FakeClock(), FakePublisher()
    pipeline = SmallPipeline(
        rules(audiences=audiences, **changes), MemoryStore(), emit=RecordingTelemetry().emit
    )
    everything = frozenset(Purpose) - {Purpose.PROFILING}
    granted = (grant(CARS), grant(GARDEN), grant(SHOES))
    consents = [
        consent(ref=ref, purposes=everything, grants=granted[:n])
        for n, ref in enumerate(refs, start=1)
    ]
    pipeline.apply(a_list(*consents), standing(parents={}), clock.now())
    relay = Relay(pipeline, publisher, clock, emit=RecordingTelemetry().emit)
    for ref in refs:
        for heard in approach(clock.now(), ref=ref):
            pipeline.receive(heard)
        clock.pass_s(8)
    assert await relay.empty()
    pipeline.apply(a_list(*consents[1:], seq=8), standing(parents={}), clock.now())
    pipeline.advance(clock.pass_s(400))
    assert await relay.empty()
    return publisher


@pytest.mark.requirement("R-03", "R-22", "T-06")
async def test_topics_are_the_same_whoever_comes_in() -> None:
    topics = [
        {message.topic for message in (await published(ref)).published}
        for ref in (ANNA, BERIT, CARL)
    ]
    assert (
        topics[0]
        == topics[1]
        == topics[2]
        == {f"presence/v1/acme/fi-0042/evt/{a.name}" for a in (OFFERS, PICK_UP)}
    )


# ---------------------------------------------------------------- how long: padding

SIZE = 512
SHOES = "ap2:1070"
ALL_CATEGORIES = Audience(OFFERS.name, Purpose.OFFERS, frozenset({CARS, GARDEN, SHOES}))


def kinds_of(messages: Sequence[OutgoingMessage]) -> set[str]:
    return {message.event_type.split(".")[1] for message in messages}


@pytest.mark.requirement("T-16")
async def test_without_padding_sizes_tell_kinds_and_numbers_of_categories() -> None:
    """The counter-check: what padding is for."""
    sent = (await published(ANNA, BERIT, CARL, audiences=(ALL_CATEGORIES,))).published
    assert kinds_of(sent) == {"entered", "left", "withdrawn"}
    assert (
        len({len(message.payload) for message in sent}) == 5
    )  # one, two and three categories, and the other kinds


@pytest.mark.requirement("T-16", "R-21", "R-57")
async def test_padded_events_are_all_of_one_size_and_as_valid_as_before() -> None:
    plain = (await published(ANNA, BERIT, CARL, audiences=(ALL_CATEGORIES,))).published
    sent = (
        await published(ANNA, BERIT, CARL, audiences=(ALL_CATEGORIES,), pad_to_bytes=SIZE)
    ).published
    assert {len(message.payload) for message in sent} == {SIZE}
    assert [json.loads(message.payload) for message in sent] == [
        json.loads(message.payload) for message in plain
    ]
    for message in sent:
        check(message.topic, message.payload)
        assert not message.copies


@pytest.mark.requirement("T-16")
async def test_padded_events_make_packets_of_one_size_on_the_wire() -> None:
    """With their properties and all: what TLS shows to somebody outside."""
    sent = (
        await published(ANNA, BERIT, CARL, audiences=(ALL_CATEGORIES,), pad_to_bytes=SIZE)
    ).published
    async with FakeBroker().running() as broker, running(new_publisher(broker.port)) as publisher:
        for message in sent:
            await publisher.publish(message)
    packets = [
        body for kind, body in broker.packets if kind == PUBLISH and b'"specversion"' in body
    ]
    assert len(packets) == len(sent) >= 6
    assert len({len(packet) for packet in packets}) == 1


def padded(size: int, campaigns: str = "[ap2:1551, ap2:1285]") -> Rules:
    text = MINIMAL.replace("[ap2:1551]", campaigns) + f"events: {{pad_to_bytes: {size}}}\n"
    return rules_of(parse_settings(text, name="presence.yaml"), STORE_KEY)


@pytest.mark.requirement("T-16")
def test_a_size_that_some_event_would_exceed_is_refused_with_the_size_that_will_do() -> None:
    with pytest.raises(ConfigurationError) as refusal:
        padded(300)
    [problem] = refusal.value.problems
    assert "events.pad_to_bytes is smaller than the longest event: use at least" in problem.replace(
        ": is", " is"
    )
    least = int(problem.rpartition("at least ")[2].split(",")[0])
    assert padded(least).pad_to_bytes == least
    with pytest.raises(ConfigurationError):
        padded(least - 1)
    assert padded(0).pad_to_bytes == 0


@pytest.mark.requirement("T-16")
@pytest.mark.parametrize("kind", [EventType.LEFT, EventType.WITHDRAWN])
def test_the_longest_event_is_an_entered_whatever_else_there_is(kind: EventType) -> None:
    """Also where the audience has no category at all."""
    data = {"entered_id": "x" * 26, "reason": "unspecified"}
    other = encode(Event(kind, "x" * 26, "p_" + "x" * 22, "service", START_S, data), SITE)
    assert len(other) <= largest_bytes(SITE, "service", "service", (), "n")


async def test_events_of_a_padded_shop_arrive_as_they_were_sent() -> None:
    assert padded(SIZE).pad_to_bytes == SIZE
    assert site_of(parse_settings(MINIMAL, name="presence.yaml")) == SITE
    [message] = (await published(ANNA, audiences=(OFFERS,), pad_to_bytes=SIZE)).published[:1]
    assert message.payload.rstrip(b" ").endswith(b"}")
    assert message.payload.endswith(b"}" + b" " * (SIZE - len(message.payload.rstrip(b" "))))


# ---------------------------------------------------------------- the state, and when it comes

INTERVAL_S = 0.1


class TimedPublisher(FakePublisher):
    """Notes when the state was told."""

    def __init__(self) -> None:
        super().__init__()
        self.told_at_s: list[float] = []

    async def publish_state(self) -> None:
        self.told_at_s.append(asyncio.get_running_loop().time())


class Evening:
    """A radio that hears these advertisements, one every few milliseconds, and is at its end after
    a second.
    """

    def __init__(self, heard: Iterator[Advertisement]) -> None:
        self._heard = heard

    async def run(self, on_advertisement: OnAdvertisement) -> None:
        loop = asyncio.get_running_loop()
        end_s = loop.time() + 1
        for advertisement in self._heard:
            on_advertisement(advertisement)
            await asyncio.sleep(0.007)
        await asyncio.sleep(end_s - loop.time())


async def evening(*refs: bytes) -> tuple[TimedPublisher, list[float], list[dict[str, object]]]:
    """The publisher, the times at which the state was due, and the state before and after."""
    publisher, consents = (
        TimedPublisher(),
        FakeConsentSource(a_list(*(consent(ref=ref) for ref in (ANNA, BERIT, CARL)))),
    )
    gateway = joined(
        rules=rules(),
        sources=[
            Evening(
                heard for n, ref in enumerate(refs) for heard in approach(moment(9 * n), ref=ref)
            )
        ],
        consents=consents,
        visits=MemoryStore(),
        publisher=publisher,
        clock=FakeClock(),
        notifier=FakeNotifier(),
        emit=RecordingTelemetry().emit,
        poll_s=0.33,
        state_interval_s=INTERVAL_S,
    )
    began_s = asyncio.get_running_loop().time()
    await asyncio.wait_for(gateway.run(), 10)
    due_s = [began_s + n * INTERVAL_S for n in range(1, len(publisher.told_at_s) + 1)]
    return publisher, due_s, [gateway.list_sync.state(gateway.clock.now())]


@pytest.mark.requirement("R-23", "T-16")
async def test_the_state_comes_at_fixed_intervals_and_not_because_somebody_came_in() -> None:
    quiet, quiet_due_s, quiet_state = await evening()
    busy, busy_due_s, busy_state = await evening(ANNA, BERIT, CARL)

    assert (len(quiet.published), len(busy.published)) == (0, 3)
    for told, due_s in ((quiet, quiet_due_s), (busy, busy_due_s)):
        assert len(told.told_at_s) >= 8
        assert all(
            at_s >= due - 0.001 for at_s, due in zip(told.told_at_s, due_s, strict=True)
        )  # never one too many
    assert quiet_state == busy_state
    assert problems({"state": "online", **busy_state[0]}, "state-1.0") == []


@needs_mosquitto
@pytest.mark.slow
@pytest.mark.requirement("R-23", "T-16")
async def test_the_daemon_tells_its_state_anew_at_the_interval_of_the_configuration(
    tmp_path: Path,
) -> None:
    async with (
        mosquitto(tmp_path) as broker,
        listener(broker.port, "presence/v1/+/+/gw/+/state") as states,
    ):
        shop = Shop(tmp_path / "shop", broker.port).open([entry()])
        text = shop.config.read_text().replace("mqtt: {", "mqtt: {state_interval_s: 5, ")
        shop.config.write_text(text)
        process = await shop.start("run", "--config", shop.config)
        told = [await asyncio.wait_for(states.get(), 10) for _ in range(2)]
        process.terminate()
        await process.communicate()
    first, second = (json.loads(message.payload) for message in told)
    assert first["state"] == second["state"] == "online"
