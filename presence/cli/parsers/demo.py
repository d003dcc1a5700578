"""What `presence demo` takes."""

import argparse
import math
from typing import Final

from presence.cli.command import Commands, add_json

DESCRIPTION: Final = """\
Plays a shop for about a minute: customers and passers-by as raw advertising
payloads, through the very gateway that `presence run` starts, to a real MQTT
broker on this machine and an offer engine. Needs no radio, no root and no
network. Ends by itself, with a privacy account that is measured.
"""

EPILOG: Final = """\
exit codes: 0 all as it should be; 1 a trace was found, somebody was greeted
wrongly, or a part did not start; 130 interrupted. Without a terminal, on one of
less than 80 × 24 characters, and with --no-tui, there is one plain line for
each happening.
"""


def add(commands: Commands) -> None:
    command = commands.add(
        "demo",
        "presence.cli.demo:start",
        summary="a shop for a minute on this terminal, without a radio",
        description=DESCRIPTION,
        epilog=EPILOG,
    )
    command.add_argument(
        "--speed", type=_speed, default=1.0, metavar="N", help="so many times faster, 0.1 to 30 (1)"
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
        "--no-tui", action="store_true", help="plain lines in place of the live view"
    )
    add_json(command, "one JSON object at the end on stdout; with --no-tui, lines on stderr")


def _speed(text: str) -> float:
    try:
        speed = float(text)
    except ValueError:
        speed = math.nan
    if not 0.1 <= speed <= 30:  # nor is "nan"
        raise argparse.ArgumentTypeError(f"{text!r} is not a number between 0.1 and 30")
    return speed
