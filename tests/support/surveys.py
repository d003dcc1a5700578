"""`presence scan-test` as a process of its own, and what its walks measure."""

import subprocess
import sys
from pathlib import Path

from presence.core.place import Place
from presence.core.visit.side import Pairing, Side
from presence.core.visit.walks import Walked

LIMIT_S = 60
PAIR = Pairing(Place.DOOR, Place.OUTSIDE)


def scan_test(*arguments: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "presence", "scan-test", *map(str, arguments)]
    return subprocess.run(
        command, input=stdin, capture_output=True, text=True, check=False, timeout=LIMIT_S
    )


def simulated(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return scan_test("--simulated", "--yes", "--speed", "300", *arguments)


def a_side(side_db: float, uncertain_db: float = 2.0, pair: Pairing = PAIR) -> Side:
    return Side(
        pairing=pair,
        side_db=side_db,
        uncertain_db=uncertain_db,
        lead_db={Walked.LOOKIN: 0.0, Walked.IN: side_db},
        by_phone_db={1: side_db},
        offset_db=side_db / 2,
        near_dbm=-80.0,
    )
