"""Which rule antennas make, by the places where they hang and by which of them live."""

from itertools import combinations
from math import inf

import pytest

from presence.core.place import Place
from presence.core.visit.antennas import door_numbers, hung, innermost, outer_place
from presence.core.visit.door_score import DoorSide
from presence.core.visit.door_tables import INSIDE_AND_DOOR, PAIR, PAIR_AND_INSIDE, DoorTables
from tests.support.builders import DoorRule

RULE = DoorRule()
ALL = {"back": Place.INSIDE, "inner": Place.DOOR, "outer": Place.OUTSIDE}
INNER, OUTER, DEEP = DoorSide
SETS = [
    (("back", "inner", "outer"), PAIR_AND_INSIDE, (DEEP, INNER, OUTER)),
    (("inner", "outer"), PAIR, (INNER, OUTER)),
    (("back", "outer"), INSIDE_AND_DOOR, (INNER, OUTER)),
    (("back", "inner"), INSIDE_AND_DOOR, (INNER, OUTER)),
]


def some(*names: str) -> dict[str, Place]:
    return {name: ALL[name] for name in names}


@pytest.mark.parametrize(("names", "tables", "sides"), SETS)
def test_each_set_up_has_its_tables_and_knows_its_sides(
    names: tuple[str, ...], tables: DoorTables, sides: tuple[DoorSide, ...]
) -> None:
    antennas = hung(some(*names), (), RULE)

    assert antennas.sided is not None
    assert antennas.sided.tables is tables
    assert {name: ear.side for name, ear in antennas.ears.items()} == dict(
        zip(names, sides, strict=True)
    )


@pytest.mark.parametrize("places", [{}, *({name: place} for name, place in ALL.items())])
def test_one_place_tells_no_sides(places: dict[str, Place]) -> None:
    antennas = hung(places, (), RULE)

    assert antennas.sided is None
    assert antennas.beside == {name for name in places if places[name] is not Place.INSIDE}


def test_antennas_in_one_place_have_a_bit_each() -> None:
    antennas = hung({**ALL, "till": Place.INSIDE, "glass": Place.OUTSIDE}, (), RULE)
    bits = [ear.bit for ear in antennas.ears.values()]

    assert antennas.sided is not None
    assert len(set(bits)) == 5
    assert sum(bits) == antennas.sided.ears
    assert all(not one & other for one, other in combinations(bits, 2))


def test_a_visit_is_kept_by_what_is_heard_within() -> None:
    assert hung(ALL, (), RULE).beside == {"inner", "outer"}
    assert hung(some("inner", "outer"), (), RULE).beside == {"outer"}
    assert innermost([]) is Place.INSIDE


def test_the_numbers_of_the_settings_replace_those_of_the_tables() -> None:
    assert door_numbers(INSIDE_AND_DOOR, RULE) == (
        INSIDE_AND_DOOR.offset_db, RULE.near_dbm, INSIDE_AND_DOOR.unwalked,
    )  # fmt: skip
    walked = DoorRule(side_offset_db=3, near_dbm=-55, score=0)
    assert door_numbers(PAIR, walked) == (3, -55, 0), "nought is a number, too"
    antennas = hung(ALL, (), walked)
    assert antennas.sided is not None
    assert antennas.sided.numbers == (3, -55, 0)


@pytest.mark.requirement("T-25", "T-27")
@pytest.mark.parametrize("names", [names for names, *_ in SETS])
def test_without_an_antenna_on_the_outer_side_no_score_is_enough(names: tuple[str, ...]) -> None:
    outer = outer_place(some(*names).values())
    lost = {name for name in names if ALL[name] is outer}
    assert lost
    places = {**some(*names), "another": Place.OUTSIDE} if outer is Place.OUTSIDE else some(*names)
    antennas = hung(places, lost, DoorRule(score=-100))

    assert antennas.sided is not None
    assert antennas.sided.numbers.threshold == inf, "not even with another one on that side"
    assert antennas.beside == hung(places, (), RULE).beside


def test_without_the_one_at_the_door_the_one_inside_decides_against_the_one_outside() -> None:
    antennas = hung(ALL, {"inner"}, DoorRule(side_offset_db=3, score=1))

    assert antennas.sided is not None
    assert antennas.sided.tables is INSIDE_AND_DOOR
    assert antennas.sided.numbers == (
        INSIDE_AND_DOOR.offset_db, RULE.near_dbm, INSIDE_AND_DOOR.unwalked,
    )  # fmt: skip
    assert {name: ear.side for name, ear in antennas.ears.items()} == {
        "back": DoorSide.INNER,
        "outer": DoorSide.OUTER,
    }
    assert antennas.beside == hung(ALL, (), RULE).beside


def test_one_place_has_no_outer_side() -> None:
    assert outer_place([Place.INSIDE, Place.INSIDE]) is None


def test_without_the_one_deep_inside_a_pair_decides_as_at_a_door_that_nobody_has_walked() -> None:
    walked = DoorRule(side_offset_db=3, score=1)
    antennas = hung(ALL, {"back"}, walked)

    assert antennas.sided is not None
    assert antennas.sided.tables is PAIR
    assert antennas.sided.numbers == (PAIR.offset_db, walked.near_dbm, PAIR.unwalked)
    assert "back" not in antennas.ears


def test_without_the_one_inside_the_other_one_lets_nobody_in() -> None:
    antennas = hung(some("back", "outer"), {"back"}, RULE)
    assert antennas.sided is not None
    assert antennas.sided.numbers.threshold == inf


def test_of_two_antennas_inside_the_other_one_goes_on() -> None:
    places = {"back": Place.INSIDE, "till": Place.INSIDE}
    assert hung(places, {"back"}, RULE) == hung(places, (), RULE)
