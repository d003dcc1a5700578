"""The side that a technician would measure in the simulated shop."""

import pytest

from presence.core.visit.door_tables import INSIDE_AND_DOOR, PAIR, PAIR_AND_INSIDE, DoorTables
from presence.core.visit.fitting import of_walks
from scripts.entrybench import antennas as a
from scripts.entrybench import bodies
from scripts.entrybench.antennas import SetUp
from scripts.entrybench.fitter import NEAR_DBM
from scripts.entrybench.sides import door, side_of
from scripts.entrybench.world import World
from tests.entrybench.air import AIR


def test_at_an_open_front_the_side_is_the_plates_front_to_back() -> None:
    for front_to_back_db in (6, 10):
        side = side_of(door(AIR, front_to_back_db, 0.0))
        assert side.side_db == pytest.approx(front_to_back_db, abs=2.5)


def test_glass_beside_the_door_adds_to_the_side() -> None:
    none, plain, coated = (side_of(door(AIR, 6.0, glass_db)).side_db for glass_db in (0, 3, 20))
    assert none + 2 < plain < plain + 5 < coated


@pytest.mark.skipif(
    not bodies.BODIES.exists(), reason="the recordings are not beside this checkout"
)
@pytest.mark.parametrize(
    ("set_up", "tables"),
    [(a.PAIR_10, PAIR), (a.PAIR_10_GATEWAY, PAIR_AND_INSIDE), (a.AS_SHIPPED, INSIDE_AND_DOOR)],
    ids=lambda each: getattr(each, "name", ""),
)
def test_a_door_like_those_of_the_fit_is_calibrated_to_the_numbers_of_the_fit(
    set_up: SetUp, tables: DoorTables
) -> None:
    """Else every door that was walked would be stricter than the bench, or laxer: what the bench
    says of a calibrated door would be said of no door.
    """
    numbers = of_walks(side_of(World(bodies.fit().radio, set_up)), tables, 0)

    assert numbers.side_offset_db == pytest.approx(tables.offset_db, abs=1.2)
    assert numbers.near_dbm == pytest.approx(NEAR_DBM, abs=1.5)
