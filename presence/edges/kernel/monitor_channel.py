"""Reads HCI's monitor channel: the advertising reports of one adapter that the filter let pass,
each with the time at which the kernel had it.

    opcode u16 = 3 | index u16 | length u16 | event       little-endian (Linux, hci_mon.h)

The filter has seen to opcode and index; here nothing is believed, all the same.
"""

import asyncio
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from presence.core.hci.report_filter import MONITOR_EVENT, MONITOR_HEADER_BYTES
from presence.core.hci.reports import AdvertisingReports, ReportCounts
from presence.core.timestamps import Moment
from presence.edges.kernel.descriptor import Descriptor
from presence.ports import Clock

TakeReport = Callable[[Moment, bytes, int, bytes], None]
"""When, address (6 bytes, as printed), RSSI in dBm as read, payload."""
BATCH: Final = 256
"""Packets until other tasks have their turn: some 2 ms."""
PACKET_BYTES: Final = MONITOR_HEADER_BYTES + 2 + 255
MAX_DELAY_S: Final = 5.0
"""What the kernel's stamp may lie behind us: more is a clock that was set meanwhile."""

_HEAD: Final = struct.Struct("<HH")
_STAMP: Final = struct.Struct("@qq")
STAMP_SPACE: Final = socket.CMSG_SPACE(_STAMP.size)
_SO_MEMINFO: Final = 55
_MEMINFO: Final = struct.Struct("9I")


class MonitorChannel:
    """One descriptor, until it is closed."""

    def __init__(self, descriptor: Descriptor, clock: Clock) -> None:
        self.counts = ReportCounts()
        self._sock = descriptor.sock
        self._head = _HEAD.pack(MONITOR_EVENT, int(descriptor.hci.removeprefix("hci")))
        self._clock = clock
        self._reports = AdvertisingReports(self.counts)

    @contextmanager
    def read_by(self, take: TakeReport) -> Iterator[None]:
        """Hands over what comes inside the block."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._sock, self._read, take)
        try:
            yield
        finally:
            loop.remove_reader(self._sock)

    @property
    def missed(self) -> int:
        """Packets that found no room, as the kernel counts them (SO_MEMINFO: sk_drops)."""
        info = self._sock.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size)
        missed: int = _MEMINFO.unpack(info)[8]
        return missed

    def close(self) -> None:
        self._sock.close()

    def _read(self, take: TakeReport) -> None:
        now = self._clock.now()
        receive, reports_in = self._sock.recvmsg, self._reports.take
        for _ in range(BATCH):
            try:
                packet, ancillary, _, _ = receive(PACKET_BYTES, STAMP_SPACE)
            except BlockingIOError:
                return
            if not packet.startswith(self._head):
                continue
            at = stamped(now, ancillary)
            for address, _, rssi_dbm, payload in reports_in(
                packet, MONITOR_HEADER_BYTES, len(packet)
            ):
                take(at, address.to_bytes(6, "big"), rssi_dbm, payload)


def stamped(now: Moment, ancillary: list[tuple[int, int, bytes]]) -> Moment:
    """When the kernel had it; `now` where it does not say."""
    for _, _, content in ancillary:
        if len(content) == _STAMP.size:
            seconds, nanoseconds = _STAMP.unpack(content)
            delay_s = now.utc_s - seconds - nanoseconds / 1e9
            if 0 < delay_s < MAX_DELAY_S:
                return now.later(-delay_s)
    return now
