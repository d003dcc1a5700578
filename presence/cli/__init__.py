"""What a person types: `presence run`, `status`, `check`, `demo` and more.

`parsers` say what each command takes; `command` imports its work when it is chosen.

Imports: everything below; nothing imports it.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import Final

from presence import __version__
from presence.cli.command import Commands, work_of
from presence.cli.parsers import PARSERS
from presence.errors import ConfigurationError, PresenceError, RadioError, UsageError

EXIT_CODES: Final = """\
exit codes:
  0   done, all is well
  1   something was found or failed; the message says what to do
  2   the command line is wrong
  3   `presence status`: no gateway runs; 4: it does not answer us
  75  the radio is deaf and only a start anew is left to try: for
      `Restart=always` of systemd (EX_TEMPFAIL)
  78  the configuration cannot be used (EX_CONFIG)
  130 interrupted
"""


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="presence",
        description="Recognises customers who asked to be recognised, and nobody else.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"presence {__version__}")
    commands = Commands(top, metavar="COMMAND")
    for each in PARSERS:
        each.add(commands)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code; see EXIT_CODES."""
    options = parser().parse_args(arguments)
    try:
        return work_of(options)(options)
    except ConfigurationError as error:
        print(f"the configuration cannot be used:\n{error}", file=sys.stderr)
        return 78
    except UsageError as error:
        print(f"presence {options.command}: {error}", file=sys.stderr)
        return 64
    except RadioError as error:
        print(f"presence {options.command}: {error}", file=sys.stderr)
        return 75
    except PresenceError as error:
        print(f"presence {options.command}: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # `presence … | head`: nobody reads any more
        sys.stderr.close()
        return 1
    except KeyboardInterrupt:
        return 130
