"""Cost of one advertisement in the pipeline, after bleak's callback.

A hundred phones outside, too weak to enter, and a hundred inside, five times a second each; ten a
batch. Strangers' identifiers never come twice. Time is the processor's, of this thread alone.
"""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from presence.core.recognition.advertisement import Advertisement
from presence.edges.sqlite.store import RuntimeStore
from presence.gateway.pipeline import Pipeline
from scripts.benchmarks import subjects
from scripts.benchmarks.figure import ROUNDS, SLICE, Figure, interleaved_ns

PHONES: Final = 100
A_SECOND: Final = 5 * PHONES
BATCH: Final = 10
WALK_IN_S: Final = 15
OUTSIDE_DBM: Final = -90
INSIDE_DBM: Final = -55
GOALS_NS: Final = {
    "stranger_other_format": 200,
    "stranger_of_ours": 700,
    "customer": 1_500,
    "customer_inside": 1_500,
}
"""docs/design.md#performance."""

Batches = list[list[Advertisement]]


def figures() -> Iterator[Figure]:
    outside = [subjects.customer(n, OUTSIDE_DBM) for n in range(PHONES)]
    inside = [subjects.customer(n, INSIDE_DBM) for n in range(PHONES, 2 * PHONES)]
    with tempfile.TemporaryDirectory() as directory:
        pipeline = Pipeline(
            subjects.rules(), RuntimeStore(Path(directory)), emit=lambda _event: None
        )
        pipeline.apply(subjects.consent_list(1000), subjects.STANDING, subjects.NOW)
        pipeline.engine.matcher.complete(subjects.NOW.utc_s)
        for batch in _heard(lambda n: inside[n % PHONES], from_s=-WALK_IN_S, to_s=0):
            pipeline.receive_all(batch)
        if pipeline.counts["entered"] != PHONES:
            raise SystemExit("the benchmark is wrong: not everybody walked in")
        to_s = ROUNDS * SLICE / A_SECOND
        kinds = {
            "stranger_other_format": _heard(subjects.stranger_of_another_format, to_s=to_s),
            "stranger_of_ours": _heard(subjects.stranger_of_ours, to_s=to_s),
            "customer": _heard(lambda n: outside[n % PHONES], to_s=to_s),
            "customer_inside": _heard(lambda n: inside[n % PHONES], to_s=to_s),
        }
        nanoseconds = interleaved_ns(
            {kind: _through(pipeline, heard) for kind, heard in kinds.items()}
        )
        if pipeline.counts["suspect"] or pipeline.counts["entered"] != PHONES:
            raise SystemExit("the benchmark is wrong: somebody was held back, or came in")
    for kind, value in nanoseconds.items():
        yield Figure(
            f"cost.{kind}",
            round(value),
            "ns/advertisement",
            GOALS_NS[kind],
            note="1,000 consents",
        )


def _heard(make: Callable[[int], Advertisement], *, to_s: float, from_s: float = 0) -> Batches:
    """What comes at A_SECOND, each batch with the time of one reading of the clock."""
    starts = range(int(from_s * A_SECOND), int(to_s * A_SECOND), BATCH)
    return [
        [
            make(n)._replace(at=subjects.NOW.later(start / A_SECOND))
            for n in range(start, start + BATCH)
        ]
        for start in starts
    ]


def _through(pipeline: Pipeline, batches: Batches) -> Callable[[], int]:
    turns = iter(batches)

    def run() -> int:
        for _ in range(SLICE // BATCH):
            pipeline.receive_all(next(turns))
        return SLICE

    return run
