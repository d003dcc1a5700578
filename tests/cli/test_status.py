"""`presence status` as a technician uses it."""

import asyncio
import json
import time
from pathlib import Path

import pytest

from presence.simulation.local_broker import free_port
from tests.support.shops import Shop, entry


@pytest.mark.requirement("T-14")
async def test_a_running_gateway_says_how_it_does_and_what_comes_next(tmp_path: Path) -> None:
    now_s = int(time.time())
    shop = Shop(tmp_path / "shop", free_port()).open(
        [entry(around_s=now_s)], published_at=now_s, suppression_checked_at=now_s
    )
    process = await shop.start("run", "--config", shop.config)
    async with asyncio.timeout(40):
        while not (shop.folder / "run" / "status.sock").is_socket():  # noqa: ASYNC110 - another process makes it
            await asyncio.sleep(0.05)
    code, out, err = await shop.run("status", "--config", shop.config, "--json")
    seen = json.loads(out)
    plain_code, plain, _ = await shop.run("status", "--socket", shop.folder / "run" / "status.sock")
    process.terminate()
    await process.communicate()

    assert (code, err) == (1, ""), "no broker and no radio here"
    assert seen["running"]
    assert (seen["armed"], seen["list"]["freshness"], seen["list"]["seq"]) == (True, "fresh", 7)
    assert seen["list"]["entries_rounded"] == 0
    assert any(step.startswith("broker:") for step in seen["next_steps"])
    assert any(step.startswith("door: never calibrated") for step in seen["next_steps"])
    assert plain_code == 1
    assert "list    fresh, number 7" in plain
    assert "→ broker:" in plain


async def test_without_a_gateway_it_says_so_as_systemctl_does(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "shop", 1).open([])
    code, out, err = await shop.run("status", "--config", shop.config)
    json_code, json_out, _ = await shop.run("status", "--config", shop.config, "--json")

    assert (code, out) == (3, "")
    assert "systemctl status presence" in err
    assert "presence check" in err
    assert json_code == 3
    assert json.loads(json_out)["running"] is False
