"""One run: the cases in their order, a verdict for each as it ends, and once more when all is over,
for an answer may come late.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from presence.config.settings import MqttSettings
from presence.conformance import rules
from presence.conformance.cases import CASES, Case
from presence.conformance.customers import KitCustomer, whose_turn
from presence.conformance.ear import OfferEar
from presence.conformance.form import faults_of_form
from presence.conformance.link import KitLink
from presence.conformance.rules import Rule
from presence.conformance.shop import Shop
from presence.conformance.stage import (
    Breach,
    CasePlay,
    EngineSilent,
    NotPlayed,
    NotTestable,
    Stage,
)
from presence.conformance.wire import Wire
from presence.diagnosis.findings import Verdict
from presence.errors import ungrouped

LAST_S: Final = 1.0
"""After the last case, for answers that come late."""
ENGINE_S: Final = 90.0
"""Until it is connected through our wire: an engine that found nobody there tries again later."""
ATTEMPTS: Final = 3
WORST: Final = 4
"""So many times the patience a case takes where the engine answers nothing."""


@dataclass(frozen=True, kw_only=True)
class RunPlan:
    """What is played, on which broker."""

    mqtt: MqttSettings
    shop: Shop
    customers: list[KitCustomer]
    names: tuple[str, ...] = ()
    """Of cases; all where none is named."""
    listen: tuple[str, int] | None = None
    quiet: bool = False
    """It is quiet hours for the engine now: then only they can be tested."""
    patience_s: float = 5.0

    def cases(self) -> tuple[Case, ...]:
        return tuple(
            case
            for case in CASES
            if case.in_quiet_hours is self.quiet and (not self.names or case.name in self.names)
        )

    def left_out(self) -> Iterator["NotJudged"]:
        for case in CASES:
            if case.in_quiet_hours is not self.quiet and case.name in (self.names or (case.name,)):
                yield NotJudged(
                    case.name,
                    "it is the engine's quiet hours: run the kit outside them"
                    if self.quiet
                    else "it needs --quiet HOURS, the engine's own, at an hour within them",
                )

    def usual_s(self) -> float:
        return sum(case.usual_s for case in self.cases()) + LAST_S

    def worst_s(self) -> float:
        return sum(case.usual_s + WORST * self.patience_s for case in self.cases())


@dataclass(frozen=True, slots=True)
class Judged:
    name: str
    verdict: Verdict
    rule: Rule
    found: str

    def as_dict(self) -> dict[str, str]:
        return {
            "name": self.name,
            "verdict": self.verdict.name,
            "rule": self.rule.name,
            "sentence": self.rule.sentence,
            "found": self.found,
        }


@dataclass(frozen=True, slots=True)
class NotJudged:
    name: str
    why: str


@dataclass(frozen=True, kw_only=True)
class RunOutcome:
    topic: str
    seconds: float
    cases: list[Judged]
    not_played: list[NotJudged] = field(default_factory=list)

    @property
    def verdict(self) -> Verdict:
        return max(judged.verdict for judged in self.cases)

    def as_dict(self) -> dict[str, Any]:
        return {
            "verdict": self.verdict.name,
            "topic": self.topic,
            "seconds": round(self.seconds, 1),
            "cases": [judged.as_dict() for judged in self.cases],
            "not_played": [asdict(each) for each in self.not_played],
        }


Say = Callable[[Judged | NotJudged | str], None]


async def play_all(plan: RunPlan, say: Say) -> RunOutcome:
    """Raises NotTestable, and BrokerError where the broker is away."""
    began_s = time.monotonic()
    ear = OfferEar(plan.shop.source)
    with ungrouped():
        async with contextlib.AsyncExitStack() as stack:
            wire = await wire_of(plan, stack)
            tasks = await stack.enter_async_context(asyncio.TaskGroup())
            link = KitLink(plan.mqtt, plan.shop, ear, tasks)
            await link.open()
            stack.push_async_callback(link.close)
            turn = whose_turn(plan.customers, time.time())
            stage = Stage(plan.shop, link, ear, iter(turn), plan.patience_s, wire)
            run = _Run(plan, stage, say)
            await run.all()
            judged = run.judged_at_the_end(turn)
    seconds = time.monotonic() - began_s
    return RunOutcome(
        topic=plan.shop.events_topic, seconds=seconds, cases=judged, not_played=run.not_played
    )


async def wire_of(plan: RunPlan, stack: contextlib.AsyncExitStack) -> Wire | None:
    """Between the engine and the broker of the plan, the first of several; None where the kit does
    not listen. Raises NotTestable.
    """
    if plan.listen is None:
        return None
    broker = plan.mqtt.brokers[0], plan.mqtt.port
    try:
        return await stack.enter_async_context(Wire.laid(plan.listen, *broker))
    except OSError as error:
        listen = f"{plan.listen[0]}:{plan.listen[1]}"
        raise NotTestable(f"--listen {listen}: {error.strerror}: name a free port") from None


class _Run:
    def __init__(self, plan: RunPlan, stage: Stage, say: Say) -> None:
        self._plan, self._stage, self._say = plan, stage, say
        self._played: list[tuple[Case, CasePlay, list[Breach], Judged]] = []
        self.not_played = list(plan.left_out())

    async def all(self) -> None:
        if self._plan.listen is not None and self._stage.wire is not None:
            await self._engine_connects(self._stage.wire)
        if not self._plan.quiet:
            await self._engine_answers()
        silent_since = ""
        for case in self._plan.cases():
            if silent_since:
                self._leave_out(case, f"the engine has answered nothing since {silent_since}")
                continue
            if await self._one(case):
                silent_since = case.name
        for each in self._plan.left_out():
            self._say(each)
        await asyncio.sleep(LAST_S)

    async def _engine_connects(self, wire: Wire) -> None:
        host, port = self._plan.listen or ("", 0)
        if wire.used:
            return
        self._say(f"waiting for the engine to connect to {host}:{port}")
        if not await wire.used_again(ENGINE_S):
            raise NotTestable(
                f"nobody connected to {host}:{port} within {ENGINE_S:g} s: "
                "start the engine with that as its broker"
            )

    async def _engine_answers(self) -> None:
        """Raises NotTestable. The first event may come before the engine has subscribed."""
        heard = True
        for _ in range(ATTEMPTS):
            play, began_s = CasePlay(self._stage, rules.FORM), time.monotonic()
            event = play.entered()
            heard = await play.send(event)
            if await self._stage.answered(event):
                self._stage.latency_s = time.monotonic() - began_s
                return
        shop = self._plan.shop
        there = "" if heard else "\n  - nobody is subscribed to it, says the broker (0x10)"
        about = " or ".join(shop.allow) or "the purpose service"
        raise NotTestable(UNANSWERED.format(plan=self._plan, shop=shop, there=there, about=about))

    async def _one(self, case: Case) -> bool:
        """Whether the engine has fallen silent."""
        play = CasePlay(self._stage, case.rule)
        silent, also = False, []
        try:
            await case.play(play)
        except NotPlayed as reason:
            self._leave_out(case, str(reason))
            return False
        except EngineSilent:
            silent = True
            found = "an ordinary event after it was not answered"
            also = [Breach(Verdict.FAIL, case.rule, found)]
        judged = _judged(case, [*play.breaches(), *also])
        self._played.append((case, play, also, judged))
        self._say(judged)
        return silent

    def _leave_out(self, case: Case, why: str) -> None:
        self.not_played.append(NotJudged(case.name, why))
        self._say(self.not_played[-1])

    def judged_at_the_end(self, customers: list[KitCustomer]) -> list[Judged]:
        """What came late included; and the form of all offers."""
        judged = []
        for case, play, also, said in self._played:
            judged.append(_judged(case, [*play.breaches(), *also]))
            if judged[-1] != said:
                self._say(judged[-1])
        if form := self._form(customers):
            self._say(form)
            judged.append(form)
        return judged

    def _form(self, customers: list[KitCustomer]) -> Judged | None:
        told = self._stage.told
        heard = [each for each in self._stage.ear.all if each.event_id in told]
        breaches = [
            breach
            for each in heard
            for breach in faults_of_form(each, told[each.event_id], customers)
        ]
        if not heard:
            return None
        if not breaches:
            found = f"{len(heard)} offers and cancellations, each as it should be"
            return Judged("form", Verdict.PASS, rules.FORM, found)
        return Judged("form", breaches[0].verdict, breaches[0].rule, breaches[0].found)


def _judged(case: Case, breaches: list[Breach]) -> Judged:
    if not breaches:
        return Judged(case.name, Verdict.PASS, case.rule, case.shows)
    worst = max(breaches, key=lambda breach: breach.verdict)
    found = "; ".join(dict.fromkeys(breach.found for breach in breaches))
    return Judged(case.name, worst.verdict, worst.rule, found)


UNANSWERED: Final = """\
an ordinary event on {shop.events_topic} was not answered on {shop.offers_topic} within \
{plan.patience_s:g} s, three times, so nothing can be tested. Look:{there}
  - does the engine run, and hear that topic? (a broker with an access list says yes to every
    subscription, and delivers nothing)
  - has it the customers of --customers, and no quiet hours now (--quiet)?
  - has it something to say for {about}? (--allow, --purpose)
  - may this user write the events and read the offers? (docs/offer-engine.md has the lines)
  - did you run the kit within the last minutes? It plays other customers each 20 s, until all have
    had their turn; an engine leaves those alone whom it has just answered"""
