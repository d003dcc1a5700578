"""A doorbell at work on a bus of the test, and what it handed over."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from presence.config.settings import DoorbellSettings
from presence.edges.bluez.gatt import Doorbell
from presence.edges.bluez.pace import DOORBELL_PACE, Pace
from presence.ports import DoorbellResponse
from tests.support.fakes import FakeClock, RecordingTelemetry

QUICK = replace(DOORBELL_PACE, retry_s=0.05)
SERVICE = "5f0c1e52-7c3a-4f0e-9d3b-3f6f0f8b2a10"


class Ears:
    """What the doorbell handed over and emitted."""

    def __init__(self) -> None:
        self.rung: list[DoorbellResponse] = []
        self.telemetry = RecordingTelemetry()


@asynccontextmanager
async def ringing(
    bus: str,
    ears: Ears,
    *,
    pace: Pace = DOORBELL_PACE,
    others: Sequence[str] = (),
    **changes: Any,
) -> AsyncIterator[Doorbell]:
    values = {"enabled": True, "service_uuid": SERVICE, "adapter": "hci0", "link_s": 0.3, **changes}
    bell = Doorbell(
        DoorbellSettings(**values),
        FakeClock(),
        emit=ears.telemetry.emit,
        others=others,
        bus_address=bus,
        pace=pace,
    )
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(bell.run(ears.rung.append))
        yield bell
        running.cancel()
