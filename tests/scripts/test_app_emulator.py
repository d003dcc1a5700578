"""The emulator sends what a gateway recognises, and the document for app developers says what the
emulator sends.
"""

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

from presence.core.recognition.advertisement import Advertisement, advertisement_from_payload
from presence.core.recognition.beacons import eddystone
from presence.core.recognition.beacons.ibeacon import format_for
from presence.core.recognition.identifiers import SLOT_S, slot_at, window_at
from presence.core.recognition.key_ring import KeyRing
from presence.core.recognition.replay_guard import ReplayGuard
from presence.core.recognition.slot_table import build_table
from presence.core.timestamps import Moment
from presence.edges.bluez.advertiser import Advertiser
from presence.edges.capture import CaptureReader
from scripts.app_emulator.__main__ import main
from scripts.app_emulator.outputs import go_on_air
from scripts.app_emulator.phones import encoder, phone_of_identity_key
from scripts.stores.customers import identity_key
from tests.support.builders import (
    ANNA,
    BERIT,
    START_S,
    an_engine,
    consent,
    entry_json,
    header_json,
    moment,
    window_keys,
)
from tests.support.fake_advertising import a_bluez, a_bus
from tests.support.paths import ROOT

DOCUMENT = ROOT / "docs" / "app-integration.md"
VECTORS = ROOT / "tests" / "vectors"
PREFIX = "0f1e2d3c4b5a6978"
KEY = identity_key(ANNA).hex()
needs_dbus = pytest.mark.skipif(
    shutil.which("dbus-daemon") is None, reason="dbus-daemon is not installed"
)


def emulated(*arguments: str) -> int:
    return main([*arguments, "--start", str(START_S)])


def recognised(advertisement: Advertisement) -> object:
    """Whose it is to a gateway that holds the window keys of Anna and Berit."""
    ring = KeyRing.from_keys([*window_keys(ANNA), *window_keys(BERIT)])
    for identify in (eddystone.FORMAT.identify, format_for(bytes.fromhex(PREFIX)).identify):
        eid = identify(advertisement)
        if eid is not None:
            return build_table(slot_at(advertisement.at.utc_s), ring).find(eid[:8])
    return None


def a_list(directory: Path, *flags_of_each: list[str]) -> Path:
    path = directory / "consents.jsonl"
    refs = (ANNA, BERIT)
    entries = [
        entry_json(of=ref, flags=flags) for ref, flags in zip(refs, flags_of_each, strict=False)
    ]
    path.write_text(
        "".join(json.dumps(value) + "\n" for value in (header_json(count=len(entries)), *entries))
    )
    return path


@pytest.mark.parametrize(
    "form", [["--format", "E1"], ["--ticks"], ["--format", "E2", "--prefix", PREFIX]]
)
def test_a_capture_of_the_emulator_is_recognised_from_its_first_to_its_last_advertisement(
    form: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "walk.btsnoop"

    assert (
        emulated(
            "capture", str(path), "--identity-key", KEY, "--seconds", "3", "--rssi=-90:-60", *form
        )
        == 0
    )

    reader = CaptureReader(path)
    heard = list(reader.advertisements())
    assert reader.format == "btsnoop, data link 1002 (HCI UART, H4)"
    assert [recognised(one) for one in heard] == [ANNA] * 12
    assert (heard[0].rssi_dbm, heard[-1].rssi_dbm) == (-90, -60)
    assert heard[0].at.utc_s == START_S
    assert heard[-1].at.utc_s == pytest.approx(START_S + 2.75)


def test_lines_say_what_the_capture_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "walk.btsnoop"
    common = ["--identity-key", KEY, "--identity-key", identity_key(BERIT).hex(), "--seconds", "2"]

    assert emulated("capture", str(path), *common) == emulated("lines", "-", *common) == 0

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    captured = list(CaptureReader(path).advertisements())
    assert len(lines) == len(captured) == 16
    for line, one in zip(lines, captured, strict=True):
        assert line.keys() == {"t", "address", "rssi_dbm", "payload"}
        assert line["t"] == pytest.approx(one.at.utc_s, abs=2e-6)
        address = bytes.fromhex(line["address"].replace(":", ""))
        assert advertisement_from_payload(
            one.at, address, line["rssi_dbm"], bytes.fromhex(line["payload"])
        ) == one._replace(antenna="")
    assert {recognised(one) for one in captured} == {ANNA, BERIT}


def test_the_address_changes_with_the_identifier_and_looks_private(
    capsys: pytest.CaptureFixture[str],
) -> None:
    emulated(
        "lines", "-", "--identity-key", KEY, "--seconds", str(3 * SLOT_S), "--interval-ms", "10000"
    )

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    pairs = list(dict.fromkeys((line["address"], line["payload"]) for line in lines))
    assert (
        len(pairs)
        == len({address for address, _ in pairs})
        == len({payload for _, payload in pairs})
        == 4
    )
    assert all(int(address[:2], 16) >> 6 == 0b01 for address, _ in pairs)


@pytest.mark.requirement("T-01")
def test_a_phone_as_the_emulator_plays_it_is_never_suspect(
    capsys: pytest.CaptureFixture[str],
) -> None:
    emulated(
        "lines", "-", "--identity-key", KEY, "--seconds", str(2 * SLOT_S), "--interval-ms", "1000"
    )

    guard = ReplayGuard()
    for line in map(json.loads, capsys.readouterr().out.splitlines()):
        at, address = line["t"], bytes.fromhex(line["address"].replace(":", ""))
        heard = Advertisement(Moment(at, at), address, line["rssi_dbm"])
        assert guard.doubt(ANNA, slot_at(at), None, heard) is None


def test_test_consents_of_a_list_are_played_until_their_keys_are_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = a_list(tmp_path, ["test"], [])
    three_windows = ["--seconds", str(3 * 65_536), "--interval-ms", "500000"]

    assert emulated("lines", "-", "--consents", str(path), *three_windows) == 0

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    heard = [
        advertisement_from_payload(
            moment(line["t"] - START_S), bytes(6), -60, bytes.fromhex(line["payload"])
        )
        for line in lines
    ]
    assert {recognised(one) for one in heard} == {ANNA}
    assert {window_at(line["t"]) for line in lines} == {window_at(START_S), window_at(START_S) + 1}


def test_real_customers_of_a_list_are_not_played(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert emulated("lines", "-", "--consents", str(a_list(tmp_path, [], ["explicit"]))) == 69

    said = capsys.readouterr()
    assert "no entry has the flag `test`" in said.err
    assert not said.out


def test_an_entry_that_cannot_be_read_is_named_by_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = a_list(tmp_path, ["test"])
    path.write_text(path.read_text() + "{}\n")

    assert emulated("lines", "-", "--consents", str(path)) == 69
    assert f"{path} line 3: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["show", "--identity-key", "0102"], "32 hex digits are wanted"),
        (["show", "--identity-key", KEY, "--format", "E2"], "--format E2 needs --prefix"),
        (
            ["show", "--identity-key", KEY, "--format", "E2", "--prefix", PREFIX, "--ticks"],
            "--ticks needs --format E1",
        ),
        (["show"], "--identity-key --consents is required"),
    ],
)
def test_a_mistake_is_answered_with_what_is_wanted(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(arguments)
    assert says in capsys.readouterr().err


def test_a_day_is_given_with_its_zone(capsys: pytest.CaptureFixture[str]) -> None:
    main(["show", "--identity-key", KEY, "--start", "2026-11-23T14:05:07+00:00"])
    dated = capsys.readouterr().out
    emulated("show", "--identity-key", KEY)

    assert dated == capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["show", "--identity-key", KEY, "--start", "2026-11-23T14:05:07"])


@needs_dbus
async def test_on_air_it_sends_the_present_identifier_of_each_phone(tmp_path: Path) -> None:
    keys = [identity_key(ANNA), identity_key(BERIT)]
    phones = [
        phone_of_identity_key(key, encoder("E1", prefix=b"", tx_power_dbm=-20)) for key in keys
    ]
    slot = slot_at(time.time())
    async with a_bus(tmp_path) as bus, a_bluez(bus) as bluez:
        await go_on_air(phones, Advertiser(bus_address=bus), seconds=0.3)
        sent = {tuple(on_air["ServiceData"].values()) for on_air in bluez.seen}

    wanted = [{(phone.payload_at((slot + n) * SLOT_S)[11:],) for phone in phones} for n in (0, 1)]  # type: ignore[index]
    assert sent in (wanted[0], wanted[1], wanted[0] | wanted[1])


@pytest.mark.requirement("R-31", "T-24")
def test_from_the_second_in_which_the_consent_ends_nothing_is_sent(
    capsys: pytest.CaptureFixture[str],
) -> None:
    a_minute = ["--identity-key", KEY, "--seconds", "60", "--interval-ms", "500"]
    assert emulated("lines", "-", *a_minute, "--until", str(START_S + 20)) == 0
    assert [json.loads(line)["t"] for line in capsys.readouterr().out.splitlines()][
        -1
    ] == START_S + 19.5

    assert emulated("lines", "-", *a_minute, "--until", str(START_S)) == 0
    assert not capsys.readouterr().out

    assert emulated("show", "--identity-key", KEY, "--until", str(START_S - SLOT_S)) == 0
    assert "none: this consent is over" in capsys.readouterr().out


@pytest.mark.requirement("R-31")
@needs_dbus
async def test_on_air_there_is_nothing_once_the_consent_has_ended(tmp_path: Path) -> None:
    phone = phone_of_identity_key(identity_key(ANNA), encoder("E1", prefix=b"", tx_power_dbm=-20))
    async with a_bus(tmp_path) as bus, a_bluez(bus) as bluez:
        await asyncio.wait_for(
            go_on_air([phone], Advertiser(bus_address=bus), 60, until_s=time.time() + 0.3), 10
        )
        await until(lambda: not bluez.on_air)
        assert bluez.seen

        await go_on_air([phone], Advertiser(bus_address=bus), 60, until_s=time.time())
        assert len(bluez.seen) == 1


@pytest.mark.requirement("R-31", "T-24")
@needs_dbus
async def test_one_tap_takes_the_phone_off_air_without_a_network(tmp_path: Path) -> None:
    """As its user starts it; the system bus is all that the process is given."""
    async with a_bus(tmp_path) as bus, a_bluez(bus) as bluez:
        app = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "scripts.app_emulator", "air", "--identity-key", KEY,
            env={**os.environ, "PYTHONPATH": str(ROOT), "DBUS_SYSTEM_BUS_ADDRESS": bus},
        )  # fmt: skip
        await until(lambda: bool(bluez.on_air))
        assert not networked(app.pid)

        app.terminate()  # SIGINT may be ignored here: a shell's background jobs inherit that

        assert await asyncio.wait_for(app.wait(), 10) == -signal.SIGTERM
        await until(lambda: not bluez.on_air)


def networked(pid: int) -> list[str]:
    """The process's sockets of the Internet's families."""
    table = "".join(
        Path(f"/proc/{pid}/net/{kind}").read_text() for kind in ("tcp", "tcp6", "udp", "udp6")
    )
    held = [str(fd.readlink()) for fd in Path(f"/proc/{pid}/fd").iterdir()]
    return [name for name in held if name.startswith("socket:") and f" {name[8:-1]} " in table]


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 - what another process does has no event here
            await asyncio.sleep(0.02)


def test_help_shows_examples_that_work() -> None:
    """As the script is started, without a terminal."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "120"}
    command = [sys.executable, "-m", "scripts.app_emulator"]
    text = subprocess.run(
        [*command, "--help"], env=environment, capture_output=True, text=True, check=True
    ).stdout

    for name in ("show", "capture", "lines", "air", "doorbell"):
        assert f"\n  scripts/app-emulator {name} " in text  # that they work: tests/cli/parsers
    assert os.access(ROOT / "scripts" / "app-emulator", os.X_OK)


def vectors() -> list[dict[str, str]]:
    rows: list[dict[str, str]] = json.loads((VECTORS / "broadcasts.json").read_text())["vectors"]
    return rows


def by_the_document(row: dict[str, str]) -> tuple[str, str]:
    """TK and EID, worked out from the formulas of the document with `cryptography` alone."""

    def aes(key: bytes, block: bytes) -> bytes:
        return Cipher(AES(key), ECB()).encryptor().update(block)  # noqa: S305 - the construction of the specification

    t = int(row["t"]).to_bytes(4, "big")
    key = aes(bytes.fromhex(row["identity_key"]), bytes(11) + b"\xff\x00\x00" + t[:2])
    cut = (int(row["t"]) & ~0x3FF).to_bytes(4, "big")
    return key.hex(), aes(key, bytes(11) + b"\x0a" + cut)[:8].hex()


def test_the_vectors_follow_from_the_formulas_of_the_document() -> None:
    assert len(vectors()) == 7
    for row in vectors():
        assert (row["tk"], row["eid"]) == by_the_document(row)
        assert row["e1"] == "0201060303aafe0d16aafe30ee" + row["eid"]
        assert row["e2"] == "02011a1aff4c000215" + PREFIX + row["eid"] + "00000000c5"


@pytest.mark.parametrize("name", ["broadcasts", "ticks"])
@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_the_vectors_are_what_openssl_makes(name: str) -> None:
    script = VECTORS / f"how-{name}-were-made.sh"
    made = subprocess.run(["bash", script], capture_output=True, text=True, check=True).stdout
    rows = json.loads((VECTORS / f"{name}.json").read_text())["vectors"]
    assert [json.loads(line) for line in made.splitlines()] == rows


@pytest.mark.parametrize("form", ["e1", "e2"])
def test_shown_as_json_each_vector_is_a_part_of_what_is_printed(
    form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for row in vectors():
        main([
            "show", "--json", "--identity-key", row["identity_key"], "--start", str(row["t"]),
            "--format", form.upper(), "--prefix", PREFIX,
        ])  # fmt: skip
        shown = json.loads(capsys.readouterr().out)
        same = ("identity_key", "tk", "eid", form)
        assert {name: shown[name] for name in same} == {name: row[name] for name in same}
        assert shown["from"] <= int(row["t"]) < shown["until"]


def test_a_phone_whose_consent_is_over_shows_no_identifier(
    capsys: pytest.CaptureFixture[str],
) -> None:
    emulated("show", "--json", "--identity-key", KEY, "--until", str(START_S - SLOT_S))
    shown = json.loads(capsys.readouterr().out)
    assert (shown["eid"], shown["e1"]) == (None, None)


def test_the_example_of_the_document_prints_its_first_vector(
    capsys: pytest.CaptureFixture[str],
) -> None:
    document = DOCUMENT.read_text(encoding="utf-8")
    command = re.search(r"^scripts/app-emulator (show .*)$", document, re.MULTILINE)
    printed = re.search(r"```json\n(.*?)\n```", document, re.DOTALL)
    assert command
    assert printed

    main(command[1].split())
    assert f"payload   {bytes.fromhex(vectors()[0]['e1']).hex(' ')}\n" in capsys.readouterr().out
    main([*command[1].split(), "--json"])
    assert json.loads(capsys.readouterr().out) == json.loads(printed[1])

    bytes_shown = re.sub(r"[ ·]", "", document)
    for name, key in (("TK", "tk"), ("EID", "eid"), ("E1", "e1"), ("E2", "e2")):
        assert f"\n{name}{vectors()[0][key]}\n" in bytes_shown


def test_the_vectors_are_what_the_emulator_sends(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for row in vectors():
        common = ["--identity-key", row["identity_key"], "--start", str(row["t"])]
        main(["show", *common])
        shown = capsys.readouterr().out.replace(" ", "")
        main(["show", *common, "--format", "E2", "--prefix", PREFIX])
        assert f"payload{row['e1']}\n" in shown
        assert f"TK{row['tk']}\n" in shown
        assert f"payload{row['e2']}\n" in capsys.readouterr().out.replace(" ", "")


def test_the_emulator_sends_the_ticks_of_the_vectors(capsys: pytest.CaptureFixture[str]) -> None:
    for row in json.loads((VECTORS / "ticks.json").read_text())["vectors"]:
        common = ["--identity-key", row["identity_key"], "--start", str(row["t"])]
        assert main(["show", *common, "--tx-power=-18", "--ticks"]) == 0
        assert f"payload{row['e1']}\n" in capsys.readouterr().out.replace(" ", "")


def test_the_worked_example_of_the_tick_is_that_of_the_vectors() -> None:
    rows = json.loads((VECTORS / "ticks.json").read_text())["vectors"]
    row = next(row for row in rows if row["t"] == 1795442707)
    text = re.sub(r"[ ·]", "", DOCUMENT.read_text())

    assert f"key={row['tick_key']}\n" in text
    assert f"air={row['e1']}\n" in text


def test_a_phone_with_ticks_is_recognised_and_not_suspect(
    capsys: pytest.CaptureFixture[str],
) -> None:
    emulated(
        "lines", "-", "--identity-key", KEY, "--ticks", "--seconds", "2100", "--interval-ms", "1000"
    )
    engine = an_engine(consent())

    for line in map(json.loads, capsys.readouterr().out.splitlines()):
        at = moment(line["t"] - START_S)
        engine.advance(at)
        address = bytes.fromhex(line["address"].replace(":", ""))
        engine.receive(advertisement_from_payload(at, address, -60, bytes.fromhex(line["payload"])))

    counts = engine.counts
    assert (counts.entered, counts.recognised, counts.suspect.total()) == (1, 2100, 0)


def test_two_of_the_vectors_are_published() -> None:
    published = json.loads((VECTORS / "identity.json").read_text())["vectors"]
    known = {
        (v["ik"], v["t"], v["eid"])
        for v in published
        if v["kind"] == "eddystone_eid" and v.get("k") == 10
    }

    ours = {(row["identity_key"], row["t"], row["eid"]) for row in vectors()}
    assert len(ours & known) == 2  # type: ignore[operator]
