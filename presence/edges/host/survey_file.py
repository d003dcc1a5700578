"""Where `scan-test` keeps what a technician has walked, and how long it may lie there: the daemon
erases what nobody went on with. What stands in it: presence.survey.keeping.
"""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Final

from presence.edges.host.files import half_written
from presence.ports import Clock

FILE_NAME: Final = "scan-test.json"
"""In storage.state_dir."""
KEPT_FOR_S: Final = 12 * 3600.0
"""After a night the door may be another one."""
LOOK_S: Final = 900.0


def expire(path: Path, utc_s: float) -> None:
    """Erase it where its last walk is longer ago than KEPT_FOR_S, or so far in the future that no
    clock explains it. Raises OSError.
    """
    for each in (path, half_written(path)):
        with suppress(FileNotFoundError):
            if abs(utc_s - each.stat().st_mtime) > KEPT_FOR_S:
                each.unlink()


def erase(path: Path) -> None:
    """Raises OSError."""
    for each in (path, half_written(path)):
        each.unlink(missing_ok=True)


class SurveyFileExpiry:
    """The daemon's look at it, from time to time."""

    def __init__(self, state_dir: Path, clock: Clock, *, look_s: float = LOOK_S) -> None:
        self._path = state_dir / FILE_NAME
        self._clock = clock
        self._look_s = look_s

    async def run(self) -> None:
        while True:
            with suppress(OSError):  # a disk that takes no change alarms by itself; tried again
                expire(self._path, self._clock.now().utc_s)
            await asyncio.sleep(self._look_s)
