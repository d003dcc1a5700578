"""The kernel's Bluetooth sockets, looked at from outside: the daemon's own, and what passes another
that has the same filter.

Numbers: asm-generic/socket.h, asm/unistd.h; a filter is read back in instructions of eight bytes
(net/core/filter.c, sk_get_filter).
"""

import ctypes
import os
import select
import socket
import struct
import threading
from collections import Counter
from pathlib import Path
from typing import Final, Self

AF_BLUETOOTH: Final = 31
SO_GET_FILTER, SO_DOMAIN, SO_LOCK_FILTER, SO_MEMINFO = 26, 39, 44, 55
PIDFD_GETFD: Final = 438
MAX_INSTRUCTIONS: Final = 4096
_LIBC: Final = ctypes.CDLL(None, use_errno=True)


def kernel_sockets_of(pid: int) -> list[socket.socket]:
    """The same sockets, not others of their kind. Raises OSError."""
    found = []
    process = os.pidfd_open(pid)
    for link in Path(f"/proc/{pid}/fd").iterdir():
        if not str(link.readlink()).startswith("socket:"):
            continue
        descriptor = _LIBC.syscall(PIDFD_GETFD, process, int(link.name), 0)
        if descriptor < 0:
            raise OSError(ctypes.get_errno(), "pidfd_getfd")
        # Told its family, Python does not ask for a name, which the monitor channel has not.
        copy = socket.socket(socket.AF_UNIX, socket.SOCK_RAW, 0, descriptor)
        if copy.getsockopt(socket.SOL_SOCKET, SO_DOMAIN) == AF_BLUETOOTH:
            found.append(copy)
        else:
            copy.close()
    os.close(process)
    return found


def locked_filter_of(sock: socket.socket) -> bytes:
    """Raises AssertionError where it can be changed, OSError where there is none."""
    assert sock.getsockopt(socket.SOL_SOCKET, SO_LOCK_FILTER) == 1
    program = ctypes.create_string_buffer(8 * MAX_INSTRUCTIONS)
    length = ctypes.c_uint(MAX_INSTRUCTIONS)
    if _LIBC.getsockopt(
        sock.fileno(), socket.SOL_SOCKET, SO_GET_FILTER, program, ctypes.byref(length)
    ):
        raise OSError(ctypes.get_errno(), "SO_GET_FILTER")
    return program.raw[: 8 * length.value]


class Passed:
    """Takes in what comes on a monitor channel: how much of whom."""

    def __init__(self, sock: socket.socket) -> None:
        self.addresses: Counter[str] = Counter()
        self._sock = sock
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._read)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    @property
    def missed(self) -> int:
        """What found no room (sk_drops)."""
        return struct.unpack("9I", self._sock.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, 36))[8]

    def _read(self) -> None:
        while not self._ended.is_set():
            if select.select([self._sock], [], [], 0.2)[0]:
                self.addresses[self._sock.recv(512)[17:11:-1].hex()] += 1
