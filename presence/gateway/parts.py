"""What a gateway is made of, for the daemon that joins it and for whoever chooses its edges."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from presence.core.consent.jws import KeySet
from presence.core.event.election import Election
from presence.core.rules import Rules
from presence.core.timestamps import Moment
from presence.gateway.peer_link import SubscribingPublisher
from presence.ports import (
    AdvertisementSource,
    Clock,
    ConsentSource,
    DoorbellSource,
    RevocationStore,
    VisitStore,
)
from presence.pulse import BOUND_S
from presence.telemetry import Emit


class LinkedPublisher(SubscribingPublisher, Protocol):
    """A publisher with a connection of its own to keep up."""

    async def run(self) -> None: ...
    async def publish_state(self) -> None: ...
    def advance(self, now: Moment) -> None: ...


class Watcher(Protocol):
    """Somebody who shows an operator how we are; never ends by itself, never fails."""

    async def run(self) -> None: ...


class Notifier(Protocol):
    """How systemd hears of us (edges.systemd.Notifier)."""

    watchdog_s: float

    def ready(self, status: str) -> None: ...
    def status(self, status: str) -> None: ...
    def alive(self) -> None: ...


@dataclass(kw_only=True)
class Parts:
    """What a gateway is made of; the edges are chosen by whoever starts it."""

    rules: Rules
    sources: Sequence[AdvertisementSource]
    consents: ConsentSource
    visits: VisitStore
    publisher: LinkedPublisher
    clock: Clock
    notifier: Notifier
    emit: Emit
    lease_s: float
    poll_s: float
    queue_length: int = 4096
    state_interval_s: float = 60
    doorbell: DoorbellSource | None = None
    election: Election | None = None
    """None: this gateway speaks to no other."""
    list_name: str = ""
    revocations: RevocationStore | None = None
    """What notices took away; also where none are heard."""
    notice_keys: KeySet | None = None
    """Who may sign notices; None: none are heard. The signed list brings others."""
    synchronised: Callable[[], bool] = lambda: True
    """Is the wall clock disciplined? False is a doubt like a stale list."""
    pace: Callable[[int], float] | None = None
    """Errors in a row → seconds until the next look at the list; None: poll_s, whatever happens."""
    asked_pace: Callable[[], float] = lambda: 0.0
    """Seconds from being asked for a look to the look."""
    watchers: Sequence[Watcher] = ()
    first_look_s: float = 5.0
    """How long a start waits for the first look at the list."""
    bound_s: Mapping[str, float] = field(default_factory=lambda: BOUND_S)
    """Part → how long it may go without a sign of progress."""
