"""What the data-protection officer is shown of the installed gateway: `presence evidence` as root,
and strangers of every kind on the air of the daemon that runs, sought in all that it has.
"""

import json
import tempfile
import time
from pathlib import Path
from random import Random
from typing import Any

from controller import Controller
from gateway import Engine, sh

from presence.diagnosis import marks
from presence.simulation.broadcasts import KINDS

OF_EACH_KIND, TIMES = 3, 4
PAGE = Path("/root/evidence.html")
FOLDERS = ("/var/lib/presence", "/run/presence")


def evidence() -> dict[str, Any]:
    """The page, with the daemon going on beside the second gateway."""
    said = sh(f"presence evidence --json -o {PAGE}", check=False)  # 1 and 2 are verdicts
    if not said.startswith("{"):
        raise AssertionError(said)
    told = json.loads(said)
    return {
        "verdict": told["verdict"],
        "findings": {
            each["name"]: f"{each['verdict']} {each['found']} {each['next_step']}"
            for each in told["findings"]
        },
        "test": told["stranger_test"],
        "page": PAGE.read_text()[:15],
        "mode": PAGE.stat().st_mode & 0o777,
        "left": [str(path) for path in Path(tempfile.gettempdir()).glob("presence-evidence-*")],
    }


def strangers_on_air(controller: Controller, watcher: Engine) -> dict[str, Any]:
    """Near, each several times; then what the daemon has in its folders, said, counted, sent."""
    chance = Random(20)
    crowd = [
        (chance.randbytes(6), KINDS[kind](chance)) for kind in KINDS for _ in range(OF_EACH_KIND)
    ]
    reported = controller.reported
    for address, payload in crowd * TIMES:
        controller.advertise(address, payload, -40)
        time.sleep(0.02)
    time.sleep(5)
    places = {
        "journal": sh("journalctl --namespace=presence -o json --no-pager").encode(),
        "status": sh("presence status --json").encode(),
        "MQTT": b"\n".join(watcher.everything),
    }
    for folder in FOLDERS:
        below = marks.files_below(Path(folder))
        places |= {f"{folder}, {name}": content for name, content in below.items()}
    found = marks.search(marks.collect(crowd), places)
    return {
        "strangers": len(crowd),
        "on_air": controller.reported - reported,
        "places": {where: len(content) for where, content in places.items()},
        "traces": [f"{each.kind} in {each.where}" for each in found],
    }
