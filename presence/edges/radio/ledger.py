"""Remembers the day's recovery steps through a restart of ourselves, so that the daily cap is one.

A small JSON file in the runtime directory: adapter → steps with the boot-time second at which they
were taken. It dies with the machine's uptime, as that clock does. Nothing in it is about a person.
"""

import json
from contextlib import suppress
from pathlib import Path
from typing import Final

from presence.core.operations.radio_health import DAY_S
from presence.core.operations.radio_steps import RecoveryStep
from presence.core.timestamps import Moment
from presence.edges.host.files import replace_file

Taken = tuple[tuple[float, RecoveryStep], ...]
NAME: Final = "radio-steps.json"


class Ledger:
    def __init__(self, folder: Path) -> None:
        self._file = folder / NAME

    def read(self, adapter: str, now: Moment) -> Taken:
        """The last 24 hours'. A file that cannot be read counts as none."""
        try:
            return tuple(
                (float(at_s), RecoveryStep(step))
                for at_s, step in self._all().get(adapter, [])
                if now.monotonic_s - DAY_S < float(at_s) <= now.monotonic_s
            )
        except (ValueError, TypeError, AttributeError):
            return ()

    def write(self, adapter: str, taken: Taken) -> None:
        """A disk that is full costs the memory of the cap, and nothing else."""
        with suppress(OSError):
            text = json.dumps({**self._all(), adapter: taken})
            replace_file(self._file, text.encode("ascii"), durable=False)

    def _all(self) -> dict[str, list[tuple[float, str]]]:
        try:
            value = json.loads(self._file.read_text("ascii"))
        except (OSError, ValueError):
            return {}
        return value if isinstance(value, dict) else {}
