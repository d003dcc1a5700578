"""What the daemon counted, exactly and at once: its metrics round the numbers and wait for the hour
(R-23).
"""

import json
from pathlib import Path
from typing import Any, Final

from gateway import SETTINGS, sh, until

PROGRAM: Final = Path("/run/watched.py")
DROP_IN: Final = Path("/run/systemd/system/presence.service.d/watched.conf")
COUNTS: Final = Path("/run/presence/counts")
WATCHED: Final = """
import gc, json, signal, sys
from presence.cli import main
from presence.core.counts import Counts
from presence.edges.bluez.gatt.stay import DoorbellCounters

def tell(*_):
    found = {}
    for each in gc.get_objects():
        if isinstance(each, Counts):
            found.update(each.as_dict())
        elif isinstance(each, DoorbellCounters):
            found.update({name: getattr(each, name) for name in each.__slots__})
    with open("/run/presence/counts", "w") as file:
        json.dump(found, file)

signal.signal(signal.SIGUSR1, tell)
sys.exit(main())
"""
"""The daemon, and its counts when asked: metrics round them and wait for the hour."""


def watch() -> None:
    PROGRAM.write_text(WATCHED)
    PROGRAM.chmod(0o644)
    DROP_IN.parent.mkdir(parents=True, exist_ok=True)
    start = f"/opt/presence/bin/python -IB {PROGRAM} run --config {SETTINGS}"
    DROP_IN.write_text(f"[Service]\nExecStart=\nExecStart={start}\n")
    sh("systemctl daemon-reload && systemctl restart presence")


def unwatch() -> None:
    PROGRAM.unlink()
    DROP_IN.unlink()
    sh("systemctl daemon-reload && systemctl restart presence")


def counts() -> dict[str, Any]:
    COUNTS.unlink(missing_ok=True)
    sh("systemctl kill -s USR1 --kill-whom=main presence")
    until(lambda: COUNTS.exists() and COUNTS.read_text().endswith("}"), 20, "counts")
    told: dict[str, Any] = json.loads(COUNTS.read_text())
    COUNTS.unlink()
    return told
