"""What `presence demo` takes."""

import argparse
import math
from pathlib import Path
from typing import Final

from presence.cli.command import Commands, add_json
from presence.cli.exit_codes import ExitCode

DESCRIPTION: Final = """\
Plays a shop for about a minute: the street as you see it, beside all that the
gateway knows. Customers and passers-by are raw advertising payloads, and a
locked iPhone answers the doorbell. The gateway is the one that `presence run`
starts; the list is signed by `presence consents`, the events go to an MQTT
broker on this machine and to the offer engine. Needs no radio, no root and no
network. Ends by itself, with a privacy account that is measured.
"""

EPILOG: Final = """\
Without a terminal, on one of less than 80 × 24 characters, with TERM=dumb and
with --no-tui, there is one plain line for each happening. NO_COLOR switches
colours off.
"""

EXAMPLES: Final = (
    "presence demo",
    "presence demo --speed 3 --seed 2        # another day, three times as fast",
    "presence demo --no-tui --json           # for a program: the account as JSON",
)
EXITS: Final = {
    ExitCode.OK: "all as it should be",
    ExitCode.WARN: "a trace was found, or somebody was greeted wrongly",
    ExitCode.UNAVAILABLE: "a part did not start",
    ExitCode.INTERRUPTED: "interrupted",
}


def add(commands: Commands) -> None:
    command = commands.add(
        "demo",
        "presence.cli.demo:start",
        summary="a shop for a minute on this terminal, without a radio",
        description=DESCRIPTION,
        epilog=EPILOG,
        examples=EXAMPLES,
        exits=EXITS,
    )
    command.add_argument(
        "--speed", type=_speed, default=1.0, metavar="N", help="so many times faster, 0.1 to 5 (1)"
    )
    command.add_argument(
        "--seed", type=int, default=1, metavar="N", help="another number, another day (1)"
    )
    command.add_argument(
        "--broker",
        choices=("auto", "mosquitto", "embedded"),
        default="auto",
        help="auto: mosquitto where it is installed, because it speaks MQTT 5",
    )
    command.add_argument(
        "--no-tui", action="store_true", help="plain lines in place of the picture"
    )
    command.add_argument(
        "--record",
        type=Path,
        metavar="FILE",
        help="the picture as an asciicast of 80 × 24, to be played with asciinema",
    )
    add_json(command, "one JSON object at the end on stdout; with --no-tui, lines on stderr")


def _speed(text: str) -> float:
    try:
        speed = float(text)
    except ValueError:
        speed = math.nan
    if not 0.1 <= speed <= 5:  # nor is "nan"
        raise argparse.ArgumentTypeError(f"{text!r} is not a number between 0.1 and 5")
    return speed
