"""How many events the kernel has had from a controller: one number, of whomever, by which a deaf radio shows.

    HCIGETDEVINFO  →  struct hci_dev_info { dev_id, name, …, struct hci_dev_stats { …, evt_rx, … } }

include/net/bluetooth/hci_sock.h of Linux. It takes an AF_BLUETOOTH socket and no privilege; our unit's sandbox does
not allow such a socket, and then there is no number. Nothing but the one counter is read out of the answer.
"""

import fcntl
import socket
import struct
from typing import Final

_AF_BLUETOOTH: Final = 31
_BTPROTO_HCI: Final = 1
"""As numbers: Python's that were built without Bluetooth headers have no names for them."""
_HCIGETDEVINFO: Final = 0x800448D3
"""_IOR('H', 211, int)"""
_DEV_INFO_BYTES: Final = 92
_EVT_RX_AT: Final = 64
"""52 bytes before `stat`; in it, err_rx, err_tx and cmd_tx come first."""


def kernel_events(adapter: str) -> int | None:
    """Since the controller was switched on; wraps at 2³². None where we may not know."""
    number = adapter.removeprefix("hci")
    if not number.isdecimal():
        return None
    answer = bytearray(_DEV_INFO_BYTES)
    struct.pack_into("<H", answer, 0, int(number))
    try:
        with socket.socket(_AF_BLUETOOTH, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _BTPROTO_HCI) as raw:
            fcntl.ioctl(raw, _HCIGETDEVINFO, answer)
    except OSError:  # not allowed here, no Bluetooth in this kernel, or the adapter has just left
        return None
    return int(struct.unpack_from("=I", answer, _EVT_RX_AT)[0])


class KernelCount:
    """How many more since the last time."""

    def __init__(self) -> None:
        self._before: tuple[str, int] | None = None

    def take(self, adapter: str) -> int | None:
        """None where we may not know, and the first time."""
        count, before = kernel_events(adapter), self._before
        self._before = None if count is None else (adapter, count)
        if count is None or before is None or before[0] != adapter:
            return None
        return count - before[1] if count >= before[1] else count  # it began anew with the controller
