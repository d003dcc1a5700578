"""Every operational event: its name in the journal, its level, alarm, audit record and fields.

    a part ──emit(event)──► Telemetry ──► journal (edges.host.logs)
                                     ├──► alarm counters (gateway.alarm_counters)
                                     └──► audit log (edges.host.audit)

1. An event is a class here or it is none: the journal's allow list, the levels, the alarms, the
   audit log's records and the table of docs/operations.md are made from these classes.
2. No field can be about a person: a class with a field that is not of a type in FIELD_TYPES cannot
   be defined. Texts are scrubbed by the journal all the same (R-65).
3. A field that is None is left out. Order and names are those of the journal.
4. No event may follow one visit: what a visit causes is counted, and emitted by the hour (R-23).
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import FrozenInstanceError
from enum import IntEnum
from types import NoneType
from typing import Annotated, Any, ClassVar, Final, NamedTuple, dataclass_transform, get_args

from presence.core.consent.freshness import Freshness
from presence.core.operations.snapshot import Alarm

Sentence = Annotated[str, "a sentence of ours or of an error, for the operator"]
Sentences = Annotated[tuple[str, ...], "several of them"]
Word = Annotated[str, "one of a few words that stand in our source"]
Name = Annotated[str, "a name of this installation: adapter, list, host, topic, file, version"]
Count = Annotated[int, "how many, of things that follow no single visit"]
CountsByReason = Annotated[
    Mapping[str, int], "how many entries of a list, by what is wrong with them"
]
Number = Annotated[int, "a number of the protocol or of the list: reason code, version, attempt"]
Seconds = Annotated[float, "a duration"]
Uid = Annotated[int, "the user of this machine who asked for metrics or the like"]
AuditDigest = Annotated[str, "SHA-256 of a list, for the audit log only"]
AuditNumber = Annotated[int, "a version, for the audit log only"]

FIELD_TYPES: Final = (
    *(Sentence, Sentences, Word, Name, Count, CountsByReason, Number, Seconds, Uid, Freshness),
    *(AuditDigest, AuditNumber),
)
"""The closed list: nothing of these is about a customer or a passer-by."""
AUDIT_ONLY: Final = (AuditDigest, AuditNumber)
REVOKED: Final = "b.applied"
"""A revocation that took rights away: one customer's act, so its count is for the hour."""


class Level(IntEnum):
    """As the standard library numbers them."""

    INFO = 20
    WARNING = 30
    """Somebody should look at it."""
    CRITICAL = 50


class AuditRecord(NamedTuple):
    """What the audit log keeps of an event: a kind of record, and these fields of it."""

    kind: str
    fields: tuple[str, ...]


@dataclass_transform(frozen_default=True, kw_only_default=True)
class OperationalEvent:
    """Something that happened to this gateway. The first line of a class says when it is emitted.

    A subclass is what a frozen dataclass is, with what is written here instead of six functions
    compiled for each: those of 60 classes took a tenth of a gateway's start. Raises TypeError where
    a field is of no listed type.
    """

    name: ClassVar[str]
    level: ClassVar[Level]
    alarm: ClassVar[Alarm | None]
    refresh: ClassVar[str]
    """Plane and result, as lists and revocations that came are counted; or empty."""
    audited: ClassVar[AuditRecord | None]
    journalled: ClassVar[tuple[str, ...]]
    """The fields that stand in the journal, in its order."""
    _fields: ClassVar[tuple[str, ...]]
    _defaults: ClassVar[Mapping[str, object]]

    def __init_subclass__(
        cls,
        *,
        name: str,
        level: Level,
        alarm: Alarm | None = None,
        refresh: str = "",
        audited: AuditRecord | None = None,
    ) -> None:
        cls.name, cls.level, cls.alarm = name, level, alarm
        cls.refresh, cls.audited = refresh, audited
        kinds = {field: _kind(of) for field, of in inspect.get_annotations(cls).items()}
        for field, kind in kinds.items():
            if kind not in FIELD_TYPES:
                raise TypeError(f"{name}: {field} is of a type that FIELD_TYPES does not list")
        if audited is not None and (unknown := set(audited.fields) - kinds.keys()):
            raise TypeError(f"{name}: no fields {sorted(unknown)} to be audited")
        cls.journalled = tuple(field for field, kind in kinds.items() if kind not in AUDIT_ONLY)
        cls._fields = tuple(kinds)
        cls._defaults = {field: vars(cls)[field] for field in kinds if field in vars(cls)}

    def __init__(self, **values: object) -> None:
        given = {**self._defaults, **values}
        if given.keys() != set(self._fields):
            raise TypeError(f"{self.name}: takes {self._fields}, not {tuple(values)}")
        vars(self).update((field, given[field]) for field in self._fields)

    def __setattr__(self, field: str, value: object) -> None:
        raise FrozenInstanceError(f"cannot assign to field {field!r}")

    def __delattr__(self, field: str) -> None:
        raise FrozenInstanceError(f"cannot delete field {field!r}")

    def __eq__(self, other: object) -> bool:
        return vars(self) == vars(other) if type(other) is type(self) else NotImplemented

    def __hash__(self) -> int:
        return hash((type(self), *vars(self).values()))

    def __repr__(self) -> str:
        said = ", ".join(f"{field}={value!r}" for field, value in vars(self).items())
        return f"{type(self).__qualname__}({said})"

    def fields(self) -> dict[str, object]:
        """As they stand in the journal."""
        values = {field: getattr(self, field) for field in self.journalled}
        return {field: value for field, value in values.items() if value is not None}

    def audit_details(self) -> dict[str, object]:
        """As they stand in the audit log."""
        names = self.audited.fields if self.audited else ()
        return {field: getattr(self, field) for field in names}


def _kind(annotation: Any) -> Any:
    """The type of a field, whether or not it may be left out."""
    kinds = [kind for kind in get_args(annotation) if kind is not NoneType]
    return kinds[0] if NoneType in get_args(annotation) else annotation


Emit = Callable[[OperationalEvent], None]
"""Takes an operational event; returns at once, never raises."""


def is_due(count: int) -> bool:
    """Whether the count-th time of one kind is emitted: the 1st, 2nd, 4th, 8th … A flood of forged
    messages, or of failures that come with visits, does not fill the journal (R-23).
    """
    return count & (count - 1) == 0


class Telemetry:
    """Hands each event to its subscribers, in the order in which they came."""

    def __init__(self, *subscribers: Emit) -> None:
        self._subscribers = list(subscribers)

    def subscribe(self, subscriber: Emit) -> None:
        self._subscribers.append(subscriber)

    def emit(self, event: OperationalEvent) -> None:
        for subscriber in self._subscribers:
            subscriber(event)


# ---------------------------------------------------------------- the gateway and its host


class GatewayStarted(
    OperationalEvent,
    name="gateway.started",
    level=Level.INFO,
    audited=AuditRecord("gateway.started", ("version",)),
):
    """READY was said; `freshness` is that of the list at this moment."""

    version: Name
    freshness: Freshness


class GatewayStopping(OperationalEvent, name="gateway.stopping", level=Level.INFO):
    """A signal asked for the end (`stop`) or for other settings (`reload`)."""

    reason: Word


class GatewayFailed(OperationalEvent, name="gateway.failed", level=Level.CRITICAL):
    """An error that nobody caught ends the process; `exception` says its type and place."""


class GatewayPartHangs(OperationalEvent, name="gateway.part_hangs", level=Level.WARNING):
    """A part does not get on, and the watchdog is fed no more."""

    what: Word
    seconds: Seconds
    next_step: Sentence


class ConfigReloaded(OperationalEvent, name="config.reloaded", level=Level.INFO):
    """The settings were read again and are in force from now on."""

    file: Name


class ConfigRefused(OperationalEvent, name="config.refused", level=Level.WARNING):
    """The settings were read again and are wrong; those of before stay in force."""

    problems: Sentences
    next_step: Sentence


class StoreDisarmed(OperationalEvent, name="store.disarmed", level=Level.WARNING):
    """The review of the notice at the door is overdue: nothing is scanned."""

    reason: Sentence
    next_step: Sentence


class ClockJumped(
    OperationalEvent,
    name="clock.jumped",
    level=Level.WARNING,
    alarm=Alarm.CLOCK,
    audited=AuditRecord("clock.jumped", ("seconds",)),
):
    """Somebody or something set the wall clock by more than five seconds."""

    seconds: Seconds
    next_step: Sentence


class StorageFailed(OperationalEvent, name="storage.failed", level=Level.WARNING):
    """What `what` says (visits, withdrawn) cannot be stored; memory holds it. Once per outage."""

    what: Word
    reason: Sentence


class StorageRecovered(OperationalEvent, name="storage.recovered", level=Level.INFO):
    """It can be stored again, and all of it was."""

    what: Word


class StorageBegunAnew(OperationalEvent, name="storage.begun_anew", level=Level.WARNING):
    """The stored visits were damaged or of another version, and are forgotten."""

    reason: Sentence


class MetricsFailed(OperationalEvent, name="metrics.failed", level=Level.WARNING):
    """The file or the port of the metrics does not work. Once per outage."""

    reason: Sentence
    next_step: Sentence


class StatusFailed(OperationalEvent, name="status.failed", level=Level.WARNING):
    """`presence status` cannot be answered."""

    file: Name
    reason: Sentence
    next_step: Sentence


class TechnicianAsked(
    OperationalEvent,
    name="technician.asked",
    level=Level.INFO,
    audited=AuditRecord("technician.asked", ("what", "uid")),
):
    """Somebody on this machine asked for more than the status."""

    what: Word
    uid: Uid


class AuditFailed(OperationalEvent, name="audit.failed", level=Level.WARNING, alarm=Alarm.AUDIT):
    """The audit log cannot be written (once per outage), or its chain is broken."""

    reason: Sentence
    next_step: Sentence


class AuditRecovered(OperationalEvent, name="audit.recovered", level=Level.INFO):
    """The audit log can be written again, and what waited is in it."""


# ---------------------------------------------------------------- the consent list (plane A)


class ConsentApplied(
    OperationalEvent,
    name="consent.applied",
    level=Level.INFO,
    refresh="a.applied",
    audited=AuditRecord("list.applied", ("list", "seq", "entries", "digest")),
):
    """Another list is in force."""

    list: Name
    seq: Number
    entries: Count
    digest: AuditDigest = ""
    root_version: AuditNumber = 0
    """Of the signed root that is trusted (record `root.trusted`); 0: the list is not signed."""


class ConsentEntriesRefused(OperationalEvent, name="consent.entries_refused", level=Level.WARNING):
    """Entries were left out of the list in force; `presence replay` names each as `problem`."""

    list: Name | None = None
    refused: CountsByReason | None = None
    problems: Sentences | None = None
    problem: Sentence | None = None


class ConsentFetching(OperationalEvent, name="consent.fetching", level=Level.INFO):
    """Files of a long list that are here, of all that it takes; each half minute."""

    count: Count
    total: Count


class ConsentFreshness(OperationalEvent, name="consent.freshness", level=Level.INFO):
    """How far the list may be believed has changed; published is in `fresh` and `aging` only."""

    freshness: Freshness
    next_step: Sentence


class ConsentRefused(
    OperationalEvent,
    name="consent.refused",
    level=Level.WARNING,
    refresh="a.refused",
):
    """A poll for the list failed; the list in force stays, and its lease runs on."""

    reason: Sentence


class ConsentRolledBack(
    OperationalEvent,
    name="consent.rolled_back",
    level=Level.WARNING,
    alarm=Alarm.ROLLBACK,
    audited=AuditRecord("alarm.rollback", ("seq",)),
):
    """An older list than one that was here before was brought, and refused."""

    seq: Number
    next_step: Sentence


class ConsentGrew(
    OperationalEvent,
    name="consent.grew",
    level=Level.WARNING,
    alarm=Alarm.GROWTH,
    audited=AuditRecord("alarm.growth", ("seq", "entries")),
):
    """A list with far more entries and no approval of it was brought, and refused."""

    seq: Number
    entries: Count
    next_step: Sentence


class ConsentMemoryLost(
    OperationalEvent, name="consent.memory_lost", level=Level.WARNING, alarm=Alarm.MEMORY
):
    """What remembers how new the list was, was damaged or is gone, and was begun anew."""

    reason: Sentence


class ConsentFrozen(
    OperationalEvent,
    name="consent.frozen",
    level=Level.WARNING,
    alarm=Alarm.FROZEN,
    audited=AuditRecord("alarm.frozen", ("seq",)),
):
    """The consent service signed a newer list than its server gives us."""

    list: Name
    seq: Number
    reason: Sentence
    next_step: Sentence


class ConsentCaughtUp(OperationalEvent, name="consent.caught_up", level=Level.INFO):
    """The newest list is there after all."""

    list: Name
    seq: Number


# ---------------------------------------------------------------- revocations (plane B)


class RestrictionApplied(
    OperationalEvent,
    name="restriction.applied",
    level=Level.INFO,
    refresh=REVOKED,
):
    """A signed revocation took rights away."""

    list: Name
    seq: Number
    count: Count


class RestrictionLifted(OperationalEvent, name="restriction.lifted", level=Level.INFO):
    """What a stolen key alone took away was given back."""

    list: Name
    count: Count
    reason: Sentence


class RestrictionRefused(
    OperationalEvent,
    name="restriction.refused",
    level=Level.WARNING,
    refresh="b.refused",
):
    """A revocation or heartbeat had no effect; the 1st, 2nd, 4th, 8th … of its reason."""

    reason: Word
    count: Count
    next_step: Sentence


class NoticesKeysRefused(OperationalEvent, name="notices.keys_refused", level=Level.WARNING):
    """The list brought keys for revocations that cannot be read; the old ones stay."""

    reason: Sentence
    next_step: Sentence


# ---------------------------------------------------------------- broker, events and peers


class BrokerConnected(OperationalEvent, name="broker.connected", level=Level.INFO):
    """The connection to the broker is up."""

    host: Name
    protocol: Word


class BrokerOldProtocol(OperationalEvent, name="broker.old_protocol", level=Level.WARNING):
    """It is up, without what only MQTT 5 gives."""

    lost: Sentence
    remedy: Sentence


class BrokerLost(OperationalEvent, name="broker.lost", level=Level.WARNING):
    """The connection to the broker ended, while no message of ours waited for an answer."""

    reason: Sentence
    reason_code: Number | None = None
    remedy: Sentence | None = None
    next_attempt_s: Seconds | None = None


class BrokerUnreachable(OperationalEvent, name="broker.unreachable", level=Level.WARNING):
    """An attempt at a connection failed, and no broker answered it."""

    reason: Sentence
    remedy: Sentence
    next_attempt_s: Seconds


class BrokerRefused(OperationalEvent, name="broker.refused", level=Level.WARNING):
    """The broker refused a connection, a subscription or the state (`what`)."""

    what: Word
    topic: Name | None = None
    reason_code: Number
    reason: Sentence
    remedy: Sentence
    next_attempt_s: Seconds | None = None


class BrokerHungUp(OperationalEvent, name="broker.hung_up", level=Level.WARNING):
    """Connections ended while a message waited for its answer; by the hour, from five on."""

    reason: Sentence
    count: Count
    remedy: Sentence


class BrokerDuplicate(
    OperationalEvent, name="broker.duplicate", level=Level.WARNING, alarm=Alarm.DUPLICATE
):
    """Somebody else connects under the name of this gateway."""

    reason: Sentence
    remedy: Sentence


class BrokerHandlerFailed(OperationalEvent, name="broker.handler_failed", level=Level.WARNING):
    """A message made our own code fail; the 1st, 2nd, 4th, 8th … of its topic."""

    topic: Name
    error: Word
    count: Count


class EventRefused(OperationalEvent, name="event.refused", level=Level.WARNING):
    """The broker refused events; by the hour, from five people on, rounded."""

    code: Number
    count: Count
    next_step: Sentence


class EventsUnheard(OperationalEvent, name="events.unheard", level=Level.WARNING):
    """Nobody was subscribed to events; by the hour, from five people on, rounded."""

    count: Count
    next_step: Sentence


class PeersIgnored(OperationalEvent, name="peers.ignored", level=Level.WARNING):
    """A peer message was not believed; the 1st, 2nd, 4th, 8th … of its reason."""

    reason: Word
    count: Count
    next_step: Sentence


class PeersUnheard(OperationalEvent, name="peers.unheard", level=Level.WARNING):
    """The broker does not take our peer messages; by the hour, from five on, rounded."""

    reason_code: Number
    count: Count
    next_step: Sentence


class CounterRefused(OperationalEvent, name="counter.refused", level=Level.WARNING):
    """Messages of the people counter had no effect; by the hour, from five on, rounded."""

    reason: Word
    count: Count
    next_step: Sentence


# ---------------------------------------------------------------- radio and doorbell


class RadioScanning(OperationalEvent, name="radio.scanning", level=Level.INFO):
    """A scan has begun: `path` is how it is heard (`radio.path`), `hci` its adapter's name today;
    `reason`: why not as wished for.
    """

    adapter: Name
    mode: Word
    path: Word
    hci: Name | None = None
    reason: Sentence | None = None


class RadioPathRefused(OperationalEvent, name="radio.path_refused", level=Level.WARNING):
    """Not past D-Bus, as `radio.path` wants it, but by BlueZ. Once for each reason, until it is."""

    adapter: Name
    reason: Sentence
    next_step: Sentence


class RadioResting(OperationalEvent, name="radio.resting", level=Level.INFO):
    """The shop is closed, or a satellite is not asked: nothing is scanned."""

    adapter: Name
    mode: Word
    reason: Sentence


class RadioFailed(OperationalEvent, name="radio.failed", level=Level.WARNING):
    """No scan runs. Once for each kind of fault, until a scan runs again."""

    adapter: Name
    mode: Word
    reason: Sentence
    next_step: Sentence


class RadioRecovering(OperationalEvent, name="radio.recovering", level=Level.WARNING):
    """A step of recovery (`what`) is taken."""

    adapter: Name
    what: Word
    reason: Sentence
    attempt: Number
    next_attempt_s: Seconds | None = None


class RadioDeclined(OperationalEvent, name="radio.declined", level=Level.WARNING):
    """A step of recovery, or a probe, cannot be taken here."""

    adapter: Name
    what: Word
    reason: Sentence


class RadioRecovered(OperationalEvent, name="radio.recovered", level=Level.INFO):
    """A radio that was deaf hears again."""

    adapter: Name
    seconds: Seconds


class RadioSpent(OperationalEvent, name="radio.spent", level=Level.WARNING):
    """All recovery steps of a day are used up: a person must come."""

    adapter: Name
    reason: Sentence
    next_step: Sentence


class SatelliteAsked(OperationalEvent, name="satellite.asked", level=Level.INFO):
    """On a satellite: its gateway asks, so it listens."""

    satellite: Name


class SatelliteUnasked(OperationalEvent, name="satellite.unasked", level=Level.INFO):
    """On a satellite: no nonce for fifteen seconds, so it neither listens nor speaks."""

    satellite: Name
    next_step: Sentence


class SatelliteHeard(OperationalEvent, name="satellite.heard", level=Level.INFO):
    """A satellite is heard, for the first time or again."""

    satellite: Name
    place: Word


class SatelliteLost(OperationalEvent, name="satellite.lost", level=Level.WARNING):
    """Nothing came from a satellite for ten seconds. Once per outage."""

    satellite: Name
    place: Word
    next_step: Sentence


class SatelliteIgnored(OperationalEvent, name="satellite.ignored", level=Level.WARNING):
    """A message in a satellite's name was not taken; the 1st, 2nd, 4th, 8th … of its reason."""

    satellite: Name
    reason: Word
    count: Count
    next_step: Sentence


class IntakeOverflowed(OperationalEvent, name="intake.overflowed", level=Level.WARNING):
    """More advertisements came than could be looked at; each time the number has doubled."""

    dropped: Count


class DoorbellReady(OperationalEvent, name="doorbell.ready", level=Level.INFO):
    """The doorbell is on air."""

    adapter: Name


class DoorbellFailed(OperationalEvent, name="doorbell.failed", level=Level.WARNING):
    """The doorbell is off air. Once per outage."""

    adapter: Name
    reason: Sentence
    next_step: Sentence


CATALOGUE: Final[Mapping[str, type[OperationalEvent]]] = {
    event.name: event for event in OperationalEvent.__subclasses__()
}
"""Every event, by its name in the journal, in the order of this module."""
JOURNALLED: Final = frozenset(field for event in CATALOGUE.values() for field in event.journalled)
"""The fields that may stand in the journal."""


def as_markdown() -> str:
    """The table of docs/operations.md."""
    rows = ["| event | level | alarm | audit log | fields | when |", "|---|---|---|---|---|---|"]
    rows += [_row(event) for event in sorted(CATALOGUE.values(), key=lambda each: each.name)]
    return "\n".join(rows) + "\n"


def _row(event: type[OperationalEvent]) -> str:
    when = (event.__doc__ or "").splitlines()[0]
    cells = (
        f"`{event.name}`",
        event.level.name.lower(),
        event.alarm.value if event.alarm else "",
        f"`{event.audited.kind}`" if event.audited else "",
        ", ".join(f"`{field}`" for field in event.journalled),
        when,
    )
    return f"| {' | '.join(cells)} |"
