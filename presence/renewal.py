"""Keeps the list in force: reads it from its source, and knows how far it may be believed.

Two kinds of source stand behind one port (presence.ports.ConsentSource). The plain file gives a ConsentList that is
remembered here and prepared here; the signed list gives a Proven, which its source has verified and stored already.

Whatever fails, the list in force stays and its lease runs on: nothing here makes it longer but a proven list.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Protocol

from presence.core.consent import ListStanding
from presence.core.engine import prepare
from presence.core.feed import ConsentList
from presence.core.freshness import Freshness, Lease, freshness, standing
from presence.core.heads import Heads
from presence.core.timestamps import Moment
from presence.errors import ConsentListError, ListRolledBack, StorageError
from presence.ports import Clock, ConsentSource, Proven, Tell


class AcceptedLists(Protocol):
    """Remembers how new the plain list was (edges.store.ConsentStore)."""

    def accept(self, consents: ConsentList) -> ConsentList: ...


class Refresh:
    """Asks for a look at the list before its time; who asks often is answered once."""

    def __init__(self) -> None:
        self._asked = asyncio.Event()

    def ask(self) -> None:
        self._asked.set()

    async def asked(self, within_s: float) -> bool:
        """Whether somebody asked, at the latest after so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._asked.wait()
        return self._asked.is_set()

    def answered(self) -> None:
        self._asked.clear()


@dataclass(kw_only=True)
class Renewal:
    """The list's lease and figures; `renew` is called by one task."""

    source: ConsentSource
    accepted: AcceptedLists
    clock: Clock
    tell: Tell
    lease_s: float
    complaints: list[str]
    """Of the plain list: the first entries left out."""
    synchronised: Callable[[], bool]
    lease: Lease | None = None
    entries: int = 0
    refused: Mapping[str, int] = field(default_factory=dict)
    """Entries left out of the list in force, by reason."""
    timestamp_version: int = 0
    """Of the signed list in force (TUF); 0 where there is none, or the list is a plain file."""
    errors: int = 0
    """Looks that failed since the last that did not."""
    refusals: int = 0
    """Looks that failed since the start."""
    last_look: Moment | None = None
    """The last look that did not fail, also one that found nothing new."""
    heads: Heads = field(default_factory=Heads)
    """What the consent service's heartbeat says is the newest (presence.withdrawal)."""
    _unaccepted: ConsentList | None = None

    @property
    def seq(self) -> int:
        return self.lease.header.seq if self.lease else 0

    def age_s(self, now: Moment) -> float | None:
        return None if self.lease is None else self.lease.age_s(now)

    def freshness(self, now: Moment) -> Freshness:
        return freshness(self.lease, now, synchronised=self.synchronised(), last_signed_s=self.source.last_signed_s)

    def standing(self, now: Moment) -> ListStanding:
        return standing(self.lease, now, synchronised=self.synchronised())

    async def renew(self) -> Proven | None:
        """What is newly proven, or None where nothing is or the look failed."""
        try:
            proven = await asyncio.to_thread(self._look)
        except (ConsentListError, StorageError) as error:
            self.errors += 1
            self.refusals += 1
            self.tell("consent.refused", {"reason": str(error)})
            if isinstance(error, ListRolledBack):
                self.tell("consent.rolled_back", {"seq": self.seq, "next_step": "find out who brought the old list"})
            return None
        self.errors = 0
        self.last_look = now = self.clock.now()
        if proven is None:
            self.heads.looked(self.timestamp_version, self.seq)
            return None
        self.heads.looked(proven.timestamp_version, proven.header.seq)
        self.lease = self._lease_of(proven, now)
        self.timestamp_version = proven.timestamp_version
        if proven.prepared is not None:
            self.entries = proven.entries
            self.refused = proven.refused
        return proven

    def _lease_of(self, proven: Proven, now: Moment) -> Lease:
        """A new lease; but a list that is held back renews nothing: it is taken in, and the old lease runs on."""
        if not self.heads.frozen or self.lease is None:
            return Lease(proven.header, now, self.lease_s)
        old = self.lease
        header = replace(proven.header, published_at_s=min(old.header.published_at_s, proven.header.published_at_s))
        return Lease(header, old.proven_at, self.lease_s)

    def _look(self) -> Proven | None:
        """A list that could not be remembered (disk full) is kept and tried again: it may take rights away."""
        found = self.source.read()
        if isinstance(found, Proven):
            return found
        self._unaccepted = found or self._unaccepted
        if self._unaccepted is None:
            return None
        try:
            accepted = self.accepted.accept(self._unaccepted)
        except ConsentListError:
            self._unaccepted = None
            raise
        self._unaccepted = None
        return Proven(
            header=accepted.header,
            prepared=prepare(accepted),
            entries=len(accepted.entries),
            refused=accepted.refused,
            complaints=tuple(self.complaints),
        )
