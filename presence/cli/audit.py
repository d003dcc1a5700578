"""`presence audit`: what was decided about this gateway, and whether nobody changed the record of
it.
"""

import argparse
import json
from pathlib import Path
from typing import Final

from presence.config import load_settings
from presence.core.operations.audit_chain import digest_of
from presence.edges.host.audit import lines_of, look_at
from presence.errors import StorageError

DEFAULT_STATE_DIR: Final = Path("/var/lib/presence")

EPILOG: Final = """The log says which list was applied, when the gateway was armed or disarmed, that the configuration
changed, that the clock jumped, what a technician asked for; never anything about a customer. Each line carries the hash
of the one before. Note the head elsewhere from time to time: it proves every line up to it (`verify --head`).

exit codes: 0 the chain is whole, 1 it is not (the first broken line is named), 78 the configuration cannot be used"""


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "audit",
        help="the record of lists, arming, configuration and alarms: show it, verify its chain",
        description="Reads the audit log in the state directory. Changes nothing.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("action", choices=("verify", "show"))
    where = command.add_mutually_exclusive_group()
    where.add_argument("--state-dir", type=Path, default=DEFAULT_STATE_DIR, metavar="DIR",
                       help=f"default {DEFAULT_STATE_DIR}")  # fmt: skip
    where.add_argument(
        "--config", type=Path, metavar="FILE", help="take storage.state_dir from there"
    )
    command.add_argument(
        "--head",
        metavar="N:HASH",
        help="a head that was noted earlier: is its line still the same?",
    )
    command.add_argument("--json", action="store_true", help="one JSON object on stdout")
    command.set_defaults(start=start)


def start(options: argparse.Namespace) -> int:
    directory = (
        load_settings(options.config).storage.state_dir if options.config else options.state_dir
    )
    try:
        return _show(directory) if options.action == "show" else _verify(directory, options)
    except OSError as error:
        raise StorageError(
            f"{directory}: {error.strerror}: ask as presence's user or as root"
        ) from error


def _show(directory: Path) -> int:
    for _, line in lines_of(directory):
        print(line.decode("ascii", "backslashreplace"))
    return 0


def _verify(directory: Path, options: argparse.Namespace) -> int:
    verdict = look_at(directory)
    problem = verdict.problem or _against_noted(directory, options.head)
    head = f"{verdict.last.n}:{verdict.last.digest}"
    if options.json:
        print(
            json.dumps(
                {"whole": not problem, "lines": verdict.lines, "problem": problem, "head": head}
            )
        )
    elif problem:
        print(
            f"BROKEN  {problem}\n        → keep a copy of the folder, and ask who had access: "
            "docs/operations.md"
        )
    else:
        print(f"whole: {verdict.lines} lines; head {head}")
    return 1 if problem else 0


def _against_noted(directory: Path, noted: str | None) -> str:
    if not noted:
        return ""
    number, _, digest = noted.partition(":")
    following = None
    for place, line in lines_of(directory):
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if str(record["n"]) == number:
            following = (place, line)
    if following is None:
        return f"number {number} of the noted head is not in the log any more"
    place, line = following
    return (
        ""
        if digest_of(line) == digest
        else f"{place}: not the line of the noted head: it was changed"
    )
