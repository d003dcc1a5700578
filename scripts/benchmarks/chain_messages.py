"""What the stores of a chain say and hear, for `scripts/bench chain`: topics, sizes and rates.

Rates are those of docs/scaling.md, "How much, reckoned"; one connection is one store's bridge. A
payload carries the moment of its sending, in nanoseconds, in place of an event's id.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from presence.core.event.cloudevent import CONTENT_TYPE
from presence.edges.mqtt.client import JSON, Content

OPEN_S: Final = 12 * 3600.0
EVENTS_PER_S: Final = 4 * 440 / OPEN_S
"""Of a store at the peak: four times the mean of 440 a day."""
STATES_PER_S: Final = 2 / 60.0
"""Two gateways, each once a minute."""
HEADS_PER_S: Final = 1 / 30.0
PINGS_PER_S: Final = 1 / 20.0
DIGITS: Final = 26
"""Characters of an event's id."""
ENTERED_BYTES: Final = 490
STATE_BYTES: Final = 110
HEAD_BYTES: Final = 297
"""Of the payload: `scripts/bench wire` measures all three."""
EVENTS: Final = "presence/v1/acme/+/evt/offers-main"
STATES: Final = "presence/v1/acme/+/gw/+/state"
_EVENT: Final = Content(CONTENT_TYPE, (("type", "presence.entered.v1"), ("id", "0" * DIGITS)))
EVENT_PROPERTIES: Final[bytes] = _EVENT.properties(119).pack()  # type: ignore[no-untyped-call]
WORD_PROPERTIES: Final[bytes] = Content(JSON).properties(None).pack()  # type: ignore[no-untyped-call]


def store_of(number: int) -> str:
    return f"fi-{number:05d}"


def heads_of(number: int) -> str:
    """The topic of the heads of a store's list."""
    return f"presence/v1/acme/ctl/head/{store_of(number)}"


def event_topic(number: int) -> str:
    return f"presence/v1/acme/{store_of(number)}/evt/offers-main"


def state_topic(number: int, gateway: int = 1) -> str:
    return f"presence/v1/acme/{store_of(number)}/gw/door-{gateway}/state"


def stamped(size: int) -> bytes:
    """A payload of so many bytes that begins with the moment of now."""
    return b"%026d" % time.time_ns() + b"x" * (size - DIGITS)


def sent_at_ns(payload: memoryview) -> int:
    return int(bytes(payload[:DIGITS]))


async def paced(rate: float, until_s: float, deed: Callable[[], None], late_s: list[float]) -> None:
    """A deed so many times a second, whatever becomes of the one before; by how much each was late
    is added to `late_s`. Those that are not done by then are left out.
    """
    loop = asyncio.get_running_loop()
    due_s = loop.time()
    while max(due_s, loop.time()) < until_s:
        pause_s = due_s - loop.time()
        # Also where it is late: what has arrived gets its turn.
        await asyncio.sleep(max(0.0, pause_s))
        late_s.append(loop.time() - due_s)
        deed()
        due_s += 1 / rate
