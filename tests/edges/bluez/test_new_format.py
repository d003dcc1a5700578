"""A new beacon format is one file and one line: what a format says reaches engine and radio."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from presence.config.settings import RadioMode
from presence.core.recognition.beacons import FORMATS, Format, eddystone
from presence.edges.bluez.choice import ScanPolicy
from presence.edges.bluez.version import BluezVersion
from presence.telemetry import RadioScanning
from tests.support import coins
from tests.support.builders import ANNA, an_engine, consent, identifier_of
from tests.support.fake_bluez import FakeBluetoothd, a_bluetoothd
from tests.support.paths import ROOT
from tests.support.scanners import PHONE, Running, a_host, running, until
from tests.support.shops import Shop

needs_a_bus = pytest.mark.skipif(
    shutil.which("dbus-daemon") is None,
    reason="dbus-daemon is not installed: apt install dbus-daemon",
)
REGISTERED = (*FORMATS, coins.FORMAT)


def listening(mode: RadioMode, formats: tuple[Format, ...]) -> ScanPolicy:
    return ScanPolicy(mode=mode, filters=tuple(each.scan_filter for each in formats))


async def a_coin_comes_in(bluez: FakeBluetoothd, radio: Running) -> None:
    """Eight advertisements, one a second, as `approach` has them."""
    for _ in range(8):
        before = len(radio.heard)
        frame = b"\xc0" + identifier_of(ANNA, radio.clock.now().utc_s)

        def arrived(before: int = before, frame: bytes = frame) -> bool:
            bluez.advertise(
                PHONE, -60, uuids=(coins.SERVICE_UUID,), service_data={coins.SERVICE_UUID: frame}
            )
            return len(radio.heard) > before

        await until(arrived)
        radio.clock.pass_s(1)


@needs_a_bus
@pytest.mark.parametrize(
    ("version", "mode", "spelt"),
    [
        (BluezVersion(5, 82), RadioMode.PASSIVE, [b"\x30", b"\xc0"]),
        (None, RadioMode.PASSIVE, [b"\xaa\xfe\x30", b"\x30", b"\xf0\xff\xc0", b"\xc0"]),
        (BluezVersion(5, 82), RadioMode.ACTIVE, []),
    ],
)
async def test_a_format_that_is_registered_is_asked_for_and_its_customer_comes_in(
    bus: str,
    version: BluezVersion | None,
    mode: RadioMode,
    spelt: list[bytes],
) -> None:
    async with (
        a_bluetoothd(bus) as bluez,
        running(host=a_host(version), policy=listening(mode, REGISTERED)) as radio,
    ):
        await radio.telemetry.wait(RadioScanning)
        await a_coin_comes_in(bluez, radio)
    engine = an_engine(consent(), formats=REGISTERED)
    queued = [each.ref for heard in radio.heard for each in engine.receive(heard).queued]

    assert [[content for _, _, content in each] for each in bluez.patterns] == (
        [spelt] * bool(spelt)
    )
    assert [each["UUIDs"] for each in bluez.filters] == (
        [] if spelt else [sorted([eddystone.SERVICE_UUID, coins.SERVICE_UUID])]
    )
    assert (engine.counts.entered, queued) == (1, [ANNA])


@needs_a_bus
async def test_a_format_that_nobody_registered_is_neither_asked_for_nor_recognised(
    bus: str,
) -> None:
    frame = b"\xc0" + identifier_of(ANNA, 0)
    async with (
        a_bluetoothd(bus) as bluez,
        running(
            host=a_host(BluezVersion(5, 82)), policy=listening(RadioMode.PASSIVE, FORMATS)
        ) as radio,
    ):
        await radio.telemetry.wait(RadioScanning)
        await until(lambda: bool(bluez.adapters["hci0"].monitors))
        bluez.advertise(
            PHONE, -60, uuids=(coins.SERVICE_UUID,), service_data={coins.SERVICE_UUID: frame}
        )
        assert bluez.adapters["hci0"].devices == {}  # bluetoothd itself left it out
    assert [[content for _, _, content in each] for each in bluez.patterns] == [[b"\x30"]]


@needs_a_bus
async def test_a_format_that_says_nothing_to_filter_by_is_heard_by_an_active_scan_for_everybody(
    bus: str,
) -> None:
    hidden = replace(
        coins.FORMAT, scan_filter=replace(coins.FORMAT.scan_filter, service_uuids=(), patterns=())
    )
    policy = listening(RadioMode.AUTO, (*FORMATS, hidden))
    async with (
        a_bluetoothd(bus) as bluez,
        running(host=a_host(BluezVersion(5, 82)), policy=policy) as radio,
    ):
        event = await radio.telemetry.wait(RadioScanning)
        await a_coin_comes_in(bluez, radio)
    assert (bluez.patterns, ["UUIDs" in each for each in bluez.filters]) == ([], [False])
    assert event.mode == "active"
    assert "not passive: a passive scan finds no coins;" in str(event.reason)
    assert str(event.reason).endswith("dropped here: coins have no UUID to filter by")


SCRIPT = """
import json, sys
from pathlib import Path
from presence.config import load_settings
from presence.config.rules import rules_of
from presence.edges.bluez import policy_of
settings = load_settings(Path(sys.argv[1]))
print(json.dumps({
    "recognised": [each.name for each in rules_of(settings, bytes(32)).formats],
    "asked for": [each.what for each in policy_of(settings).filters],
}))
"""


def test_one_file_and_one_line_are_all_that_a_new_format_takes(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "shop", 1883).open([])
    tree = tmp_path / "presence"
    shutil.copytree(ROOT / "presence", tree, ignore=shutil.ignore_patterns("__pycache__"))
    beacons = tree / "core" / "recognition" / "beacons"
    shutil.copy(ROOT / "tests" / "support" / "coins.py", beacons)
    registry = (beacons / "__init__.py").read_text()
    line = "    eddystone.FORMAT,\n"
    assert line in registry
    added = registry.replace(line, f"{line}    coins.FORMAT,\n")
    added = added.replace("import eddystone\n", "import coins, eddystone\n")
    (beacons / "__init__.py").write_text(added)

    answer = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(shop.config)],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True, check=True, timeout=60,
    )  # fmt: skip

    assert json.loads(answer.stdout) == {
        "recognised": ["E1, Eddystone-EID", "coin"],
        "asked for": ["Eddystone-EIDs", "coins"],
    }
