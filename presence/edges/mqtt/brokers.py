"""Which broker is tried next: of the names in the settings, and of the addresses that each has now.

    round: names ─► addresses (DNS, anew) ─► in the order of the settings, or by chance; each once
           a connection that was up and is lost begins a new round, in which its broker comes last

1. Each address is a broker of its own: one node of a cluster that hangs behind a common name must
   not be tried for ever.
2. Where a name cannot be looked up, its addresses of before are tried, or the name itself, so that
   the failure is told.
"""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from presence.config.settings import HostOrder, MqttSettings

LOOK_UP_S: Final = 3.0


class Broker(NamedTuple):
    """`name` is what its certificate must say, `address` where it is."""

    name: str
    address: str


LookUp = Callable[[str, int], Awaitable[list[str]]]
"""Name and port → addresses. Raises OSError."""


async def look_up(name: str, port: int) -> list[str]:
    """All addresses of a name, in the order of the resolver. Raises OSError."""
    async with asyncio.timeout(LOOK_UP_S):
        found = await asyncio.get_running_loop().getaddrinfo(name, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Brokers:
    """Hands out one after the other."""

    def __init__(
        self, settings: MqttSettings, chance: Callable[[], float], look_up: LookUp = look_up
    ) -> None:
        self._names = settings.brokers
        self._port = settings.port
        self._by_chance = settings.host_order is HostOrder.RANDOM
        self._chance = chance
        self._look_up = look_up
        self._known: dict[str, list[str]] = {}
        self._round: list[Broker] = []
        self._last: Broker | None = None
        self.several = len(self._names) > 1

    @property
    def round_is_over(self) -> bool:
        return not self._round

    def begin_anew(self) -> None:
        """The connection was up and is lost."""
        self._round.clear()

    async def next(self) -> Broker:
        if not self._round:
            self._round = await self._new_round()
        self._last = self._round.pop(0)
        return self._last

    async def _new_round(self) -> list[Broker]:
        found = [Broker(name, at) for name in self._names for at in await self._addresses(name)]
        self.several = len(found) > 1
        if self._by_chance:
            found.sort(key=lambda _: self._chance())
        # The one that was just lost, or was the last of a round: any other comes first.
        if self._last in found:
            found.sort(key=lambda each: each == self._last)
        return found

    async def _addresses(self, name: str) -> list[str]:
        with contextlib.suppress(OSError):  # a TimeoutError is one
            self._known[name] = await self._look_up(name, self._port)
        return self._known.get(name) or [name]
