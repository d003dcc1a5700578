"""What the engine offered, as heard on its topic; kept until the run ends, for an offer may come
late.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class OfferHeard:
    """One message on the topic of offers that answers one of our events."""

    event_id: str
    cancelled: bool
    retained: bool
    body: dict[str, Any] = field(repr=False)


class OfferEar:
    """Takes messages in the event loop (`hear`); what answers nobody's event of `source` is not
    ours.
    """

    def __init__(self, source: str) -> None:
        self.all: list[OfferHeard] = []
        self._source = source
        self._news = asyncio.Event()

    def hear(self, _topic: str, payload: bytes, retained: bool) -> None:
        try:
            body = json.loads(payload)
            answers = body["in_answer_to"]
            if answers["source"] != self._source:
                return
            name = str(answers["id"])
        except (ValueError, KeyError, TypeError, RecursionError):
            return  # another shop's, or it names no event; then it is missed where it is due
        self.all.append(OfferHeard(name, body.get("cancelled") is True, retained, body))
        self._news.set()

    def of(self, event_id: str) -> list[OfferHeard]:
        """Not those that the broker had retained: they are told as such, once."""
        return [each for each in self.all if each.event_id == event_id and not each.retained]

    async def until(self, condition: Callable[[], bool], within_s: float) -> bool:
        try:
            async with asyncio.timeout(within_s):
                while not condition():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            return condition()
        return True
