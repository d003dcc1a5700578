"""Counts the operational events that alarm an operator, and whether the state can be stored."""

from collections import Counter

from presence.core.operations.snapshot import Alarm
from presence.telemetry import OperationalEvent, StorageFailed, StorageRecovered


class AlarmCounters:
    """`note` is a subscriber of the telemetry."""

    def __init__(self) -> None:
        self.alarms: Counter[Alarm] = Counter()
        self.refreshes: Counter[str] = Counter()
        """By plane and result: lists and revocations that came."""
        self._failing: set[str] = set()
        """The stores that cannot be written, by what they hold: one that recovers says nothing of
        another.
        """

    @property
    def storage_failing(self) -> bool:
        return bool(self._failing)

    def note(self, event: OperationalEvent) -> None:
        if event.alarm:
            self.alarms[event.alarm] += 1
        if event.refresh:
            self.refreshes[event.refresh] += 1
        match event:
            case StorageFailed(what=store):
                self._failing.add(store)
            case StorageRecovered(what=store):
                self._failing.discard(store)
            case _:
                pass
