"""`presence completion`: prints what completes `presence` in a shell.

The files are made from the parsers by `scripts/pages`, with shtab, and ship as they are: no gateway
needs the library, and completing starts no Python.
"""

import argparse
from importlib.resources import files

from presence.cli.exit_codes import ExitCode


def start(options: argparse.Namespace) -> int:
    file = files("presence.cli") / "completions" / f"presence.{options.shell}"
    print(file.read_text(encoding="utf-8"), end="")
    return ExitCode.OK
