"""A scan without bluetoothd, from a descriptor to the engine's door, and back to life after faults.

Everything is real but Bluetooth: in place of the kernel's channel a socket pair with the filter of
the helper, and at its other end a controller that does what the specification says.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from presence.config import load_settings
from presence.core.hci.passive_scan import LEGACY_ONLY, NOT_CODED, ScanPace
from presence.core.hci.report_filter import HEARTBEAT_OF, user_filter
from presence.core.operations.radio_health import Condition
from presence.core.recognition.advertisement import Advertisement
from presence.core.recognition.beacons import FORMATS, eddystone
from presence.edges.host.clock import SystemClock
from presence.edges.kernel import user_channel
from presence.edges.kernel.descriptor import Descriptor
from presence.edges.kernel.user_channel import ListeningPace, UserChannelScanner
from presence.edges.radio.care import Means
from presence.errors import RadioError, RadioFault
from presence.telemetry import (
    OperationalEvent,
    RadioFailed,
    RadioRecovering,
    RadioResting,
    RadioScanning,
)
from tests.support.classic_bpf import attach
from tests.support.hci_controller import FakeController
from tests.support.hci_reports import event, extended_report, in_user_channel, legacy_report
from tests.support.scanners import until
from tests.support.shops import Shop

E1 = eddystone.payload(bytes(range(8)), tx_power_dbm=-18)
STRANGER = bytes.fromhex("0201061aff4c000215") + bytes(22)
PHONE = bytes.fromhex("4a1122334455")
PROGRAM = user_filter([pattern for each in FORMATS for pattern in each.scan_filter.patterns])
SCAN = ScanPace(
    answer_s=0.1, ask_s=0.15, renew_s=1.0, lasts_s=1.0, off_s=0.02, again_s=0.05, max_pause_s=0.2
)
PACE = ListeningPace(scan=SCAN, look_s=0.02)


@dataclass
class Adapter:
    """The kernel's side of a user channel, and a controller behind it."""

    controller: FakeController = field(default_factory=FakeController)
    fault: RadioError | None = None
    """Why no descriptor is to be had."""
    hangs: bool = False
    opened: int = 0
    asked_for: list[str] = field(default_factory=list)
    said: list[bytes] = field(default_factory=list)
    _ours: socket.socket | None = None

    async def ask(self, adapter: str) -> Descriptor:
        await asyncio.sleep(0)
        self.asked_for.append(adapter)
        if self.fault is not None:
            raise self.fault
        self.unplug()
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        attach(theirs, PROGRAM)
        for end in (self._ours, theirs):
            end.setblocking(False)
        self.opened += 1
        self.hangs = self.hangs and self.opened < 2  # firmware that is loaded anew
        asyncio.get_running_loop().add_reader(self._ours, self._serve, self._ours)
        return Descriptor(theirs, "hci0", "00:1A:7D:DA:71:13", "usb:1-1.4", 6)

    def unplug(self) -> None:
        """The kernel lets go of the device."""
        self.controller.power_cycle()
        if self._ours is not None:
            asyncio.get_running_loop().remove_reader(self._ours)
            self._ours.close()
            self._ours = None

    def says(self, event: bytes) -> None:
        assert self._ours is not None
        self._ours.send(in_user_channel(event))

    def advertises(self, payload: bytes, *, rssi_dbm: int = -60) -> None:
        """On air: told to the host where it scans."""
        if self.controller.hears and not self.hangs:
            extended = self.controller.state.scanning == "extended"
            report = extended_report if extended else legacy_report
            told = report(payload, address=PHONE, rssi_dbm=rssi_dbm)
            self.says(event(told, extended=extended))

    def _serve(self, ours: socket.socket) -> None:
        with suppress(OSError):  # the host has let go of it meanwhile
            packet = ours.recv(300)
            if not packet:  # the host has closed it
                self.unplug()
                return
            self.said.append(packet)
            if not self.hangs:
                ours.send(self.controller.command(packet))


@dataclass
class Radio:
    scanner: UserChannelScanner
    adapter: Adapter
    told: list[OperationalEvent]
    heard: list[Advertisement] = field(default_factory=list)

    def of(self, kind: type[OperationalEvent]) -> list[Any]:
        return [happened for happened in self.told if isinstance(happened, kind)]

    async def hears(self) -> None:
        """Somebody of ours is on air until they are heard."""
        before = len(self.heard)

        async def on_air() -> None:
            while len(self.heard) == before:
                self.adapter.advertises(E1)
                await asyncio.sleep(0.01)

        await asyncio.wait_for(on_air(), 10)


@asynccontextmanager
async def running(
    adapter: Adapter | None = None, *, name: str = "usb:1-1.4", **options: Any
) -> AsyncIterator[Radio]:
    adapter = adapter or Adapter()
    told: list[OperationalEvent] = []
    scanner = UserChannelScanner(
        adapter.ask,
        adapter=name,
        clock=SystemClock(),
        emit=told.append,
        pace=PACE,
        **{"means": Means(), **options},
    )
    radio = Radio(scanner, adapter, told)
    task = asyncio.create_task(scanner.run(radio.heard.append))
    try:
        yield radio
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        adapter.unplug()


@pytest.mark.requirement("R-04")
@pytest.mark.parametrize("extended", [True, False])
async def test_a_customer_is_heard_with_strength_and_time_and_the_scan_is_passive(
    *, extended: bool
) -> None:
    async with running(Adapter(FakeController(extended=extended))) as radio:
        await until(lambda: radio.adapter.controller.hears)
        before = SystemClock().now()
        radio.adapter.advertises(E1, rssi_dbm=-47)
        await until(lambda: radio.heard)
        [heard] = radio.heard
        assert not radio.adapter.controller.state.active
        assert radio.adapter.controller.duty == 1.0
        assert radio.scanner.condition is Condition.QUIET

    assert heard.address == PHONE
    assert heard.rssi_dbm == -47
    assert heard.antenna == "usb:1-1.4"
    assert heard.service_data[eddystone.SERVICE_UUID][2:] == bytes(range(8))
    assert 0 <= heard.at.monotonic_s - before.monotonic_s < 5
    [began] = radio.of(RadioScanning)
    assert (began.adapter, began.mode, began.path, began.hci) == (
        "usb:1-1.4",
        "passive",
        "user-channel",
        "hci0",
    )
    assert ("extended" in (began.reason or "")) is not extended
    assert radio.adapter.asked_for == ["usb:1-1.4"]


@pytest.mark.requirement("R-01", "R-02")
async def test_of_strangers_nothing_comes_but_that_somebody_was_on_air() -> None:
    async with running() as radio:
        await until(lambda: radio.adapter.controller.hears)
        for number in range(40 * HEARTBEAT_OF):
            radio.adapter.advertises(STRANGER)
            if number % 50 == 0:
                await asyncio.sleep(0)
        await until(lambda: radio.scanner._signs > 0)
        assert radio.heard == []
        assert radio.scanner.heard == 0
        assert radio.scanner.counts.reports == 0


async def test_in_silence_the_controller_is_asked_and_nothing_else_happens() -> None:
    async with running() as radio:
        await until(lambda: radio.adapter.controller.hears)
        radio.adapter.said.clear()
        await asyncio.sleep(3 * SCAN.ask_s)
        assert radio.adapter.said
        assert {packet.hex() for packet in radio.adapter.said} == {"01011000"}
        assert radio.of(RadioRecovering) == []


@pytest.mark.requirement("R-61")
async def test_a_firmware_that_hangs_is_reset_then_off_and_on_and_hears_again() -> None:
    async with running() as radio:
        await radio.hears()
        radio.adapter.hangs = True
        await until(lambda: len(radio.of(RadioRecovering)) == 2)
        assert radio.scanner.condition is Condition.AWAY
        await radio.hears()

    steps = [(told.what, told.attempt) for told in radio.of(RadioRecovering)]
    assert steps == [("hci_reset", 1), ("power_cycle", 1)]
    reasons = [told.reason for told in radio.of(RadioRecovering)]
    assert reasons == [
        "no answer to Read Local Version Information",
        "no answer to Reset",
    ]
    assert radio.adapter.opened == 2
    assert len(radio.of(RadioScanning)) == 2


@pytest.mark.requirement("R-61")
async def test_a_hardware_error_is_answered_with_a_reset() -> None:
    async with running() as radio:
        await radio.hears()
        radio.adapter.controller.power_cycle()
        radio.adapter.says(b"\x10\x01\x42")
        await radio.hears()

    assert [told.what for told in radio.of(RadioRecovering)] == ["hci_reset"]
    assert radio.adapter.opened == 1


@pytest.mark.requirement("R-61")
async def test_an_adapter_that_is_pulled_out_and_put_back_is_heard_again_and_told_once() -> None:
    async with running() as radio:
        await radio.hears()
        radio.adapter.fault = RadioError(RadioFault.NO_ADAPTER, "adapter: ENODEV")
        radio.adapter.unplug()
        await until(lambda: len(radio.adapter.asked_for) > 3)
        assert radio.scanner.condition is Condition.AWAY
        assert radio.scanner.trouble == RadioFault.NO_ADAPTER.value
        assert radio.scanner.serves is None
        radio.adapter.fault = None
        await radio.hears()
        assert radio.scanner.trouble == ""

    [failed] = radio.of(RadioFailed)
    assert failed.reason.startswith("hci0 went away")
    assert failed.next_step == RadioFault.NO_ADAPTER.value
    assert radio.adapter.opened == 2


async def test_why_no_descriptor_is_to_be_had_is_told_once_with_what_to_do() -> None:
    fault = RadioError(RadioFault.OTHER, "hci0: bind: EBUSY")
    async with running(Adapter(fault=fault)) as radio:
        await until(lambda: len(radio.adapter.asked_for) > 2)
        assert radio.scanner.condition is Condition.AWAY
        radio.adapter.fault = None
        await radio.hears()

    [failed] = radio.of(RadioFailed)
    assert (failed.reason, failed.next_step) == ("hci0: bind: EBUSY", RadioFault.OTHER.value)


@pytest.mark.requirement("R-19")
async def test_while_the_shop_is_closed_the_controller_is_off() -> None:
    hours = {"open": False}
    async with running(open_at=lambda _utc_s: hours["open"]) as radio:
        await until(lambda: radio.of(RadioResting))
        assert radio.adapter.asked_for == []
        assert radio.scanner.condition is Condition.CLOSED
        hours["open"] = True
        await radio.hears()
        hours["open"] = False
        await until(lambda: len(radio.of(RadioResting)) == 2)
        await until(lambda: not radio.adapter.controller.hears)
        hours["open"] = True
        await radio.hears()


async def test_garbage_of_a_controller_is_counted_and_stops_nothing() -> None:
    async with running() as radio:
        await radio.hears()
        for garbage in (b"\x0e\x01\x01", b"\x0e\x04\x01\x00\x00\x00", b"\x0f\x09\x00\x00\x00\x00"):
            radio.adapter.says(garbage)
        await radio.hears()
        assert radio.scanner.counts.malformed_reports >= 1
        assert radio.of(RadioRecovering) == []


@pytest.mark.requirement("R-60")
async def test_a_radio_that_answers_and_hears_nobody_is_helped_step_by_step_up_to_systemd() -> None:
    clock = SystemClock()
    ahead = {"s": 0.0}

    class Ahead:
        def now(self) -> Any:
            return clock.now().later(ahead["s"])

    adapter = Adapter()
    told: list[OperationalEvent] = []
    scanner = UserChannelScanner(
        adapter.ask,
        adapter="hci0",
        clock=Ahead(),
        emit=told.append,
        means=Means(),
        pace=ListeningPace(scan=SCAN, health_s=0.01),
    )
    running = asyncio.create_task(scanner.run(lambda _heard: None))
    try:
        steps: list[str] = []
        while not running.done():
            ahead["s"] += 20
            await asyncio.sleep(0.02)
            steps = [each.what for each in told if isinstance(each, RadioRecovering)]
        with pytest.raises(RadioError) as failure:
            await running
        assert failure.value.fault is RadioFault.DEAF
        assert [step for step in steps if step != "hci_reset"] == [
            "restart_scan",
            "power_cycle",
            "ask_systemd",
        ]
        assert adapter.opened >= 2
    finally:
        running.cancel()
        adapter.unplug()


@pytest.mark.parametrize(
    ("controller", "coded", "reason"),
    [
        (FakeController(), True, None),
        (FakeController(coded=False), False, NOT_CODED),
        (FakeController(extended=False), False, LEGACY_ONLY),
    ],
)
async def test_le_coded_is_listened_to_where_settings_say_so_and_told_where_it_cannot_be(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    controller: FakeController,
    *,
    coded: bool,
    reason: str | None,
) -> None:
    shop = Shop(tmp_path, port=1).open([])
    with shop.config.open("a") as config:
        config.write("\nradio: {path: user-channel, le_coded: true}\n")
    adapter = Adapter(controller)
    monkeypatch.setattr(user_channel, "ask", lambda _mode, name, **_of: adapter.ask(name))
    told: list[OperationalEvent] = []
    [scanner] = user_channel.user_channel_radios(
        load_settings(shop.config),
        clock=SystemClock(),
        emit=told.append,
        open_at=lambda _utc_s: True,
    )
    running = asyncio.create_task(scanner.run(lambda _heard: None))
    await until(lambda: controller.hears)
    assert (controller.duty < 1) is coded
    await until(lambda: told)
    running.cancel()
    adapter.unplug()
    [began] = told
    assert isinstance(began, RadioScanning)
    assert began.reason == reason


async def test_a_look_says_which_adapter_scans_how_and_whether_anybody_is_on_air() -> None:
    adapter = Adapter()
    scanner = UserChannelScanner(
        adapter.ask, adapter="", clock=SystemClock(), emit=lambda _told: None, pace=PACE
    )

    async def street() -> None:
        while True:
            adapter.advertises(E1)
            await asyncio.sleep(0.01)

    passing = asyncio.create_task(street())
    served, kind, signs = await scanner.listen(0.5)
    passing.cancel()
    assert (served.name, served.address, kind) == ("hci0", "00:1A:7D:DA:71:13", "extended")
    assert signs
    adapter.unplug()


async def test_a_look_at_an_adapter_that_cannot_be_had_says_why() -> None:
    adapter = Adapter(fault=RadioError(RadioFault.ADAPTER_TAKEN, "hci0: bind: EUSERS"))
    scanner = UserChannelScanner(
        adapter.ask, adapter="", clock=SystemClock(), emit=lambda _told: None, pace=PACE
    )
    with pytest.raises(RadioError, match="another program has this adapter"):
        await scanner.listen(0.1)
