"""SIGTERM ends a command as Ctrl-C does: what was started stops, and temporary folders vanish."""

import asyncio
import signal
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


async def unless_terminated(work: Awaitable[T]) -> T | None:
    """The outcome of the work, or None where SIGTERM came first."""
    loop, ourselves = asyncio.get_running_loop(), asyncio.current_task()
    terminated = asyncio.Event()

    def terminate() -> None:
        terminated.set()
        if ourselves is not None:
            ourselves.cancel()

    loop.add_signal_handler(signal.SIGTERM, terminate)
    try:
        return await work
    except asyncio.CancelledError:
        if terminated.is_set():
            return None
        raise
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
