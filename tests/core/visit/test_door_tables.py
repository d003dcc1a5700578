"""The tables of the score: how they are read, and that each of them rises."""

from itertools import pairwise
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.core.visit import door_tables
from presence.core.visit.door_tables import DoorTables, Table

SET_UPS = [each for each in vars(door_tables).values() if isinstance(each, DoorTables)]
TABLES = [
    pytest.param(table, id=f"{number}-{name}")
    for number, tables in enumerate(SET_UPS)
    for name, table in tables._asdict().items()
    if isinstance(table, Table)
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
    most = [each.values[-1] for each in tables if isinstance(each, Table)]

    assert max(most) < tables.threshold < sum(most)


def test_a_set_up_with_an_antenna_deep_inside_has_all_of_its_tables_or_none() -> None:
    deep = [(each.deep_sum, each.deep_lead) for each in SET_UPS]
    assert [{table is None for table in tables} for tables in deep].count({False}) == 1
    assert all(len({table is None for table in tables}) == 1 for tables in deep)
