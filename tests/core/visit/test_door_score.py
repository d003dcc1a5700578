"""The score at the door: silence, packets over several antennas, and what no reading can do."""

from collections.abc import Iterable, Sequence
from math import inf, isfinite
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.core.place import Place
from presence.core.visit.antennas import Antennas, hung
from presence.core.visit.door_score import FLOOR_DBM, LATE_S, PACKET_S, DoorScore
from tests.support.builders import DoorRule
from tests.support.examples import examples

PAIR: Final = {"inner": Place.DOOR, "outer": Place.OUTSIDE}
THREE: Final = {**PAIR, "back": Place.INSIDE}
SET_UPS: Final = {
    "pair": PAIR,
    "pair and inside": THREE,
    "outside and inside": {"inner": Place.INSIDE, "outer": Place.OUTSIDE},
    "door and inside": {"inner": Place.INSIDE, "outer": Place.DOOR},
}
Packet = tuple[float, Sequence[int | None]]
"""Seconds since the packet before, and how strongly each antenna heard it, if it did."""


def packets(*, silent: bool) -> st.SearchStrategy[list[Packet]]:
    level = st.integers(-100, -30)
    heard = st.lists(st.none() | level if silent else level, min_size=3, max_size=3)
    return st.lists(st.tuples(st.sampled_from([0.1, 0.3, 1.0, 5.0]), heard), max_size=40)


class Door:
    """One subject at one door."""

    def __init__(self, places: dict[str, Place]) -> None:
        self.antennas: Antennas = hung(places, (), DoorRule())
        self.score = DoorScore()
        self.now_s = 0.0

    def hear(
        self, antenna: str, rssi_dbm: float, at_s: float, loudness_db: float = 0, *,
        answered: bool = False,
    ) -> bool:  # fmt: skip
        assert self.antennas.sided is not None
        ear = self.antennas.ears[antenna]
        return self.score.hear(
            self.antennas.sided, ear, rssi_dbm, at_s, loudness_db=loudness_db, answered=answered
        )

    def hear_packets(
        self, heard: Iterable[Packet], louder_db: float = 0, loudness_db: float = 0
    ) -> list[float]:
        """The points after each."""
        points = []
        for pause_s, levels in heard:
            self.now_s += pause_s
            for antenna, rssi_dbm in zip(self.antennas.ears, levels, strict=False):
                if rssi_dbm is not None:
                    rssi = rssi_dbm + louder_db - loudness_db
                    self.hear(antenna, rssi, self.now_s, loudness_db)
            points.append(self.score.points)
        return points


def every_second(*levels: int | None, times: int = 6) -> list[Packet]:
    return [(1.0, levels)] * times


# ---------------------------------------------------------------- silence


def test_an_antenna_that_did_not_hear_a_packet_counts_as_at_the_floor() -> None:
    silent, weak = Door(PAIR), Door(PAIR)
    for door in (silent, weak):
        door.hear_packets(every_second(-50, -50))
    silent.hear_packets(every_second(-50, None, times=3))
    weak.hear_packets(every_second(-50, int(FLOOR_DBM), times=2))

    assert silent.score.points == weak.score.points, "the last packet is not over yet"
    assert silent.score.points > Door(PAIR).hear_packets(every_second(-50, -50))[-1]


def test_silence_at_the_inner_antenna_speaks_against_an_entry() -> None:
    door = Door(PAIR)
    before = door.hear_packets(every_second(-55, -60))[-1]

    assert door.hear_packets(every_second(None, -60, times=3))[-1] < before


def test_the_silence_of_a_bell_that_was_not_measured_says_nothing() -> None:
    broadcast, answer = Door(PAIR), Door(PAIR)
    for door, answered in ((broadcast, False), (answer, True)):
        door.hear_packets(every_second(-55, -60))
        for second in (7, 8, 9):
            door.hear("inner", -55, second, answered=answered)

    steady = Door(PAIR).hear_packets(every_second(-55, -60, times=8))
    assert answer.score.points == pytest.approx(steady[-1])
    assert broadcast.score.points > answer.score.points


def test_what_makes_a_phone_loud_is_taken_off_its_silence_too() -> None:
    plain, loud = Door(PAIR), Door(PAIR)
    for door, loudness_db in ((plain, 0), (loud, 10)):
        door.hear_packets(every_second(-50, -50), loudness_db=loudness_db)
        door.hear_packets(every_second(None, -50, times=3), loudness_db=loudness_db)

    assert loud.score.inner_dbm == pytest.approx(plain.score.inner_dbm - 10)
    assert loud.score.points <= plain.score.points


@pytest.mark.requirement("R-19", "T-25")
@pytest.mark.parametrize("places", SET_UPS.values(), ids=SET_UPS)
@pytest.mark.parametrize("antenna", ["inner", "outer"])
def test_a_side_that_never_heard_the_subject_gives_no_entry_however_silent_it_is(
    antenna: str, places: dict[str, Place]
) -> None:
    door = Door(places)
    for second in range(60):
        door.hear(antenna, -30, second)
        if "back" in places:
            door.hear("back", -30, second)

    assert door.score.packets > 50
    assert door.score.points == -inf


def test_the_antenna_deep_inside_may_be_silent() -> None:
    assert Door(THREE).hear_packets(every_second(-55, -60, None))[-1] > -inf


# ---------------------------------------------------------------- packets


@pytest.mark.parametrize("later_s", [0.0, 0.004, 0.9 * PACKET_S])
@pytest.mark.parametrize("order", [("inner", "outer", "back"), ("back", "outer", "inner")])
def test_a_packet_that_reaches_the_antennas_one_after_the_other_is_one(
    order: tuple[str, ...], later_s: float
) -> None:
    door, level = Door(THREE), {"inner": -50, "outer": -70, "back": -80}
    for second in range(5):
        news = [
            door.hear(antenna, level[antenna], second + later_s * number / 2)
            for number, antenna in enumerate(order)
        ]
        assert news == [False, False, True], "complete as soon as every antenna has heard it"

    assert door.score.packets == 5
    assert door.score.points == Door(THREE).hear_packets(every_second(-50, -70, -80, times=5))[-1]


def test_a_satellite_whose_word_comes_late_is_no_silence() -> None:
    """Its readings bear the time at which it heard them; the next packet is a second away."""
    door = Door(PAIR)
    for second in range(5):
        assert not door.hear("inner", -50, second + 0.01)
        assert door.hear("outer", -55, second)

    assert door.score.points == Door(PAIR).hear_packets(every_second(-50, -55, times=5))[-1]


def test_of_a_phone_that_sends_faster_than_a_satellite_tells_it_is_no_silence_either() -> None:
    """A word that is 0.4 s late stands in a later packet; only before the first is silence."""
    late, prompt = Door(PAIR), Door(PAIR)
    words = sorted(
        [(n / 10, "inner", n / 10) for n in range(100)]
        + [(n / 10 + 0.45, "outer", n / 10) for n in range(100)]
    )
    for _, antenna, at_s in words:
        late.hear(antenna, -55 if antenna == "inner" else -60, at_s)
    prompt.hear_packets([(0.1, (-55, -60))] * 100)

    assert levels_of(late.score) == pytest.approx(levels_of(prompt.score), abs=0.1)


def test_an_antenna_that_hears_once_more_begins_a_packet() -> None:
    door = Door(PAIR)
    door.hear("inner", -50, 0)

    assert door.hear("inner", -50, 0.05)
    assert door.score.packets == 1, "the other one was silent; the second packet is not over"


def test_of_two_antennas_in_one_place_the_one_that_hears_better_counts() -> None:
    two = {"inner": Place.DOOR, "outer": Place.OUTSIDE, "outer too": Place.OUTSIDE}
    one_points = Door(PAIR).hear_packets(every_second(-55, -60))[-1]
    for levels in ((-55, -60, -95), (-55, -95, -60)):
        assert Door(two).hear_packets(every_second(*levels))[-1] == one_points
    silent = Door(two).hear_packets(every_second(-55, -60, None, times=7))[-1]
    assert silent == one_points, "its silence is none while the other one hears"


@given(packets(silent=True), st.integers(-100, -30), st.floats(0.001, 60))
def test_a_reading_that_is_too_late_changes_nothing(
    heard: list[Packet], rssi_dbm: int, late_s: float
) -> None:
    door = Door(THREE)
    door.hear_packets([(1.0, (-60, -60, -60)), *heard])
    before = state_of(door.score)

    assert not door.hear("inner", rssi_dbm, door.score._packet_s - LATE_S - late_s)
    assert state_of(door.score) == before


@given(packets(silent=False), packets(silent=False))
def test_what_is_late_by_less_invents_no_time(before: list[Packet], again: list[Packet]) -> None:
    """However often the last second is played again, no sum and no level moves."""
    door = Door(THREE)
    door.hear_packets([(1.0, (-60, -60, -60)), *before])
    sums, levels = sums_of(door.score), levels_of(door.score)
    for _, played in again:
        for antenna, rssi_dbm in zip(THREE, played, strict=True):
            assert rssi_dbm is not None
            door.hear(antenna, rssi_dbm, door.now_s - LATE_S / 2)

    assert (sums_of(door.score), levels_of(door.score)) == (sums, levels)


# ---------------------------------------------------------------- whatever is heard


def levels_of(score: DoorScore) -> list[float]:
    return [score._inner, score._outer, score._deep, score._inner_fast, score._outer_fast]


def sums_of(score: DoorScore) -> list[float]:
    return [score._lead_sum, score._fast_sum, score._level_sum]


def state_of(score: DoorScore) -> dict[str, object]:
    found = {name: getattr(score, name) for name in DoorScore.__slots__}
    return {name: list(v) if isinstance(v, list) else v for name, v in found.items()}


@pytest.mark.requirement("T-25")
@pytest.mark.parametrize("places", SET_UPS.values(), ids=SET_UPS)
@given(heard=packets(silent=False), louder_db=st.integers(0, 30))
def test_a_louder_phone_that_all_antennas_hear_never_has_less_points(
    places: dict[str, Place], heard: list[Packet], louder_db: int
) -> None:
    plain = Door(places).hear_packets(heard)
    louder = Door(places).hear_packets(heard, louder_db=louder_db)
    assert all(b >= a - ROUNDED for a, b in zip(plain, louder, strict=True))


@pytest.mark.requirement("T-01")
@pytest.mark.parametrize("places", SET_UPS.values(), ids=SET_UPS)
@given(heard=packets(silent=True), loudness_db=st.integers(0, 28))
def test_loudness_that_is_taken_off_never_adds_points_whichever_antennas_hear(
    places: dict[str, Place], heard: list[Packet], loudness_db: int
) -> None:
    plain = Door(places).hear_packets(heard)
    taken_off = Door(places).hear_packets(heard, loudness_db=loudness_db)
    assert all(b <= a + ROUNDED for a, b in zip(plain, taken_off, strict=True))


ROUNDED: Final = 1e-9


@examples(60)
@pytest.mark.parametrize("places", SET_UPS.values(), ids=SET_UPS)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["inner", "outer", "back"]),
            st.integers(-127, 20),
            st.floats(-30, 1e6) | st.sampled_from([0.0, 0.0, 0.3]),
            st.integers(0, 28),
            st.booleans(),
        ),
        max_size=60,
    )
)
def test_points_are_a_number_or_none_yet_whatever_is_heard(
    places: dict[str, Place], readings: list[tuple[str, int, float, int, bool]]
) -> None:
    door, now_s = Door(places), 0.0
    for antenna, rssi_dbm, pause_s, loudness_db, answered in readings:
        now_s += pause_s
        if antenna in places:
            door.hear(antenna, rssi_dbm - loudness_db, now_s, loudness_db, answered=answered)
        assert isfinite(door.score.points) or door.score.points == -inf
        numbers = [*levels_of(door.score), *sums_of(door.score)]
        assert all(isfinite(number) or number == -inf for number in numbers)


@pytest.mark.requirement("R-18", "T-04")
def test_a_flood_leaves_as_many_numbers_as_one_packet() -> None:
    one, many = Door(THREE), Door(THREE)
    one.hear_packets(every_second(-60, -60, -60, times=1))
    many.hear_packets([(0.001, (-60, -70, None))] * 5000)

    def sizes(score: DoorScore) -> dict[str, int]:
        return {
            name: len(value) if isinstance(value, list) else 1
            for name, value in state_of(score).items()
        }

    assert sizes(many.score) == sizes(one.score)
    assert all(isinstance(each, int | float | list) for each in state_of(many.score).values())


def test_the_peak_is_the_loudest_moment_of_the_outer_antenna() -> None:
    door = Door(PAIR)
    for outer_dbm in (-80, -60, -50, -50, -70, -85):
        door.hear_packets([(1.0, (-40, outer_dbm))])

    assert door.score.peak_s == 4
