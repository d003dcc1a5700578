"""What `presence consents` takes where its wheel is installed, and what it says where it is not."""

import argparse
import importlib
from typing import Final

from presence import __version__
from presence.cli.command import Commands
from presence.errors import InstallationError

PACKAGE: Final = "presence.cli.consents"
SUMMARY: Final = "the reference publisher: keep and sign a consent list"
ELSEWHERE: Final = f"""\
the consent service is not installed here, and on a gateway it must not be: it
keeps customers' identity keys. On the chain's machine, install the wheel
presence-consents {__version__} beside presence {__version__}: docs/consent-list.md"""


def add(commands: Commands) -> None:
    try:
        parser = importlib.import_module(f"{PACKAGE}.parser")
    except ModuleNotFoundError as missing:
        if not (missing.name or "").startswith(PACKAGE):
            raise
        _add_elsewhere(commands)
    else:
        parser.add(commands)


def _add_elsewhere(commands: Commands) -> None:
    command = commands.add(
        "consents",
        f"{__name__}:say_where",
        summary=f"{SUMMARY} (not installed here)",
        description=ELSEWHERE,
        add_help=False,
        prefix_chars="\0",  # whatever is typed after it, the answer is the same
    )
    command.add_argument("anything", nargs="*")


def say_where(_options: argparse.Namespace) -> int:
    raise InstallationError(ELSEWHERE)
