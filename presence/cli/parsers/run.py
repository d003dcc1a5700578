"""What `presence run` takes."""

from typing import Final

from presence.cli.command import Commands, add_config

DESCRIPTION: Final = """\
Runs until SIGTERM. SIGHUP reads the configuration again; a faulty one changes
nothing.
"""


def add(commands: Commands) -> None:
    command = commands.add(
        "run",
        "presence.cli.run:start",
        summary="the daemon: scan, match, decide, publish",
        description=DESCRIPTION,
    )
    add_config(command)
