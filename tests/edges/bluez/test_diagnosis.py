"""What `presence check` finds out about the radio, and about what BlueZ itself would keep."""

import asyncio
import contextlib
import errno
import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from subprocess import PIPE, Popen

import pytest

from presence.config import Settings, load_settings
from presence.config.settings import AntennaSettings, HearingPath, RadioMode
from presence.core.place import Place
from presence.core.recognition.beacons.eddystone import SERVICE_UUID
from presence.edges.bluez.diagnosis import (
    CACHE_STEP,
    HIDDEN_STEP,
    MODE_STEP,
    UPGRADE_STEP,
    RadioAnswer,
    RadioVerdict,
    adapters_there,
    diagnose,
)
from presence.edges.bluez.duty import MAIN_CONF, listening_share, main_conf_of, passive_share
from presence.edges.bluez.host import THIS_MACHINE, BluezHost
from presence.edges.bluez.traces import (
    caches_on_disk,
    command_of,
    filesystem_of,
    mounts_of,
    phone_plugins,
)
from presence.edges.bluez.version import BluezVersion
from presence.errors import RadioFault
from tests.support.fake_advertising import a_bus
from tests.support.fake_bluez import FakeAdapter, FakeBluetoothd, a_bluetoothd
from tests.support.fakes import FakeClock
from tests.support.paths import ROOT
from tests.support.radio_helpers import FakeKernel, a_helper
from tests.support.scanners import EID, a_host

needs_a_bus = pytest.mark.skipif(
    shutil.which("dbus-daemon") is None,
    reason="dbus-daemon is not installed: apt install dbus-daemon",
)
EXAMPLE = ROOT / "config" / "presence.yaml"
DISK = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
23 22 0:21 / /proc rw - proc proc rw
24 22 0:22 / /var/lib/my\\040files rw - xfs /dev/sdb rw
"""
STATE_IN_MEMORY = DISK + "99 22 0:50 / /var/lib/bluetooth rw,nosuid - tmpfs tmpfs rw,size=1024k\n"
CACHE_IN_MEMORY = (
    DISK + "99 22 0:50 / /var/lib/bluetooth/00:00:5E:00:53:01/cache rw - tmpfs tmpfs rw\n"
)
HIDDEN_AGAIN = STATE_IN_MEMORY + "100 99 8:1 /b /var/lib/bluetooth rw - ext4 /dev/sda1 rw\n"
ADDRESS = "00:00:5E:00:53:01"


@pytest.mark.parametrize(
    ("mountinfo", "disks"),
    [
        (DISK, ["ext4"]), (STATE_IN_MEMORY, []), (CACHE_IN_MEMORY, []), (HIDDEN_AGAIN, ["ext4"]),
        ("", ["an unknown filesystem"]), ("nonsense\n1 2\n", ["an unknown filesystem"]),
    ],
)  # fmt: skip
def test_a_cache_is_on_the_filesystem_that_bluetoothd_sees_there(
    mountinfo: str, disks: list[str]
) -> None:
    assert caches_on_disk([ADDRESS.lower()], mountinfo) == disks


def test_one_adapter_in_memory_does_not_excuse_another() -> None:
    assert caches_on_disk([ADDRESS, "00:00:5E:00:53:02"], CACHE_IN_MEMORY) == ["ext4"]


def test_a_mount_point_with_a_blank_is_read_as_the_kernel_writes_it() -> None:
    assert filesystem_of(PurePosixPath("/var/lib/my files/a"), DISK) == "xfs"
    assert filesystem_of(PurePosixPath("/var/lib/my filesystem"), DISK) == "ext4"


@pytest.mark.parametrize(
    "options",
    [
        ["--noplugin=*"],
        ["--plugin=hostname,policy"],
        ["--plugin", "policy"],
        ["-p", "hostname policy"],
        ["-phostname,policy"],
        ["-P", "*"],
        ["--experimental", "--plugin="],
        ["-d", "-P*", "--plugin=a2dp"],
    ],
)
def test_a_bluetoothd_that_loads_no_plug_in_for_phones_passes(options: list[str]) -> None:
    assert phone_plugins(["/usr/libexec/bluetooth/bluetoothd", *options]) == []


@pytest.mark.parametrize(
    ("options", "loaded"),
    [(["--plugin=policy,a2*"], ["a2dp"]), (["--plugin=*", "-P", "[!h]*,hog,h[ef]*"], [])],
)
def test_patterns_are_heeded(options: list[str], loaded: list[str]) -> None:
    assert phone_plugins(["bluetoothd", *options]) == loaded


@pytest.mark.parametrize(
    "options", [[], ["--experimental"], ["--noplugin=sap"], ["-d", "--compat"]]
)
def test_a_bluetoothd_as_shipped_does_not_pass(options: list[str]) -> None:
    assert {"a2dp", "input", "hog"} <= set(phone_plugins(["bluetoothd", *options]))


def test_what_the_system_does_not_show_is_not_guessed(tmp_path: Path) -> None:
    assert mounts_of(1, tmp_path) is None
    assert command_of(1, tmp_path) is None
    assert " - " in (mounts_of(os.getpid()) or "")
    assert command_of(os.getpid())  # xdist gives its workers names of their own where it can


def test_the_command_line_of_another_process_is_read_word_by_word() -> None:
    with Popen(["cat", "-", "-"], stdin=PIPE, stdout=PIPE) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        other.stdin.write(b"here\n")
        other.stdin.flush()
        other.stdout.readline()  # before a program runs, its command line may still be empty
        assert command_of(other.pid) == ["cat", "-", "-"]


def settings(mode: RadioMode = RadioMode.ACTIVE, *adapters: str) -> Settings:
    example = load_settings(EXAMPLE)
    antennas = [AntennaSettings(adapter=adapter) for adapter in adapters]
    return replace(example, radio=replace(example.radio, mode=mode, antennas=antennas))


async def answers(
    settings: Settings, listen_s: float = 0.05, *, host: BluezHost = THIS_MACHINE
) -> dict[str, RadioAnswer]:
    found = diagnose(settings, FakeClock(), listen_s, host=host)
    return {answer.question: answer async for answer in found}


@contextlib.asynccontextmanager
async def on_air(bluez: FakeBluetoothd, phones: int) -> AsyncIterator[None]:
    """So many phones send, again and again."""

    async def send() -> None:
        while True:
            for number in range(phones):
                address = f"4A:11:22:33:44:{number:02X}"
                bluez.advertise(
                    address, -60, uuids=(SERVICE_UUID,), service_data={SERVICE_UUID: EID}
                )
            await asyncio.sleep(0.01)

    async with asyncio.TaskGroup() as tasks:
        sending = tasks.create_task(send())
        try:
            yield
        finally:
            sending.cancel()


@needs_a_bus
@pytest.mark.requirement("R-70")
async def test_of_a_sound_radio_each_question_has_a_good_answer(bus: str) -> None:
    host = a_host(
        mounts_of=lambda _: STATE_IN_MEMORY, command_of=lambda _: ["bluetoothd", "-P", "*"]
    )
    async with a_bluetoothd(bus) as bluez, on_air(bluez, 3):
        found = await answers(settings(), 0.3, host=host)
        assert bluez.adapters["hci0"].sessions == {}
    assert list(found) == [
        "adapters",
        "antenna",
        "bluez",
        "radio mode",
        "bluez cache",
        "bluez plug-ins",
        "radio",
        "repeats",
    ]
    assert {answer.verdict for answer in found.values()} == {RadioVerdict.GOOD}
    assert {answer.next_step for answer in found.values()} == {""}


@needs_a_bus
@pytest.mark.requirement("R-70")
async def test_the_way_past_bluez_is_asked_for_where_it_is_wanted(bus: str, tmp_path: Path) -> None:
    example = settings()
    wanted = replace(example, radio=replace(example.radio, path=HearingPath.KERNEL))
    host = a_host(radio_helper=tmp_path / "socket")
    async with a_bluetoothd(bus):
        assert "radio path" not in await answers(example, host=host)
        without = (await answers(wanted, host=host))["radio path"]
        with a_helper(tmp_path / "socket", FakeKernel()) as kernel:
            good = (await answers(wanted, host=host))["radio path"]
            kernel.refuses["monitor"] = errno.EPERM
            refused = (await answers(wanted, host=host))["radio path"]
    assert (good.verdict, good.next_step) == (RadioVerdict.GOOD, "")
    assert without.verdict is refused.verdict is RadioVerdict.DOUBTFUL
    assert without.next_step == RadioFault.NO_HELPER.value
    assert "in place of kernel: hci0: bind: EPERM" in refused.found


@needs_a_bus
@pytest.mark.requirement("R-70")
async def test_a_radio_that_leaves_traces_fails_loudly(bus: str) -> None:
    host = a_host(mounts_of=lambda _: DISK, command_of=lambda _: ["bluetoothd"])
    async with a_bluetoothd(bus):
        found = await answers(settings(), host=host)
    assert found["bluez cache"].verdict is RadioVerdict.BAD
    assert "ext4" in found["bluez cache"].found
    assert found["bluez cache"].next_step == CACHE_STEP
    assert found["bluez plug-ins"].verdict is RadioVerdict.BAD
    assert found["repeats"].verdict is RadioVerdict.DOUBTFUL  # nobody was there


@needs_a_bus
async def test_what_cannot_be_seen_is_doubtful(bus: str) -> None:
    host = a_host(mounts_of=lambda _: None)
    async with a_bluetoothd(bus):
        assert (await answers(settings(), host=host))[
            "bluez traces"
        ].verdict is RadioVerdict.DOUBTFUL


@needs_a_bus
@pytest.mark.requirement("R-70")
@pytest.mark.parametrize(
    ("version", "experimental", "next_step"),
    [
        (BluezVersion(5, 82), True, ""),
        (BluezVersion(5, 70), True, RadioFault.BROKEN_PATTERNS.value),
        (BluezVersion(5, 66), False, RadioFault.UNSUPPORTED.value),
    ],
)
async def test_a_passive_scan_has_needs_of_its_own(
    bus: str,
    version: BluezVersion,
    experimental: bool,
    next_step: str,
) -> None:
    host = a_host(version, passive_share=lambda _: 1.0)
    async with a_bluetoothd(bus) as bluez:
        bluez.experimental = experimental
        passive = await answers(settings(RadioMode.PASSIVE), host=host)
        auto = await answers(settings(RadioMode.AUTO), host=host)
        active = await answers(settings(RadioMode.ACTIVE), host=host)
    assert passive["bluez"].found == str(version)
    assert passive["radio mode"].next_step == next_step
    assert passive["radio"].verdict is (RadioVerdict.BAD if next_step else RadioVerdict.GOOD)
    assert auto["radio mode"].verdict is (RadioVerdict.DOUBTFUL if next_step else RadioVerdict.GOOD)
    assert ("active" in auto["radio mode"].found) == bool(next_step)
    assert auto["radio"].verdict is RadioVerdict.GOOD
    assert active["radio mode"].verdict is RadioVerdict.GOOD


@needs_a_bus
@pytest.mark.requirement("R-70")
async def test_a_bluez_that_cannot_leave_bystanders_out_is_named_with_the_upgrade(bus: str) -> None:
    async with a_bluetoothd(bus):
        found = (await answers(settings(RadioMode.ACTIVE), host=a_host(BluezVersion(5, 87))))[
            "radio mode"
        ]
    assert (found.verdict, found.next_step) == (RadioVerdict.DOUBTFUL, UPGRADE_STEP)
    assert "BlueZ 5.87" in found.found


@needs_a_bus
@pytest.mark.requirement("R-70")
async def test_a_bluez_that_anybody_can_kill_is_named(bus: str) -> None:
    wanted = settings(RadioMode.PASSIVE)
    wanted = replace(wanted, identity=replace(wanted.identity, ibeacon_prefix="5072657365636531"))
    async with a_bluetoothd(bus):
        found = await answers(wanted, host=a_host(BluezVersion(5, 82)))
    assert "BlueZ 5.82 dies" in found["radio mode"].found
    assert found["radio mode"].next_step == RadioFault.CRASHING_PATTERNS.value
    assert found["radio"].verdict is RadioVerdict.BAD


@needs_a_bus
@pytest.mark.requirement("R-70")
async def test_a_kernel_that_takes_no_monitor_is_found_out_by_trying(bus: str) -> None:
    host = a_host(BluezVersion(5, 82))
    async with a_bluetoothd(bus, hci0=FakeAdapter(refuses_monitors="release")):
        auto = (await answers(settings(RadioMode.AUTO), host=host))["radio"]
        passive = (await answers(settings(RadioMode.PASSIVE), host=host))["radio"]
    assert (auto.verdict, auto.next_step) == (RadioVerdict.DOUBTFUL, MODE_STEP)
    assert "did not take the monitor" in auto.found
    assert (passive.verdict, passive.next_step) == (
        RadioVerdict.BAD,
        RadioFault.MONITOR_REFUSED.value,
    )


LISTENS_ALWAYS = "[General]\nName = x\n[LE]\nScanIntervalAdvMonitor=96\nScanWindowAdvMonitor=0x60\n"


@pytest.mark.parametrize(
    ("text", "share"),
    [
        (LISTENS_ALWAYS, 1.0),
        (LISTENS_ALWAYS.replace("0x60", "24"), 0.25),
        (LISTENS_ALWAYS.replace("Window", "Windows"), 0.5),
        (LISTENS_ALWAYS.replace("0x60", "all"), 0.5),
        (LISTENS_ALWAYS.replace("=96", "=0"), 0.5),
        ("no section\n", 0.5),
        ("", 0.5),
    ],
)
def test_how_long_a_passive_scan_listens_stands_in_main_conf(text: str, share: float) -> None:
    assert listening_share(text) == share


@pytest.mark.parametrize(
    ("options", "file"),
    [
        ([], MAIN_CONF),
        (["--experimental"], MAIN_CONF),
        (["-f", "/a"], Path("/a")),
        (["--configfile=/b", "-E"], Path("/b")),
        (["--configfile", "/c"], Path("/c")),
    ],
)
def test_bluetoothd_may_have_been_given_another_file(options: list[str], file: Path) -> None:
    assert main_conf_of(["bluetoothd", *options]) == file


def test_a_bluetoothd_out_of_sight_has_the_usual_file() -> None:
    """As in our sandbox, where its command line is not seen."""
    assert main_conf_of([]) == MAIN_CONF


def test_the_installation_lets_a_passive_scan_listen_always_and_loads_no_plug_in_for_phones() -> (
    None
):
    systemd = EXAMPLE.parents[1] / "systemd"
    assert passive_share(systemd / "bluetooth.conf") == 1
    drop_in = (systemd / "bluetooth.service.d" / "presence.conf").read_text()
    command = [
        line.removeprefix("ExecStart=")
        for line in drop_in.splitlines()
        if line.startswith("ExecStart=/")
    ][-1]
    assert phone_plugins(command.split()) == []
    assert "--experimental" in command.split()


@needs_a_bus
async def test_a_passive_scan_that_listens_half_of_the_time_is_doubtful(bus: str) -> None:
    host = a_host(BluezVersion(5, 82), passive_share=lambda _: 0.5)
    async with a_bluetoothd(bus):
        found = (await answers(settings(RadioMode.PASSIVE), host=host))["radio mode"]
    assert found.verdict is RadioVerdict.DOUBTFUL
    assert found.next_step.startswith("set ScanIntervalAdvMonitor=96 and ")
    assert "50 %" in found.found


@needs_a_bus
async def test_hidden_repeats_are_found(bus: str) -> None:
    hiding = FakeAdapter(hides_duplicates=True)
    async with a_bluetoothd(bus, hci0=hiding) as bluez, on_air(bluez, 40):
        found = await answers(settings(), 0.3)
    assert found["repeats"].verdict is RadioVerdict.BAD
    assert found["repeats"].next_step == HIDDEN_STEP


@needs_a_bus
@pytest.mark.requirement("R-70")
@pytest.mark.parametrize(
    ("adapters", "wanted", "fault"),
    [
        ({"hci0": FakeAdapter()}, ("hci1",), RadioFault.NO_ADAPTER),
        ({"hci0": FakeAdapter()}, ("00:00:5E:00:53:77",), RadioFault.NO_ADAPTER),
        ({"hci0": FakeAdapter(powered=False)}, (), RadioFault.POWERED_OFF),
        ({"hci0": FakeAdapter(), "hci1": FakeAdapter()}, (ADDRESS,), RadioFault.SHARED_NAME),
    ],
)
async def test_an_antenna_that_is_not_ready_is_named_with_its_next_step(
    bus: str, adapters: dict[str, FakeAdapter], wanted: tuple[str, ...], fault: RadioFault
) -> None:
    async with a_bluetoothd(bus, **adapters):
        found = await answers(settings(RadioMode.ACTIVE, *wanted))
    assert list(found) == ["adapters", "antenna"]
    assert (found["antenna"].verdict, found["antenna"].next_step) == (
        RadioVerdict.BAD,
        fault.value,
    )


@needs_a_bus
@pytest.mark.requirement("R-70")
async def test_each_antenna_is_shown_with_its_place_and_adapter_and_one_that_is_off_alone_fails(
    bus: str,
) -> None:
    wanted = settings(RadioMode.ACTIVE, ADDRESS.lower(), "usb:1-1.3")
    at_door = replace(wanted.radio.antennas[1], place=Place.DOOR)
    wanted = replace(
        wanted, radio=replace(wanted.radio, antennas=[wanted.radio.antennas[0], at_door])
    )
    host = a_host(usb_path_of={"hci0": "usb:1-1.3", "hci1": ""}.__getitem__)
    adapters = {
        "hci0": FakeAdapter(powered=False, address="00:00:5E:00:53:02"),
        "hci1": FakeAdapter(address=ADDRESS),
    }
    async with a_bluetoothd(bus, **adapters):
        found = [answer async for answer in diagnose(wanted, FakeClock(), 0.05, host=host)]
    said = [(answer.question, answer.found) for answer in found]
    assert said[:4] == [
        ("adapters", 'hci0: {adapter: "00:00:5E:00:53:02"} or {adapter: usb:1-1.3}'),
        ("adapters", f'hci1: {{adapter: "{ADDRESS}"}}'),
        ("antenna", f"inside: {ADDRESS.lower()} is hci1 ({ADDRESS}), powered"),
        ("antenna", "door: usb:1-1.3: hci0 is off"),
    ]
    assert [answer.found for answer in found if answer.question == "radio"] == [
        f"{ADDRESS.lower()}: a scan in mode active starts"
    ]


@needs_a_bus
@pytest.mark.requirement("R-70")
async def test_sticks_that_share_an_address_are_offered_by_their_sockets(bus: str) -> None:
    host = a_host(usb_path_of={"hci0": "usb:1-1.3", "hci1": ""}.__getitem__)
    async with a_bluetoothd(bus, hci0=FakeAdapter(), hci1=FakeAdapter()):
        found = await adapters_there(host=host)
    assert [answer.found for answer in found] == [
        f"hci0: {{adapter: usb:1-1.3}} ({ADDRESS} is also another's)",
        f"hci1: no name of its own ({ADDRESS} is also another's)",
    ]


@needs_a_bus
@pytest.mark.requirement("R-70")
async def test_without_bluetoothd_or_without_a_bus_the_next_step_is_to_start_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path / 'bus'}")
    assert (await answers(settings()))["radio"].next_step == RadioFault.NO_BLUEZ.value
    async with a_bus(tmp_path):
        assert (await answers(settings()))["radio"].next_step == RadioFault.NO_BLUEZ.value
