"""What `presence scan-test` takes."""

import argparse
from pathlib import Path
from typing import Final

from presence.cli.command import CONFIG, Commands, add_json, add_language, add_other_config
from presence.cli.exit_codes import ExitCode, verdict_exits

DESCRIPTION: Final = """\
Tests a gateway at its door, with one test phone or two: phones whose entries
in the consent list have the flag `test`. Four steps, each ends with PASS, WARN
or FAIL and says what to do next:

  radio    do the antennas hear, without pauses?
  phone    are the test phones recognised, how often, how strong?
  walk     you stand at the window, walk past, look in at the open door, come
           in, stay, leave; the tool measures the side of the door in dB (below
           6 it FAILs, with the remedy), suggests the settings, and says how
           sure it is. Carry both phones on each walk: it says in which pocket.
           A kind of walk of which it is sure is not asked for again
  broker   you come in once more; the event is received back from it

Of other people's devices, customers' too, there is only a count. If the SSH
line is lost, log in and say the same with --resume: the visit goes on at the
walk that was under way. For this, what was heard of your own test phones is
kept in a file until the visit ends, 12 hours at most. Nothing else is stored
unless you name a file.

Takes four to nine minutes. A daemon that runs on the same adapters goes on:
BlueZ lets several programs listen, and this one asks for what the daemon does.
Where antennas go, with drawings: docs/technician.md.
"""

EXAMPLES: Final = (
    "scripts/scan-test --simulated --yes --speed 20      # practise: half a minute",
    "scripts/scan-test --simulated --plan two     # also: one, pair, low-e, mall",
    "scripts/scan-test --simulated --door bad     # also: good, middling",
    "sudo -u presence presence scan-test",
    """sudo -u presence presence scan-test \\
      --phones "Pixel 7, iPhone 13" --report door.html  # a page to keep""",
    "sudo -u presence presence scan-test --resume      # the SSH line was lost",
    """sudo presence scan-test --steps phone,walk \\
      --apply --sign-off "M. Meikäläinen"      # write the suggestion, sign it""",
    """presence scan-test -c shop.yaml --replay walk.btsnoop \\
      --marks window:5-25,past:30-42,in:50-62,inside:62-80""",
)
EPILOG: Final = """\
Practise first: it needs no radio and no configuration. Then run it on the
gateway as the daemon's user, who may read key and list; only --apply needs
root. --export-walks FILE.jsonl writes your walks in an open format, without a
trace of phone, shop or day (docs/recordings.md).

Captures (`btmon -w`) only where no stranger is, for they are all in it. Marks
are seconds from the first advertisement: window, past, lookin, in, inside,
leave.
"""
EXITS: Final = {
    **verdict_exits(),
    ExitCode.USAGE: "the options cannot be used",
    ExitCode.UNAVAILABLE: "it could not be tested: no list could be read, a file could not be "
    "written",
    ExitCode.TEMPFAIL: "there is no radio to test with",
    ExitCode.CONFIG: "the configuration cannot be used",
    ExitCode.HUNG_UP: "the terminal is gone: --resume goes on",
    ExitCode.INTERRUPTED: "interrupted: no settings were written",
}


def add(commands: Commands) -> None:
    command = commands.add(
        "scan-test",
        "presence.cli.scan_test:start",
        summary="the technician's tool: radio, test phone, threshold, end to end",
        description=DESCRIPTION,
        epilog=EPILOG,
        examples=EXAMPLES,
        exits=EXITS,
    )
    add_other_config(command, CONFIG)
    source = command.add_mutually_exclusive_group()
    source.add_argument(
        "--simulated", action="store_true", help="a simulated shop, and a technician who walks"
    )
    source.add_argument(
        "--replay", type=Path, metavar="CAPTURE", help="a capture in place of the radio"
    )
    _add_walk(command)
    _add_shop(command)
    _add_practice(command)
    command.add_argument(
        "--yes", action="store_true", help="start each part at once, without Enter"
    )
    add_language(command, "of screen and report")
    _add_kept(command)
    _add_result(command)
    add_json(command, "one JSON object on stdout; all else on stderr")
    command.set_defaults(usual=vars(command.parse_args([])))


def _add_practice(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--speed", type=_speed, default=1.0, metavar="N", help="with --simulated: 1 to 1000 (1)"
    )
    command.add_argument(
        "--seed", type=int, default=1, metavar="N", help="with --simulated: another day (1)"
    )
    command.add_argument(
        "--door", type=_door, metavar="DOOR", help="with --simulated: good, middling, bad"
    )


def _add_walk(command: argparse.ArgumentParser) -> None:
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


def _add_shop(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--phones",
        type=_phones,
        default=(),
        metavar="MODELS",
        help="the one or two that you carry, e.g. 'Pixel 7, iPhone 13'",
    )
    command.add_argument(
        "--plan",
        type=_plan,
        metavar="PLAN",
        help="one, two, pair, low-e, mall: the shop (as the antennas tell)",
    )
    command.add_argument(
        "--heights",
        type=_heights,
        default={},
        metavar="LIST",
        help="of antennas in metres, for --export-walks: hci0=2.4,hci1=2.2",
    )


def _add_kept(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--resume", action="store_true", help="go on with the visit that was cut off"
    )
    command.add_argument(
        "--kept",
        type=Path,
        metavar="FILE",
        help="keep the visit here until it ends (scan-test.json in storage.state_dir; practice: "
        "nowhere)",
    )


def _add_result(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--apply", action="store_true", help="offer to write the suggestion into --config"
    )
    command.add_argument(
        "--sign-off",
        type=_name,
        metavar="NAME",
        help="with --apply: who answers for it; kept in the record",
    )
    command.add_argument(
        "--valid-months",
        type=_months,
        default=12,
        metavar="N",
        help="with --apply: the record ends after so many, 1 to 24 (12)",
    )
    command.add_argument(
        "--export-walks",
        type=Path,
        metavar="FILE.jsonl",
        help="write the walks of the test phones in an open format",
    )
    command.add_argument(
        "--report", type=Path, metavar="FILE.html", help="write one page with the pictures"
    )


def _heights(text: str) -> dict[str, float]:
    heights = {}
    for word in filter(None, (each.strip() for each in text.split(","))):
        name, _, metres = word.rpartition("=")
        if not name or not metres.replace(".", "", 1).isdigit() or not 0 < float(metres) < 20:
            raise argparse.ArgumentTypeError(f"{word!r} is not like hci0=2.4")
        heights[name] = float(metres)
    return heights


def _phones(text: str) -> tuple[str, ...]:
    from presence.survey.carried import models  # noqa: PLC0415 - only where phones are named

    try:
        return models(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _door(text: str) -> str:
    from presence.survey.practice import PracticeDoor  # noqa: PLC0415 - only to practise

    if text not in set(PracticeDoor):
        raise argparse.ArgumentTypeError(f"choose from {', '.join(PracticeDoor)}")
    return PracticeDoor(text)


def _plan(text: str) -> str:
    from presence.survey.plans import ShopPlan  # noqa: PLC0415 - only where a plan is named

    if text not in set(ShopPlan):
        raise argparse.ArgumentTypeError(f"choose from {', '.join(ShopPlan)}")
    return ShopPlan(text)


def _steps(text: str) -> tuple[str, ...]:
    from presence.survey.guide import SurveyStep  # noqa: PLC0415 - only where steps are picked

    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words or not set(words) <= {step.value for step in SurveyStep}:
        raise argparse.ArgumentTypeError(f"choose from {','.join(SurveyStep)}")
    return tuple(step for step in SurveyStep if step.value in words)


def _rounds(text: str) -> int:
    from presence.survey.guide import MOST_ROUNDS  # noqa: PLC0415 - only where they are counted

    if not text.isdigit() or not 1 <= int(text) <= MOST_ROUNDS:
        raise argparse.ArgumentTypeError(f"is no whole number from 1 to {MOST_ROUNDS}")
    return int(text)


def _name(text: str) -> str:
    name = " ".join(text.split())
    if not name.isprintable() or not 1 <= len(name) <= 60:
        raise argparse.ArgumentTypeError("is no name of 1 to 60 letters")
    return name


def _months(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 24:
        raise argparse.ArgumentTypeError("is no whole number from 1 to 24")
    return int(text)


def _speed(text: str) -> float:
    speed = float(text)
    if not 1 <= speed <= 1000:
        raise argparse.ArgumentTypeError("is not between 1 and 1000")
    return speed
