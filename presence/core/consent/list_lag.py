"""List lag: what the consent service's heartbeat says against what plane A gives (T-09).

    head ──heard──► behind? ask plane A at once
    poll of plane A ──record_poll──► as new as the head: all is well
                                   └─► older, and older again: FROZEN, somebody holds it back

A frozen plane A is believed no longer than its own age allows: what it proves from then on makes no
lease longer. Whoever cannot be reached is not frozen: such looks are not counted, the lease runs
out by itself.
"""

from typing import Final

from presence.core.consent.revocation import Head

TRIES: Final = 2
"""Looks that may come back with less than the head says: a server behind a cache takes a moment."""


class ListLag:
    """The newest head, and how plane A kept up with it."""

    def __init__(self) -> None:
        self.newest: Head | None = None
        self._misses = 0

    @property
    def frozen(self) -> bool:
        return self._misses >= TRIES

    def forget(self) -> None:
        """Who signed the heads is not believed any more."""
        self.newest = None
        self._misses = 0

    def heard(self, head: Head) -> bool:
        """Whether this head is news: an older one than we had says nothing."""
        if self.newest is not None and head.issued_s < self.newest.issued_s:
            return False
        self.newest = head
        return True

    def behind(self, timestamp_version: int, list_seq: int) -> bool:
        """Whether the newest head knows of more than this; a plain file has no timestamp, version
        0.
        """
        head = self.newest
        return head is not None and (
            0 < timestamp_version < head.timestamp_version or list_seq < head.list_seq
        )

    def record_poll(self, timestamp_version: int, list_seq: int) -> None:
        """Plane A answered, and this is the newest that it has."""
        self._misses = self._misses + 1 if self.behind(timestamp_version, list_seq) else 0
