"""How loud a phone is: what its entry and the power byte take off, and what they never add."""

from math import inf
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.core.engine import Engine
from presence.core.place import Place
from presence.core.recognition.advertisement import Advertisement, advertisement_from_payload
from presence.core.recognition.beacons import FORMATS, eddystone, ibeacon
from presence.core.recognition.challenge import DoorbellReading
from presence.core.recognition.loudness import MAX_SAID_DB, loudness_db
from tests.support.answers import answered
from tests.support.builders import (
    ANNA,
    DoorRule,
    a_list,
    advertisement,
    an_engine,
    approach,
    consent,
    identifier_of,
    moment,
)

REFERENCE_DBM = -18
PREFIX = bytes.fromhex("0f1e2d3c4b5a6978")
LISTED = st.integers(0, 7).map(lambda steps: 4 * steps)
SAID = st.none() | st.integers(-128, 127 + 41)


@given(LISTED, SAID, st.none() | st.integers(-100, 20))
def test_what_is_taken_off_is_what_the_list_says_or_up_to_6_db_that_the_phone_says(
    listed_db: int, said_dbm: int | None, reference_dbm: int | None
) -> None:
    taken_db = loudness_db(listed_db, said_dbm, reference_dbm)

    above_db = 0 if said_dbm is None or reference_dbm is None else said_dbm - reference_dbm
    assert taken_db == max(listed_db, min(above_db, MAX_SAID_DB), 0)


@given(st.integers(-128, 127), st.binary(min_size=8, max_size=8))
def test_both_formats_say_a_power_at_0_m(power_dbm: int, eid: bytes) -> None:
    e2 = ibeacon.format_for(PREFIX)
    one = heard(eddystone.payload(eid, tx_power_dbm=power_dbm))
    two = heard(ibeacon.payload(PREFIX, eid, tx_power_dbm=power_dbm))

    assert (said(eddystone.FORMAT, one), said(e2, one)) == (power_dbm, None)
    assert (said(eddystone.FORMAT, two), said(e2, two)) == (None, power_dbm + 41)


@given(st.binary(max_size=30))
def test_any_bytes_at_all_say_a_power_or_none(data: bytes) -> None:
    for frame in (data, b"\x30" + data, b"\x02\x15" + PREFIX + data):
        advertisement = heard(b"")._replace(
            service_data={eddystone.SERVICE_UUID: frame},
            manufacturer_data={ibeacon.COMPANY: frame},
        )
        for each in (eddystone.FORMAT, ibeacon.format_for(PREFIX)):
            assert said(each, advertisement) in (None, *range(-128, 127 + 42))


def heard(payload: bytes) -> Advertisement:
    return advertisement_from_payload(moment(), bytes(6), -60, payload)


def said(each: Any, advertisement: Advertisement) -> int | None:
    power_dbm: int | None = each.power_dbm(advertisement)
    return power_dbm


# ---------------------------------------------------------------- what it does to an entry


def walked_in(engine: Engine, rssi_dbm: int, *, frame: bytes | None = None) -> int | None:
    """How many readings it took to enter; None where they were not enough."""
    for number, each in enumerate(approach(rssi_dbm=rssi_dbm), start=1):
        eid = identifier_of(ANNA, each.at.utc_s)
        data = each.service_data if frame is None else {eddystone.SERVICE_UUID: frame + eid}
        if engine.receive(each._replace(service_data=data)).queued:
            return number
    return None


SEVERAL: Final = {
    "inside": {"back": Place.INSIDE},
    "inside + door": {"back": Place.INSIDE, "inner": Place.DOOR},
    "door + outside": {"inner": Place.DOOR, "outer": Place.OUTSIDE},
    "inside + door + outside": {
        "back": Place.INSIDE,
        "middle": Place.INSIDE,
        "inner": Place.DOOR,
        "outer": Place.OUTSIDE,
    },
}
"""Antennas by their places."""
Packets = list[tuple[float, list[int | None]]]
"""Seconds since the packet before, and how strongly each antenna heard it, if it did."""


@st.composite
def walks(draw: st.DrawFn) -> Packets:
    """Up to three stretches, in each of which every antenna hears a level of its own, more or less,
    or nothing.
    """
    packets: Packets = []
    for _ in range(draw(st.integers(1, 3))):
        levels = draw(st.lists(st.integers(-100, -40), min_size=4, max_size=4))
        for _ in range(draw(st.integers(1, 10))):
            off_db = draw(st.lists(st.sampled_from([0, 0, -15, 6, None]), min_size=4, max_size=4))
            heard = [
                None if off is None else level + off
                for level, off in zip(levels, off_db, strict=True)
            ]
            packets.append((draw(st.sampled_from([1.0, 0.3, 0.1, 3.0])), heard))
    return packets


QUICK: Final = DoorRule(score=10, evidence_db_s=10, min_sightings=3, min_duration_s=1)


def first_entry_s(packets: Packets, places: dict[str, Place], loudness: int, power: int) -> float:
    """When she has entered, in seconds of her walk; infinity where she has not."""
    engine, now = an_engine(consent(loudness_db=loudness), places=places, entry=QUICK), moment()
    for pause_s, heard in packets:
        now = now.later(pause_s)
        for antenna, rssi_dbm in zip(places, heard, strict=False):
            packet = advertisement(at=now, rssi_dbm=rssi_dbm)._replace(antenna=antenna)
            frame = b"\x30" + power.to_bytes(1, "big", signed=True)
            eid = identifier_of(ANNA, now.utc_s)
            data = {eddystone.SERVICE_UUID: frame + eid}
            if rssi_dbm is not None and engine.receive(packet._replace(service_data=data)).queued:
                return now.monotonic_s - moment().monotonic_s
    return inf


@pytest.mark.requirement("T-01")
@pytest.mark.parametrize("where", SEVERAL)
@given(packets=walks(), louder=st.tuples(LISTED, LISTED), power=st.integers(-128, 127))
def test_a_louder_phone_never_enters_earlier_wherever_antennas_hang_and_whichever_hear_it(
    where: str, packets: Packets, louder: tuple[int, int], power: int
) -> None:
    """Silence of an antenna counts as a reading, too: what is loud and not heard is further away,
    so that reading is lower by the loudness as well.
    """
    less, more = sorted(louder)
    places = SEVERAL[where]
    quiet_s = first_entry_s(packets, places, less, -128)

    assert first_entry_s(packets, places, more, -128) >= quiet_s
    assert first_entry_s(packets, places, less, power) >= quiet_s


def loud(**changes: Any) -> Engine:
    return an_engine(consent(**changes), reference_tx_dbm=REFERENCE_DBM)


@pytest.mark.parametrize(("loudness", "enters"), [(0, True), (4, True), (8, False), (28, False)])
def test_a_phone_that_is_listed_as_loud_needs_as_much_more_strength(
    loudness: int, enters: bool
) -> None:
    """-61 dBm are 14 dB above the threshold: 10 and more are one walk-in, 6 are none."""
    assert (walked_in(loud(loudness_db=loudness), -61) is not None) is enters


@pytest.mark.requirement("T-01")
@pytest.mark.parametrize(
    ("power", "enters"),
    [(0x80, True), (0xEE - 20, True), (0xEE, True), (0xEE + 1, False), (0x7F, False)],
    ids=["lowest", "quiet", "reference", "one louder", "loudest"],
)
def test_a_power_byte_above_the_reference_is_taken_off_and_one_below_adds_nothing(
    power: int, enters: bool
) -> None:
    """-65 dBm is the weakest strength with which this walk-in enters."""
    assert walked_in(loud(), -66) is None
    assert (walked_in(loud(), -65, frame=bytes((0x30, power))) is not None) is enters


@pytest.mark.parametrize(("rssi_dbm", "enters"), [(-59, True), (-60, False)])
def test_who_writes_the_largest_byte_loses_6_db_and_is_found_all_the_same(
    rssi_dbm: int, enters: bool
) -> None:
    assert (walked_in(loud(), rssi_dbm, frame=b"\x30\x7f") is not None) is enters


def test_the_larger_of_both_counts_and_not_their_sum() -> None:
    frame = b"\x30\x7f"
    assert walked_in(loud(loudness_db=4), -59, frame=frame) is not None
    assert walked_in(loud(loudness_db=8), -57, frame=frame) is not None
    assert walked_in(loud(loudness_db=8), -58, frame=frame) is None


def test_where_satellites_listen_what_the_phone_says_counts_for_nothing() -> None:
    engine = an_engine(consent(), reference_tx_dbm=None)
    assert walked_in(engine, -65, frame=b"\x30\x7f") is not None


def test_an_ibeacon_says_its_power_at_1_m() -> None:
    formats = (*FORMATS, ibeacon.format_for(PREFIX))
    for power_dbm, enters in ((-59, True), (-58, False)):
        engine = an_engine(consent(), formats=formats, reference_tx_dbm=REFERENCE_DBM)
        entered = False
        for each in approach(rssi_dbm=-65):
            eid = identifier_of(ANNA, each.at.utc_s)
            payload = ibeacon.payload(PREFIX, eid, tx_power_dbm=power_dbm)
            beacon = advertisement_from_payload(each.at, each.address, -65, payload)
            entered = entered or bool(engine.receive(beacon).queued)
        assert entered is enters


def test_a_new_list_changes_how_loud_a_phone_is_at_once() -> None:
    engine = loud(loudness_db=28)
    assert walked_in(engine, -61) is None
    engine.apply(a_list(consent(version=2)), moment(30))
    for second in range(8):
        engine.receive(advertisement(at=moment(30 + second), rssi_dbm=-61))
    assert engine.counts.entered == 1


def test_what_a_loud_phone_hears_of_the_gateway_is_not_louder_by_that() -> None:
    weakest = tuple(DoorbellReading(8.0 - second, -65) for second in range(9))
    assert loud(loudness_db=28).answered(answered(series=weakest)).queued


def test_a_strength_that_nobody_knows_stays_unknown() -> None:
    engine = loud(loudness_db=28)
    assert not engine.receive(advertisement(rssi_dbm=None)).queued
    assert ANNA not in engine.visits
