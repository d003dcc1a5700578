"""`presence consents apply`: lines of JSON, each one action as it is typed, in one process and with
one answer each.

A line names the options of its action, without their dashes; the parser of that action reads it, so
a line can say what can be typed, and nothing else. But the lines of an export
(presence.consent_service.kept_lines) are taken as they are: `restore` is no action that is typed.
"""

import argparse
import contextlib
import io
import json
import os
import re
import stat
import sys
from collections.abc import Iterator
from typing import Any, Final, TextIO

from presence.cli.command import Parser, meant, work_of
from presence.cli.consents.moving import AT_ONCE, Restorer
from presence.cli.exit_codes import ExitCode
from presence.cli.parsers import parser
from presence.consent_service.kept_lines import RESTORE
from presence.errors import PresenceError, UsageError, reason_of

ACTIONS: Final = (
    *("add", "narrow", "fulfil", "pause", "resume", "withdraw", "object"),
    *("show", "status", "settings", "publish", "head"),
)
"""Not those that last, that ask for two root keys, or that answer with more than one object."""
OF_THE_COMMAND: Final = {"help", "directory", "json", "verbose", "no-color", "loop", "every"}
ITSELF: Final = {"add": ("identity-key",), "settings": ("taxonomy", "places")}
"""In a line these are themselves, where an option names a file or nothing can be typed."""
MISSING: Final = "the following arguments are required: "
"""Says argparse."""


def start(options: argparse.Namespace) -> int:
    bad = 0
    with _opened(options) as file:
        top, restorer = parser(), Restorer(options, at_once=AT_ONCE if _is_whole(file) else 1)
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                said = _said(line)
                if said.get("action") == RESTORE:
                    restorer.take(number, said)
                    continue
                restorer.finish()
                typed = _typed(said, number, top, options)
                work_of(typed)(typed)
            except PresenceError as error:
                restorer.finish()
                bad += 1
                why = _in_keys(str(error)) if isinstance(error, UsageError) else str(error)
                print(json.dumps({"line": number, "error": why}, ensure_ascii=False))
            sys.stdout.flush()  # whoever waits for this answer before the next line
        restorer.finish()
    return ExitCode.WARN if bad or restorer.bad else ExitCode.OK


def _is_whole(file: TextIO) -> bool:
    """Whether all lines are there already, and nobody waits for the answer to one."""
    try:
        return stat.S_ISREG(os.fstat(file.fileno()).st_mode)
    except OSError:
        return False


@contextlib.contextmanager
def _opened(options: argparse.Namespace) -> Iterator[TextIO]:
    if str(options.file) == "-":
        yield sys.stdin
        return
    try:
        file = options.file.open(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{options.file}: {reason_of(error)}") from error
    with file:
        yield file


def _said(line: str) -> dict[str, Any]:
    """Raises UsageError."""
    try:
        said = json.loads(line)
    except ValueError as error:
        raise UsageError(f"no JSON: {error}") from None
    if not isinstance(said, dict):
        raise UsageError('no JSON object such as {"action": "pause", "id": "anna"}')
    return said


def _typed(
    said: dict[str, Any], number: int, top: Parser, options: argparse.Namespace
) -> argparse.Namespace:
    """With the folder and the broker of the whole. Raises UsageError."""
    action = said.pop("action", None)
    if action not in ACTIONS:
        use = meant(str(action), ACTIONS) or f": use {', '.join(ACTIONS)}"
        raise UsageError(f"action: {action!r} is none{use}")
    values = {name.replace("_", "-"): value for name, value in said.items()}
    if alien := OF_THE_COMMAND & values.keys():
        raise UsageError(f"{min(alien)}: is no word of a line")
    if values.get("id") == "-":
        raise UsageError("id: in a line it is the id itself")
    itself = {
        name.replace("-", "_"): values.pop(name)
        for name in ITSELF.get(action, ())
        if values.get(name) is not None
    }
    command = top.commands()["consents"].commands()[action]
    shared = {
        name: value
        for name, value in vars(options).items()
        if name in ("directory", "verbose") or name.startswith("mqtt")
    }
    typed = _parsed(top, ["consents", action, *_words(command, values)])
    vars(typed).update(shared, json=True, line=number, **itself)
    return typed


def _words(command: Parser, values: dict[str, Any]) -> Iterator[str]:
    """As it would be typed: options first, then what has its place."""
    placed = [action.dest for action in command._actions if not action.option_strings]
    for name, value in values.items():
        if name in placed:
            continue
        for each in value if isinstance(value, list) else [value]:
            if each is True:
                yield f"--{name}"
            elif each is not False and each is not None:  # 0 is a value
                yield f"--{name}={each}"
    if words := [str(values[name]) for name in placed if name in values]:
        yield from ("--", *words)


def _parsed(top: Parser, words: list[str]) -> argparse.Namespace:
    """Raises UsageError."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            return top.parse_args(words)
    except SystemExit:
        first = (said.getvalue().splitlines() or ["cannot be used"])[0]
        raise UsageError(first.partition(": ")[2] or first) from None


def _in_keys(error: str) -> str:
    """What was said of options, in the words of a line: `--chain-wide` is its `chain_wide`."""
    if error.startswith(MISSING):
        error = f"missing: {error.removeprefix(MISSING).replace('ID', 'id')}"
    error = error.removeprefix("argument ").replace(
        "ignored explicit argument", "true or false, and not"
    )
    error = error.replace("is not an option", "is no word of this action")
    return re.sub(r"--([a-z][a-z-]*)", lambda name: name[1].replace("-", "_"), error)
