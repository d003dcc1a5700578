"""How a day's script tells the host: a JSON line for each scenario, and what the guest's clock
showed meanwhile.
"""

import json
import os
import time
from pathlib import Path
from typing import Any, TextIO


def mark_clock(scenario: str, end: str) -> None:
    """The host's file system dates the mark: so the host knows how fast this machine's clock
    runs.
    """
    Path(f"/out/clock-{scenario}-{end}").write_text(str(time.monotonic()))


def tell(results: TextIO, scenario: str, took_s: float, told: dict[str, Any]) -> None:
    line = {"scenario": scenario, "took_s": round(took_s, 1), **told}
    results.write(json.dumps(line, default=str) + "\n")
    results.flush()
    os.fsync(results.fileno())
