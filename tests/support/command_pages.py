"""docs/commands.md: what can be typed after `presence`, from the parsers (`presence.cli.parsers`).

argparse's own help looks different from one Python to the next, so nothing of its layout is used.
"""

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from presence.cli.command import Parser
from presence.cli.parsers import parser
from presence.location import SETTINGS, VARIABLE
from tests.support.paths import ROOT

PAGE: Final = ROOT / "docs" / "commands.md"

EXAMPLES: Final = (
    "<!-- not run: tests/cli/parsers/test_command_line.py holds that the parser takes each -->"
)
HEAD: Final = f"""\
# Commands
Made by `scripts/pages` from the parsers; a test holds it. `presence help COMMAND` and `presence
COMMAND --help` say the same on a terminal.

A gateway's settings are in `{SETTINGS}`, unless `--config` or `{VARIABLE}` names
another file. Every command takes `-v` (where it fails, say where in the program), `--no-color` and
`--help`. All exit codes in one table: [operations.md](operations.md#exit-codes).
"""


def pages() -> dict[Path, str]:
    return {PAGE: commands_page(parser())}


def commands_page(top: Parser) -> str:
    commands = top.commands()
    lines = [HEAD, "| command | what it does |", "|---|---|"]
    lines += [f"| [`presence {n}`](#presence-{n}) | {_summary(top, n)} |" for n in commands]
    for command in commands.values():
        lines += _command(command, "##")
        for action in command.commands().values():
            lines += _command(action, "###")
    return "\n".join(lines) + "\n"


def _summary(top: Parser, name: str) -> str:
    choices = next(a for a in top._actions if isinstance(a, argparse._SubParsersAction))
    (found,) = (each.help for each in choices._choices_actions if each.dest == name)
    return _cell(found or "")


def _command(command: Parser, level: str) -> Iterator[str]:
    yield from ("", f"{level} `{command.prog}`", "```text", (command.description or "").strip())
    yield "```"
    taken = {
        _names(action): command._get_formatter()._expand_help(action) if action.help else ""
        for action in command._actions
        if not isinstance(action, argparse._HelpAction | argparse._SubParsersAction)
        and action.help is not argparse.SUPPRESS
        and not {"-v", "--no-color"} & set(action.option_strings)
    }
    if taken:
        yield from _rows("it takes", taken)
    if command.notes:
        yield from ("", "```text", command.notes, "```")
    if command.examples:
        yield from ("", EXAMPLES, "```sh", *command.examples, "```")
    if command.exits:
        yield from _rows("it ends with", {str(int(c)): m for c, m in command.exits.items()})


def _names(action: argparse.Action) -> str:
    """As it is typed: `-c, --config FILE`, or the word itself."""
    value = ""
    if action.nargs != 0:
        named = action.metavar or (
            "{" + ",".join(map(str, action.choices)) + "}"
            if action.choices
            else action.dest.upper()
        )
        value = named if isinstance(named, str) else " ".join(named)
        many = {"*": f"[{value} …]", "+": f"{value} …", "?": f"[{value}]"}
        value = many.get(str(action.nargs), value)
    return " ".join(filter(None, (", ".join(action.option_strings), value)))


def _rows(head: str, meaning: Mapping[str, str | None]) -> Iterator[str]:
    yield from ("", f"| {head} | |", "|---|---|")
    yield from (f"| `{_cell(name)}` | {_cell(words or '')} |" for name, words in meaning.items())


def _cell(words: str) -> str:
    return " ".join(words.split()).replace("|", "\\|").replace("<", "&lt;")
