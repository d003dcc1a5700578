"""One way to make a command: its parser now, its work only when it is chosen.

A parser names its work ("module:function") and imports nothing of it, so that `--help` and
`--version` answer before numpy, bleak or tuf are even looked for. Held, and that every name leads
somewhere, by tests/cli/parsers/test_startup.py. Programs in scripts/ have such parsers, too.
"""

import argparse
import difflib
import importlib
import os
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn, Protocol, TextIO

from presence.cli.exit_codes import ExitCode
from presence.language import LANGUAGES, Language, language_asked, language_named
from presence.location import SETTINGS, VARIABLE, settings_file

CONFIG: Final = f"of settings (${VARIABLE}, else {SETTINGS})"
WIDTH: Final = 80
"""Of help and messages, on whatever terminal is as wide; on a narrower one as wide as that."""
COMMANDS: Final = ("presence ", "scripts/", "sudo ", "openssl ", "… --", "--")
"""What a line of ours begins with that is there to be copied."""
MISSING: Final = "presence.cli.helping:missing"


class TakesOptions(Protocol):
    """A parser, or a group of options that exclude one another."""

    def add_argument(self, *names: str, **how: Any) -> argparse.Action: ...


def width() -> int:
    """Characters of a line for people, 40 to WIDTH."""
    return _readable(shutil.get_terminal_size((WIDTH, 24)).columns)


def columns_of(stream: TextIO) -> int | None:
    """Characters of a line on its terminal, 40 to WIDTH; None where it is none: whole lines, for
    other programs to search.
    """
    if not stream.isatty():
        return None
    columns = os.get_terminal_size(stream.fileno()).columns  # a serial line has none
    return _readable(columns or WIDTH)


def _readable(columns: int) -> int:
    return max(40, min(WIDTH, columns))


def filled(text: str, columns: int | None, *, head: str = "", indent: str = "") -> list[str]:
    """One line behind its head; on a terminal as many as it takes, no word broken at the edge."""
    if columns is None:
        return [head + text]
    found = textwrap.wrap(
        text,
        columns,
        initial_indent=head,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return found or [head.rstrip()]


def print_lines(text: str, out: TextIO | None = None) -> None:
    """For a person, on `out` or stdout: where a line is longer than its terminal, what goes on
    stands under its own column, or a little within.
    """
    out = sys.stdout if out is None else out
    columns = columns_of(out)
    for line in text.split("\n"):
        fits = columns is None or len(line) <= columns
        for part in [line] if fits else _wrapped(line, columns or WIDTH, within=2):
            print(part, file=out, flush=True)


class HelpFormatter(argparse.HelpFormatter):
    """Lines of our texts stay as they are where they fit; where not, they are wrapped under their
    own beginning.
    """

    def __init__(self, prog: str, **how: Any) -> None:
        super().__init__(prog, **{"width": width(), "max_help_position": 28, **how})

    def add_argument(self, action: argparse.Action) -> None:
        super().add_argument(action)
        if isinstance(action, argparse._SubParsersAction):
            self._action_max_length += 2  # Python 3.11 forgets that commands are indented

    def _format_usage(self, *how: Any) -> str:
        """Under the word itself, where a long name leaves no room beside it."""
        text = super()._format_usage(*how)
        if all(len(line) <= self._width for line in text.splitlines()):
            return text
        indent = " " * len("usage: ")
        lines = textwrap.wrap(
            " ".join(text.split()), self._width, subsequent_indent=indent, break_on_hyphens=False
        )
        return "\n".join(lines) + "\n\n"

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n".join(f"{indent}{line}" for line in fitted(text, width - len(indent)))


def fitted(text: str, width: int) -> list[str]:
    """Our lines where all fit; else prose, each row of a table and each command by itself, a
    command never broken: it is there to be copied.
    """
    lines = text.splitlines()
    if all(len(line) <= width for line in lines):
        return lines
    return [line for part in _parts(lines) for line in _wrapped(part, width)]


def _parts(lines: Iterable[str]) -> Iterator[str]:
    """What belongs together as one line."""
    part = ""
    for line in lines:
        stays = line.strip() and part and not part.endswith(("\\", ":")) and not _is_command(part)
        if stays and len(line) - len(line.lstrip()) == _column(part) and not _is_row(line):
            part = f"{part} {line.strip()}"
            continue
        if part:
            yield part
        part = line
        if not line:
            yield line
    if part:
        yield part


def _is_command(line: str) -> bool:
    return line.lstrip().startswith(COMMANDS) and line.startswith(" ")


def _is_row(line: str) -> bool:
    return "  " in line.strip()


def _column(part: str) -> int:
    """Where what goes on begins: under the second column of a row, or under itself."""
    begins = len(part) - len(part.lstrip())
    _, gap, second = part.lstrip().partition("  ")
    return len(part) - len(second.lstrip()) if gap else begins


def _wrapped(part: str, width: int, *, within: int = 0) -> list[str]:
    """`within`: how far what goes on is set in where nothing stands in columns."""
    if _is_command(part):
        return [part]
    column = _column(part) + (0 if _is_row(part) else within)
    found = textwrap.wrap(
        part,
        width,
        subsequent_indent=" " * (column if column < width // 2 else 4),
        break_long_words=False,
        break_on_hyphens=False,
    )
    return found or [""]


class Parser(argparse.ArgumentParser):
    """A parser by the book: one width, examples, exit codes, "did you mean", and usage is 64.

    `examples` are command lines that it takes (tests/cli/parsers holds it), with a remark after
    `  # `; `exits` says what codes of this very command mean. Options are never abbreviated: a
    script that did so would break with the next option.
    """

    def __init__(
        self,
        *,
        epilog: str | None = None,
        examples: Sequence[str] = (),
        exits: Mapping[ExitCode, str] | None = None,
        **how: Any,
    ) -> None:
        self.examples = tuple(examples)
        self.exits = dict(exits or {})
        self.notes = (epilog or "").strip("\n")
        parts = [
            _section("examples", (f"  {example}" for example in self.examples)),
            self.notes,
            _section("exit codes", exit_lines(self.exits)),
        ]
        kind = {"formatter_class": HelpFormatter, "allow_abbrev": False, **how}
        super().__init__(epilog="\n\n".join(filter(None, parts)) or None, **kind)

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """None of it stays unknown: the parser whose it is says so itself."""
        words = list(sys.argv[1:] if args is None else args)
        self._look_at(words)
        options, rest = super().parse_known_args(words, namespace)
        if rest:
            self.error(f"{rest[0]!r}: one word too many")
        return options, rest

    def error(self, message: str) -> NoReturn:
        """As GNU's programs say it: what is wrong, and where to read on."""
        self.exit(
            ExitCode.USAGE, f"{self.prog}: {message}\n`{self.prog} --help` shows what it takes.\n"
        )

    def commands(self) -> dict[str, "Parser"]:
        """Those it chooses from, by name."""
        return {
            name: command
            for action in self._actions
            if isinstance(action, argparse._SubParsersAction)
            for name, command in action.choices.items()
        }

    def _look_at(self, words: Sequence[str]) -> None:
        """Before argparse misses what is required: is each option one, and the command?"""
        commands = self.commands()
        for word in words:
            if word == "--":
                return
            name = word.partition("=")[0]
            if commands and not word.startswith("-"):
                if word not in commands:
                    self.error(f"{word!r} is not a command{meant(word, commands)}")
                return
            if name.startswith("--") and " " not in word and "-" in self.prefix_chars:
                self._look_at_option(name, commands)

    def _look_at_option(self, name: str, commands: Mapping[str, "Parser"]) -> None:
        known = self._option_string_actions
        if name in known:
            return
        for command, parser in commands.items():
            if name in parser._option_string_actions:
                self.error(f"{name}: goes after the command: {self.prog} {command} … {name} …")
        self.error(f"{name} is not an option{meant(name, [*known])}")


def meant(word: str, names: Iterable[str]) -> str:
    """`: did you mean …?`, or nothing where none is near."""
    names = [name for name in names if len(name) > 2]
    found = [name for name in names if name.startswith(word)][:3] or difflib.get_close_matches(
        word, names, n=1
    )
    return f": did you mean {' or '.join(found)}?" if found else ""


def exit_lines(exits: Mapping[ExitCode, str]) -> Iterator[str]:
    for code, meaning in sorted(exits.items()):
        first, *more = textwrap.wrap(meaning, WIDTH - 7, break_on_hyphens=False)
        yield f"  {code:<3}  {first}"
        yield from (f"       {line}" for line in more)


def _section(title: str, lines: Iterable[str]) -> str:
    found = "\n".join(lines)
    return f"{title}:\n{found}" if found else ""


class Commands:
    """The commands, or the actions of one, that a parser chooses from."""

    def __init__(
        self, parser: argparse.ArgumentParser, *, metavar: str, missing: str | None = None
    ) -> None:
        """`missing` is the work where none is chosen; without it one must be."""
        self._parsers = parser.add_subparsers(
            dest=metavar.lower(),
            metavar=metavar,
            title=f"{metavar.lower()}s",
            required=missing is None,
        )
        parser.set_defaults(work=missing)

    def add(
        self, name: str, work: str | None, *, summary: str, description: str, **how: Any
    ) -> argparse.ArgumentParser:
        """`work` takes the options and answers with the exit code; None where actions have it.

        Texts are shown as they are: lines of at most 80 characters. `how`: see Parser.
        """
        command: argparse.ArgumentParser = self._parsers.add_parser(
            name, help=summary, description=description, **how
        )
        if work is not None:
            command.set_defaults(work=work)
            _add_manners(command)
        return command


def work_of(options: argparse.Namespace) -> Callable[[argparse.Namespace], int]:
    """What was chosen, imported now."""
    module, _, function = options.work.partition(":")
    work: Callable[[argparse.Namespace], int] = getattr(importlib.import_module(module), function)
    return work


def _add_manners(command: argparse.ArgumentParser) -> None:
    """What every command takes."""
    if "-" not in command.prefix_chars:
        return
    common = command.add_argument_group("with every command")
    common.add_argument(
        "-v", "--verbose", action="store_true", help="where it fails, say where in the program"
    )
    common.add_argument(
        "--no-color", action="store_true", help="no colours, as with NO_COLOR in the environment"
    )


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


def add_language(to: TakesOptions, explanation: str) -> None:
    to.add_argument(
        "--language",
        choices=LANGUAGES,
        metavar="LANGUAGE",
        help=f"en, fi or sv, {explanation} (as LC_ALL, LC_MESSAGES, LANG say)",
    )


def language_of(options: argparse.Namespace) -> Language:
    """The one that is asked for, else the terminal's."""
    return language_named(options.language or language_asked(os.environ))


def add_quiet(to: TakesOptions, explanation: str) -> None:
    to.add_argument("-q", "--quiet", action="store_true", help=explanation)


def add_output(to: TakesOptions, *, metavar: str, explanation: str) -> None:
    to.add_argument("-o", "--output", type=Path, metavar=metavar, help=explanation)
