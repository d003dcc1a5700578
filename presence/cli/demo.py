"""`presence demo`: a shop for a minute, with a real broker, an offer engine and a privacy
account.
"""

import argparse
import asyncio
import importlib.util
import json
import os
import shutil
import sys

from presence.cli.termination import TERMINATED, unless_terminated
from presence.demo.account import as_dict
from presence.demo.lines import PlainLines, account_lines
from presence.demo.play import play
from presence.demo.stage import Spectator

MIN_COLUMNS, MIN_ROWS = 80, 24


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
    if columns < MIN_COLUMNS or rows < MIN_ROWS:
        print(
            f"plain lines, because the picture of the shop needs {MIN_COLUMNS} × {MIN_ROWS} "
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
