"""What `presence status` takes."""

from pathlib import Path
from typing import Final

from presence.cli.command import CONFIG, Commands, add_json, add_other_config

DESCRIPTION: Final = """\
Asks the running gateway over its socket in the runtime directory. Changes
nothing.
"""

EPILOG: Final = """\
No identifier of a customer is shown, and no number that one customer could
change.

exit codes: 0 running and all is well, 1 running and something is to be done,
3 not running, 4 it does not answer us, 78 the configuration cannot be used
"""


def add(commands: Commands) -> None:
    command = commands.add(
        "status",
        "presence.cli.status:start",
        summary="how does the running gateway do, and what is the next step?",
        description=DESCRIPTION,
        epilog=EPILOG,
    )
    where = command.add_mutually_exclusive_group()
    where.add_argument(
        "--socket",
        type=Path,
        metavar="PATH",
        help="of a gateway (status.sock in storage.runtime_dir)",
    )
    add_other_config(where, CONFIG)
    add_json(command)
