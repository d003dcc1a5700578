"""Entered, or only walked past? Ours beside the others on simulated and recorded people
(scripts/entrybench).

The whole contest takes some minutes; `PRESENCE_BENCH_QUICK=1` takes half of one and knows rates to
1 in 100 only. Table and pictures: `build/entry`, or `python -m scripts.entrybench --out DIR`.
"""

import os
from collections.abc import Iterator

from scripts.benchmarks.figure import Figure
from scripts.entrybench.__main__ import OUT, run
from scripts.entrybench.contest import MAX_PER_1000, OURS_ONE, OURS_TWO
from scripts.entrybench.walks import WALKS

FEWER = 5
"""docs/design.md#entry-rule: false enters against the best of the others, when as quick."""
FOUND_PERCENT = 99
MEDIAN_S = 8


def figures() -> Iterator[Figure]:
    if not WALKS.exists():
        return
    shop, walks = run(OUT, quick=bool(os.environ.get("PRESENCE_BENCH_QUICK")))
    for rule, name in ((OURS_ONE, "one_adapter"), (OURS_TWO, "two_adapters")):
        test = shop.row(rule).testing
        best, false = shop.others_false_at(test.median_s)
        fewer = false / max(test.false_per_1000, 1000 / len(shop.testing.kinds))
        yield Figure(
            f"entry.{name}.false_enters", test.false_per_1000, "per 1,000 walk-pasts", MAX_PER_1000
        )
        yield Figure(
            f"entry.{name}.found", 100 * test.found, "% of entries", FOUND_PERCENT, at_least=True
        )
        yield Figure(f"entry.{name}.median", test.median_s, "s after the line", MEDIAN_S)
        yield Figure(
            f"entry.{name}.fewer",
            round(fewer, 1),
            "times",
            FEWER,
            at_least=True,
            note=f"as quick: {best}",
        )
        yield Figure(f"entry.{name}.flaps", shop.row(rule).flaps, "per visit")
        walked = walks.row(rule).testing
        yield Figure(
            f"entry.{name}.walks_false", walked.false_per_1000, "per 1,000", note="3 recorded walks"
        )
        yield Figure(
            f"entry.{name}.walks_found", 100 * walked.found, "% of entries", note="3 recorded walks"
        )
