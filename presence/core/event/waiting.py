"""The outbox in the engine's memory: what waits to be sent, in its order and by person.

It is bounded, and full it lets go of the oldest. A withdrawal is never let go of for another event
(R-09), and always has room: never more of them wait than there were announcements.
"""

from collections.abc import Iterable
from typing import Final

from presence.core.by_ref import ByRef
from presence.core.event.cloudevent import EventType
from presence.core.event.outgoing import Announcement, Draft, Outgoing

WITHDRAWN: Final = EventType.WITHDRAWN


class Waiting(ByRef[Outgoing]):
    """Events by their id."""

    def __init__(self, pending: Iterable[Outgoing]) -> None:
        self._droppable: dict[str, Outgoing] = {}
        super().__init__()
        for outgoing in pending:
            self.put(outgoing.id, outgoing)

    def put(self, key: str, held: Outgoing) -> None:
        super().put(key, held)
        if held.type is not WITHDRAWN:
            self._droppable[key] = held

    def pop(self, key: str) -> Outgoing | None:
        self._droppable.pop(key, None)
        return super().pop(key)

    def queue(self, outgoing: Outgoing, most: int, draft: Draft) -> list[Outgoing]:
        """Take it in; answers with what was dropped for it, or with itself where it finds no
        room.
        """
        dropped: list[Outgoing] = []
        if outgoing.id in self:
            return dropped
        while len(self) >= most and self._droppable:
            dropped.append(next(iter(self._droppable.values())))
            self.cancel(dropped[-1], draft)
        if len(self) >= most and outgoing.type is not WITHDRAWN:
            return [*dropped, outgoing]
        self.put(outgoing.id, outgoing)
        draft.queued.append(outgoing)
        return dropped

    def cancel(self, outgoing: Outgoing, draft: Draft) -> None:
        """It must not go out any more."""
        self.pop(outgoing.id)
        draft.cancelled.append(outgoing.id)

    def left_of(self, announcement: Announcement) -> list[Outgoing]:
        """A `left` that waits, of what was announced."""
        waiting = self.of(announcement.ref)
        return [
            each
            for each in waiting
            if each.type is EventType.LEFT and each.entered_id == announcement.event_id
        ]
