"""The end of `scripts/mutate`: the score, and each mutant that lives without a reason in
tests/support/mutants.toml.

A mutant is dead where a test failed, or the type check. One that ran out of time is not: on a busy
machine, or where mutmut lost the process, nobody has seen it die; where it does loop for ever, that
is its reason. What was not tried is said, and ends with 1: names or patterns as arguments make the
question smaller.
"""

import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

GOAL: Final = 0.95
DEAD: Final = frozenset({"killed", "caught by type check"})
UNTRIED: Final = frozenset({"not checked", "check was interrupted by user"})
REASONS: Final = Path(__file__).with_name("mutants.toml")


def judge(verdicts: Mapping[str, str], justified: Collection[str]) -> tuple[list[str], bool]:
    """What to say of these mutants, name → mutmut's verdict, and whether all is well."""
    counts = Counter(verdicts.values())
    alive = [name for name, verdict in verdicts.items() if verdict not in DEAD | UNTRIED]
    unknown = [
        name for name in alive if not any(fnmatchcase(name, pattern) for pattern in justified)
    ]
    untried = sum(counts[each] for each in UNTRIED)
    dead, tried = sum(counts[each] for each in DEAD), counts.total() - untried
    score = dead / tried if tried else 0.0
    lines = [
        f"{verdicts[name]}, without a reason in {REASONS.name}: {name} (mutmut show {name})"
        for name in unknown
    ]
    lines.append(
        f"{dead} of {tried} mutants died: {score:.1%}, goal {GOAL:.0%}; "
        f"{len(alive) - len(unknown)} live with a reason"
    )
    if untried:
        lines.append(
            f"not tried: {untried}, of which nothing is known; scripts/mutate goes on with them"
        )
    return lines, not unknown and not untried and score >= GOAL


def main(patterns: Sequence[str]) -> int:
    """0 where the score is reached, all were tried, and each survivor is known and justified."""
    listed = subprocess.run(
        ["mutmut", "results", "--all", "true"], capture_output=True, text=True, check=True
    ).stdout
    verdicts = dict(line.strip().rsplit(": ", 1) for line in listed.splitlines() if ": " in line)
    asked = {
        name: verdict
        for name, verdict in verdicts.items()
        if not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)
    }
    lines, well = judge(asked, tomllib.loads(REASONS.read_text())["equivalent"])
    sys.stdout.write("\n".join(lines) + "\n")
    return int(not well)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
