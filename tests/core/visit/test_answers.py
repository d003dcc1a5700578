"""Answers at the bell among broadcasts: what an entry owes to which."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.core.place import Place
from presence.core.visit.visits import Entered, Sighting, Visits
from tests.support.builders import ANNA, DoorRule, moment

DOOR = "hci1"
PLACES = {"hci0": Place.INSIDE, DOOR: Place.DOOR}
RULE = DoorRule(score=10, evidence_db_s=15, min_sightings=2, min_duration_s=1)
"""So little that a short story makes an entry."""
Story = list[tuple[float, int, str, bool]]

STORIES: st.SearchStrategy[Story] = st.lists(
    st.tuples(
        st.sampled_from([-1.0, 0.0, 0.5, 1.0, 2.0, 20.0]),
        st.sampled_from([-95, -80, -72, -60, -45]),
        st.sampled_from(["hci0", "hci0", DOOR]),
        st.sampled_from([True, True, True, False]),
    ),
    max_size=40,
)
"""Seconds since the sighting before, strength, antenna, and whether it stood in an answer."""


def entered(story: Story, *, only_answers: bool = False, sided: bool) -> list[Entered]:
    places = PLACES if sided else {"hci0": Place.INSIDE}
    visits, now_s = Visits(RULE, places=places, bells=places), 0.0
    entries: list[Entered] = []
    for pause_s, rssi_dbm, antenna, answered in story:
        now_s += pause_s
        if answered or not only_answers:
            heard = Sighting(moment(now_s), ANNA, rssi_dbm, antenna, answered)
            entries += [each for each in visits.observe(heard) if isinstance(each, Entered)]
    return entries


in_one_and_in_several_places = pytest.mark.parametrize("sided", [False, True])


@in_one_and_in_several_places
@given(story=STORIES)
def test_an_entry_by_answers_needs_none_of_the_broadcasts(story: Story, sided: bool) -> None:
    for each in entered(story, sided=sided):
        if each.by_answer:
            answers = entered(story, only_answers=True, sided=sided)
            alone = [entry.at.monotonic_s for entry in answers]
            assert min(alone, default=inf) <= each.at.monotonic_s


@in_one_and_in_several_places
@given(story=STORIES)
def test_an_entry_that_a_broadcast_had_a_part_in_is_no_entry_by_answers(
    story: Story, sided: bool
) -> None:
    heard = [(pause_s, rssi_dbm, antenna, False) for pause_s, rssi_dbm, antenna, _ in story]
    said = [(pause_s, rssi_dbm, antenna, True) for pause_s, rssi_dbm, antenna, _ in story]

    assert not any(each.by_answer for each in entered(heard, sided=sided))
    assert all(each.by_answer for each in entered(said, sided=sided))
    if not sided:  # where sides are told apart, the silence of a bell says less
        assert [each.at for each in entered(heard, sided=False)] == [
            each.at for each in entered(said, sided=False)
        ]
