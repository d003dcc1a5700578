"""What `presence check` takes."""

from typing import Final

from presence.cli.command import Commands, add_config, add_json

DESCRIPTION: Final = """\
Looks at each part and says the next step. Changes nothing, and tells nothing
about anybody: one empty message to the audience `test` shows whether the
broker lets us.
"""

EPILOG: Final = """\
exit codes: 0 all PASS, 1 something to WARN of, 2 something FAILs, 78 the
configuration cannot be read
"""


def add(commands: Commands) -> None:
    command = commands.add(
        "check",
        "presence.cli.check:start",
        summary="configuration, clock, list, broker, adapter: is everything in place?",
        description=DESCRIPTION,
        epilog=EPILOG,
    )
    where = command.add_mutually_exclusive_group()
    add_config(where)
    where.add_argument(
        "--inside",
        action="store_true",
        help="as root: in the sandbox of the installed service, with its settings",
    )
    add_json(command)
