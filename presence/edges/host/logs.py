"""structlog to the journal, through a list of what may be said.

An allow-list, not a block-list: a key that is no field of an operational event is dropped, and
inside allowed values whatever looks like an address, a UUID, a key or an identifier is cut out,
but for the addresses of our own adapters.
bleak, dbus-fast and paho go through the same chain. No exception is printed with its locals, and
its text passes the same scissors (R-03, R-65).
"""

import logging
import re
import sqlite3
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from presence.config.settings import LogFormat
from presence.errors import PresenceError, leaves, type_and_place
from presence.telemetry import JOURNALLED, GatewayFailed, OperationalEvent

ALLOWED_KEYS: Final = JOURNALLED | {"event", "level", "timestamp", "exception"}
"""The fields of operational events, and what each line has. A field is added to its event's class,
and only if no value of it can ever be about a customer or a passer-by (presence.telemetry).
"""

DROPPED: Final = "<dropped>"
_SECRETS: Final = re.compile(
    r"(?:[0-9A-Fa-f]{2}[:_-]){5,}[0-9A-Fa-f]{2}"  # an address, as printed or in a D-Bus path
    r"|(?<!\w)(?:[0-9A-Fa-f]{2} ){5,}[0-9A-Fa-f]{2}(?!\w)"  # bytes with blanks
    r"|(?:[0-9A-Fa-f]{4}\.){2}[0-9A-Fa-f]{4}"  # an address as switches print it
    r"|[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}"  # a UUID
    r"|(?<![0-9A-Za-z])(?:0x)?(?=[0-9A-Fa-f]*\d)[0-9A-Fa-f]{12,}(?![0-9A-Za-z])"  # hexadecimal
    r"|(?<![\w/.-])(?=[a-z]*\d)[a-z2-7]{26}(?!\w)"  # the id of an event
    # base64 with padding
    r"|(?<![\w/.-])(?=[\w+/-]*\d)(?=[\w+/-]*[A-Z])(?=[\w+/-]*[a-z])[\w+/-]{11,}={1,2}"
    r"|(?<![\w/.-])(?=[\w+-]*\d)(?=[\w+-]*[A-Z])(?=[\w+-]*[a-z])[\w+-]{11,}"  # base64 without
    r"|\\x[0-9A-Fa-f]{2}.*"  # bytes, as Python prints them
)


_BEFORE_A_QUOTATION: Final = re.compile(r"[<({\[:'\"\n]")


_own: set[str] = set()
"""In capitals."""


def vouch_for(address: str) -> None:
    """This is an adapter of this machine, as its settings name it or bluetoothd knows it: it is no
    person's, and operators tell antennas apart by it. From now on it may be said.
    """
    _own.add(address.upper())


def scrub(text: str) -> str:
    """The text without anything that could name somebody."""
    return _SECRETS.sub(lambda found: found[0] if found[0].upper() in _own else DROPPED, text)


def cleaned(value: object) -> object:
    """The value, however deep, with every text in it scrubbed; what is no plain value is dropped.
    Numbers stay.
    """
    if isinstance(value, str):
        return scrub(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {scrub(str(key)): cleaned(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [cleaned(item) for item in value]
    return DROPPED


def keep_allowed(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    """The last processor before the renderer."""
    return {key: cleaned(value) for key, value in event.items() if key in ALLOWED_KEYS}


def summarise_exception(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    """An exception as its type and the place it came from: no source lines, no locals; its text
    where we know of whom.

    Python puts values into its texts (a KeyError its key, a decoder its bytes, asyncio a callback's
    arguments), and a device's name looks like any word. So another's message that comes with an
    exception ends before it quotes.
    """
    info: Any = event.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()
    error = info[1] if isinstance(info, tuple) else info
    if isinstance(error, BaseException):
        event["exception"] = f"{type_and_place(error)}{_known_text(error)}"
        if "_record" in event and not event.get("_from_structlog"):
            event["event"] = _BEFORE_A_QUOTATION.split(str(event.get("event")), maxsplit=1)[
                0
            ].strip()[:80]
    return event


def _known_text(error: BaseException) -> str:
    if isinstance(error, OSError):
        return f": {error.strerror}" if error.strerror else ""
    return f": {str(error)[:200]}" if isinstance(error, PresenceError | sqlite3.Error) else ""


class _Handler(logging.StreamHandler[TextIO]):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - as in logging
        """A message that cannot be formatted is told without its arguments; Python would print them
        (R-65).
        """
        with suppress(
            OSError, ValueError
        ):  # the stream itself is gone or closed: nobody is left to be told
            self.stream.write(f"a log line of {scrub(record.name)} could not be written\n")


def configure(*, level: str, style: LogFormat, stream: TextIO) -> None:
    """Send everything that is logged in this process through the chain, to `stream`."""
    chain: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.PositionalArgumentsFormatter(),
        summarise_exception,
    ]
    human = style is LogFormat.HUMAN or (style is LogFormat.AUTO and stream.isatty())
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(colors=stream.isatty(), sort_keys=False)
        if human
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    structlog.configure(
        processors=[*chain, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = _Handler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=chain,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                keep_allowed,
                renderer,
            ],
        )
    )
    logging.raiseExceptions = False  # other libraries' handlers, too, are not to print arguments
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("presence").setLevel(level.upper())


def log_uncaught() -> None:
    """What nobody caught ends the process in our own words: Python's would print a KeyError with
    its key (R-65).
    """
    sys.excepthook = _uncaught
    threading.excepthook = lambda failed: _uncaught(
        failed.exc_type, failed.exc_value, failed.exc_traceback
    )
    sys.unraisablehook = lambda failed: _uncaught(
        failed.exc_type, failed.exc_value, failed.exc_traceback
    )


def _uncaught(
    _kind: type[BaseException], error: BaseException | None, _trace: TracebackType | None
) -> None:
    for each in () if error is None else leaves(BaseExceptionGroup("uncaught", [error])):
        event = GatewayFailed()
        structlog.stdlib.get_logger("presence").log(event.level, event.name, exc_info=each)


def write(event: OperationalEvent) -> None:
    """Log one operational event."""
    structlog.stdlib.get_logger("presence").log(event.level, event.name, **event.fields())
