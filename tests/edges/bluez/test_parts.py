"""The small parts of the radio edge: versions, patterns, counts, and the memory of steps."""

import os
import re
from pathlib import Path

import pytest
from bleak.exc import BleakDBusError, BleakError
from dbus_fast import AuthError

from presence.core.recognition.beacons import Pattern, ScanFilter, eddystone, ibeacon, rpa
from presence.edges.bluez.faults import fault_of, reason_of
from presence.edges.bluez.modes import patterns
from presence.edges.bluez.version import BluezVersion, bluez_version, parse_version
from presence.errors import RadioError, RadioFault

EDDYSTONE = (eddystone.FORMAT.scan_filter,)
RAW, STRIPPED = b"\xaa\xfe\x30", b"\x30"


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("5.66\n", (5, 66)),
        ("5.82-1.1", (5, 82)),
        ("bluetoothd: not found", None),
        ("", None),
        ("6.0", (6, 0)),
    ],
)
def test_a_version_is_read_as_bluetoothd_and_debian_write_it(
    text: str, version: tuple[int, int] | None
) -> None:
    assert parse_version(text) == version


def program(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_bluetoothd_itself_is_asked_and_else_the_package(tmp_path: Path) -> None:
    status = tmp_path / "status"
    status.write_text(
        "Package: bluez-cups\nVersion: 1.2-3\n\nPackage: bluez\nStatus: install ok installed\n"
        "Architecture: amd64\nVersion: 5.66-1+deb12u2\nDepends: dbus\n\nPackage: "
        "bluez-tools\nVersion: 2.0-1\n"
    )
    works = program(tmp_path / "bluetoothd", "echo 5.82")
    fails = program(tmp_path / "forbidden", "exit 1")
    assert bluez_version((fails, works), status) == (5, 82)
    assert bluez_version((fails, tmp_path / "nowhere"), status) == (5, 66)
    assert bluez_version((), tmp_path / "nowhere") is None
    assert str(BluezVersion(5, 66)) == "5.66"


@pytest.mark.parametrize(
    ("version", "contents"),
    [
        (BluezVersion(5, 56), [RAW]), (BluezVersion(5, 68), [RAW]),
        (BluezVersion(5, 71), [STRIPPED]), (BluezVersion(6, 0), [STRIPPED]),
        (None, [RAW, STRIPPED]),
    ],
)  # fmt: skip
def test_each_bluez_gets_the_spelling_that_it_compares_with(
    version: BluezVersion, contents: list[bytes]
) -> None:
    assert [pattern.content_of_pattern for pattern in patterns(version, EDDYSTONE)] == contents


@pytest.mark.parametrize(
    ("version", "fault"),
    [
        (BluezVersion(5, 69), RadioFault.BROKEN_PATTERNS),
        (BluezVersion(5, 70), RadioFault.BROKEN_PATTERNS),
        (BluezVersion(5, 55), RadioFault.UNSUPPORTED),
    ],
)
def test_a_bluez_that_cannot_is_refused_also_where_ibeacons_would_match(
    version: BluezVersion, fault: RadioFault
) -> None:
    with pytest.raises(RadioError) as refused:
        patterns(version, (*EDDYSTONE, ibeacon.format_for(bytes(8)).scan_filter))
    assert refused.value.fault is fault


LONG_UUID = bytes(range(16))


@pytest.mark.parametrize(
    ("asked", "raw", "stripped"),
    [
        (Pattern(0x16, b"\xaa\xfe\x30"), (0, b"\xaa\xfe\x30"), (0, b"\x30")),
        (Pattern(0x16, b"\xfe\x30", 1), (1, b"\xfe\x30"), (0, b"\x30")),
        (Pattern(0x16, b"\x30", 2), (2, b"\x30"), (0, b"\x30")),
        (Pattern(0x16, b"\xee", 5), (5, b"\xee"), (3, b"\xee")),
        (Pattern(0x21, LONG_UUID + b"\x07"), (0, LONG_UUID + b"\x07"), (0, b"\x07")),
        (Pattern(0xFF, b"\x4c\x00\x02", 0), (0, b"\x4c\x00\x02"), (0, b"\x4c\x00\x02")),
        (Pattern(0x09, b"coin", 0), (0, b"coin"), (0, b"coin")),
    ],
)
def test_a_pattern_is_said_as_on_air_and_spelt_without_the_uuid_where_bluez_compares_so(
    asked: Pattern, raw: tuple[int, bytes], stripped: tuple[int, bytes]
) -> None:
    wanted = [ScanFilter(what="coins", patterns=(asked,))]
    assert patterns(BluezVersion(5, 68), wanted) == [(raw[0], asked.ad_type, raw[1])]
    assert patterns(BluezVersion(5, 83), wanted) == [(stripped[0], asked.ad_type, stripped[1])]


def test_two_formats_that_are_spelt_alike_are_asked_for_once() -> None:
    other = ScanFilter(what="coins", patterns=(Pattern(0x16, b"\xf0\xff\x30"),))
    assert len(patterns(BluezVersion(5, 83), (*EDDYSTONE, other))) == 1
    assert len(patterns(BluezVersion(5, 68), (*EDDYSTONE, other))) == 2


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (rpa.SCAN_FILTER, r"a passive scan finds no addresses \(identity.irk_file\)"),
        (ScanFilter(what="coins"), "a passive scan finds no coins$"),
        (
            ScanFilter(what="coins", patterns=(Pattern(0x16, b"\xf0\xff"),)),
            "without its UUID: nothing is left",
        ),
        (
            ScanFilter(what="coins", patterns=tuple(Pattern(0x09, bytes([n])) for n in range(7))),
            "8 patterns overflow bluetoothd, which bears 7",
        ),
    ],
)
def test_a_format_that_no_passive_scan_finds_or_bears_is_refused_in_words(
    wanted: ScanFilter, words: str
) -> None:
    with pytest.raises(RadioError) as refused:
        patterns(BluezVersion(5, 83), (*EDDYSTONE, wanted))
    assert refused.value.fault is RadioFault.UNSUPPORTED
    assert re.search(words, refused.value.detail)


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (
            BleakDBusError("org.bluez.Error.NotReady", ["Resource Not Ready"]),
            RadioFault.POWERED_OFF,
        ),
        (
            BleakDBusError("org.freedesktop.DBus.Error.AccessDenied", ["Rejected"]),
            RadioFault.DENIED,
        ),
        (
            BleakDBusError("org.freedesktop.DBus.Error.ServiceUnknown", ["The name"]),
            RadioFault.NO_BLUEZ,
        ),
        (BleakDBusError("org.bluez.Error.Failed", ["Failed"]), RadioFault.OTHER),
        (BleakError("adapter 'hci0' not found"), RadioFault.NO_ADAPTER),
        (
            BleakError("passive scanning on Linux requires BlueZ >= 5.56 with --experimental"),
            RadioFault.UNSUPPORTED,
        ),
        (AuthError("no"), RadioFault.DENIED),
        (FileNotFoundError(2, os.strerror(2)), RadioFault.NO_BLUEZ),
        (EOFError(), RadioFault.NO_BLUEZ),
        (TimeoutError(), RadioFault.NO_BLUEZ),
        (RadioError(RadioFault.BROKEN_PATTERNS, "BlueZ 5.70"), RadioFault.BROKEN_PATTERNS),
    ],
)
def test_a_fault_is_named_by_what_the_technician_has_to_do(
    error: Exception, fault: RadioFault
) -> None:
    assert fault_of(error) is fault
    assert reason_of(error)
    assert "Errno" not in reason_of(error)
