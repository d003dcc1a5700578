"""The tables of the score: how they are read, and that each of them rises."""

from itertools import pairwise
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.core.visit import door_tables
from presence.core.visit.door_tables import DoorTables, Table

SET_UPS = [each for each in vars(door_tables).values() if isinstance(each, DoorTables)]


def tables_of(set_up: DoorTables) -> dict[str, Table]:
    deep = {} if set_up.deep is None else set_up.deep._asdict()
    named = {**set_up._asdict(), **{f"deep {name}": table for name, table in deep.items()}}
    return {name: table for name, table in named.items() if isinstance(table, Table)}


TABLES = [
    pytest.param(table, id=f"{number}-{name}")
    for number, set_up in enumerate(SET_UPS)
    for name, table in tables_of(set_up).items()
]


def test_a_table_is_straight_between_its_values_and_level_beyond_them() -> None:
    table = Table(-4, 2, (0, 1, 5))
    quantities = (-inf, -9, -4, -3, -2, -1, 0, 7, 1e9)

    assert [table.at(each) for each in quantities] == [0, 0, 0, 0.5, 1, 3, 5, 5, 5]
    assert (table.at(-2.4), table.at(-1.6)) == (1, 1), "the nearest whole one"


@pytest.mark.requirement("T-25")
@pytest.mark.parametrize("table", TABLES)
def test_every_table_rises_from_nothing(table: Table) -> None:
    assert table.values[0] == 0
    assert all(later >= earlier for earlier, later in pairwise(table.values))


@pytest.mark.parametrize("table", TABLES)
@given(low=st.floats(-300, 300), more=st.floats(0, 300))
def test_more_of_anything_never_gives_fewer_points(table: Table, low: float, more: float) -> None:
    assert table.at(low) <= table.at(low + more)


@pytest.mark.parametrize("tables", SET_UPS, ids=range(len(SET_UPS)))
def test_a_door_that_nobody_has_walked_can_be_entered_and_not_by_any_one_sign(
    tables: DoorTables,
) -> None:
    most = [each.values[-1] for each in tables_of(tables).values()]

    assert max(most) < tables.threshold < sum(most)


@pytest.mark.parametrize("tables", SET_UPS, ids=range(len(SET_UPS)))
@given(quantity=st.floats(-300, 300))
def test_answers_are_credited_with_an_approach_and_with_nothing_else(
    tables: DoorTables, quantity: float
) -> None:
    """Never more than the most that an approach gives, and what is no sign of change as ever."""
    answers = tables_of(tables.of_answers())

    for name, table in tables_of(tables).items():
        heard, answered = table.at(quantity), answers[name].at(quantity)
        credit = 0.6 * table.values[-1] if name in {"turn", "rise", "deep rise"} else 0
        assert answered == max(heard, credit)


@pytest.mark.parametrize("tables", SET_UPS, ids=range(len(SET_UPS)))
def test_an_answer_is_not_let_in_by_the_approach_that_it_is_credited_with(
    tables: DoorTables,
) -> None:
    credited = sum(each.values[0] for each in tables_of(tables.of_answers()).values())

    assert credited < tables.threshold / 3
