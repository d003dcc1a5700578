"""What leaves the shop in a support bundle: enough to help, and nobody."""

import asyncio
import json
import sys
import tarfile
import time
from pathlib import Path

import pytest

from presence.diagnosis.marks import spellings
from scripts.stores.customers import pairwise_key
from tests.support.brokers import listener, mosquitto, needs_mosquitto
from tests.support.builders import (
    ANNA,
    OFFERS,
    base64url,
    window_keys,
)
from tests.support.canary import traces
from tests.support.json_answers import judged
from tests.support.paths import ROOT
from tests.support.shops import Shop, entry

COUNT = 2_000
PARTS = {
    "about.json",
    "settings.json",
    "status.json",
    "check.json",
    "journal.jsonl",
    "audit.jsonl",
    "missing.json",
}


def unpacked(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as archive:
        files = {
            member.name.rpartition("/")[2]: archive.extractfile(member)
            for member in archive.getmembers()
        }
        return {name: file.read() for name, file in files.items() if file is not None}


@needs_mosquitto
@pytest.mark.requirement("R-67", "R-03", "T-14", "T-15")
async def test_a_bundle_of_a_gateway_that_heard_strangers_and_a_customer_names_none_of_them(
    tmp_path: Path,
) -> None:
    now_s = time.time()
    async with mosquitto(tmp_path) as broker:
        shop = Shop(tmp_path / "shop", broker.port)
        shop.open(
            [entry(around_s=now_s)], published_at=int(now_s), suppression_checked_at=int(now_s)
        )
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.support.shop_process", shop.config, str(COUNT),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd=ROOT,
        )  # fmt: skip
        # Without a subscriber it would keep the event, and wait until that expires.
        async with listener(broker.port):
            out, _ = await process.communicate()
        log = tmp_path / "log"
        key, event = window_keys(ANNA, now_s)[0].key, "mfrggzdfmztwq2lknnwg23tpob"
        planted = {
            "event": "planted",
            "reason": f"of {ANNA.hex()} {key.hex()} {event}",
            "ref": base64url(ANNA),
        }
        log.write_bytes(
            out + json.dumps(planted).encode() + b"\nTraceback: dev_C9_FA_5E_ED_00_01\n"
        )
        code, told, _ = await shop.run(
            "support-bundle",
            "--config",
            shop.config,
            "--journal",
            log,
            "--output",
            tmp_path / "b.tar.gz",
            "--json",
        )
    assert code == 0
    assert judged("support-bundle", told)["missing"].keys() == {"status.json", "metrics.prom"}, (
        "the gateway stopped, and has none"
    )
    found = unpacked(tmp_path / "b.tar.gz")
    assert found.keys() == PARTS - {"status.json"}
    assert b'"planted"' in found["journal.jsonl"]
    assert b"list.applied" in found["audit.jsonl"] or b"digest" in found["audit.jsonl"]
    assert traces(found, COUNT) == []
    store_key = bytes.fromhex("ab" * 32)
    for secret in (
        ANNA,
        key,
        store_key,
        pairwise_key(ANNA, OFFERS.name),
        base64url(ANNA).encode(),
        event.encode(),
    ):
        for how, text in spellings(secret):
            places = [
                name
                for name, content in found.items()
                if text in (content.lower() if "hex" in how else content)
            ]
            assert not places, how
    everything = b"".join(found.values())
    for name in (b"127.0.0.1", b"dpo@acme.example", b"Acme Oy"):
        assert name not in found["settings.json"]
    assert b"2099-01-01" in everything


async def test_of_a_running_gateway_the_bundle_has_its_status(tmp_path: Path) -> None:
    now_s = int(time.time())
    shop = Shop(tmp_path / "shop", 1).open(
        [entry(around_s=now_s)], published_at=now_s, suppression_checked_at=now_s
    )
    process = await shop.start("run", "--config", shop.config)
    async with asyncio.timeout(40):
        while not (shop.folder / "run" / "status.sock").is_socket():  # noqa: ASYNC110 - another process makes it
            await asyncio.sleep(0.05)
    output = tmp_path / "b.tar.gz"
    code, told, _ = await shop.run("support-bundle", "--config", shop.config, "--output", output)
    again, _, trouble = await shop.run(
        "support-bundle", "--config", shop.config, "--output", output
    )
    process.terminate()
    await process.communicate()

    assert code == 0
    assert "look into it" in told
    found = unpacked(output)
    assert json.loads(found["status.json"])["armed"] is True
    settings = json.loads(found["settings.json"])
    assert settings["entry"]["enter_rssi_dbm"] == -67
    assert settings["mqtt"]["host"] == "given"
    assert {finding["name"] for finding in json.loads(found["check.json"])} >= {
        "configuration",
        "clock",
        "broker",
    }
    assert output.stat().st_mode & 0o077 == 0
    assert again == 69
    assert "name another file" in trouble
