"""SIGTERM ends a command as Ctrl-C does: what was started stops, and temporary folders vanish.
SIGHUP does so where a command wants it.
"""

import asyncio
import signal
from collections.abc import Awaitable
from typing import TypeVar

from presence.errors import HungUp

T = TypeVar("T")


async def unless_terminated(work: Awaitable[T], *, or_hung_up: bool = False) -> T | None:
    """The outcome of the work, or None where SIGTERM came first. Raises HungUp where SIGHUP did,
    if `or_hung_up`.
    """
    loop, ourselves = asyncio.get_running_loop(), asyncio.current_task()
    came: list[signal.Signals] = []

    def end(number: signal.Signals) -> None:
        came.append(number)
        if ourselves is not None:
            ourselves.cancel()

    heard = [signal.SIGTERM]
    if or_hung_up and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as nohup wants it
        heard.append(signal.SIGHUP)
    for number in heard:
        loop.add_signal_handler(number, end, number)
    try:
        return await work
    except asyncio.CancelledError:
        if signal.SIGHUP in came:
            raise HungUp from None
        if came:
            return None
        raise
    finally:
        for number in heard:
            loop.remove_signal_handler(number)
