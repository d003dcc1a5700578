"""Several bells of a gateway: each reading is one of the antenna that rang, where that hangs."""

from dataclasses import replace
from math import inf
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.core.engine import Engine
from presence.core.place import Place
from presence.core.recognition.challenge import MAX_READINGS, DoorbellReading
from presence.core.rules import Bell
from presence.core.visit.visits import Entered, Sighting, Visits
from tests.support.answers import answered
from tests.support.builders import (
    ANNA,
    DoorRule,
    advertisement,
    an_engine,
    consent,
    moment,
    send_all,
)

BACK, INNER, OUTER, ELSEWHERE = 0, 1, 2, 9
ANTENNAS: Final = {BACK: "back", INNER: "inner", OUTER: "outer"}
PLACES: Final = {"back": Place.INSIDE, "inner": Place.DOOR, "outer": Place.OUTSIDE}
BELLS: Final = {
    number: Bell(antenna, place=PLACES[antenna]) for number, antenna in ANTENNAS.items()
}
QUICK: Final = DoorRule(score=10, evidence_db_s=10, min_sightings=3, min_duration_s=1)
"""Entered soon, so that a short story can make an entry."""


def a_gateway(**changes: Any) -> Engine:
    return an_engine(consent(), **{"places": PLACES, "bells": BELLS, **changes})


def series(*levels: tuple[int, int], seconds: int = 9) -> tuple[DoorbellReading, ...]:
    """Each of these bells once a second, at its level."""
    return tuple(
        DoorbellReading(float(seconds - 1 - second), rssi_dbm, bell)
        for second in range(seconds)
        for bell, rssi_dbm in levels
    )


def enters(engine: Engine, readings: tuple[DoorbellReading, ...]) -> bool:
    return bool(engine.answered(answered(series=readings, naming_bells=True)).queued)


def test_a_phone_that_hears_the_bell_inside_best_has_entered_by_its_answer() -> None:
    engine = a_gateway()
    assert enters(engine, series((BACK, -62), (INNER, -55), (OUTER, -70)))
    (event,) = send_all(engine, moment(1))
    assert event["data"]["assurance"] == "challenge"


def test_a_series_from_outside_the_door_makes_no_entry() -> None:
    """What a bell inside gives alone would be enough: the bells at the door say where it is."""
    assert enters(a_gateway(bells={BACK: BELLS[BACK]}), series((BACK, -66)))
    assert not enters(a_gateway(), series((BACK, -66), (INNER, -55), (OUTER, -45)))
    assert not enters(a_gateway(), series((BACK, -66), (OUTER, -45)))
    assert not enters(a_gateway(), series((BACK, -66))), "bells that ring, and were not measured"


@pytest.mark.parametrize("bell", [INNER, OUTER])
def test_a_bell_at_the_door_gives_readings_of_the_door_whichever_version_says_so(bell: int) -> None:
    strong, bells = series((bell, -45)), {bell: BELLS[bell], BACK: BELLS[BACK]}
    for engine in (a_gateway(), a_gateway(bells=bells)):
        assert not enters(engine, strong)
    assert not a_gateway(bells=bells).answered(answered(series=strong, bell=bell)).queued
    inside = a_gateway(bells={BACK: BELLS[BACK]})
    assert inside.answered(answered(series=series((BACK, -45)), bell=BACK)).queued


def test_each_bell_has_an_offset_of_its_own() -> None:
    weak = series((BACK, -82), (INNER, -75), (OUTER, -90))
    levelled = {number: replace(bell, offset_db=20) for number, bell in BELLS.items()}
    assert enters(a_gateway(bells=levelled), weak)
    for number, offset_db in ((INNER, 0), (OUTER, 40)):
        other = {**levelled, number: replace(BELLS[number], offset_db=offset_db)}
        assert not enters(a_gateway(bells=other), weak)


def test_what_a_phone_heard_of_another_gateways_bell_changes_nothing() -> None:
    """Nobody knows here where that one hangs; the answer itself is a customer's."""
    engine = a_gateway()
    assert not enters(engine, series((ELSEWHERE, -40)))
    assert engine.counts.answered == 1
    assert ANNA not in engine.visits
    inside = ((BACK, -62), (INNER, -55), (OUTER, -70))
    assert enters(a_gateway(), series((ELSEWHERE, -40), *inside, seconds=8))


HEARD: Final = st.lists(
    st.tuples(
        st.integers(0, 255).map(lambda tenths: tenths / 10),
        st.sampled_from([-95, -80, -70, -62, -50]),
        st.sampled_from([BACK, BACK, INNER, OUTER]),
    ),
    min_size=1,
    max_size=MAX_READINGS,
).map(lambda heard: tuple(DoorbellReading(*each) for each in sorted(heard, key=lambda r: -r[0])))


@given(HEARD)
def test_what_a_phone_reports_is_worth_what_the_antennas_would_have_heard(
    readings: tuple[DoorbellReading, ...],
) -> None:
    engine, visits = a_gateway(entry=QUICK), Visits(QUICK, places=PLACES, bells=PLACES)
    step = engine.answered(answered(series=readings, naming_bells=True))

    heard = [
        Sighting(moment().later(-each.age_s), ANNA, each.rssi_dbm, ANTENNAS[each.bell], True)
        for each in readings
    ]
    entered = [e for sighting in heard for e in visits.observe(sighting) if isinstance(e, Entered)]
    assert [saved.entered_at.monotonic_s for saved in step.saved] == pytest.approx(
        [each.at.monotonic_s for each in entered]
    )


Packets = list[tuple[float, int, int]]
PACKETS: Final = st.lists(
    st.tuples(
        st.sampled_from([0.2, 0.5, 1.0]),
        st.sampled_from([-95, -80, -70, -62, -50]),
        st.sampled_from([BACK, BACK, INNER, OUTER]),
    ),
    min_size=1,
    max_size=15,
)


def entry_s(engine: Engine, packets: Packets, at_s: float) -> tuple[float, float]:
    """When she has entered by these packets, infinity where she has not; and the end of them."""
    entered = inf
    for pause_s, rssi_dbm, bell in packets:
        at_s += pause_s
        heard = advertisement(at=moment(at_s), rssi_dbm=rssi_dbm)
        if engine.receive(heard._replace(antenna=ANTENNAS[bell])).queued:
            entered = min(entered, at_s)
    return entered, at_s


def heard_by_all(packets: Packets) -> Packets:
    """And then, at once, a weak packet at every antenna: whatever is older is late everywhere."""
    return [*packets, *((0.2, -95, bell) for bell in ANTENNAS)]


def follow(visits: Visits, packets: Packets, at_s: float) -> tuple[list[Entered], float]:
    """Which entries these packets make, and when the last of them came."""
    entries: list[Entered] = []
    for pause_s, rssi_dbm, bell in packets:
        at_s += pause_s
        heard = Sighting(moment(at_s), ANNA, rssi_dbm, ANTENNAS[bell])
        entries += [each for each in visits.observe(heard) if isinstance(each, Entered)]
    return entries, at_s


@given(PACKETS, PACKETS, HEARD)
def test_an_answer_that_comes_later_than_what_every_antenna_heard_changes_nothing(
    before: Packets, after: Packets, readings: tuple[DoorbellReading, ...]
) -> None:
    """Up to 25.5 s, as old as a reading can be: bells in one place bring no entry by it, and hinder
    none. (Where they tell the sides apart, an answer is judged by itself.)
    """
    found: list[list[float]] = []
    for answers in (False, True):
        visits = Visits(QUICK, places={"back": Place.INSIDE}, bells={"back": Place.INSIDE})
        entries, at_s = follow(visits, heard_by_all(before), 0.0)
        for age_s, rssi_dbm, bell in readings if answers else ():
            late = moment(at_s - age_s - 0.7)
            assert not visits.observe(Sighting(late, ANNA, rssi_dbm, ANTENNAS[bell], True))
        found.append([each.at.monotonic_s for each in entries + follow(visits, after, at_s)[0]])
    assert found[0] == found[1]


@pytest.mark.requirement("T-01")
@pytest.mark.parametrize("places", [PLACES, {"back": Place.INSIDE}], ids=["three", "one"])
@given(packets=PACKETS)
def test_the_silence_of_a_bell_that_hears_no_broadcast_is_evidence_of_nothing(
    places: dict[str, Place], packets: Packets
) -> None:
    """It hangs somewhere and only rings: whatever antennas hear, it is as if it were not there."""
    found: list[tuple[float, float]] = []
    for rings in (False, True):
        bells = {BACK: Bell("bell in"), OUTER: Bell("bell out", place=Place.OUTSIDE)}
        engine = a_gateway(entry=QUICK, places=places, bells=bells if rings else {})
        found.append(entry_s(engine, packets, 0.0))
    assert found[0] == found[1]


def test_seconds_that_are_answered_at_every_bell_count_once() -> None:
    """A phone rings at one bell after the other with what it heard before: 60 dB·s of the 70."""
    inside = {number: Bell(antenna) for number, antenna in ANTENNAS.items()}
    engine = a_gateway(bells=inside)
    heard = series((BACK, -62), seconds=7)
    for bell in ANTENNAS:
        later_s = 0.4 * bell
        aged = tuple(each._replace(age_s=each.age_s + later_s) for each in heard)
        ring = answered(at=moment(later_s), series=aged, bell=bell, naming_bells=True)
        assert not engine.answered(ring).queued
    (last,) = series((BACK, -62), seconds=1)
    assert engine.answered(answered(at=moment(1), series=(last,), naming_bells=True)).queued


def test_so_do_they_where_the_bells_tell_the_sides_apart() -> None:
    """What was heard before is late, or of one moment: neither a sum nor a level grows by it."""
    engine, again = a_gateway(entry=NEVER), a_gateway(entry=NEVER)
    heard = series((BACK, -66), (INNER, -57), (OUTER, -65), seconds=7)
    for one, rings in ((engine, 1), (again, 20)):
        for _ in range(rings):
            one.answered(answered(series=heard, naming_bells=True))
    last = series((BACK, -66), (INNER, -57), (OUTER, -65), seconds=1)
    for one in (engine, again):
        one.answered(answered(at=moment(1), series=last, naming_bells=True))

    once, often = (one.visits._tracks[ANNA].bells for one in (engine, again))
    assert once is not None
    assert often is not None
    assert often.points == once.points > 0


NEVER: Final = DoorRule(score=99)
