"""The service and its installation: the sandbox, the files, twice, upgraded, and away again."""

import configparser
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from presence.edges.bluez.traces import PHONE_PLUGINS
from presence.edges.kernel.descriptor import SOCKET
from tests.support.paths import ROOT

UNIT = ROOT / "systemd" / "presence.service"
SATELLITE = ROOT / "systemd" / "presence-satellite.service"
HELPER = ROOT / "systemd" / "presence-radio@.service"
HELPERS_SOCKET = ROOT / "systemd" / "presence-radio.socket"
KEPT = {"etc/presence/presence.yaml", "etc/presence/store.key"}
"""The site's own: `presence config init` makes them, and no installation touches them."""

needs_analyze = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)


def install(root: Path, *options: str) -> str:
    return _run("install", "--root", str(root), *options)


def _run(script: str, *options: str) -> str:
    done = subprocess.run(
        [ROOT / "scripts" / script, *options], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return done.stdout


def files(root: Path) -> dict[str, tuple[int, bytes]]:
    found = (path for path in root.rglob("*") if path.is_file())
    return {
        str(path.relative_to(root)): (path.stat().st_mode & 0o777, path.read_bytes())
        for path in found
    }


@needs_analyze
@pytest.mark.requirement("R-62")
@pytest.mark.parametrize("unit", [UNIT, SATELLITE, HELPER], ids=["gateway", "satellite", "helper"])
def test_a_unit_is_exposed_by_1_point_5_at_most(unit: Path) -> None:
    command = [
        "systemd-analyze",
        "security",
        "--offline=true",
        "--threshold=15",
        "--no-pager",
        str(unit),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_sandbox_lets_the_clock_be_asked() -> None:
    """Of two words on one call the last counts, and `ProtectClock=` would be one more (tests/system
    shows it).
    """
    lines = [line for line in UNIT.read_text().splitlines() if not line.startswith("#")]
    filters = [line for line in lines if line.startswith("SystemCallFilter=")]
    assert filters[-1] == "SystemCallFilter=adjtimex clock_adjtime clock_adjtime64"
    assert not any(line.startswith("ProtectClock=") for line in lines)


@pytest.mark.requirement("R-62")
def test_the_daemon_has_no_right_and_the_helper_two() -> None:
    def said(unit: Path, key: str) -> list[str]:
        lines = unit.read_text().splitlines()
        return [line.partition("=")[2] for line in lines if line.startswith(f"{key}=")]

    for key in ("CapabilityBoundingSet", "AmbientCapabilities"):
        assert said(UNIT, key) == [""]
        assert said(HELPER, key) == ["CAP_NET_ADMIN CAP_NET_RAW"]
    assert said(UNIT, "RestrictAddressFamilies") == ["AF_UNIX AF_INET AF_INET6"]
    assert said(HELPER, "RestrictAddressFamilies") == ["AF_BLUETOOTH AF_UNIX"]
    assert said(HELPERS_SOCKET, "SocketUser") == ["presence"]
    assert said(HELPERS_SOCKET, "SocketMode") == ["0600"]
    assert said(HELPERS_SOCKET, "ListenSequentialPacket") == [str(SOCKET)]


OUR_UNITS = (
    "presence.service",
    "presence-satellite.service",
    "presence-radio",
    "var-lib-bluetooth",
    "bluetooth.service",
)
DEBIANS = """\
[Service]
Type=dbus
BusName=org.bluez
ExecStart=/usr/libexec/bluetooth/bluetoothd
NotifyAccess=main
#WatchdogSec=10
#Restart=on-failure
CapabilityBoundingSet=CAP_NET_ADMIN CAP_NET_BIND_SERVICE
LimitNPROC=1
PrivateTmp=true
StateDirectory=bluetooth
MemoryDenyWriteExecute=true
"""
"""What matters here of bluetooth.service as Debian 12 ships it."""


def a_bluetooth_unit(folder: Path) -> Path:
    """Debian's unit with our drop-in, but for the program, which is not on the machine of the
    tests.
    """
    unit, drop_in = folder / "bluetooth.service", folder / "bluetooth.service.d" / "presence.conf"
    unit.write_text(DEBIANS.replace("/usr/libexec/bluetooth/bluetoothd", "/bin/true"))
    drop_in.parent.mkdir()
    ours = (ROOT / "systemd" / "bluetooth.service.d" / "presence.conf").read_text()
    drop_in.write_text(ours.replace("/usr/libexec/bluetooth/bluetoothd", "/bin/true"))
    return unit


@needs_analyze
@pytest.mark.requirement("R-62")
def test_bluetoothd_which_parses_what_strangers_send_is_exposed_by_3_at_most(
    tmp_path: Path,
) -> None:
    unit = str(a_bluetooth_unit(tmp_path))
    command = [
        "systemd-analyze",
        "security",
        "--offline=true",
        "--threshold=30",
        "--no-pager",
        unit,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.requirement("R-61")
def test_a_bluetoothd_that_died_or_hangs_is_started_again_however_often() -> None:
    drop_in = (ROOT / "systemd" / "bluetooth.service.d" / "presence.conf").read_text().splitlines()
    wanted = {
        "Restart=always", "RestartSec=1", "StartLimitIntervalSec=0",
        "NotifyAccess=main", "WatchdogSec=10", "WatchdogSignal=SIGKILL",
    }  # fmt: skip
    assert wanted <= set(drop_in)


def test_bluetoothds_settings_name_each_section_and_key_once() -> None:
    parser = configparser.ConfigParser(strict=True, interpolation=None)
    parser.read_string((ROOT / "systemd" / "bluetooth.conf").read_text())
    assert {"General", "LE", "GATT", "Policy"} == set(parser.sections())


@needs_analyze
def test_systemd_finds_nothing_to_say_about_our_units(tmp_path: Path) -> None:
    """But for the program, which is not installed on the machine of the tests."""
    shipped = (UNIT, SATELLITE, HELPER, HELPERS_SOCKET)
    units = [tmp_path / each.name for each in shipped]
    for ours, unit in zip(shipped, units, strict=True):
        text = ours.read_text().replace("/opt/presence/bin/python", "/usr/bin/python3")
        unit.write_text(re.sub("file:/usr/share/doc/presence/.*", "man:systemd(1)", text))
    mount = tmp_path / "var-lib-bluetooth.mount"
    mount.write_text((ROOT / "systemd" / mount.name).read_text())
    command = [
        "systemd-analyze",
        "verify",
        "--recursive-errors=no",
        "--man=no",
        *map(str, units),
        str(mount),
    ]
    command.append(str(a_bluetooth_unit(tmp_path)))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    said = [line for line in done.stderr.splitlines() if any(name in line for name in OUR_UNITS)]
    assert said == []


def test_every_file_of_the_sandbox_is_installed_and_neither_settings_nor_a_key(
    tmp_path: Path,
) -> None:
    install(tmp_path)
    found = files(tmp_path)
    assert found.keys() == {
        "etc/systemd/system/presence.service",
        "etc/systemd/system/presence-satellite.service",
        "etc/systemd/system/presence-radio.socket",
        "etc/systemd/system/presence-radio@.service",
        "etc/systemd/system/bluetooth.service.d/presence.conf",
        "etc/systemd/system/var-lib-bluetooth.mount",
        "etc/systemd/journald@presence.conf",
        "usr/lib/sysusers.d/presence.conf",
        "etc/dbus-1/system.d/zz-presence.conf",
        "etc/presence/bluetooth.conf",
        "usr/share/doc/presence/install.md",
        "usr/share/doc/presence/satellites.md",
        "usr/share/doc/presence/satellite.yaml",
        "usr/share/doc/presence/presence.yaml",
        "usr/share/doc/presence/presence.schema.json",
        "usr/share/doc/presence/satellite.schema.json",
        "usr/share/doc/presence/settings.md",
        "usr/local/share/bash-completion/completions/presence",
        "usr/local/share/zsh/site-functions/_presence",
        "usr/local/share/fish/vendor_completions.d/presence.fish",
        *(
            f"usr/local/share/man/man1/{page.name}"
            for page in (ROOT / "docs" / "man").iterdir()
            if page.stem != "presence-consents"
        ),
    }


def test_installing_twice_changes_nothing_and_says_so(tmp_path: Path) -> None:
    install(tmp_path)
    before = files(tmp_path)
    said = install(tmp_path)
    assert files(tmp_path) == before
    assert {line.split()[0] for line in said.splitlines()} == {"same"}


def test_an_upgrade_keeps_the_sites_own_files_and_renews_ours(tmp_path: Path) -> None:
    install(tmp_path)
    own = {tmp_path / name: f"{name}: ours\n" for name in KEPT}
    for path, text in own.items():
        path.write_text(text)
    unit = tmp_path / "etc/systemd/system/presence.service"
    unit.write_text("[Unit]\nDescription=an older version\n")
    said = install(tmp_path)
    assert {path: path.read_text() for path in own} == own
    assert unit.read_text() == UNIT.read_text()
    assert "renewed   /etc/systemd/system/presence.service" in said
    assert all(f"kept      /{name}" in said for name in KEPT)


def modes(root: Path) -> dict[str, int]:
    return {str(path.relative_to(root)): path.stat().st_mode & 0o7777 for path in root.rglob("*")}


@pytest.mark.parametrize("umask", ["077", "000"])
def test_modes_do_not_depend_on_roots_umask(umask: str, tmp_path: Path) -> None:
    usual, other = tmp_path / "usual", tmp_path / "other"
    for folder, mask in ((usual, "022"), (other, umask)):
        folder.mkdir()
        command = f"umask {mask}; exec {ROOT}/scripts/install --root {folder}"
        subprocess.run(["/bin/sh", "-c", command], check=True, capture_output=True)
    assert modes(other) == modes(usual)
    assert {mode for mode in modes(other).values() if mode & 0o022} == set()
    assert modes(other)["etc/systemd/system"] == 0o755


@pytest.mark.slow
@pytest.mark.skipif(
    os.geteuid() != 0, reason="root only: it is root whom somebody else's program must not reach"
)
def test_as_root_nothing_is_started_that_another_user_may_have_put_into_the_checkout(
    tmp_path: Path,
) -> None:
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    for name in (
        "presence",
        "scripts",
        "config",
        "pyproject.toml",
        "uv.lock",
        "README.md",
        "LICENSE",
    ):
        subprocess.run(["cp", "-r", ROOT / name, checkout / name], check=True)
    for place in (".setup/uv-9.9.9/bin/uv", ".venv/bin/python"):
        planted = checkout / place
        planted.parent.mkdir(parents=True)
        planted.write_text(f"#!/bin/sh\ntouch {tmp_path}/started-$(basename $0)\nexit 1\n")
        planted.chmod(0o755)
    subprocess.run(["chown", "-R", "nobody", checkout], check=True)
    done = subprocess.run(
        [checkout / "scripts" / "wheelhouse", tmp_path / "wheels"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert list(tmp_path.glob("started-*")) == []
    assert "working in a clean copy" in done.stdout
    if (
        done.returncode
    ):  # without a network, or a mirror: nothing of the user's was taken in its place
        assert "uv" in done.stderr
    else:
        assert list((tmp_path / "wheels").glob("presence-*.whl"))
    assert (
        subprocess.run(
            ["find", checkout, "!", "-user", "nobody"], capture_output=True, check=True
        ).stdout
        == b""
    )


def test_purging_stops_the_journal_before_it_is_removed() -> None:
    """Its writer would make it anew (tests/system looks at the folder itself)."""
    script = (ROOT / "scripts" / "uninstall").read_text()
    stopped, removed = (
        script.index("systemd-journald@presence.service"),
        script.index("rm -rf /var/log/journal/"),
    )
    assert stopped < removed


@pytest.mark.parametrize(
    ("record", "same"),
    [
        (
            "presence/a.py,sha256=1,5\npresence/__pycache__/a.cpython-313.pyc,,\n"
            "../direct_url.json,sha256=9,7\n",
            True,
        ),
        ("presence/a.py,sha256=2,5\n", False),
        ("presence/a.py,sha256=1,5\npresence/b.py,sha256=1,5\n", False),
    ],
)
def test_only_a_program_with_other_files_is_a_change_that_restarts_it(
    record: str, same: bool, tmp_path: Path
) -> None:
    script = (ROOT / "scripts" / "install").read_text()
    function = script[script.index("fingerprint() {") : script.index("install_program() {")]
    written = tmp_path / "lib/python3.13/site-packages/presence-1.dist-info/RECORD"
    written.parent.mkdir(parents=True)
    seen = []
    for text in ("presence/a.py,sha256=1,5\n../direct_url.json,sha256=8,7\n", record):
        written.write_text(text)
        command = ["/bin/sh", "-euc", f"environment={tmp_path}; {function} fingerprint"]
        seen.append(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert (seen[0] == seen[1]) is same


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    said = install(tmp_path, "--dry-run")
    assert files(tmp_path) == {}
    assert "would be  made: /etc/systemd/system/presence.service" in said


def test_a_dry_run_on_a_machine_without_systemd_says_what_would_be_done(tmp_path: Path) -> None:
    for name in ("sh", "dirname", "readlink", "id", "mktemp", "rm", "cmp", "find", "grep", "sort",
                 "sha256sum", "cat", "python3", "stat", "mountpoint"):  # fmt: skip
        (tmp_path / name).symlink_to(shutil.which(name) or "/nothing")
    done = subprocess.run(
        [ROOT / "scripts" / "install", "--dry-run"],
        capture_output=True, text=True, check=False, env={"PATH": str(tmp_path)},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "systemctl daemon-reload" in done.stdout
    assert "nothing → nothing" not in done.stdout


def test_uninstalling_keeps_settings_and_keys_and_purging_leaves_nothing(tmp_path: Path) -> None:
    install(tmp_path)
    for name in KEPT:
        (tmp_path / name).write_text("ours\n")
    _run("uninstall", "--root", str(tmp_path))
    assert files(tmp_path).keys() == KEPT
    _run("uninstall", "--root", str(tmp_path), "--purge")
    assert files(tmp_path) == {}


@pytest.mark.parametrize("script", ["install", "uninstall", "wheelhouse"])
def test_the_scripts_explain_themselves_and_refuse_what_they_do_not_know(script: str) -> None:
    shown = subprocess.run(
        [ROOT / "scripts" / script, "--help"], capture_output=True, text=True, check=False
    )
    assert f"scripts/{script}" in shown.stdout + shown.stderr
    unknown = subprocess.run(
        [ROOT / "scripts" / script, "--bogus"], capture_output=True, text=True, check=False
    )
    assert unknown.returncode == 64


@pytest.mark.skipif(os.geteuid() != 0, reason="root only: others are refused by another sentence")
def test_uninstalling_below_a_folder_touches_nothing_of_this_machine(tmp_path: Path) -> None:
    said = _run("uninstall", "--root", str(tmp_path), "--purge")
    assert said == ""


def test_bluetoothd_leaves_out_every_plug_in_that_touches_phones() -> None:
    drop_in = (ROOT / "systemd" / "bluetooth.service.d" / "presence.conf").read_text()
    assert f"--noplugin={','.join(PHONE_PLUGINS)}\n" in drop_in


def test_the_unit_starts_what_the_installation_makes() -> None:
    unit = UNIT.read_text()
    assert "ExecStart=/opt/presence/bin/python -sPB -m presence run\n" in unit
    assert "environment=/opt/presence\n" in (ROOT / "scripts" / "install").read_text()


@pytest.mark.parametrize(
    ("wheel", "code"), [("presence-1-py3.whl", 0), ("presence_consents-1-py3.whl", 69)]
)
def test_a_wheelhouse_with_what_keeps_identity_keys_is_not_installed_on_a_gateway(
    wheel: str, code: int, tmp_path: Path
) -> None:
    script = (ROOT / "scripts" / "install").read_text()
    refuse = script[script.index("refuse_consents() {") : script.index("look_around() {")]
    (fail,) = (line for line in script.splitlines() if line.startswith("fail() {"))
    (tmp_path / wheel).touch()
    command = ["/bin/sh", "-euc", f"{fail}\n{refuse}\nrefuse_consents {tmp_path}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert ("fill a folder without --consents" in done.stderr) is (code == 69)
