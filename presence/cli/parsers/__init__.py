"""What can be typed after `presence`: one file a command, with its texts and options, and no import
of its work.

Imports: presence.cli.command, presence.cli.exit_codes, presence.language, presence.location and
presence.errors.
"""

from typing import Final

from presence import __version__
from presence.cli.command import MISSING, Commands, Parser
from presence.cli.exit_codes import MEANINGS
from presence.cli.parsers import (
    audit,
    check,
    completion,
    config,
    consents,
    demo,
    engine_test,
    evidence,
    helping,
    incident_export,
    replay,
    run,
    satellite,
    scan_test,
    status,
    subject_report,
    support_bundle,
)

PARSERS: Final = (
    demo,
    config,
    run,
    satellite,
    status,
    check,
    audit,
    evidence,
    subject_report,
    support_bundle,
    incident_export,
    replay,
    scan_test,
    engine_test,
    consents,
    completion,
    helping,
)
"""In the order of `presence --help`."""

EXAMPLES: Final = (
    "presence demo                     # a shop for a minute, without a radio",
    "presence help check               # what a command takes, with examples",
)


def parser() -> Parser:
    """Of `presence` with all its commands."""
    top = Parser(
        prog="presence",
        description="Recognises customers who asked to be recognised, and nobody else.",
        examples=EXAMPLES,
        exits=MEANINGS,
    )
    top.add_argument("-V", "--version", action="version", version=f"presence {__version__}")
    commands = Commands(top, metavar="COMMAND", missing=MISSING)
    for each in PARSERS:
        each.add(commands)
    return top
