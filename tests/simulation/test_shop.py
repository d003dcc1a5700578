"""The simulated shop: one seed gives one day, payloads are real ones, walls and distance weaken
them.
"""

import itertools
import math
from collections import defaultdict
from collections.abc import Sequence
from statistics import median

import pytest

from presence.core.recognition.advertisement import (
    MalformedPayload,
    advertisement_from_payload,
    decode_payload,
)
from presence.core.recognition.beacons import eddystone
from presence.core.recognition.identifiers import SLOT_S, ephemeral_identifier, slot_at
from presence.simulation import (
    OVER_THE_COUNTER,
    Air,
    CustomerBroadcast,
    Phone,
    Position,
    SimulatedAntenna,
    SimulatedClock,
    SimulatedShop,
    Spot,
    StrangerBroadcast,
    Walk,
    crowd,
    passing,
    visiting,
)
from presence.simulation.broadcasts import KINDS
from presence.simulation.identity_keys import window_key
from presence.simulation.phones import Transmission
from presence.simulation.walks import WALKING_M_S, place_of
from tests.support.builders import DAY_S, START_S, moment

SECONDS = 60.0
KEY = bytes(range(16))
EVERYTHING_ARRIVES = Air(sensitivity_dbm=-300, lost_share=0)
COUNTER = [(Spot(1.0, 2.5), 20.0)]
WINDOW = [(Spot(4.0, -2.0), 20.0)]


def a_shop(
    *phones: Phone,
    seed: int = 7,
    start_s: float = 0.0,
    seconds: float = SECONDS,
    air: Air | None = None,
    antennas: Sequence[SimulatedAntenna] = (OVER_THE_COUNTER,),
):
    clock = SimulatedClock(moment(start_s), speed=10_000)
    return SimulatedShop(phones, clock, seed=seed, seconds=seconds, air=air, antennas=antennas)


def a_customer(walk: Walk | None = None, *, name: str = "Anna") -> Phone:
    walk = walk or visiting(10, COUNTER, then_left=True)
    return Phone(name, walk, CustomerBroadcast(KEY), customer=True)


def standing_still(spot: Spot, *, seconds: float = SECONDS) -> Walk:
    return Walk(((0.0, spot), (seconds, spot)))


def heard(shop: SimulatedShop) -> list[Transmission]:
    return list(shop.reports())


def test_the_same_seed_gives_the_same_day_to_the_last_byte():
    people = [a_customer(), *crowd(20, seed=7, seconds=SECONDS)]
    first, second = heard(a_shop(*people)), heard(a_shop(*people))
    assert first == second
    assert len(first) > 300
    assert list(crowd(20, seed=7, seconds=SECONDS)) == people[1:]


def test_another_seed_gives_another_day():
    first, second = heard(a_shop(a_customer(), seed=1)), heard(a_shop(a_customer(), seed=2))
    assert [(report.at_s, report.rssi_dbm) for report in first] != [
        (r.at_s, r.rssi_dbm) for r in second
    ]


def test_who_comes_when_and_how_strong_does_not_depend_on_the_date_but_identifiers_do():
    now, tomorrow = heard(a_shop(a_customer())), heard(a_shop(a_customer(), start_s=DAY_S))
    assert [(r.at_s, r.phone.name, r.rssi_dbm) for r in now] == [
        (r.at_s, r.phone.name, r.rssi_dbm) for r in tomorrow
    ]
    assert {r.payload for r in now}.isdisjoint(r.payload for r in tomorrow)


def test_advertisements_come_in_order_of_time():
    times = [
        report.at_s for report in heard(a_shop(a_customer(), *crowd(30, seed=1, seconds=SECONDS)))
    ]
    assert times == sorted(times)
    assert 0 <= times[0] < times[-1] < SECONDS


def test_one_crowd_member_more_changes_nothing_for_the_others():
    alone = heard(a_shop(a_customer()))
    among = [
        report
        for report in heard(a_shop(a_customer(), *crowd(9, seed=7, seconds=60)))
        if report.phone.customer
    ]
    assert among == alone


def test_a_customers_payload_is_the_identifier_of_its_slot():
    report = heard(a_shop(a_customer()))[0]
    advertisement = advertisement_from_payload(
        moment(report.at_s), report.address, report.rssi_dbm, report.payload
    )
    utc_s = START_S + report.at_s
    assert eddystone.FORMAT.identify(advertisement) == ephemeral_identifier(
        window_key(KEY, utc_s), slot_at(utc_s)
    )


def test_identifier_and_address_change_together_when_the_slot_is_over():
    boundary_s = SLOT_S - START_S % SLOT_S
    shop = a_shop(a_customer(standing_still(Spot(1, 2))), start_s=boundary_s - 30)
    pairs = [pair for pair, _ in itertools.groupby((r.address, r.payload) for r in heard(shop))]
    assert len(pairs) == 2
    assert pairs[0][0] != pairs[1][0]
    assert pairs[0][1] != pairs[1][1]


def test_a_phone_with_ticks_changes_its_payload_every_16_s_and_its_address_with_the_slot():
    broadcast = CustomerBroadcast(KEY, ticks=True)
    phone = Phone("Anna", standing_still(Spot(1, 2)), broadcast, customer=True)
    boundary_s = SLOT_S - START_S % SLOT_S
    pairs = [
        pair
        for pair, _ in itertools.groupby(
            (r.address, r.payload) for r in heard(a_shop(phone, start_s=boundary_s - 32))
        )
    ]
    assert len({payload for _, payload in pairs}) == len(pairs) == 4
    assert [len(list(same)) for _, same in itertools.groupby(a for a, _ in pairs)] == [2, 2]


def test_a_stranger_changes_address_and_payload_together_when_its_life_is_over():
    phone = Phone(
        "stranger",
        standing_still(Spot(1, 2)),
        StrangerBroadcast("apple nearby", life_s=20, phase_s=10),
    )
    pairs = [
        pair for pair, _ in itertools.groupby((r.address, r.payload) for r in heard(a_shop(phone)))
    ]
    assert len(pairs) == 4
    assert len({address for address, _ in pairs}) == len({payload for _, payload in pairs}) == 4


def test_addresses_are_resolvable_private_ones():
    assert {
        report.address[0] >> 6 for report in heard(a_shop(*crowd(30, seed=3, seconds=SECONDS)))
    } == {0b01}


@pytest.mark.parametrize("kind", KINDS)
def test_payloads_fit_a_legacy_advertisement_and_decode_except_the_malformed(kind):
    phone = Phone("stranger", standing_still(Spot(1, 2)), StrangerBroadcast(kind, life_s=1))
    payloads = {report.payload for report in heard(a_shop(phone))}
    assert len(payloads) > 30
    for payload in payloads:
        assert len(payload) <= 31
        if kind == "malformed":
            with pytest.raises(MalformedPayload):
                decode_payload(payload)
        else:
            decode_payload(payload)


def test_advertisements_come_in_the_interval_and_up_to_ten_milliseconds_of_chance():
    phone = a_customer(standing_still(Spot(1, 2)))
    times = [report.at_s for report in heard(a_shop(phone, air=EVERYTHING_ARRIVES))]
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert all(0.25 <= gap <= 0.2601 for gap in gaps)
    assert max(gaps) - min(gaps) > 0.008


def test_twice_the_distance_costs_six_decibels():
    air = Air(height_m=0)
    near, far = air.mean_dbm(Spot(2, 1.5), -59), air.mean_dbm(Spot(4, 1.5), -59)
    assert near - far == pytest.approx(20 * math.log10(2))


INNER = SimulatedAntenna("inner", Spot(0, 0.1), looks_in=1, back_db=10)
OUTER = SimulatedAntenna("outer", Spot(0, -0.1), looks_in=-1, back_db=10)


def test_two_antennas_back_to_back_tell_the_side_and_nothing_of_the_distance():
    air = Air(open_door_m=0.7)

    def lead_db(spot: Spot) -> float:
        return air.mean_dbm(spot, -67, INNER) - air.mean_dbm(spot, -67, OUTER)

    near, far = lead_db(Spot(0, 1.5)), lead_db(Spot(0, 6))
    assert 5 < near < far < 12
    assert lead_db(Spot(0, -1.5)) == pytest.approx(-near)


def test_who_stands_in_line_with_the_open_door_is_not_behind_the_front():
    shut, stands_open = Air(), Air(open_door_m=0.7)
    before_it, beside_it = Spot(0.2, -1), Spot(4, -1)
    assert stands_open.mean_dbm(before_it, -67) - shut.mean_dbm(before_it, -67) == 9
    assert stands_open.mean_dbm(beside_it, -67) == shut.mean_dbm(beside_it, -67)


def test_one_more_antenna_changes_nothing_for_those_that_hang_already():
    phone = a_customer(standing_still(Spot(1, 2)))
    alone = a_shop(phone)
    joined = a_shop(phone, antennas=(OVER_THE_COUNTER, INNER))
    with_it = heard(joined)
    assert [one for one in with_it if one.antenna == "sim0"] == heard(alone)
    assert {one.antenna for one in with_it} == {"sim0", "inner"}


def test_fading_and_shadowing_spread_the_readings_around_the_mean():
    phone = a_customer(standing_still(Spot(1, 2), seconds=600))
    readings = [r.rssi_dbm for r in heard(a_shop(phone, air=EVERYTHING_ARRIVES, seconds=600))]
    assert abs(median(readings) - Air().mean_dbm(Spot(1, 2), phone.power_dbm)) < 2.5
    assert 10 < max(readings) - min(readings) < 50


def test_what_is_too_weak_is_lost():
    far = a_customer(standing_still(Spot(20, -3)))
    near = a_customer(standing_still(Spot(1, 2)))
    assert len(heard(a_shop(far))) < 0.5 * len(heard(a_shop(near)))


@pytest.mark.requirement("R-19")
def test_who_passes_by_is_weaker_than_who_comes_in_most_of_the_time():
    walks = {
        "comes in": visiting(10, COUNTER, then_left=True),
        "stops at the window": visiting(10, WINDOW, then_left=True),
        "passes by": passing(0, y_m=-2.5),
    }
    readings: dict[str, list[int]] = defaultdict(list)
    for seed, (name, walk) in itertools.product(range(30), walks.items()):
        for report in heard(a_shop(a_customer(walk), seed=seed)):
            if 12 <= report.at_s < 28:
                readings[name].append(report.rssi_dbm)
    threshold_dbm = -82
    inside, window, street = (
        sum(rssi_dbm >= threshold_dbm for rssi_dbm in readings[name]) / len(readings[name])
        for name in walks
    )
    assert inside > 0.85
    assert window < 0.15
    assert street < 0.3


def test_a_walk_has_no_leaps():
    walk = visiting(20, [(Spot(2, 3), 5), (Spot(-3, 6), 5)], then_left=False)
    spots = [
        walk.at(walk.begins_s + n / 10) for n in range(int((walk.ends_s - walk.begins_s) * 10))
    ]
    for before, after in itertools.pairwise(spots):
        assert before is not None
        assert after is not None
        assert math.dist(before, after) <= WALKING_M_S / 10 + 1e-9


def test_a_visitor_goes_through_the_door_at_the_time_given_and_a_passer_by_never():
    walk = visiting(20, COUNTER, then_left=True)
    assert place_of(walk.at(19)) is Position.WINDOW
    assert place_of(walk.at(21)) is Position.INSIDE
    for outside in (passing(0, y_m=-2), visiting(20, WINDOW, then_left=True)):
        assert Position.INSIDE not in {place_of(outside.at(t_s)) for t_s in range(100)}


async def test_the_source_hands_over_what_decodes_and_counts_what_does_not():
    shop = a_shop(a_customer(), *crowd(24, seed=1, seconds=SECONDS))
    taken = []
    await shop.run(taken.append)
    reports = heard(shop)
    assert len(taken) == shop.heard
    assert shop.heard + shop.malformed == len(reports)
    assert shop.malformed > 0
    assert taken[0].at == moment(reports[0].at_s)
    assert {(said.address, said.payload) for said in shop.said} == {
        (r.address, r.payload) for r in reports
    }
    assert {said.customer for said in shop.said} == {True, False}


async def test_the_source_keeps_pace_with_its_clock():
    clock = SimulatedClock(moment(), speed=20)
    shop = SimulatedShop([a_customer(standing_still(Spot(1, 2)))], clock, seed=1, seconds=6)
    late_s = []
    await shop.run(
        lambda advertisement: late_s.append(clock.elapsed_s - (advertisement.at.utc_s - START_S))
    )
    assert min(late_s) >= -1e-6
    assert median(late_s) < 1
    assert clock.elapsed_s >= 6
