"""What `presence subject-report` takes."""

from typing import Final

from presence.cli.command import Commands, add_config, add_json
from presence.cli.exit_codes import ExitCode

DESCRIPTION: Final = """\
Validity and categories of the entry as this gateway holds it, and that no
visits are stored.
"""

EPILOG: Final = """\
The reference is the one of the consent list, 11 characters. With `--ref -` it
is read from standard input, so that it stands neither in the shell's history
nor in the list of processes. Who belongs to it, only the consent service knows.
"""

EXAMPLES: Final = (
    "presence subject-report -c /etc/presence/presence.yaml --ref -",
    "presence subject-report -c shop.yaml --ref EpmclWq4nQk --json",
)
EXITS: Final = {
    ExitCode.OK: "answered, also where there is no entry",
    ExitCode.USAGE: "what was given is not a reference",
    ExitCode.UNAVAILABLE: "the list cannot be read",
    ExitCode.CONFIG: "the configuration cannot be used",
}


def add(commands: Commands) -> None:
    command = commands.add(
        "subject-report",
        "presence.cli.subject_report:start",
        summary="what is stored about one reference: the answer to an access request",
        description=DESCRIPTION,
        epilog=EPILOG,
        examples=EXAMPLES,
        exits=EXITS,
    )
    add_config(command)
    command.add_argument(
        "--ref", required=True, metavar="REF", help="the reference, or - to read it from stdin"
    )
    add_json(command)
