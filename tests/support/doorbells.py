"""A doorbell at work on a bus of the test, and what it handed over."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import fields, replace
from typing import Any

from presence.config.settings import BellSettings, DoorbellSettings
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
    """`changes`: of the settings, of the bell's and of the doorbell's."""
    own = {field.name for field in fields(BellSettings)}
    of_the_bell = {"adapter": "hci0"} | {k: v for k, v in changes.items() if k in own}
    others_of_it = {k: v for k, v in changes.items() if k not in own}
    values = {"enabled": True, "service_uuid": SERVICE, "link_s": 0.3, **others_of_it}
    bell = Doorbell(
        BellSettings(**of_the_bell),
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
