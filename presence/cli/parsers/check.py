"""What `presence check` takes."""

import argparse
from typing import Final

from presence.cli.command import Commands, add_config, add_json, add_language, add_quiet
from presence.cli.exit_codes import ExitCode, verdict_exits

DESCRIPTION: Final = """\
Looks at each part and says the next step. Changes nothing, and tells nothing
about anybody: one empty message to the audience `test` shows whether the
broker lets us.
"""

EXAMPLES: Final = (
    "presence check --config /etc/presence/presence.yaml",
    "sudo presence check --inside               # in the sandbox of the service",
    "presence check -c /etc/presence/presence.yaml -q   # only what is not in order",
)
EXITS: Final = {
    **verdict_exits(),
    ExitCode.UNAVAILABLE: "systemd does not let us, or its unit is not ours (--inside)",
    ExitCode.CONFIG: "the configuration cannot be used",
}


def add(commands: Commands) -> None:
    command = commands.add(
        "check",
        "presence.cli.check:start",
        summary="configuration, clock, list, broker, adapter: is everything in place?",
        description=DESCRIPTION,
        examples=EXAMPLES,
        exits=EXITS,
    )
    where = command.add_mutually_exclusive_group()
    add_config(where)
    where.add_argument(
        "--inside",
        action="store_true",
        help="as root: in the sandbox of the installed service, with its settings",
    )
    add_quiet(command, "only what is not PASS")
    add_language(command, "of what is found")
    add_json(command)
    # how --inside asks: its JSON can be said in a language
    command.add_argument("--apart", action="store_true", help=argparse.SUPPRESS)
