"""The side that a technician would measure in the simulated shop."""

import pytest

from scripts.entrybench.sides import door, side_of
from tests.entrybench.air import AIR


def test_at_an_open_front_the_side_is_the_plates_front_to_back() -> None:
    for front_to_back_db in (6, 10):
        side = side_of(door(AIR, front_to_back_db, 0.0))
        assert side.side_db == pytest.approx(front_to_back_db, abs=2.5)


def test_glass_beside_the_door_adds_to_the_side() -> None:
    none, plain, coated = (side_of(door(AIR, 6.0, glass_db)).side_db for glass_db in (0, 3, 20))
    assert none + 2 < plain < plain + 5 < coated
