"""The helper of radio.path kernel at a socket of the test, with everything real but Bluetooth: its
answers, the filter, the kernel that runs it, and the descriptor's hand-over. In place of HCI's
channel there is a socket pair, into which the test speaks.
"""

import contextlib
import errno
import json
import socket
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from presence.core.hci.bpf import Instruction
from presence.edges.kernel.opener import (
    TIMESTAMP_NS,
    KernelAdapter,
    RequestRefused,
    attach,
    opened_for,
)
from tests.support.hci_reports import ADDRESS, event, in_monitor, legacy_report

HCI0 = KernelAdapter("hci0", "00:00:5E:00:53:01", "usb:1-1.4")


@dataclass
class FakeKernel:
    """A kernel with Bluetooth, as the helper sees it."""

    there: list[KernelAdapter] = field(default_factory=lambda: [HCI0])
    refuses: dict[str, int] = field(default_factory=dict)
    """Mode → errno."""
    filter_bytes: int = 131_072
    """net.core.optmem_max: instructions of 8 bytes, some 2 of this machine for one of the
    program's."""
    opened_for: list[tuple[str, int]] = field(default_factory=list)
    channels: list[socket.socket] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for channel in self.channels:
            channel.close()

    def adapters(self) -> Iterable[KernelAdapter]:
        return self.there

    def opened(self, mode: str, index: int, program: Sequence[Instruction]) -> socket.socket:
        self.opened_for.append((mode, index))
        if mode in self.refuses:
            raise OSError(self.refuses[mode], "bind")
        if len(program) * 16 > self.filter_bytes:
            raise OSError(errno.ENOMEM, "attach")
        speaking, hearing = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        attach(hearing, program)
        hearing.setsockopt(socket.SOL_SOCKET, TIMESTAMP_NS, 1)
        self.channels.append(speaking)
        return hearing

    def report(
        self, payload: bytes, *, address: bytes = ADDRESS, rssi_dbm: int = -60, index: int = 0
    ) -> None:
        """One advertisement, to whoever listens at the monitor channel."""
        packet = in_monitor(
            event(legacy_report(payload, address=address, rssi_dbm=rssi_dbm)), index=index
        )
        for channel in self.channels:
            with contextlib.suppress(OSError):  # a scan that has ended
                channel.send(packet)


@contextlib.contextmanager
def a_helper(path: Path, kernel: FakeKernel) -> Iterator[FakeKernel]:
    """Answers at `path`, as systemd's socket unit and the helper do."""
    with kernel, socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
        listening.bind(str(path))
        listening.listen()
        answering = threading.Thread(target=_answer_all, args=(listening, kernel))
        answering.start()
        try:
            yield kernel
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            answering.join()


def _answer_all(listening: socket.socket, kernel: FakeKernel) -> None:
    while True:
        try:
            daemon, _ = listening.accept()
        except OSError:  # the end
            return
        with daemon:
            try:
                answer, opened = opened_for(daemon.recv(512), kernel)
            except RequestRefused as refused:
                daemon.send(json.dumps(refused.args[0]).encode())
            else:
                with opened:
                    socket.send_fds(daemon, [json.dumps(answer).encode()], [opened.fileno()])
