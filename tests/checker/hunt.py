"""`scripts/hunt`: the consent model checker for as long as you like; ends with 1 at the first
broken promise.
"""

import os
import random
import sys
import time
from collections import Counter
from typing import Final

from hypothesis import HealthCheck, Phase, settings
from hypothesis import seed as seeded
from hypothesis.stateful import run_state_machine_as_test

from presence.cli.command import Parser
from tests.checker.chain import Desk
from tests.checker.machine import ConsentMachine

ROUND: Final = 50
"""Machines between two lines of progress."""


def main() -> int:
    """Hunt; the seed of a round is printed first, so that whatever it finds can be found again."""
    parser = Parser(
        prog="scripts/hunt", description=__doc__, examples=("scripts/hunt --minutes 480",)
    )
    parser.add_argument(
        "--minutes", type=float, default=10, help="how long (default 10); 480 for a night"
    )
    parser.add_argument(
        "--steps",
        type=int,
        default=50,
        help="commands, faults and waits of one machine (default 50)",
    )
    parser.add_argument(
        "--seed",
        type=int,
        help="play this one round again, and find the shortest way to its breach",
    )
    options = parser.parse_args()
    # Each step is a commit or more: in memory a round takes a third of the time. Passed over where
    # there is no such folder.
    os.environ.setdefault("TMPDIR", "/dev/shm")  # noqa: S108 - folders of mkdtemp
    ConsentMachine.desks = Desk(), Desk()
    judged = ConsentMachine.judged = Counter()
    began_s, rounds = time.monotonic(), 0
    try:
        while options.seed is not None or time.monotonic() - began_s < 60 * options.minutes:
            seed = random.SystemRandom().getrandbits(32) if options.seed is None else options.seed
            _say(f"round {rounds + 1}, --seed {seed} ")
            _round(seed, options.steps, shrink=options.seed is not None)
            rounds += 1
            told = ", ".join(
                f"{count} {kind.split('.')[1]}" for kind, count in sorted(judged.items())
            )
            _say(f"held: {ROUND * rounds} machines so far, judged {told or 'nothing'}\n")
            if options.seed is not None:
                break
    finally:
        for desk in ConsentMachine.desks:
            desk.close()
    return 0


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _round(seed: int, steps: int, *, shrink: bool) -> None:
    phases = (Phase.generate, Phase.shrink) if shrink else (Phase.generate,)
    chosen = settings(
        max_examples=ROUND,
        stateful_step_count=steps,
        phases=phases,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(seeded(seed)(ConsentMachine), settings=chosen)


if __name__ == "__main__":
    sys.exit(main())
