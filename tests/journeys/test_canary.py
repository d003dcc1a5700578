"""Strangers leave no trace: not on disk, not in a log line, not on MQTT (R-01, R-03)."""

import asyncio
import base64
import hashlib
import json
import sys
import time
from pathlib import Path

import pytest

from tests.support.brokers import listener, mosquitto, needs_mosquitto
from tests.support.builders import ANNA, START_S
from tests.support.canary import ADDRESS, DATA, files_below, strangers, traces
from tests.support.captures import capture
from tests.support.paths import ROOT
from tests.support.shops import Shop, entry, walking_in

COUNT = 10_000


async def messages(queue: asyncio.Queue) -> dict[str, bytes]:  # type: ignore[type-arg]
    await asyncio.sleep(0.3)
    heard = [queue.get_nowait() for _ in range(queue.qsize())]
    return {
        f"message {n}": b"\n".join(
            (m.topic.encode(), m.payload, json.dumps(m.properties.json()).encode())
        )
        for n, m in enumerate(heard)
    }


@needs_mosquitto
@pytest.mark.requirement("R-01", "R-03", "T-15")
async def test_ten_thousand_strangers_in_a_replay_leave_no_trace_in_files_lines_and_messages(
    tmp_path: Path,
) -> None:
    crowd = [
        (START_S + n / 400, a, -50, p) for n, (a, p) in enumerate(strangers(COUNT)) if p[0] < len(p)
    ]
    recording = capture(tmp_path / "shop.btsnoop", [*crowd, *walking_in()])
    async with mosquitto(tmp_path) as broker, listener(broker.port) as queue:
        shop = Shop(tmp_path / "shop", broker.port).open([entry()])
        code, out, err = await shop.run(
            "replay",
            recording,
            "--config",
            shop.config,
            "--json",
            "--publish",
            "--state",
            tmp_path / "s",
        )
        heard = await messages(queue)
    result = json.loads(out)
    assert code == 0, err
    assert result["published"] == 1
    assert result["other_format"] + result["unknown"] >= COUNT * 0.8
    assert len(heard) == 1
    places = {
        "stdout": out.encode(),
        "stderr": err.encode(),
        **heard,
        **files_below(tmp_path / "s", shop.folder),
    }
    assert traces(places, COUNT) == []


@needs_mosquitto
@pytest.mark.requirement("R-01", "R-03", "R-28", "T-15")
async def test_ten_thousand_strangers_past_a_running_gateway_leave_no_trace(tmp_path: Path) -> None:
    now_s = time.time()
    async with mosquitto(tmp_path) as broker, listener(broker.port) as queue:
        shop = Shop(tmp_path / "shop", broker.port)
        shop.open(
            [entry(around_s=now_s)], published_at=int(now_s), suppression_checked_at=int(now_s)
        )
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.support.shop_process", shop.config, str(COUNT),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd=ROOT,
        )  # fmt: skip
        out, _ = await process.communicate()
        heard = await messages(queue)
    assert process.returncode == 0, out.decode()
    assert b"entered 1, published 1" in out
    places = {"output": out, **heard, **files_below(shop.folder)}
    assert {"run/visits.sqlite", "state/consents.sqlite"} <= places.keys()
    assert any(b"presence.entered.v1" in content for content in heard.values())
    assert ANNA in places["run/visits.sqlite"], (
        "the customer inside is known, so the search had something to look at"
    )
    assert traces(places, COUNT) == []


@pytest.mark.parametrize(
    "planted",
    [
        ADDRESS + b"\x00\x01",
        (ADDRESS + b"\x00\x01").hex().encode(),
        (ADDRESS + b"\x00\x01").hex(":").upper().encode(),
        (ADDRESS + b"\x00\x01")[::-1],
        base64.b64encode(b"x" + DATA + b"\x00\x01"),
        hashlib.sha256(ADDRESS + b"\x00\x01").hexdigest().encode(),
        hashlib.md5(ADDRESS + b"\x00\x01", usedforsecurity=False).digest(),
    ],
)
def test_the_search_finds_a_planted_mark_however_it_is_written(planted: bytes) -> None:
    assert traces({"somewhere": b"around " + planted + b" around"}, 10) != []
