"""`presence scan-test` as a process of its own."""

import subprocess
import sys
from pathlib import Path

LIMIT_S = 60


def scan_test(*arguments: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "presence", "scan-test", *map(str, arguments)]
    return subprocess.run(
        command, input=stdin, capture_output=True, text=True, check=False, timeout=LIMIT_S
    )


def simulated(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return scan_test("--simulated", "--yes", "--speed", "300", *arguments)
