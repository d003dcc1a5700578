"""What it costs an advertisement that freed memory is overwritten at once, as presence.service asks
of Python and glibc (docs/consent-list.md): the way of `floor` with it and without, each in
processes of its own, in turn.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from scripts.benchmarks.figure import Figure, interleaved_ns
from scripts.benchmarks.floor import WALK_IN_TURNS, Way, kinds

TURNS: Final = 5
ROUNDS: Final = 100
GOAL_RATIO: Final = 1.15
UNIT: Final = Path(__file__).parents[2] / "systemd" / "presence.service"


def figures() -> Iterator[Figure]:
    erasing = dict(
        line.removeprefix("Environment=").split("=", 1)
        for line in UNIT.read_text(encoding="utf-8").splitlines()
        if line.startswith(("Environment=PYTHONMALLOC=", "Environment=GLIBC_TUNABLES="))
    )
    if len(erasing) != 2:
        raise SystemExit("the benchmark is wrong: presence.service does not ask for it")
    took: dict[str, list[dict[str, float]]] = {"plain": [], "erasing": []}
    for _ in range(TURNS):
        took["plain"].append(_child({}))
        took["erasing"].append(_child(erasing))
    for kind in took["plain"][0]:
        plain, with_it = (min(each[kind] for each in took[way]) for way in ("plain", "erasing"))
        note = f"{with_it:,.0f} ns : {plain:,.0f} ns, bleak's callback included"
        yield Figure(f"erasure.{kind}", round(with_it / plain, 2), "x", GOAL_RATIO, note=note)


def _child(environment: dict[str, str]) -> dict[str, float]:
    command = [sys.executable, "-m", "scripts.benchmarks.erasure"]
    answer = subprocess.run(
        command, check=True, capture_output=True, text=True, env={**os.environ, **environment}
    )
    took: dict[str, float] = json.loads(answer.stdout)
    return took


def main() -> None:
    """Nanoseconds by kind, as JSON."""
    took: dict[str, float] = {}
    for kind, properties in kinds().items():
        with tempfile.TemporaryDirectory() as directory:
            through = Way(Path(directory)).case(properties)
            for _ in range(WALK_IN_TURNS):
                through()
            took |= interleaved_ns({kind: through}, rounds=ROUNDS)
    print(json.dumps(took))


if __name__ == "__main__":
    main()
