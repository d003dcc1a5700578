"""Which phones answered a challenge at the doorbell just now
(presence.core.recognition.challenge).
"""

from itertools import takewhile
from typing import Final

PROOF_S: Final = 120.0
"""So long after its answer a phone is thought to be the one that is heard; no event waits
longer.
"""


class Proofs:
    """ref → monotonic time of the last answer, oldest first."""

    def __init__(self) -> None:
        self._at_s: dict[bytes, float] = {}

    def __contains__(self, ref: bytes) -> bool:
        return ref in self._at_s

    def refs(self) -> set[bytes]:
        return set(self._at_s)

    def prove(self, ref: bytes, monotonic_s: float) -> None:
        """The phone answered a challenge of this gateway."""
        self._at_s.pop(ref, None)
        self._at_s[ref] = monotonic_s

    def holds(self, ref: bytes, monotonic_s: float) -> bool:
        at_s = self._at_s.get(ref)
        return at_s is not None and monotonic_s - at_s <= PROOF_S

    def forget(self, ref: bytes) -> None:
        self._at_s.pop(ref, None)

    def advance(self, monotonic_s: float) -> None:
        """Let go of those that hold no more."""
        for ref in tuple(takewhile(lambda ref: not self.holds(ref, monotonic_s), self._at_s)):
            del self._at_s[ref]
