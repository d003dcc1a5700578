"""What a case can do: tell events, wait for answers, cut connections; and what it expects of each
event.
"""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from presence.conformance.customers import KitCustomer
from presence.conformance.ear import OfferEar, OfferHeard
from presence.conformance.link import KitLink
from presence.conformance.rules import Rule
from presence.conformance.shop import ORDINARY, PlayedVisit, Shop, Told
from presence.conformance.wire import Wire
from presence.diagnosis.findings import Verdict
from presence.errors import PresenceError

MARGIN_S: Final = 0.2
"""After an event was answered: how much later an answer to an earlier one may still come. An engine
may work on several events at once.
"""


class NotTestable(PresenceError):
    """The engine cannot be tested so; the message says what to look at."""


class EngineSilent(Exception):
    """An ordinary event was not answered: what silence before it means cannot be told."""


class NotPlayed(Exception):
    """This case cannot be played; the message says what it needs."""


class Wanted(Enum):
    ANSWER = auto()
    """One offer."""
    SILENCE = auto()
    CANCELLED = auto()
    """One offer, and then its cancellation."""


@dataclass(frozen=True, slots=True)
class Breach:
    verdict: Verdict
    rule: Rule
    found: str


@dataclass(frozen=True, slots=True)
class Expected:
    """What ought to be heard of one event."""

    told: Told
    wanted: Wanted
    what: str
    """The event, as the subject of a sentence."""
    rule: Rule
    otherwise: Verdict = Verdict.FAIL

    def breach(self, heard: list[OfferHeard]) -> Breach | None:
        found = self._found(heard)
        return Breach(self.otherwise, self.rule, f"{self.what} {found}") if found else None

    def _found(self, heard: list[OfferHeard]) -> str:
        offers = [each for each in heard if not each.cancelled]
        if self.wanted is Wanted.SILENCE:
            return f"was answered ({_times(len(offers))})" if offers else ""
        if len(offers) != 1:
            return f"was answered {_times(len(offers))}" if offers else "was not answered"
        if self.wanted is Wanted.ANSWER:
            return ""
        if not any(each.cancelled for each in heard):
            return "was answered, and not cancelled when it was withdrawn"
        return "" if heard[-1].cancelled else "was cancelled, and answered after that"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


@dataclass
class Stage:
    """All that the cases of one run share."""

    shop: Shop
    link: KitLink
    ear: OfferEar
    customers: Iterator[KitCustomer]
    patience_s: float
    wire: Wire | None = None
    quiet: bool = False
    latency_s: float = 0.0
    """What the first answer took, from PUBLISH to the offer."""
    told: dict[str, Told] = field(default_factory=dict)
    """By id, as it was told first."""

    async def answered(self, told: Told, within_s: float | None = None) -> bool:
        return await self.ear.until(
            lambda: bool(self.ear.of(told.id)), self.patience_s if within_s is None else within_s
        )

    def next_key(self) -> bytes:
        customer = next(self.customers, None)
        if customer is None:
            raise NotTestable("the customers of this run are used up: this is a fault of the kit")
        return customer.pairwise_key


@dataclass
class CasePlay:
    """One case at work: what it told, and what it expects."""

    stage: Stage
    rule: Rule
    expected: list[Expected] = field(default_factory=list)

    def entered(self, how: PlayedVisit = ORDINARY) -> Told:
        """A visit of a customer who was not played yet."""
        return self.stage.shop.entered(self.stage.next_key(), self.now_s(), how)

    def expect(
        self,
        wanted: Wanted,
        told: Told,
        what: str,
        *,
        rule: Rule | None = None,
        otherwise: Verdict = Verdict.FAIL,
    ) -> None:
        self.expected.append(Expected(told, wanted, what, rule or self.rule, otherwise))

    async def send(self, *told: Told) -> bool:
        """Whether somebody may be subscribed to the last of them."""
        heard = True
        for each in told:
            self.stage.told.setdefault(each.id, each)
            heard = await self.stage.link.send(each)
        return heard

    async def answer(self, told: Told, what: str, *, otherwise: Verdict = Verdict.FAIL) -> None:
        """Tell it, and wait for the offer that is expected."""
        self.expect(Wanted.ANSWER, told, what, otherwise=otherwise)
        await self.send(told)
        await self.stage.answered(told)

    async def silence(self, told: Told, what: str, *, otherwise: Verdict = Verdict.FAIL) -> bool:
        """Tell it; nothing is expected. Whether it was dealt with: `proven`."""
        self.expect(Wanted.SILENCE, told, what, otherwise=otherwise)
        return await self.send(told)

    async def proven(self) -> None:
        """Silence becomes an answer: an ordinary event that was told after all others is answered.
        Raises EngineSilent.
        """
        probe = self.entered()
        await self.send(probe)
        if not await self.stage.answered(probe):
            raise EngineSilent
        await asyncio.sleep(max(MARGIN_S, min(3 * self.stage.latency_s, self.stage.patience_s)))

    def now_s(self) -> float:
        return time.time()

    def breaches(self) -> list[Breach]:
        """Of all that was heard up to now, the worst first."""
        found = [each.breach(self.stage.ear.of(each.told.id)) for each in self.expected]
        return sorted(
            (each for each in found if each is not None), key=lambda b: b.verdict, reverse=True
        )
