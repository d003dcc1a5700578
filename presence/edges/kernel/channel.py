"""A user channel: what one controller says, and what it is told.

    packet type 0x04 | event        in
    packet type 0x01 | command      out

Trap: to close it the kernel switches the controller off, which may take seconds with one that
hangs. So it is closed in a thread.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Final

from presence.core.timestamps import Moment
from presence.edges.kernel.monitor_channel import BATCH, STAMP_SPACE, stamped
from presence.ports import Clock

EVENT_AT: Final = 1
"""Behind the packet type."""
PACKET_BYTES: Final = EVENT_AT + 2 + 255

TakePacket = Callable[[bytes, Moment, Moment], None]
"""A packet, when the kernel had it, and the time of the batch in which it is read."""


class Channel:
    """Reads until `leave`, or until it is dead, which `lost` is told with the reason."""

    def __init__(
        self, sock: socket.socket, clock: Clock, *, take: TakePacket, lost: Callable[[str], None]
    ) -> None:
        self._socket = sock
        self._clock = clock
        self._take = take
        self._lost = lost
        self._reads = True
        asyncio.get_running_loop().add_reader(sock, self._read)

    def send(self, packet: bytes) -> None:
        try:
            self._socket.send(packet)
        except BlockingIOError:
            pass  # it takes nothing just now: that there is no answer, is noticed
        except OSError as error:
            self._lost(_words(error))

    def leave(self) -> None:
        """From now on nothing is read."""
        self._reads = False
        asyncio.get_running_loop().remove_reader(self._socket)

    async def close(self) -> None:
        await asyncio.to_thread(self._socket.close)

    def _read(self) -> None:
        """What waits, as a batch."""
        now = self._clock.now()
        for _ in range(BATCH):
            if not self._reads:
                return  # an answer had us left
            try:
                packet, ancillary, _, _ = self._socket.recvmsg(PACKET_BYTES, STAMP_SPACE)
            except BlockingIOError:
                return
            except OSError as error:
                self._lost(_words(error))
                return
            if not packet:
                self._lost("the kernel has closed it")
                return
            self._take(packet, stamped(now, ancillary), now)


def _words(error: OSError) -> str:
    return error.strerror or type(error).__name__
