"""Classic BPF: a program that the kernel runs over each packet before a socket gets it.

An assembler with labels, and the bytes that SO_ATTACH_FILTER takes. The machine: an accumulator A,
an index register X, 16 words of memory; loads from the packet are big-endian, and one beyond its
end drops the packet; jumps go forward only; it ends with RET, the number of bytes to keep, 0 for
none. (Linux, Documentation/networking/filter.rst; McCanne and Jacobson, "The BSD Packet Filter",
USENIX 1993.)

Trap: a conditional jump reaches 255 instructions, and only `ja` goes further. The assembler puts
such a `ja` behind a conditional jump whose target is too far.
"""

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

MAX_INSTRUCTIONS: Final = 4096
"""BPF_MAXINSNS."""
MEMORY_WORDS: Final = 16

WORD: Final = 0x00
HALF: Final = 0x08
BYTE: Final = 0x10

LD_ABSOLUTE: Final = 0x20
"""A = packet[k]; with a size."""
LD_INDEXED: Final = 0x40
"""A = packet[X + k]; with a size."""
LD_LENGTH: Final = 0x80
"""A = the length of the packet."""
RANDOM_AT: Final = 0xFFFFF000 + 56
"""A word loaded from here (SKF_AD_OFF + SKF_AD_RANDOM) is 32 bits of chance."""
LD_IMMEDIATE: Final = 0x00
LDX_IMMEDIATE: Final = 0x01
LD_MEMORY: Final = 0x60
LDX_MEMORY: Final = 0x61
ST: Final = 0x02
STX: Final = 0x03
ADD_K: Final = 0x04
ADD_X: Final = 0x0C
SUB_K: Final = 0x14
SUB_X: Final = 0x1C
JA: Final = 0x05
JEQ_K: Final = 0x15
JEQ_X: Final = 0x1D
JGE_K: Final = 0x35
JSET_K: Final = 0x45
RET_K: Final = 0x06
TAX: Final = 0x07
TXA: Final = 0x87

_REACH: Final = 255


class Instruction(NamedTuple):
    """struct sock_filter; `jt` and `jf` count from the instruction after this one."""

    code: int
    jt: int
    jf: int
    k: int


class ProgramTooLong(ValueError):
    """The kernel would refuse it."""


class _Line(NamedTuple):
    code: int
    k: int
    then: str | None
    otherwise: str | None


class Assembler:
    """Collects lines; a label stands for the line that comes after it."""

    def __init__(self) -> None:
        self._lines: list[_Line] = []
        self._labels: dict[str, int] = {}

    def emit(self, code: int, k: int = 0) -> None:
        """One instruction that is no jump."""
        self._lines.append(_Line(code, k, None, None))

    def jump(self, target: str) -> None:
        self._lines.append(_Line(JA, 0, target, None))

    def branch(
        self, code: int, k: int = 0, *, then: str | None = None, otherwise: str | None = None
    ) -> None:
        """A conditional jump; None goes on with the next line."""
        self._lines.append(_Line(code, k, then, otherwise))

    def label(self, name: str) -> None:
        if name in self._labels:
            raise ValueError(f"label {name} stands twice")
        self._labels[name] = len(self._lines)

    def assemble(self) -> tuple[Instruction, ...]:
        """Raises ProgramTooLong, or ValueError where a jump goes back."""
        far: set[tuple[int, bool]] = set()
        while True:
            starts = self._starts(far)
            too_far = {
                (index, side)
                for index, line in enumerate(self._lines)
                if line.code != JA
                for side, target in ((True, line.then), (False, line.otherwise))
                if target is not None and starts[self._labels[target]] - starts[index] - 1 > _REACH
            }
            if too_far <= far:
                break
            far |= too_far
        if starts[-1] > MAX_INSTRUCTIONS:
            raise ProgramTooLong(f"{starts[-1]} instructions, at most {MAX_INSTRUCTIONS}")
        return tuple(
            instruction
            for index in range(len(self._lines))
            for instruction in self._placed(index, starts, far)
        )

    def _starts(self, far: set[tuple[int, bool]]) -> list[int]:
        """Where each line begins, and where the last ends."""
        starts = [0]
        for index in range(len(self._lines)):
            starts.append(starts[-1] + 1 + ((index, True) in far) + ((index, False) in far))
        return starts

    def _placed(
        self, index: int, starts: Sequence[int], far: set[tuple[int, bool]]
    ) -> list[Instruction]:
        line, start = self._lines[index], starts[index]

        def distance(target: str, *, of: int) -> int:
            steps = starts[self._labels[target]] - of - 1
            if steps < 0:
                raise ValueError(f"the jump to {target} goes back")
            return steps

        if line.code == JA:
            return [Instruction(JA, 0, 0, distance(line.then or "", of=start))]
        leaps: list[Instruction] = []
        sides = []
        behind = ((index, True) in far) + ((index, False) in far)
        for side, target in ((True, line.then), (False, line.otherwise)):
            if target is None:
                sides.append(behind)
            elif (index, side) in far:
                sides.append(len(leaps))
                leaps.append(Instruction(JA, 0, 0, distance(target, of=start + 1 + len(leaps))))
            else:
                sides.append(distance(target, of=start))
        jt, jf = sides if line.then or line.otherwise else (0, 0)
        return [Instruction(line.code, jt, jf, line.k), *leaps]


def encode(program: Sequence[Instruction]) -> bytes:
    """The array that struct sock_fprog points to, in this machine's byte order."""
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)
