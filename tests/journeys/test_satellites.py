"""A satellite at the pavement, from the broker to the event: it holds back who stays outside, no
recording of it counts, and when it dies the shop goes on with what is left.

Real: mosquitto, the gateway as `presence run` assembles it, its clock, its store. Played: the
adapter inside, and the satellite (tests.support.fake_satellite) with its own connection.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from presence.assembly import gateway_of
from presence.config import load_settings
from presence.core.operations.snapshot import SatelliteState
from presence.core.recognition.advertisement import Advertisement
from presence.core.recognition.satellite_message import Reading, SatelliteRefusal
from presence.edges.host.clock import SystemClock
from presence.gateway.gateway import Gateway
from presence.gateway.satellites import LOST_S
from presence.ports import OnAdvertisement
from presence.telemetry import SatelliteHeard, SatelliteIgnored, SatelliteLost
from tests.support.brokers import Mosquitto, listener, mosquitto, needs_mosquitto
from tests.support.builders import ANNA, BERIT, advertisement, identifier_of
from tests.support.fake_satellite import (
    PAVEMENT_KEY,
    FakeSatellite,
    SatelliteOnBroker,
    on_broker,
)
from tests.support.fakes import FakeNotifier, RecordingTelemetry
from tests.support.shops import Shop, entry

pytestmark = [needs_mosquitto, pytest.mark.slow]

EVENTS = "presence/v1/acme/fi-0042/evt/offers-main"
SATELLITE = """
satellites: [{name: pavement, place: outside, key_file: pavement.key}]
entry: {enter_rssi_dbm: -75, evidence_db_s: 20, min_sightings: 4, min_duration_s: 2}
"""


class Adapter:
    """The one inside: hears what a test says, until cancelled."""

    def __init__(self) -> None:
        self.hear: OnAdvertisement = lambda _advertisement: None

    async def run(self, on_advertisement: OnAdvertisement) -> None:
        self.hear = on_advertisement
        await asyncio.Event().wait()


class Shopfront:
    """A gateway at work, and whoever is before or behind the front."""

    def __init__(self, folder: Path, broker: Mosquitto) -> None:
        now_s = time.time()
        shop = Shop(folder / "shop", broker.port).open(
            [entry(ref, around_s=now_s) for ref in (ANNA, BERIT)],
            published_at=int(now_s),
            suppression_checked_at=int(now_s),
        )
        shop.config.write_text(shop.config.read_text() + SATELLITE)
        (shop.folder / "pavement.key").write_text(PAVEMENT_KEY.hex())
        self.settings = load_settings(shop.config)
        self.telemetry, self.adapter, self.clock = RecordingTelemetry(), Adapter(), SystemClock()

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator["Shopfront"]:
        self.telemetry = RecordingTelemetry()
        with ExitStack() as stack:
            self.gateway: Gateway = gateway_of(
                self.settings,
                FakeNotifier(),
                stack,
                self.telemetry,
                sources=[self.adapter],
                clock=self.clock,
            )
            async with asyncio.TaskGroup() as tasks:
                running = tasks.create_task(self.gateway.run())
                try:
                    yield self
                finally:
                    running.cancel()

    def heard_inside(self, ref: bytes, rssi_dbm: int) -> Advertisement:
        heard = advertisement(ref=ref, at=self.clock.now(), rssi_dbm=rssi_dbm)
        self.adapter.hear(heard)
        return heard

    async def both_hear(
        self,
        ref: bytes,
        satellite: SatelliteOnBroker | None,
        *,
        inside_dbm: int,
        outside_dbm: int,
        seconds: float,
    ) -> None:
        """Four packets a second, heard by both; None: the satellite is not there."""
        for _ in range(int(4 * seconds)):
            self.heard_inside(ref, inside_dbm)
            if satellite is not None:
                eid = identifier_of(ref, self.clock.now().utc_s)
                await satellite.say(Reading(20, outside_dbm, eid))
            await asyncio.sleep(0.25)

    @property
    def state(self) -> SatelliteState:
        assert self.gateway.satellites is not None
        return self.gateway.satellites.look(self.clock.now())[0].state

    @property
    def ignored(self) -> dict[SatelliteRefusal, int]:
        assert self.gateway.satellites is not None
        return dict(self.gateway.satellites.look(self.clock.now())[0].ignored)

    def is_inside(self, ref: bytes) -> bool:
        return self.gateway.pipeline.engine.visits.is_inside(ref)


async def test_who_stays_outside_is_held_back_and_who_comes_in_is_told_of(tmp_path: Path) -> None:
    async with mosquitto(tmp_path) as broker, listener(broker.port, EVENTS) as events:
        async with Shopfront(tmp_path, broker).open() as shop, on_broker(broker.port) as pavement:
            await pavement.say()
            await shop.telemetry.wait(SatelliteHeard)
            await shop.both_hear(BERIT, pavement, inside_dbm=-70, outside_dbm=-55, seconds=8)
            assert events.empty()
            await shop.both_hear(ANNA, pavement, inside_dbm=-60, outside_dbm=-85, seconds=5)
            event = json.loads((await asyncio.wait_for(events.get(), 5)).payload)
            assert event["type"] == "presence.entered.v1"
            assert shop.is_inside(ANNA)
            assert not shop.is_inside(BERIT)
            assert shop.ignored.keys() <= {SatelliteRefusal.STALE}  # under way at the first nonce
        assert events.empty()


@pytest.mark.requirement("T-01", "T-27")
async def test_what_is_forged_recorded_or_out_of_place_counts_for_nothing_and_is_told(
    tmp_path: Path,
) -> None:
    async with mosquitto(tmp_path) as broker:
        async with Shopfront(tmp_path, broker).open() as shop, on_broker(broker.port) as pavement:
            fake = pavement.satellite
            await pavement.say()
            await shop.telemetry.wait(SatelliteHeard)
            before = shop.gateway.pipeline.engine.counts.heard
            eid = identifier_of(ANNA, shop.clock.now().utc_s)
            await pavement.say(Reading(20, -40, eid))
            recorded = pavement.sent[-1]
            await pavement.replay([recorded] * 3)  # played back at once
            thief = FakeSatellite(key=bytes(32), nonce=fake.nonce, sent_ms=fake.sent_ms + 10)
            await pavement.replay([thief.says(Reading(20, -40, eid))])
            till = FakeSatellite("till", PAVEMENT_KEY, nonce=fake.nonce, sent_ms=fake.sent_ms + 20)
            await pavement.replay([till.says(Reading(20, -40, eid))])  # another's word, here
            await pavement.replay([recorded], topic=till.topic)  # our word, elsewhere
            fake.sent_ms -= 5
            out_of_order = fake.says(Reading(20, -40, eid))
            await pavement.replay([out_of_order, b"", b"{}"])
            await _until(lambda: sum(shop.ignored.values()) >= 8)
            fake.sent_ms += 10
            assert shop.ignored == {
                SatelliteRefusal.COPY: 4,
                SatelliteRefusal.FORGED: 2,
                SatelliteRefusal.MALFORMED: 2,
            }
            assert shop.gateway.pipeline.engine.counts.heard == before + 1
            told = {each.reason for each in shop.telemetry.of(SatelliteIgnored)}
            assert told == {"copy", "forged", "malformed"}
        # The gateway starts anew, with every number forgotten; the recording is played again.
        async with Shopfront(tmp_path, broker).open() as shop, on_broker(broker.port) as pavement:
            await pavement.replay([recorded, out_of_order])
            await _until(lambda: sum(shop.ignored.values()) >= 2)
            assert shop.ignored == {SatelliteRefusal.STALE: 2}
            assert shop.gateway.pipeline.engine.counts.heard == 0


@pytest.mark.requirement("T-27")
async def test_a_satellite_that_dies_is_told_of_and_the_shop_goes_on_with_what_is_left(
    tmp_path: Path,
) -> None:
    async with (
        mosquitto(tmp_path) as broker,
        listener(broker.port, EVENTS) as events,
        Shopfront(tmp_path, broker).open() as shop,
    ):
        async with on_broker(broker.port) as pavement:
            await pavement.say()
            await shop.telemetry.wait(SatelliteHeard)
        died_s = time.monotonic()
        await _until(lambda: shop.telemetry.of(SatelliteLost), within_s=LOST_S + 10)
        assert time.monotonic() - died_s >= LOST_S - 2
        assert shop.state is SatelliteState.LOST
        await shop.both_hear(ANNA, None, inside_dbm=-48, outside_dbm=-99, seconds=6)
        event = json.loads((await asyncio.wait_for(events.get(), 5)).payload)
        assert event["type"] == "presence.entered.v1"
        async with on_broker(broker.port, FakeSatellite(session=b"session2")) as pavement:
            await pavement.say()
            await shop.telemetry.wait(SatelliteHeard, 2)
            assert shop.state is SatelliteState.HEARD
        assert len(shop.telemetry.of(SatelliteLost)) == 1


@pytest.mark.requirement("T-27")
async def test_who_stands_outside_does_not_come_in_because_the_satellite_dies(
    tmp_path: Path,
) -> None:
    async with (
        mosquitto(tmp_path) as broker,
        listener(broker.port, EVENTS) as events,
        Shopfront(tmp_path, broker).open() as shop,
    ):
        async with on_broker(broker.port) as pavement:
            await pavement.say()
            await shop.telemetry.wait(SatelliteHeard)
            await shop.both_hear(BERIT, pavement, inside_dbm=-65, outside_dbm=-50, seconds=4)
            assert not shop.is_inside(BERIT)
        await shop.both_hear(BERIT, None, inside_dbm=-65, outside_dbm=-50, seconds=LOST_S + 6)
        assert shop.state is SatelliteState.LOST
        assert events.empty()
        assert not shop.is_inside(BERIT)


async def _until(true: Callable[[], object], *, within_s: float = 10) -> None:
    async with asyncio.timeout(within_s):
        while not true():  # noqa: ASYNC110 - a state of several parts
            await asyncio.sleep(0.02)
