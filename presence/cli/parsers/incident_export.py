"""What `presence incident-export` takes."""

from pathlib import Path
from typing import Final

from presence.cli.command import Commands, add_json
from presence.cli.exit_codes import ExitCode

STATE_DIR: Final = Path("/var/lib/presence")

DESCRIPTION: Final = """\
Tells what the folders of a gateway hold, and of nobody whose it is. Changes
nothing.
"""

EPILOG: Final = """\
Give it a copy of the state directory: a backup, or the image of the disk.
Window keys lie in the runtime directory, which is memory: a gateway that was
unplugged holds none, but for a plain consent list, whose file holds them. Whose
entries they are, the consent service tells by list and number.
"""

EXAMPLES: Final = (
    "presence incident-export --state-dir /mnt/image/var/lib/presence",
    "presence incident-export --state-dir backup --runtime-dir /run/presence --json",
)
EXITS: Final = {
    ExitCode.OK: "told",
    ExitCode.UNAVAILABLE: "the folder cannot be read",
}


def add(commands: Commands) -> None:
    command = commands.add(
        "incident-export",
        "presence.cli.incident_export:start",
        summary="what a stolen gateway held: list, number, entries, key windows, last contact",
        description=DESCRIPTION,
        epilog=EPILOG,
        examples=EXAMPLES,
        exits=EXITS,
    )
    command.add_argument(
        "--state-dir", type=Path, default=STATE_DIR, metavar="DIR", help=f"default {STATE_DIR}"
    )
    command.add_argument(
        "--consent-dir", type=Path, metavar="DIR", help="of a plain list; default DIR/consent"
    )
    command.add_argument(
        "--runtime-dir", type=Path, metavar="DIR", help="where it ran on: window keys in memory"
    )
    add_json(command)
