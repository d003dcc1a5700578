"""Two machines that run a classic BPF program over packets: one of Python, and the kernel of this
computer, by a socket pair with the program before one end.

The kernel's is the one that counts. Which packets pass does not depend on the kind of socket:
sk_filter() runs before a packet is queued, in each of them (net/core/filter.c).
"""

import ctypes
import socket
import struct
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from presence.core.hci import bpf
from presence.core.hci.bpf import Instruction, encode

SO_ATTACH_FILTER = 26
SO_LOCK_FILTER = 44
SO_MEMINFO = 55
MASK = 0xFFFFFFFF
SIZES = {bpf.BYTE: 1, bpf.HALF: 2, bpf.WORD: 4}
CONDITIONAL = {bpf.JEQ_K, bpf.JEQ_X, bpf.JGE_K, bpf.JSET_K}


class _Machine:
    """The registers and the memory, in the middle of a run."""

    def __init__(self, packet: bytes, chance: int) -> None:
        self._packet = packet
        self._chance = chance
        self._a = self._x = 0
        self._memory: dict[int, int] = {}

    def load(self, mode: int, size: int, k: int) -> bool:
        """Whether it lies within the packet."""
        if k == bpf.RANDOM_AT:
            self._a = self._chance
            return True
        start = k + (self._x if mode == bpf.LD_INDEXED else 0) & MASK  # as the kernel adds them
        self._a = int.from_bytes(self._packet[start : start + size], "big")
        return start + size <= len(self._packet)

    def holds(self, code: int, k: int) -> bool:
        """A conditional jump's question."""
        return {
            bpf.JEQ_K: self._a == k,
            bpf.JEQ_X: self._a == self._x,
            bpf.JGE_K: self._a >= k,
            bpf.JSET_K: bool(self._a & k),
        }[code]

    def step(self, code: int, k: int) -> None:
        """All the rest. A word of memory that was never written is a KeyError."""
        if code in (bpf.ST, bpf.STX):
            self._memory[k] = self._a if code == bpf.ST else self._x
        elif code in (bpf.LDX_IMMEDIATE, bpf.LDX_MEMORY, bpf.TAX):
            values = {bpf.LDX_IMMEDIATE: lambda: k, bpf.TAX: lambda: self._a}
            self._x = values.get(code, lambda: self._memory[k])()
        else:
            self._a = {
                bpf.LD_LENGTH: lambda: len(self._packet),
                bpf.LD_IMMEDIATE: lambda: k,
                bpf.LD_MEMORY: lambda: self._memory[k],
                bpf.ADD_K: lambda: self._a + k & MASK,
                bpf.ADD_X: lambda: self._a + self._x & MASK,
                bpf.SUB_K: lambda: self._a - k & MASK,
                bpf.SUB_X: lambda: self._a - self._x & MASK,
                bpf.TXA: lambda: self._x,
            }[code]()


def keeps(program: Sequence[Instruction], packet: bytes, *, chance: int = 1) -> int:
    """What the program returns: how many bytes are kept; 0 also where a load is beyond the end.

    `chance`: what the kernel gives where it is asked for 32 bits of it.
    """
    machine, at = _Machine(packet, chance), 0
    while True:
        code, jt, jf, k = program[at]
        at += 1
        mode, size = code & 0xE7, SIZES.get(code & 0x18, 0)
        if code == bpf.RET_K:
            return k
        if mode in (bpf.LD_ABSOLUTE, bpf.LD_INDEXED):
            if not machine.load(mode, size, k):
                return 0
        elif code == bpf.JA:
            at += k
        elif code in CONDITIONAL:
            at += jt if machine.holds(code, k) else jf
        else:
            machine.step(code, k)


class KernelFilter:
    """A datagram socket pair whose receiving end has the program, locked."""

    def __init__(self, program: Sequence[Instruction]) -> None:
        self.sending, self.receiving = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.receiving.setblocking(False)
        attach(self.receiving, program)
        self.receiving.setsockopt(socket.SOL_SOCKET, SO_LOCK_FILTER, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.sending.close()
        self.receiving.close()

    def keeps(self, packet: bytes) -> int:
        """How many bytes arrive of this packet."""
        self.sending.send(packet)
        try:
            return len(self.receiving.recv(65_536))
        except BlockingIOError:
            return 0

    def memory(self) -> tuple[int, ...]:
        """SO_MEMINFO of the receiving end (linux/sock_diag.h): [0] bytes that wait, [6] bytes of
        options (the program), [8] packets dropped because none could wait.
        """
        size = struct.calcsize("9I")
        return struct.unpack("9I", self.receiving.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, size))


def attach(sock: socket.socket, program: Sequence[Instruction]) -> None:
    """Raises OSError where the kernel refuses it."""
    code = encode(program)
    held = ctypes.create_string_buffer(code, len(code))
    sock.setsockopt(
        socket.SOL_SOCKET,
        SO_ATTACH_FILTER,
        struct.pack("HP", len(program), ctypes.addressof(held)),
    )
