"""Entered, or only walked past? Ours beside the others on simulated and recorded people
(scripts/entrybench).

The whole contest takes about an hour of two free cores; `PRESENCE_BENCH_QUICK=1` takes a minute and
knows rates to 1 in 100 only. Tables and pictures: `build/entry`; `python -m scripts.entrybench
--docs` puts them into docs/entry.md.
"""

import os
from collections.abc import Iterator
from math import inf

from scripts.benchmarks.figure import Figure
from scripts.entrybench.__main__ import OUT, run, write
from scripts.entrybench.bodies import BODIES
from scripts.entrybench.contest import FEWER, GOALS, MAX_PER_1000, OURS, WITHIN
from scripts.entrybench.walks import WALKS


def figures() -> Iterator[Figure]:
    if not WALKS.exists() or not BODIES.exists():
        return
    found = run(OUT, quick=bool(os.environ.get("PRESENCE_BENCH_QUICK")))
    write(OUT, found)
    for name, goal in GOALS.items():
        if name not in found["shops"]:
            continue
        shop = found["shops"][name]
        row, of = shop["rules"][OURS]["fresh"], f"entry.{_word(name)}"
        yield Figure(
            f"{of}.false_enters",
            row["false_per_1000"],
            "per 1,000 outsiders",
            MAX_PER_1000,
            note=f"95 %: {row['false_within'][0]:.2f} to {row['false_within'][1]:.2f}",
        )
        yield Figure(
            f"{of}.found", row["found_percent"], "% of entries", goal.found_percent, at_least=True
        )
        yield Figure(f"{of}.median", _time(row["median_s"]), "s after the line", goal.median_s)
        if goal.p90_s is not None:
            yield Figure(f"{of}.p90", _time(row["p90_s"]), "s after the line", goal.p90_s)
        yield Figure(
            f"{of}.over_the_optimum",
            _time(shop["times_the_optimum"]),
            "times the near-optimum's median, at 1 per 1,000",
            WITHIN,
        )
        fewer = shop.get("fewer", {"rival": "nobody: ours has no median", "times": 0.0})
        yield Figure(
            f"{of}.fewer",
            _time(fewer["times"]),
            "times fewer false enters",
            FEWER,
            at_least=True,
            note=f"as quick: {fewer['rival']}",
        )


def _word(name: str) -> str:
    return name.replace(" + ", "_").replace(" ", "_")


def _time(value: float | None) -> float:
    return inf if value is None else value
