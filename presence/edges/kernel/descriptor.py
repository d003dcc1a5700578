"""Asks the helper for a descriptor of the kernel's Bluetooth socket, its filter in place and
locked (presence.edges.kernel.opener).
"""

import asyncio
import json
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from presence.errors import RadioError, RadioFault

SOCKET: Final = Path("/run/presence-radio/socket")
"""systemd/presence-radio.socket"""
PATIENCE_S: Final = 45.0
"""The helper is a program that starts: a fifth of a second, and many on a machine that is busy. It
is less than a radio may take from beat to beat (presence.pulse).
"""
ANSWER_BYTES: Final = 512

FAULTS: Final = {
    "ENODEV": RadioFault.NO_ADAPTER,
    "ENOTUNIQ": RadioFault.SHARED_NAME,
    "ERFKILL": RadioFault.BLOCKED,
    "EBUSY": RadioFault.ADAPTER_BUSY,
    "EUSERS": RadioFault.ADAPTER_TAKEN,
}


@dataclass(frozen=True)
class Descriptor:
    """Whoever has it closes `sock`."""

    sock: socket.socket
    hci: str
    address: str
    usb: str
    """`usb:1-1.4`; empty where the adapter is not on USB."""
    reports: int
    """How many of an event the filter looks at."""


class DescriptorRefused(RadioError):
    """The helper or its kernel said no; `error` is an errno's name."""

    def __init__(self, error: str, what: str, hci: str) -> None:
        detail = ": ".join(filter(None, (hci, what, error)))
        super().__init__(FAULTS.get(error, RadioFault.KERNEL_REFUSES), detail)
        self.error, self.what, self.hci = error, what, hci


async def ask(
    mode: str,
    adapter: str,
    ibeacon_prefix: str = "",
    *,
    path: Path = SOCKET,
    patience_s: float = PATIENCE_S,
) -> Descriptor:
    """`mode`: `monitor` or `user`; `adapter`: as in the settings, or hciN. Raises RadioError."""
    request = {"mode": mode, "adapter": adapter, "ibeacon_prefix": ibeacon_prefix}
    return await asyncio.to_thread(_asked, json.dumps(request).encode(), path, patience_s)


def _asked(request: bytes, path: Path, patience_s: float) -> Descriptor:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as helper:
        helper.settimeout(patience_s)
        try:
            helper.connect(str(path))
            helper.send(request)
            answer, descriptors, _, _ = socket.recv_fds(helper, ANSWER_BYTES, 1)
        except OSError as error:
            raise RadioError(RadioFault.NO_HELPER, f"{path}: {error.strerror or error}") from error
    received = [_as_socket(descriptor) for descriptor in descriptors]
    try:
        said = json.loads(answer)
        if not received:
            raise DescriptorRefused(said["error"], said["what"], said["hci"])
        (sock,) = received
        sock.setblocking(False)
        return Descriptor(sock, said["hci"], said["address"], said["usb"], said["reports"])
    except (ValueError, KeyError, TypeError, RadioError) as error:
        for sock in received:
            sock.close()
        if isinstance(error, RadioError):
            raise
        # It ended before it answered, or is of another version.
        raise RadioError(RadioFault.NO_HELPER, f"{path}: no answer") from error


def _as_socket(descriptor: int) -> socket.socket:
    # Not told the family, Python asks the kernel for the name of the socket, and the monitor
    # channel answers EBADFD. It serves to read addresses by, and no packet comes with one.
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_RAW, 0, descriptor)
    sock.set_inheritable(False)  # recv_fds takes no MSG_CMSG_CLOEXEC
    return sock
