"""The people counter beside a gateway of stand-ins: it is heard, it checks, it decides nothing."""

import json

import pytest

from presence.core.operations.status import as_json, as_lines, next_steps
from presence.core.place import Place
from presence.core.timestamps import Moment
from presence.core.visit.crossings import ALIVE_S, CounterRefusal
from presence.core.visit.entry_figures import UNKNOWN_BELOW, FiguresRule
from presence.core.visit.visits import Entered
from presence.gateway.door_counter import NEXT_STEP, DoorCounter
from presence.telemetry import CounterRefused
from tests.support.builders import DAY_S, HOUR_S, DoorRule, advertisement, rules
from tests.support.fakes import RecordingTelemetry
from tests.support.watched import Watched

PAIR = {"in": Place.DOOR, "out": Place.OUTSIDE}
COUNTED = rules(entry=DoorRule(score=45), figures=FiguresRule(counter_window_s=5), places=PAIR)
COMES_IN = ((-75, -70), (-65, -60), (-58, -52), *[(-56, -75)] * 12)
"""What the two hear of somebody in each second, in dBm."""
TOPIC = "presence/v1/acme/fi-0042/counter/main"


def crossed(at: Moment, inward: int = 0, outward: int = 0) -> bytes:
    return json.dumps({"t": int(at.utc_s), "in": inward, "out": outward}).encode()


def counted() -> tuple[Watched, DoorCounter, RecordingTelemetry]:
    watched, telemetry = Watched(rules=COUNTED), RecordingTelemetry()
    figures = watched.gateway.pipeline.engine.figures
    return watched, DoorCounter(TOPIC, figures, watched.clock, emit=telemetry.emit), telemetry


async def test_it_listens_on_its_topic_and_takes_what_comes() -> None:
    watched, counter, _ = counted()
    await counter.listen(watched.publisher)
    watched.pass_s(1)

    watched.publisher.subscribed[TOPIC][0](TOPIC, crossed(watched.clock.now(), 2, 1), False)

    today = watched.gateway.pipeline.engine.figures.today
    assert today is not None
    assert (today.inward, today.outward) == (2, 1)


async def test_whatever_the_counter_says_the_same_entries_are_made() -> None:
    """Nobody crossed, everybody crossed, nonsense: the same messages go out at the same time."""
    published = []
    for sayings in ((), ((0, 0),), ((9, 9),), (None,)):
        watched, counter, _ = counted()
        await watched.hears(())
        for levels in COMES_IN:
            now = watched.clock.now()
            for saying in sayings:
                counter.hear(TOPIC, b"{}" if saying is None else crossed(now, *saying), False)
            for antenna, rssi_dbm in zip(PAIR, levels, strict=True):
                heard = advertisement(at=now, rssi_dbm=rssi_dbm)._replace(antenna=antenna)
                watched.gateway.pipeline.receive(heard)
            watched.pass_s(1)
        pending = watched.gateway.pipeline.outbox.pending
        published.append([(each.id, each.type, each.occurred_at) for each in pending])

    assert published[0]
    assert published == [published[0]] * 4


@pytest.mark.requirement("R-23")
async def test_entries_that_nobody_crossed_for_are_told_when_the_day_is_over() -> None:
    watched, counter, _ = counted()
    figures = watched.gateway.pipeline.engine.figures
    for n in range(2 * UNKNOWN_BELOW):
        watched.pass_s(30)
        now = watched.clock.now()
        counter.hear(TOPIC, crossed(now, inward=int(n % 4 != 0)), False)
        peak_s = now.utc_s - int(now.utc_s)
        entry = Entered(n.to_bytes(8, "big"), now, since_peak_s=peak_s)
        figures.enter(entry, is_test=False)
    watched.pass_s(30)
    counter.hear(TOPIC, crossed(watched.clock.now()), False)
    watched.pass_s(1)
    assert as_json(watched.monitor.look())["entry"]["counter"]["judged"] is None

    watched.pass_s(DAY_S / 2)

    status = as_json(watched.monitor.look())
    told = status["entry"]["counter"]
    assert (told["judged"], told["contradicted"], told["in"]) == (60, 15, 45)
    assert "entries judged 60, contradicted 15" in "\n".join(as_lines(status))


@pytest.mark.requirement("R-23")
def test_what_is_refused_is_told_by_the_hour_with_the_next_step() -> None:
    watched, counter, telemetry = counted()
    counter.advance(watched.clock.now())
    for _ in range(7):
        counter.hear(TOPIC, b"{}", False)
    counter.hear(TOPIC, crossed(watched.clock.now()), True)
    counter.advance(watched.clock.pass_s(60))
    assert telemetry.events == []

    counter.advance(watched.clock.pass_s(HOUR_S))

    (told,) = telemetry.of(CounterRefused)
    assert (told.reason, told.count) == (CounterRefusal.MALFORMED, 5)
    assert told.next_step == NEXT_STEP[CounterRefusal.MALFORMED]
    assert counter.refused == {CounterRefusal.MALFORMED: 7, CounterRefusal.RETAINED: 1}


def test_every_refusal_has_its_next_step() -> None:
    assert NEXT_STEP.keys() == set(CounterRefusal)


async def test_a_silent_counter_is_something_to_be_done_and_one_that_speaks_is_not() -> None:
    watched, counter, _ = counted()
    await watched.hears(())
    assert not any("counter" in step for step in next_steps(watched.monitor.look()))
    watched.pass_s(1000)
    assert any("counter" in step for step in next_steps(watched.monitor.look()))

    for _ in range(int(ALIVE_S / 60) + 1):
        watched.pass_s(60)
        counter.hear(TOPIC, crossed(watched.clock.now()), False)

    snapshot = watched.monitor.look()
    assert not any("counter" in step for step in next_steps(snapshot))
    assert "counter tells each minute" in "\n".join(as_lines(as_json(snapshot)))


async def test_without_a_counter_nothing_is_said_of_one() -> None:
    watched = Watched()
    await watched.hears(())
    watched.pass_s(1000)
    status = as_json(watched.monitor.look())

    assert status["entry"]["counter"] is None
    assert "counter" not in "\n".join(as_lines(status))
