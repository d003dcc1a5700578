"""What `presence status` takes."""

from pathlib import Path
from typing import Final

from presence.cli.command import CONFIG, Commands, add_json, add_other_config, add_quiet
from presence.cli.exit_codes import ExitCode

DESCRIPTION: Final = """\
Asks the running gateway over its socket in the runtime directory. Changes
nothing.
"""

EPILOG: Final = """\
No identifier of a customer is shown, and no number that one customer could
change.
"""

EXAMPLES: Final = (
    "presence status",
    "presence status --json | jq .next_steps",
    "presence status -q || echo look after it   # the exit code alone",
)
EXITS: Final = {
    ExitCode.OK: "running and all is well",
    ExitCode.WARN: "running and something is to be done",
    ExitCode.NOT_RUNNING: "not running",
    ExitCode.NOT_ANSWERING: "it does not answer us",
    ExitCode.CONFIG: "the configuration cannot be used",
}


def add(commands: Commands) -> None:
    command = commands.add(
        "status",
        "presence.cli.status:start",
        summary="how does the running gateway do, and what is the next step?",
        description=DESCRIPTION,
        epilog=EPILOG,
        examples=EXAMPLES,
        exits=EXITS,
    )
    where = command.add_mutually_exclusive_group()
    where.add_argument(
        "--socket",
        type=Path,
        metavar="PATH",
        help="of a gateway (status.sock in storage.runtime_dir)",
    )
    add_other_config(where, CONFIG)
    add_quiet(command, "nothing on stdout: the exit code says it")
    add_json(command)
