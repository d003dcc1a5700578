"""What it costs to wake the engine for an advertisement that comes alone: one a turn of the event
loop, as in a quiet shop, beside the same turns without any.
"""

import asyncio
import time
from collections.abc import Iterator
from typing import Final

from presence.gateway.gateway import BATCH, TICK_S
from presence.gateway.pipeline import Intake
from scripts.benchmarks import subjects
from scripts.benchmarks.figure import Figure

COUNT: Final = 1000
ROUNDS: Final = 15
TURNS: Final = 4
"""Of the event loop between two arrivals: others have their turn, and the engine waits again."""


def figures() -> Iterator[Figure]:
    took_ns = {
        alone: min(asyncio.run(_turns(arrives=alone)) for _ in range(ROUNDS))
        for alone in (True, False)
    }
    yield Figure("wake", round(took_ns[True] - took_ns[False]), "ns/advertisement")


async def _turns(*, arrives: bool) -> float:
    """Nanoseconds of the processor from one arrival to the next."""
    intake, heard, taken = Intake(), subjects.stranger_of_ours(0), 0

    async def engine() -> None:
        nonlocal taken
        while True:
            await intake.arrived(TICK_S)
            taken += len(intake.take(BATCH))

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(engine())
        await asyncio.sleep(0)
        started = time.thread_time_ns()
        for _ in range(COUNT):
            if arrives:
                intake.hear(heard)
            for _ in range(TURNS):
                await asyncio.sleep(0)
        took_ns = (time.thread_time_ns() - started) / COUNT
        task.cancel()
    if taken != (COUNT if arrives else 0):
        raise SystemExit("the benchmark is wrong: not everything was taken")
    return took_ns
