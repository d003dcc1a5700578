"""What a people counter at the door tells: in which second how many crossed, and which way.

    counter ──{"t":1795442707,"in":1,"out":0}──► Crossings ◄── at which second was the door's peak?
                                                     └───────► did anybody cross? yes, no, unknown

A counter knows nobody, and decides nothing: it checks the figures of the entry decision
(docs/entry-figures.md#a-people-counter).

1. Nothing but the three whole numbers is accepted: what could be about a person is refused with the
   message that carries it.
2. An entry is judged only where the counter is known to have lived through that second: its
   messages came before and after it, without a gap over GAP_S. A dead counter contradicts nobody.
3. Kept are seconds, for KEEP_S, and no entry's subject.
"""

from collections import deque
from enum import StrEnum
from typing import Final, NamedTuple

from presence.core.encoding import strict_json

PAYLOAD_MAX: Final = 128
PEOPLE_MAX: Final = 99
"""More do not go through a door in a second."""
SKEW_S: Final = 10
"""What the counter's clock may differ, and what the way to us may take."""
GAP_S: Final = 90.0
"""A counter tells `in` 0 and `out` 0 at least once a minute; half a minute is spare."""
KEEP_S: Final = 600.0
ALIVE_S: Final = 600.0
"""So long without a gap, and it is alive. One customer cannot make a counter look so that tells
crossings only, against its contract: their visit would show (R-23).
"""
PATIENCE_S: Final = GAP_S + SKEW_S
ASKED_MAX: Final = 1024
"""Entries that wait to be judged; the oldest go first, unjudged."""


class Crossing(NamedTuple):
    """One message of a counter."""

    at_s: int
    """The second, by UTC."""
    inward: int
    outward: int


class CounterRefusal(StrEnum):
    """Why a message of the counter has no effect."""

    MALFORMED = "malformed"
    UNTIMELY = "untimely"
    COPY = "copy"
    """Not newer than the one before."""
    RETAINED = "retained"


class CrossingVerdicts(NamedTuple):
    """Entries that were judged, and those of them at whose second nobody crossed inward."""

    judged: int
    contradicted: int


def topic_of_counter(chain: str, store: str, door: str) -> str:
    return f"presence/v1/{chain}/{store}/counter/{door}"


def decode_crossing(payload: bytes) -> Crossing | None:
    """None where it is anything but the object of three whole numbers."""
    if len(payload) > PAYLOAD_MAX:
        return None
    try:
        value = strict_json(payload)
    except ValueError:  # no UTF-8 is a ValueError too
        return None
    if not isinstance(value, dict) or value.keys() != {"t", "in", "out"}:
        return None
    at_s, inward, outward = value["t"], value["in"], value["out"]
    # Not isinstance: True is an int.
    if not type(at_s) is type(inward) is type(outward) is int:
        return None
    if not (0 <= at_s < 1 << 40 and 0 <= inward <= PEOPLE_MAX and 0 <= outward <= PEOPLE_MAX):
        return None
    return Crossing(at_s, inward, outward)


class Crossings:
    """The last minutes of one counter, and the entries that it is asked about."""

    def __init__(self, *, window_s: float, faces_out: bool = False) -> None:
        """`window_s`: how far a crossing may lie from the door's peak. `faces_out`: the device
        calls `in` what is out.
        """
        self._window_s = window_s
        self._faces_out = faces_out
        self._forget()

    def _forget(self) -> None:
        self._inward: deque[int] = deque()
        self._asked: deque[float] = deque(maxlen=ASKED_MAX)
        self._last_s: int | None = None
        self._unbroken_since_s = 0

    def receive(
        self, payload: bytes, now_s: float, *, retained: bool = False
    ) -> Crossing | CounterRefusal:
        """Take in a message at this UTC second."""
        if retained:  # it is as old as it likes, and was told before
            return CounterRefusal.RETAINED
        crossing = decode_crossing(payload)
        if crossing is None:
            return CounterRefusal.MALFORMED
        if abs(crossing.at_s - now_s) > SKEW_S:
            return CounterRefusal.UNTIMELY
        if self._last_s is not None and self._last_s > now_s + SKEW_S:
            self._forget()  # our clock was set back: the seconds of before are of another time
        if self._last_s is not None and crossing.at_s <= self._last_s:
            return CounterRefusal.COPY
        if self._faces_out:
            crossing = Crossing(crossing.at_s, crossing.outward, crossing.inward)
        if self._last_s is None or crossing.at_s - self._last_s > GAP_S:
            self._unbroken_since_s = crossing.at_s
        self._last_s = crossing.at_s
        if crossing.inward:
            self._inward.append(crossing.at_s)
        while self._inward and self._inward[0] < crossing.at_s - KEEP_S:
            self._inward.popleft()
        return crossing

    def ask(self, crossed_s: float, now_s: float) -> None:
        """Somebody entered, and came through the door at this UTC second."""
        if now_s - KEEP_S + PATIENCE_S + self._window_s <= crossed_s <= now_s:
            self._asked.append(crossed_s)

    def judge(self, now_s: float) -> CrossingVerdicts:
        """The entries about which the counter has spoken since; each is judged once, or dropped."""
        judged = contradicted = 0
        waiting = [*self._asked]
        self._asked.clear()
        for at_s in waiting:
            if self._last_s is None or self._last_s < at_s + self._window_s:
                if at_s <= now_s <= at_s + self._window_s + PATIENCE_S:
                    self._asked.append(at_s)
            elif self._unbroken_since_s <= at_s - self._window_s:  # rule 2
                judged += 1
                contradicted += not self._crossed_about(at_s)
        return CrossingVerdicts(judged, contradicted)

    def is_alive(self, now_s: float) -> bool:
        """Whether it speaks, and has for ALIVE_S."""
        if self._last_s is None or abs(now_s - self._last_s) > PATIENCE_S:
            return False
        return self._last_s - self._unbroken_since_s >= ALIVE_S

    def _crossed_about(self, at_s: float) -> bool:
        # A second is told without its fraction: it began up to one before.
        earliest_s, latest_s = at_s - self._window_s - 1, at_s + self._window_s
        return any(earliest_s <= second <= latest_s for second in self._inward)
