"""The others' rules do what their publications say, and the earlier ones what they did."""

from math import inf, nan

import numpy as np
import pytest

from presence.core.place import Place
from scripts.entrybench import bermuda, earlier, rivals, world
from scripts.entrybench.antennas import AS_SHIPPED, PAIR_10_GATEWAY, SET_UPS, Antenna, SetUp
from scripts.entrybench.crowd import Crowd
from scripts.entrybench.phones import Phone
from scripts.entrybench.rivals import Heard
from scripts.entrybench.world import Episode, World
from tests.entrybench.air import AIR

PHONE = Phone("hand", 0, 0, 1, ahead=True)


def heard(seconds: float, *packets: tuple[float, float]) -> Heard:
    """Packets at a gateway and at an antenna outside."""
    at = np.arange(len(packets)) * seconds
    return Heard(at, np.array(packets, float), [True, False])


def crowd_of(seconds: float, *packets: tuple[float, float]) -> Crowd:
    at = np.arange(len(packets)) * seconds
    return Crowd.of([Episode("x", at, np.array(packets, float), None, None, PHONE)])


def test_the_shop_is_all_that_does_not_hang_outside_or_else_what_is_inside() -> None:
    assert rivals.of_shop(PAIR_10_GATEWAY) == [True, True, False]
    assert rivals.of_shop(AS_SHIPPED) == [True, False]
    assert rivals.of_shop(SET_UPS["gateway"]) == [True]


def test_the_first_packet_in_the_shop_is_an_entry_and_one_outside_is_none() -> None:
    score = rivals.first_packet(heard(1, (nan, -60), (-99, -60)))

    assert score.tolist() == [-inf, -99]


def test_espresense_drops_what_lies_outside_the_fences() -> None:
    levels = rivals.tukey_mean(range(9), [-70, -71, -72, -73, -70, -71, -72, -73, -20])

    assert levels[-1] == pytest.approx(-71.5)


def test_espresense_forgets_after_fifteen_seconds() -> None:
    assert rivals.tukey_mean([0, 15.1], [-40, -80])[-1] == -80


def test_espresense_enters_at_two_metres() -> None:
    assert rivals.defaults(-60)["ESPresense"] == pytest.approx(-68.13, abs=0.01)


def test_kalman_starts_at_the_first_reading_and_follows_slowly() -> None:
    levels = rivals.kalman([-90] + [-70] * 300)

    assert levels[0] == -90
    assert levels[1] == pytest.approx(-80, abs=0.1)  # kalmanjs: the second reading weighs half
    assert levels[-1] == pytest.approx(-70, abs=0.5)


def test_the_nearest_station_has_the_phone() -> None:
    score = rivals.room_assistant(heard(1, (-80, nan), (nan, -60), (-30, nan)))

    assert score.tolist() == [-80, -inf, pytest.approx(-55, abs=0.1)]


def test_a_station_that_is_silent_for_long_has_it_no_more() -> None:
    away = Heard(np.array([0.0, 61.0]), np.array([[nan, -60], [-90, nan]]), [True, False])

    assert rivals.room_assistant(away)[-1] == -90


def test_happy_bubbles_wants_eight_looks_after_the_majority() -> None:
    """30 empty readings at 2.25 each are outvoted by the 18th of -75 dBm (1.69 each), at 17 s;
    looks once a second.
    """
    assert rivals.happy_bubbles(heard(1, *[(-75, nan)] * 60), -100) == pytest.approx(26, abs=1)


def test_happy_bubbles_never_hears_what_is_under_its_threshold() -> None:
    assert rivals.happy_bubbles(heard(1, *[(-75, nan)] * 60), -70) == inf


def test_happy_bubbles_goes_where_most_is_heard() -> None:
    assert rivals.happy_bubbles(heard(1, *[(-75, -50)] * 60), -100) == inf


def test_bermuda_counts_a_farther_distance_as_the_nearer_one_after_it() -> None:
    scanner = bermuda.Scanner()
    for second, rssi in enumerate((-85, -55, -85)):
        scanner.hear(second * 10, rssi)  # 10 m, 1 m, 10 m: too slow to be a flight
        scanner.update(second * 10 + 1)

    # newest first: 10, then 1, then the first, older than the nearest and so 1
    assert scanner.distance_m == pytest.approx((10 + 1 + 1) / 3)


def test_bermuda_does_not_believe_in_flight() -> None:
    scanner = bermuda.Scanner()
    scanner.hear(0, -55)
    scanner.update(0.5)
    scanner.hear(1, -85)  # 9 m in a second
    scanner.update(1.5)

    assert scanner.distance_m == pytest.approx(1)


def test_bermuda_forgets_after_half_a_minute() -> None:
    scanner = bermuda.Scanner()
    scanner.hear(0, -55)
    scanner.update(1)
    scanner.update(31)

    assert scanner.distance_m == inf


@pytest.mark.parametrize(("challenger", "incumbent", "wins"), [(1, 3, True), (2, 3, False)])
def test_bermuda_changes_the_area_only_for_one_that_is_nearer_by_enough(
    challenger: float, incumbent: float, *, wins: bool
) -> None:
    one, other = bermuda.Scanner(), bermuda.Scanner()
    one.distance_m, other.distance_m = challenger, incumbent

    assert bermuda.beats(one, other) == wins
    assert not bermuda.beats(other, one)


def test_bermuda_says_the_shop_while_its_scanner_is_nearest() -> None:
    here = rivals.rivals(AS_SHIPPED)["Bermuda"](crowd_of(0.5, *[(-60, -80)] * 20))
    there = rivals.rivals(AS_SHIPPED)["Bermuda"](crowd_of(0.5, *[(-80, -60)] * 20))

    assert here.max() == pytest.approx(-60, abs=0.1)
    assert there.max() == -inf


def test_strength_inside_sums_up_before_places_as_it_did() -> None:
    [*score] = earlier.lead(-80, SetUp("one", (Antenna("a", Place.INSIDE, 0, 0),)))(
        Crowd.of([Episode("x", np.arange(20) / 2, np.full((20, 1), -74.0), None, None, PHONE)])
    )

    assert score[4] == pytest.approx(12)  # 6 dB above, four gaps of 0.5 s
    assert score[2] == 0  # three sightings, one second: too few, too soon


def test_the_lead_over_the_door_counts_before_places() -> None:
    [*alone] = earlier.lead(-80, AS_SHIPPED)(crowd_of(0.5, *[(-78, nan)] * 20))
    [*behind] = earlier.lead(-80, AS_SHIPPED)(crowd_of(0.5, *[(-78, -70)] * 20))

    assert alone[-1] > 15
    assert behind[-1] == 0


def test_the_gate_lets_nobody_in_who_was_not_near_the_door() -> None:
    open_gate = earlier.Gate(1, 0, 1, 0, 8, 8, -60, 1)
    came = earlier.gate(open_gate, AS_SHIPPED)(crowd_of(0.5, *[(-90, -55)] * 8, *[(-60, -75)] * 12))
    never = earlier.gate(open_gate, AS_SHIPPED)(crowd_of(0.5, *[(-60, -75)] * 20))

    assert came[-1] > 20
    assert never[-1] < 0.1


def test_what_is_chosen_finds_most_at_equal_errors() -> None:
    place = World(AIR, AS_SHIPPED, watched_s=30)
    crowd = Crowd.of(
        [
            *world.people({"passer": 1.0}, 40, place, 1),
            *world.people({"customer": 1.0}, 40, place, 2),
        ]
    )
    blind = earlier.best_of(
        {"blind": lambda c: np.zeros(len(c.at_s)), "lead": earlier.lead(-70, AS_SHIPPED)}, [crowd]
    )

    assert blind == "lead"
