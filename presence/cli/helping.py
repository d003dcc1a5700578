"""`presence help`, and what `presence` alone says: where to begin."""

import argparse
import sys
from typing import Final

from presence.cli.command import Parser, meant
from presence.cli.exit_codes import ExitCode
from presence.cli.parsers import parser
from presence.errors import UsageError

BEGIN: Final = """\
usage: presence COMMAND [OPTION …]

  presence demo       a shop for a minute on this terminal, without a radio
  presence check      is everything in place on this gateway?
  presence status     how the running gateway is, and the next step
  presence scan-test  test and set the door, with a test phone
  presence help       all commands; `presence help check` about one"""


def start(options: argparse.Namespace) -> int:
    print(_parser_of(options.words).format_help(), end="")
    return ExitCode.OK


def missing(options: argparse.Namespace) -> int:
    """No command was given, or no action of one: nothing was done, so it is no success."""
    text = _parser_of([options.command]).format_help() if options.command else f"{BEGIN}\n"
    print(text, end="", file=sys.stderr)
    return ExitCode.USAGE


def _parser_of(words: list[str]) -> Parser:
    """Raises UsageError."""
    found = parser()
    for word in words:
        commands = found.commands()
        if word not in commands:
            raise UsageError(f"{found.prog} has no command {word!r}{meant(word, commands)}")
        found = commands[word]
    return found
