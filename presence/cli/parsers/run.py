"""What `presence run` takes."""

from typing import Final

from presence.cli.command import Commands, add_config
from presence.cli.exit_codes import ExitCode

DESCRIPTION: Final = """\
Runs until SIGTERM. SIGHUP reads the configuration again; a faulty one changes
nothing.
"""

EXAMPLES: Final = (
    "presence run --config /etc/presence/presence.yaml",
    "sudo systemctl start presence            # as the installed service",
)
EXITS: Final = {
    ExitCode.OK: "stopped by SIGTERM or Ctrl-C",
    ExitCode.UNAVAILABLE: "the disk, or another gateway of the same folder, is in the way",
    ExitCode.TEMPFAIL: "the radio is deaf and only a start anew is left to try",
    ExitCode.CONFIG: "the configuration cannot be used",
}


def add(commands: Commands) -> None:
    command = commands.add(
        "run",
        "presence.cli.run:start",
        summary="the daemon: scan, match, decide, publish",
        description=DESCRIPTION,
        examples=EXAMPLES,
        exits=EXITS,
    )
    add_config(command)
