"""What a person types: `presence run`, `status`, `check`, `demo` and more.

`parsers` say what each command takes; `command` imports its work when it is chosen.

Imports: everything below; nothing imports it.
"""

import argparse
import os
import sys
from collections.abc import Sequence

from presence.cli.command import columns_of, filled, work_of
from presence.cli.exit_codes import ExitCode
from presence.cli.parsers import parser
from presence.errors import (
    ConfigurationError,
    HungUp,
    PresenceError,
    RadioError,
    UsageError,
    type_and_place,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code; see MEANINGS."""
    try:
        try:
            return _answer(arguments)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:  # `presence … | head`: nobody reads any more, nor what is written late
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.BROKEN_PIPE
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED


def _answer(arguments: Sequence[str] | None) -> int:
    options = parser().parse_args(arguments)
    if getattr(options, "no_color", False):
        os.environ["NO_COLOR"] = "1"  # no-color.org; also what libraries look at
    try:
        return work_of(options)(options)
    except HungUp:
        _let_go_of_terminal()
        return ExitCode.HUNG_UP
    except PresenceError as error:
        _explain(error, options)
        return code_of(error)
    except (BrokenPipeError, KeyboardInterrupt):
        raise
    except Exception:  # noqa: BLE001 - told as ever, but 1 would be a verdict
        sys.excepthook(*sys.exc_info())
        return ExitCode.SOFTWARE


def _let_go_of_terminal() -> None:
    """What waits to be written goes nowhere: at the end it would be an error."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _explain(error: PresenceError, options: argparse.Namespace) -> None:
    name = " ".join(filter(None, ("presence", options.command, getattr(options, "action", None))))
    head = "the configuration cannot be used:\n" if isinstance(error, ConfigurationError) else ""
    columns = columns_of(sys.stderr)
    for line in f"{name}: {head}{error}".splitlines():
        for part in filled(line, columns, indent="  "):
            print(part, file=sys.stderr)
    cause: BaseException | None = error if getattr(options, "verbose", False) else None
    while cause is not None:
        print(f"  {type_and_place(cause)}", file=sys.stderr)
        cause = cause.__cause__ or cause.__context__


def code_of(error: PresenceError) -> ExitCode:
    """What could not be done, and who must act."""
    match error:
        case UsageError():
            return ExitCode.USAGE
        case ConfigurationError():
            return ExitCode.CONFIG
        case RadioError():
            return ExitCode.TEMPFAIL
        case _:
            return ExitCode.UNAVAILABLE
