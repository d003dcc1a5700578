"""What `presence --version` and the helps cost, from the start of the process to its end, and how
much they import.
"""

import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from statistics import median

from scripts.benchmarks.figure import Figure

ROUNDS = 9
GOAL_S = 0.15
COMMAND = "import sys; from presence.cli import main; sys.exit(main())"
"""As the installed `presence` does it."""
COUNT = "import atexit, sys; atexit.register(lambda: print(len(sys.modules), file=sys.stderr))\n"
CASES = {
    "python": ["pass"],
    "version": [COMMAND, "--version"],
    "help": [COMMAND, "--help"],
    "run_help": [COMMAND, "run", "--help"],
    "consents_add_help": [COMMAND, "consents", "add", "--help"],
}
"""An interpreter that does nothing stands beside ours: it is in each figure."""


def figures() -> Iterator[Figure]:
    wall_s: dict[str, list[float]] = {name: [] for name in CASES}
    processor_s: dict[str, list[float]] = {name: [] for name in CASES}
    for _ in range(ROUNDS):  # in turn, so that drift of the machine hits all alike
        for name, arguments in CASES.items():
            began, before_s = time.perf_counter(), _processor_s()
            command = [sys.executable, "-c", *arguments]
            subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
            wall_s[name].append(time.perf_counter() - began)
            processor_s[name].append(_processor_s() - before_s)
    for name, arguments in CASES.items():
        goal = None if name == "python" else GOAL_S
        note = f"median of {ROUNDS}; least {min(wall_s[name]):.3f}"
        yield Figure(f"startup.{name}.wall", round(median(wall_s[name]), 3), "s", goal, note=note)
        least = f"median of {ROUNDS}; least {min(processor_s[name]):.3f}"
        processor = round(median(processor_s[name]), 3)
        yield Figure(f"startup.{name}.processor", processor, "s", goal, note=least)
        yield Figure(f"startup.{name}.modules", _imported(*arguments), "modules imported")


def _processor_s() -> float:
    """Of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _imported(code: str, *arguments: str) -> int:
    command = [sys.executable, "-c", COUNT + code, *arguments]
    return int(subprocess.run(command, capture_output=True, check=True).stderr)
