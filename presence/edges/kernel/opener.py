"""Opens the kernel's Bluetooth socket for the daemon, and ends: the only program with a right.

    daemon ── request ──► socket → filter → lock → bind → rights dropped ── answer, descriptor ──►

Started by systemd for each connection (presence-radio.socket), which is its standard input. One
packet in, one out; JSON:

    request    {"mode": "monitor" | "user", "adapter": "hci0" | address | "usb:1-1.4" | "",
                "ibeacon_prefix": 16 hex digits | ""}
    answer     {"hci": "hci0", "address": "00:1A:7D:DA:71:13", "usb": "usb:1-1.4", "reports": 6}
               with the descriptor, or {"error": "EBUSY", "what": "bind", "hci": "hci0"} without

1. Whoever asks chooses among our own formats, never a filter: that is made here. It is in place and
   locked before the socket is bound, so no packet comes without it.
2. monitor: hears what bluetoothd's scan brings (hci_sock.c: it cannot send, nor be bound anew).
   user: the adapter is taken from bluetoothd, switched off first where it is on, and is the
   reader's alone; the kernel gives it back when the descriptor is closed.
3. `reports`: how many of an event the filter looks at (presence.core.hci.report_filter).

Numbers: include/net/bluetooth/{bluetooth,hci,hci_sock}.h, asm-generic/socket.h.
"""

import ctypes
import errno
import fcntl
import json
import os
import socket
import struct
import sys
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, Protocol

from presence.core.hci.bpf import Instruction, encode
from presence.core.hci.report_filter import FEW_REPORTS, MAX_REPORTS, monitor_filter, user_filter
from presence.core.recognition.beacons import FORMATS, Pattern, ibeacon
from presence.edges.host.usb import CLASS, usb_path_of

AF_BLUETOOTH, BTPROTO_HCI = 31, 1
USER_CHANNEL, MONITOR_CHANNEL, NO_DEVICE = 1, 2, 0xFFFF
GET_DEVICE_INFO, DEVICE_DOWN = 0x800448D3, 0x400448CA
ATTACH_FILTER, LOCK_FILTER, RECEIVE_BUFFER_FORCE, TIMESTAMP_NS = 26, 44, 33, 35
BUFFER_BYTES: Final = 4 << 20
"""Some 4,000 packets: a second and a half at the ceiling of one radio (docs/design.md#radio)."""
REQUEST_BYTES, PATIENCE_S = 512, 5


class KernelAdapter(NamedTuple):
    hci: str
    address: str
    usb: str


class RequestRefused(Exception):
    """What the daemon is told."""

    def __init__(self, error: str, what: str, hci: str = "") -> None:
        super().__init__({"error": error, "what": what, "hci": hci})


class Kernel(Protocol):
    def adapters(self) -> Iterable[KernelAdapter]: ...

    def opened(self, mode: str, index: int, program: Sequence[Instruction]) -> socket.socket: ...


class Linux:
    """Raises OSError."""

    def adapters(self) -> Iterable[KernelAdapter]:
        with socket.socket(AF_BLUETOOTH, socket.SOCK_RAW, BTPROTO_HCI) as asking:
            names = sorted(CLASS.glob("hci[0-9]*"), key=lambda path: (len(path.name), path.name))
            for name in [path.name for path in names if path.name[3:].isdecimal()]:
                info = bytearray(struct.pack("=H", int(name[3:])).ljust(92, b"\0"))
                fcntl.ioctl(asking, GET_DEVICE_INFO, info)  # hci_dev_info: the address at 10
                yield KernelAdapter(name, info[15:9:-1].hex(":").upper(), usb_path_of(name))

    def opened(self, mode: str, index: int, program: Sequence[Instruction]) -> socket.socket:
        opened = socket.socket(AF_BLUETOOTH, socket.SOCK_RAW | socket.SOCK_NONBLOCK, BTPROTO_HCI)
        try:
            attach(opened, program)
            opened.setsockopt(socket.SOL_SOCKET, RECEIVE_BUFFER_FORCE, BUFFER_BYTES)
            opened.setsockopt(socket.SOL_SOCKET, TIMESTAMP_NS, 1)
            if mode == "monitor":
                _bind(opened, NO_DEVICE, MONITOR_CHANNEL)
            else:
                self._take(opened, index)
        except OSError:
            opened.close()
            raise
        return opened

    def _take(self, opened: socket.socket, index: int) -> None:
        try:
            _bind(opened, index, USER_CHANNEL)
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            _switch_off(index)
            _bind(opened, index, USER_CHANNEL)


def _switch_off(index: int) -> None:
    with socket.socket(AF_BLUETOOTH, socket.SOCK_RAW, BTPROTO_HCI) as asking:
        try:
            fcntl.ioctl(asking, DEVICE_DOWN, index)
        except OSError as error:
            # Only what another program has in its user channel is not switched off (hci_core.c,
            # hci_dev_close).
            taken = error.errno == errno.EBUSY
            raise OSError(errno.EUSERS if taken else error.errno, "switching off") from error


def attach(opened: socket.socket, program: Sequence[Instruction]) -> None:
    """Puts the filter before the socket, for good. Raises OSError."""
    code = ctypes.create_string_buffer(encode(program))
    fprog = struct.pack("HP", len(program), ctypes.addressof(code))
    opened.setsockopt(socket.SOL_SOCKET, ATTACH_FILTER, fprog)
    opened.setsockopt(socket.SOL_SOCKET, LOCK_FILTER, 1)


def _bind(opened: socket.socket, device: int, channel: int) -> None:
    # Python's own bind() knows no channel before 3.14.
    name = struct.pack("=HHH", AF_BLUETOOTH, device, channel)
    if ctypes.CDLL(None, use_errno=True).bind(opened.fileno(), name, len(name)):
        raise OSError(ctypes.get_errno(), "bind")


def drop_rights() -> None:
    """All capabilities of this process, and none can come back. Raises OSError."""
    header, nothing = struct.pack("=Ii", 0x20080522, 0), bytes(24)  # version 3, this process
    if ctypes.CDLL(None, use_errno=True).capset(header, nothing):
        raise OSError(ctypes.get_errno(), "capset")


def opened_for(request: bytes, kernel: Kernel) -> tuple[dict[str, object], socket.socket]:
    """The answer and the descriptor. Raises RequestRefused."""
    try:
        asked = json.loads(request)
        mode, name, prefix = asked["mode"], asked["adapter"], bytes.fromhex(asked["ibeacon_prefix"])
        formats = (*FORMATS, *([ibeacon.format_for(prefix)] if prefix else []))
    except (ValueError, TypeError, KeyError):
        raise RequestRefused("EINVAL", "request") from None
    patterns = [pattern for each in formats for pattern in each.scan_filter.patterns]
    adapter = _adapter(name, kernel)
    index = int(adapter.hci[3:])
    for reports in (MAX_REPORTS, FEW_REPORTS):
        try:
            opened = kernel.opened(mode, index, _program(mode, patterns, index, reports))
        except OSError as error:
            if error.errno == errno.ENOMEM and reports > FEW_REPORTS:
                continue  # an older kernel gives less memory to a filter
            raise RequestRefused(_name(error), error.strerror or "open", adapter.hci) from error
        return {**adapter._asdict(), "reports": reports}, opened
    raise AssertionError("unreachable")


def _adapter(name: str, kernel: Kernel) -> KernelAdapter:
    try:
        bearing = [
            each
            for each in kernel.adapters()
            if not name or name.lower() in (each.hci, each.address.lower(), each.usb)
        ]
    except OSError as error:
        raise RequestRefused(_name(error), "adapters") from error
    if not bearing or (name and len(bearing) > 1):
        raise RequestRefused("ENODEV" if not bearing else "ENOTUNIQ", "adapter")
    return bearing[0]


def _program(
    mode: str, patterns: Sequence[Pattern], index: int, reports: int
) -> Sequence[Instruction]:
    if mode == "monitor":
        return monitor_filter(patterns, index=index, reports=reports)
    if mode == "user":
        return user_filter(patterns, reports=reports)
    raise RequestRefused("EINVAL", "mode")


def _name(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, "EIO")


def main() -> None:
    """Answers one request on standard input."""
    with socket.socket(fileno=os.dup(sys.stdin.fileno())) as daemon:
        daemon.settimeout(PATIENCE_S)
        try:
            answer, opened = opened_for(daemon.recv(REQUEST_BYTES), Linux())
        except RequestRefused as refused:
            daemon.send(json.dumps(refused.args[0]).encode())
        else:
            drop_rights()
            with opened:
                socket.send_fds(daemon, [json.dumps(answer).encode()], [opened.fileno()])


if __name__ == "__main__":
    main()
