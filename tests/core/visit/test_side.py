"""The side of the door: what two antennas say of in and out, whatever the phone."""

from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.core.place import Place
from presence.core.visit.side import (
    ARRIVED_S,
    FLOOR_DBM,
    SILENT_S,
    Pairing,
    door_peak_dbm,
    lead_of,
    leads,
    measure_side,
    pairing,
)
from presence.core.visit.walks import Trial, Walked, WalkReading
from tests.support.examples import examples

PAIR = Pairing(Place.DOOR, Place.OUTSIDE)
INSIDE, DOOR, OUTSIDE = Place


def heard(
    door_dbm: int | None, outside_dbm: int | None, *, from_s: float = 0.0, seconds: float = 20
) -> tuple[WalkReading, ...]:
    """Four packets a second, as two antennas hear them."""
    return tuple(
        WalkReading(from_s + n / 4, dbm, place, place.value)
        for n in range(int(seconds * 4))
        for place, dbm in ((DOOR, door_dbm), (OUTSIDE, outside_dbm))
        if dbm is not None
    )


def walk(kind: Walked, door_dbm: int | None, outside_dbm: int | None, *, phone: int = 1) -> Trial:
    return Trial(kind, 0.0, heard(door_dbm, outside_dbm), phone)


def door(in_db: int, lookin_db: int, *, rounds: int = 3, loud_dbm: int = -60) -> list[Trial]:
    """Walks at which the inner antenna leads by so much."""
    return [
        walk(kind, loud_dbm + lead, loud_dbm)
        for _ in range(rounds)
        for kind, lead in ((Walked.IN, in_db), (Walked.LOOKIN, lookin_db))
    ]


@pytest.mark.parametrize(
    ("hung", "pair"),
    [
        ({INSIDE}, None),
        ({DOOR}, None),
        ({OUTSIDE}, None),
        ({INSIDE, DOOR}, (INSIDE, DOOR)),
        ({DOOR, OUTSIDE}, (DOOR, OUTSIDE)),
        ({INSIDE, OUTSIDE}, (INSIDE, OUTSIDE)),
        ({INSIDE, DOOR, OUTSIDE}, (DOOR, OUTSIDE)),
    ],
)
def test_the_pair_at_the_door_tells_the_side_and_where_there_is_none_what_comes_nearest(
    hung: set[Place], pair: tuple[Place, Place] | None
) -> None:
    assert pairing(hung) == pair


@given(st.integers(-90, -40), st.integers(-15, 15), st.integers(-15, 15))
@examples(30)
def test_a_louder_phone_changes_the_side_by_nothing_and_the_nearness_by_as_much(
    loud_dbm: int, in_db: int, lookin_db: int
) -> None:
    here = measure_side(door(in_db, lookin_db, loud_dbm=loud_dbm), PAIR)
    there = measure_side(door(in_db, lookin_db, loud_dbm=loud_dbm + 7), PAIR)
    assert here is not None
    assert there is not None
    assert here.side_db == there.side_db == in_db - lookin_db
    assert here.offset_db == (in_db + lookin_db) / 2
    assert there.near_dbm == here.near_dbm + 7


def test_each_walk_counts_alike_and_no_odd_one_decides() -> None:
    trials = [*door(8, -4), walk(Walked.IN, -90, -60)]
    side = measure_side(trials, PAIR)
    assert side is not None
    assert side.side_db == 12
    assert side.lead_db == {Walked.LOOKIN: -4, Walked.IN: 8}


def test_the_two_phones_are_told_apart_and_pooled() -> None:
    trials = [
        walk(kind, -60 + lead, -60, phone=phone)
        for phone, in_db in ((1, 6), (2, 12))
        for kind, lead in ((Walked.IN, in_db), (Walked.LOOKIN, 0))
    ]
    side = measure_side(trials, PAIR)
    assert side is not None
    assert side.by_phone_db == {1: 6, 2: 12}
    assert side.side_db == 9


def test_an_antenna_that_hears_nothing_counts_as_at_the_floor_of_its_hearing() -> None:
    found = list(leads(heard(-60, None), PAIR))
    assert {lead.lead_db for lead in found} == {-60 - FLOOR_DBM}
    assert min(lead.at_s for lead in found) > SILENT_S, "until then it may yet hear it"
    fell_silent = heard(-60, -50, seconds=4) + heard(-60, None, from_s=4, seconds=10)
    assert [lead.lead_db for lead in leads(fell_silent, PAIR)][-1] == -60 - FLOOR_DBM


def test_of_several_antennas_in_one_place_the_loudest_counts() -> None:
    second = [WalkReading(n / 4, -70, OUTSIDE, "second") for n in range(80)]
    readings = sorted([*heard(-60, -64), *second])
    assert median(lead.lead_db for lead in leads(readings, PAIR)) == 4


def test_the_way_to_the_door_is_no_part_of_being_in() -> None:
    readings = heard(-70, -60, seconds=ARRIVED_S - 2) + heard(-50, -60, from_s=ARRIVED_S - 2)
    in_db = lead_of(Trial(Walked.IN, 0.0, readings), PAIR)
    assert in_db is not None
    assert in_db > 9
    assert lead_of(Trial(Walked.IN, 0.0, heard(-70, -60, seconds=3)), PAIR) is None


def test_the_way_to_the_door_is_no_part_of_looking_in_either() -> None:
    readings = heard(-70, -50, seconds=8) + heard(-60, -60, from_s=8, seconds=9)
    assert lead_of(Trial(Walked.LOOKIN, 0.0, readings), PAIR) == pytest.approx(0, abs=1)
    assert lead_of(Trial(Walked.LOOKIN, 0.0, heard(-60, -62, seconds=3)), PAIR) == 2


def test_near_is_the_typical_peak_at_the_door_of_who_comes_in() -> None:
    trials = [trial for n in range(21) for trial in door(0, 0, rounds=1, loud_dbm=-80 + n)]
    side = measure_side(trials, PAIR)
    assert side is not None
    assert side.near_dbm == -70
    assert door_peak_dbm(heard(None, None)) is None
    assert door_peak_dbm([WalkReading(0.0, -40)]) is None, "inside is not at the door"


def test_the_peak_at_the_door_is_a_moment_and_not_a_single_packet() -> None:
    at_door = [WalkReading(n / 4, -80, OUTSIDE, "outer") for n in range(40)]
    flash = [
        reading._replace(rssi_dbm=-55 if n == 20 else -80) for n, reading in enumerate(at_door)
    ]
    stayed = [
        reading._replace(rssi_dbm=-55 if 16 <= n < 28 else -80) for n, reading in enumerate(at_door)
    ]
    flashed_dbm, stayed_dbm = door_peak_dbm(flash), door_peak_dbm(stayed)
    assert flashed_dbm is not None
    assert stayed_dbm is not None
    assert -80 < flashed_dbm < -73, "one packet moves it by a part of 12 dB"
    assert -57 < stayed_dbm <= -55, "who passes within three seconds is that near"


def test_an_antenna_at_the_door_that_heard_no_walk_in_measures_no_side() -> None:
    readings = tuple(reading._replace(place=INSIDE) for reading in heard(-60, None))
    walks = [Trial(kind, 0.0, readings) for kind in (Walked.IN, Walked.LOOKIN)]
    assert measure_side(walks, Pairing(INSIDE, OUTSIDE)) is None


def test_more_walks_make_the_side_surer_and_walks_that_differ_less_sure() -> None:
    few, many = (measure_side(door(8, 0, rounds=n), PAIR) for n in (1, 6))
    odd = measure_side([*door(8, 0, rounds=3), *door(20, 0, rounds=3)], PAIR)
    assert few is not None
    assert many is not None
    assert odd is not None
    assert many.uncertain_db < 3 < few.uncertain_db
    assert odd.uncertain_db > many.uncertain_db


@pytest.mark.parametrize("kind", [Walked.IN, Walked.LOOKIN])
def test_without_one_of_the_two_kinds_there_is_no_side(kind: Walked) -> None:
    trials = [trial for trial in door(8, 0) if trial.kind is not kind]
    assert measure_side([*trials, Trial(kind, 0.0, ())], PAIR) is None
