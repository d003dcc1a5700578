"""`presence scan-test`: the technician's tool, from "does the radio hear?" to "the event has
arrived".
"""

import argparse
import asyncio
import io
import json
import sys
from pathlib import Path
from typing import Final

from presence.cli.termination import TERMINATED, unless_terminated
from presence.config import load_settings
from presence.diagnosis.findings import Verdict
from presence.edges.host import calibration
from presence.edges.host.clock import SystemClock
from presence.errors import ConfigurationError, PresenceError, RadioError
from presence.survey import applying
from presence.survey.guide import SurveyStep
from presence.survey.report import write_report
from presence.survey.screen import Screen
from presence.survey.session import SurveyOutcome
from presence.survey.sources import visit

UNAVAILABLE: Final = 69
"""EX_UNAVAILABLE of sysexits.h: nothing was tested."""
DESCRIPTION: Final = """\
Tests a gateway at its door, with a test phone: a phone whose entry in the
consent list has the flag `test`. Four steps, each ends with PASS, WARN or FAIL
and says what to do next:

  radio    does the adapter hear, without pauses?
  phone    is the test phone recognised, how often, how strong?
  walk     you stand at the window, walk past, come in, stand inside, leave;
           the tool suggests the threshold and says how sure it is
  broker   you come in once more; the event is seen back from the broker

Nothing is stored. Of other people's devices, customers' too, there is only a
count. Takes about ten minutes. A daemon that runs on the same adapter goes on:
BlueZ lets several programs listen, and this one asks for what the daemon does.
"""

EPILOG: Final = """\
practise first, without a radio or a configuration (half a minute):
  scripts/scan-test --simulated --yes --speed 10

then, on the gateway, as the daemon's user (it may read key and list):
  sudo -u presence scripts/scan-test --config /etc/presence/presence.yaml
  … --report door.html          one page for the file
  … --steps walk --apply        walk again; write the suggestion (as root)

captures (`btmon -w`; only where no stranger is, for they are all in it):
  … --replay walk.btsnoop --marks window:5-25,past:30-42,in:50-62,inside:62-80
  marks are seconds from the first advertisement; also: leave

exit codes: 0 all PASS, 1 a WARN, 2 a FAIL; 69 it could not be tested: no list
could be read, a file could not be written; 78 the configuration cannot be
used, 130 interrupted
"""


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "scan-test",
        help="the technician's tool: radio, test phone, threshold, end to end",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument(
        "--config", type=Path, metavar="FILE", help="e.g. /etc/presence/presence.yaml"
    )
    source = command.add_mutually_exclusive_group()
    source.add_argument(
        "--simulated", action="store_true", help="a simulated shop, and a technician who walks"
    )
    source.add_argument(
        "--replay", type=Path, metavar="CAPTURE", help="a capture in place of the radio"
    )
    command.add_argument(
        "--steps", type=_steps, metavar="LIST", help="e.g. radio,phone (all of them)"
    )
    command.add_argument(
        "--rounds", type=_rounds, default=3, metavar="N", help="times to walk the door (3)"
    )
    command.add_argument(
        "--ready",
        type=float,
        default=8.0,
        metavar="S",
        help="seconds from Enter to the bar, to get to the door (8)",
    )
    command.add_argument(
        "--marks", default="", metavar="LIST", help="with --replay: what was done when"
    )
    command.add_argument(
        "--speed", type=_speed, default=1.0, metavar="N", help="with --simulated: 1 to 1000 (1)"
    )
    command.add_argument(
        "--seed", type=int, default=1, metavar="N", help="with --simulated: another day (1)"
    )
    command.add_argument(
        "--yes", action="store_true", help="start each part at once, without Enter"
    )
    command.add_argument(
        "--apply", action="store_true", help="offer to write the suggestion into --config"
    )
    command.add_argument(
        "--report", type=Path, metavar="FILE.html", help="write one page with the pictures"
    )
    command.add_argument(
        "--json", action="store_true", help="one JSON object on stdout; all else on stderr"
    )
    command.set_defaults(start=start)


def start(options: argparse.Namespace) -> int:
    if options.apply and options.simulated:
        raise ConfigurationError(
            ["--apply: practice is not written into a file: walk this gateway's own door"]
        )
    if options.apply and options.config is None:
        raise ConfigurationError(
            ["--apply: there is nothing to write to: name the file with --config"]
        )
    out = sys.stderr if options.json else sys.stdout
    if isinstance(out, io.TextIOWrapper):
        out.reconfigure(errors="replace")  # a terminal that knows no µ must not end the test
    screen = Screen(out, yes=options.yes)
    try:
        outcome = asyncio.run(unless_terminated(_visit(options, screen)))
    except (ConfigurationError, RadioError):
        raise
    except PresenceError as error:  # 1 says that the door was tested, and something is doubtful
        print(f"presence scan-test: {error}", file=sys.stderr)
        return UNAVAILABLE
    except KeyboardInterrupt:
        screen.say()
        screen.say("interrupted: nothing was written")
        raise
    if outcome is None:
        return TERMINATED
    if options.json:
        print(json.dumps(outcome.as_dict(), ensure_ascii=False))
    return int(outcome.verdict)


async def _visit(options: argparse.Namespace, screen: Screen) -> SurveyOutcome:
    outcome = await visit(options, screen)
    screen.heading("summary")
    for result in outcome.results.values():
        screen.finding(result.finding)
    if options.report is not None:
        write_report(outcome, options.report)
        screen.say(f"  report: {options.report}")
    if outcome.tuned is not None:
        if options.apply:
            await apply(options, outcome, screen)
        elif options.config is not None and not options.simulated and outcome.tuned.changes():
            screen.say(
                "  `--apply` writes the suggestion into the file, after showing the difference"
            )
    return outcome


async def apply(options: argparse.Namespace, outcome: SurveyOutcome, screen: Screen) -> None:
    """Show the difference, ask, keep the old file, write; then record that the door is
    calibrated.
    """
    walk = outcome.results[SurveyStep.WALK].finding
    if outcome.tuned is None or walk.verdict is Verdict.FAIL:
        screen.say(
            "  nothing is written: the walk FAILs, and a bad threshold is worse than the "
            "present one"
        )
        return
    path: Path = options.config
    values = {key: new for key, (_, new) in outcome.tuned.changes().items()}
    if not values:
        screen.say("  the present settings are the suggested ones")
    elif not await _write(path, values, screen, of_a_capture=options.replay is not None):
        return
    if options.replay is None:  # a capture may be of another door, or of this one long ago
        calibration.record(
            load_settings(path), walk.verdict.name, walk.found, SystemClock().now().utc_s
        )
        screen.say(
            "  recorded: `presence check` and `presence status` know that the door is calibrated"
        )


async def _write(
    path: Path, values: dict[str, float], screen: Screen, *, of_a_capture: bool
) -> bool:
    """Whether the technician agreed, and it stands there."""
    old = applying.read(path)
    new = applying.edited(old, values, name=str(path))
    if not applying.same_but_entry(old, new, name=str(path)):
        raise ConfigurationError([f"{path}: cannot be edited safely: write the values yourself"])
    screen.heading(f"{path}: what would change")
    for line in applying.difference(old, new):
        screen.say(f"  {line}")
    if of_a_capture:
        screen.say("  Mind: is this capture of this gateway, at this door, as it hangs now?")
    if not await screen.agrees("Write this?"):
        screen.say("  nothing was written")
        return False
    backup = applying.write(path, old, new)
    screen.say(f"  written; the old file is {backup.name}")
    screen.say("  `systemctl reload presence` makes the daemon read it")
    return True


def _steps(text: str) -> tuple[SurveyStep, ...]:
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words or not set(words) <= {step.value for step in SurveyStep}:
        raise argparse.ArgumentTypeError(f"choose from {','.join(SurveyStep)}")
    return tuple(step for step in SurveyStep if step.value in words)


def _rounds(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 20:
        raise argparse.ArgumentTypeError("is no whole number from 1 to 20")
    return int(text)


def _speed(text: str) -> float:
    speed = float(text)
    if not 1 <= speed <= 1000:
        raise argparse.ArgumentTypeError("is not between 1 and 1000")
    return speed
