"""Whether the clock is synchronised: the kernel's answer, and no answer, which is another thing."""

import errno
import os
import time

import pytest

from presence.core.timestamps import Moment
from presence.edges.host.clock import BATCH_S, BatchClock, is_synchronised
from presence.errors import ClockUnreadable
from tests.support.builders import moment
from tests.support.fakes import FakeClock


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


def test_what_is_heard_together_has_one_time_and_what_comes_later_a_later_one() -> None:
    clock = FakeClock()
    batch = BatchClock(clock)
    first = batch.now()
    clock.pass_s(60)
    time.sleep(2 * BATCH_S)

    assert (first, batch.now()) == (moment(), moment(60))


def test_a_batch_reads_the_clock_once() -> None:
    readings = iter(range(1000))

    class Counting:
        def now(self) -> Moment:
            return Moment(next(readings), 0.0)

    batch = BatchClock(Counting())
    began_s = time.monotonic()
    for _ in range(1000):
        batch.now()
    took_s = time.monotonic() - began_s

    assert next(readings) <= 1 + took_s / BATCH_S


def test_this_machine_answers_with_one_or_the_other() -> None:
    assert is_synchronised() in {True, False}
