"""`presence run` and `presence check` as systemd and an operator use them, on a machine without a
radio.
"""

import asyncio
import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from presence.simulation.local_broker import free_port
from tests.support.brokers import listener, mosquitto, needs_mosquitto
from tests.support.shops import Shop, entry

HAS_RADIO = Path("/sys/class/bluetooth").exists()


class Manager:
    """Receives what a service tells systemd."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "notify"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self.path))
        self._socket.setblocking(False)

    async def hears(self, wanted: str, *, within_s: float = 10) -> str:
        """The first message with these words in it."""
        async with asyncio.timeout(within_s):
            while True:
                message = (await asyncio.get_running_loop().sock_recv(self._socket, 4096)).decode()
                if wanted in message:
                    return message

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    service_manager = Manager(tmp_path)
    monkeypatch.setenv("NOTIFY_SOCKET", str(service_manager.path))
    monkeypatch.setenv("WATCHDOG_USEC", "1000000")
    yield service_manager
    service_manager.close()


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    now_s = time.time()
    stamps = {"published_at": int(now_s), "suppression_checked_at": int(now_s)}
    return Shop(tmp_path / "shop", free_port()).open([entry(around_s=now_s)], **stamps)


async def stop(process: asyncio.subprocess.Process) -> list[dict[str, object]]:
    """Ends it as systemd does; the journal lines it wrote."""
    process.terminate()
    async with asyncio.timeout(8):
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    assert err == b""
    return [json.loads(line) for line in out.splitlines()]


@pytest.mark.requirement("R-59", "R-60", "R-64")
async def test_without_radio_and_broker_the_service_is_ready_feeds_the_watchdog_and_stops_soon(
    shop: Shop, manager: Manager
) -> None:
    forgotten = shop.folder / "state" / "scan-test.json"  # of a technician, two days ago
    forgotten.parent.mkdir(exist_ok=True)
    forgotten.touch()
    os.utime(forgotten, (time.time() - 2 * 86400,) * 2)
    process = await shop.start("run", "--config", shop.config)
    ready = await manager.hears("READY=1")
    for _ in range(3):
        await manager.hears("WATCHDOG=1", within_s=2)
    journal = await stop(process)
    await manager.hears("STOPPING=1")
    assert "list fresh, 1 entry" in ready
    assert not forgotten.exists()
    told = {line["event"]: line for line in journal}
    assert {
        "consent.applied",
        "radio.failed",
        "broker.unreachable",
        "gateway.stopping",
    } <= told.keys()
    assert told["radio.failed"]["next_step"]


@pytest.mark.requirement("R-63")
async def test_sighup_takes_a_good_configuration_and_keeps_the_old_one_against_a_faulty_one(
    shop: Shop, manager: Manager
) -> None:
    process = await shop.start("run", "--config", shop.config)
    await manager.hears("READY=1")
    good = shop.config.read_text()
    shop.config.write_text(good.replace("poll_s: 1", "poll_s: never"))
    process.send_signal(signal.SIGHUP)
    await asyncio.sleep(0.5)
    assert process.returncode is None
    shop.config.write_text(good.replace("poll_s: 1", "poll_s: 2"))
    process.send_signal(signal.SIGHUP)
    await manager.hears("RELOADING=1")
    await manager.hears("READY=1")
    journal = await stop(process)
    (refused,) = [line for line in journal if line["event"] == "config.refused"]
    assert "consent.poll_s" in str(refused["problems"])
    assert [line["event"] for line in journal].count("config.reloaded") == 1
    assert [line["event"] for line in journal].count("gateway.started") == 2


@needs_mosquitto
async def test_the_retained_state_says_online_and_then_stopped_and_names_nobody(
    shop: Shop, tmp_path: Path
) -> None:
    async with (
        mosquitto(tmp_path) as broker,
        listener(broker.port, "presence/v1/+/+/gw/+/state") as states,
    ):
        shop.config.write_text(
            shop.config.read_text().replace(f"port: {shop.port}", f"port: {broker.port}")
        )
        process = await shop.start("run", "--config", shop.config)
        online = json.loads((await states.get()).payload)
        await stop(process)
        stopped = json.loads((await states.get()).payload)
    assert online.keys() == {"state", "boot", "sw", "freshness", "list_seq"}
    assert online["boot"] == stopped["boot"]
    assert (online["state"], online["freshness"], online["list_seq"]) == ("online", "fresh", 7)
    assert stopped["state"] == "stopped"


async def test_a_second_daemon_on_the_same_runtime_directory_is_refused_in_words(
    shop: Shop, manager: Manager
) -> None:
    first = await shop.start("run", "--config", shop.config)
    await manager.hears("READY=1")
    code, _, err = await shop.run("run", "--config", shop.config)
    await stop(first)
    assert code == 69
    assert "another presence works there" in err


@pytest.mark.requirement("R-16")
async def test_a_notice_past_its_review_disarms_the_gateway_and_nothing_is_scanned(
    shop: Shop, manager: Manager
) -> None:
    shop.config.write_text(shop.config.read_text().replace("2099-01-01", "2020-01-01"))
    process = await shop.start("run", "--config", shop.config)
    await manager.hears("READY=1")
    journal = await stop(process)
    events = [line["event"] for line in journal]
    assert "store.disarmed" in events
    assert "radio.failed" not in events
    assert "radio.scanning" not in events


@pytest.mark.parametrize(
    ("mistake", "repaired", "words"),
    [
        ("poll_s: 1", "poll_s: 0", "consent.poll_s"),
        ("key_file: store.key", "key_file: nowhere", "store.key_file"),
    ],
)
async def test_a_configuration_that_cannot_be_used_ends_with_78_and_names_the_key(
    mistake: str, repaired: str, words: str, shop: Shop
) -> None:
    shop.config.write_text(shop.config.read_text().replace(mistake, repaired))
    code, _, err = await shop.run("run", "--config", shop.config)
    assert code == 78
    assert words in err
    assert "Traceback" not in err


async def test_a_missing_list_is_not_the_end_the_gateway_waits_silently_and_takes_it_when_it_comes(
    shop: Shop, manager: Manager
) -> None:
    kept = (shop.folder / "consents.jsonl").read_bytes()
    (shop.folder / "consents.jsonl").unlink()
    process = await shop.start("run", "--config", shop.config)
    assert "list boot" in await manager.hears("READY=1")
    (shop.folder / "consents.jsonl").write_bytes(kept)
    await manager.hears("list fresh, 1 entry")
    assert "consent.refused" in [line["event"] for line in await stop(process)]


async def test_an_older_list_is_refused_and_the_one_in_force_stays(
    shop: Shop, manager: Manager
) -> None:
    process = await shop.start("run", "--config", shop.config)
    await manager.hears("READY=1")
    now = int(time.time())
    shop.publish_list([], seq=6, published_at=now, suppression_checked_at=now)
    await manager.hears("list fresh, 1 entry")
    await asyncio.sleep(1.5)
    journal = await stop(process)
    (refused,) = [line for line in journal if line["event"] == "consent.refused"]
    assert "number 6 is older than 7" in str(refused["reason"])
    assert [line["event"] for line in journal].count("consent.rolled_back") == 1


@needs_mosquitto
async def test_check_names_each_part_with_its_verdict_and_the_next_step(
    shop: Shop, tmp_path: Path
) -> None:
    async with mosquitto(tmp_path) as broker:
        shop.config.write_text(
            shop.config.read_text().replace(f"port: {shop.port}", f"port: {broker.port}")
        )
        code, out, _ = await shop.run("check", "--config", shop.config, "--json")
    findings = {finding["name"]: finding for finding in json.loads(out)["findings"]}
    assert {name for name, f in findings.items() if f["verdict"] == "PASS"} >= {
        "configuration",
        "store key",
        "notice",
        "state_dir",
        "runtime_dir",
        "consent list",
        "broker",
    }
    if HAS_RADIO:
        return
    assert code == 2
    assert findings["radio"]["verdict"] == "FAIL"
    assert findings["radio"]["next_step"]


async def test_check_lists_every_mistake_of_a_configuration_at_once(shop: Shop) -> None:
    shop.config.write_text(shop.config.read_text().replace("poll_s: 1", "poll_s: 0, wrong: 1"))
    code, out, _ = await shop.run("check", "--config", shop.config)
    assert code == 78
    assert "consent.poll_s" in out
    assert "consent.wrong" in out


@pytest.mark.requirement("R-42")
async def test_spoilt_files_keep_no_gateway_from_starting_and_are_told(
    shop: Shop, manager: Manager
) -> None:
    process = await shop.start("run", "--config", shop.config)
    await manager.hears("READY=1")
    await stop(process)
    for name in ("state/consents.sqlite", "run/visits.sqlite"):
        (file,) = shop.folder.rglob(Path(name).name)
        file.write_bytes(bytes(100) + b"torn")
    code, out, _ = await shop.run("check", "--config", shop.config, "--json")
    findings = {finding["name"]: finding for finding in json.loads(out)["findings"]}
    assert findings["list memory"]["verdict"] == "FAIL"
    assert code == 2
    process = await shop.start("run", "--config", shop.config)
    await manager.hears("READY=1")
    told = {line["event"]: line for line in await stop(process)}
    assert "damaged" in str(told["consent.memory_lost"]["reason"])
    assert "visits are forgotten" in str(told["storage.begun_anew"]["reason"])
