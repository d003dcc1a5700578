"""What an operator reads of the connection to the broker, and what is counted of it.

No line may follow a visit: connections that end while a message waits for its acknowledgement are
logged by the hour.
"""

from collections import Counter
from dataclasses import dataclass, field

from presence.config.settings import MqttProtocol, MqttSettings
from presence.core.operations.hourly import HourlyNews
from presence.core.timestamps import Moment
from presence.edges.mqtt.reasons import (
    HUNG_UP,
    LOST_WITH_311,
    NO_ANSWER,
    READ_LOG,
    SESSION_TAKEN_OVER,
    name,
    remedy,
    remedy_of_fault,
)
from presence.errors import ConfigurationError
from presence.language import Joined, Sentence
from presence.telemetry import (
    BrokerConnected,
    BrokerDuplicate,
    BrokerHandlerFailed,
    BrokerHungUp,
    BrokerLost,
    BrokerOldProtocol,
    BrokerRefused,
    BrokerUnreachable,
    Emit,
    is_due,
)


@dataclass(frozen=True, slots=True)
class Ending:
    """Why a connection is over."""

    detail: str
    reason_code: int | None = None
    """What the broker said in CONNACK or DISCONNECT."""
    fault: BaseException | None = None
    """What was raised in a step of paho's: OSError where the network failed, otherwise a fault of
    ours or paho's.
    """
    unanswered: bool = False
    """While a message of ours waited for its acknowledgement: the broker may not have liked it."""


@dataclass(slots=True)
class Dropped:
    """Messages from the broker that nobody was given (R-54)."""

    oversize: int = 0
    not_utf8: int = 0


@dataclass(slots=True)
class ConnectionCounters:
    """Since the start of the daemon."""

    connects: int = 0
    disconnects: int = 0
    """Connections that were open and are lost."""
    failed_attempts: int = 0
    published: int = 0
    refused: Counter[int] = field(default_factory=Counter)
    """By reason code: CONNACK, PUBACK and SUBACK."""
    refused_events: Counter[int] = field(default_factory=Counter)
    """Of those, the ones of events."""
    refused_words: Counter[int] = field(default_factory=Counter)
    """Of those, the ones of words to other gateways."""
    faults: int = 0
    """Exceptions in a callback or in paho, each of which ended a connection, and in handlers, which
    did not.
    """
    unknown_topic: int = 0
    dropped: Dropped = field(default_factory=Dropped)


class ConnectionReport:
    """Keeps `counters`, and says why there is no connection."""

    def __init__(self, counters: ConnectionCounters, emit: Emit) -> None:
        self.trouble: str | None = Sentence("not connected yet")
        """Why there is no connection, with the next step; None while there is one."""
        self._counters = counters
        self._emit = emit
        self._hung_up: HourlyNews[str] = HourlyNews()
        """Why connections ended on which a message waited."""
        self._quiet = False
        """The last connection ended so, and the next one is not told either."""
        self._handler_faults: Counter[str] = Counter()

    def advance(self, now: Moment) -> None:
        """Tell what is told by the hour."""
        for reason, count in self._hung_up.due(now).items():
            self._emit(BrokerHungUp(reason=reason, count=count, remedy=HUNG_UP))

    def connected(self, settings: MqttSettings, host: str) -> None:
        self.trouble = None
        if self._quiet:
            return
        self._emit(BrokerConnected(host=host, protocol=settings.protocol.value))
        if settings.protocol is not MqttProtocol.V5:
            self._emit(BrokerOldProtocol(lost=LOST_WITH_311, remedy='set mqtt.protocol: "5"'))

    def refused(self, what: str, code: int, topic: str) -> None:
        """A subscription or the state, which follow no visit."""
        self._counters.refused[code] += 1
        self._emit(
            BrokerRefused(
                what=what, topic=topic, reason_code=code, reason=name(code), remedy=remedy(code)
            )
        )

    def handler_failed(self, topic: str, error: Exception) -> None:
        self._counters.faults += 1
        self._handler_faults[topic] += 1
        count = self._handler_faults[topic]
        if is_due(count):
            self._emit(BrokerHandlerFailed(topic=topic, error=type(error).__name__, count=count))

    def ended(self, ending: Ending, *, was_up: bool, wait_s: float, contended: bool) -> None:
        """A connection, or an attempt at one, is over; the next one is tried in `wait_s`."""
        ours = ending.fault is not None and not isinstance(
            ending.fault, OSError | ConfigurationError
        )
        if was_up:
            self._counters.disconnects += 1
        else:
            self._counters.failed_attempts += 1
        self._counters.faults += ours
        if not was_up and ending.reason_code is not None:
            self._counters.refused[ending.reason_code] += 1
        event = _event_of(ending, was_up=was_up, wait_s=round(wait_s, 1), contended=contended)
        self.trouble = Joined(": ", (event.reason, event.remedy or READ_LOG))
        self._quiet = was_up and ending.unanswered and not contended and not ours
        if self._quiet:
            self._hung_up.note(event.reason)
            return
        self._emit(event)
        if contended:
            reason = (
                "the broker ends our connections as soon as they are made: somebody else "
                "uses our name"
            )
            self._emit(BrokerDuplicate(reason=reason, remedy=remedy(SESSION_TAKEN_OVER)))


def _event_of(
    ending: Ending, *, was_up: bool, wait_s: float, contended: bool
) -> BrokerLost | BrokerRefused | BrokerUnreachable:
    code = ending.reason_code
    reason = ending.detail if code is None else name(code)
    what_to_do = _remedy_of(ending, was_up=was_up, contended=contended)
    if was_up:
        return BrokerLost(reason=reason, reason_code=code, remedy=what_to_do, next_attempt_s=wait_s)
    if code is None:
        return BrokerUnreachable(reason=reason, remedy=what_to_do, next_attempt_s=wait_s)
    return BrokerRefused(
        what="connection",
        reason_code=code,
        reason=reason,
        remedy=what_to_do,
        next_attempt_s=wait_s,
    )


def _remedy_of(ending: Ending, *, was_up: bool, contended: bool) -> Sentence:
    match ending:
        case Ending(reason_code=int(code)):
            return remedy(code, connecting=not was_up)
        case Ending(fault=ConfigurationError()):
            return Sentence("mend the configuration; the file is read again at the next attempt")
        case Ending(fault=BaseException() as fault):
            return remedy_of_fault(fault)
        case _ if was_up:
            taken_over = Sentence("perhaps {remedy}", remedy=remedy(SESSION_TAKEN_OVER))
            return taken_over if contended else READ_LOG
        case _:
            return NO_ANSWER
