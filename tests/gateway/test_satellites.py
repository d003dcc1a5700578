"""Satellites at a gateway: what they hear counts, what is not theirs does not, and silence is
told.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from presence.core.operations.radio_health import Condition
from presence.core.operations.snapshot import SatelliteState
from presence.core.place import Place
from presence.core.recognition.advertisement import Advertisement
from presence.core.recognition.beacons import eddystone
from presence.core.recognition.satellite_message import SatelliteRefusal, encode_nonce
from presence.errors import BrokerError
from presence.gateway.antennas import HEARS, watch_antennas
from presence.gateway.satellites import AWAITED_S, LOST_S, SILENT_S, Satellite, Satellites
from presence.telemetry import SatelliteHeard, SatelliteIgnored, SatelliteLost
from tests.support.builders import ANNA, SITE, an_engine, approach, consent, moment
from tests.support.fake_satellite import PAVEMENT, PAVEMENT_KEY, FakeSatellite, reading
from tests.support.fakes import FakeClock, FakePublisher, RecordingTelemetry


class NonceLink(FakePublisher):
    """A broker that says when both satellites have been asked; `away`: it takes nothing."""

    def __init__(self, *, away: bool = False) -> None:
        super().__init__()
        self.away = away
        self.tries = 0
        self.asked = asyncio.Event()

    async def send(self, topic: str, payload: bytes) -> None:
        self.tries += 1
        if self.tries >= 2:
            self.asked.set()
        if self.away:
            raise BrokerError("not connected")
        await super().send(topic, payload)


class Shopfront:
    """A gateway's side of two satellites, and the satellites."""

    def __init__(
        self, *, away: bool = False, beside: bool = False, nonce_s: float = 1000.0
    ) -> None:
        self.clock, self.link, self.telemetry = (
            FakeClock(moment()),
            NonceLink(away=away),
            RecordingTelemetry(),
        )
        self.open = True
        self.pavement = FakeSatellite()
        self.till = FakeSatellite("till", bytes(32))
        self.satellites = Satellites(
            SITE,
            (
                Satellite(name=PAVEMENT, place=Place.OUTSIDE, key=PAVEMENT_KEY),
                Satellite(name="till", place=Place.INSIDE, key=bytes(32)),
            ),
            self.link,
            clock=self.clock,
            emit=self.telemetry.emit,
            wanted=lambda _now: self.open,
            beside=beside,
            nonce_s=nonce_s,
        )
        self.heard: list[Advertisement] = []

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Shopfront"]:
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(self.satellites.run(self.heard.append))
            try:
                async with asyncio.timeout(5):
                    await self.link.asked.wait()
                for satellite in (self.pavement, self.till):
                    nonces = [sent for sent in self.link.sent if sent[0] == satellite.nonce_topic]
                    for topic, payload in nonces:
                        satellite.take(topic, payload)
                yield self
            finally:
                task.cancel()

    def hear(self, payload: bytes, *, topic: str = "") -> None:
        handler, _no_local = self.link.subscribed[topic or self.pavement.topic]
        handler(topic or self.pavement.topic, payload, False)

    def state(self, name: str = PAVEMENT) -> SatelliteState:
        looks = {each.name: each for each in self.satellites.look(self.clock.now())}
        return looks[name].state

    def ignored(self, name: str = PAVEMENT) -> dict[SatelliteRefusal, int]:
        looks = {each.name: each for each in self.satellites.look(self.clock.now())}
        return dict(looks[name].ignored)

    def pass_s(self, seconds: float) -> None:
        self.satellites.advance(self.clock.pass_s(seconds))


@pytest.fixture
async def shopfront() -> AsyncIterator[Shopfront]:
    async with Shopfront().running() as running:
        yield running


async def test_a_reading_is_an_advertisement_at_the_time_when_it_was_heard(
    shopfront: Shopfront,
) -> None:
    shopfront.hear(shopfront.pavement.says(reading(age_ms=250, rssi_dbm=-71)))
    [heard] = shopfront.heard
    assert heard.at == moment(-0.25)
    assert (heard.antenna, heard.rssi_dbm, heard.address) == (PAVEMENT, -71, b"")
    assert eddystone.FORMAT.identify(heard) == reading().eid


async def test_a_customer_who_is_heard_by_a_satellite_alone_is_recognised(
    shopfront: Shopfront,
) -> None:
    engine = an_engine(consent())
    shopfront.hear(shopfront.pavement.says(reading()))
    engine.receive(shopfront.heard[0])
    assert engine.counts.recognised == 1


@pytest.mark.requirement("R-01", "R-02")
async def test_an_identifier_that_nobody_agreed_to_leaves_a_count_and_nothing_else(
    shopfront: Shopfront,
) -> None:
    engine = an_engine(consent())
    shopfront.hear(shopfront.pavement.says(reading(b"stranger")))
    engine.receive(shopfront.heard[0])
    assert (engine.counts.unknown, engine.counts.recognised) == (1, 0)
    assert engine.visits.refs() == set()


@pytest.mark.requirement("T-01")
async def test_a_satellite_without_addresses_makes_nobody_who_is_heard_by_adapters_suspect(
    shopfront: Shopfront,
) -> None:
    engine = an_engine(consent())
    for heard in approach():
        engine.receive(heard)
        shopfront.hear(shopfront.pavement.says(reading()))
        engine.receive(shopfront.heard[-1]._replace(at=heard.at))
    assert engine.counts.suspect.total() == 0
    assert engine.visits.is_inside(ANNA)


async def test_an_extension_that_no_format_knows_is_nobodys_also_where_test_phones_are_resolved(
    shopfront: Shopfront,
) -> None:
    engine = an_engine(consent(), irks={ANNA: bytes(16)})
    shopfront.hear(shopfront.pavement.says(reading()._replace(extension=b"\x01\x02\x03")))
    engine.receive(shopfront.heard[0])
    assert engine.counts.other_format == 1


@pytest.mark.requirement("T-27")
@pytest.mark.parametrize("why", ["forged", "another topic", "malformed", "copy", "stale"])
async def test_what_is_not_new_or_not_its_own_is_dropped_counted_and_told(
    shopfront: Shopfront, why: str
) -> None:
    pavement, till = shopfront.pavement, shopfront.till
    if why == "forged":
        pavement.key = bytes(32)
        shopfront.hear(pavement.says(reading()))
    elif why == "another topic":
        shopfront.hear(till.says(reading()))
    elif why == "malformed":
        shopfront.hear(b"{}")
    elif why == "copy":
        payload = pavement.says(reading())
        shopfront.hear(payload)
        shopfront.hear(payload)
        shopfront.heard.pop(0)
    else:
        pavement.nonce = bytes(8)
        shopfront.hear(pavement.says(reading()))
        shopfront.pass_s(AWAITED_S)
        shopfront.hear(pavement.says(reading()))
    reason = SatelliteRefusal("forged" if why == "another topic" else why)
    assert shopfront.heard == []
    assert shopfront.ignored() == {reason: 2 if why == "stale" else 1}
    [told] = shopfront.telemetry.of(SatelliteIgnored)
    assert (told.satellite, told.reason) == (PAVEMENT, reason.value)
    assert told.next_step


async def test_what_was_under_way_at_our_start_is_stale_and_no_news(shopfront: Shopfront) -> None:
    shopfront.pavement.nonce = bytes(8)
    shopfront.hear(shopfront.pavement.says(reading()))
    assert shopfront.ignored() == {SatelliteRefusal.STALE: 1}
    assert shopfront.telemetry.of(SatelliteIgnored) == []


@pytest.mark.requirement("T-01", "T-27")
async def test_what_was_recorded_before_a_restart_of_the_gateway_is_worth_nothing_after_it() -> (
    None
):
    async with Shopfront().running() as before:
        recorded = [before.pavement.says(reading()) for _ in range(5)]
        before.hear(recorded[0])
        assert len(before.heard) == 1
    async with Shopfront().running() as after:
        for payload in recorded:
            after.hear(payload)
        assert after.heard == []
        assert after.ignored() == {SatelliteRefusal.STALE: 5}


async def test_a_flood_of_forged_messages_does_not_fill_the_journal(shopfront: Shopfront) -> None:
    shopfront.pavement.key = bytes(32)
    for _ in range(1000):
        shopfront.hear(shopfront.pavement.says(reading()))
    assert len(shopfront.telemetry.of(SatelliteIgnored)) == 10


@pytest.mark.requirement("T-27")
async def test_a_satellite_that_is_silent_is_lost_and_told_once(shopfront: Shopfront) -> None:
    assert shopfront.state() is SatelliteState.AWAITED
    shopfront.hear(shopfront.pavement.says())
    assert shopfront.state() is SatelliteState.HEARD
    assert shopfront.satellites.hearing() == {PAVEMENT}
    for _ in range(5):
        shopfront.pass_s(LOST_S / 2)
    assert shopfront.state() is SatelliteState.LOST
    assert shopfront.satellites.hearing() == frozenset()
    assert shopfront.state("till") is SatelliteState.AWAITED
    shopfront.pass_s(AWAITED_S)
    lost = shopfront.telemetry.of(SatelliteLost)
    assert [(each.satellite, each.place) for each in lost] == [
        (PAVEMENT, "outside"),
        ("till", "inside"),
    ]
    shopfront.hear(shopfront.pavement.says(after_ms=55_000))
    assert shopfront.state() is SatelliteState.HEARD
    assert len(shopfront.telemetry.of(SatelliteHeard)) == 2


@pytest.mark.requirement("T-27")
async def test_a_forged_heartbeat_keeps_no_satellite_alive(shopfront: Shopfront) -> None:
    shopfront.hear(shopfront.pavement.says())
    shopfront.pavement.key = bytes(32)
    for _ in range(3):
        shopfront.pass_s(LOST_S / 2)
        shopfront.hear(shopfront.pavement.says())
    assert shopfront.state() is SatelliteState.LOST


@pytest.mark.requirement("R-16", "R-19")
async def test_while_the_shop_is_closed_nobody_is_asked_to_listen_and_nobody_is_missed() -> None:
    shopfront = Shopfront()
    shopfront.open = False
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(shopfront.satellites.run(shopfront.heard.append))
        await asyncio.sleep(0.1)
        task.cancel()
    assert shopfront.link.sent == []
    for _ in range(3):
        shopfront.pass_s(LOST_S)
    assert shopfront.state() is SatelliteState.RESTING
    assert shopfront.telemetry.of(SatelliteLost) == []
    shopfront.open = True
    shopfront.pass_s(1)
    assert shopfront.state() is SatelliteState.AWAITED
    shopfront.pass_s(LOST_S)
    assert shopfront.state() is SatelliteState.AWAITED  # its radio has only just begun
    shopfront.pass_s(AWAITED_S)
    assert shopfront.state() is SatelliteState.LOST


async def test_without_a_broker_the_satellites_are_lost_and_the_gateway_goes_on() -> None:
    async with Shopfront(away=True).running() as shopfront:
        shopfront.pass_s(AWAITED_S)
        assert shopfront.state() is SatelliteState.LOST


async def test_the_technicians_tool_beside_a_gateway_listens_by_its_nonces_and_gives_none() -> None:
    shopfront = Shopfront(beside=True, nonce_s=0.05)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(shopfront.satellites.run(shopfront.heard.append))
        await asyncio.sleep(0.02)
        pavement = shopfront.pavement
        for number in range(8):  # the gateway asks, in time
            nonce = encode_nonce(number.to_bytes(8, "big"))
            pavement.take(pavement.nonce_topic, nonce)
            shopfront.hear(nonce, topic=pavement.nonce_topic)
            shopfront.hear(pavement.says(reading()))
            await asyncio.sleep(0.03)
        assert len(shopfront.heard) == 8
        assert [sent for sent in shopfront.link.sent if sent[0] == pavement.nonce_topic] == []
        shopfront.clock.pass_s(1)  # the gateway has stopped
        async with asyncio.timeout(5):
            while pavement.nonce_topic not in dict(shopfront.link.sent):  # noqa: ASYNC110 - its turns
                await asyncio.sleep(0.01)
        nonce = dict(shopfront.link.sent)[pavement.nonce_topic]
        pavement.take(pavement.nonce_topic, nonce)
        shopfront.hear(nonce, topic=pavement.nonce_topic)  # our own, as the broker brings it back
        shopfront.hear(pavement.says(reading(), after_ms=1000))
        assert len(shopfront.heard) == 9
        task.cancel()


class ToldRule:
    """Keeps what it is told of antennas."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    def antenna_lost(self, antenna: str) -> None:
        self.told.append(("lost", antenna))

    def antenna_back(self, antenna: str) -> None:
        self.told.append(("back", antenna))


async def test_the_rule_is_told_which_antennas_hear_from_the_start_and_at_each_change(
    shopfront: Shopfront,
) -> None:
    rule = ToldRule()
    watch = watch_antennas({}, shopfront.satellites, rule)
    watch.advance()
    assert rule.told == [("lost", PAVEMENT), ("lost", "till")]
    shopfront.hear(shopfront.pavement.says())
    watch.advance()
    watch.advance()
    assert rule.told[2:] == [("back", PAVEMENT)]
    shopfront.pass_s(SILENT_S)
    watch.advance()
    assert rule.told[3:] == [("lost", PAVEMENT)]
    assert shopfront.state() is SatelliteState.HEARD  # nobody is told of three seconds
    shopfront.hear(shopfront.pavement.says(after_ms=3000))
    watch.advance()
    assert rule.told[4:] == [("back", PAVEMENT)]


@dataclass
class Radio:
    condition: Condition | None


def test_an_adapter_that_is_away_deaf_or_hides_repeats_is_lost_to_the_rule_and_comes_back() -> None:
    radios, rule = {"00:00:5E:00:53:01": Radio(Condition.QUIET), "file": Radio(None)}, ToldRule()
    watch = watch_antennas(radios, None, rule)
    for condition in Condition:
        radios["00:00:5E:00:53:01"].condition = condition
        watch.advance()
        told = rule.told[-1] if rule.told else ("back", "00:00:5E:00:53:01")
        assert told == ("back" if condition in HEARS else "lost", "00:00:5E:00:53:01")
    assert {Condition.QUIET, Condition.WELL} == HEARS
