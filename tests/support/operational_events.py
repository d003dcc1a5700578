"""Ready-made operational events: a test names only the fields that it is about."""

import inspect
from typing import Any, Final

from presence.core.consent.freshness import Freshness
from presence.telemetry import (
    AuditDigest,
    AuditNumber,
    Count,
    CountsByReason,
    Name,
    Number,
    Seconds,
    Sentence,
    Sentences,
    Uid,
    Word,
)
from tests.support.fakes import E

VALUES: Final[tuple[tuple[Any, object], ...]] = (
    (Sentence, "a reason"),
    (Sentences, ("a reason",)),
    (Word, "visits"),
    (Name, "acme/fi-0042"),
    (Count, 5),
    (CountsByReason, {"na missing": 1}),
    (Number, 7),
    (Seconds, 3.0),
    (Uid, 1000),
    (Freshness, Freshness.FRESH),
    (AuditDigest, "ab" * 32),
    (AuditNumber, 1),
)


def some(kind: type[E], **fields: object) -> E:
    """An event of this class; fields that must be given and are not have any value."""
    values = {
        name: value
        for name, annotation in inspect.get_annotations(kind).items()
        for listed, value in VALUES
        if annotation == listed and not hasattr(kind, name)
    }
    make: Any = kind
    event: E = make(**{**values, **fields})
    return event
