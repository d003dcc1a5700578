"""Strengths that swing to and fro, and packets that come too fast: what tells two phones under one
address, at one antenna.
"""

from typing import Final

from presence.core.recognition.doubt import Doubt

SWING_DB: Final = 16
FORGOTTEN_DB_PER_S: Final = 5.0
MAX_SWINGS_DB: Final = 64.0
"""A *swing* is two steps to and fro between successive packets of a phone at one antenna, each of
SWING_DB or more; the smaller of the two counts. Fading of 3.9 dB makes one now and then, by a deep
fade; body and shadowing are slower. In the simulated shop 1 of 24,000 visits and antennas reaches
the limit (docs/replay.md); two phones 25 dB apart do, one of them heard once a second, in four
seconds.
"""
TOGETHER_S: Final = 1.2
"""Steps between packets further apart say nothing. Android's low power is one packet a second."""
BURST: Final = 64
MIN_BURST_S: Final = 5.4
"""At one antenna so many packets take a phone 6.4 s: Android's low latency is one in 100 ms, and no
app may ask for more. One second is for a stall of ours, after which what waited has one time.
"""


class Swings:
    """What one antenna heard of one subject last."""

    __slots__ = (
        "burst_since_s",
        "heard_s",
        "packets",
        "rssi_dbm",
        "swings_db",
        "swung_s",
        "wide_db",
        "wide_packet",
    )

    def __init__(self, rssi_dbm: int, now_s: float) -> None:
        self.rssi_dbm = rssi_dbm
        self.heard_s = now_s
        self.swings_db = 0.0
        self.swung_s = now_s
        self.wide_db = 0
        self.wide_packet = -2
        """The last wide step, and which packet of the burst made it."""
        self.packets = 0
        self.burst_since_s = now_s

    def judge(self, step_db: int, now_s: float) -> Doubt | None:
        """A sign, if any; asked where the step is wide or a burst is full."""
        why: Doubt | None = None
        follows = self.packets == self.wide_packet + 1
        if self.packets == BURST:
            if 0 <= now_s - self.burst_since_s < MIN_BURST_S:
                why = Doubt.RATE
            self.packets, self.burst_since_s = 0, now_s
        if abs(step_db) < SWING_DB or not 0 <= now_s - self.heard_s <= TOGETHER_S:
            return why
        if not follows or step_db * self.wide_db > 0:
            self.wide_db, self.wide_packet = step_db, self.packets
            return why
        self.wide_packet = -2  # a swing uses up both steps
        left_db = max(0.0, self.swings_db - FORGOTTEN_DB_PER_S * (now_s - self.swung_s))
        self.swings_db, self.swung_s = left_db + min(abs(step_db), abs(self.wide_db)), now_s
        if self.swings_db < MAX_SWINGS_DB:
            return why
        self.swings_db = 0.0  # anew: what goes on is noticed again
        return Doubt.STRENGTHS
