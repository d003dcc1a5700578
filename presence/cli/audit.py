"""`presence audit`: what was decided about this gateway, and whether nobody changed the record of
it.
"""

import argparse
import json
from pathlib import Path
from zoneinfo import ZoneInfo

from presence.cli.command import print_lines
from presence.cli.exit_codes import ExitCode
from presence.cli.folders import folders_of
from presence.core.operations.audit_chain import digest_of, record_of
from presence.core.operations.audit_words import in_words
from presence.counting import counted
from presence.edges.host.audit_files import lines_of, look_at
from presence.edges.host.clock import local_time
from presence.errors import StorageError


def start(options: argparse.Namespace) -> int:
    directory, time_zone = options.state_dir, None
    if directory is None:
        storage, time_zone = folders_of(options.config)
        directory = storage.state_dir
    try:
        if options.action == "verify":
            return _verify(directory, options)
        return _show_lines(directory) if options.json else _show(directory, time_zone)
    except OSError as error:
        raise StorageError(
            f"{directory}: {error.strerror}: ask as presence's user or as root"
        ) from error


def _show_lines(directory: Path) -> int:
    """As they stand in the file, each one JSON object."""
    for _, line in lines_of(directory):
        print(line.decode("ascii", "backslashreplace"))
    return 0


def _show(directory: Path, time_zone: str | None) -> int:
    """`time_zone`: None: the machine's."""
    zone = ZoneInfo(time_zone) if time_zone else None
    shown = 0
    for place, line in lines_of(directory):
        record = record_of(line)
        if record is None:
            print_lines(f"{place}: this line cannot be read: `presence audit verify`")
        else:
            at = local_time(record["at"], zone, "%Y-%m-%d %H:%M:%S")
            print_lines(f"{at}  {in_words(record)}")
        shown += 1
    if not shown:
        print_lines(f"{directory}: no audit log: has a gateway run here?")
    return 0


def _verify(directory: Path, options: argparse.Namespace) -> int:
    verdict = look_at(directory)
    problem = verdict.problem or _against_noted(directory, options.head)
    if not verdict.lines and not problem:
        problem = f"{directory}: no audit log: none has been begun here, or it was taken away"
    if options.quiet:
        return ExitCode.WARN if problem else ExitCode.OK
    head = f"{verdict.last.n}:{verdict.last.digest}"
    if options.json:
        print(
            json.dumps(
                {"whole": not problem, "lines": verdict.lines, "problem": problem, "head": head}
            )
        )
    elif problem:
        print_lines(
            f"{'BROKEN' if verdict.lines else 'MISSING':7} {problem}\n"
            "        → keep a copy of the folder, and ask who had access: docs/operations.md"
        )
    else:
        print_lines(f"whole: {counted(verdict.lines, 'line')}; head {head}")
    return ExitCode.WARN if problem else ExitCode.OK


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
