"""The watchdog is fed by every part's progress; a part that hangs is named, and a quiet shop is no
fault (R-60).
"""

import asyncio
import contextlib
import gc
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from presence.config.settings import (
    BellSettings,
    DoorbellSettings,
    MqttSettings,
    PeerSettings,
    RadioMode,
)
from presence.core.consent.list_json import ConsentList
from presence.core.event.election import Election
from presence.core.timestamps import Moment
from presence.edges.bluez import scanner
from presence.edges.bluez.choice import ScanPolicy
from presence.edges.bluez.gatt import Doorbell, server
from presence.edges.host.clock import SystemClock
from presence.edges.mqtt import publisher as mqtt
from presence.edges.mqtt.publisher import MqttPublisher
from presence.gateway import gateway as daemon
from presence.gateway.gateway import Gateway
from presence.gateway.list_sync import LookLimits
from presence.ports import OnAdvertisement, OutgoingMessage
from presence.pulse import BOUND_S, Pulse, beat, branch, resting
from presence.telemetry import GatewayPartHangs
from tests.support.builders import a_list, approach, consent, moment, rules
from tests.support.fakes import (
    FakeConsentSource,
    FakeNotifier,
    FakePublisher,
    MemoryStore,
    RecordingTelemetry,
)
from tests.support.joined import joined
from tests.support.mqtt_parts import STORE
from tests.support.paths import ROOT

NOT_LONG_S = 0.2


IMPATIENT_S = 2.5
"""On a busy machine a healthy part may be late by a second or two."""


class TestPulse:
    def setup_method(self) -> None:
        self.now_s = 1000.0
        self.pulse = Pulse(lambda: self.now_s)

    def test_a_part_that_does_not_beat_within_its_bound_hangs_until_it_beats(self) -> None:
        with self.pulse.part("relay", 60):
            beat()
            self.now_s += 60
            assert self.pulse.hanging() == {}
            self.now_s += 1
            assert self.pulse.hanging() == {"relay": 60}
            beat()
            assert self.pulse.hanging() == {}
        self.now_s += 3600
        assert self.pulse.hanging() == {}

    def test_a_part_that_rests_does_not_hang_and_has_got_on_afterwards(self) -> None:
        with self.pulse.part("relay", 60):
            beat()
            with resting():
                self.now_s += 3600
                assert self.pulse.hanging() == {}
            assert self.pulse.hanging() == {}
            self.now_s += 61
            assert self.pulse.hanging() == {"relay": 60}

    def test_a_part_that_never_beat_is_not_judged(self) -> None:
        with self.pulse.part("a simulated radio", 60):
            self.now_s += 3600
            assert self.pulse.hanging() == {}

    async def test_a_task_that_branched_off_is_judged_by_itself(self) -> None:
        hangs = asyncio.Event()

        async def work() -> None:
            with branch():
                beat()
                await hangs.wait()

        with self.pulse.part("peers", 60):
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(work())
                with resting():
                    await asyncio.sleep(0)
                    self.now_s += 61
                    assert self.pulse.hanging() == {"peers": 60}
                hangs.set()

    def test_outside_of_a_part_nothing_is_asked_for(self) -> None:
        beat()
        with resting(), branch():
            beat()


async def hang(*_arguments: object, **_named: object) -> None:
    await asyncio.Event().wait()


class HangingPublisher(FakePublisher):
    """`hangs`: the call that never returns."""

    def __init__(self, hangs: str = "") -> None:
        super().__init__()
        self._hangs = hangs

    async def publish(self, message: OutgoingMessage) -> None:
        if self._hangs == "publish":
            await hang()
        await super().publish(message)

    async def publish_state(self) -> None:
        if self._hangs == "publish_state":
            await hang()
        await super().publish_state()

    async def subscribe(self, *_arguments: object, **_named: object) -> None:
        if self._hangs == "subscribe":
            await hang()


class OneVisitor:
    async def run(self, on_advertisement: OnAdvertisement) -> None:
        for heard in approach():
            on_advertisement(heard)
        await asyncio.Event().wait()


class RunningClock:
    """From the afternoon of the builders on."""

    def __init__(self) -> None:
        self._began_s = time.monotonic()

    def now(self) -> Moment:
        return moment(15 + time.monotonic() - self._began_s)


class Gate:
    """A gateway whose parts must get on within a moment."""

    def __init__(self) -> None:
        self.notifier = FakeNotifier(watchdog_s=NOT_LONG_S)
        self.telemetry = RecordingTelemetry()

    def gateway(self, **parts: Any) -> Gateway:
        ours: dict[str, Any] = {
            "rules": rules(),
            "sources": [OneVisitor()],
            "consents": FakeConsentSource(a_list(consent())),
            "visits": MemoryStore(),
            "publisher": FakePublisher(),
            "clock": RunningClock(),
            "notifier": self.notifier,
            "emit": self.telemetry.emit,
            "poll_s": 0.1,
            "state_interval_s": 0.1,
            "bound_s": dict.fromkeys(BOUND_S, IMPATIENT_S),
        }
        return joined(**{**ours, **parts})

    @contextlib.asynccontextmanager
    async def running(self, **parts: Any) -> AsyncIterator[Gateway]:
        gateway = self.gateway(**parts)
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(gateway.run())
            yield gateway
            task.cancel()

    def hanging(self) -> set[str]:
        return {event.what for event in self.telemetry.of(GatewayPartHangs)}

    async def names(self, part: str) -> None:
        """The part is named, and the watchdog is fed no more."""
        async with asyncio.timeout(15):
            while part not in self.hanging():  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert self.hanging() == {part}
        fed = self.notifier.fed
        await asyncio.sleep(1.0)
        assert self.notifier.fed == fed
        assert len(self.telemetry.of(GatewayPartHangs)) == 1


@pytest.mark.requirement("R-60")
async def test_a_quiet_shop_in_which_every_part_waits_is_no_fault() -> None:
    gate = Gate()
    async with gate.running(poll_s=3600, state_interval_s=3600, sources=[]) as gateway:
        del gateway
    async with gate.running(poll_s=3600, state_interval_s=3600):
        await asyncio.sleep(4)
        fed = gate.notifier.fed
        await asyncio.sleep(1)
        assert gate.notifier.fed > fed
    assert gate.hanging() == set()


class StoppedAtOnce(list[OneVisitor]):
    """Its gateway is stopped between the start of a part and that part's first step."""

    def __iter__(self) -> Iterator[OneVisitor]:
        gateway = asyncio.current_task()
        assert gateway is not None
        asyncio.get_running_loop().call_soon(gateway.cancel)
        return super().__iter__()


@pytest.mark.requirement("R-60")
async def test_a_part_that_is_stopped_before_its_first_step_leaves_no_work_behind() -> None:
    gateway = Gate().gateway(sources=StoppedAtOnce([OneVisitor()]))
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        async with asyncio.timeout(10):
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.create_task(gateway.run())
        gc.collect()
    assert [str(warning.message) for warning in warned] == []


@pytest.mark.requirement("R-60")
async def test_a_relay_that_hangs_is_named_and_the_watchdog_is_not_fed() -> None:
    gate = Gate()
    async with gate.running(publisher=HangingPublisher("publish")):
        await gate.names("relay")


@pytest.mark.requirement("R-60")
async def test_a_state_that_hangs_is_named_and_the_watchdog_is_not_fed() -> None:
    gate = Gate()
    async with gate.running(publisher=HangingPublisher("publish_state")):
        await gate.names("state")


@pytest.mark.requirement("R-60")
async def test_peers_that_hang_are_named_and_the_watchdog_is_not_fed() -> None:
    gate, our = Gate(), rules()
    election = Election(our.site, our.store_key, "gw-1", PeerSettings(), our.entry)
    async with gate.running(publisher=HangingPublisher("subscribe"), election=election):
        await gate.names("peers")


@pytest.mark.requirement("R-60")
async def test_tables_that_hang_are_named_and_the_watchdog_is_not_fed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    goes_on = threading.Event()

    def builds(*_arguments: object) -> None:
        goes_on.wait(30)

    monkeypatch.setattr(daemon, "build_table", builds)
    gate = Gate()
    try:
        async with gate.running():
            await gate.names("identifiers")
    finally:
        goes_on.set()


@pytest.mark.requirement("R-60")
async def test_consents_that_hang_are_named_and_the_watchdog_is_not_fed() -> None:
    gate = Gate()
    async with gate.running() as gateway:
        gateway.list_sync.renew = hang  # type: ignore[method-assign, assignment]
        await gate.names("consents")


class HangingSource(FakeConsentSource):
    """The second look never ends."""

    def __init__(self, *lists: ConsentList) -> None:
        super().__init__(*lists)
        self.goes_on = threading.Event()
        self.looks = 0

    def read(self) -> ConsentList | None:
        self.looks += 1
        if self.looks > 1:
            self.goes_on.wait(30)
        return super().read()


@pytest.mark.requirement("R-60", "R-08")
async def test_a_look_at_the_list_that_hangs_starts_nobody_anew() -> None:
    """The lease runs on, and the look is told as one that failed."""
    gate = Gate()
    source = HangingSource(a_list(consent()))
    async with gate.running(consents=source, limits=LookLimits(progress_s=0.2)):
        async with asyncio.timeout(10):
            while source.looks < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        await asyncio.sleep(3.5)
        fed = gate.notifier.fed
        await asyncio.sleep(1)
        assert gate.notifier.fed > fed
        source.goes_on.set()
    assert gate.hanging() == set()


class HangingConnection:
    """A broker's network thread that never says anything again, not even that it has ended."""

    def __init__(self, *_arguments: object, **_named: object) -> None:
        self.ended = asyncio.Event()
        self.is_open = False

    async def open(self) -> None:
        await hang()

    def abort(self, _why: str) -> None:
        self.ended.set()


@pytest.mark.requirement("R-60")
async def test_a_broker_part_that_hangs_is_named_and_the_watchdog_is_not_fed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mqtt, "Connection", HangingConnection)
    gate = Gate()
    publisher = MqttPublisher(MqttSettings(port=9), STORE, emit=RecordingTelemetry().emit)
    async with gate.running(publisher=publisher, state_interval_s=3600):
        await gate.names("broker")


@pytest.mark.requirement("R-60")
async def test_a_doorbell_that_hangs_is_named_and_the_watchdog_is_not_fed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @contextlib.asynccontextmanager
    async def connects(**_named: object) -> AsyncIterator[None]:
        await hang()
        yield

    monkeypatch.setattr(server.BluezBus, "connect", connects)
    gate = Gate()
    bell, settings = BellSettings(adapter="hci9"), DoorbellSettings()
    doorbell = Doorbell(bell, settings, SystemClock(), emit=RecordingTelemetry().emit)
    async with gate.running(bells=[doorbell]):
        await gate.names("doorbell")


@pytest.mark.requirement("R-60")
async def test_a_radio_that_hangs_is_named_and_the_watchdog_is_not_fed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @contextlib.asynccontextmanager
    async def connects(_pace: object, **_: object) -> AsyncIterator[None]:
        await hang()
        yield

    monkeypatch.setattr(scanner.Bluez, "connect", connects)
    gate = Gate()
    radio = scanner.BluezScanner(
        ScanPolicy(mode=RadioMode.PASSIVE),
        adapter="hci9",
        clock=SystemClock(),
        emit=RecordingTelemetry().emit,
    )
    async with gate.running(sources=[radio]):
        await gate.names("radio")


HANGS = """
import asyncio, time
from presence.cli import run

async def hangs_as_a_whole(*_): time.sleep(60)

run.serve = hangs_as_a_whole
log = type("L", (), {"level": "info", "format": "json"})
run.load_settings = lambda _path: type("S", (), {"log": log})
run.logs.configure = lambda **_: print("begins", flush=True)
run.start(type("O", (), {"config": "secret-value"}))
"""


@pytest.mark.requirement("R-60", "R-65")
async def test_a_loop_that_hangs_as_a_whole_shows_where_it_stands_when_systemd_ends_it(
    tmp_path: Path,
) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HANGS, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, cwd=tmp_path,
    )  # fmt: skip
    assert process.stdout is not None
    assert await process.stdout.readline() == b"begins\n"
    await asyncio.sleep(1)
    process.send_signal(signal.SIGABRT)
    _, err = await process.communicate()
    assert process.returncode == -signal.SIGABRT
    assert "in hangs_as_a_whole" in err.decode()
    assert "secret-value" not in err.decode()
