"""What `presence check` finds out about the broker, and how long it takes over it."""

import asyncio
from pathlib import Path

from presence.config import load_settings
from presence.diagnosis.broker import TIMEOUT_S, look_at_broker
from presence.diagnosis.findings import Verdict
from presence.simulation.local_broker import free_port
from tests.support.shops import Shop


async def test_a_broker_that_is_not_there_is_told_of_at_the_first_attempt(tmp_path: Path) -> None:
    settings = load_settings(Shop(tmp_path / "shop", free_port()).open([]).config)

    async with asyncio.timeout(TIMEOUT_S / 2):
        (finding,) = await look_at_broker(settings)

    assert finding.verdict is Verdict.FAIL
    assert "refused" in finding.next_step
