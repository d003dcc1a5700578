"""Cost of one advertisement in the pipeline, after bleak's callback, beside a callback with an
empty body.
"""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from presence.core.recognition.advertisement import Advertisement
from presence.edges.sqlite.store import RuntimeStore
from presence.gateway.pipeline import Pipeline
from scripts.benchmarks import subjects
from scripts.benchmarks.figure import Figure, interleaved_ns

COUNT = 20_000
GOAL_NS = 3_000
"""docs/design.md#performance: under 3 µs per advertisement."""


def figures() -> Iterator[Figure]:
    kinds = {
        "stranger_other_format": [subjects.stranger_of_another_format(n) for n in range(COUNT)],
        "stranger_of_ours": [subjects.stranger_of_ours(n) for n in range(COUNT)],
        "customer": [subjects.customer(n % 100) for n in range(COUNT)],
    }
    with tempfile.TemporaryDirectory() as directory:
        pipeline = Pipeline(
            subjects.rules(), RuntimeStore(Path(directory)), emit=lambda _event: None
        )
        pipeline.apply(subjects.consent_list(1000), subjects.STANDING, subjects.NOW)
        pipeline.engine.matcher.complete(subjects.NOW.utc_s)

        def through(advertisements: list[Advertisement]) -> Callable[[], int]:
            def run() -> int:
                receive = pipeline.receive
                for advertisement in advertisements:
                    receive(advertisement)
                return len(advertisements)

            return run

        nanoseconds = interleaved_ns({kind: through(heard) for kind, heard in kinds.items()})
    for kind, value in nanoseconds.items():
        yield Figure(
            f"cost.{kind}", round(value), "ns/advertisement", GOAL_NS, note="1,000 consents"
        )
