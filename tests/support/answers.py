"""Answers at the bell, ready-made."""

from presence.core.recognition.challenge import (
    Answer,
    ChallengeRegistry,
    DoorbellReading,
    RejectReason,
    make_answer,
)
from presence.core.recognition.identifiers import slot_at
from presence.core.site import Site
from presence.core.timestamps import Moment
from presence.simulation.identity_keys import window_key
from scripts.stores.customers import identity_key
from tests.support.builders import ANNA, SITE, moment

INSIDE = tuple(DoorbellReading(8.0 - second, -60) for second in range(9))
"""Heard once a second for eight seconds, as near as a customer in the shop: the walk-in of
tests.support.builders.
"""


def answered(
    *,
    ref: bytes = ANNA,
    at: Moment | None = None,
    series: tuple[DoorbellReading, ...] = INSIDE,
    site: Site = SITE,
    bell: int = 0,
    naming_bells: bool = False,
) -> Answer | RejectReason:
    """What a customer's phone writes to this bell at this time."""
    now = at or moment()
    challenges = ChallengeRegistry(bell)
    challenge = challenges.challenge("phone", bytes(range(16)), now)
    key, slot = window_key(identity_key(ref), now.utc_s), slot_at(now.utc_s)
    written = make_answer(challenge, series, key, site, slot, naming_bells=naming_bells)
    return challenges.answer("phone", written, now)
