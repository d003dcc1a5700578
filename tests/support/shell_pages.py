"""The man pages and what shells complete by, made from the parsers: one page a command (R-61).

Written by `scripts/pages`, shipped as they are; the same whatever Python makes them.
"""

import argparse
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

import shtab

from presence import __version__
from presence.cli.command import Parser
from presence.cli.parsers import parser
from presence.cli.parsers.completion import SHELLS
from presence.survey.guide import SurveyStep
from presence.survey.plans import ShopPlan
from presence.survey.practice import PracticeDoor
from tests.support.command_line import commands_of
from tests.support.paths import ROOT

MAN: Final = ROOT / "docs" / "man"
COMPLETIONS: Final = ROOT / "presence" / "cli" / "completions"
WORDS: Final[Mapping[str, Iterable[str]]] = {
    "plan": ShopPlan,
    "door": PracticeDoor,
    "steps": SurveyStep,
}
"""Of options whose parser does not import the words that they take."""


def pages() -> dict[Path, str]:
    """Every file that is made from the parsers, as it should be."""
    top = parser()
    found = {MAN / "presence.1": man_page(top)}
    for name, command in top.commands().items():
        found[MAN / f"presence-{name}.1"] = man_page(command)
    return found | {COMPLETIONS / f"presence.{shell}": completion(shell) for shell in SHELLS}


def completion(shell: str) -> str:
    top = parser()
    for words, command in [((), top), *commands_of(top)]:
        if words:
            command.description = _summary(command)  # fish shows it beside the name
        for action in command._actions:
            if action.type is Path:
                kind = shtab.DIRECTORY if action.metavar == "DIR" else shtab.FILE
                action.complete = kind  # type: ignore[attr-defined]
            elif action.dest == "words":
                action.choices = list(top.commands())
            elif action.dest in WORDS:
                action.choices = list(map(str, WORDS[action.dest]))
    return str(shtab.complete(top, shell)).rstrip("\n") + "\n"


def man_page(command: Parser) -> str:
    """In man(7), for `man presence-check`."""
    title = command.prog.replace(" ", "-").upper()
    lines = [
        f'.TH "{title}" "1" "" "presence {__version__}" "presence"',
        ".ad l",
        ".SH NAME",
        f"{_text(title.lower())} \\- {_text(_summary(command))}",
        ".SH SYNOPSIS",
        *_synopsis(command),
        ".SH DESCRIPTION",
        *_prose(command.description or ""),
    ]
    if command.commands():
        lines.append(".SH COMMANDS" if command.prog == "presence" else ".SH ACTIONS")
        for name, inner in command.commands().items():
            lines += [".TP", f".B {_text(name)}", _text(_summary(inner))]
    lines += [".SH OPTIONS", *_options(command)]
    if command.prog != "presence":
        for inner in command.commands().values():
            lines += [f".SS {_text(inner.prog)}", *_synopsis(inner), *_options(inner)]
    if command.examples:
        lines += [".SH EXAMPLES", ".EX", *map(_text, _lines(command.examples)), ".EE"]
    if command.notes:
        lines += [".SH NOTES", *_prose(command.notes)]
    if command.exits:
        lines.append(".SH EXIT STATUS")
        for code, meaning in command.exits.items():
            lines += [".TP", f".B {int(code)}", _text(meaning)]
    others = [".BR presence (1)"] if command.prog != "presence" else _others(command)
    return "\n".join([*lines, ".SH SEE ALSO", *others]) + "\n"


def _summary(command: Parser) -> str:
    """What the list of commands says of it."""
    *before, name = command.prog.split()
    found = parser()
    for word in before[1:]:
        found = found.commands()[word]
    for action in found._actions:
        if isinstance(action, argparse._SubParsersAction):
            for choice in action._choices_actions:
                if choice.dest == name:
                    return str(choice.help)
    return "recognises customers who asked to be recognised, and nobody else"


def _others(command: Parser) -> list[str]:
    names = [f".BR \\%presence\\-{_text(name)} (1)" for name in command.commands()]
    return [f"{name}," for name in names[:-1]] + names[-1:]


def _synopsis(command: Parser) -> list[str]:
    """What must be given by name, and the rest as one word."""
    words = [
        _named(action)[-1] if action.option_strings else _positional(action)
        for action in command._actions
        if (action.required if action.option_strings else not command.commands())
    ]
    rest = "COMMAND …" if command.commands() else "[OPTION …]"
    return [".PP", f".B {_text(command.prog)}", _text(" ".join([rest, *words]))]


def _positional(action: argparse.Action) -> str:
    """By `nargs`: what `required` says of these is another thing in each Python."""
    value = _value(action)
    return f"[{value}]" if action.nargs in {"?", "*", argparse.REMAINDER} else value


def _options(command: Parser) -> Iterator[str]:
    for action in command._actions:
        if isinstance(action, argparse._SubParsersAction) or action.help is argparse.SUPPRESS:
            continue
        yield ".TP"
        yield f".B {_text(', '.join(_named(action)) or _value(action))}"
        yield _text(str(action.help or "as its name says").replace("%%", "%"))


def _named(action: argparse.Action) -> list[str]:
    """Its short and its long name, the last with the value: `-c`, `--config FILE`."""
    names, value = list(action.option_strings), _value(action)
    return [*names[:-1], f"{names[-1]} {value}".strip()] if names else []


def _value(action: argparse.Action) -> str:
    if action.nargs == 0:
        return ""
    choices = ",".join(map(str, action.choices or ()))
    return str(action.metavar or (f"{{{choices}}}" if choices else action.dest.upper()))


def _lines(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        yield from text.splitlines()


def _prose(text: str) -> Iterator[str]:
    """Paragraphs filled; what is indented as it stands."""
    for paragraph in text.strip("\n").split("\n\n"):
        lines = paragraph.splitlines()
        yield ".PP"
        yield from (_text(line) for line in lines if not line.startswith(" "))
        if kept := [line for line in lines if line.startswith(" ")]:
            yield ".EX"
            yield from map(_text, textwrap.dedent("\n".join(kept)).splitlines())
            yield ".EE"


def _text(line: str) -> str:
    """So that roff prints it: a hyphen is a minus (it is copied), and no line is a request."""
    line = line.replace("\\", "\\e").replace("-", "\\-")
    line = "".join(c if c.isascii() else f"\\[u{ord(c):04X}]" for c in line)
    return f"\\&{line}" if line.startswith((".", "'")) else line
