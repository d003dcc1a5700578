"""One way to make a command: its parser now, its work only when it is chosen.

A parser names its work ("module:function") and imports nothing of it, so that `--help` and
`--version` answer before numpy, bleak or tuf are even looked for. Held, and that every name leads
somewhere, by tests/cli/parsers/test_startup.py.
"""

import argparse
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol

from presence.location import SETTINGS, VARIABLE, settings_file

CONFIG: Final = f"of settings (${VARIABLE}, else {SETTINGS})"


class TakesOptions(Protocol):
    """A parser, or a group of options that exclude one another."""

    def add_argument(self, *names: str, **how: Any) -> argparse.Action: ...


class Commands:
    """The commands, or the actions of one, that a parser chooses from."""

    def __init__(self, parser: argparse.ArgumentParser, *, metavar: str) -> None:
        self._parsers = parser.add_subparsers(dest=metavar.lower(), metavar=metavar, required=True)

    def add(
        self,
        name: str,
        work: str | None,
        *,
        summary: str,
        description: str,
        epilog: str | None = None,
        **how: Any,
    ) -> argparse.ArgumentParser:
        """`work` takes the options and answers with the exit code; None where actions have it.

        Texts are shown as they are: lines of at most 80 characters.
        """
        command = self._parsers.add_parser(
            name,
            help=summary,
            description=description,
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            **how,
        )
        if work is not None:
            command.set_defaults(work=work)
        return command


def work_of(options: argparse.Namespace) -> Callable[[argparse.Namespace], int]:
    """What was chosen, imported now."""
    module, _, function = options.work.partition(":")
    work: Callable[[argparse.Namespace], int] = getattr(importlib.import_module(module), function)
    return work


def add_config(to: TakesOptions, explanation: str = CONFIG) -> None:
    """The file of settings, which every gateway has somewhere."""
    to.add_argument(
        "-c", "--config", type=Path, default=settings_file(), metavar="FILE", help=explanation
    )


def add_other_config(to: TakesOptions, explanation: str) -> None:
    """For a command that may do without: None where it is not named."""
    to.add_argument("-c", "--config", type=Path, metavar="FILE", help=explanation)


def add_json(to: TakesOptions, explanation: str = "one JSON object on stdout") -> None:
    to.add_argument("--json", action="store_true", help=explanation)
