"""What `presence completion` takes."""

from typing import Final

from presence.cli.command import Commands
from presence.cli.exit_codes import ExitCode

SHELLS: Final = ("bash", "zsh", "fish")
DESCRIPTION: Final = """\
Prints what lets your shell complete commands, options and file names after TAB.
On a gateway scripts/install has put it in place for all three already.
"""
EXAMPLES: Final = (
    "presence completion bash >~/.local/share/bash-completion/completions/presence",
    "presence completion zsh >~/.zfunc/_presence       # with fpath+=~/.zfunc",
    "presence completion fish >~/.config/fish/completions/presence.fish",
)


def add(commands: Commands) -> None:
    command = commands.add(
        "completion",
        "presence.cli.completion:start",
        summary="what completes `presence` in bash, zsh or fish",
        description=DESCRIPTION,
        examples=EXAMPLES,
        exits={ExitCode.OK: "printed", ExitCode.USAGE: "not one of the three shells"},
    )
    command.add_argument("shell", choices=SHELLS, metavar="SHELL", help="bash, zsh or fish")
