"""Every command of `presence`, as its parser knows them."""

import argparse
from collections.abc import Iterator


def commands_of(
    parser: argparse.ArgumentParser, before: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], argparse.ArgumentParser]]:
    """The words typed, such as ("consents", "add"), and the parser of each; depth first."""
    for each in parser._actions:
        if isinstance(each, argparse._SubParsersAction):
            for name, command in each.choices.items():
                yield (*before, name), command
                yield from commands_of(command, (*before, name))
