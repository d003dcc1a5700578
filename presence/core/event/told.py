"""What was announced and stands, and what was taken back: nobody is announced under its id again.

An announcement is remembered until nobody may act on it any more and its visit is over.
"""

from collections.abc import Iterable
from itertools import takewhile

from presence.core.agenda import Agenda
from presence.core.by_ref import ByRef
from presence.core.event.outgoing import Announcement, Draft, TakenBack
from presence.core.timestamps import Moment


class Told(ByRef[Announcement]):
    """Announcements by the id of their `entered`."""

    def __init__(
        self, announcements: Iterable[Announcement], taken_back: Iterable[TakenBack]
    ) -> None:
        self._over = Agenda[str]()
        self._taken_back = dict(taken_back)
        """Ids → monotonic time, oldest first."""
        super().__init__()
        for announcement in announcements:
            self.put(announcement.event_id, announcement)

    def put(self, key: str, held: Announcement) -> None:
        super().put(key, held)
        self._over.put(key, held.valid_until_s)

    def pop(self, key: str) -> Announcement | None:
        self._over.drop(key)
        return super().pop(key)

    def look_at(self, event_id: str, utc_s: float) -> None:
        """It may be over then, but not before its `valid_until`."""
        announcement = self.get(event_id)
        if announcement is not None:
            self._over.put(event_id, max(announcement.valid_until_s, utc_s))

    def to_look_at(self, now: Moment) -> list[Announcement]:
        """Those on which nobody may act any more, each once."""
        due = map(self.get, self._over.take(now.utc_s))
        return [announcement for announcement in due if announcement is not None]

    def taken_back(self) -> tuple[TakenBack, ...]:
        return tuple(map(TakenBack._make, self._taken_back.items()))

    def is_taken_back(self, event_id: str) -> bool:
        return event_id in self._taken_back

    def take_back(self, announcement: Announcement, until_s: float, draft: Draft) -> None:
        """It stands no more, and no entry is announced under its id until this monotonic time."""
        event_id = announcement.event_id
        self.forget(announcement, draft)
        self._taken_back.pop(event_id, None)
        self._taken_back[event_id] = until_s
        draft.taken_back.append(TakenBack(event_id, until_s))

    def forget(self, announcement: Announcement, draft: Draft) -> None:
        self.pop(announcement.event_id)
        draft.retracted.append(announcement.event_id)

    def let_go(self, now: Moment, draft: Draft) -> None:
        """Of what was taken back so long ago that no new entry can have its id."""
        for event_id in tuple(
            takewhile(lambda key: now.monotonic_s >= self._taken_back[key], self._taken_back)
        ):
            del self._taken_back[event_id]
            draft.let_go.append(event_id)
