"""Which visit was asked for: at the gateway's radio, with a capture, or in the shop to practise
in.
"""

import argparse
import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import date
from pathlib import Path
from typing import Final

from presence.config import Settings, load_settings
from presence.config.rules import read_store_key, rules_of
from presence.core.consent.list_json import ConsentList
from presence.core.rules import Rules
from presence.diagnosis.list_look import look_up_list
from presence.edges.host.calibration import settings_digest
from presence.edges.host.clock import SystemClock
from presence.edges.host.survey_file import FILE_NAME, expire
from presence.errors import ConfigurationError, PresenceError, UsageError, ungrouped
from presence.language import Sentence
from presence.survey.asked import Asked, must_agree
from presence.survey.course import parts_of
from presence.survey.ears import CaptureEar, Ear, SimulatedEar, radio
from presence.survey.guide import Act, Doing, SurveyStep, walk_acts
from presence.survey.hearing import TestPhones, test_phones_of
from presence.survey.keeping import KeptVisit, gateway_of, is_there, read_visit, refused, remove
from presence.survey.outcome import SurveyOutcome
from presence.survey.plans import ShopPlan
from presence.survey.practice import practice, with_broker
from presence.survey.screen import LeftEarly, Screen
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
    path = options.kept or settings.storage.state_dir / FILE_NAME
    resumed = _kept(options, path)
    consents = _consents(settings)
    plan = Plan(
        steps=options.steps or tuple(SurveyStep),
        walk=tuple(walk_acts(options.rounds)),
        models=options.phones,
        shop=options.plan,
        ready_s=options.ready,
        way_s=options.ready,
    )
    async with radio(settings) as ear:
        return await _session(
            plan, ear, screen,
            settings=settings, rules=_rules(settings), consents=consents,
            kept=resumed or _new_visit(options, path, settings),
        )  # fmt: skip


async def _practise(options: argparse.Namespace, screen: Screen) -> SurveyOutcome:
    path: Path | None = options.kept
    resumed = _kept(options, path) if path is not None else None
    entry = load_settings(options.config).entry if options.config is not None else None
    with practice(options.seed, entry, options.plan or ShopPlan.PAIR, options.door) as shop:
        ear = SimulatedEar(
            shop.identity_keys,
            speed=options.speed,
            seed=options.seed,
            antennas=shop.antennas,
            air=shop.air,
            acts=resumed.state.acts if resumed is not None else 0,
        )
        plan = Plan(
            steps=options.steps or tuple(SurveyStep),
            walk=tuple(walk_acts(options.rounds)),
            models=options.phones,
            shop=options.plan,
            way_s=options.ready,
            broker=with_broker,
        )
        new = _new_visit(options, path, shop.settings) if path is not None else None
        consents = shop.consents(ear.now().utc_s)
        return await _session(
            plan, ear, screen,
            settings=shop.settings, rules=shop.rules, consents=consents, kept=resumed or new,
        )  # fmt: skip


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
    kept: KeptVisit | None = None,
) -> SurveyOutcome:
    phones = TestPhones(consents, rules, ear.now())
    if kept is not None:
        kept.must_fit(settings, phones, tuple(parts_of(plan.walk)))
        _announce(kept, screen)
    session = Session(plan, settings, rules, ear=ear, phones=phones, screen=screen, kept=kept)
    with unless_cut_off(session.outcome, screen), ungrouped():
        return await session.run()


@contextmanager
def unless_cut_off(outcome: SurveyOutcome, screen: Screen) -> Iterator[None]:
    """Whoever leaves ends the visit, and its file goes; else it is told how the visit goes on."""
    try:
        yield
    except LeftEarly:
        if outcome.kept_at is not None:
            remove(outcome.kept_at)
        raise
    except (asyncio.CancelledError, PresenceError):
        if outcome.kept_at is not None:
            screen.say()
            kept = Sentence(
                "Kept in {file}: --resume goes on with this visit.", file=outcome.kept_at
            )
            screen.sentences(kept)
        raise


def _announce(kept: KeptVisit, screen: Screen) -> None:
    if kept.state.acts:
        began = f"{kept.state.began.astimezone():%H:%M}"
        screen.sentences(
            Sentence.plural(
                "This goes on with the visit that began at {began}: {number} part walked.",
                "This goes on with the visit that began at {began}: {number} parts walked.",
                len(kept.state.walked),
                began=began,
            )
        )
    elif is_there(kept.path):
        screen.sentences(
            Sentence(
                "A visit that was cut off is kept in {file}. To go on with it: q or Ctrl-C now, "
                "and --resume. Else this one takes its place, as soon as a phone is found.",
                file=kept.path,
            )
        )


def _kept(options: argparse.Namespace, path: Path) -> KeptVisit | None:
    """The visit to go on with, and its options in `options`; None where a new one begins. Raises
    StorageError, and UsageError where the command line says otherwise.
    """
    if not options.resume:
        if options.kept is None:  # what --kept names may be a file of another kind, mistyped
            with suppress(OSError):  # `keep` says so
                expire(path, SystemClock().now().utc_s)
        return None
    kept = read_visit(path)
    kept.asked.go_on(options)
    try:
        must_agree(options)
    except UsageError as error:
        raise refused(f"{path} asks for what nobody may: {error}") from None
    return kept


def _new_visit(options: argparse.Namespace, path: Path, settings: Settings) -> KeptVisit:
    return KeptVisit(path, gateway_of(settings), settings_digest(settings), Asked.of(options))


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
