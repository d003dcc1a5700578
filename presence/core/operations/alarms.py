"""Counts those told events that an operator is alarmed of, and remembers whether the state can be
stored.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Final

from presence.core.operations.snapshot import Alarm

ALARMS: Final = {
    "consent.frozen": Alarm.FROZEN,
    "consent.rolled_back": Alarm.ROLLBACK,
    "consent.grew": Alarm.GROWTH,
    "consent.memory_lost": Alarm.MEMORY,
    "broker.duplicate": Alarm.DUPLICATE,
    "clock.jumped": Alarm.CLOCK,
    "audit.failed": Alarm.AUDIT,
}
NOTICES: Final = "b.applied"
REFRESHES: Final = {
    "consent.applied": "a.applied",
    "consent.refused": "a.refused",
    "restriction.applied": NOTICES,
    "restriction.refused": "b.refused",
}
"""Told event → plane and result."""
JUMP_S: Final = 5.0
"""The wall clock is disciplined by slewing: a step of seconds is somebody's doing, or the first
synchronisation.
"""


class Noticed:
    def __init__(self) -> None:
        self.alarms: Counter[Alarm] = Counter()
        self.refreshes: Counter[str] = Counter()
        self._failing: set[str] = set()
        """The stores that cannot be written, by what they hold."""

    @property
    def storage_failing(self) -> bool:
        return bool(self._failing)

    def note(self, event: str, fields: Mapping[str, object]) -> None:
        if event in ALARMS:
            self.alarms[ALARMS[event]] += 1
        if event in REFRESHES:
            self.refreshes[REFRESHES[event]] += 1
        store = str(fields.get("what", ""))
        if event == "storage.failed":
            self._failing.add(store)
        elif event == "storage.recovered":
            self._failing.discard(store)
