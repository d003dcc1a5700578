"""What a customer agreed to: purposes, categories, places and times; nothing that names a
person.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final


class Purpose(StrEnum):
    """The closed list of purposes, version 1 (docs/design.md#purposes)."""

    PRESENCE = "presence"
    OFFERS = "offers"
    SERVICE = "service"
    VISIT_END = "visit_end"
    PROFILING = "profiling"
    MEASUREMENT = "measurement"


class Flag(StrEnum):
    EXPLICIT = "explicit"
    """The customer agreed explicitly to being recognised in sensitive stores."""
    NO_PROFILING = "no_profiling"
    """A minor: no categories, only subjects that change daily (R-14)."""
    TEST = "test"
    """A technician's phone: heard by the audience `test` only."""
    TICKS = "ticks"
    """The app on this phone always sends ticks (presence.core.recognition.ticks): a frame without
    one is a recording.
    """


TEST_AUDIENCE: Final = "test"


@dataclass(frozen=True, slots=True)
class Grant:
    """One category that the customer wants to hear about."""

    category: str
    not_before_s: float
    not_after_s: float
    explicit: bool = False

    def in_force(self, now_s: float) -> bool:
        return self.not_before_s <= now_s < self.not_after_s


@dataclass(frozen=True, slots=True)
class Scope:
    """Where the consent holds: in the named stores of this chain, or in all of them."""

    stores: frozenset[str]
    chain_wide: bool = False

    def covers(self, store: str) -> bool:
        return self.chain_wide or store in self.stores


@dataclass(frozen=True, slots=True)
class Consent:
    """One entry of the list: what one subject agreed to. Holds nothing that names a person.

    Invariant (held by `presence.core.consent.list_json`): `not_before_s < not_after_s`, and every
    grant lies within them.
    """

    ref: bytes = field(repr=False)
    """8 bytes that mean nothing to anyone but the consent service."""
    version: int
    purposes: frozenset[Purpose]
    not_before_s: float
    not_after_s: float
    scope: Scope
    grants: tuple[Grant, ...] = ()
    refused_categories: frozenset[str] = frozenset()
    pairwise_keys: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """Audience name → 16 bytes."""
    flags: frozenset[Flag] = frozenset()
    paused_until_s: float = 0.0
    """`math.inf` where the pause was unreadable: doubt is refusal."""
    objected: bool = False
    loudness_db: int = 0
    """How much louder this model of phone sends than the chain's reference phone: taken off what is
    heard of it (`presence.core.consent.entry_rules` has the steps).
    """

    @property
    def profiled(self) -> bool:
        """Whether an audience may know this customer again another day (R-22); no minor (R-14)."""
        return Purpose.PROFILING in self.purposes and Flag.NO_PROFILING not in self.flags


@dataclass(frozen=True, slots=True)
class Audience:
    """Somebody who may be told: an offer engine with its purpose and the campaigns it runs now."""

    name: str
    purpose: Purpose
    campaigns: frozenset[str]
