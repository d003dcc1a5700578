"""What `presence status` takes."""

from pathlib import Path
from typing import Final

from presence.cli.command import Commands, add_config, add_json

DEFAULT_SOCKET: Final = Path("/run/presence/status.sock")

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
        default=DEFAULT_SOCKET,
        metavar="PATH",
        help=f"default {DEFAULT_SOCKET}",
    )
    add_config(where, explanation="take storage.runtime_dir from there")
    add_json(command)
