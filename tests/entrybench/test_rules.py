"""The others' rules do what their publications say, and ours is the present machine."""

from math import inf

import pytest

from scripts.entrybench import rules
from scripts.entrybench.rules import Heard
from scripts.entrybench.trial import OurRule


def every(seconds: float, *readings: int) -> Heard:
    return Heard(
        [i * seconds for i in range(len(readings))], list(readings), [False] * len(readings)
    )


def test_the_first_packet_is_an_entry() -> None:
    heard = every(1, -99, -60)

    assert rules.gate(heard.at_s, rules.raw(heard.at_s, heard.rssi_dbm), -1e9, -1e9, 10)[0][0] == 0


def test_altbeacon_leaves_ten_seconds_after_the_last_packet() -> None:
    assert rules.gate([0, 5, 20], [-80, -80, -80], -1e9, -1e9, rules.ALTBEACON_AWAY_S) == [
        (0, 15),
        (20, 30),
    ]


def test_espresense_drops_what_lies_outside_the_fences() -> None:
    levels = rules.tukey_mean(range(9), [-70, -71, -72, -73, -70, -71, -72, -73, -20])

    assert levels[-1] == pytest.approx(-71.5)


def test_espresense_forgets_after_fifteen_seconds() -> None:
    assert rules.tukey_mean([0, 15.1], [-40, -80])[-1] == -80


def test_espresense_enters_at_two_metres_and_leaves_beyond_four() -> None:
    enter, leave = (
        rules.espresense_level_dbm(-60, d)
        for d in (rules.ESPRESENSE_ENTER_M, rules.ESPRESENSE_EXIT_M)
    )

    assert (enter, leave) == (pytest.approx(-68.13, abs=0.01), pytest.approx(-76.26, abs=0.01))
    assert rules.gate(range(4), [-69, -68, -76, -77], enter, leave, 10) == [(1, 3)]


def test_kalman_starts_at_the_first_reading_and_follows_slowly() -> None:
    levels = rules.kalman([], [-90] + [-70] * 300)

    assert levels[0] == -90
    assert levels[1] == pytest.approx(-80, abs=0.1)  # kalmanjs: the second reading weighs half
    assert levels[-1] == pytest.approx(-70, abs=0.5)


def test_room_assistant_takes_the_level_at_one_metre_for_one_metre() -> None:
    assert rules.room_assistant_distance_m(-59, -59) == pytest.approx(1.01, abs=0.01)
    assert rules.room_assistant_distance_m(-59, -50) < 0.3


def test_room_assistant_is_where_the_nearer_instance_is() -> None:
    heard = Heard([0, 0.1, 1, 1.1], [-80, -60, -50, -90], [False, True, False, True])

    assert rules.nearest_of_two(heard)[1][:2] == [-80, -inf]


def test_happy_bubbles_wants_eight_looks_after_the_majority() -> None:
    """30 empty readings at 2.25 each are outvoted by the 18th of -75 dBm (1.69 each), at 17 s;
    looks once a second.
    """
    [(since_s, _)] = rules.happy_bubbles(every(1, *[-75] * 60))

    assert since_s == pytest.approx(18 + 8, abs=1)


def test_happy_bubbles_never_hears_what_is_under_its_threshold() -> None:
    assert rules.happy_bubbles(every(1, *[-75] * 60), -70) == []


def test_happy_bubbles_does_not_count_looks_at_a_phone_unseen_for_long() -> None:
    assert rules.happy_bubbles(every(1, *[-75] * 18), in_a_row=100) == []


def test_ours_enters_where_its_evidence_first_suffices() -> None:
    heard = every(0.5, *[-90] * 20, *[-74] * 40)
    loud = OurRule(-80, 20, min_sightings=2, min_duration_s=1)

    [(since_s, _)] = rules.ours(heard, loud)

    watched = rules.records(rules.evidence(heard, OurRule(-80, 1e9)))
    assert since_s == rules.first_s(watched, 20)
    assert since_s == pytest.approx(9.5 + 20 / 6, abs=0.6)


def test_the_sweep_knows_when_each_threshold_is_first_passed() -> None:
    found = rules.records(iter([(0, -90.0), (1, -80.0), (2, -85.0), (3, -70.0)]))

    assert found == [(0, -90.0), (1, -80.0), (3, -70.0)]
    assert [rules.first_s(found, t) for t in (-95, -80, -79, -60)] == [0, 1, 3, inf]
