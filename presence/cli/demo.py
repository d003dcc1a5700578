"""`presence demo`: a shop for a minute, with a signed list, a broker, an offer engine and a privacy
account.
"""

import argparse
import asyncio
import json
import os
import shutil
import sys
from contextlib import ExitStack
from typing import TextIO

from presence.cli.exit_codes import ExitCode
from presence.cli.termination import unless_terminated
from presence.demo.account import as_dict
from presence.demo.lines import PlainLines, account_lines
from presence.demo.play import play
from presence.demo.recording import recorder
from presence.demo.stage import Several, Spectator
from presence.demo.terminal import LiveView, OnTerminal


def start(options: argparse.Namespace) -> int:
    with ExitStack() as stack:
        audience = audience_for(options)
        if sys.stderr.isatty():
            _plain(sys.stderr).say("opening a shop: keys, a signed list, a broker …")
        if options.record is not None:
            file, recording = recorder(options.record)
            stack.enter_context(file)
            audience = Several((audience, recording))
        work = play(
            speed=options.speed, seed=options.seed, prefer=options.broker, audience=audience
        )
        try:
            account = asyncio.run(unless_terminated(work))
        except KeyboardInterrupt:
            print("stopped: keys, list and broker of the play are gone", file=sys.stderr)
            return ExitCode.INTERRUPTED
        if account is None:
            return ExitCode.TERMINATED
        audience.account(account_lines(account))
    if options.json:
        print(json.dumps(as_dict(account)))
    return ExitCode.WARN if account.problems else ExitCode.OK


def audience_for(options: argparse.Namespace) -> Spectator:
    """The picture where there is a terminal for it; elsewhere plain lines."""
    if options.json:
        return _plain(sys.stderr) if options.no_tui else Spectator()
    out = sys.stdout
    if options.no_tui or not out.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        return _plain(out)
    size = shutil.get_terminal_size
    view = LiveView(out, size, colour=not os.environ.get("NO_COLOR"), ascii_only=_is_ascii(out))
    return OnTerminal(view, _plain(out), size)


def _plain(out: TextIO) -> PlainLines:
    return PlainLines(out, ascii_only=_is_ascii(out))


def _is_ascii(out: TextIO) -> bool:
    return "utf" not in (getattr(out, "encoding", None) or "").lower()
