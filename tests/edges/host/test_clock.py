"""Whether the clock is synchronised: the kernel's answer, and no answer, which is another thing."""

import errno
import os

import pytest

from presence.edges.host.clock import is_synchronised
from presence.errors import ClockUnreadable


def fails(number: int) -> int:
    raise OSError(number, os.strerror(number))


@pytest.mark.parametrize(("state", "synchronised"), [(0, True), (1, True), (4, True), (5, False)])
def test_the_kernel_says_whether_something_disciplines_its_clock(
    state: int, synchronised: bool
) -> None:
    assert is_synchronised(lambda: state) is synchronised


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOSYS])
def test_no_answer_is_not_the_same_as_a_clock_that_is_not_synchronised(number: int) -> None:
    """A sandbox with ProtectClock= answers EPERM: for ever, whatever `timedatectl` does."""
    with pytest.raises(
        ClockUnreadable, match=rf"adjtimex \({os.strerror(number)}\).*ProtectClock="
    ):
        is_synchronised(lambda: fails(number))


def test_this_machine_answers_with_one_or_the_other() -> None:
    assert is_synchronised() in {True, False}
