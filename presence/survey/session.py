"""One visit of the technician: the steps in order, each with its verdict, and what they add up
to.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from presence.config import Settings
from presence.config.antennas import places_in_use
from presence.config.settings import EntrySettings
from presence.core.consent.model import TEST_AUDIENCE
from presence.core.place import Place
from presence.core.recognition.advertisement import Advertisement
from presence.core.rules import Rules
from presence.core.visit.calibration import entered_after_s
from presence.core.visit.side import ARRIVED_S
from presence.core.visit.walks import Trial, Walked
from presence.edges.host.calibration import HungAntenna, settings_digest
from presence.edges.host.machine import machine_model
from presence.errors import StorageError
from presence.language import Joined, Sentence
from presence.survey.arriving import arrival, judge_broker
from presence.survey.carried import Carried
from presence.survey.course import WALK_KEYS, WALKED_KEYS, Course, WalkKey, parts_of
from presence.survey.drawing import settings_lines, walk_lines
from presence.survey.ears import Ear
from presence.survey.expecting import AwaitedEntry, expected_entry
from presence.survey.guide import (
    READS_S,
    Act,
    Doing,
    Recorded,
    SurveyStep,
    Walks,
    broker_act,
    phone_act,
    pockets_now,
    radio_act,
)
from presence.survey.hearing import Heard, TestPhones
from presence.survey.judging import Result, judge_phone, judge_radio
from presence.survey.keeping import KEPT_STEPS, KeptVisit, VisitState, gateway_of, walked_acts
from presence.survey.outcome import STEP_TITLES, InstalledSite, SurveyOutcome, minutes
from presence.survey.plans import REMEDIES, plan_of
from presence.survey.screen import LEAVE, Screen
from presence.survey.stopping import enough, looks_after
from presence.survey.visit_plan import Plan
from presence.survey.walking import Tuning, judge_walk, tune

FRAME_S = 0.1
LATE_S = 5.0
"""Real seconds that an event may take to come back after the act."""


class Session:
    """Runs the steps; `run` may be interrupted at any moment: all that is kept outside of it is
    the file of the visit.
    """

    def __init__(
        self,
        plan: Plan,
        settings: Settings,
        rules: Rules,
        *,
        ear: Ear,
        phones: TestPhones,
        screen: Screen,
        kept: KeptVisit | None = None,
    ) -> None:
        """`kept`: the file, with how far the visit came before it was cut off."""
        state = kept.state if kept is not None else VisitState()
        self.outcome = SurveyOutcome(
            ear.what,
            gateway_of(settings),
            site=_site(settings, ear, phones),
            at=state.began,
            kept_at=kept.path if kept is not None and state.acts else None,
            took_s=state.took_s,
        )
        self._plan = plan
        self._settings = settings
        self._rules = rules
        self._ear = ear
        self._phones = phones
        self._screen = screen
        self._kept = kept
        self._before = state.results
        self._acts = state.acts
        self._carried = Carried(plan.models, state.refs)
        self._course = Course(
            tuple(parts_of(plan.walk)),
            {number: tuple(act.heard() for act in acts) for number, acts in state.walked.items()},
            set(state.left_out),
            set(state.spared),
        )
        self._looked = set(state.looked)
        """After these rounds."""

    async def run(self) -> SurveyOutcome:
        ways = {
            SurveyStep.RADIO: self._radio,
            SurveyStep.PHONE: self._phone,
            SurveyStep.WALK: self._walk,
            SurveyStep.BROKER: self._broker,
        }
        for number, step in enumerate(self._plan.steps, start=1):
            steps, title = len(self._plan.steps), STEP_TITLES[step]
            self._screen.heading(
                Sentence("{number} of {steps}, {title}", number=number, steps=steps, title=title)
            )
            before = self._before.get(step)
            result = self.outcome.results[step] = before or await ways[step]()
            self._keep()
            self._screen.finding(result.finding)
            if step is SurveyStep.WALK and self.outcome.tuned is not None:
                for line in (
                    *walk_lines(self.outcome.tuned, self._screen),
                    "",
                    *settings_lines(self.outcome.tuned, self._screen),
                ):
                    self._screen.say(line)
        return self.outcome

    async def _radio(self) -> Result:
        act = radio_act(self._plan.radio_s)
        if self._ear.on_air is not None:
            self._ear.on_air.take()
        heard = await self._record(act)
        return judge_radio(self._ear, heard, act.seconds, heard.on_air)

    async def _phone(self) -> Result:
        act = phone_act(self._plan.phone_s, self._plan.models)
        await self._ask(act.ask)
        await self._count_down()
        heard = await self._record(act)
        self._carried.find_nearest(heard.phones)
        return judge_phone(
            self._phones,
            heard,
            self._carried,
            act.seconds,
            self._ear.now().utc_s,
            fault=self._ear.fault,
        )

    async def _walk(self) -> Result:
        await self._walk_all()
        walks = self.outcome.walks = self._walks()
        self._screen.reckons()
        tuned = await asyncio.to_thread(tune, walks, self._settings.entry)
        if isinstance(tuned, Tuning):
            self.outcome.tuned = tuned
        return judge_walk(tuned, self._plan.shop)

    async def _walk_all(self) -> None:
        course, pockets = self._course, None
        if course.asks:
            parts, left = len(course.open), self._left()
            self._screen.sentences(
                Sentence.plural(
                    "{number} part, {minutes} at most for all.",
                    "{number} parts, {minutes} at most for all.",
                    parts,
                    minutes=left,
                )
            )
        while True:
            await self._look()
            if course.is_over:
                if await self._is_content():
                    return
                continue
            part, round_now = course.part, course.part[0].round
            if course.asks and pockets != round_now:
                pockets = round_now
                self._screen.sentences(pockets_now(self._names(), round_now))
            ask = Sentence(
                "{number} of {parts}: {ask}",
                number=course.at + 1,
                parts=len(course.parts),
                ask=part[0].ask,
            )
            answer = await self._ask(ask if part[0].ask else "", WALK_KEYS)
            if answer is WalkKey.SKIP:
                course.skip()
            elif answer is WalkKey.BACK:
                course.back()
            else:
                await self._walk_part(again=answer is WalkKey.AGAIN)
            self._keep()

    async def _walk_part(self, *, again: bool = False) -> None:
        """The part that is next; `again`: the one that was walked last."""
        if again and not self._course.again():
            self._screen.sentences(Sentence("nothing is walked yet"))
            return
        part = self._course.part
        if again:
            self._screen.sentences(Sentence("Once more: {ask}", ask=part[0].ask))
        if part[0].ask:
            await self._count_down()
        self._course.keep([await self._record(act) for act in part])

    async def _is_content(self) -> bool:
        """After the last part: whether the result may be told, or one is to be walked again."""
        if not self._course.asks:
            return True
        answer = await self._screen.ready(
            Sentence("All is walked."), WALKED_KEYS, go=Sentence("Enter for the result")
        )
        if answer == WalkKey.AGAIN:
            await self._walk_part(again=True)
            self._keep()
        elif answer == WalkKey.BACK:
            self._course.back()
        return not answer

    async def _look(self) -> None:
        """After a round: which kinds are walked no more (presence.survey.stopping)."""
        course = self._course
        over = course.round_is_over()
        if over is None or over in self._looked or not looks_after(over, self._plan.rounds):
            return
        self._looked.add(over)
        self._screen.reckons()
        tuned = await asyncio.to_thread(tune, self._walks(), self._settings.entry)
        if kinds := course.spare(enough(tuned) if isinstance(tuned, Tuning) else ()):
            sure = Sentence(
                "Sure enough after round {round}, and walked no more: {kinds}.",
                round=over + 1,
                kinds=Joined(", ", kinds),
            )
            self._screen.sentences(sure)

    def _walks(self) -> Walks:
        """As far as it is walked."""
        recorded = list(self._course.recorded())
        self._carried.find_most_heard(heard.phones for _, heard in recorded)
        walks = Walks(
            places=self._phones.places, names=self._carried.names, models=self._plan.models
        )
        for act, heard in recorded:
            readings = self._carried.readings(heard.phones)
            walks.recorded.append(Recorded(act, heard.began_s, readings))
        return walks

    def _names(self) -> Sequence[str]:
        """Before the walk has shown who is heard, those that were announced, or found near."""
        return self._carried.names or self._plan.models or (Sentence("the phone"),)

    def _left(self) -> str:
        """Of the whole visit, as it is planned: `4:40`."""
        later = [step for step in self._plan.steps if step not in self.outcome.results]
        return minutes(sum(self._plan.planned_s(step, self._course) for step in later))

    async def _ask(self, ask: str, keys: Mapping[str, Sentence] = LEAVE) -> WalkKey:
        """What is to be done, and how long all may still take."""
        if not ask:
            return WalkKey.GO
        left = Sentence("{minutes} left.", minutes=self._left())
        return WalkKey(await self._screen.ready(ask, keys, left=left))

    def _keep(self) -> None:
        """Nothing before the phone is found: until then an older file may still be gone on with."""
        if self._kept is None or not self._acts:
            return
        outcome, course, carried = self.outcome, self._course, self._carried.refs
        done = {**self._before, **outcome.results}
        state = VisitState(
            outcome.at,
            self._acts,
            {step: done[step] for step in KEPT_STEPS if step in done},
            carried,
            walked_acts(course.walked, carried),
            frozenset(course.left_out),
            frozenset(course.spared),
            frozenset(self._looked),
            outcome.took_s,
        )
        try:
            self._kept.keep(state)
            outcome.kept_at = self._kept.path
        except StorageError as error:
            self._kept = None
            self._screen.sentences(
                Sentence(
                    "Not kept, so a lost line would lose what is walked: {reason}",
                    reason=str(error),
                )
            )

    async def _broker(self) -> Result:
        tuned, hung = self.outcome.tuned, self._phones.places
        places = places_in_use(self._settings) | set(hung.values())
        entry = tuned.new if tuned is not None else self._settings.entry
        side = tuned.side if tuned is not None else None
        expected = expected_entry(places, side, fitted=entry != EntrySettings())
        act = broker_act(self._plan.broker_s, expected.words)
        sooner = REMEDIES[self._plan.shop or plan_of(places)]
        async with (
            self._plan.broker(self._settings) as settings,
            arrival(settings, self._rules, entry, self._phones.consents, self._ear) as one,
        ):
            heard = Heard(0.0)
            if one.publisher.is_connected:
                await self._ask(act.ask)
                await self._count_down()
                heard = await self._record(act, also=one.fed.hear, until=one.seen.is_set)
                await _at_most(one.seen, LATE_S)
            came_in = Trial(Walked.IN, heard.began_s, heard.readings, places=hung)
            decided_s = entered_after_s(entry, came_in)
            configured = self._rules.audience(TEST_AUDIENCE) is not None
            return judge_broker(
                one, settings.mqtt, settings.store,
                decided_s=decided_s, heard=len(heard.readings), configured=configured,
                awaited=AwaitedEntry(expected, act.seconds - ARRIVED_S, sooner),
            )  # fmt: skip

    async def _record(
        self,
        act: Act,
        *,
        also: Callable[[Advertisement], None] | None = None,
        until: Callable[[], bool] = lambda: False,
    ) -> Heard:
        """Do one act: listen, show the bar."""
        began = self._ear.begin(act)
        heard = Heard(began.monotonic_s)

        def hear(advertisement: Advertisement) -> None:
            self._phones.hear(advertisement, heard)
            if also is not None:
                also(advertisement)

        self._screen.bell()
        async with asyncio.TaskGroup() as tasks:
            listening = tasks.create_task(self._ear.listen(act, hear))
            while not listening.done():
                await asyncio.wait([listening], timeout=FRAME_S)
                if self._ear.on_air is not None:
                    heard.on_air = (heard.on_air or 0) + self._ear.on_air.take()
                self._frame(act, heard, self._ear.now().monotonic_s - began.monotonic_s)
                if until():
                    listening.cancel()
                    break
        self._screen.bell()
        self._acts += act.doing is not Doing.RADIO
        passed_s = min(act.seconds, self._ear.now().monotonic_s - began.monotonic_s)
        self.outcome.took_s += passed_s + (READS_S + self._plan.way_s if act.ask else 0.0)
        return heard

    async def _count_down(self) -> None:
        for tenth in range(round(self._plan.ready_s * 10)):
            left_s = self._plan.ready_s - tenth / 10
            note = Sentence("starts in {left_s:.0f} s", left_s=left_s)
            self._screen.moment(0.0, Sentence("get ready"), note)
            await asyncio.sleep(0.1)

    def _frame(self, act: Act, heard: Heard, passed_s: float) -> None:
        left_s = max(0.0, act.seconds - passed_s)
        if act.doing is Doing.RADIO:
            per_s = heard.number / max(passed_s, 0.1)
            note = self._screen.language.say(Sentence("{per_s:5.1f}/s heard", per_s=per_s))
        else:
            readings = heard.readings
            lately = (
                readings[-1].rssi_dbm
                if readings and passed_s + heard.began_s - readings[-1].at_s < 3
                else None
            )
            note = self._screen.strength(lately)
        self._screen.moment(
            passed_s / act.seconds if act.seconds else 1.0, act.title, f"{left_s:3.0f} s  {note}"
        )


def _site(settings: Settings, ear: Ear, phones: TestPhones) -> InstalledSite:
    hung = {**dict.fromkeys(ear.addresses, Place.INSIDE), **phones.places}
    return InstalledSite(
        machine_model(),
        settings.store.time_zone,
        [
            HungAntenna(name, ear.addresses.get(name, ""), place.value)
            for name, place in sorted(hung.items())
        ],
        settings_digest(settings),
    )


async def _at_most(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass
