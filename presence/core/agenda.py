"""Who is to be looked at when: found when the time has come, and gone at once when forgotten.

A tick must not cost what everybody present costs. So each of them has a time before which nothing
can happen by itself. What puts it off (being heard again) need not be reported: an item that is due
too early is looked at and put in anew.
"""

from collections.abc import Hashable
from typing import Final, Generic, TypeVar

AT_ONCE: Final = 0.0
"""Before any time that a clock shows."""

Key = TypeVar("Key", bound=Hashable)


class Agenda(Generic[Key]):
    """Keys by when they are due, by one clock. Times lie within minutes: a second costs a tick."""

    def __init__(self) -> None:
        self.times: dict[Key, float] = {}
        """For reading only: a look-up that a call would make twice as dear."""
        self._seconds: dict[int, dict[Key, None]] = {}

    def __contains__(self, key: Key) -> bool:
        return key in self.times

    def __len__(self) -> int:
        return len(self.times)

    def put(self, key: Key, due_s: float) -> None:
        """In place of the time that it had, if any."""
        self.drop(key)
        self.times[key] = due_s
        self._seconds.setdefault(int(due_s), {})[key] = None

    def drop(self, key: Key) -> None:
        due_s = self.times.pop(key, None)
        if due_s is not None:
            keys = self._seconds[int(due_s)]
            del keys[key]
            if not keys:
                del self._seconds[int(due_s)]

    def clear(self) -> None:
        self.times.clear()
        self._seconds.clear()

    def take(self, now_s: float) -> list[Key]:
        """Take out all that is due, earliest first."""
        seconds = sorted(second for second in self._seconds if second <= now_s)
        due = [
            key for second in seconds for key in self._seconds[second] if self.times[key] <= now_s
        ]
        for key in due:
            self.drop(key)
        return due
