"""`presence run` that also writes down what comes to its intake: when, of whom, how strong. The
daemon itself tells nobody (docs/operations.md#metrics).
"""

import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from presence.cli import main
from presence.gateway.pipeline import Intake

HEARD = Path("/run/presence/heard")
"""A line each: monotonic seconds, address, dBm."""


def write_down() -> None:
    """Before `Intake.hear` and `Intake.hear_all` do their work."""
    lines: list[str] = []
    one, all_ = Intake.hear, Intake.hear_all

    def note(heard: Any) -> None:
        address = heard.address
        name = address.hex() if isinstance(address, bytes) else address.replace(":", "").lower()
        lines.append(f"{time.monotonic()} {name} {heard.rssi_dbm}\n")

    def hear(intake: Intake, heard: Any) -> None:
        note(heard)
        one(intake, heard)

    def hear_all(intake: Intake, heard: Sequence[Any]) -> None:
        for each in heard:
            note(each)
        all_(intake, heard)

    def keep() -> None:
        with HEARD.open("w") as file:
            while True:
                time.sleep(0.5)
                count = len(lines)
                file.write("".join(lines[:count]))
                file.flush()
                del lines[:count]

    Intake.hear, Intake.hear_all = hear, hear_all  # type: ignore[method-assign]
    threading.Thread(target=keep, daemon=True).start()


if __name__ == "__main__":
    write_down()
    sys.exit(main())
