"""The assembler of classic BPF: what it makes runs alike in a machine of Python and in the
kernel.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.core.hci import bpf
from presence.core.hci.bpf import Assembler, Instruction, ProgramTooLong
from tests.support.classic_bpf import KernelFilter, keeps


def far_program(padding: int) -> tuple[Instruction, ...]:
    """Keeps 7 bytes of what begins with 1, 5 of what begins with 2, nothing of the rest; both
    targets behind `padding` instructions.
    """
    program = Assembler()
    program.emit(bpf.BYTE | bpf.LD_ABSOLUTE, 0)
    program.branch(bpf.JEQ_K, 1, then="one", otherwise="not one")
    for _ in range(padding):
        program.emit(bpf.LD_IMMEDIATE, 9)
    program.label("not one")
    program.emit(bpf.BYTE | bpf.LD_ABSOLUTE, 0)
    program.branch(bpf.JEQ_K, 2, otherwise="none")
    program.emit(bpf.RET_K, 5)
    program.label("none")
    program.emit(bpf.RET_K, 0)
    program.label("one")
    program.emit(bpf.RET_K, 7)
    return program.assemble()


@pytest.mark.parametrize("padding", [0, 250, 251, 252, 253, 254, 255, 256, 600])
def test_a_jump_arrives_however_far_its_target_is(padding: int) -> None:
    program = far_program(padding)
    with KernelFilter(program) as kernel:
        for first, kept in ((1, 7), (2, 5), (3, 0)):
            packet = bytes([first]) * 9
            assert keeps(program, packet) == kernel.keeps(packet) == kept


def test_a_jump_back_is_refused() -> None:
    program = Assembler()
    program.label("here")
    program.emit(bpf.RET_K, 0)
    program.jump("here")
    with pytest.raises(ValueError, match="the jump to here goes back"):
        program.assemble()


def test_a_label_that_stands_twice_is_refused() -> None:
    program = Assembler()
    program.label("here")
    with pytest.raises(ValueError, match="label here stands twice"):
        program.label("here")


def test_a_program_that_the_kernel_would_refuse_is_not_made() -> None:
    with pytest.raises(ProgramTooLong, match="at most 4096"):
        far_program(4096)


LOADS = st.tuples(
    st.sampled_from([bpf.BYTE, bpf.HALF, bpf.WORD]),
    st.sampled_from([bpf.LD_ABSOLUTE, bpf.LD_INDEXED]),
).map(lambda parts: parts[0] | parts[1])
ARITHMETIC = st.sampled_from([bpf.ADD_K, bpf.ADD_X, bpf.SUB_K, bpf.SUB_X, bpf.TAX, bpf.TXA])
STEPS = st.lists(
    st.one_of(
        st.tuples(LOADS, st.integers(0, 6)),
        st.tuples(ARITHMETIC, st.integers(0, 3)),
        st.tuples(st.sampled_from([bpf.LD_LENGTH, bpf.LD_IMMEDIATE]), st.just(0)),
    ),
    max_size=8,
)


def test_an_index_that_runs_over_32_bits_begins_anew_in_both_machines() -> None:
    program = Assembler()
    program.emit(bpf.LDX_IMMEDIATE, 1)
    program.emit(bpf.SUB_K, 1)
    program.emit(bpf.TAX, 0)
    program.emit(bpf.LD_INDEXED | bpf.BYTE, 1)
    program.emit(bpf.RET_K, 1)
    assembled = program.assemble()
    with KernelFilter(assembled) as kernel:
        assert keeps(assembled, b"\x00") == kernel.keeps(b"\x00") == 1


@given(STEPS, st.binary(min_size=1, max_size=12), st.data())
def test_both_machines_run_any_program_alike(
    steps: list[tuple[int, int]], packet: bytes, data: st.DataObject
) -> None:
    """So the one of Python may stand for the kernel where packets are many."""
    program = Assembler()
    program.emit(bpf.LDX_IMMEDIATE, 1)
    for code, k in steps:
        program.emit(code, k)
    program.emit(bpf.ST, 3)
    program.emit(bpf.LDX_MEMORY, 3)
    test = data.draw(st.sampled_from([bpf.JEQ_K, bpf.JEQ_X, bpf.JGE_K, bpf.JSET_K]))
    program.branch(test, data.draw(st.integers(0, 255)), then="some", otherwise="fewer")
    program.label("fewer")
    program.emit(bpf.RET_K, 1)
    program.label("some")
    program.emit(bpf.RET_K, len(packet))
    assembled = program.assemble()
    # A negative offset has a meaning of its own in the kernel (SKF_AD_OFF), which no filter uses.
    with KernelFilter(assembled) as kernel:
        assert keeps(assembled, packet) == kernel.keeps(packet)
