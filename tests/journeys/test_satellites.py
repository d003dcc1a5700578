"""A satellite at the pavement, from the broker to the event: it holds back who stays outside, no
recording of it counts, and when it dies the shop goes on with what is left.

Real: mosquitto, the gateway as `presence run` assembles it, its clock, its store. Played: the
adapter inside, and the satellite (tests.support.fake_satellite) with its own connection.
"""

import asyncio
import contextlib
import json
import shutil
import time
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from presence.assembly import gateway_of
from presence.config import load_settings
from presence.config.antennas import FIRST_ADAPTER
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
from tests.support.fake_advertising import a_bus
from tests.support.fake_bluez import FakeAdapter, a_bluetoothd
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


def shop_with_satellite(folder: Path, port: int) -> Shop:
    """As an operator lays it out: Anna and Berit on the list, a satellite outside."""
    now_s = time.time()
    shop = Shop(folder / "shop", port).open(
        [entry(ref, around_s=now_s) for ref in (ANNA, BERIT)],
        published_at=int(now_s),
        suppression_checked_at=int(now_s),
    )
    shop.config.write_text(shop.config.read_text() + SATELLITE)
    (shop.folder / "pavement.key").write_text(PAVEMENT_KEY.hex())
    return shop


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
        shop = shop_with_satellite(folder, broker.port)
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
        heard = heard._replace(antenna=FIRST_ADAPTER)  # as the scanner calls it, for none is named
        self.adapter.hear(heard)
        return heard

    async def comes_in(self, ref: bytes, satellite: SatelliteOnBroker) -> None:
        """Up to the door, strong outside; through it; and on into the shop."""
        for inside_dbm, outside_dbm, seconds in ((-72, -56, 2), (-66, -60, 1), (-54, -85, 5)):
            await self.both_hear(
                ref, satellite, inside_dbm=inside_dbm, outside_dbm=outside_dbm, seconds=seconds
            )

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
            await shop.comes_in(ANNA, pavement)
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
async def test_a_satellite_that_dies_is_told_of_and_nobody_new_comes_in_until_it_is_back(
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
        assert events.empty()
        assert not shop.is_inside(ANNA)
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


@pytest.mark.requirement("T-27")
@pytest.mark.skipif(shutil.which("dbus-daemon") is None, reason="dbus-daemon is not installed")
async def test_the_two_programs_find_one_another_and_kill_9_of_the_satellite_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`presence run` and `presence satellite`, each with an adapter of its own."""
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path / 'bus'}")
    adapters = {"hci0": FakeAdapter(), "hci1": FakeAdapter(address="00:00:5E:00:53:02")}
    async with (
        mosquitto(tmp_path) as broker,
        a_bus(tmp_path) as bus,
        a_bluetoothd(bus, **adapters),
    ):
        shop = shop_with_satellite(tmp_path, broker.port)
        inside = "radio: {mode: active, antennas: [{adapter: hci0}]}\n"
        shop.config.write_text(shop.config.read_text() + inside)
        away = shop.folder / "satellite.yaml"
        away.write_text(
            "satellite: {chain: acme, store: fi-0042, name: pavement, key_file: pavement.key,"
            f" runtime_dir: run-satellite}}\nmqtt: {{port: {broker.port}}}\n"
            "radio: {mode: active, adapter: hci1}\n"
        )
        gateway = await shop.start("run", "--config", shop.config)
        satellite = await shop.start("satellite", "--config", away)
        try:
            assert await _state(shop, "heard")
            assert adapters["hci1"].starts == 1
            satellite.kill()
            assert await _state(shop, "lost")
        finally:
            gateway.terminate()
            out, _ = await gateway.communicate()
            if satellite.returncode is None:
                satellite.kill()
            await satellite.communicate()
        events = [json.loads(line)["event"] for line in out.splitlines()]
        assert [each for each in events if each.startswith("satellite.")] == [
            "satellite.heard",
            "satellite.lost",
        ]


async def _state(shop: Shop, wanted: str) -> bool:
    """Whether `presence status` says so within half a minute."""
    for _ in range(30):
        _code, out, _err = await shop.run("status", "--json", "--config", shop.config)
        satellites = json.loads(out).get("satellites") if out else None
        if satellites and satellites[0]["state"] == wanted:
            return True
        await asyncio.sleep(1)
    return False


async def _until(true: Callable[[], object], *, within_s: float = 10) -> None:
    async with asyncio.timeout(within_s):
        while not true():  # noqa: ASYNC110 - a state of several parts
            await asyncio.sleep(0.02)
