"""How many advertisements the controller reports, below BlueZ; and nothing else about them.

With the filter that we scan with, bluetoothd keeps strangers to itself, which is how we want it. So
a technician who asks "is this radio deaf, or is nobody here?" needs the count from the kernel: a
raw HCI socket that is given LE events only, of which we read the one byte that says how many
reports are in it. No address is ever taken out.

Needs CAP_NET_RAW (root); without it there is no count, and nothing else is missing.

Core 5.4, Vol 4 Part E: §7.7.65.2 LE Advertising Report (subevent 0x02), §7.7.65.13 Extended (0x0D);
both carry the number of reports in the byte after the subevent.
"""

import socket
import struct
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Final

_EVENT_PACKET: Final = 0x04
_LE_META: Final = 0x3E
_ADVERTISING: Final = (0x02, 0x0D)
_HEAD_BYTES: Final = 5
"""Packet type, event, length, subevent, number of reports."""
_SOL_HCI, _HCI_FILTER = 0, 2
_FILTER: Final = struct.pack("<LLLH2x", 1 << _EVENT_PACKET, 0, 1 << (_LE_META - 32), 0)
"""struct hci_ufilter: packet types, 64 bits of events, any opcode."""


def reports_in(head: bytes) -> int:
    """How many advertisements an HCI packet reports, by its first five bytes."""
    if (
        len(head) < _HEAD_BYTES
        or head[0] != _EVENT_PACKET
        or head[1] != _LE_META
        or head[3] not in _ADVERTISING
    ):
        return 0
    return head[4]


class ReportCounter:
    """Counts from the moment it is opened."""

    def __init__(self, sockets: "Sequence[socket.socket]") -> None:
        self._sockets = sockets

    @classmethod
    @contextmanager
    def open(cls, adapters: Sequence[str]) -> "Iterator[ReportCounter | None]":
        """Of today's `hciN`. None where there is none, or the system does not let us count."""
        with ExitStack() as stack:
            try:
                numbers = [int(name.removeprefix("hci")) for name in adapters]
                counter = cls([stack.enter_context(_listening(number)) for number in numbers])
            except (
                OSError,
                AttributeError,
                ValueError,
            ):  # no right, no Bluetooth in this kernel or this Python
                yield None
                return
            yield counter if adapters else None

    def take(self) -> int:
        """So many since the last call. What the kernel's buffer has no room for is lost: call
        often.
        """
        return sum(map(reports_in, self._waiting()))

    def _waiting(self) -> Iterator[bytes]:
        for waiting in self._sockets:
            while True:
                try:
                    yield waiting.recv(
                        _HEAD_BYTES
                    )  # the rest of the packet is thrown away by the kernel
                except BlockingIOError:
                    break


def _listening(number: int) -> socket.socket:
    bluetooth: Any = socket  # typed on machines with Bluetooth headers only
    raw = socket.socket(bluetooth.AF_BLUETOOTH, socket.SOCK_RAW, bluetooth.BTPROTO_HCI)
    try:
        raw.setsockopt(_SOL_HCI, _HCI_FILTER, _FILTER)
        raw.bind((number,))
        raw.setblocking(False)
    except BaseException:
        raw.close()
        raise
    return raw
