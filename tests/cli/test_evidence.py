"""`presence evidence` beside a gateway that runs: what the page says, and whom it does not name."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from presence.assembly import gateway_of
from presence.cli import main
from presence.config import load_settings
from presence.core.recognition.advertisement import advertisement_from_payload
from presence.diagnosis import marks
from presence.edges.host.clock import SystemClock
from presence.edges.host.status_socket import ask
from presence.edges.host.systemd import SystemdNotifier
from presence.ports import OnAdvertisement
from presence.telemetry import Telemetry
from tests.support.brokers import listener, mosquitto, needs_mosquitto
from tests.support.builders import ANNA, OFFERS, pairwise_key, window_keys
from tests.support.paths import ROOT
from tests.support.shops import Shop, entry, walking_in

SCHEMA = json.loads((ROOT / "docs" / "evidence.schema.json").read_text("utf-8"))


class Inside:
    """Somebody who came in and stays near."""

    async def run(self, on_advertisement: OnAdvertisement) -> None:
        clock = SystemClock()
        while True:
            now = clock.now()
            _, address, rssi_dbm, payload = walking_in(at_s=now.utc_s, seconds=1)[0]
            on_advertisement(advertisement_from_payload(now, address, rssi_dbm, payload))
            await asyncio.sleep(0.1)


@contextlib.asynccontextmanager
async def somebody_inside(shop: Shop) -> AsyncIterator[None]:
    """A gateway that runs, and a customer who has entered."""
    settings = load_settings(shop.config)
    with ExitStack() as stack:
        gateway = gateway_of(settings, SystemdNotifier(), stack, Telemetry(), sources=[Inside()])
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(gateway.run())
            while not gateway.pipeline.published:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.1)
            yield
            running.cancel()


def secrets_of_anna(now_s: float) -> dict[bytes, str]:
    keys = {key.key: "window key" for key in window_keys(ANNA, now_s)}
    return {ANNA: "reference", pairwise_key(ANNA, OFFERS.name): "pairwise key", **keys}


@needs_mosquitto
@pytest.mark.slow
@pytest.mark.requirement("R-01", "R-26", "R-67", "T-14")
async def test_the_page_of_a_gateway_with_a_customer_inside_passes_and_names_nobody(
    tmp_path: Path,
) -> None:
    now_s = time.time()
    page, socket = tmp_path / "page.html", tmp_path / "shop" / "run" / "status.sock"
    async with mosquitto(tmp_path) as broker, listener(broker.port):
        shop = Shop(tmp_path / "shop", broker.port)
        shop.open(
            [entry(around_s=now_s)], published_at=int(now_s), suppression_checked_at=int(now_s)
        )
        async with somebody_inside(shop):
            await asyncio.to_thread(ask, socket, "metrics")
            await asyncio.sleep(0.5)
            code, out, err = await shop.run(
                "evidence", "--config", shop.config, "--output", page, "--json"
            )
            kept = marks.files_below(shop.folder)
    said = json.loads(out)
    Draft202012Validator(SCHEMA).validate(said)
    assert (code, err) == (0, "")
    assert {each["name"]: each["verdict"] for each in said["findings"]} == dict.fromkeys(
        ("strangers", "gateway", "armed", "list", "alarms", "audit log", "settings", "looks"),
        "PASS",
    )
    assert [(look["asked"], look["times"]) for look in said["looks"]] == [("metrics", 1)]
    assert said["audit"]["head"].startswith(f"{said['audit']['lines']}:")

    text = page.read_text("utf-8")
    assert page.stat().st_mode & 0o777 == 0o600
    assert said["audit"]["head"] in text
    wanted = secrets_of_anna(now_s)
    assert marks.search(wanted, kept) != [], "the search can find her where she belongs"
    assert marks.search(wanted, {"page": text.encode(), "json": out.encode()}) == []


def evidence(shop: Shop, *more: str) -> int:
    return main(["evidence", "--config", str(shop.config), "--no-strangers", *more])


def shop_in(folder: Path) -> Shop:
    shop = Shop(folder, 1)
    shop.open([])
    return shop


def findings(out: str) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in json.loads(out)["findings"]}


def test_where_no_gateway_runs_the_page_is_written_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shop = shop_in(tmp_path / "shop")
    assert evidence(shop) == 2
    out = capsys.readouterr().out
    assert "FAIL  gateway     it does not answer" in out
    assert "WARN  strangers   the test was left out" in out
    [page] = tmp_path.glob("presence-evidence-*.html")
    assert page.name in out
    assert "no gateway answers" in page.read_text("utf-8")


@pytest.mark.requirement("R-26", "R-68")
def test_a_log_that_was_changed_and_settings_that_are_not_in_force_fail(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = shop_in(tmp_path / "shop")
    state = tmp_path / "shop" / "state"
    state.mkdir()
    line = '{"n":1,"at":"2026-11-23T14:05:07Z","what":"config.applied","digest":"x","prev":"1"}\n'
    (state / "audit.jsonl").write_text(line)
    assert evidence(shop, "--json") == 2
    out = capsys.readouterr().out
    Draft202012Validator(SCHEMA).validate(json.loads(out))
    found = findings(out)
    assert found["audit log"]["verdict"] == "FAIL"
    assert found["settings"]["verdict"] == "FAIL"
    assert "not those in force" in found["settings"]["found"]


def test_a_log_that_cannot_be_read_fails_with_who_may(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = shop_in(tmp_path / "shop")
    (tmp_path / "shop" / "state" / "audit.jsonl").mkdir(parents=True)
    assert evidence(shop, "--json") == 2
    said = json.loads(capsys.readouterr().out)
    Draft202012Validator(SCHEMA).validate(said)
    assert said["audit"] == {"lines": 0, "head": ""}
    [found] = (each for each in said["findings"] if each["name"] == "audit log")
    assert found["verdict"] == "FAIL"
    assert found["next_step"].endswith("ask as presence's user or as root")


def test_a_page_that_cannot_be_written_is_told_with_the_option(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = shop_in(tmp_path / "shop")
    assert evidence(shop, "--output", str(tmp_path / "nowhere" / "page.html")) == 69
    assert "name a file in a folder where you may write (--output)" in capsys.readouterr().err
