"""What the register knows of customers, as values."""

from dataclasses import dataclass, field
from enum import StrEnum

from presence.consent_service.rights import Taken
from presence.core.consent.list_changes import Change
from presence.core.consent.model import Consent
from presence.errors import ConsentServiceError


class State(StrEnum):
    ACTIVE = "active"
    GONE = "gone"
    OBJECTED = "objected"


class AlreadyThere(ConsentServiceError):
    """A new entry has the ref or the key of another one."""


@dataclass(frozen=True, slots=True)
class Registered:
    """What is known of one ref."""

    version: int
    state: State
    consent: Consent | None = field(repr=False)
    identity_key: bytes = field(repr=False)
    id: str = field(repr=False)
    decided_s: float
    notice: str
    """The version of the privacy notice that was shown; empty where nobody said it."""


@dataclass(frozen=True, slots=True)
class AtHand:
    """What is registered of some customers, asked for in one go within a transaction."""

    entries: dict[bytes, Registered] = field(repr=False)
    taken: dict[bytes, dict[str, Taken]] = field(repr=False)
    owners: dict[bytes, bytes] = field(repr=False)
    """Of identity keys: the ref of the agreement that has it."""


@dataclass(frozen=True, slots=True)
class Changed:
    """One entry that a list changed."""

    seq: int
    change: Change
    identity_key: bytes = field(repr=False)
    """Empty where it was taken out."""
