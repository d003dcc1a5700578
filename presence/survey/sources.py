"""Which visit was asked for: at the gateway's radio, with a capture, or in the shop to practise
in.
"""

import argparse
import re
from collections.abc import Iterator
from datetime import date
from typing import Final

from presence.config import Settings, load_settings
from presence.config.rules import read_store_key, rules_of
from presence.core.consent.list_json import ConsentList
from presence.core.rules import Rules
from presence.diagnosis.list_look import look_up_list
from presence.errors import ConfigurationError, UsageError
from presence.survey.ears import CaptureEar, Ear, SimulatedEar, radio
from presence.survey.guide import Act, Doing, SurveyStep, walk_acts
from presence.survey.hearing import TestPhones, test_phones_of
from presence.survey.outcome import SurveyOutcome
from presence.survey.plans import ShopPlan
from presence.survey.practice import practice, with_broker
from presence.survey.screen import Screen
from presence.survey.session import Session
from presence.survey.visit_plan import Plan

_MARK: Final = re.compile(r"(window|past|lookin|in|inside|leave):([0-9.]+)-([0-9.]+)")
_TITLES: Final = {act.doing: act.title for act in walk_acts(1)}


async def visit(options: argparse.Namespace, screen: Screen) -> SurveyOutcome:
    """Run the steps. Raises PresenceError where it cannot even begin."""
    if options.simulated:
        return await _practise(options, screen)
    settings = load_settings(options.config)
    return await (_replay if options.replay else _test)(options, settings, screen)


async def _test(options: argparse.Namespace, settings: Settings, screen: Screen) -> SurveyOutcome:
    if settings.notice.review_by < date.today():  # noqa: DTZ011 - the shop's own calendar
        problem = (
            "notice.review_by is past, so nothing may be scanned: review the notice at the "
            "door first"
        )
        raise ConfigurationError([f"{options.config}: {problem}"])
    consents = _consents(settings)
    steps = options.steps or tuple(SurveyStep)
    plan = Plan(
        steps=steps,
        walk=tuple(walk_acts(options.rounds)),
        models=options.phones,
        shop=options.plan,
        ready_s=options.ready,
        way_s=options.ready,
    )
    async with radio(settings) as ear:
        return await _session(
            plan, ear, screen, settings=settings, rules=_rules(settings), consents=consents
        )


async def _practise(options: argparse.Namespace, screen: Screen) -> SurveyOutcome:
    entry = load_settings(options.config).entry if options.config is not None else None
    with practice(options.seed, entry, options.plan or ShopPlan.PAIR, options.door) as shop:
        ear = SimulatedEar(
            shop.identity_keys,
            speed=options.speed,
            seed=options.seed,
            antennas=shop.antennas,
            air=shop.air,
        )
        plan = Plan(
            steps=options.steps or tuple(SurveyStep),
            walk=tuple(walk_acts(options.rounds)),
            models=options.phones,
            shop=options.plan,
            way_s=options.ready,
            broker=with_broker,
        )
        consents = shop.consents(ear.now().utc_s)
        return await _session(
            plan, ear, screen, settings=shop.settings, rules=shop.rules, consents=consents
        )


async def _replay(options: argparse.Namespace, settings: Settings, screen: Screen) -> SurveyOutcome:
    ear = CaptureEar(options.replay)
    acts = tuple(marked(options.marks))
    usual = (SurveyStep.RADIO, SurveyStep.PHONE, *((SurveyStep.WALK,) if acts else ()))
    steps = options.steps or usual
    if SurveyStep.BROKER in steps:
        raise UsageError("--steps broker: a capture cannot come in again; leave `broker` out")
    if SurveyStep.WALK in steps and not acts:
        raise UsageError("--steps walk: say with --marks what was done when")
    plan = Plan(
        steps=steps,
        radio_s=ear.seconds,
        phone_s=ear.seconds,
        walk=acts,
        models=options.phones,
        shop=options.plan,
    )
    screen.no_questions()
    consents = _consents(settings)
    return await _session(
        plan, ear, screen, settings=settings, rules=_rules(settings), consents=consents
    )


async def _session(
    plan: Plan,
    ear: Ear,
    screen: Screen,
    *,
    settings: Settings,
    rules: Rules,
    consents: ConsentList,
) -> SurveyOutcome:
    phones = TestPhones(consents, rules, ear.now())
    return await Session(plan, settings, rules, ear=ear, phones=phones, screen=screen).run()


def marked(text: str) -> Iterator[Act]:
    """`window:5-25,past:30-42`: seconds from the first advertisement of the capture. Raises
    UsageError.
    """
    for number, word in enumerate(filter(None, text.split(","))):
        mark = _MARK.fullmatch(word.strip())
        if mark is None or float(mark[2]) >= float(mark[3]):
            raise UsageError(f"--marks: {word!r} is not like window:5-25; use {', '.join(_TITLES)}")
        doing, from_s = Doing(mark[1]), float(mark[2])
        yield Act(doing, float(mark[3]) - from_s, _TITLES[doing], number=number, from_s=from_s)


def _rules(settings: Settings) -> Rules:
    return rules_of(settings, read_store_key(settings.store.key_file))


def _consents(settings: Settings) -> ConsentList:
    found = look_up_list(settings)
    return test_phones_of(found.header, found.indexed)
