"""`python -m tests.system.radio_paths WAY …`: what each way to hear costs in the machine that
PRESENCE_MACHINE names, one JSON line each (guest/radio_paths.py). `scripts/bench radio_paths` asks.
"""

import os
import sys
import tempfile
from pathlib import Path

from tests.system.handed_over import GUEST, hand_over
from tests.system.machine import run

LIMIT_S = 5400


def main(ways: list[str]) -> None:
    python = f"PYTHONPATH={GUEST}:/src/checkout /opt/presence/bin/python -B"
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder) / "src", Path(folder) / "out"
        source.mkdir()
        hand_over(source)
        command = f"{python} {GUEST}/radio_paths.py {' '.join(ways)}"
        result = run(Path(os.environ["PRESENCE_MACHINE"]), source, out, command, timeout_s=LIMIT_S)
        sys.stdout.write(result.text("results"))
        if result.code:
            sys.exit(result.text("stderr")[-3000:])


if __name__ == "__main__":
    main(sys.argv[1:])
