"""One measured number, and how to measure fairly on a noisy machine."""

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any


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


def interleaved_ns(cases: dict[str, Callable[[], int]], *, rounds: int = 7) -> dict[str, float]:
    """Median nanoseconds per operation of each case, all measured in turn, round after round.

    A case does its work and answers with the number of operations. Drift of the machine hits all
    cases alike, so their ratios hold where absolute times do not.
    """
    times: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(rounds):
        for name, case in cases.items():
            gc.collect()
            gc.disable()
            started = time.perf_counter_ns()
            operations = case()
            times[name].append((time.perf_counter_ns() - started) / operations)
            gc.enable()
    return {name: statistics.median(values) for name, values in times.items()}
