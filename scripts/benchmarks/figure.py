"""One measured number, and how to measure fairly on a noisy machine."""

import gc
import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Figure:
    """`goal` is that of docs/design.md#performance: a number that `value` must not exceed, or must
    reach where `at_least`.
    """

    name: str
    value: float
    unit: str
    goal: float | None = None
    at_least: bool = False
    note: str = ""

    @property
    def met(self) -> bool | None:
        if self.goal is None:
            return None
        return self.value >= self.goal if self.at_least else self.value <= self.goal

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "met": self.met}


ROUNDS = 200
SLICE = 500
"""Operations in one round: some milliseconds at most, so that some rounds are left undisturbed."""


def interleaved_ns(
    cases: dict[str, Callable[[], int]], *, rounds: int = ROUNDS
) -> dict[str, float]:
    """Nanoseconds of the processor per operation of each case, all measured in turn, round after
    round: the least of the rounds, for whoever shares the machine only ever adds.

    A case does its work in this thread and answers with the number of operations. Drift of the
    machine hits all cases alike, so their ratios hold where absolute times do not.
    """
    times: dict[str, list[float]] = {name: [] for name in cases}
    gc.collect()
    gc.disable()
    for _ in range(rounds):
        for name, case in cases.items():
            started = time.thread_time_ns()
            operations = case()
            times[name].append((time.thread_time_ns() - started) / operations)
    gc.enable()
    return {name: min(values) for name, values in times.items()}


def in_slices(each: Callable[[T], object], of: Sequence[T]) -> Callable[[], int]:
    """A case: the next SLICE of them, and from the first one again after the last."""
    slices = itertools.cycle([of[n : n + SLICE] for n in range(0, len(of), SLICE)])

    def run() -> int:
        some = next(slices)
        for one in some:
            each(one)
        return len(some)

    return run
