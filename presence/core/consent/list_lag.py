"""List lag: what the consent service's heartbeat says against what plane A gives (T-09).

    head ──heard──► behind? ask plane A at once
    list ──take_in──► poll ──record_poll──► as new as the head: all is well
                                          └─► older, and older again: FROZEN, somebody holds it back

A frozen plane A is believed no longer than its own age allows: what it proves from then on makes no
lease longer. A server that cannot be reached is not frozen: such looks are not counted, the lease
runs out by itself.
"""

from typing import Final

from presence.core.consent.revocation import Head

TRIES: Final = 2
"""Looks that may come back with less than the head says: a server behind a cache takes a moment."""


class ListLag:
    """The newest head, and how plane A kept up with it."""

    def __init__(self) -> None:
        self.newest: Head | None = None
        self._timestamp_version = self._list_seq = 0
        """Of the newest list that plane A gave."""
        self._misses = 0

    @property
    def frozen(self) -> bool:
        return self._misses >= TRIES

    def forget(self) -> None:
        """The key that signed the heads is not believed any more."""
        self.newest = None
        self._misses = 0

    def heard(self, head: Head) -> bool:
        """Whether this head is news: an older one than we had says nothing."""
        if self.newest is not None and head.issued_s < self.newest.issued_s:
            return False
        self.newest = head
        return True

    @property
    def behind(self) -> bool:
        """Whether the newest head knows of more than plane A gave."""
        head = self.newest
        # A plain file has no timestamp (version 0): only its number can be behind.
        return head is not None and (
            0 < self._timestamp_version < head.timestamp_version or self._list_seq < head.list_seq
        )

    def take_in(self, timestamp_version: int, list_seq: int) -> None:
        """Plane A gave a newer list, or a newer proof of it."""
        self._timestamp_version, self._list_seq = timestamp_version, list_seq

    def record_poll(self) -> None:
        """Plane A answered, and has nothing newer than was taken in."""
        self._misses = self._misses + 1 if self.behind else 0
