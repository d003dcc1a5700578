"""List sync: polls for the list, keeps it in force, and knows how far it may be believed.

Whether the list is signed or a plain file: its source has verified, remembered and indexed what it
gives (presence.ports.ConsentSource).

Whatever fails, the list in force stays and its lease runs on: nothing here makes it longer but a
proven list. A look that hangs is a look that failed, too: nobody waits for it any more, no other
begins beside it, and what it finds when it ends after all is taken in by the look that comes then.
"""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Final, NamedTuple

from presence import __version__
from presence.core.consent.freshness import (
    Freshness,
    Lease,
    clock_doubt,
    freshness,
    least,
    next_step,
    standing,
)
from presence.core.consent.gate import ListStanding
from presence.core.consent.list_lag import ListLag
from presence.core.timestamps import Moment
from presence.errors import (
    ConsentListError,
    ListGrew,
    ListRolledBack,
    ListUnfinished,
    MemoryLost,
    StorageError,
    type_and_place,
)
from presence.ports import Clock, ConsentSource, Progress, VerifiedList
from presence.pulse import beat
from presence.telemetry import (
    ConsentFetching,
    ConsentGrew,
    ConsentMemoryLost,
    ConsentRefused,
    ConsentRolledBack,
    Emit,
)

Found = VerifiedList | Exception | None
"""How a look ended."""


class Refresh:
    """Asks for a look at the list before its time; many questions get one look."""

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


class ListPauses(NamedTuple):
    """Seconds between looks at the list."""

    after: Callable[[int], float]
    """Errors in a row → until the next look."""
    when_asked: Callable[[], float] = lambda: 0.0
    """From being asked for a look to the look."""


class LookLimits(NamedTuple):
    """How long a look may take."""

    look_s: float = 600.0
    """The longest that a look is waited for; five million entries take a small computer minutes."""
    progress_s: float = 30.0
    """How often we report how far a long list has come."""
    ended_s: float = 5.0
    """For a look that was given up to end."""


LOOK_LIMITS: Final = LookLimits()


class ListSync:
    """The list's lease and figures; `renew` is called by one task."""

    def __init__(
        self,
        *,
        source: ConsentSource,
        clock: Clock,
        emit: Emit,
        lease_s: float,
        synchronised: Callable[[], bool] = lambda: True,
        refresh: Refresh | None = None,
        limits: LookLimits = LOOK_LIMITS,
    ) -> None:
        """`synchronised`: is the wall clock disciplined? False is a doubt like a stale list."""
        self.source = source
        self.refresh = refresh or Refresh()
        """Ask here for a look at the list before its time."""
        self.lag = ListLag()
        """Shared with plane B (presence.gateway.revocation_listener), which knows the heads."""
        self.lease: Lease | None = None
        self.entries = 0
        self.errors = 0
        """Looks that failed since the last that did not."""
        self.refusals = 0
        """Looks that failed since the start."""
        self.last_look: Moment | None = None
        """The last look that did not fail, also one that found nothing new."""
        self.unfinished = False
        """The last look brought more of a long list, and the next goes on at once."""
        self._clock = clock
        self._emit = emit
        self._lease_s = lease_s
        self._synchronised = synchronised
        self._limits = limits
        self._under_way: asyncio.Future[Found] | None = None
        self._given_up = False
        self._reported: Progress | None = None

    @property
    def seq(self) -> int:
        return self.lease.header.seq if self.lease else 0

    def signed_since(self, utc_s: float) -> bool:
        """Whether the list in force was signed at this moment or later."""
        return self.lease is not None and self.lease.header.published_at_s >= utc_s

    def age_s(self, now: Moment) -> float | None:
        return None if self.lease is None else self.lease.age_s(now)

    def freshness(self, now: Moment) -> Freshness:
        return freshness(
            self.lease,
            now,
            synchronised=self._synchronised(),
            last_signed_s=self.source.last_signed_s,
        )

    def next_step(self, now: Moment) -> str:
        """What the operator does; empty where all is well."""
        progress = self.source.progress
        if self.lease is None and progress is not None and progress.of:
            return f"the list is on its way, {progress.here} of {progress.of} files are here: wait"
        last_signed_s = self.source.last_signed_s
        doubt = clock_doubt(
            self.lease, now, synchronised=self._synchronised(), last_signed_s=last_signed_s
        )
        return next_step(self.freshness(now), doubt)

    def standing(self, now: Moment) -> ListStanding:
        return standing(self.lease, now, synchronised=self._synchronised())

    def state(self, now: Moment) -> dict[str, object]:
        """For the health topic: closed, no person in it (docs/design.md#connection)."""
        return {"sw": __version__, "freshness": str(self.freshness(now)), "list_seq": self.seq}

    async def renew(self) -> VerifiedList | None:
        """What is newly proven, or None where nothing is or the look failed."""
        self.unfinished = False
        try:
            verified = await self._looked()
        except ListUnfinished:
            self.unfinished, self.errors = True, 0
            return None
        except (ConsentListError, StorageError) as error:
            self._failed(error, str(error))
            return None
        except Exception as error:  # noqa: BLE001 - a look that failed ends no lease and no gateway
            where = type_and_place(error)
            self._failed(
                error, f"{where}: nobody foresaw this; keep the journal and tell the makers"
            )
            return None
        self.errors = 0
        self.last_look = now = self._clock.now()
        if verified is not None:
            self.lag.take_in(verified.timestamp_version, verified.header.seq)
        self.lag.record_poll()
        if verified is None:
            return None
        self.lease = self._lease_of(verified, now)
        if verified.indexed is not None:
            self.entries = verified.entries
        return verified

    def settle(self) -> None:
        """The engine has what `renew` gave. Not waited for: a disk may take its time, and what
        fails is tried again, and told, by the next look.
        """
        _in_a_thread(self.source.settle)

    def _failed(self, error: Exception, reason: str) -> None:
        self.errors += 1
        self.refusals += 1
        self._emit(ConsentRefused(reason=reason))
        if isinstance(error, MemoryLost):
            self._emit(ConsentMemoryLost(reason=reason))
        if isinstance(error, ListRolledBack):
            next_step = "find out who brought the old list"
            self._emit(ConsentRolledBack(seq=self.seq, next_step=next_step))
        if isinstance(error, ListGrew):
            next_step = "find out where so many new customers come from"
            self._emit(ConsentGrew(seq=self.seq, entries=error.entries, next_step=next_step))

    async def _looked(self) -> VerifiedList | None:
        """The outcome of a look. Raises what went wrong; ConsentListError where it hangs."""
        look = self._under_way = self._under_way or _in_a_thread(self.source.read)
        if not self._given_up:
            await self._watch(look)
            if not look.done():
                self.source.give_up()
        await asyncio.wait([look], timeout=self._limits.ended_s)
        self._given_up = not look.done()
        if self._given_up:
            raise ConsentListError(
                f"a look at the list has not ended after {self._limits.look_s:g} s: does a stick, "
                "a disk or a mount hang? No other look begins before it ends"
            )
        self._under_way = None
        found = look.result()
        if isinstance(found, Exception):
            raise found
        return found

    async def _watch(self, look: "asyncio.Future[Found]") -> None:
        """Until it ends or has taken too long; meanwhile say how far it is."""
        loop = asyncio.get_running_loop()
        until_s = loop.time() + self._limits.look_s
        while not look.done() and loop.time() < until_s:
            beat()
            await asyncio.wait([look], timeout=min(self._limits.progress_s, until_s - loop.time()))
            progress = self.source.progress
            if not look.done() and progress is not None and progress != self._reported:
                self._reported = progress
                self._emit(ConsentFetching(count=progress.here, total=progress.of))

    def _lease_of(self, verified: VerifiedList, now: Moment) -> Lease:
        """A new lease; but a list that is held back renews nothing: the old lease runs on."""
        old = self.lease
        if old is None or not self.lag.frozen:
            return Lease(
                verified.header, now, self._lease_s, least(now, before=old, server=verified.server)
            )
        header = replace(
            verified.header,
            published_at_s=min(old.header.published_at_s, verified.header.published_at_s),
        )
        return replace(old, header=header)


def _in_a_thread(look: Callable[[], VerifiedList | None]) -> "asyncio.Future[Found]":
    """A thread that keeps no process from ending; asyncio's own are waited for at the end."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[Found] = loop.create_future()

    def work() -> None:
        found: Found
        try:
            found = look()
        except Exception as error:  # noqa: BLE001 - handed over to the event loop, which tells it
            found = error
        with suppress(RuntimeError):  # the loop is closed: nobody is left to be told
            loop.call_soon_threadsafe(_settle, ended, found)

    threading.Thread(target=work, name="list", daemon=True).start()
    return ended


def _settle(ended: "asyncio.Future[Found]", found: Found) -> None:
    if not ended.done():
        ended.set_result(found)
