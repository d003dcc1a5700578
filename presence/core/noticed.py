"""Counts those told events that an operator is alarmed of, and remembers whether the state can be stored."""

from collections import Counter
from collections.abc import Mapping
from typing import Final

from presence.core.overview import Alarm

ALARMS: Final = {
    "consent.frozen": Alarm.FROZEN,
    "consent.rolled_back": Alarm.ROLLBACK,
    "broker.duplicate": Alarm.DUPLICATE,
    "clock.jumped": Alarm.CLOCK,
    "audit.failed": Alarm.AUDIT,
}
REFRESHES: Final = {
    "consent.applied": "a.applied",
    "consent.refused": "a.refused",
    "restriction.applied": "b.applied",
    "restriction.refused": "b.refused",
}
"""Told event → plane and result."""
JUMP_S: Final = 5.0
"""The wall clock is disciplined by slewing: a step of seconds is somebody's doing, or the first synchronisation."""


class Noticed:
    def __init__(self) -> None:
        self.alarms: Counter[Alarm] = Counter()
        self.refreshes: Counter[str] = Counter()
        self.storage_failing = False

    def note(self, event: str, _fields: Mapping[str, object]) -> None:
        if event in ALARMS:
            self.alarms[ALARMS[event]] += 1
        if event in REFRESHES:
            self.refreshes[REFRESHES[event]] += 1
        if event in ("storage.failed", "storage.recovered"):
            self.storage_failing = event == "storage.failed"
