"""What `presence support-bundle` takes."""

from pathlib import Path
from typing import Final

from presence.cli.command import Commands, add_config, add_json, add_output
from presence.cli.exit_codes import ExitCode

DESCRIPTION: Final = """\
Writes one .tar.gz for whoever helps you: versions, settings (numbers and
switches; of names, hosts, paths and contacts only that they are given), status,
checks, metrics, the last 2,000 lines of the journal by the log's allow list,
and the audit log. No customer, key, identifier, event or radio address is in
it. It is text: look into it before you send it.
"""

EPILOG: Final = """\
A part that cannot be had is named with the reason, and the others are written
all the same.
"""

EXAMPLES: Final = (
    "presence support-bundle --config /etc/presence/presence.yaml",
    "presence support-bundle -c /etc/presence/presence.yaml -o /tmp/help.tar.gz",
)
EXITS: Final = {
    ExitCode.OK: "written",
    ExitCode.UNAVAILABLE: "the file cannot be written",
    ExitCode.CONFIG: "the configuration cannot be used",
}


def add(commands: Commands) -> None:
    command = commands.add(
        "support-bundle",
        "presence.cli.support_bundle:start",
        summary="one file for whoever helps you, without anything about anybody",
        description=DESCRIPTION,
        epilog=EPILOG,
        examples=EXAMPLES,
        exits=EXITS,
    )
    add_config(command)
    add_output(command, metavar="FILE", explanation="default: presence-support-TIME.tar.gz, here")
    command.add_argument(
        "--journal",
        type=Path,
        metavar="FILE",
        help="the daemon's log, where it is not in the journal",
    )
    add_json(command)
