"""The ports: what the program asks of the world; edges implement them, tests fake them."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from presence.core.consent.list_json import ListHeader
from presence.core.consent.revocations import HeldRevocation
from presence.core.engine import IndexedList
from presence.core.event.outbox import Announcement, Outgoing, Step, TakenBack
from presence.core.recognition.advertisement import Advertisement
from presence.core.recognition.challenge import Answer, RejectReason
from presence.core.timestamps import Moment
from presence.core.visit.visits import Visit

DoorbellResponse = Answer | RejectReason
"""What a phone wrote at the doorbell."""

OnAdvertisement = Callable[[Advertisement], None]
"""Takes one advertisement in; returns at once, never raises, never blocks."""

OnResponse = Callable[[DoorbellResponse], None]
"""Takes one answer in, likewise."""


class Clock(Protocol):
    """Tells the time; the only place it comes from."""

    def now(self) -> Moment: ...


class AdvertisementSource(Protocol):
    """A radio, a capture or a simulated shop."""

    async def run(self, on_advertisement: OnAdvertisement) -> None:
        """Hand over advertisements until cancelled, or until the source is at its end.

        Raises RadioError or CaptureError where a person must act; heals what heals by itself.
        """


class DoorbellSource(Protocol):
    """Where phones come and answer (presence.core.recognition.challenge)."""

    async def run(self, on_response: OnResponse) -> None:
        """Hand over what they write until cancelled; heals what heals by itself."""


@dataclass(frozen=True, slots=True)
class VerifiedList:
    """A list that its source has verified and stored: it begins a new lease."""

    header: ListHeader
    indexed: IndexedList | None = field(repr=False)
    """None where entries and keys are those of before, and only their proof is newer."""
    entries: int = 0
    refused: Mapping[str, int] = field(default_factory=dict)
    """Entries left out, by what was wrong with them."""
    complaints: tuple[str, ...] = ()
    """The first of them, each in a sentence without anything of the entry."""
    timestamp_version: int = 0
    """Of the signed list's timestamp (TUF). A look that verified a newer one gives a VerifiedList,
    whatever else is new.
    """
    server: Moment | None = None
    """What the list's server said that the time is, and the boot time at which it did; None where
    there is none.
    """
    revocation_keys: bytes = b""
    """The signed list's target notices.jwks: who may sign revocations (presence.core.consent.jws).
    Empty where it is as before.
    """
    digest: str = ""
    """SHA-256 of the plain file, or of the signed list's manifest, for the audit log."""
    notice: str = ""
    """The version of the privacy notice that the list says customers are shown; empty where it
    says none. As it came: whoever shows it leaves out what does not print.
    """
    root_version: int = 0
    """Of the signed root that vouches for it (TUF), for the audit log; 0: nobody signed it."""


class Progress(NamedTuple):
    """Files of a list that are here, of those that it takes."""

    here: int
    of: int


class ConsentSource(Protocol):
    """Where the consent list comes from."""

    @property
    def progress(self) -> Progress | None:
        """While a `read` in another thread fetches; None where nothing is on its way."""

    @property
    def last_signed_s(self) -> float:
        """When the newest list was signed that was ever had, also before the start; 0 where nobody
        knows.
        """

    def read(self) -> VerifiedList | None:
        """The list, or None where nothing has changed since the last call.

        Raises ConsentListError where the list cannot be proven, ListUnfinished where more of it
        came than was here before and the next call goes on from there, StorageError where it cannot
        be kept; the caller keeps what it has. Blocks, in the worst case for ever: call it in a
        thread of its own.
        """

    def settle(self) -> None:
        """The engine has what `read` gave: what may wait until then is stored, and what it was
        before is erased. Called in a thread of its own, as `read`; what fails, the next `read` does
        again. Raises StorageError.
        """

    def give_up(self) -> None:
        """Called from another thread: a `read` that waits too long fails now, as far as it can be
        ended.
        """

    def forget_keys(self) -> None:
        """Window keys that are kept anywhere go (DEAD); a list that is proven later brings its
        own.
        """


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """One MQTT message, ready to be handed over."""

    topic: str
    payload: bytes
    expiry_s: int
    """Seconds left, at least 1; MQTT 5 message expiry interval."""
    event_type: str
    """Empty where the message is no event but a word among gateways."""
    event_id: str
    copies: bool = True
    """Do type and id also stand in the message's properties, for the rules of brokers?"""


class Publisher(Protocol):
    """Hands messages to a broker."""

    @property
    def room(self) -> int:
        """So many messages can be handed over at once; 0 while the broker is away."""

    async def connected(self) -> None:
        """Return as soon as there is room; waits while the broker is away."""

    def publish(self, message: OutgoingMessage) -> Awaitable[None]:
        """Hand over before it returns, where there is room; to be awaited until the broker has
        acknowledged (PUBACK).

        Raises MessageRefused where the broker will never take this message, MessageNotTaken where
        it does not take it now, MessageUnheard where it says that nobody is subscribed to an event
        (words to other gateways need no listener), BrokerError where the connection failed before
        the acknowledgement; in the last three cases the message must be sent again.
        """


@dataclass(frozen=True, slots=True)
class Stored:
    """All that survives a restart of the daemon."""

    visits: tuple[Visit, ...] = ()
    pending: tuple[Outgoing, ...] = ()
    announcements: tuple[Announcement, ...] = ()
    taken_back: tuple[TakenBack, ...] = ()
    figures: str = ""
    """The day's counts (presence.core.visit.entry_figures); of nobody in particular."""


class VisitStore(Protocol):
    """Keeps visits, outbox, announcements and figures through a restart. Raises StorageError."""

    def load(self) -> Stored: ...

    def commit(self, *steps: Step) -> None:
        """Store all of the steps, one after the other, or nothing of them."""

    def remove(self, *event_ids: str) -> None:
        """These events left the outbox."""

    def keep_figures(self, figures: str) -> None:
        """In place of those of before."""

    def replace(self, stored: Stored) -> None:
        """Store this state in place of all that was there."""


class RevocationStore(Protocol):
    """Keeps what revocations took away through a restart and a loss of power. Raises
    StorageError.
    """

    def load(self) -> tuple[HeldRevocation, ...]: ...

    def last_revocation(self, list_name: str) -> int:
        """The number of the last revocation up to which none is missing; 0 before the first."""

    def keep(
        self,
        list_name: str,
        revocations: tuple[HeldRevocation, ...],
        last_revocation: int | None,
        *,
        gone: tuple[HeldRevocation, ...] = (),
    ) -> None:
        """Store all of it and remove what is gone, or do nothing; None leaves the number as it
        is.
        """

    def let_go(self, revocations: tuple[HeldRevocation, ...]) -> None:
        """The list says the same by now: nothing of them remains."""


class Watcher(Protocol):
    """Somebody who shows an operator how we are; never ends by itself, never fails."""

    async def run(self) -> None: ...


class Notifier(Protocol):
    """How systemd hears of us (edges.host.systemd.SystemdNotifier)."""

    watchdog_s: float

    def ready(self, status: str) -> None: ...
    def status(self, status: str) -> None: ...
    def alive(self) -> None: ...
