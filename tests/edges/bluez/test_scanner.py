"""bleak itself against a bluetoothd of ours: how we listen, and what happens when parts of the
radio go and return.
"""

import asyncio
import itertools
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import pytest

from presence.config.settings import RadioMode
from presence.core.operations.radio_health import Condition
from presence.core.operations.radio_steps import Action, Evidence, RecoveryStep
from presence.core.recognition.advertisement import address_bytes
from presence.core.recognition.beacons import FORMATS, ibeacon, rpa
from presence.core.recognition.beacons.eddystone import SERVICE_UUID
from presence.edges.bluez.choice import ScanPolicy
from presence.edges.bluez.modes import ANYBODY, patterns
from presence.edges.bluez.monitor import MonitorScan
from presence.edges.bluez.pace import Pace
from presence.edges.bluez.probe import hears_anybody
from presence.edges.bluez.version import BluezVersion
from presence.edges.radio.care import Care, Means
from presence.edges.radio.ledger import Ledger
from presence.errors import RadioError, RadioFault
from presence.telemetry import (
    RadioDeclined,
    RadioFailed,
    RadioRecovered,
    RadioRecovering,
    RadioResting,
    RadioScanning,
)
from tests.support.fake_advertising import a_bus
from tests.support.fake_bluez import FakeAdapter, a_bluetoothd
from tests.support.fakes import FakeClock, RecordingTelemetry
from tests.support.scanners import (
    EID,
    HURRY,
    PHONE,
    Running,
    a_host,
    close_bleak,
    hears,
    running,
    silence,
    silence_emits,
    until,
)

pytestmark = pytest.mark.skipif(
    shutil.which("dbus-daemon") is None,
    reason="dbus-daemon is not installed: apt install dbus-daemon",
)

STRANGERS = "0000fd6f-0000-1000-8000-00805f9b34fb"
PREFIX = bytes.fromhex("5072657365636531")
PASSIVE = ScanPolicy(mode=RadioMode.PASSIVE)
AUTO = ScanPolicy(mode=RadioMode.AUTO)


@pytest.mark.requirement("R-04")
async def test_an_active_scan_asks_for_our_format_alone_and_for_every_repeat(bus: str) -> None:
    async with a_bluetoothd(bus) as bluez, running() as radio:
        await radio.telemetry.wait(RadioScanning)
        for rssi_dbm in (-60, -64, -64):
            bluez.advertise(
                PHONE, rssi_dbm, uuids=(SERVICE_UUID,), service_data={SERVICE_UUID: EID}
            )
            bluez.advertise(
                "00:00:5E:00:53:99", -50, uuids=(STRANGERS,), service_data={STRANGERS: b"\x01"}
            )
        await until(lambda: len(radio.heard) == 3)
    assert bluez.filters == [
        {"Transport": "le", "DuplicateData": True, "RSSI": -127, "UUIDs": [SERVICE_UUID]}
    ]
    assert [heard.rssi_dbm for heard in radio.heard] == [-60, -64, -64]
    assert {heard.service_data[SERVICE_UUID] for heard in radio.heard} == {EID}
    assert {heard.antenna for heard in radio.heard} == {"hci0"}
    assert {address_bytes(heard.address) for heard in radio.heard} == {
        bytes.fromhex("4a11223344f5")
    }
    assert radio.scanner.heard == 3


@pytest.mark.requirement("R-02")
async def test_of_what_cannot_be_ours_nothing_is_handed_over_but_it_is_a_sign_of_life(
    bus: str,
) -> None:
    async with a_bluetoothd(bus) as bluez, running() as radio:
        await radio.telemetry.wait(RadioScanning)
        bluez.advertise(PHONE, -50, uuids=(SERVICE_UUID,), service_data={STRANGERS: b"\x01"})
        bluez.advertise(PHONE, -50, uuids=(SERVICE_UUID,), manufacturer_data={0x004C: b"\x10\x05"})
        await until(lambda: radio.scanner.heard == 2)
    assert radio.heard == []


async def test_who_counts_strangers_is_given_everybody(bus: str) -> None:
    policy = ScanPolicy(mode=RadioMode.ACTIVE, everybody=True)
    async with a_bluetoothd(bus) as bluez, running(policy=policy) as radio:
        await radio.telemetry.wait(RadioScanning)
        bluez.advertise(PHONE, -50, uuids=(SERVICE_UUID,), service_data={STRANGERS: b"\x01"})
        await until(lambda: len(radio.heard) == 1)


def test_addresses_of_test_phones_come_with_any_payload_so_nothing_is_left_out() -> None:
    assert not ScanPolicy(mode=RadioMode.ACTIVE, filters=(rpa.SCAN_FILTER,)).leaves_out
    assert ScanPolicy(mode=RadioMode.ACTIVE).leaves_out


def listening(mode: RadioMode, prefix: bytes | None) -> ScanPolicy:
    """For Eddystone, and for the iBeacons of a chain where it has a prefix."""
    formats = (*FORMATS, *([ibeacon.format_for(prefix)] if prefix else []))
    return ScanPolicy(mode=mode, filters=tuple(each.scan_filter for each in formats))


IBEACON = (0, 0xFF, b"\x4c\x00\x02\x15" + PREFIX)


@pytest.mark.parametrize(
    ("version", "prefix", "patterns"),
    [
        (BluezVersion(5, 66), PREFIX, [(0, 0x16, b"\xaa\xfe\x30"), IBEACON]),
        (BluezVersion(5, 82), None, [(0, 0x16, b"\x30")]),
        (BluezVersion(5, 83), PREFIX, [(0, 0x16, b"\x30"), IBEACON]),
        (None, None, [(0, 0x16, b"\xaa\xfe\x30"), (0, 0x16, b"\x30")]),
    ],
)
async def test_a_passive_scan_spells_its_pattern_for_the_bluez_that_runs(
    bus: str,
    version: BluezVersion | None,
    prefix: bytes | None,
    patterns: list[tuple[int, int, bytes]],
) -> None:
    async with (
        a_bluetoothd(bus) as bluez,
        running(host=a_host(version), policy=listening(RadioMode.PASSIVE, prefix)) as radio,
    ):
        await until(lambda: bool(bluez.patterns))
        if version is None or version >= (5, 71):
            await hears(bluez, radio)
    assert bluez.patterns == [patterns]
    assert bluez.filters == []


async def test_a_bluez_whose_patterns_never_match_is_refused_by_name(bus: str) -> None:
    async with (
        a_bluetoothd(bus),
        running(host=a_host(BluezVersion(5, 70)), policy=PASSIVE) as radio,
    ):
        event = await radio.telemetry.wait(RadioFailed)
    assert event.reason == "BlueZ 5.70"
    assert event.next_step == RadioFault.BROKEN_PATTERNS.value


@pytest.mark.requirement("R-02", "R-04")
async def test_a_passive_scan_brings_every_repeat_with_its_own_strength_and_leaves_no_device_behind(
    bus: str,
) -> None:
    async with (
        a_bluetoothd(bus) as bluez,
        running(host=a_host(BluezVersion(5, 82)), policy=PASSIVE) as radio,
    ):
        await until(lambda: bool(bluez.adapters["hci0"].monitors))
        for number, rssi_dbm in enumerate((-60, -61, -61, -64, -70), 1):
            bluez.advertise(
                PHONE, rssi_dbm, uuids=(SERVICE_UUID,), service_data={SERVICE_UUID: EID}
            )
            bluez.advertise(
                "00:00:5E:00:53:99", -50, uuids=(STRANGERS,), service_data={STRANGERS: b"\x01"}
            )
            await until(
                lambda number=number: (
                    len(radio.heard) == number and bluez.adapters["hci0"].devices == {}
                )
            )
    assert [heard.rssi_dbm for heard in radio.heard] == [-60, -61, -61, -64, -70]
    assert {heard.service_data[SERVICE_UUID] for heard in radio.heard} == {EID}
    assert bluez.adapters["hci0"].starts == 0
    assert bluez.adapters["hci0"].monitors == {}


async def test_a_device_that_somebody_paired_by_hand_stays_with_bluez(bus: str) -> None:
    async with (
        a_bluetoothd(bus) as bluez,
        running(host=a_host(BluezVersion(5, 82)), policy=PASSIVE) as radio,
    ):
        await until(lambda: bool(bluez.adapters["hci0"].monitors))
        bluez.paired = True
        for _ in range(3):
            await hears(bluez, radio)
        assert len(bluez.adapters["hci0"].devices) == 1


@pytest.mark.requirement("T-04")
async def test_a_flood_in_a_passive_scan_is_dropped_from_its_old_end_and_counted(bus: str) -> None:
    scan, heard = MonitorScan(patterns(None, PASSIVE.filters), waiting=8), list[str]()
    async with (
        a_bluetoothd(bus) as bluez,
        scan.on("hci0", lambda address, *_: heard.append(address)),
    ):
        await until(lambda: bool(bluez.adapters["hci0"].monitors))
        bluez.holds_answers = True
        for number in range(100):
            bluez.advertise(f"4A:11:22:33:44:{number:02X}", -60, service_data={SERVICE_UUID: EID})
        await until(lambda: scan.dropped == 100 - 64 - 8)
        bluez.let_go()
        await until(lambda: len(heard) == 64 + 8)
    assert heard[-1] == "4A:11:22:33:44:63"


async def test_a_monitor_that_bluetoothd_lets_go_of_is_registered_again(bus: str) -> None:
    async with (
        a_bluetoothd(bus) as bluez,
        running(host=a_host(BluezVersion(5, 82)), policy=PASSIVE) as radio,
    ):
        await until(lambda: bool(bluez.adapters["hci0"].monitors))
        bluez.release_monitors("hci0")
        assert "let go" in str((await radio.telemetry.wait(RadioFailed)).reason)
        await hears(bluez, radio)


@pytest.mark.parametrize(
    ("here", "mode", "reason"),
    [
        ((BluezVersion(5, 82), True, False), "passive", None),
        ((BluezVersion(5, 70), True, False), "active", "not passive: BlueZ 5.70"),
        (
            (BluezVersion(5, 66), False, False),
            "active",
            "not passive: bluetoothd offers no advertisement monitors",
        ),
        ((None, True, True), "active", "not passive: hci0 filters advertisements by itself"),
    ],
)
async def test_auto_is_passive_where_that_serves_and_else_active_with_the_reason(
    bus: str,
    here: tuple[BluezVersion, bool, bool],
    mode: str,
    reason: str | None,
) -> None:
    version, experimental, filters = here
    async with a_bluetoothd(bus, hci0=FakeAdapter(filters_itself=filters)) as bluez:
        bluez.experimental = experimental
        async with running(host=a_host(version), policy=AUTO) as radio:
            event = await radio.telemetry.wait(RadioScanning)
            await hears(bluez, radio)
    assert (event.mode, event.reason) == (mode, reason)


async def test_a_controller_that_filters_by_itself_is_refused_a_passive_scan(bus: str) -> None:
    async with (
        a_bluetoothd(bus, hci0=FakeAdapter(filters_itself=True)),
        running(host=a_host(BluezVersion(5, 82)), policy=PASSIVE) as radio,
    ):
        assert (
            await radio.telemetry.wait(RadioFailed)
        ).next_step == RadioFault.CONTROLLER_FILTERS.value


async def test_without_the_experimental_interface_a_passive_scan_says_so(bus: str) -> None:
    async with a_bluetoothd(bus) as bluez:
        bluez.experimental = False
        async with running(policy=PASSIVE) as radio:
            assert (
                await radio.telemetry.wait(RadioFailed)
            ).next_step == RadioFault.UNSUPPORTED.value


@pytest.mark.requirement("R-61")
async def test_bluetoothd_killed_and_started_again(bus: str) -> None:
    async with a_bluetoothd(bus) as bluez, running() as radio:
        await radio.telemetry.wait(RadioScanning)
        await bluez.stop()
        assert (await radio.telemetry.wait(RadioFailed)).next_step == RadioFault.NO_BLUEZ.value
        await bluez.start(bus)
        await hears(bluez, radio)
    assert radio.telemetry.names() == ["radio.scanning", "radio.failed", "radio.scanning"]


@pytest.mark.requirement("R-61")
async def test_bluetoothd_restarted_between_two_looks(bus: str) -> None:
    async with a_bluetoothd(bus) as bluez, running(pace=Pace(retry_s=0.05, look_s=1)) as radio:
        await radio.telemetry.wait(RadioScanning)
        await bluez.stop()
        await bluez.start(bus)
        await hears(bluez, radio)


@pytest.mark.requirement("R-61")
async def test_an_adapter_pulled_out_and_plugged_in_again(bus: str) -> None:
    async with a_bluetoothd(bus) as bluez, running() as radio:
        await radio.telemetry.wait(RadioScanning)
        adapter = bluez.unplug("hci0")
        assert (await radio.telemetry.wait(RadioFailed)).next_step == RadioFault.NO_ADAPTER.value
        bluez.plug("hci0", adapter)
        await hears(bluez, radio)
    assert radio.telemetry.names() == ["radio.scanning", "radio.failed", "radio.scanning"]


async def test_an_adapter_that_comes_late_is_found_and_the_first_powered_one_serves(
    bus: str,
) -> None:
    async with (
        a_bluetoothd(bus, hci0=FakeAdapter(powered=False)) as bluez,
        running(adapter="") as radio,
    ):
        assert (await radio.telemetry.wait(RadioFailed)).next_step == RadioFault.POWERED_OFF.value
        bluez.plug("hci1", FakeAdapter())
        await hears(bluez, radio, name="hci1")
    assert {heard.antenna for heard in radio.heard} == {"default"}
    assert radio.telemetry.of(RadioScanning)[0].hci == "hci1"


async def test_an_adapter_powered_off_and_on(bus: str) -> None:
    async with a_bluetoothd(bus) as bluez, running() as radio:
        await radio.telemetry.wait(RadioScanning)
        bluez.power("hci0", False)
        assert (await radio.telemetry.wait(RadioFailed)).next_step == RadioFault.POWERED_OFF.value
        bluez.power("hci0", True)
        await hears(bluez, radio)


@pytest.mark.requirement("R-61")
async def test_the_bus_itself_restarted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path / 'bus'}")
    async with running() as radio:
        assert (await radio.telemetry.wait(RadioFailed)).next_step == RadioFault.NO_BLUEZ.value
        for _ in range(2):
            async with a_bus(tmp_path) as address, a_bluetoothd(address) as bluez:
                await hears(bluez, radio)
            (tmp_path / "bus").unlink(missing_ok=True)
    await close_bleak()
    assert radio.scanner.started == 2


async def test_a_scan_that_ended_without_a_word_is_begun_again(bus: str) -> None:
    async with a_bluetoothd(bus) as bluez, running() as radio:
        await radio.telemetry.wait(RadioScanning)
        bluez.stop_scanning("hci0")
        assert "has ended" in str((await radio.telemetry.wait(RadioFailed)).reason)
        await hears(bluez, radio)


async def test_a_bluetoothd_that_hangs_is_left_after_a_while(
    bus: str,
) -> None:
    pace = replace(HURRY, call_s=0.2, stop_s=0.2)
    async with a_bluetoothd(bus) as bluez, running(pace=pace) as radio:
        await radio.telemetry.wait(RadioScanning)
        bluez.hangs = True
        assert "no answer" in str((await radio.telemetry.wait(RadioFailed)).reason)
        bluez.hangs = False
        await hears(bluez, radio)


@pytest.mark.requirement("T-04")
async def test_a_bluetoothd_that_is_busy_for_a_moment_keeps_its_scan(
    bus: str,
) -> None:
    async with a_bluetoothd(bus) as bluez, running(pace=replace(HURRY, call_s=0.6)) as radio:
        await radio.telemetry.wait(RadioScanning)
        bluez.hangs = True
        await asyncio.sleep(0.7)  # one look without an answer, and part of the next
        bluez.hangs = False
        await hears(bluez, radio)
        await asyncio.sleep(0.3)
    assert radio.telemetry.names() == ["radio.scanning"]


async def test_who_may_not_speak_to_bluetoothd_is_told_of_the_policy(bus: str) -> None:
    async with a_bluetoothd(bus) as bluez:
        bluez.denies = True
        with pytest.raises(RadioError) as refused:
            await Running().scanner.listen(0)
    assert refused.value.fault is RadioFault.DENIED


async def test_a_short_look_counts_and_leaves_no_scan_behind(bus: str) -> None:
    async with a_bluetoothd(bus) as bluez:
        assert await Running().scanner.listen(0.05) == (0, 0)
        assert bluez.adapters["hci0"].starts == 1
        assert bluez.adapters["hci0"].sessions == {}


async def test_two_adapters_heal_each_for_itself_and_say_who_heard(bus: str) -> None:
    async with (
        a_bluetoothd(bus, hci0=FakeAdapter(), hci1=FakeAdapter()) as bluez,
        running(adapter="hci0") as inside,
        running(adapter="hci1") as door,
    ):
        await inside.telemetry.wait(RadioScanning)
        await door.telemetry.wait(RadioScanning)
        bluez.unplug("hci0")
        await inside.telemetry.wait(RadioFailed)
        await hears(bluez, door, name="hci1")
    assert {heard.antenna for heard in door.heard} == {"hci1"}
    assert door.telemetry.names() == ["radio.scanning"]


async def test_a_device_that_goes_is_not_heard(bus: str) -> None:
    async with a_bluetoothd(bus) as bluez, running() as radio:
        await radio.telemetry.wait(RadioScanning)
        await hears(bluez, radio)
        before = len(radio.heard)
        path = f"/org/bluez/hci0/dev_{PHONE.replace(':', '_')}"
        gone = ["org.bluez.Device1", {}, ["RSSI"]]
        bluez._signal(
            path, "org.freedesktop.DBus.Properties", "PropertiesChanged", "sa{sv}as", gone
        )
        await hears(bluez, radio)
    assert None not in [heard.rssi_dbm for heard in radio.heard[before:]]


@pytest.mark.requirement("R-19")
async def test_while_the_shop_is_closed_nothing_is_scanned(bus: str) -> None:
    hours = {"open": False}
    async with (
        a_bluetoothd(bus) as bluez,
        running(open_at=lambda _: hours["open"], means=Means()) as radio,
    ):
        await radio.telemetry.wait(RadioResting)
        assert bluez.adapters["hci0"].starts == 0
        assert radio.scanner.condition is Condition.CLOSED
        hours["open"] = True
        await hears(bluez, radio)
        hours["open"] = False
        await radio.telemetry.wait(RadioResting, 2)
        await until(lambda: bluez.adapters["hci0"].sessions == {})


def means(tmp_path: Path, *, probe: Any = None) -> Means:
    """Probes that are in a hurry."""

    async def soon_over(adapter: str, mode: RadioMode) -> bool:
        return await hears_anybody(adapter, mode, 0.02)

    return Means(ledger=Ledger(tmp_path), off_s=0.01, probe=probe or soon_over)


@pytest.mark.requirement("R-60")
@pytest.mark.parametrize("cure", ["restart", "power"])
async def test_a_deaf_radio_is_found_and_helped_step_by_step(
    bus: str, tmp_path: Path, cure: str
) -> None:
    deaf = FakeAdapter(deaf=True, hears_after=cure)
    async with a_bluetoothd(bus, hci0=deaf) as bluez, running(means=means(tmp_path)) as radio:
        await radio.telemetry.wait(RadioScanning)
        assert (await silence_emits(radio, RadioRecovering)).what == "restart_scan"
        if cure == "power":
            assert (await silence_emits(radio, RadioRecovering, times=2)).what == "power_cycle"
        await hears(bluez, radio)
        assert int(str((await radio.telemetry.wait(RadioRecovered)).seconds)) >= 360
    assert deaf.switched == ([False, True] if cure == "power" else [])
    assert radio.scanner.totals.recovered == 1
    assert Ledger(tmp_path).read("hci0", radio.clock.now()) != ()


STRANGER = {"uuids": (STRANGERS,), "service_data": {STRANGERS: b"\x01"}}


@pytest.mark.requirement("R-60", "R-02", "R-04")
@pytest.mark.parametrize("mode", [RadioMode.ACTIVE, RadioMode.PASSIVE])
async def test_a_quiet_shop_in_a_street_with_people_is_left_alone_and_nobody_of_them_is_kept(
    bus: str, tmp_path: Path, mode: RadioMode
) -> None:
    probes: list[bool] = []

    async def probe(adapter: str, mode: RadioMode) -> bool:
        async with asyncio.TaskGroup() as tasks:
            street = tasks.create_task(people_pass())
            probes.append(await hears_anybody(adapter, mode, 5))
            street.cancel()
        return probes[-1]

    async def people_pass() -> None:
        for number in itertools.count():
            bluez.advertise(f"00:00:5E:00:53:{number % 256:02X}", -70, **STRANGER)
            await asyncio.sleep(0.005)

    policy = ScanPolicy(mode=mode)
    async with (
        a_bluetoothd(bus) as bluez,
        running(
            host=a_host(BluezVersion(5, 82)), policy=policy, means=means(tmp_path, probe=probe)
        ) as radio,
    ):
        bluez.temporary_s = 1.0
        await radio.telemetry.wait(RadioScanning)
        await silence(radio, lambda: len(probes) == 6)
        # We have those forgotten that we met; those that came while a probe ended go by themselves.
        await until(lambda: bluez.adapters["hci0"].devices == {})
        assert bluez.adapters["hci0"].removed > 0
        filters = list(bluez.adapters["hci0"].sessions.values())
    assert set(probes) == {True}
    assert radio.telemetry.names() == ["radio.scanning"]
    assert radio.scanner.condition is Condition.QUIET
    assert radio.heard == []
    assert radio.scanner.heard == 0
    assert all("UUIDs" in session for session in filters)
    assert mode is RadioMode.ACTIVE or bluez.adapters["hci0"].starts == 0


@pytest.mark.requirement("R-04")
async def test_a_passive_probe_sends_nothing_and_asks_for_few_patterns(bus: str) -> None:
    async with a_bluetoothd(bus) as bluez:
        assert await hears_anybody("hci0", RadioMode.PASSIVE, 0.05) is False
        assert bluez.adapters["hci0"].sessions == {}
        assert bluez.filters == []
        assert bluez.adapters["hci0"].monitors == {}
    assert bluez.patterns == [[tuple(pattern) for pattern in ANYBODY]]
    assert len(ANYBODY) <= 7  # bluetoothd cannot count to eight (its pull request 2398)


@pytest.mark.parametrize("mode", [RadioMode.ACTIVE, RadioMode.PASSIVE])
async def test_a_probe_has_no_device_forgotten_that_is_connected(bus: str, mode: RadioMode) -> None:
    async with a_bluetoothd(bus) as bluez, asyncio.TaskGroup() as tasks:
        bluez.paired = True

        async def send() -> None:
            while not bluez.adapters["hci0"].devices:
                bluez.advertise(PHONE, -60, **STRANGER)
                await asyncio.sleep(0.01)

        tasks.create_task(send())
        assert await hears_anybody("hci0", mode, 5) is True
        assert len(bluez.adapters["hci0"].devices) == 1


async def test_an_empty_report_in_a_probe_is_no_sign_of_life(bus: str) -> None:
    async with a_bluetoothd(bus) as bluez, asyncio.TaskGroup() as tasks:
        probe = tasks.create_task(hears_anybody("hci0", RadioMode.ACTIVE, 0.3))
        await until(lambda: bool(bluez.adapters["hci0"].sessions))
        bluez.advertise(PHONE, -60, flags=None)
        assert await probe is False
        assert bluez.adapters["hci0"].devices == {}


async def test_a_probe_that_cannot_be_made_is_told_once_and_proves_nothing(
    bus: str, tmp_path: Path
) -> None:
    tried = 0

    async def probe(adapter: str, mode: RadioMode) -> bool:
        nonlocal tried
        tried += 1
        raise RadioError(RadioFault.OTHER, "StartDiscovery: busy")

    async with a_bluetoothd(bus), running(means=means(tmp_path, probe=probe)) as radio:
        await radio.telemetry.wait(RadioScanning)
        await silence(radio, lambda: tried == 5)
    assert [event for event in radio.telemetry.names() if event != "radio.scanning"] == [
        "radio.declined"
    ]
    assert (await radio.telemetry.wait(RadioDeclined)).what == "probe"


@pytest.mark.requirement("R-61")
async def test_while_a_probe_lasts_bluetoothd_is_watched_still(bus: str, tmp_path: Path) -> None:
    probing = asyncio.Event()

    async def probe(adapter: str, mode: RadioMode) -> bool:
        probing.set()
        return await hears_anybody(adapter, mode, 60)

    async with a_bluetoothd(bus) as bluez, running(means=means(tmp_path, probe=probe)) as radio:
        await radio.telemetry.wait(RadioScanning)
        radio.clock.pass_s(240)
        await probing.wait()
        await bluez.stop()
        await radio.telemetry.wait(RadioFailed)
        await bluez.start(bus)
        await hears(bluez, radio)


async def test_at_the_end_of_the_ladder_systemd_is_asked_and_what_is_not_possible_is_said(
    bus: str, tmp_path: Path
) -> None:
    radio = Running(means=means(tmp_path))
    stuck = FakeAdapter(deaf=True, stuck=True)
    async with a_bluetoothd(bus, hci0=stuck):
        with pytest.RaisesGroup(pytest.RaisesExc(RadioError, match="systemd")):
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(radio.scanner.run(radio.heard.append))
                await radio.telemetry.wait(RadioScanning)
                tasks.create_task(silence_emits(radio, RadioDeclined))
    steps = radio.telemetry.of(RadioRecovering, RadioDeclined)
    assert [(event.name, event.what) for event in steps] == [
        ("radio.recovering", "restart_scan"),
        ("radio.recovering", "power_cycle"), ("radio.declined", "power_cycle"),
        ("radio.recovering", "ask_systemd"),
    ]  # fmt: skip
    assert [step for _, step in Ledger(tmp_path).read("hci0", radio.clock.now())][
        -1
    ] is RecoveryStep.ASK_SYSTEMD


async def test_while_another_radio_hears_systemd_is_not_asked(tmp_path: Path) -> None:
    clock, telemetry = FakeClock(), RecordingTelemetry()

    async def not_asked_for() -> NoReturn:
        raise AssertionError

    deaf, well = (
        Care(name, not_asked_for, means(tmp_path), clock=clock, emit=telemetry.emit)
        for name in ("hci0", "hci1")
    )
    deaf.others = [well]
    well.listening()
    well.tally.add(PHONE)
    assert await well.look(not_asked_for) is None
    await deaf.take(Action(RecoveryStep.ASK_SYSTEMD, Evidence.DEAF, 3, 2400))
    assert [event.what for event in telemetry.of(RadioDeclined)] == ["ask_systemd"]
    well.health.away()
    with pytest.raises(RadioError, match="systemd"):
        await deaf.take(Action(RecoveryStep.ASK_SYSTEMD, Evidence.DEAF, 3, 2400))


async def test_repeats_that_are_hidden_are_noticed(bus: str, tmp_path: Path) -> None:
    hiding = FakeAdapter(hides_duplicates=True)
    async with a_bluetoothd(bus, hci0=hiding) as bluez, running(means=means(tmp_path)) as radio:
        await radio.telemetry.wait(RadioScanning)

        phones = itertools.count()

        def crowd() -> bool:
            """A few more phones come in; each sends on, and is heard once."""
            for number in itertools.islice(phones, 10):
                phone = f"4A:11:22:33:{number // 256:02X}:{number % 256:02X}"
                for _ in range(5):
                    bluez.advertise(
                        phone, -60, uuids=(SERVICE_UUID,), service_data={SERVICE_UUID: EID}
                    )
            return bool(radio.telemetry.of(RadioRecovering))

        await until(crowd)
        assert "repeated advertisements do not arrive" in str(
            (await radio.telemetry.wait(RadioRecovering)).reason
        )
        assert radio.scanner.condition is Condition.HIDING


async def test_an_adapter_that_would_not_come_on_again_is_switched_on_later(
    bus: str, tmp_path: Path
) -> None:
    async with (
        a_bluetoothd(bus, hci0=FakeAdapter(deaf=True)) as bluez,
        running(means=means(tmp_path)) as radio,
    ):
        await radio.telemetry.wait(RadioScanning)
        await silence_emits(radio, RadioScanning, times=2)
        adapter = bluez.adapters["hci0"]
        switch = bluez.power

        def off_and_stuck(name: str, powered: bool) -> None:
            switch(name, powered)
            adapter.stuck = True

        bluez.power = off_and_stuck  # type: ignore[method-assign]
        await silence_emits(radio, RadioFailed)
        adapter.stuck, bluez.power = False, switch  # type: ignore[method-assign]
        radio.clock.pass_s(300)
        await until(lambda: adapter.switched == [False, True])
        await radio.telemetry.wait(RadioScanning, 3)


@pytest.mark.requirement("R-61")
@pytest.mark.parametrize("before", [True, False])
async def test_an_adapter_that_somebody_switched_off_is_switched_on_again_with_the_reason(
    bus: str, tmp_path: Path, before: bool
) -> None:
    """Also where it was off before we came: a power cycle of ours that was cut short leaves it
    so.
    """
    async with (
        a_bluetoothd(bus, hci0=FakeAdapter(powered=before)) as bluez,
        running(means=means(tmp_path)) as radio,
    ):
        if before:
            await radio.telemetry.wait(RadioScanning)
            bluez.power("hci0", False)
        assert (await radio.telemetry.wait(RadioFailed)).next_step == RadioFault.POWERED_OFF.value
        event = await radio.telemetry.wait(RadioRecovering)
        assert (event.what, event.attempt) == ("power_on", 1)
        assert "switched off" in str(event.reason)
        await hears(bluez, radio)


async def test_an_adapter_that_is_switched_off_again_and_again_is_switched_on_ever_more_rarely(
    bus: str, tmp_path: Path
) -> None:
    async with a_bluetoothd(bus) as bluez, running(means=means(tmp_path)) as radio:
        for times in range(1, 4):
            await radio.telemetry.wait(RadioScanning, times)
            bluez.power("hci0", False)
            await radio.telemetry.wait(RadioFailed, times)
            if times > 1:
                await asyncio.sleep(5 * HURRY.retry_s)
                assert radio.telemetry.names().count("radio.recovering") == times - 1
                radio.clock.pass_s(3 * 2 ** (times - 1))
            await radio.telemetry.wait(RadioRecovering, times)


async def test_an_adapter_that_rfkill_blocks_is_not_fought_over(bus: str, tmp_path: Path) -> None:
    blocked = FakeAdapter(powered=False, blocked=True)
    async with a_bluetoothd(bus, hci0=blocked) as bluez, running(means=means(tmp_path)) as radio:
        assert (await radio.telemetry.wait(RadioFailed)).next_step == RadioFault.BLOCKED.value
        await asyncio.sleep(5 * HURRY.retry_s)
        assert radio.telemetry.names() == ["radio.failed"]
        assert radio.scanner.trouble == RadioFault.BLOCKED.value
        blocked.blocked = False
        bluez.power("hci0", True)  # as bluetoothd does when the block is gone
        await hears(bluez, radio)
        assert radio.scanner.trouble == ""


@pytest.mark.requirement("R-19")
async def test_while_the_shop_is_closed_an_adapter_that_is_off_stays_off(
    bus: str, tmp_path: Path
) -> None:
    off = FakeAdapter(powered=False)
    options: dict[str, Any] = {"means": means(tmp_path), "open_at": lambda _: False}
    async with a_bluetoothd(bus, hci0=off), running(**options) as radio:
        await radio.telemetry.wait(RadioResting)
        await asyncio.sleep(5 * HURRY.retry_s)
    assert off.switched == []


@pytest.mark.parametrize("how", ["release", "silence"])
async def test_a_monitor_that_the_kernel_refuses_gives_way_to_an_active_scan_where_it_may(
    bus: str, how: str
) -> None:
    refusing, pace = FakeAdapter(refuses_monitors=how), replace(HURRY, activate_s=0.2)
    async with (
        a_bluetoothd(bus, hci0=refusing) as bluez,
        running(host=a_host(BluezVersion(5, 82)), policy=AUTO, pace=pace) as radio,
    ):
        event = await radio.telemetry.wait(RadioScanning)
        assert event.mode == "active"
        assert "monitor" in str(event.reason)
        await hears(bluez, radio)
        refusing.refuses_monitors = ""
        bluez.stop_scanning("hci0")
        await radio.telemetry.wait(RadioScanning, 2)
        assert refusing.monitors == {}  # this bluetoothd has refused
        await bluez.stop()
        await bluez.start(bus)
        await until(lambda: bool(refusing.monitors))


async def test_a_passive_scan_that_the_kernel_refuses_says_what_to_do_and_tries_ever_more_rarely(
    bus: str,
) -> None:
    tries: list[float] = []
    async with a_bluetoothd(bus, hci0=FakeAdapter(refuses_monitors="release")) as bluez:
        register = bluez._register

        def counted(message: Any, name: str) -> Any:
            tries.append(asyncio.get_running_loop().time())
            return register(message, name)

        bluez._register = counted  # type: ignore[method-assign]
        async with running(host=a_host(BluezVersion(5, 82)), policy=PASSIVE) as radio:
            assert (
                await radio.telemetry.wait(RadioFailed)
            ).next_step == RadioFault.MONITOR_REFUSED.value
            await until(lambda: len(tries) == 5)
    waits = [later - sooner for sooner, later in itertools.pairwise(tries)]
    assert waits[-1] > 4 * HURRY.retry_s
    assert radio.telemetry.names() == ["radio.failed"]


@pytest.mark.requirement("R-04")
async def test_after_bluez_5_87_each_advertisement_has_its_own_strength_still(bus: str) -> None:
    async with a_bluetoothd(bus) as bluez, running() as radio:
        bluez.spares_rssi = True
        await radio.telemetry.wait(RadioScanning)
        for rssi_dbm in (-60, -61, -64):
            bluez.advertise(
                PHONE, rssi_dbm, uuids=(SERVICE_UUID,), service_data={SERVICE_UUID: EID}
            )
        await until(lambda: len(radio.heard) == 3)
    assert [heard.rssi_dbm for heard in radio.heard] == [-60, -61, -64]


async def test_bluez_5_87_is_asked_without_the_uuid_filter_that_kills_it(bus: str) -> None:
    async with a_bluetoothd(bus) as bluez, running(host=a_host(BluezVersion(5, 87))) as radio:
        bluez.dies_of_uuids = True
        event = await radio.telemetry.wait(RadioScanning)
        assert "BlueZ 5.87 dies of UUID filters" in str(event.reason)
        bluez.advertise(
            "00:00:5E:00:53:99", -50, uuids=(STRANGERS,), service_data={STRANGERS: b"\x01"}
        )
        await hears(bluez, radio)
    assert radio.telemetry.names() == ["radio.scanning"]


@pytest.mark.parametrize("version", [BluezVersion(5, 76), BluezVersion(5, 82), None])
async def test_where_a_long_advertisement_could_kill_bluetoothd_no_pattern_for_ibeacons_is_set(
    bus: str, version: BluezVersion | None
) -> None:
    host = a_host(version)
    async with a_bluetoothd(bus) as bluez:
        async with running(host=host, policy=listening(RadioMode.AUTO, PREFIX)) as radio:
            event = await radio.telemetry.wait(RadioScanning)
            assert event.mode == "active"
            assert "long advertisement" in str(event.reason)
        async with running(host=host, policy=listening(RadioMode.PASSIVE, PREFIX)) as radio:
            assert (
                await radio.telemetry.wait(RadioFailed)
            ).next_step == RadioFault.CRASHING_PATTERNS.value
    assert bluez.patterns == []


async def test_an_adapter_that_is_not_there_is_told_with_those_that_are(bus: str) -> None:
    async with (
        a_bluetoothd(bus, hci1=FakeAdapter(), hci2=FakeAdapter(address="00:00:5E:00:53:02")),
        running() as radio,
    ):
        assert (
            await radio.telemetry.wait(RadioFailed)
        ).reason == "hci0 is not there; there: hci1 (00:00:5E:00:53:01), hci2 (00:00:5E:00:53:02)"


@pytest.mark.requirement("R-61")
async def test_a_dead_bluetoothd_is_started_by_an_ordinary_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bus knows how to start it, as Debian's has it: SystemdService= there, a program here."""
    services, started = tmp_path / "services", tmp_path / "started"
    services.mkdir()
    program = tmp_path / "bluetoothd"
    program.write_text(f"#!/bin/sh\ntouch {started}\n")
    program.chmod(0o755)
    (services / "org.bluez.service").write_text(
        f"[D-BUS Service]\nName=org.bluez\nExec={program}\n"
    )
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path / 'bus'}")
    async with a_bus(tmp_path, services=services) as address:
        async with running() as radio:
            await until(started.exists)
            async with a_bluetoothd(address) as bluez:
                await hears(bluez, radio)
        await close_bleak()
