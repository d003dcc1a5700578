"""Hears the people counter at the door, where there is one; it checks figures, and decides nothing
(docs/entry-figures.md#a-people-counter).

The broker's access list says who may speak on its topic. What is refused is counted, and told by
the hour: a message may follow somebody who crossed (R-23).
"""

from collections import Counter
from typing import Final

from presence.core.operations.hourly import HourlyNews
from presence.core.timestamps import Moment
from presence.core.visit.crossings import CounterRefusal
from presence.core.visit.entry_figures import EntryFigures
from presence.gateway.revocation_listener import Link
from presence.ports import Clock
from presence.telemetry import CounterRefused, Emit

NEXT_STEP: Final = {
    CounterRefusal.MALFORMED: (
        'let the counter send {"t":…,"in":…,"out":…} and nothing else, and nobody but it write to '
        "its topic (the broker's access list)"
    ),
    CounterRefusal.UNTIMELY: "synchronise the clocks of the counter and of this gateway",
    CounterRefusal.COPY: "let the counter send one message for a second, and each once",
    CounterRefusal.RETAINED: "let the counter not retain its messages",
}


class DoorCounter:
    """Takes the counter's messages to the figures."""

    def __init__(self, topic: str, figures: EntryFigures, clock: Clock, *, emit: Emit) -> None:
        self.refused: Counter[CounterRefusal] = Counter()
        self._topic = topic
        self._figures = figures
        self._clock = clock
        self._emit = emit
        self._news: HourlyNews[CounterRefusal] = HourlyNews()

    async def listen(self, link: Link) -> None:
        """From now on, through all reconnections."""
        await link.subscribe(self._topic, self.hear)

    def hear(self, _topic: str, payload: bytes, retained: bool) -> None:
        taken = self._figures.cross(payload, self._clock.now(), retained=retained)
        if isinstance(taken, CounterRefusal):
            self.refused[taken] += 1
            self._news.note(taken)

    def advance(self, now: Moment) -> None:
        """Tell what is told by the hour."""
        for why, count in self._news.due(now).items():
            self._emit(CounterRefused(reason=why.value, count=count, next_step=NEXT_STEP[why]))
