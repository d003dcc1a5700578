"""The board: satellite.h and the lambdas of satellite.yaml, compiled on this computer, held to the
golden messages and to the gateway's own decoder; and the whole file checked by `esphome config`.

What no test here shows: a board, its radio, its Ethernet, its broker. It has never run on one.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml

from presence.core.recognition.satellite_guard import SatelliteGuard
from presence.core.recognition.satellite_message import (
    MAX_READINGS,
    SatelliteMessage,
    decode_heard,
    encode_nonce,
)
from tests.support.builders import SITE
from tests.support.fake_satellite import PAVEMENT, PAVEMENT_KEY
from tests.support.paths import ROOT

FOLDER = ROOT / "config" / "esphome"
BOARD = ROOT / "tests" / "support" / "esphome_board.cpp"
VECTORS = json.loads((ROOT / "tests" / "vectors" / "satellite.json").read_text())
FEAA = 0xFEAA
NONCE = bytes.fromhex(VECTORS["nonce"])
EID = bytes.fromhex("1122334455667788")

needs_compiler = pytest.mark.skipif(
    shutil.which("g++") is None or not Path("/usr/include/openssl/hmac.h").exists(),
    reason="apt install g++ libssl-dev: without them the board's code is not tested",
)
needs_esphome = pytest.mark.skipif(
    shutil.which("esphome") is None,
    reason="pip install esphome: without it the board's YAML is not checked",
)


class _Loader(yaml.SafeLoader):
    """Takes ESPHome's tags: a lambda is its text, a secret its name."""


def _tagged(loader: yaml.SafeLoader, node: yaml.Node) -> Any:
    assert isinstance(node, yaml.ScalarNode)
    return loader.construct_scalar(node)


for _tag in ("!lambda", "!secret"):
    _Loader.add_constructor(_tag, _tagged)
FILE: dict[str, Any] = yaml.load((FOLDER / "satellite.yaml").read_text(), Loader=_Loader)  # noqa: S506 - ours


def lambdas(**names: str) -> dict[str, str]:
    """The code that stands in the YAML, by what calls it."""
    turn, second = (each["then"] for each in FILE["interval"])
    choice = second[0]["if"]
    found = {
        "on_boot": FILE["esphome"]["on_boot"]["then"][0]["lambda"],
        "on_message": FILE["mqtt"]["on_message"][0]["then"][0]["lambda"],
        "on_ble_advertise": FILE["esp32_ble_tracker"]["on_ble_advertise"][0]["then"][0]["lambda"],
        "on_turn": turn[0]["lambda"],
        "shall_scan": choice["condition"]["lambda"],
        "may_start": choice["then"][0]["if"]["condition"]["lambda"],
        "may_stop": choice["else"][0]["if"]["condition"]["lambda"],
    }
    words = {**FILE["substitutions"], "key": PAVEMENT_KEY.hex(), **names}
    return {
        name: re.sub(r"\$\{(\w+)\}", lambda match: words[match[1]], code)
        for name, code in found.items()
    }


def build(folder: Path, **names: str) -> Path:
    """The board as a program of this computer; further arguments are substitutions of the YAML."""
    text = BOARD.read_text()
    for name, code in lambdas(**names).items():
        text = text.replace(f"@{name}@", code)
    (folder / "board.cpp").write_text(text)
    program = folder / "board"
    subprocess.run(
        ["g++", "-std=c++20", "-Wall", "-Wextra", "-Werror", "-fsanitize=address,undefined",
         "-fno-sanitize-recover=all", f"-I{FOLDER}", folder / "board.cpp",
         "-lcrypto", "-o", program],
        check=True,
    )  # fmt: skip
    return program


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("board"))


def play(board: Path, script: Iterable[str], *, session: str = "01" * 8) -> list[str]:
    done = subprocess.run(
        [board, session], input="\n".join(script) + "\n", capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


def nonce(at_ms: int, value: bytes = NONCE) -> str:
    return f"nonce {at_ms} {encode_nonce(value).hex()}"


def advertise(at_ms: int, frame: bytes, *, rssi_dbm: int = -60, uuid: int = FEAA) -> str:
    return f"advertise {at_ms} {uuid} {rssi_dbm} {frame.hex()}"


def frame(eid: bytes = EID, extension: bytes = b"") -> bytes:
    return b"\x30\xe7" + eid + extension


def said(lines: Iterable[str]) -> list[SatelliteMessage]:
    """The messages, as its gateway reads them."""
    messages = []
    for line in lines:
        topic, qos, retain, payload = line.split(" ")
        assert (topic, qos, retain) == ("presence/v1/acme/fi-0042/sat/pavement/heard", "0", "0")
        heard = decode_heard(bytes.fromhex(payload), PAVEMENT_KEY, SITE, PAVEMENT)
        assert isinstance(heard, SatelliteMessage)
        messages.append(heard)
    return messages


def listening(at_ms: int = 0) -> list[str]:
    return [nonce(at_ms), f"scan {at_ms}"]


@needs_compiler
@pytest.mark.parametrize("vector", VECTORS["messages"], ids=lambda vector: vector["what"])
def test_it_says_byte_by_byte_what_openssl_makes(board: Path, vector: dict[str, Any]) -> None:
    sent_ms = vector["sent_ms"]
    script = listening(max(0, sent_ms - 5000))
    for age_ms, rssi_dbm, eid, extension in vector["readings"]:
        heard = frame(bytes.fromhex(eid), bytes.fromhex(extension))
        script.append(advertise(sent_ms - age_ms, heard, rssi_dbm=rssi_dbm))
    lines = play(board, [*script, f"turn {sent_ms}"], session=VECTORS["session"])
    assert lines[-1].split(" ")[3] == vector["heard"]


@needs_compiler
def test_its_gateway_takes_all_that_it_says_and_every_reading_arrives_once(board: Path) -> None:
    random, script, now_ms = Random(7), [], 0
    expected: list[tuple[int, bytes, bytes]] = []
    for turn in range(2000):
        now_ms = 200 * turn
        if turn % 20 == 0:
            script += listening(now_ms)
        for _ in range(random.choice((0, 0, 1, 4, 40))):
            heard_ms = now_ms + random.randrange(200)
            eid, rssi_dbm = random.randbytes(8), -random.randrange(1, 100)
            extension = random.choice((b"", random.randbytes(10)))
            script.append(advertise(heard_ms, frame(eid, extension), rssi_dbm=rssi_dbm))
            expected.append((rssi_dbm, eid, extension))
        script.append(f"turn {now_ms + 200}")
    messages = said(line for line in play(board, script) if "scanning" not in line)
    guard = SatelliteGuard()
    guard.give(NONCE)
    assert {guard.admit(each, 1000 + each.sent_ms / 1000) for each in messages} == {None}
    readings = [reading for message in messages for reading in message.readings]
    assert [(r.rssi_dbm, r.eid, r.extension) for r in readings] == expected
    assert max(len(message.readings) for message in messages) == MAX_READINGS


@needs_compiler
@pytest.mark.requirement("R-01", "R-02", "T-27")
def test_of_a_bystander_nothing_leaves_the_board(board: Path) -> None:
    strangers = [
        advertise(10, frame(), uuid=0x180F),
        advertise(10, frame()[:9]),
        advertise(10, frame(extension=bytes(11))),
        advertise(10, b"\x10" + frame()[1:]),
        advertise(10, b""),
        advertise(10, frame(), rssi_dbm=127),
        advertise(10, frame(), rssi_dbm=-127),
    ]
    messages = said(play(board, [*listening(), *strangers, "turn 200"])[1:])
    assert [message.readings for message in messages] == [()]


@needs_compiler
@pytest.mark.requirement("R-01", "T-27")
def test_of_any_bytes_only_what_is_an_eid_frame_leaves_the_board(board: Path) -> None:
    random, script, expected = Random(11), listening(), []
    for number in range(3000):
        if number % 20 == 0:
            script += [*listening(number), f"turn {number}"]
        data = random.choice((b"", b"\x30", b"\x30\xe7")) + random.randbytes(random.randrange(30))
        script.append(advertise(number, data))
        if data[:1] == b"\x30" and 10 <= len(data) <= 20:
            expected.append(data[2:])
    lines = play(board, [*script, "turn 3000"])
    messages = said(line for line in lines if "scanning" not in line)
    heard = [r.eid + r.extension for message in messages for r in message.readings]
    assert heard == expected
    assert len(heard) > 500


@needs_compiler
@pytest.mark.requirement("R-16", "R-19")
def test_unasked_it_neither_scans_nor_speaks_and_asked_it_does_both(board: Path) -> None:
    script = ["scan 0", advertise(10, frame()), "turn 200", nonce(1000), "scan 1000", "turn 1200"]
    script += ["scan 15900", advertise(16_001, frame()), "turn 16010", "scan 16100"]
    silent, asked, heartbeat, still, unasked = play(board, script)
    assert (silent, asked, still, unasked) == (
        "scanning 0",
        "scanning 1",
        "scanning 1",
        "scanning 0",
    )
    assert said([heartbeat])[0].readings == ()


@needs_compiler
def test_it_says_nothing_old_and_a_heartbeat_each_second(board: Path) -> None:
    script = [*listening(), advertise(100, frame()), "turn 2101"]
    script += ["offline 2200", advertise(2200, frame()), "turn 2400", "online 2500", "turn 2600"]
    script += [f"turn {at_ms}" for at_ms in range(2800, 6000, 200)]
    messages = said(play(board, script)[1:])
    assert [message.readings for message in messages] == [()] * len(messages)
    assert [message.sent_ms for message in messages] == [2101, 3400, 4400, 5400]


@needs_compiler
def test_a_crowd_drops_the_oldest(board: Path) -> None:
    script = listening() + [advertise(n, frame(n.to_bytes(8, "big"))) for n in range(300)]
    messages = said(play(board, [*script, "turn 300", "turn 500", "turn 700"])[1:])
    numbers = [int.from_bytes(reading.eid, "big") for each in messages for reading in each.readings]
    assert numbers == list(range(44, 300))
    sent = [message.sent_ms for message in messages]
    assert sent == sorted(set(sent))


@needs_compiler
@pytest.mark.parametrize("key", ["", "ab" * 31, "zz" * 32])
def test_without_a_good_key_it_is_silent_and_says_so(tmp_path: Path, key: str) -> None:
    lines = play(build(tmp_path, key=key), [*listening(), advertise(10, frame()), "turn 2000"])
    assert lines == [
        "error satellite_key is not 64 hex digits: mend secrets.yaml, and flash anew",
        "scanning 0",
    ]


def test_the_radio_listens_all_of_the_time_and_sends_nothing() -> None:
    scan = FILE["esp32_ble_tracker"]["scan_parameters"]
    assert scan["active"] is False
    assert scan["window"] == scan["interval"]
    assert scan["continuous"] is False  # until the gateway asks


def test_the_board_says_nothing_of_itself_and_logs_no_address() -> None:
    mqtt = FILE["mqtt"]
    assert mqtt["topic_prefix"] is None
    assert (mqtt["discovery"], mqtt["discover_ip"]) == (False, False)
    assert mqtt["port"] == 8883
    assert {"certificate_authority", "client_certificate", "client_certificate_key"} <= mqtt.keys()
    assert FILE["logger"] == {"level": "WARN", "baud_rate": 0}
    assert "wifi" not in FILE
    assert "bluetooth_proxy" not in FILE
    assert "api" not in FILE


def test_the_board_says_that_it_never_ran() -> None:
    for file in (FOLDER / "satellite.yaml", FOLDER / "satellite.h", ROOT / "docs/satellites.md"):
        assert re.search(r"(?i)never\s+run", file.read_text().replace("\n//", "")), file


SECRETS = """\
broker: broker.example
satellite_key: {key}
ota_password: a-password
broker_ca: x
satellite_certificate: x
satellite_certificate_key: x
"""


@needs_esphome
def test_esphome_takes_the_file(tmp_path: Path) -> None:
    for name in ("satellite.yaml", "satellite.h"):
        shutil.copy(FOLDER / name, tmp_path)
    (tmp_path / "secrets.yaml").write_text(SECRETS.format(key=PAVEMENT_KEY.hex()))
    command = ["esphome", "config", "satellite.yaml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Configuration is valid!" in done.stdout + done.stderr
