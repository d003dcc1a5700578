"""`presence scan-test`: the technician's tool, from "does the radio hear?" to "the event has
arrived".
"""

import argparse
import asyncio
import io
import json
import sys
from pathlib import Path

from presence.cli.command import language_of
from presence.cli.exit_codes import ExitCode
from presence.cli.termination import unless_terminated
from presence.config import Settings, load_settings
from presence.config.rules import read_store_key
from presence.diagnosis.findings import Verdict
from presence.edges.host import calibration
from presence.edges.host.clock import SystemClock
from presence.errors import ConfigurationError, ungrouped
from presence.language import Sentence
from presence.location import settings_file
from presence.survey import applying
from presence.survey.asked import must_agree
from presence.survey.exporting import write_walks
from presence.survey.guide import READS_S, SurveyStep
from presence.survey.keeping import remove
from presence.survey.outcome import SurveyOutcome, minutes
from presence.survey.practice import LESSONS, PracticeDoor
from presence.survey.report import write_report
from presence.survey.screen import LeftEarly, Screen
from presence.survey.sources import unless_cut_off, visit
from presence.survey.walking import measured


def start(options: argparse.Namespace) -> int:
    must_agree(options)
    if not options.simulated:
        options.config = options.config or settings_file()
    out = sys.stderr if options.json else sys.stdout
    if isinstance(out, io.TextIOWrapper):
        out.reconfigure(errors="replace")  # a terminal that knows no µ must not end the test
    screen = Screen(out, yes=options.yes, language=language_of(options))
    try:
        with ungrouped():
            outcome = asyncio.run(unless_terminated(_visit(options, screen), or_hung_up=True))
    except LeftEarly:
        screen.say(Sentence("left: nothing was written"))
        return ExitCode.INTERRUPTED
    except KeyboardInterrupt:
        screen.say()
        screen.say(Sentence("interrupted: no settings were written"))
        raise
    if outcome is None:
        return ExitCode.TERMINATED
    if options.json:
        print(json.dumps(outcome.as_dict(), ensure_ascii=False))
    return int(outcome.verdict)


async def _visit(options: argparse.Namespace, screen: Screen) -> SurveyOutcome:
    outcome = await visit(options, screen)
    screen.heading(Sentence("summary"))
    for result in outcome.results.values():
        screen.finding(result.finding)
    time = Sentence(
        "time: {minutes}, with {reads_s:.0f} s to read each question and {way_s:.0f} s to get to "
        "the door",
        minutes=minutes(outcome.took_s),
        reads_s=READS_S,
        way_s=options.ready,
    )
    screen.sentences(time)
    _teach(options.door, outcome, screen)
    try:
        with unless_cut_off(outcome, screen):
            await _kept_of(options, outcome, screen)
    finally:  # also of a visit whose settings could not be written
        if options.report is not None:
            outcome.signed_off_by = options.sign_off or ""
            write_report(outcome, options.report, screen.language)
            screen.sentences(Sentence("report: {file}", file=options.report))
    if outcome.kept_at is not None:
        remove(outcome.kept_at)
    return outcome


async def _kept_of(options: argparse.Namespace, outcome: SurveyOutcome, screen: Screen) -> None:
    """The walks, and the settings that follow from them."""
    if options.export_walks is not None:
        export(options, outcome, screen)
    if outcome.tuned is not None:
        if options.apply:
            await apply(options, outcome, screen)
        elif not options.simulated and outcome.tuned.changes():
            screen.sentences(
                Sentence(
                    "`--apply` writes the suggestion into the file, after showing the difference"
                )
            )


def _teach(door: PracticeDoor | None, outcome: SurveyOutcome, screen: Screen) -> None:
    """What the practice door should have shown."""
    if door is None or SurveyStep.WALK not in outcome.results:
        return
    lesson, walk = LESSONS[door], outcome.results[SurveyStep.WALK].finding.verdict
    told = {"door": door.value, "because": lesson.because, "verdict": lesson.verdict.name}
    if walk is lesson.verdict:
        words = Sentence("The {door} door: {because}. Its walk gets {verdict}, as here.", **told)
    else:
        words = Sentence(
            "The {door} door: {because}. Its walk gets {verdict}, and here it was {walk}: chance.",
            **told,
            walk=walk.name,
        )
    screen.sentences(words)


def export(options: argparse.Namespace, outcome: SurveyOutcome, screen: Screen) -> None:
    """Raises StorageError."""
    if not outcome.walks.recorded:
        screen.sentences(Sentence("no walks are exported: the step `walk` was not done"))
        return
    source = "simulated" if options.simulated else "capture" if options.replay else "radio"
    write_walks(
        outcome.walks,
        options.export_walks,
        source=source,
        plan=options.plan,
        heights_m=options.heights,
    )
    screen.sentences(
        Sentence(
            "walks: {file} (of the test phones alone; docs/recordings.md)",
            file=options.export_walks,
        )
    )


async def apply(options: argparse.Namespace, outcome: SurveyOutcome, screen: Screen) -> None:
    """Show the difference, ask, keep the old file, write; then record that the door is
    calibrated.
    """
    walk = outcome.results[SurveyStep.WALK].finding
    if outcome.tuned is None or walk.verdict is Verdict.FAIL:
        screen.sentences(
            Sentence(
                "nothing is written: the walk FAILs, and a bad threshold is worse than the present "
                "one"
            )
        )
        return
    path: Path = options.config
    values = {key: new for key, (_, new) in outcome.tuned.changes().items()}
    if not values:
        screen.sentences(Sentence("The present settings are the suggested ones."))
    elif not await _write(path, values, screen, of_a_capture=options.replay is not None):
        return
    outcome.applied = bool(values)
    if options.replay is None:  # a capture may be of another door, or of this one long ago
        record(options, outcome, load_settings(path), screen)


def record(
    options: argparse.Namespace, outcome: SurveyOutcome, settings: Settings, screen: Screen
) -> None:
    """The door as it was just walked and set, sealed. Raises StorageError."""
    if outcome.tuned is None:
        return
    walk, now_s = outcome.results[SurveyStep.WALK].finding, SystemClock().now().utc_s
    store_key = read_store_key(settings.store.key_file)
    signed = calibration.Signed(
        verdict=walk.verdict.name,
        found=walk.found,
        measured=measured(outcome.tuned),
        antennas=outcome.site.antennas,
        phones=options.phones,
        signed_off_by=options.sign_off or "",
        months=options.valid_months,
    )
    calibration.record(settings, store_key, signed, now_s)
    until = calibration.standing(settings, store_key, now_s).valid_until
    if options.sign_off:
        recorded = Sentence(
            "recorded: calibrated, signed off by {name}, valid until {until}",
            name=options.sign_off,
            until=until,
        )
    else:
        recorded = Sentence(
            "recorded: calibrated, not signed off (--sign-off), valid until {until}", until=until
        )
    screen.sentences(recorded)
    screen.sentences(
        Sentence("`presence check` and `presence status` know of it, and when it ends")
    )


async def _write(
    path: Path, values: dict[str, float], screen: Screen, *, of_a_capture: bool
) -> bool:
    """Whether the technician agreed, and it stands there."""
    old = applying.read(path)
    new = applying.edited(old, values, name=str(path))
    if not applying.same_but_entry(old, new, name=str(path)):
        raise ConfigurationError([f"{path}: cannot be edited safely: write the values yourself"])
    screen.heading(Sentence("{file}: what would change", file=path))
    for line in applying.difference(old, new):
        screen.say(f"  {line}")
    if of_a_capture:
        screen.sentences(
            Sentence("Mind: is this capture of this gateway, at this door, as it hangs now?")
        )
    if not await screen.agrees(Sentence("Write this?")):
        screen.sentences(Sentence("nothing was written"))
        return False
    backup = applying.write(path, old, new)
    screen.sentences(Sentence("written; the old file is {file}", file=backup.name))
    screen.sentences(Sentence("`systemctl reload presence` makes the daemon read it"))
    return True
