"""A satellite: it says what its gateway asks for, nothing of anybody else, and nothing old."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.config.rules import formats_with
from presence.core.consent.model import Flag
from presence.core.recognition.advertisement import Advertisement, advertisement_from_payload
from presence.core.recognition.beacons import eddystone, ibeacon
from presence.core.recognition.doubt import Doubt
from presence.core.recognition.satellite_guard import SatelliteGuard
from presence.core.recognition.satellite_message import (
    MAX_READINGS,
    SatelliteMessage,
    decode_heard,
    encode_nonce,
)
from presence.core.recognition.ticks import seal_at
from presence.errors import BrokerError
from presence.gateway.satellites import SILENT_S, as_advertisement
from presence.satellite import HEARTBEAT_S, MAX_WAITING, NONCE_OLD_S, Station
from presence.simulation.identity_keys import window_key
from presence.telemetry import SatelliteAsked, SatelliteUnasked
from scripts.stores.customers import identity_key
from tests.support.builders import (
    ANNA,
    SITE,
    advertisement,
    an_engine,
    identifier_of,
    moment,
    stranger,
    with_flags,
)
from tests.support.fake_satellite import PAVEMENT, PAVEMENT_KEY
from tests.support.fakes import FakeClock, FakePublisher, RecordingTelemetry

PREFIX = "5072657365636531"
NONCE = b"nonce--1"


class OnTheWall:
    """A satellite with a broker of stand-ins."""

    def __init__(self, *, asked: bool = True) -> None:
        self.clock, self.link, self.telemetry = (
            FakeClock(moment()),
            FakePublisher(),
            RecordingTelemetry(),
        )
        self.listens = True
        self.station = Station(
            PAVEMENT,
            SITE,
            PAVEMENT_KEY,
            formats_with(PREFIX),
            link=self.link,
            clock=self.clock,
            emit=self.telemetry.emit,
            listens=lambda: self.listens,
            chance=bytes,
            collect_s=0.001,
        )
        if asked:
            self.ask()

    def ask(self, nonce: bytes = NONCE) -> None:
        self.station._take_nonce("", encode_nonce(nonce), False)

    def says(self, after_s: float = 0.2) -> list[SatelliteMessage]:
        """What it says so much later."""
        payloads = self.station.messages(self.clock.pass_s(after_s))
        heard = [decode_heard(payload, PAVEMENT_KEY, SITE, PAVEMENT) for payload in payloads]
        messages = [message for message in heard if isinstance(message, SatelliteMessage)]
        assert len(messages) == len(payloads)
        return messages

    def hear(self, heard: Advertisement | None = None) -> None:
        now = self.clock.now()
        self.station.hear(heard or advertisement(at=now))


def test_what_was_heard_is_said_with_its_age_and_strength() -> None:
    wall = OnTheWall()
    wall.hear(advertisement(rssi_dbm=-71))
    [message] = wall.says(0.2)
    [reading] = message.readings
    assert (reading.age_ms, reading.rssi_dbm) == (200, -71)
    assert reading.eid == identifier_of(ANNA, moment().utc_s)
    assert message.nonce == NONCE


def test_both_formats_are_said_by_their_identifier() -> None:
    wall, eid = OnTheWall(), identifier_of(ANNA, moment().utc_s)
    payload = ibeacon.payload(bytes.fromhex(PREFIX), eid, tx_power_dbm=-59)
    heard = advertisement()._replace(service_data={}, manufacturer_data={0x004C: payload[7:]})
    wall.hear(heard)
    [message] = wall.says()
    assert [reading.eid for reading in message.readings] == [eid]


@pytest.mark.requirement("T-01")
def test_a_seal_survives_the_way_and_a_frame_that_lost_it_is_a_recording() -> None:
    wall, engine = OnTheWall(), an_engine(with_flags(Flag.TICKS))
    eid = identifier_of(ANNA, moment().utc_s)
    seal = seal_at(window_key(identity_key(ANNA), moment().utc_s), moment().utc_s)
    payload = eddystone.payload(eid, tx_power_dbm=-18, seal=seal)
    wall.hear(advertisement_from_payload(moment(), b"\x4a" + bytes(5), -60, payload))
    [reading] = wall.says()[0].readings
    assert reading.extension == seal
    for each in (reading, reading._replace(extension=b"")):
        engine.receive(as_advertisement(each, PAVEMENT, wall.clock.now()))
    assert engine.counts.recognised == 1
    assert engine.counts.suspect == {Doubt.NO_TICK: 1}


@pytest.mark.requirement("R-01", "R-02", "T-27")
@given(
    st.binary(max_size=31),
    st.sampled_from([eddystone.SERVICE_UUID, "0000180f-0000-1000-8000-00805f9b34fb"]),
)
def test_of_a_bystander_nothing_is_kept_and_nothing_said(data: bytes, uuid: str) -> None:
    wall = OnTheWall()
    wall.says(HEARTBEAT_S)
    heard = stranger()._replace(service_data={uuid: data})
    if eddystone.FORMAT.identify(heard) is not None:
        return
    wall.hear(heard)
    wall.hear(stranger())
    assert not wall.station._waiting
    assert wall.says() == []


@pytest.mark.requirement("R-65", "T-27")
def test_no_address_and_no_name_is_in_what_is_said() -> None:
    wall = OnTheWall()
    wall.hear(advertisement(address=b"\x4a\x99\x88\x77\x66\x55"))
    [payload] = wall.station.messages(wall.clock.pass_s(0.2))
    assert b"\x4a\x99\x88\x77" not in payload
    assert b"\x55\x66\x77\x88" not in payload
    assert len(payload) == 51


def test_a_strength_that_says_nothing_is_not_said() -> None:
    wall = OnTheWall()
    wall.hear(advertisement(rssi_dbm=None))
    assert wall.says() == []


def test_what_could_not_be_said_in_time_is_thrown_away() -> None:
    wall = OnTheWall()
    wall.hear()
    wall.clock.pass_s(1.5)
    wall.hear()
    [message] = wall.says(1.0)
    assert [reading.age_ms for reading in message.readings] == [1000]


def test_a_crowd_takes_several_messages_in_the_order_of_hearing_and_bounded_memory() -> None:
    wall = OnTheWall()
    for _ in range(MAX_WAITING + 100):
        wall.hear()
        wall.clock.pass_s(0.001)
    messages = wall.says()
    assert [len(message.readings) for message in messages] == [MAX_READINGS] * 3
    ages = [reading.age_ms for message in messages for reading in message.readings]
    assert ages == sorted(ages, reverse=True)
    sent = [message.sent_ms for message in messages]
    assert sent == sorted(set(sent))


def test_a_heartbeat_comes_often_enough_not_to_be_lost() -> None:
    wall = OnTheWall()
    heartbeats = [message for _ in range(100) for message in _asked_again(wall)]
    assert all(message.readings == () for message in heartbeats)
    assert len(heartbeats) == int(20 / HEARTBEAT_S)
    assert 3 * HEARTBEAT_S <= SILENT_S


def _asked_again(wall: OnTheWall) -> list[SatelliteMessage]:
    wall.ask()
    return wall.says(0.2)


def test_a_radio_that_does_not_work_is_silent() -> None:
    wall = OnTheWall()
    wall.listens = False
    assert wall.says(HEARTBEAT_S) == []
    wall.listens = True
    assert len(wall.says(0.2)) == 1


@pytest.mark.requirement("R-16", "R-19")
def test_unasked_it_neither_listens_nor_speaks() -> None:
    wall = OnTheWall(asked=False)
    wall.hear()
    assert not wall.station.asked
    assert wall.says(HEARTBEAT_S) == []
    wall.ask()
    assert wall.station.asked
    wall.hear()
    assert len(wall.says(NONCE_OLD_S)) == 1  # a heartbeat: the reading is too old
    wall.hear()
    assert wall.says(0.1) == []
    assert not wall.station.asked
    assert not wall.station._waiting
    assert len(wall.telemetry.of(SatelliteAsked)) == 1
    assert len(wall.telemetry.of(SatelliteUnasked)) == 1


def test_what_is_no_nonce_asks_for_nothing() -> None:
    wall = OnTheWall(asked=False)
    for payload in (b"", b"{}", bytes(9), b"\x01" + bytes(9)):
        wall.station._take_nonce("", payload, False)
    assert not wall.station.asked


def test_its_gateway_takes_all_that_it_says_for_an_hour() -> None:
    wall, guard = OnTheWall(), SatelliteGuard()
    guard.give(NONCE)
    refused = []
    for turn in range(1200):
        wall.ask()
        if turn % 2:
            wall.hear()
        messages = wall.says(HEARTBEAT_S)
        now_s = wall.clock.now().monotonic_s
        refused += [guard.admit(message, now_s + 0.2) for message in messages]
    assert len(refused) == 1200
    assert set(refused) == {None}


async def test_a_broker_that_is_away_costs_what_was_heard_meanwhile_and_nothing_after() -> None:
    wall = OnTheWall()

    class Flaky(FakePublisher):
        async def send(self, topic: str, payload: bytes) -> None:
            self.attempts += 1
            if self.attempts == 1:
                raise BrokerError("not connected")
            await super().send(topic, payload)

    link = wall.station._link = Flaky()
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(wall.station.run())
        for wanted in (1, 2):
            wall.hear()
            wall.clock.pass_s(0.2)
            async with asyncio.timeout(5):
                while link.attempts < wanted:  # noqa: ASYNC110 - the station's own turns
                    await asyncio.sleep(0.001)
        running.cancel()
    assert len(link.sent) == 1
    assert [topic for topic, _ in link.sent] == ["presence/v1/acme/fi-0042/sat/pavement/heard"]
    assert list(link.subscribed) == ["presence/v1/acme/fi-0042/sat/pavement/nonce"]
