"""Is a satellite's message new? A recording of one is worth nothing, whoever plays it, whenever.

    nonce      the gateway gives a new one every NONCE_S; the newest and the one before count.
               So a message proves that it was made after the nonce was given: no clock of the
               satellite, and nothing that a restart of the gateway would lose, is needed for that
    session    one start of a satellite; the newest counts, and one that was over stays over
    sent       milliseconds since the start: grows with each message of a session
    late       arrival − sent is, but for the way, the same for every message of a session: one
               that took LATE_S longer than the quickest was held up

1. The order is: nonce, session, sent, late. What is refused changes nothing.
2. A whole session that is held up evenly is not seen to be: the nonce bounds that to 2 × NONCE_S.
3. Sessions are remembered for as long as a message of them could still carry a nonce that counts.
"""

import math
from typing import Final

from presence.core.budget import Budget
from presence.core.recognition.satellite_message import SatelliteMessage, SatelliteRefusal

NONCE_S: Final = 5.0
LATE_S: Final = 2.0
DRIFT: Final = 200e-6
"""By so much two crystals may run apart: twice 100 ppm, more than any board's data sheet allows."""
MESSAGES_EACH_S: Final = 20.0
MESSAGES_AT_ONCE: Final = 40
"""A satellite collects for a quarter of a second; after a stall some come at once."""
MAX_SESSIONS: Final = 8
"""Starts within two nonces. One more, and the oldest is forgotten: only its key could use that."""


class SatelliteGuard:
    """What is known of one satellite's messages: numbers, and nothing of what was heard."""

    def __init__(self) -> None:
        self._nonces: tuple[bytes, ...] = ()
        self._session = b""
        self._over: dict[bytes, int] = {}
        """Sessions that another one followed → how many nonces ago."""
        self._sent_ms = -1
        self._quickest_s = math.inf
        """The least arrival − sent of this session, in the gateway's seconds."""
        self._heard_s = -math.inf
        self._budget = Budget(each_s=MESSAGES_EACH_S, at_once=MESSAGES_AT_ONCE)

    def give(self, nonce: bytes) -> None:
        """From now on this nonce counts, and the one before it still does."""
        self._nonces = (nonce, *self._nonces[:1])
        self._over = {session: age + 1 for session, age in self._over.items() if age < 2}

    def admit(self, heard: SatelliteMessage, now_s: float) -> SatelliteRefusal | None:
        """None: it is new, and taken note of; or why it is not taken. `now_s` is monotonic."""
        if heard.nonce not in self._nonces:
            return SatelliteRefusal.STALE
        if heard.session in self._over:
            return SatelliteRefusal.OVER
        begins = heard.session != self._session
        if not begins and heard.sent_ms <= self._sent_ms:
            return SatelliteRefusal.COPY
        way_s = now_s - heard.sent_ms / 1000
        # The quickest way fades, or a satellite whose crystal is slow would be late after hours.
        quickest_s = math.inf if begins else self._quickest_s + (now_s - self._heard_s) * DRIFT
        if way_s - quickest_s > LATE_S:
            return SatelliteRefusal.LATE
        if not self._budget.take(now_s):
            return SatelliteRefusal.FLOOD
        if begins:
            self._follow(heard.session)
        self._sent_ms, self._heard_s = heard.sent_ms, now_s
        self._quickest_s = min(quickest_s, way_s)
        return None

    def _follow(self, session: bytes) -> None:
        """Another session begins, and the one before is over."""
        if self._session:
            self._over[self._session] = 0
        if len(self._over) > MAX_SESSIONS:
            del self._over[next(iter(self._over))]
        self._session = session
