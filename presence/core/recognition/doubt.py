"""Why a sighting may be a replay (presence.core.recognition.replay_guard)."""

from enum import StrEnum
from typing import Final


class Doubt(StrEnum):
    """Why a sighting does not count; a closed set, for counting."""

    ADDRESSES = "addresses"
    """To and fro, too many, too soon one after another, or back to an older slot."""
    STRENGTHS = "strengths"
    RATE = "rate"
    PEER = "peer"
    """Another gateway of the store heard the signs."""
    OLD_TICK = "old_tick"
    """A recording; or the phone's clock is wrong."""
    FORGED_TICK = "forged_tick"
    NO_TICK = "no_tick"
    """From an app that sends ticks."""
    CROWDED = "crowded"
    """More subjects than are remembered."""


SUSPECT: Final = frozenset({Doubt.ADDRESSES, Doubt.STRENGTHS, Doubt.RATE, Doubt.PEER})
"""Neither of two is believed, so what was heard before is not either; the other doubts are of one
frame.
"""
