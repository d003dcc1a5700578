"""The end of `scripts/mutate`: the score, and each mutant that lives without a reason in tests/mutants.toml."""

import subprocess
import sys
import tomllib
from collections import Counter
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

GOAL: Final = 0.95
MUTMUT: Final = Path(sys.executable).with_name("mutmut")
DEAD: Final = frozenset({"killed", "timeout", "caught by type check", "suspicious", "segfault"})
REASONS: Final = Path(__file__).with_name("mutants.toml")


def main() -> int:
    """0 where the score is reached and each survivor is known and justified."""
    listed = subprocess.run([MUTMUT, "results", "--all", "true"], capture_output=True, text=True, check=True).stdout
    verdicts = dict(line.strip().rsplit(": ", 1) for line in listed.splitlines() if ": " in line)
    counts = Counter(verdict for verdict in verdicts.values() if verdict != "not checked")
    alive = [name for name, verdict in verdicts.items() if verdict not in DEAD | {"not checked"}]
    justified = tomllib.loads(REASONS.read_text())["equivalent"]
    unknown = [name for name in alive if not any(fnmatchcase(name, pattern) for pattern in justified)]
    dead, tried = sum(counts[each] for each in DEAD), counts.total()
    lines = [f"alive, without a reason in {REASONS.name}: {name} (mutmut show {name})" for name in unknown]
    score = dead / tried if tried else 0.0
    lines.append(
        f"{dead} of {tried} mutants died: {score:.1%}, goal {GOAL:.0%}; {len(alive) - len(unknown)} live with a reason"
    )
    sys.stdout.write("\n".join(lines) + "\n")
    return int(bool(unknown) or score < GOAL)


if __name__ == "__main__":
    sys.exit(main())
