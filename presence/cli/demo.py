"""`presence demo`: a shop for a minute, with a real broker, an offer engine and a privacy
account.
"""

import argparse
import asyncio
import importlib.util
import json
import math
import os
import shutil
import sys

from presence.cli.termination import TERMINATED, unless_terminated
from presence.demo.account import as_dict
from presence.demo.lines import PlainLines, account_lines
from presence.demo.play import play
from presence.demo.stage import Spectator

LEAST_COLUMNS, LEAST_ROWS = 80, 24

DESCRIPTION = """\
Plays a shop for about a minute: customers and passers-by as raw advertising payloads, through the very gateway that
`presence run` starts, to a real MQTT broker on this machine and an offer engine. Needs no radio, no root and no
network. Ends by itself, with a privacy account that is measured.
"""

EPILOG = """\
exit codes: 0 all as it should be; 1 a trace was found, somebody was greeted wrongly, or a part did not start;
130 interrupted. Without a terminal, on one of less than 80 × 24 characters, and with --no-tui, there is one plain
line for each happening.
"""


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "demo",
        help="a shop for a minute on this terminal, without a radio",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument(
        "--speed", type=_speed, default=1.0, metavar="N", help="so many times faster, 0.1 to 30 (1)"
    )
    command.add_argument(
        "--seed", type=int, default=1, metavar="N", help="another number, another day (1)"
    )
    command.add_argument(
        "--broker", choices=("auto", "mosquitto", "embedded"), default="auto",
        help="auto: mosquitto where it is installed, because it speaks MQTT 5",
    )  # fmt: skip
    command.add_argument(
        "--no-tui", action="store_true", help="plain lines in place of the live view"
    )
    command.add_argument(
        "--json",
        action="store_true",
        help="one JSON object at the end on stdout; with --no-tui, lines on stderr",
    )
    command.set_defaults(start=start)


def _speed(text: str) -> float:
    try:
        speed = float(text)
    except ValueError:
        speed = math.nan
    if not 0.1 <= speed <= 30:  # nor is "nan"
        raise argparse.ArgumentTypeError(f"{text!r} is not a number between 0.1 and 30")
    return speed


def start(options: argparse.Namespace) -> int:
    work = play(
        speed=options.speed,
        seed=options.seed,
        prefer=options.broker,
        audience=audience_for(options),
    )
    account = asyncio.run(unless_terminated(work))
    if account is None:
        return TERMINATED
    if options.json:
        print(json.dumps(as_dict(account)))
    else:
        print("\n" + "\n".join(account_lines(account)))
    return 1 if account.problems else 0


def audience_for(options: argparse.Namespace) -> Spectator:
    """The live view where there is a terminal for it; elsewhere plain lines, and why."""
    if options.json:
        return PlainLines(sys.stderr) if options.no_tui else Spectator()
    if options.no_tui or not sys.stdout.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        return PlainLines(sys.stdout)
    columns, rows = shutil.get_terminal_size()
    if columns < LEAST_COLUMNS or rows < LEAST_ROWS:
        print(
            f"plain lines, because the picture of the shop needs {LEAST_COLUMNS} × {LEAST_ROWS} "
            "characters"
        )
        return PlainLines(sys.stdout)
    if importlib.util.find_spec("rich") is None:
        print(
            "plain lines, because rich is not installed: pip install 'presence[demo]' shows the "
            "shop itself"
        )
        return PlainLines(sys.stdout)
    from presence.demo.view import LiveView  # noqa: PLC0415 - only where rich is installed

    return LiveView()
