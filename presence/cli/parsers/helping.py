"""What `presence help` takes."""

from typing import Final

from presence.cli.command import Commands
from presence.cli.exit_codes import ExitCode

DESCRIPTION: Final = """\
Shows what a command takes, with examples: as `presence COMMAND --help` does.
"""


def add(commands: Commands) -> None:
    command = commands.add(
        "help",
        "presence.cli.helping:start",
        summary="what a command takes, with examples",
        description=DESCRIPTION,
        examples=("presence help", "presence help check", "presence help consents add"),
        exits={ExitCode.OK: "shown", ExitCode.USAGE: "there is no such command"},
    )
    command.add_argument("words", nargs="*", metavar="COMMAND", help="and of its actions one")
