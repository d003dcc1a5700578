"""Every command of a program, as its parser knows them."""

from collections.abc import Iterator

from presence.cli.command import Parser


def commands_of(
    parser: Parser, before: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Parser]]:
    """The words typed, such as ("consents", "add"), and the parser of each; depth first."""
    for name, command in parser.commands().items():
        yield (*before, name), command
        yield from commands_of(command, (*before, name))
