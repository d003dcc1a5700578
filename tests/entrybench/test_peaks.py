"""What docs/entry-figures.md says of the door's peak, on few people: it is near the line with an
antenna outside, and strays without.
"""

import numpy as np
import pytest

from scripts.entrybench import bodies
from scripts.entrybench.antennas import AS_SHIPPED, PAIR_10, SetUp
from scripts.entrybench.peaks import errors_s, line
from scripts.entrybench.radio import Floats
from scripts.entrybench.shop import INSIDERS, OUTSIDERS
from scripts.entrybench.world import Episode, World, people

pytestmark = pytest.mark.skipif(
    not bodies.BODIES.exists(), reason="the recordings are not beside this checkout"
)


def visitors(set_up: SetUp) -> list[Episode]:
    return list(people(INSIDERS, 120, World(bodies.fit().radio, set_up), 7))


def share_within(errors: Floats, seconds: float) -> float:
    return float(np.mean(np.abs(errors) <= seconds))


def test_with_an_antenna_outside_the_peak_is_near_the_crossing_whenever_one_asks() -> None:
    people_here = visitors(PAIR_10)
    for decided_s in (4.0, 30.0):
        errors = errors_s(people_here, PAIR_10, decided_s)
        assert len(errors) > 110
        assert abs(np.median(errors)) < 1
        assert share_within(errors, 8) > 0.93


def test_from_the_inner_side_it_strays_from_the_line_the_later_one_asks() -> None:
    people_here = visitors(AS_SHIPPED)
    soon, late = (errors_s(people_here, AS_SHIPPED, decided_s) for decided_s in (4.0, 30.0))

    assert share_within(late, 8) < share_within(soon, 8) - 0.05
    assert np.percentile(late, 95) > 10, "so that the delay is told too short"


def test_a_line_of_the_table_says_where_most_peaks_lie() -> None:
    said = line(PAIR_10, 4, np.array([-1.0, 0.0, 9.0]))

    assert "peak" in said
    assert "within 2 s 67%, 5 s 67%, 8 s 67%, 10 s 100%" in said


def test_who_stayed_outside_has_crossed_no_line() -> None:
    outsiders = people(OUTSIDERS, 1, World(bodies.fit().radio, PAIR_10), 7)
    with pytest.raises(ValueError, match="came in"):
        errors_s(outsiders, PAIR_10, 4)
