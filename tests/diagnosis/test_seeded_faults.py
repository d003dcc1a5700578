"""`presence check` finds each of the twelve faults of R-70 that were put in on purpose, and says
the next step.
"""

import asyncio
import os
import shutil
import time
from argparse import Namespace
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from presence.cli import check
from presence.config import load_settings
from presence.config.rules import read_store_key
from presence.diagnosis.broker import look_at_broker
from presence.diagnosis.findings import Finding, Verdict
from presence.edges.host import calibration
from presence.edges.host.calibration import HungAntenna, Signed
from presence.errors import ClockUnreadable
from presence.simulation.local_broker import free_port
from tests.support.brokers import listener, mosquitto, needs_mosquitto
from tests.support.certificates import Authority, tls_lines
from tests.support.fake_advertising import a_bus
from tests.support.fake_bluez import FakeAdapter, a_bluetoothd
from tests.support.mqtt_parts import EVENTS, new_publisher, running
from tests.support.shops import Shop, entry

pytestmark = pytest.mark.requirement("R-70")
needs_a_bus = pytest.mark.skipif(
    shutil.which("dbus-daemon") is None, reason="dbus-daemon is not installed"
)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/no-bus")
    return a_shop(tmp_path)


def a_shop(tmp_path: Path, *, age_s: int = 0) -> Shop:
    now_s = int(time.time()) - age_s
    stamps = {"published_at": now_s, "suppression_checked_at": now_s}
    return Shop(tmp_path / "shop", free_port()).open([entry(around_s=time.time())], **stamps)


def change(shop: Shop, old: str, new: str) -> None:
    text = shop.config.read_text()
    assert old in text
    shop.config.write_text(text.replace(old, new))


async def found(shop: Shop) -> dict[str, Finding]:
    findings = {finding.name: finding for finding in await check.findings_of(shop.config)}
    assert all(
        finding.next_step for finding in findings.values() if finding.verdict is Verdict.FAIL
    )
    return findings


@pytest.fixture
async def bus(tmp_path: Path, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    async with a_bus(tmp_path) as address:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        yield address


async def test_a_door_that_was_never_calibrated_or_was_changed_since_is_a_warning(
    shop: Shop,
) -> None:
    (settings := load_settings(shop.config)).storage.state_dir.mkdir()
    never = (await found(shop))["door"]
    key = read_store_key(settings.store.key_file)
    signed = Signed(verdict="WARN", found="enter at -75 dBm", measured={}, antennas=())
    calibration.record(settings, key, signed, time.time())
    calibrated = (await found(shop))["door"]
    change(shop, "log:", "entry: {enter_rssi_dbm: -80}\nlog:")
    changed = (await found(shop))["door"]
    assert [each.verdict for each in (never, calibrated, changed)] == [
        Verdict.WARN,
        Verdict.PASS,
        Verdict.WARN,
    ]
    assert "never calibrated" in never.found
    assert "until then the safe default: it finds" in never.found
    assert "scan-test" in never.next_step
    assert f"--config {shop.config}" in never.next_step
    assert "enter at -75 dBm" in calibrated.found
    assert "valid until" in calibrated.found
    assert "signed off by nobody" in calibrated.found
    assert "entry.enter_rssi_dbm" in changed.found


async def test_a_calibration_that_soon_ends_or_was_edited_is_a_warning(shop: Shop) -> None:
    (settings := load_settings(shop.config)).storage.state_dir.mkdir()
    signed = Signed(
        verdict="PASS", found="", measured={}, antennas=(), signed_off_by="M. Meikäläinen"
    )
    key, record = read_store_key(settings.store.key_file), calibration.record
    record(settings, key, signed, time.time() - 350 * 86_400)
    soon = (await found(shop))["door"]
    record(settings, key, signed, time.time() - 400 * 86_400)
    over = (await found(shop))["door"]
    file = settings.storage.state_dir / calibration.FILE_NAME
    file.write_text(file.read_text().replace("Meik", "Veik"))
    edited = (await found(shop))["door"]
    assert [each.verdict for each in (soon, over, edited)] == [Verdict.WARN] * 3
    assert soon.found.startswith("the calibration ends on ")
    assert "signed off by M. Meikäläinen" in soon.found
    assert "that is past" in over.found
    assert "was edited" in edited.found
    assert all("scan-test" in each.next_step for each in (soon, over, edited))


@pytest.mark.skipif(
    os.geteuid() != 0, reason="root only: it becomes a user who may not write there"
)
async def test_a_runtime_folder_that_comes_with_the_daemon_is_no_fault_before_its_first_start(
    tmp_path: Path,
) -> None:
    """docs/install.md has the check before the start; RuntimeDirectory= makes /run/presence, and
    only then.
    """
    settings = load_settings(a_shop(tmp_path).config)
    theirs = replace(settings.storage, runtime_dir=Path("/run/presence-not-started"))
    elsewhere = replace(settings.storage, runtime_dir=Path("/opt/presence-not-started"))
    os.seteuid(65534)
    try:
        found = [
            {f.name: f for f in check.look_at_storage(replace(settings, storage=s))}
            for s in (theirs, elsewhere)
        ]
    finally:
        os.seteuid(0)
    assert [each["runtime_dir"].verdict for each in found] == [Verdict.PASS, Verdict.FAIL]
    assert "when it starts" in found[0]["runtime_dir"].found


@needs_a_bus
async def test_who_has_to_name_adapters_anew_is_shown_those_that_are_there(
    shop: Shop, bus: str, capsys: pytest.CaptureFixture[str]
) -> None:
    change(shop, "log:", "radio: {adapters: [hci0, hci1], door_adapters: [hci1]}\nlog:")
    options = Namespace(
        inside=False, json=False, apart=False, quiet=False, language="en", config=shop.config
    )
    async with a_bluetoothd(bus):
        assert await asyncio.to_thread(check.start, options) == 78
    said = capsys.readouterr().out
    assert "write `antennas: [{adapter: hci0}, {adapter: hci1, place: door}]`" in said
    assert 'PASS  adapters       hci0: {adapter: "00:00:5E:00:53:01"}' in said


async def test_other_mistakes_in_the_settings_do_not_ask_for_adapters(shop: Shop) -> None:
    change(shop, "log:", "entry: {window_s: 90}\nlog:")
    assert list(await found(shop)) == ["configuration"]


@needs_a_bus
async def test_a_calibration_with_another_stick_does_not_count(shop: Shop, bus: str) -> None:
    change(shop, "log:", "radio: {antennas: [{adapter: hci0}]}\nlog:")
    settings = load_settings(shop.config)
    key = read_store_key(settings.store.key_file)
    for address, verdict in (
        (FakeAdapter().address, Verdict.PASS),
        ("00:00:5E:00:53:77", Verdict.WARN),
    ):
        hung = [HungAntenna("hci0", address, "inside")]
        signed = Signed(verdict="PASS", found="", measured={}, antennas=hung)
        calibration.record(settings, key, signed, time.time())
        async with a_bluetoothd(bus):
            assert (await found(shop))["door"].verdict is verdict


@needs_a_bus
async def test_1_no_adapter(shop: Shop, bus: str) -> None:
    async with a_bluetoothd(bus) as bluez:
        bluez.adapters.clear()
        radio = (await found(shop))["radio"]
    assert radio.verdict is Verdict.FAIL
    assert "adapter" in radio.next_step


@needs_a_bus
async def test_2_no_experimental_interface(shop: Shop, bus: str) -> None:
    change(shop, "storage:", "radio: {mode: passive}\nstorage:")
    async with a_bluetoothd(bus) as bluez:
        bluez.experimental = False
        findings = await found(shop)
    assert findings["radio mode"].verdict is Verdict.FAIL
    assert "--experimental" in findings["radio mode"].next_step


async def test_3_a_clock_that_nobody_disciplines(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "is_synchronised", lambda: False)
    clock = (await found(shop))["clock"]
    assert (
        clock.verdict is Verdict.WARN
    )  # a FAIL where the list is the signed one: tests/diagnosis/test_consent_list.py
    assert "timedatectl" in clock.next_step


async def test_3_a_sandbox_that_does_not_let_the_clock_be_asked(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`timedatectl set-ntp true` would help nothing."""

    def unreadable() -> bool:
        raise ClockUnreadable("Operation not permitted")

    monkeypatch.setattr(check, "is_synchronised", unreadable)
    clock = (await found(shop))["clock"]
    assert clock.verdict is Verdict.WARN
    assert "ProtectClock=" in clock.next_step
    assert "timedatectl" not in clock.next_step


async def test_4_a_broker_whose_name_nobody_knows(shop: Shop) -> None:
    tls = "tls: {ca_file: ca.pem}, "
    Authority(shop.folder, "ca")
    (shop.folder / "ca.pem").write_bytes(Authority(shop.folder, "ca").file.read_bytes())
    change(shop, "mqtt: {host: 127.0.0.1,", f"mqtt: {{{tls}host: broker.invalid,")
    broker = (await found(shop))["broker"]
    assert broker.verdict is Verdict.FAIL
    assert "mqtt.host" in broker.next_step


@needs_mosquitto
async def test_4_of_two_brokers_one_that_is_away_is_a_warning_that_names_it(
    shop: Shop, tmp_path: Path
) -> None:
    async with mosquitto(tmp_path) as broker:
        change(shop, f"port: {shop.port}", f"port: {broker.port}, hosts: [127.0.0.2, 127.0.0.1]")
        findings = await look_at_broker(load_settings(shop.config))
    told = [(each.name, each.verdict, each.found) for each in findings]
    assert told[:2] == [
        ("broker", Verdict.WARN, f"127.0.0.2:{broker.port}"),
        ("broker", Verdict.PASS, f"127.0.0.1:{broker.port} over MQTT 5"),
    ]
    assert [each.name for each in findings[2:]] == ["access", "name"]


@needs_mosquitto
async def test_5_a_broker_signed_by_another_authority(shop: Shop, tmp_path: Path) -> None:
    theirs, ours = Authority(tmp_path, "theirs"), Authority(tmp_path, "ours")
    async with mosquitto(tmp_path, *tls_lines(theirs)) as broker:
        change(shop, f"port: {shop.port}", f"port: {broker.port}, tls: {{ca_file: {ours.file}}}")
        finding = (await found(shop))["broker"]
    assert finding.verdict is Verdict.FAIL
    assert "mqtt.tls.ca_file" in finding.next_step


@needs_mosquitto
async def test_6_a_broker_that_lets_us_write_no_events(shop: Shop, tmp_path: Path) -> None:
    acl = tmp_path / "acl"
    acl.write_text("topic read presence/#\n")
    async with mosquitto(tmp_path, f"acl_file {acl}") as broker:
        change(shop, f"port: {shop.port}", f"port: {broker.port}")
        findings = await found(shop)
    assert findings["broker"].verdict is Verdict.PASS
    assert findings["access"].verdict is Verdict.FAIL
    assert "access" in findings["access"].next_step or "ACL" in findings["access"].next_step


async def test_7_a_list_whose_lease_is_over(tmp_path: Path, shop: Shop) -> None:
    finding = (await found(a_shop(tmp_path, age_s=3600)))["consent list"]
    assert finding.verdict is Verdict.FAIL
    assert "stale" in finding.found


async def test_8_a_disk_that_is_nearly_full(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=5 << 20))
    room = (await found(shop))["room"]
    assert (room.verdict, room.found.split()[0]) == (Verdict.FAIL, "5")


async def test_9_hours_that_say_closed_while_the_shop_is_open(shop: Shop) -> None:
    today = time.strftime("%a", time.gmtime()).lower()
    days = [day for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun") if day != today]
    yesterday = days[-1]
    hours = ", ".join(f'{day}: "10:00-11:00"' for day in days if day != yesterday)
    change(shop, "gateway: gw-1,", f"gateway: gw-1, opening_hours: {{{hours}}},")
    finding = (await found(shop))["hours"]
    assert finding.verdict is Verdict.WARN
    assert "closed now" in finding.found
    assert "store.time_zone" in finding.next_step


async def test_10_a_notice_that_is_not_in_force(shop: Shop) -> None:
    change(shop, "2099-01-01", "2020-01-01")
    notice = (await found(shop))["notice"]
    assert notice.verdict is Verdict.FAIL
    assert "disarmed" in notice.found


async def test_11_a_configuration_with_mistakes(shop: Shop) -> None:
    change(shop, "poll_s: 1", "poll_s: 0, wrong: 1")
    configuration = (await found(shop))["configuration"]
    assert configuration.verdict is Verdict.FAIL
    assert "consent.poll_s" in configuration.next_step
    assert "consent.wrong" in configuration.next_step


@needs_mosquitto
async def test_12_two_gateways_with_one_name(shop: Shop, tmp_path: Path) -> None:
    change(shop, "gateway: gw-1", "gateway: door-1")  # the name of tests.support.mqtt_parts
    async with mosquitto(tmp_path) as broker:
        change(shop, f"port: {shop.port}", f"port: {broker.port}")
        assert (await found(shop))["name"].verdict is Verdict.PASS
        async with running(new_publisher(broker.port)):
            name = (await found(shop))["name"]
    assert name.verdict is Verdict.FAIL
    assert "store.gateway" in name.next_step


@needs_mosquitto
async def test_a_broker_that_is_right_is_found_so_and_no_audience_of_customers_hears_of_it(
    shop: Shop, tmp_path: Path
) -> None:
    async with mosquitto(tmp_path) as broker, listener(broker.port, EVENTS) as events:
        change(shop, f"port: {shop.port}", f"port: {broker.port}")
        findings = await found(shop)
        assert [findings[name].verdict for name in ("broker", "access", "name")] == [
            Verdict.PASS
        ] * 3
        assert events.empty()
